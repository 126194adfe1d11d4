/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults by chance: at a given rate a call of the service or device plane is answered 500 or 503, or loses
 * its connection before or after the effect. The same seed makes the same sequence.
 */
#ifndef SIM_DPS_CHANCE_H
#define SIM_DPS_CHANCE_H

#include "rules.h"

#include <stdint.h>

struct chance {
	double rate; /* 0..1 */
	uint64_t state;
};

/* The kind of what goes wrong, with *f filled in; NULL for nothing. */
const char *chance_meet(struct chance *c, struct fault *f);

#endif
