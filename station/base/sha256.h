/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4), for the rooms that hash without knowing about keys. libcrypto does the work. */
#ifndef STATION_BASE_SHA256_H
#define STATION_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32

/* A part of a message. */
struct span {
	const void *data;
	size_t len;
};

/* out = SHA-256 of the parts one after another. Cannot fail. */
void sha256(const struct span *parts, size_t count, uint8_t out[static SHA256_SIZE]);
void sha256_of(const void *data, size_t len, uint8_t out[static SHA256_SIZE]);

/* The same for what comes bit by bit. */
struct sha256_run {
	uint64_t inside[16];
};
void sha256_begin(struct sha256_run *run);
void sha256_add(struct sha256_run *run, const void *data, size_t len);
void sha256_end(struct sha256_run *run, uint8_t out[static SHA256_SIZE]);

#endif
