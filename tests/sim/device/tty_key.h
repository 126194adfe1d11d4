/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_TTY_KEY_H
#define SIM_TTY_KEY_H

/*
 * The key of a simulated device without a TPM: P-256, in its flash as `key.pem`, together with the seed of the job that it was
 * made for. It is replaced atomically, so that a power cut leaves the old key or the new one.
 */

#include "why.h"

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#define TTY_CSR_MAX 2048

struct tty_key {
	char dir[400];
	EVP_PKEY *key; /* NULL: none was made yet */
	char seed[65];
};

MUST_CHECK bool tty_key_open(struct tty_key *k, const char *dir, struct why *w);
/* Takes a zeroed key. */
void tty_key_close(struct tty_key *k);

/* Makes a new key for that seed. */
MUST_CHECK bool tty_key_make(struct tty_key *k, const char *seed, struct why *w);
/* A key that is in no flash, for devices that lie. */
EVP_PKEY *tty_key_other(void);

/* PKCS#10 in DER with the common name and the challengePassword. Its length, or 0. */
size_t tty_key_csr(EVP_PKEY *key, const char *name, const char *challenge, uint8_t to[TTY_CSR_MAX]);
/* r and s, each 32 bytes, of ECDSA over the digest. */
bool tty_key_sign(EVP_PKEY *key, const uint8_t digest[32], uint8_t to[64]);

#endif
