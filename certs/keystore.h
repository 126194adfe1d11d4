/* SPDX-License-Identifier: Apache-2.0 */
/* Where an issuing key lives. What holds it is a row of operations: an encrypted file (keystore_file.c), a PKCS#11 token
 * (token.h), the station's own TPM (own_tpm.h). The certificate is built by us, and only a digest goes to the key. Used
 * by one thread at a time. */
#ifndef CERTS_KEYSTORE_H
#define CERTS_KEYSTORE_H

#include "certs/key.h"

#define KEYSTORE_SIGNATURE_MAX 512

struct keystore_signature {
	size_t len;
	uint8_t data[KEYSTORE_SIGNATURE_MAX];
};

struct keystore_ops {
	const char *name;	/* "file", "token", "tpm" */
	bool in_hardware;	/* the key cannot be read out: what a production line needs */
	/* Signs a SHA-256 digest as certificates carry it: DER ECDSA-Sig-Value, or PKCS#1 v1.5. After the lock-down it
	 * opens nothing. E_SIGN; E_TOKEN_GONE where what holds the key cannot be reached (it may be put back);
	 * E_KEY_SPENT where it refuses because its own limit is reached. */
	bool (*sign)(void *state, const uint8_t digest[static SHA256_SIZE], struct keystore_signature *ret, struct err *e);
	void (*close)(void *state);	/* NULL: nothing to do */
	/* Before the lock-down: everything that signing will need, without using up a signature. NULL: one is made and
	 * thrown away. */
	bool (*warm)(void *state, struct err *e);
};

struct keystore {
	const struct keystore_ops *ops;
	void *state;
	struct key_public key;	/* P-256, or RSA of 2048 to 4096 bits */
};

/* The key of an encrypted PEM file. E_CA_FILE, E_SECRET. */
WARN_UNUSED bool keystore_open_file(const char *path, const char *passphrase, struct keystore *ret, struct err *e);

WARN_UNUSED bool keystore_sign(const struct keystore *k, const uint8_t digest[static SHA256_SIZE],
			       struct keystore_signature *ret, struct err *e);
void keystore_close(struct keystore *k);

#endif
