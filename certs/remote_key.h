/* SPDX-License-Identifier: Apache-2.0 */
/* A TLS client key that lives elsewhere: an in-process OpenSSL provider whose only skill is to have
 * an ECDSA P-256 signature made by a callback (over USB, by the device's TPM). No engine. One
 * SSL_CTX per identity; the callback blocks, with its own deadline. */
#ifndef CERTS_REMOTE_KEY_H
#define CERTS_REMOTE_KEY_H

#include "certs/key.h"

struct remote_key {
	struct key_public key;		/* P-256 */
	bool (*sign)(void *ctx, const uint8_t digest[static SHA256_SIZE], struct key_signature *ret, struct err *e);
	void *ctx;
	struct err *cause;	/* if the callback fails its error is kept here, since TLS only says that it failed; may be NULL */
};

/* Loads the provider into the default library context of this process, once, before threads exist.
 * E_TLS. */
WARN_UNUSED bool remote_key_load(struct err *e);

/* Gives the SSL_CTX (as void *, from libcurl's CURLOPT_SSL_CTX_FUNCTION) this leaf, its chain, and
 * this key. `key` is lent for the life of the context. Restricts the client's signature algorithms
 * to ECDSA with SHA-256. E_TLS. */
WARN_UNUSED bool remote_key_use(void *ssl_ctx, const struct remote_key *key, const void *leaf, size_t leaf_len,
				const struct bytes *chain, size_t chain_count, struct err *e);


#endif
