/* SPDX-License-Identifier: Apache-2.0 */
/* The lot that this line works on: opened by scanning an order, counted, closed with a hand-over. The state is the ledger's; this
 * is its door for the line, and keeps the current order read. Thread-safe.
 *
 * Opening and closing are audit entries ("lot.opened", "lot.closed") with the person's pseudonym, and events for the MES, in one
 * transaction with the change. */
#ifndef STATION_SHIFT_LOT_H
#define STATION_SHIFT_LOT_H

#include "station/shift/failed.h"
#include "station/shift/label.h"
#include "db/visits.h"
#include "station/base/json.h"

struct line;
struct current_lot;

/* Takes up the lot that was current when the line ended. Sets l->lot. E_DB, E_NOMEM. */
WARN_UNUSED bool lot_start(struct line *l, struct err *e);
void lot_end(struct line *l);

/* Opens the order's lot, or goes on with it if it is open already, and makes it the current one. The order is read from
 * [lots] orders, by its number; one that the folder adapter put there is like any other. Where orders are signed, the
 * signer takes it first: E_ORDER_UNSIGNED, E_ORDER_TERMS. E_ORDER (no such order, or a bad file), E_LOT_CLOSED,
 * E_LOT_STATE (is being, or was, taken back), E_LOT_OTHER (the file changed since it was opened), E_LOT_BUSY while units
 * of another lot are worked on. */
WARN_UNUSED bool lot_open(struct line *l, const char *order, const char *person, struct err *e);

/* Decides on units that failed (failed.h), writes the hand-over (handover.h), keeps its hash on record, and closes the current lot;
 * then none is open. E_NO_LOT; E_LOT_BUSY while a unit is worked on; E_LOT_UNDECIDED. */
WARN_UNUSED bool lot_close(struct line *l, const char *person, enum failed_decision decision, struct err *e);

struct lot_view {
	char id[LOT_ID];	/* "": no lot is open */
	char product[65];
	int profile;		/* index in the configuration */
	uint32_t count;
	uint64_t taken, allowed;	/* places: taken, and what may be taken now (db/lots.h) */
};
WARN_UNUSED bool lot_look(struct line *l, struct lot_view *ret, struct err *e);

/* May this label's unit take, or has it, a place of this lot? E_NOT_LISTED where the order lists labels and not this one,
 * E_LOT_FULL when no place is left and this job has none. Before anything is counted; the place itself is taken in the transaction
 * of the intent (lots_take_place). `job` may be "". True for lot "". */
WARN_UNUSED bool lot_admits(struct line *l, const char *lot, const char *label, const char *job, struct err *e);

/* Whether the current order lists labels, and this one among them. */
bool lot_lists(struct line *l, const char *label);

/* The tray's labels in the current order; false if there is no such tray in it. */
bool lot_tray(struct line *l, const char *tray, char (*label)[LABEL], size_t *ret_count);

#endif
