/* SPDX-License-Identifier: Apache-2.0 */
/* How a lot goes: counts, first-pass yield, takt, failures and trend, computed from its visits (db/visits.h). */
#ifndef STATION_SHIFT_LOT_REPORT_H
#define STATION_SHIFT_LOT_REPORT_H

#include "db/visits.h"
#include "station/base/json.h"

/* {"id","product","profile","count","state","opened_ms","closed_ms","taken","units","pass","built","hold","fail","first_pass",
 *  "takt_ms","slots":[{"name","units","first_pass"}],"failures":[{"code","sentence","count"}],
 *  "trend":[{"from_ms","to_ms","pass","fail"}]}. Verdicts are those of each unit's last visit; first_pass counts units whose
 * first visit ended as PASS; takt_ms is the mean time between two PASSes; the trend has LOT_TREND equal pieces from the first visit
 * to the last. A new object; NULL with an error (E_ORDER if there is no such lot). */
#define LOT_TREND 24
json_t *lot_report(struct ledger *ledger, const char *id, struct err *e);

/* {"id","product","profile","count","state","opened_ms","closed_ms","opened_by","closed_by","taken"}. */
json_t *lot_json(struct ledger *ledger, const struct lot_row *row, struct err *e);

#endif
