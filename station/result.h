/* SPDX-License-Identifier: Apache-2.0 */
/* The result of a unit, as it leaves the station: STATE/results/REGISTRATION-ID.json, replaced atomically, with the
 * checkpoint that makes the audit log's history fixed from then on; and beside it REGISTRATION-ID.intent.tlog-proof, the receipt
 * that its intent is on record under that checkpoint (station/receipt.h). */
#ifndef STATION_RESULT_H
#define STATION_RESULT_H

#include "station/job.h"

WARN_UNUSED bool result_write(const struct job *j, struct err *e);

#endif
