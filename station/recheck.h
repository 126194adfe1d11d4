/* SPDX-License-Identifier: Apache-2.0 */
/* Re-check, for incoming goods: what a unit is and holds is read and proved, and nothing is written: not to the unit, not to the
 * cloud, not to the factory's MES, not to what production keeps (docs/recheck.md).
 *
 * The line works in a directory of its own, STATE/recheck, with a copy of production's ledger that is made anew at each start. So
 * everything that tells units apart in production does so here, and what it writes is thrown away. No signer is started, and no
 * connection to the service is there. A stage's column `recheck` (station/pipeline.h) says what is done in it. */
#ifndef STATION_RECHECK_H
#define STATION_RECHECK_H

#include "station/job.h"

/* The line's directory becomes STATE/recheck. Before anything is started. E_CONFIG if its name gets too long. */
WARN_UNUSED bool recheck_place(struct config *c, struct err *e);

/* Makes that directory, and in it the copy of production's ledger, if there is one. E_DB_LOCKED while a line runs with that. E_FILE
 * and the errors of ledger_copy. */
WARN_UNUSED bool recheck_begin(const struct config *c, struct err *e);

/* Stage read-key: the endorsement key is judged and the unit looked up. E_EK_MISSING where none lies at its place; E_NO_DRIVER for
 * an open unit without a TPM, which would make a key when it is asked for one. */
WARN_UNUSED bool recheck_read_key(struct job *j, struct err *e);

/* Stage attest: the TPM holds its endorsement key, and the key on record is there and lives in that TPM. E_KEY_OTHER for a key of
 * nobody's record; E_READ_BACK where the key on record is not there. */
WARN_UNUSED bool recheck_attest(struct job *j, struct err *e);

/* True where an identity is on record: only then is something to be compared. */
bool recheck_has_record(const struct job *j);

/* Stage verify: whether there is a bundle to be read back. E_READ_BACK where unit and record do not agree about that. */
WARN_UNUSED bool recheck_has_bundle(const struct job *j, bool *ret, struct err *e);

/* After the verdict: one line in STATE/recheck/results.jsonl, on disk. */
WARN_UNUSED bool recheck_write(const struct job *j, struct err *e);

#endif
