/* SPDX-License-Identifier: Apache-2.0 */
/* What a copy of the ledger lacks, before it takes the ledger's place: nothing is rolled back that is not said.
 *
 * Three witnesses know more than the copy: the ledger that it replaces, where that can still be read; the files that
 * left it, results and hand-overs, each with a checkpoint; and checkpoints that people bring. Each checkpoint that is
 * not larger than the copy must be one of the copy's log, and the old ledger must begin as the copy does, or it is
 * refused: it is no older state of this log. What nobody else knows of, the copy's own newest checkpoint must stand for. */
#ifndef STATION_ROLLBACK_H
#define STATION_ROLLBACK_H

#include "certs/note.h"
#include "db/ledger.h"
#include "station/config.h"

struct rollback {
	uint64_t size;		/* entries of the copy */
	uint64_t known;		/* entries that somebody knows of; the copy lacks known - size */
	uint64_t checkpoints;	/* that were compared */
	uint64_t units, lots;	/* of which somebody knows more than the copy */
	bool old_read;		/* the old ledger could be read */
	struct bytes ahead;	/* paths, each with its NUL,
		of files whose checkpoint the copy does not reach: after a restore they are of a log
				   that went another way */
};
void rollback_fini(struct rollback *r);
AUTO_DEFINE(rollback, struct rollback)

/* Tells a line about each unit and lot that the copy lacks or knows in an earlier state. */
typedef void rollback_told(void *ctx, const char *line);

/* `old` NULL: it cannot be read. `vkey` checks the signatures of checkpoints; NULL: they are compared as they are.
 * `brought` may be NULL. E_AUDIT: the copy does not verify, is of another log, or no older state of this one. */
WARN_UNUSED bool rollback_find(struct ledger *copy, struct ledger *old, const struct config *c, const char *vkey,
			       const struct checkpoint *brought, rollback_told *told, void *ctx, struct rollback *ret,
				struct err *e);

#endif
