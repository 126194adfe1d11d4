/* SPDX-License-Identifier: Apache-2.0 */
#include "station/tiles_export.h"
#include "station/base/file.h"
#include "station/tiles.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LEVELS 8	/* 256^8 entries is more than a log can have */

/* The tile of each level that is being filled, its first place being place 256 * n. */
struct filling {
	uint64_t n;
	unsigned count;
	struct merkle_hash hash[TILES_WIDTH];
};

struct exporter {
	const char *dir;
	struct checkpoint head;
	struct merkle_edge edge;	/* of what was read from the ledger so far, on what lay there before */
	uint64_t from, next;	/* so many lie there already; the next entry that is expected */
	bool writing;
	struct filling level[LEVELS];
	struct bytes bundle;
	struct err *e;
	bool ok;
};

/* ---- files that are never changed ---- */

static bool make_parents(const char *path, struct err *e)
{
	char copy[PATH_MAX];
	snprintf(copy, sizeof(copy), "%s", path);
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		if (!file_make_directory(copy, 0755, e))
			return false;
		*slash = '/';
	}
	return true;
}

/* What is there must be the same. */
static bool write_once(const char *path, const void *data, size_t len, struct err *e)
{
	AUTO(bytes) struct bytes old = {.max = TILES_BUNDLE_MAX};
	if (access(path, F_OK) != 0)
		return make_parents(path, e) && file_write_atomic(path, data, len, 0644, e);
	if (!file_read(path, &old, e))
		return false;
	return (old.len == len && !memcmp(old.data, data, len)) ||
	       err_set(e, E_AUDIT, "%s holds something else than the ledger: it is left as it is", path);
}

/* The partial tiles before this full one. */
static bool drop_partials(const char *full, struct err *e)
{
	char dir[PATH_MAX + 8];
	snprintf(dir, sizeof(dir), "%s.p", full);
	DIR *d = opendir(dir);
	if (!d)
		return errno == ENOENT || err_errno(e, E_FILE, "opening %s", dir);
	for (struct dirent *one = readdir(d); one; one = readdir(d))
		if (one->d_name[0] != '.')
			unlinkat(dirfd(d), one->d_name, 0);
	closedir(d);
	return rmdir(dir) == 0 || err_errno(e, E_FILE, "removing %s", dir);
}

static bool write_tile(struct exporter *x, int level, uint64_t n, unsigned width, const void *data, size_t len)
{
	char path[PATH_MAX];
	return tiles_path(x->dir, level, n, width, path, x->e) && write_once(path, data, len, x->e) &&
	       (width < TILES_WIDTH || drop_partials(path, x->e));
}

/* ---- tiles out of entries ---- */

static void root_of_tile(const struct filling *f, struct merkle_hash *ret)
{
	struct merkle_edge edge = {0};
	for (unsigned i = 0; i < f->count; i++)
		if (!merkle_append(&edge, &f->hash[i], NULL, NULL, NULL))
			return;	/* without a function to call it does not fail */
	merkle_root(&edge, ret);
}

/* Adds a hash to a level; a tile that is full is written, and its root is a hash of the level above. */
static bool put_hash(struct exporter *x, int level, const struct merkle_hash *hash)
{
	struct merkle_hash above = *hash;
	for (; level < LEVELS; level++) {
		struct filling *f = &x->level[level];
		f->hash[f->count++] = above;
		if (f->count < TILES_WIDTH)
			return true;
		if (!write_tile(x, level, f->n, TILES_WIDTH, f->hash, sizeof(f->hash)))
			return false;
		root_of_tile(f, &above);
		f->n++;
		f->count = 0;
	}
	return true;
}

static bool put_entry(struct exporter *x, uint64_t index, const void *entry, size_t len, const struct merkle_hash *leaf)
{
	uint8_t size[2] = {(uint8_t)(len >> 8), (uint8_t)len};
	if (len > UINT16_MAX)
		return err_set(x->e, E_AUDIT, "entry %" PRIu64 " is longer than an entry can be", index);
	if (!bytes_add(&x->bundle, size, sizeof(size), x->e) || !bytes_add(&x->bundle, entry, len, x->e))
		return false;
	if (index % TILES_WIDTH == TILES_WIDTH - 1) {
		if (!write_tile(x, TILES_ENTRIES, index / TILES_WIDTH, TILES_WIDTH, x->bundle.data, x->bundle.len))
			return false;
		bytes_clear(&x->bundle);
	}
	return put_hash(x, 0, leaf);
}

static bool take_entry(void *ctx, uint64_t index, const char *type, const char *job, const void *entry, size_t len)
{
	struct exporter *x = ctx;
	struct merkle_hash leaf;
	if (index != x->next)
		return x->ok = err_set(x->e, E_AUDIT, "entry %" PRIu64 " is missing", x->next);
	x->next++;
	if (!len)
		return x->ok = err_set(x->e, E_AUDIT, "the body of entry %" PRIu64 " is in an archive: only an older export can go on", index);
	merkle_leaf(entry, len, &leaf);
	x->ok = merkle_append(&x->edge, &leaf, NULL, NULL, x->e) && (!x->writing || put_entry(x, index, entry, len, &leaf));
	return x->ok;
}

/* Reads what the ledger has more, up to the checkpoint; with what lies there it must give its root. */
static bool scan(struct exporter *x, struct ledger *l, struct err *e)
{
	struct merkle_hash root;
	x->next = x->from;
	x->ok = true;
	if (!audit_scan(l, x->from, x->head.size, take_entry, x, e) || !x->ok)
		return false;
	if (x->next != x->head.size)
		return err_set(e, E_AUDIT, "entry %" PRIu64 " is missing: the checkpoint covers %" PRIu64, x->next, x->head.size);
	merkle_root(&x->edge, &root);
	return !memcmp(&root, &x->head.root, sizeof(root)) ||
	       err_set(e, E_AUDIT, "the checkpoint of size %" PRIu64 " has another root: an entry from %" PRIu64 " on was changed",
		       x->head.size, x->from);
}

/* What lies there of tiles that are not full yet. */
static bool load_levels(struct exporter *x, struct tiles *there, struct err *e)
{
	for (unsigned level = 0; level < LEVELS; level++) {
		uint64_t count = x->from >> (8 * level);
		struct filling *f = &x->level[level];
		f->n = count / TILES_WIDTH;
		for (f->count = 0; f->count < count % TILES_WIDTH; f->count++)
			if (!tiles_read(there, 8 * level, f->n * TILES_WIDTH + f->count, &f->hash[f->count], e))
				return false;
	}
	return true;
}

/* The entries of the last bundle, as they lie there: each must have the hash that its tile has. */
static bool load_bundle(struct exporter *x, struct err *e)
{
	const struct filling *f = &x->level[0];
	struct merkle_hash leaf;
	char path[PATH_MAX];
	size_t at = 0;
	if (!f->count)
		return true;
	if (!tiles_path(x->dir, TILES_ENTRIES, f->n, f->count, path, e))
		return false;
	if (access(path, F_OK) != 0 && !tiles_path(x->dir, TILES_ENTRIES, f->n, TILES_WIDTH, path, e))
		return false;
	if (!file_read(path, &x->bundle, e))
		return false;
	for (unsigned i = 0; i < f->count; i++) {
		const uint8_t *size = x->bundle.data + at;
		size_t len = at + 2 <= x->bundle.len ? (size_t)(size[0] << 8 | size[1]) : x->bundle.len;
		if (at + 2 + len > x->bundle.len)
			return err_set(e, E_AUDIT, "%s is cut off", path);
		merkle_leaf(size + 2, len, &leaf);
		if (memcmp(&leaf, &f->hash[i], sizeof(leaf)) != 0)
			return err_set(e, E_AUDIT, "entry %" PRIu64 " in %s is not the one that its tile names", f->n * TILES_WIDTH + i, path);
		at += 2 + len;
	}
	x->bundle.data[at] = 0;
	x->bundle.len = at;	/* an export that was interrupted may have left the full one */
	return true;
}

static bool write_rest(struct exporter *x)
{
	unsigned width = (unsigned)(x->head.size % TILES_WIDTH);
	if (width && !write_tile(x, TILES_ENTRIES, x->head.size / TILES_WIDTH, width, x->bundle.data, x->bundle.len))
		return false;
	for (int level = 0; level < LEVELS; level++) {
		const struct filling *f = &x->level[level];
		if (f->count && !write_tile(x, level, f->n, f->count, f->hash, f->count * sizeof(f->hash[0])))
			return false;
	}
	return true;
}

/* First all is hashed, then it is read again and written: nothing lies there that the checkpoint does not cover. */
static bool add_entries(struct exporter *x, struct ledger *l, struct tiles *there, struct err *e)
{
	struct merkle_edge before = x->edge;
	if (!scan(x, l, e) || !load_levels(x, there, e) || !load_bundle(x, e))
		return false;
	x->edge = before;
	x->writing = true;
	return scan(x, l, e) && write_rest(x);
}

/* The tree that lies there, by its own checkpoint. */
static bool load_before(struct exporter *x, const char *vkey, struct tiles *there, struct err *e)
{
	AUTO(bytes) struct bytes note = {0};
	struct checkpoint old;
	struct merkle_hash root;
	char path[PATH_MAX];
	if (snprintf(path, sizeof(path), "%s/checkpoint", x->dir) >= (int)sizeof(path))
		return err_set(e, E_FILE, "path too long: %.64s…", x->dir);
	if (access(path, F_OK) != 0)
		return true;
	if (!tiles_checkpoint(x->dir, vkey, &note, &old, e))
		return false;
	there->size = x->from = old.size;
	if (!tiles_edge(there, old.size, &x->edge, e))
		return false;
	merkle_root(&x->edge, &root);
	if (memcmp(&root, &old.root, sizeof(root)) != 0)
		return err_set(e, E_AUDIT, "the tiles in %s are not those of their checkpoint", x->dir);
	return old.size <= x->head.size ||
	       err_set(e, E_AUDIT, "%s holds %" PRIu64 " entries, the ledger's newest checkpoint covers %" PRIu64, x->dir, old.size,
		       x->head.size);
}

static bool export(struct exporter *x, struct ledger *l, const char *vkey, const struct bytes *note, struct err *e)
{
	AUTO(tiles) struct tiles there = {.dir = x->dir};
	char path[PATH_MAX];
	if (!load_before(x, vkey, &there, e) || !add_entries(x, l, &there, e))
		return false;
	snprintf(path, sizeof(path), "%s/checkpoint", x->dir);
	return make_parents(path, e) && file_write_atomic(path, note->data, note->len, 0644, e);
}

bool tiles_export(struct ledger *l, const char *vkey, const char *dir, struct tiles_exported *ret, struct err *e)
{
	AUTO(bytes) struct bytes note = {0};
	struct exporter *x = calloc(1, sizeof(*x));
	if (!x)
		return err_set(e, E_NOMEM, "export");
	*x = (struct exporter){.dir = dir, .e = e, .bundle = {.max = TILES_BUNDLE_MAX}};
	bool ok = audit_last_checkpoint(l, &note, e) &&
		  (note.len || err_set(e, E_TEXT, "no checkpoint of this ledger was signed yet")) &&
		  note_open_checkpoint((const char *)note.data, note.len, vkey, &x->head, e) &&
		  (!strcmp(x->head.origin, ledger_origin(l)) ||
		   err_set(e, E_AUDIT, "the ledger is of log \"%s\"", ledger_origin(l))) &&
		  export(x, l, vkey, &note, e);
	*ret = (struct tiles_exported){.before = x->from, .size = x->head.size, .root = x->head.root};
	bytes_fini(&x->bundle);
	free(x);
	return ok;
}
