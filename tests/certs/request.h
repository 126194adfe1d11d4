/* SPDX-License-Identifier: Apache-2.0 */
/* Certificate requests made to order, field by field, with flaws if wanted; and public keys in other people's encodings. */
#ifndef TESTS_CERTS_REQUEST_H
#define TESTS_CERTS_REQUEST_H

#include "certs/key.h"

#include <openssl/evp.h>

/* What is ordered. Texts of DER are given whole; with an empty span the honest thing stands there. */
struct request {
	EVP_PKEY *key;		/* named by the request */
	EVP_PKEY *signer;	/* NULL: the same */
	const char *digest;	/* NULL: "SHA256" */
	const char *challenge;	/* a challengePassword as UTF8String; NULL: no attribute */
	uint8_t version;
	struct span subject;	/* honest: empty */
	struct span spki;	/* honest: as libcrypto encodes the key */
	struct span attributes;	/* content of [0], instead of the challenge */
	struct span algorithm;	/* AlgorithmIdentifier */
	struct span more;	/* behind the attributes; honest: nothing */
};

/* Replaces ret by the DER of the request, signed. */
void request_make(const struct request *r, struct bytes *ret);

/* One attribute: SEQUENCE { OID, SET { value } }, appended. The challenge's OID is 1.2.840.113549.1.9.7. */
void request_attribute(struct bytes *to, const char *oid, uint8_t tag, const void *text, size_t len);

/* Replaces ret by the SubjectPublicKeyInfo of a P-256 or RSA key as libcrypto writes it; `form` and `explicit_curve` only count
 * for P-256. */
enum point_form { POINT_COMPRESSED = 2, POINT_PLAIN = 4, POINT_HYBRID = 6 };
void request_spki(EVP_PKEY *key, enum point_form form, bool explicit_curve, struct bytes *ret);

/* A value of DER from parts, appended to `to`. */
void request_der(struct bytes *to, uint8_t tag, const struct span *parts, size_t count);

/* What a key without a TPM around it signs. */
void request_sign(EVP_PKEY *key, const uint8_t digest[static SHA256_SIZE], struct key_signature *ret);

/* Fresh keys. */
EVP_PKEY *request_key_p256(void);
EVP_PKEY *request_key_rsa(unsigned bits, unsigned exponent);

#endif
