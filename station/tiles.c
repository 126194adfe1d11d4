/* SPDX-License-Identifier: Apache-2.0 */
#include "station/tiles.h"
#include "station/base/file.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LEVEL_BITS 8	/* a tile is a subtree of this height */

bool tiles_path(const char *dir, int level, uint64_t n, unsigned width, char *out, struct err *e)
{
	char name[16] = "entries", groups[40] = "", partial[16] = "";
	if (level != TILES_ENTRIES)
		snprintf(name, sizeof(name), "%d", level);
	if (width < TILES_WIDTH)
		snprintf(partial, sizeof(partial), ".p/%u", width);
	/* Up to seven groups of three digits; all but the last begin with x. */
	uint64_t unit = 1;
	while (n / unit >= 1000)
		unit *= 1000;
	for (size_t at = 0; unit; unit /= 1000)
		at += (size_t)snprintf(groups + at, sizeof(groups) - at, unit > 1 ? "x%03u/" : "%03u", (unsigned)(n / unit % 1000));
	return snprintf(out, PATH_MAX, "%s/tile/%s/%s%s", dir, name, groups, partial) < PATH_MAX ||
	       err_set(e, E_FILE, "path too long: %.64s…", dir);
}

unsigned tiles_width(uint64_t size, int level, uint64_t n)
{
	uint64_t count = level == TILES_ENTRIES ? size : size >> (LEVEL_BITS * level), before = n * TILES_WIDTH;
	return count <= before ? 0 : count - before < TILES_WIDTH ? (unsigned)(count - before) : TILES_WIDTH;
}

void tiles_fini(struct tiles *t)
{
	bytes_fini(&t->held);
	t->size = 0;
}

/* A partial tile may be gone already where the full one is there (tlog-tiles.md, "Partial Tiles"). */
static bool hold(struct tiles *t, unsigned level, uint64_t n, struct err *e)
{
	unsigned width = tiles_width(t->size, (int)level, n);
	char path[PATH_MAX], full[PATH_MAX];
	if (t->held.len && t->held_level == level && t->held_n == n)
		return true;
	if (!width)
		return err_set(e, E_AUDIT, "a tree of %" PRIu64 " entries has no tile %u/%" PRIu64, t->size, level, n);
	bytes_clear(&t->held);
	if (!tiles_path(t->dir, (int)level, n, width, path, e) || !tiles_path(t->dir, (int)level, n, TILES_WIDTH, full, e))
		return false;
	bool partial = width < TILES_WIDTH && !access(path, R_OK);
	if (!file_read(partial || width == TILES_WIDTH ? path : full, &t->held, e))
		return false;
	if (t->held.len != (size_t)(partial ? width : TILES_WIDTH) * MERKLE_HASH) {
		bytes_clear(&t->held);
		return err_set(e, E_AUDIT, "%s is not of its length", path);
	}
	t->held_level = level;
	t->held_n = n;
	return true;
}

bool tiles_read(void *ctx, unsigned level, uint64_t index, struct merkle_hash *ret, struct err *e)
{
	struct tiles *t = ctx;
	struct merkle_hash part[TILES_WIDTH / 2];
	unsigned height = level % LEVEL_BITS, count = 1u << height;
	uint64_t first = index << height;
	if (!hold(t, level / LEVEL_BITS, first / TILES_WIDTH, e))
		return false;
	size_t at = first % TILES_WIDTH * MERKLE_HASH;
	assert(count <= COUNT_OF(part));
	if (at + count * sizeof(part[0]) > t->held.len)
		return err_set(e, E_AUDIT, "a tree of %" PRIu64 " entries has no node %u/%" PRIu64, t->size, level, index);
	memcpy(part, t->held.data + at, count * sizeof(part[0]));
	for (; count > 1; count /= 2)
		for (unsigned i = 0; i < count / 2; i++)
			merkle_node(&part[2 * i], &part[2 * i + 1], &part[i]);
	*ret = part[0];
	return true;
}

bool tiles_edge(struct tiles *t, uint64_t size, struct merkle_edge *ret, struct err *e)
{
	unsigned count = 0;
	uint64_t from = 0;
	while (from < size) {
		unsigned level = 63 - (unsigned)__builtin_clzll(size - from);
		if (!tiles_read(t, level, from >> level, &ret->peak[count++], e))
			return false;
		from += (uint64_t)1 << level;
	}
	ret->size = size;
	return true;
}

bool tiles_checkpoint(const char *dir, const char *vkey, struct bytes *ret_note, struct checkpoint *ret, struct err *e)
{
	char path[PATH_MAX];
	if (snprintf(path, sizeof(path), "%s/checkpoint", dir) >= (int)sizeof(path))
		return err_set(e, E_FILE, "path too long: %.64s…", dir);
	bytes_clear(ret_note);
	return file_read(path, ret_note, e) &&
	       (note_open_checkpoint((const char *)ret_note->data, ret_note->len, vkey, ret, e) || err_in(e, "%s", path));
}
