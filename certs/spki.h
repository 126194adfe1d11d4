/* SPDX-License-Identifier: Apache-2.0 */
/* A public key as others encode it, made canonical. Two encodings of one key become the same numbers, and key_spki() of those
 * is the one form that is hashed and compared (promise 3: keys are compared as keys, not as bytes).
 *
 * Taken: RSA of 2048 to 4096 bits with NULL or absent parameters (RFC 8017, A.1); P-256 by named curve or by explicit
 * parameters that are exactly P-256's (RFC 3279, 2.3.5), the point uncompressed, compressed or hybrid (SEC 1, 2.3.4). All else
 * is refused with E_KEY_WEAK, or with `unreadable` where it is no SubjectPublicKeyInfo at all. */
#ifndef CERTS_SPKI_H
#define CERTS_SPKI_H

#include "certs/key.h"

WARN_UNUSED bool spki_parse(const void *der, size_t len, enum err_code unreadable, struct key_public *ret, struct err *e);

#endif
