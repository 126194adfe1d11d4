/* SPDX-License-Identifier: Apache-2.0 */
/* The way up: drains the outbox to the provisioning service, in a thread of its own beside the slots, or for `station
 * upload`.
 *
 * What waits is created, never replaced: one by one, or in bulks of ten that are judged item by item; an item that
 * failed is retried alone. What exists already is read and compared: equal is success, different goes aside and asks a
 * person. An answer that was lost is settled by reading. A row that the service refuses goes aside and holds nobody
 * back. The service's pace is kept by dps (pacer.h). Revocations go first (revocation.h). After an outage it tries by
 * itself again and again, at growing distances of at most a minute. */
#ifndef STATION_UPLINK_H
#define STATION_UPLINK_H

#include "db/outbox.h"
#include "db/revocations.h"
#include "station/base/json.h"
#include "station/line.h"

struct uplink;

struct uplink_view {
	struct outbox_counts counts;
	struct revocation_counts revocations;
	bool offline;		/* the last tries did not reach the service, or were refused as a whole; or the ledger takes no more */
	struct err why;		/* if offline */
	int64_t since_ms;	/* wall clock, of the change between online and offline */
};

/* Called after every change, from the uplink's thread; must not block long. */
typedef void uplink_changed(void *ctx, const struct uplink_view *view);

/* Starts the thread. `changed` may be NULL. The line's ledger and dps are lent. E_NOMEM, E_DB. */
WARN_UNUSED bool uplink_start(struct line *line, uplink_changed *changed, void *ctx, struct uplink **ret, struct err *e);
/* Ends after the requests that are under way; who waits is sent away with E_STOPPING. It can still be looked at until it is
 * freed. */
void uplink_stop(struct uplink *u);
void uplink_free(struct uplink *u);

/* Without an uplink (NULL), as in re-check: nothing waits, and nothing is woken. */
void uplink_look(struct uplink *u, struct uplink_view *ret);

/* There is something new, or somebody asks to try at once. Not from inside a transaction. */
void uplink_wake(struct uplink *u);

/* Asks for a try at once, before rows that nobody waits for, and waits until the job's row is settled. True when it was sent.
 * Aside: its error (E_CONFLICT, E_ENROLL_ROW). Still waiting: the reason of the outage as soon as a try that began after the call
 * has failed; the row's last error, or E_NET, at the deadline (steady clock); E_STOPPING. Not from inside a transaction. */
WARN_UNUSED bool uplink_wait(struct uplink *u, const char *job, int64_t deadline_ms, struct err *e);

/* {"waiting":…} as docs/control.md says. The caller drops it. */
json_t *uplink_view_json(const struct uplink_view *view);

/* The unit of this registration id, which went aside, waits again: a person has decided. E_USAGE if none is aside under it. */
WARN_UNUSED bool uplink_again(struct ledger *ledger, const char *registration_id, struct err *e);

/* For `station upload` without a running line: returns when nothing waits any more, or when the service cannot be reached after
 * some tries; at most `in_flight` requests at a time. `said` hears of each portion, from one thread at a time. The error of the
 * outage, or of the ledger; rows that went aside are no error. */
typedef void uplink_said(void *ctx, const struct uplink_view *view);
WARN_UNUSED bool uplink_drain(struct ledger *ledger, struct dps *dps, uint32_t in_flight, uplink_said *said, void *ctx,
			      struct err *e);

/* True if the line may go on, and may begin another unit: not while more waits for the service than the policy allows
 * (E_OUTBOX_FULL), which passes by itself when it was sent. Units that are begun are finished. */
bool uplink_may_begin(struct line *line, struct err *e);

#endif
