/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the audit log of a ledger as tiles (station/tiles.h). What is there already is only added to: the entries since then are
 * hashed onto the tree that lies there, and nothing is written unless that gives the root of the ledger's newest signed checkpoint.
 * So what is exported is what the checkpoint covers, no more; and a directory that was filled before finds a ledger that was
 * shortened or changed since. Interrupted at any point, the old checkpoint still holds, and the next export goes on. */
#ifndef STATION_TILES_EXPORT_H
#define STATION_TILES_EXPORT_H

#include "db/audit.h"

struct tiles_exported {
	uint64_t before, size;	/* entries under the directory's checkpoint, before and now */
	struct merkle_hash root;
};

/* E_AUDIT (the ledger's checkpoint is not of this key or not of its entries; the directory holds more, or something else),
 * E_TEXT (no checkpoint was signed yet), E_FILE, E_DB. */
WARN_UNUSED bool tiles_export(struct ledger *l, const char *vkey, const char *dir, struct tiles_exported *ret, struct err *e);

#endif
