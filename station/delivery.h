/* SPDX-License-Identifier: Apache-2.0 */
/* A portion of the outbox on its way to the provisioning service, and what became of each row of it.
 *
 * What waits is created, never replaced: several rows in one bulk, one row alone. What exists already is read and compared. Where
 * an answer was lost nobody knows, so the row carries that error, and its next delivery reads before it creates. After two
 * failures a row travels alone, so that one which spoils its bulk spoils no other. */
#ifndef STATION_DELIVERY_H
#define STATION_DELIVERY_H

#include "db/outbox.h"
#include "station/dps/dps.h"

struct parcel {
	struct outbox_row row;	/* state, tries, error: what became of it */
	char error_before[16];	/* the row's error as the ledger has it */
	bool tried;		/* by this delivery */
	bool found;		/* sent, and was there already */
	bool absent;		/* was read, and is not there */
	struct bytes difference;	/* aside because another is there: all members that differ */
};

struct delivery {
	struct ledger *ledger;	/* lent, as dps */
	struct dps *dps;
	size_t count;
	struct parcel parcel[DPS_BULK_MAX];
	uint32_t failures;	/* requests in a row that failed for no row's reason */
	struct err why;		/* of the last of them */
};
void delivery_fini(struct delivery *d);
AUTO_DEFINE(delivery, struct delivery)

/* Adds the next rows that wait behind *after, oldest first, but those that the claim holds for. count 0: there are none. Errors of
 * outbox_scan. */
typedef bool delivery_skips(void *ctx, const struct outbox_row *row);
WARN_UNUSED bool delivery_load(struct delivery *d, int64_t *after, delivery_skips *skips, void *ctx, struct err *e);

/* Adds this job's row, if it waits and there is room. */
WARN_UNUSED bool delivery_add(struct delivery *d, const char *job, struct err *e);

/* Sends it. False when the last request failed for a reason that is not a row's own (errors of dps.h, but no E_CONFLICT): rows
 * that were not reached wait as they did. */
WARN_UNUSED bool delivery_send(struct delivery *d, struct err *e);

/* One transaction: the rows, and an audit entry for each that is settled ("enroll.done", "enroll.aside") or fails for another
 * reason than before ("enroll.failed"). *ret_left: some still wait. Errors of the ledger. */
WARN_UNUSED bool delivery_record(struct delivery *d, bool *ret_left, struct err *e);

/* The error may be chance, such as a connection that was reset: worth another try before anybody is told. */
bool delivery_may_be_chance(enum err_code code);

#endif
