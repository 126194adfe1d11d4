/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/hmac.h"

#include <openssl/hmac.h>

#include <assert.h>

void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, uint8_t ret[static SHA256_SIZE])
{
	/* libcrypto takes a NULL key to mean "the key of before", and fails only when memory is out */
	unsigned int made = 0;
	uint8_t *ok = HMAC(EVP_sha256(), key_len ? key : "", (int)key_len, len ? data : (const void *)"", len, ret, &made);
	assert(ok && made == SHA256_SIZE);
	(void)ok;
}
