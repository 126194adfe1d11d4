/* SPDX-License-Identifier: Apache-2.0 */
/* The spool: events for the MES, kept until each adapter has delivered them. An event is made in the transaction of what it tells,
 * has an id of its own (UUIDv7, RFC 9562) by which a receiver knows it again, and is delivered at least once, in order per unit:
 * of one unit's events only the oldest that waits is given out. Delivered events are removed once no adapter needs them, and they
 * are older than SPOOL_KEEP_MS. */
#ifndef DB_SPOOL_H
#define DB_SPOOL_H

#include "db/ledger.h"

#define SPOOL_ID 37		/* UUID and NUL */
#define SPOOL_BODY_MAX 65536u
#define SPOOL_KEEP_MS ((int64_t)7 * 86400000)
#define SPOOL_ADAPTERS_MAX 4

struct spool_event {
	int64_t number;		/* given by spool_put */
	char id[SPOOL_ID];
	char type[33];		/* "unit.result", … (station/mes/event.h) */
	char unit[65];		/* what is kept in order; "" for events of no unit, which are in order among themselves */
	int64_t time_ms;
	struct bytes body;	/* canonical JSON of the whole event */
};
void spool_event_fini(struct spool_event *ev);
AUTO_DEFINE(spool_event, struct spool_event)

/* Inside a transaction: queues the event for each of these adapters. */
WARN_UNUSED bool spool_put(struct ledger *l, struct spool_event *ev, const char *const *adapters, size_t count, struct err *e);

/* Calls `each` with events that wait for this adapter and are due (now_ms), the oldest of each unit, at most `most`, oldest
 * first. */
typedef bool spool_each(void *ctx, const struct spool_event *ev, uint32_t tries);
WARN_UNUSED bool spool_scan(struct ledger *l, const char *adapter, int64_t now_ms, uint32_t most, spool_each *each, void *ctx,
			    struct err *e);

/* Inside a transaction: what became of it. `aside`: the adapter refused this event for good; it is kept for a person, and holds the
 * unit's next one back no longer. Else, not done: due again at due_ms. */
enum spool_end { SPOOL_DONE, SPOOL_LATER, SPOOL_ASIDE };
WARN_UNUSED bool spool_settle(struct ledger *l, const char *adapter, int64_t number, enum spool_end end, int64_t due_ms,
			      const struct err *why, struct err *e);
/* Inside a transaction: all that is aside for this adapter waits again. */
WARN_UNUSED bool spool_again(struct ledger *l, const char *adapter, int64_t now_ms, struct err *e);

struct spool_counts { uint64_t waiting, aside; int64_t oldest_ms; };
WARN_UNUSED bool spool_count(struct ledger *l, const char *adapter, struct spool_counts *ret, struct err *e);

/* Deliveries that wait or are aside, of all adapters, oldest first, for people. */
struct spool_row {
	char adapter[17], unit[65], state[8];
	uint32_t tries;
	int64_t queued_ms;
	char code[16], what[256];
};
typedef bool spool_row_each(void *ctx, const struct spool_row *row);
WARN_UNUSED bool spool_rows(struct ledger *l, uint32_t most, spool_row_each *each, void *ctx, struct err *e);

#endif
