/* SPDX-License-Identifier: Apache-2.0 */
/* Where an issuing key lives. What holds it is a row of operations, so that a token or a TPM
 * becomes another row beside the file: the certificate is built here, and only a digest goes to the
 * key. Used by one thread at a time. */
#ifndef CERTS_KEYSTORE_H
#define CERTS_KEYSTORE_H

#include "certs/key.h"

#define KEYSTORE_SIGNATURE_MAX 512

struct keystore_signature {
	size_t len;
	uint8_t data[KEYSTORE_SIGNATURE_MAX];
};

struct keystore_ops {
	const char *name;	/* "file" */
	/* Signs a SHA-256 digest as certificates carry it: DER ECDSA-Sig-Value, or PKCS#1 v1.5. E_SIGN. */
	bool (*sign)(void *state, const uint8_t digest[static SHA256_SIZE], struct keystore_signature *ret, struct err *e);
	void (*close)(void *state);
};

struct keystore {
	const struct keystore_ops *ops;
	void *state;
	struct key_public key;
};

/* The key of an encrypted PEM file. E_CA_FILE, E_SECRET. */
WARN_UNUSED bool keystore_open_file(const char *path, const char *passphrase, struct keystore *ret, struct err *e);

WARN_UNUSED bool keystore_sign(const struct keystore *k, const uint8_t digest[static SHA256_SIZE],
			       struct keystore_signature *ret, struct err *e);
void keystore_close(struct keystore *k);

#endif
