/* SPDX-License-Identifier: Apache-2.0 */
/* What a closed lot leaves: LOT.json and LOT.csv in [lots] handover, each whole or not there at all. One row per unit: serial,
 * label, registration id, attestation, leaf hash, EK hash, hub, device id, verdict, receipt (index of the intent and of the
 * verdict's entry), and what its rehearsal left in the cloud; and one signed checkpoint over all of them. docs/lots.md has the
 * columns. */
#ifndef STATION_SHIFT_HANDOVER_H
#define STATION_SHIFT_HANDOVER_H

#include "db/lots.h"
#include "station/base/json.h"

struct line;

/* What was written, for the record. */
struct handover {
	char file[LOT_ID + 8];	/* its name without the directory, LOT.json */
	uint8_t sha256[SHA256_SIZE], csv_sha256[SHA256_SIZE];
	uint64_t pass, built, hold, fail, open;
};

/* E_FILE, E_DB, and the signer's. Written again for the same ledger it has the same rows. */
WARN_UNUSED bool handover_write(struct line *l, const struct lot_row *lot, struct handover *ret, struct err *e);
/* {"handover","sha256","csv_sha256","pass","built","hold","fail","open"}. A new object. */
json_t *handover_json(const struct handover *h);

#endif
