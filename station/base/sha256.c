/* SPDX-License-Identifier: Apache-2.0 */
#include "station/base/sha256.h"

#include <openssl/sha.h>

/* The SHA256_* functions are deprecated in favour of the EVP interface; but that one, and the one-shot SHA256() on top
 * of it, fetches the algorithm for every digest, which costs more than hashing the short messages that are hashed here
 * in quantity. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
void sha256(const struct span *parts, size_t count, uint8_t out[static SHA256_SIZE])
{
	SHA256_CTX ctx;
	SHA256_Init(&ctx);
	for (size_t i = 0; i < count; i++)
		SHA256_Update(&ctx, parts[i].data, parts[i].len);
	SHA256_Final(out, &ctx);
}

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct sha256_run), "room for what libcrypto keeps");

void sha256_begin(struct sha256_run *run)
{
	SHA256_Init((SHA256_CTX *)run);
}

void sha256_add(struct sha256_run *run, const void *data, size_t len)
{
	SHA256_Update((SHA256_CTX *)run, data, len);
}

void sha256_end(struct sha256_run *run, uint8_t out[static SHA256_SIZE])
{
	SHA256_Final(out, (SHA256_CTX *)run);
}
#pragma GCC diagnostic pop

void sha256_of(const void *data, size_t len, uint8_t out[static SHA256_SIZE])
{
	sha256(&(const struct span){data, len}, 1, out);
}
