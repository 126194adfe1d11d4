/* SPDX-License-Identifier: Apache-2.0 */
/* The curve P-256 (FIPS 186-4, D.1.2.3) as libcrypto wants it: built once per process, on first use or in certs_warm,
 * and never changed. To build it for every key costs half as much as a signature. Only files of this room include this
 * header. */
#ifndef CERTS_P256_H
#define CERTS_P256_H

#include "certs/ossl.h"

#define P256_POINT 65	/* uncompressed: 04, x, y */

void p256_point(const struct key_public *key, uint8_t ret[static P256_POINT]);

/* Builds what is built once. */
void p256_warm(void);

/* True if the point is on the curve. E_KEY_WEAK, E_NOMEM. */
WARN_UNUSED bool p256_holds(const uint8_t point[static P256_POINT], struct err *e);

/* An ECPoint as SEC 1, 2.3.4 allows it, compressed, uncompressed or hybrid: on the curve, and made uncompressed. The point at
 * infinity is refused. E_KEY_WEAK, E_NOMEM. */
WARN_UNUSED bool p256_plain(const struct span *in, uint8_t ret[static P256_POINT], struct err *e);

/* The public key, the caller's to EVP_PKEY_free. E_KEY_WEAK, E_NOMEM. */
WARN_UNUSED bool p256_pkey(const uint8_t point[static P256_POINT], EVP_PKEY **ret, struct err *e);

/* True if `sig`, an ECDSA-Sig-Value in DER (RFC 3279, 2.2.3), is by this P-256 key over the digest. `refused` if it is not,
 * E_KEY_WEAK, E_NOMEM. */
WARN_UNUSED bool p256_signed(struct key_checker *c, const struct key_public *key, const uint8_t digest[static SHA256_SIZE],
			     const struct span *sig, enum err_code refused, struct err *e);

#endif
