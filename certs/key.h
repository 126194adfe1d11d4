/* SPDX-License-Identifier: Apache-2.0 */
/* A public key as numbers, of fixed size: what the judged bytes of a device become, and all that
 * the signer is told of a key. */
#ifndef CERTS_KEY_H
#define CERTS_KEY_H

#include "station/base/bytes.h"
#include "station/base/sha256.h"

enum key_kind { KEY_NONE, KEY_P256, KEY_RSA };

struct key_public {
	uint32_t kind;		/* enum key_kind */
	uint8_t x[32], y[32];	/* P-256: affine coordinates, big-endian */
	uint32_t rsa_bits;	/* RSA: 2048 to 4096 */
	uint32_t rsa_exponent;	/* never 0 here */
	uint8_t rsa_modulus[512];	/* big-endian, the first rsa_bits / 8 bytes */
};

/* An ECDSA P-256 signature as two numbers, big-endian. */
struct key_signature {
	uint8_t r[32], s[32];
};

/* True if the numbers are a key: point on the curve; modulus of 2048 to 4096 bits and odd, exponent
 * odd and at least 65537. E_KEY_WEAK otherwise. */
WARN_UNUSED bool key_is_sound(const struct key_public *key, struct err *e);

/* Appends the DER SubjectPublicKeyInfo (RFC 5280, 4.1; named curve and uncompressed point, RFC
 * 5480). E_KEY_WEAK if the numbers are no sound key. */
WARN_UNUSED bool key_spki(const struct key_public *key, struct bytes *ret, struct err *e);
/* Writes the same; the numbers must be sound. */
struct der;
void key_put_spki(struct der *d, const struct key_public *key);
WARN_UNUSED bool key_spki_sha256(const struct key_public *key, uint8_t ret[static SHA256_SIZE], struct err *e);

/* The key's identifier in certificates (RFC 7093, section 2, method 1: 160 bits of SHA-256 over the
 * subjectPublicKey). The numbers must be sound. */
#define KEY_ID_SIZE 20
void key_id(const struct key_public *key, uint8_t ret[static KEY_ID_SIZE]);

/* True if the signature over this SHA-256 digest is by this P-256 key. */
bool key_signed(const struct key_public *key, const uint8_t digest[static SHA256_SIZE], const struct key_signature *sig);

/* Who checks many signatures by P-256 keys, one after another, keeps libcrypto's objects for it here: to make them costs a tenth
 * of a check. Begins zeroed; used by one thread at a time. */
struct evp_pkey_st;
struct evp_pkey_ctx_st;
struct key_checker {
	struct evp_pkey_st *pkey;
	struct evp_pkey_ctx_st *ctx;
};

bool key_checker_signed(struct key_checker *c, const struct key_public *key, const uint8_t digest[static SHA256_SIZE],
			const struct key_signature *sig);
void key_checker_fini(struct key_checker *c);
AUTO_DEFINE(key_checker, struct key_checker)

#endif
