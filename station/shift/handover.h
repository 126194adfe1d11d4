/* SPDX-License-Identifier: Apache-2.0 */
/* What a closed lot leaves: LOT.json and LOT.csv in [lots] handover, each whole or not there at all. One row per unit: serial,
 * label, registration id, attestation, leaf hash, EK hash, hub, device id, verdict, receipt (intent and index of the verdict's
 * entry), and what its rehearsal left in the cloud; and one signed checkpoint over all of them. */
#ifndef STATION_SHIFT_HANDOVER_H
#define STATION_SHIFT_HANDOVER_H

#include "db/lots.h"

struct line;

/* E_FILE, E_DB. Writing it again for the same lot and ledger state gives the same rows. */
WARN_UNUSED bool handover_write(struct line *l, const struct lot_row *lot, struct err *e);

#endif
