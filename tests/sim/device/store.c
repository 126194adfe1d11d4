/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include "export.h"
#include "file.h"

#include <openssl/sha.h>
#include <stdlib.h>

static const char bundle_name[] = "bundle.bin";
static const char closed_name[] = "closed";

static void store_hold(struct store *s, uint8_t *bundle, size_t len)
{
	free(s->bundle);
	s->bundle = bundle;
	s->bundle_len = len;
	memset(s->bundle_hash, 0, sizeof s->bundle_hash);
	if (bundle)
		SHA256(bundle, len, s->bundle_hash);
}

static bool store_read(struct store *s, struct why *w)
{
	uint8_t *bundle = NULL, *closed = NULL;
	size_t len = 0, closed_len = 0;

	if (!file_read(s->dir, bundle_name, BUNDLE_MAX, &bundle, &len, w))
		return false;
	store_hold(s, bundle, len);
	if (!file_read(s->dir, closed_name, 64, &closed, &closed_len, w))
		return false;
	s->closed = closed != NULL;
	free(closed);
	return true;
}

bool store_open(struct store *s, const char *dir, struct why *w)
{
	memset(s, 0, sizeof *s);
	if (snprintf(s->dir, sizeof s->dir, "%s", dir) >= (int)sizeof s->dir)
		return why_set(w, "path too long: %s", dir);
	file_remove(dir, "bundle.bin.tmp");
	file_remove(dir, "closed.tmp");
	if (!store_read(s, w) || !export_bundle(dir, s->bundle, s->bundle_len, w)) {
		store_close(s);
		return false;
	}
	return true;
}

void store_close(struct store *s)
{
	free(s->bundle);
	memset(s, 0, sizeof *s);
}

bool store_commit(struct store *s, const uint8_t *data, size_t len, enum store_cut cut, struct why *w)
{
	uint8_t *copy = malloc(len ? len : 1);
	if (!copy)
		return why_set(w, "out of memory");
	memcpy(copy, data, len);
	if (!file_stage(s->dir, bundle_name, data, len, w)) {
		free(copy);
		return false;
	}
	if (cut == CUT_BEFORE_RENAME) {
		free(copy);
		return true;
	}
	if (!file_swap(s->dir, bundle_name, w)) {
		free(copy);
		return false;
	}
	store_hold(s, copy, len);
	if (cut == CUT_AFTER_RENAME)
		return true;
	return export_bundle(s->dir, s->bundle, s->bundle_len, w);
}

bool store_finish(struct store *s, struct why *w)
{
	if (!file_replace(s->dir, closed_name, "factory mode is closed\n", 23, w))
		return false;
	s->closed = true;
	return true;
}
