/* SPDX-License-Identifier: Apache-2.0 */
/* The stages of a device's life, in order. A row says everything that the runner, the screens and the tests need to
 * know of a stage; `station stages` prints it and docs/pipeline.md holds the same table. */
#ifndef STATION_PIPELINE_H
#define STATION_PIPELINE_H

#include "station/job.h"

enum touch {
	TOUCH_READ = 1,		/* reads the device */
	TOUCH_DEVICE = 2,	/* may change the device: journalled before */
	TOUCH_CLOUD = 4,
	TOUCH_LEDGER = 8,	/* writes to the ledger inside the stage, before its effect */
	TOUCH_MES = 16,
};

struct stage {
	const char *name;
	bool (*run)(struct job *j, struct err *e);	/* 10 to 40 lines; no sleep, no retry, no log above debug */
	bool (*applies)(const struct job *j);		/* NULL: always */
	unsigned touches;
	int tries;
	int time_ms;		/* for one try */
	bool may_unplug;	/* the device may be pulled meanwhile */
	const char *now;	/* the sentence of the moment */
	bool (*recheck)(struct job *j, struct err *e);	/* what is done in re-check (station/recheck.h); NULL: nothing */
};

/* Whether the stage is for this job, and its work. */
bool stage_applies(const struct stage *s, const struct job *j);
WARN_UNUSED bool stage_run(const struct stage *s, struct job *j, struct err *e);

extern const struct stage pipeline[];
extern const int pipeline_count;

/* The stage of that name, or -1. */
int pipeline_find(const char *name);

#endif
