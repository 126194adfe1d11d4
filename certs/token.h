/* SPDX-License-Identifier: Apache-2.0 */
/* A PKCS#11 token, through `p11-kit server`: the vendor's module runs in a process of its own, and this one speaks to it
 * over one descriptor that is opened before the lock-down (p11-kit-client.so, PKCS#11 v2.40).
 *
 * One session, since the signer is one thread (docs/decisions). A session that the token dropped is opened and logged in
 * again within the same descriptor; a descriptor that broke is E_TOKEN_GONE, and the signer is started anew. A wrong PIN
 * is counted in `memory_path` before it is tried: after one refusal, or where the token says that its count is low, it
 * is not tried again (E_TOKEN_PIN) until a person corrects the PIN and removes the file. */
#ifndef CERTS_TOKEN_H
#define CERTS_TOKEN_H

#include "certs/anchor.h"
#include "certs/keystore.h"

struct token_setup {
	const char *socket;	/* of `p11-kit server`, a path */
	const char *uri;	/* RFC 7512; its path attributes name the token (token, serial, manufacturer, model) */
	const char *pin;	/* a secret's reference (base/file.h) */
	const char *memory_path;	/* STATE/token.pin */
};

struct token;
/* Connects, finds the token, logs in. From here this process ignores SIGPIPE. E_TOKEN_GONE, E_TOKEN_PIN, E_SECRET,
 * E_CA_FILE (URI, several tokens fit). */
WARN_UNUSED bool token_open(const struct token_setup *setup, struct token **ret, struct err *e);
void token_close(struct token *t);

/* The private key that the URI names (object, id); its public half is read from the token, or from the public key or certificate
 * object beside it. The keystore is used before token_close. E_CA_FILE (none, several, may not sign, a kind that is not taken),
 * E_TOKEN_GONE. */
WARN_UNUSED bool keystore_open_token(struct token *t, const char *uri, struct keystore *ret, struct err *e);

/* The counter in a private data object of this label, made by token_make_anchor. Withstands a restored disk, not who has the PIN.
 * E_ANCHOR if it is not there or no number. */
WARN_UNUSED bool anchor_open_token(struct token *t, const char *label, struct anchor *ret, struct err *e);
/* Makes it, at zero. E_ANCHOR if it is there already. */
WARN_UNUSED bool token_make_anchor(struct token *t, const char *label, struct err *e);

#endif
