/* SPDX-License-Identifier: Apache-2.0 */
/* The outbox: what the provisioning service has to be told, kept until it was told. One row per job, made in the transaction that
 * says "enroll.queued" in the audit log, and never removed: a row that was sent is the proof of it.
 *
 * A row is waiting, sent (the service holds exactly this enrollment), aside (the service holds something else under this id,
 * or refuses the row: a person decides), or withdrawn (its lot was reverted, and the service holds it no longer). */
#ifndef DB_OUTBOX_H
#define DB_OUTBOX_H

#include "db/jobs.h"

#define OUTBOX_BODY_MAX 32768u

enum outbox_state { OUTBOX_WAITING, OUTBOX_SENT, OUTBOX_ASIDE, OUTBOX_WITHDRAWN };
/* "waiting", "sent", "aside", "withdrawn". */
const char *outbox_state_name(enum outbox_state state);

struct outbox_row {
	char job[JOB_ID];
	char registration_id[129];
	enum outbox_state state;
	uint32_t tries;
	char error[16];		/* stable code of why it is aside, or of the last try; "" if none */
	char error_what[256];
	int64_t queued_ms, settled_ms;	/* wall clock; settled_ms 0 while waiting */
	struct bytes body;	/* canonical JSON of the enrollment */
};
void outbox_row_fini(struct outbox_row *row);
AUTO_DEFINE(outbox_row, struct outbox_row)

/* Inside a transaction: queues the job's enrollment. The same body again changes nothing, but a row that was set aside or withdrawn
 * waits again. Another body replaces one that waits, is aside or was withdrawn; replacing one that was sent is E_CONFLICT. *ret_new
 * says whether anything changed. */
WARN_UNUSED bool outbox_put(struct ledger *l, const struct outbox_row *row, bool *ret_new, struct err *e);

/* Inside a transaction: what became of a row that waits; tries, state, error and settled_ms are written. *ret_done false: the row
 * holds another body by now, or waits no longer, and was left as it is. */
WARN_UNUSED bool outbox_settle(struct ledger *l, const struct outbox_row *row, bool *ret_done, struct err *e);

/* Inside a transaction: the service holds it no longer, and is not to be told. No row is as good as a withdrawn one. */
WARN_UNUSED bool outbox_withdraw(struct ledger *l, const char *job, int64_t time_ms, struct err *e);

WARN_UNUSED bool outbox_find(struct ledger *l, const char *job, struct outbox_row *ret, bool *ret_found, struct err *e);

/* Calls `each` with rows of this state, oldest first, whose number is greater than *after (0: from the start), which is moved on:
 * so a caller walks in portions of `most` without meeting a row twice. */
typedef bool outbox_each(void *ctx, const struct outbox_row *row);
WARN_UNUSED bool outbox_scan(struct ledger *l, enum outbox_state state, int64_t *after, uint32_t most, outbox_each *each, void *ctx,
			     struct err *e);

/* From an index, not by reading all rows. */
struct outbox_counts {
	uint64_t waiting, sent, aside, withdrawn;
	int64_t oldest_ms;	/* wall clock when the oldest waiting row was queued; 0 if none */
};
WARN_UNUSED bool outbox_count(struct ledger *l, struct outbox_counts *ret, struct err *e);

#endif
