/* SPDX-License-Identifier: Apache-2.0 */
/* Steps a job through the pipeline. The runner, and only the runner, owns time and failure: it sets the deadline, runs
 * the stage, writes job row and audit entry in one transaction, looks at the error's class, waits and tries again, and
 * gives the verdict. */
#ifndef STATION_RUNNER_H
#define STATION_RUNNER_H

#include "station/job.h"

/* Hears of every change of a job, from the job's own thread. `present` says whether the device is still plugged in. */
struct runner_hooks {
	void (*changed)(void *ctx, const struct job *j);
	bool (*present)(void *ctx);
	/* Waits up to `ms`, less when the device leaves, the unit is held, or the line stops. */
	void (*wait)(void *ctx, int64_t ms);
	/* A person has put the unit to HOLD: no further stage is begun. */
	bool (*held)(void *ctx);
	void *ctx;
};

/* Runs the job to its end and gives it its verdict; always ends with JOB_DONE and a ledger that says so (or a line that
 * is unfit). */
void runner_run(struct job *j, const struct runner_hooks *hooks);

/* A unit that cannot begin: a visit and its verdict by the error's class, and no work. Ends like runner_run. */
void runner_refuse(struct job *j, const struct err *why, const struct runner_hooks *hooks);

#endif
