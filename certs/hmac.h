/* SPDX-License-Identifier: Apache-2.0 */
/* HMAC-SHA256 (RFC 2104), for SAS tokens: here because OpenSSL's door is this room. */
#ifndef CERTS_HMAC_H
#define CERTS_HMAC_H

#include "station/base/sha256.h"

void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, uint8_t ret[static SHA256_SIZE]);

#endif
