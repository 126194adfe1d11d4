/* SPDX-License-Identifier: Apache-2.0 */
/* Visits: one row per time that a unit was worked on in a slot, written with its verdict, and never changed. What the shift is
 * judged by (first-pass yield by slot, takt, failures, trend) is computed from here; results are read from here in the order of
 * `number`. */
#ifndef DB_VISITS_H
#define DB_VISITS_H

#include "db/lots.h"

struct visit_row {
	int64_t number;		/* given by visits_put; from 1 */
	int64_t begun_ms, ended_ms;	/* wall clock */
	char lot[LOT_ID];	/* "" without */
	char job[JOB_ID];	/* "" where the unit was not known by its key yet */
	char slot[33], serial[65], label[65], registration_id[129];
	enum job_verdict verdict;
	char code[16];		/* of the error that ended it; "" for PASS */
	char person[PERSON_ID];
	char visit[JOB_ID];	/* the name in the audit log before the job was known */
	int64_t entry_from, entry_to;	/* its first and last audit entry; others' lie between them */
	bool first;		/* of this unit (by its serial number) in this lot; set by visits_put */
};

/* Inside a transaction. */
WARN_UNUSED bool visits_put(struct ledger *l, struct visit_row *row, struct err *e);
/* Calls `each` for visits with a number greater than `after`, in order, at most `most`; lot NULL: of all lots. */
typedef bool visits_each(void *ctx, const struct visit_row *row);
WARN_UNUSED bool visits_scan(struct ledger *l, const char *lot, int64_t after, uint32_t most, visits_each *each, void *ctx,
			     struct err *e);
/* All visits of the unit of this serial number, oldest first. From an index. */
WARN_UNUSED bool visits_of_unit(struct ledger *l, const char *serial, visits_each *each, void *ctx, struct err *e);

#endif
