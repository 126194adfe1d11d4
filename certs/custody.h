/* SPDX-License-Identifier: Apache-2.0 */
/* The issuing key and the anchor of the count, each by its URI, wherever they live:
 *
 *   key     /PATH or file:/PATH        an encrypted PEM file: training
 *           pkcs11:token=…;object=…    RFC 7512 (token.h)
 *           tpm:handle=0x81…[;…]       the station's own TPM (own_tpm.h)
 *   anchor  "" none · token:LABEL · tpm:nv=0x01…
 *
 * What both need (a session with the token, a connection to the TPM) is opened once. */
#ifndef CERTS_CUSTODY_H
#define CERTS_CUSTODY_H

#include "certs/anchor.h"
#include "certs/keystore.h"

/* Lent while it opens. Paths are absolute, secrets references (base/file.h); "" for what is not there. */
struct custody_setup {
	const char *key_uri, *anchor_uri;
	const char *passphrase;	/* of a key file */
	const char *pin;	/* of the token, or authorisation value of what is in the TPM */
	const char *token_socket;
	const char *tcti;
	const char *pin_memory;	/* STATE/token.pin */
};

struct token;
struct own_tpm;
struct custody {
	struct token *token;
	struct own_tpm *tpm;
	struct keystore key;
	struct anchor anchor;	/* .ops NULL without one */
};

/* E_CA_FILE (URI, key), E_SECRET, E_TOKEN_GONE, E_TOKEN_PIN, E_ANCHOR. */
WARN_UNUSED bool custody_open(const struct custody_setup *setup, struct custody *ret, struct err *e);
void custody_close(struct custody *c);

/* True if the text is a URI of a key, or of an anchor ("" is one). */
bool custody_is_key_uri(const char *uri);
bool custody_is_anchor_uri(const char *uri);

#endif
