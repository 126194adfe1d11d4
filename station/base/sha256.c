/* SPDX-License-Identifier: Apache-2.0 */
#include "station/base/sha256.h"

#include <openssl/sha.h>

#include <string.h>

/* The SHA256_* functions of libcrypto are deprecated for the EVP interface, whose every digest costs an allocation and a
 * fetch; the one-shot SHA256() is not deprecated, so short messages, which is all that is hashed here in quantity, are
 * joined on the stack first. */
#define JOINED_MAX 4096

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static void sha256_stream(const struct span *parts, size_t count, uint8_t *out)
{
	SHA256_CTX ctx;
	SHA256_Init(&ctx);
	for (size_t i = 0; i < count; i++)
		SHA256_Update(&ctx, parts[i].data, parts[i].len);
	SHA256_Final(out, &ctx);
}
#pragma GCC diagnostic pop

void sha256(const struct span *parts, size_t count, uint8_t out[static SHA256_SIZE])
{
	uint8_t joined[JOINED_MAX];
	size_t len = 0;
	for (size_t i = 0; i < count; i++) {
		if (parts[i].len > sizeof(joined) - len) {
			sha256_stream(parts, count, out);
			return;
		}
		if (parts[i].len)
			memcpy(joined + len, parts[i].data, parts[i].len);
		len += parts[i].len;
	}
	SHA256(joined, len, out);
}

void sha256_of(const void *data, size_t len, uint8_t out[static SHA256_SIZE])
{
	SHA256(data, len, out);
}
