/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of everything the emulator was asked, in numbers: totals, and for each id how often it was
 * created, updated, deleted and assigned. Kept with the state, so it goes on over a restart. A created
 * entry counts whether or not its answer reached anybody: that is how "none lost, none twice" is proved.
 */
#ifndef SIM_DPS_COUNTS_H
#define SIM_DPS_COUNTS_H

#include "store.h"

#include <stdint.h>

enum count {
	COUNT_REQUESTS,  /* of the four planes, whatever became of them */
	COUNT_CREATED,   /* entries, each item of a bulk by itself; so the next two */
	COUNT_UPDATED,
	COUNT_DELETED,
	COUNT_ASSIGNED,  /* registrations that ended with a hub */
	COUNT_REFUSED,   /* answers of 400 and above, but for 429 and random faults */
	COUNT_THROTTLED, /* by the limits, not by a rule */
	COUNT_FAULTS,    /* random ones; by kind under "faults" */
	COUNTS
};

struct service;

/* Reads what the state has. */
void counts_open(struct service *svc);
void counts_close(struct service *svc);

void counts_add(struct service *svc, enum count what);

/* One of the first kind of rows, for the entry or registration with this key. */
void counts_entry(struct service *svc, enum shelf shelf, const char *key, enum count what);

/* One random fault of this kind. */
void counts_fault(struct service *svc, const char *kind);

/* Writes counts.json if anything changed. */
void counts_save(struct service *svc);

#endif
