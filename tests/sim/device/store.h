/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_STORE_H
#define SIM_STORE_H

/*
 * What a simulated device keeps over a power cut: its committed bundle and the fact that factory mode is closed.
 * One directory is the device's flash: `bundle.bin`, and `closed` once FINISH came. Each is replaced by
 * write-to-temporary, fsync, rename, fsync of the directory, so that a cut leaves the old or the new, whole.
 *
 * Beside them stands what a product's own file system would show its software: `leaf.pem`, `chain.pem` and
 * `registration.json`, derived from the bundle after each commit and at each power-on. Tools that are not ours
 * read those.
 */

#include "why.h"

#include <stddef.h>
#include <stdint.h>

#define BUNDLE_MAX 16384

/* Where a test may cut the power inside a commit. */
enum store_cut { CUT_NEVER, CUT_BEFORE_RENAME, CUT_AFTER_RENAME };

struct store {
	char dir[400];
	uint8_t *bundle; /* the committed one; NULL when there is none */
	size_t bundle_len;
	uint8_t bundle_hash[32];
	bool closed;
};

/* Reads what the directory holds; leftovers of an interrupted write are removed. */
MUST_CHECK bool store_open(struct store *s, const char *dir, struct why *w);
/* Forgets what is in memory; the directory stays. Takes a zeroed store. */
void store_close(struct store *s);

/* Replaces the bundle. With a cut, stops there as if the power went: the memory is then not to be trusted. */
MUST_CHECK bool store_commit(struct store *s, const uint8_t *data, size_t len, enum store_cut cut,
	struct why *w);
/* Closes factory mode for good. */
MUST_CHECK bool store_finish(struct store *s, struct why *w);

#endif
