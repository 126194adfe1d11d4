/* SPDX-License-Identifier: Apache-2.0 */
/* Receipts: for one entry of the audit log a text that proves to anybody with the log's public key, without this station, that the
 * entry is on record under a signed checkpoint (certs/tlog_text.h). Of a unit there are two: of its intent, and of the verdict that
 * stands. */
#ifndef STATION_RECEIPT_H
#define STATION_RECEIPT_H

#include "db/audit.h"
#include "db/jobs.h"

/* Appends the receipt of an entry under this checkpoint of the ledger. What it says is computed from the entry itself: a ledger
 * that does not fit its checkpoint gives none. E_TEXT (the checkpoint does not cover the entry), E_AUDIT, E_DB. */
WARN_UNUSED bool receipt_of_entry(struct ledger *l, uint64_t index, const char *note, struct bytes *ret, struct err *e);

/* The same into DIR/NAME, which is replaced atomically. E_FILE too. */
WARN_UNUSED bool receipt_write(struct ledger *l, uint64_t index, const char *note, const char *dir, const char *name,
			       struct err *e);

/* The entry of the unit's verdict that stands; -1 if there is none. */
WARN_UNUSED bool receipt_verdict_entry(struct ledger *l, const struct job_row *row, int64_t *ret, struct err *e);

#endif
