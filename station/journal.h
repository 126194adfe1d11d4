/* SPDX-License-Identifier: Apache-2.0 */
/* What the audit log says of a job, and the job row beside it: each function is one transaction, and returns when it is
 * on disk. Entries: "visit" (a unit came into a slot), "stage.begin" (before a stage that may change the device),
 * "stage.done" with the stage's evidence, "stage.failed", "verdict". Bytes of a device stand in it only as hashes and
 * checked texts. */
#ifndef STATION_JOURNAL_H
#define STATION_JOURNAL_H

#include "station/pipeline.h"

WARN_UNUSED bool journal_visit(struct job *j, struct err *e);
WARN_UNUSED bool journal_begin(struct job *j, const struct stage *stage, struct err *e);
/* The stage is complete from here on. */
WARN_UNUSED bool journal_done(struct job *j, const struct stage *stage, uint32_t took_ms, struct err *e);
WARN_UNUSED bool journal_failed(struct job *j, const struct stage *stage, const struct err *cause, int nth_try, struct err *e);
/* The verdict of this visit, and the row with what stays on record. */
WARN_UNUSED bool journal_verdict(struct job *j, struct err *e);

#endif
