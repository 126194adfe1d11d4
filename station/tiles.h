/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log as static files, to the letter of C2SP tlog-tiles.md, so that tools of others read it from a stick:
 *
 *   DIR/checkpoint                  the signed head; all that lies beside it is covered by it
 *   DIR/tile/L/N[.p/W]              hashes of 256 (or W) neighbouring subtrees of 256^L entries
 *   DIR/tile/entries/N[.p/W]        256 (or W) entries, each behind its length in two bytes, big-endian
 *
 * N is written in groups of three digits: x001/x234/067. Files are written whole or not at all and never changed; a partial tile
 * goes once the full one is there. */
#ifndef STATION_TILES_H
#define STATION_TILES_H

#include "certs/note.h"

#include <limits.h>

#define TILES_WIDTH 256
#define TILES_ENTRIES (-1)	/* as level: the bundles of entries */
#define TILES_BUNDLE_MAX (TILES_WIDTH * (2 + 65535))

/* The path of a tile of `width` hashes (or entries): PATH_MAX bytes. E_FILE if it is too long. */
WARN_UNUSED bool tiles_path(const char *dir, int level, uint64_t n, unsigned width, char *out, struct err *e);
/* How many of the 256 places of a tile a tree of this size fills. */
unsigned tiles_width(uint64_t size, int level, uint64_t n);

/* The hashes of a directory whose tree has this many entries; the tile that was read last is kept. Zeroed but for dir (lent) and
 * size; tiles_fini ends it. */
struct tiles {
	const char *dir;
	uint64_t size;
	struct bytes held;
	unsigned held_level;
	uint64_t held_n;
};
void tiles_fini(struct tiles *t);
AUTO_DEFINE(tiles, struct tiles)

/* A node of the tree, ctx being a struct tiles (base/merkle.h: merkle_read). What the files say is believed: compare a root with a
 * signed one. E_FILE, E_AUDIT (a file of another length). */
WARN_UNUSED bool tiles_read(void *ctx, unsigned level, uint64_t index, struct merkle_hash *ret, struct err *e);
/* The edge of the tree of the first `size` entries. */
WARN_UNUSED bool tiles_edge(struct tiles *t, uint64_t size, struct merkle_edge *ret, struct err *e);

/* DIR/checkpoint, signed by this verifier key; *ret_note keeps its letters. E_FILE, E_AUDIT. */
WARN_UNUSED bool tiles_checkpoint(const char *dir, const char *vkey, struct bytes *ret_note, struct checkpoint *ret, struct err *e);

#endif
