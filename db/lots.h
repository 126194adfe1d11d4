/* SPDX-License-Identifier: Apache-2.0 */
/* Lots: one row per order that was opened at this line, and never removed. A lot is open, closed (its hand-over was written), in
 * reverting (a wrong order is being taken back, unit by unit) or reverted. Which open lot is the current one is a fact of the
 * ledger (ledger_remember, "lot").
 *
 * What an order allows is counted in places: a unit takes a place of its lot in the transaction of its identity's intent, and keeps
 * it, however often it comes back; a lot that is reverted gives its places up. */
#ifndef DB_LOTS_H
#define DB_LOTS_H

#include "db/jobs.h"

enum lot_state { LOT_OPEN, LOT_CLOSED, LOT_REVERTING, LOT_REVERTED };
/* "open", "closed", "reverting", "reverted". */
const char *lot_state_name(enum lot_state state);

#define LOT_ID 65	/* the order's number and NUL */
#define PERSON_ID 20	/* a pseudonym and NUL */

struct lot_row {
	char id[LOT_ID];
	char product[65], profile[33];
	uint32_t count;		/* identities that the order allows */
	uint32_t scrap;		/* so many more, for units that failed after they got theirs */
	uint8_t order_sha256[SHA256_SIZE];	/* of the order file's bytes */
	struct bytes order;	/* canonical JSON of it; the holder's to bytes_fini */
	enum lot_state state;
	char opened_by[PERSON_ID], closed_by[PERSON_ID];	/* "" where nobody has to say who he is */
	int64_t opened_ms, closed_ms;
};
void lot_row_fini(struct lot_row *row);
AUTO_DEFINE(lot_row, struct lot_row)

/* Inside a transaction: inserts or updates by id. The order of a lot never changes: another order_sha256 is E_LOT_OTHER. */
WARN_UNUSED bool lots_put(struct ledger *l, const struct lot_row *row, struct err *e);
WARN_UNUSED bool lots_find(struct ledger *l, const char *id, struct lot_row *ret, bool *ret_found, struct err *e);
/* Newest first, at most `most`. */
typedef bool lots_each(void *ctx, const struct lot_row *row);
WARN_UNUSED bool lots_scan(struct ledger *l, uint32_t most, lots_each *each, void *ctx, struct err *e);

/* Inside a transaction: the job takes a place of the lot, or has it already. E_LOT_FULL when all are taken. */
WARN_UNUSED bool lots_take_place(struct ledger *l, const char *id, const char *job, struct err *e);
/* Inside a transaction: the job's place is free again; what it had is kept on record. */
WARN_UNUSED bool lots_give_up_place(struct ledger *l, const char *id, const char *job, struct err *e);
/* Whether the job has a place of this lot. */
WARN_UNUSED bool lots_has_place(struct ledger *l, const char *id, const char *job, bool *ret, struct err *e);
/* Places that may be taken now: the order's count, and one more for each unit that has one and failed, up to its scrap. */
WARN_UNUSED bool lots_allowed(struct ledger *l, const char *id, uint64_t *ret, struct err *e);
/* Places taken, from an index. */
WARN_UNUSED bool lots_taken(struct ledger *l, const char *id, uint64_t *ret, struct err *e);
/* Calls `each` for the jobs that have, or had, a place of this lot, in the order in which they took it. */
WARN_UNUSED bool lots_jobs(struct ledger *l, const char *id, jobs_each *each, void *ctx, struct err *e);

/* ---- taking back ---- */

/* Which state the lot is in, without its order. *ret_found false if there is none. */
WARN_UNUSED bool lots_state(struct ledger *l, const char *id, enum lot_state *ret, bool *ret_found, struct err *e);

/* A disabled entry stands in the service under the unit's id, with the certificate that it must not use any more. */
struct lot_block {
	char registration_id[129];
	struct bytes leaf;	/* DER; the holder's to bytes_fini */
};
/* Inside a transaction; one per job. */
WARN_UNUSED bool lots_put_block(struct ledger *l, const char *job, const struct lot_block *block, int64_t time_ms, struct err *e);
WARN_UNUSED bool lots_drop_block(struct ledger *l, const char *job, struct err *e);
WARN_UNUSED bool lots_find_block(struct ledger *l, const char *job, struct lot_block *ret, bool *ret_found, struct err *e);

#endif
