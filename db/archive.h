/* SPDX-License-Identifier: Apache-2.0 */
/* Archives: a text file per closed lot that holds the bodies of its entries, so that the ledger need not. The ledger
 * keeps all else of them: number, time, type, job and hashes, so the tree, its checkpoints and every proof are as
 * before, and each line of the archive is held against the hash of its entry. An intent's body stays: a unit that comes
 * back is told from it.
 *
 * The file, UTF-8, lines ending in LF:
 *	{"archive":1,"lot":"…","origin":"…"}
 *	INDEX ENTRY		as often as there are entries, by their numbers; ENTRY are the bytes that are hashed (RFC 6962)
 *
 * Whose entries: of each job and visit that belonged to the lot and to no lot that is still worked on. */
#ifndef DB_ARCHIVE_H
#define DB_ARCHIVE_H

#include "db/lots.h"

#define ARCHIVE_VERSION 1

struct archive_row {
	char lot[LOT_ID];
	uint64_t entries;
	uint8_t sha256[SHA256_SIZE];	/* of the file */
	int64_t time_ms;
};

/* Writes the archive of a lot, on disk when this returns, and reads it back against the ledger. The file must not be
 * there. E_LOT_STATE (unknown, not closed or reverted, archived already, nothing in it to archive, or entries that no
 * kept checkpoint covers), E_FILE. */
WARN_UNUSED bool archive_write(struct ledger *l, const char *lot, const char *path, int64_t time_ms, struct archive_row *ret,
			       struct err *e);
/* Inside a transaction: the ledger lets go of the bodies that are in the archive, and keeps its row. E_AUDIT if they are
 * not the same ones any more. */
WARN_UNUSED bool archive_let_go(struct ledger *l, const struct archive_row *row, struct err *e);
/* Gives the space back to the file system; as long as the ledger is large. Outside of transactions. */
WARN_UNUSED bool archive_compact(struct ledger *l, struct err *e);

/* Holds a file against the ledger: it is the archive on record, every line is the body of its entry, and none lacks. E_AUDIT names
 * the first line that does not fit. */
WARN_UNUSED bool archive_fits(struct ledger *l, const char *path, struct archive_row *ret, struct err *e);

typedef bool archive_each(void *ctx, const struct archive_row *row);
WARN_UNUSED bool archive_scan(struct ledger *l, archive_each *each, void *ctx, struct err *e);

#endif
