/* SPDX-License-Identifier: Apache-2.0 */
/* The lot that this line works on: opened by scanning an order, counted, closed with a hand-over. The state is the ledger's; this
 * is its door for the line. Thread-safe.
 *
 * Opening, closing and reverting are audit entries ("lot.opened", "lot.closed", "lot.reverting", "lot.reverted") with the person's
 * pseudonym, and events for the MES, in one transaction with the change. */
#ifndef STATION_SHIFT_LOT_H
#define STATION_SHIFT_LOT_H

#include "db/visits.h"
#include "station/base/json.h"

struct line;

/* Opens the order's lot, or goes on with it if it is open already, and makes it the current one. The order is read from
 * [lots] orders, by its number; one that the folder adapter put there is like any other. E_ORDER (no such order, or a bad file),
 * E_LOT_CLOSED (was closed or reverted), E_LOT_OTHER (the file changed since it was opened), E_CONFIG (its profile is not here). */
WARN_UNUSED bool lot_open(struct line *l, const char *order, const char *person, struct err *e);

/* Writes the hand-over (handover.h), keeps it on record, and closes the current lot. E_NO_LOT; E_LOT_BUSY while a unit is
 * worked on. */
WARN_UNUSED bool lot_close(struct line *l, const char *person, struct err *e);

/* The current lot's row; *ret_found false if none is open. The caller lot_row_fini's it. */
WARN_UNUSED bool lot_current(struct line *l, struct lot_row *ret, bool *ret_found, struct err *e);

/* May this label's unit take, or has it, a place of this lot: listed where the order lists labels (E_NOT_LISTED), and room left, or
 * this job has its place already (E_LOT_FULL). Called in stage admit, and again in the transaction of the intent. `job` may
 * be "". */
WARN_UNUSED bool lot_admits(struct line *l, const char *lot, const char *label, const char *job, struct err *e);

/* {"id","product","profile","count","state","opened_ms","taken","units","pass","built","hold","fail","first_pass",
 *  "takt_ms","slots":[{"name","units","first_pass"}],"failures":[{"code","sentence","count"}],
 *  "trend":[{"from_ms","to_ms","pass","fail","takt_ms"}]}; NULL if there is no such lot, or with an error. A new object. */
json_t *lot_report(struct ledger *ledger, const char *id, int64_t now_ms, struct err *e);

#endif
