/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service's published limits: operations and device registrations per minute, and polls per device in
 * ten seconds. A window begins with the first call that is counted in it; what is over its limit is
 * answered 429 with the time until the next window. The minute can be made shorter, for tests: everything
 * shrinks with it.
 */
#ifndef SIM_DPS_THROTTLE_H
#define SIM_DPS_THROTTLE_H

#include "answer.h"
#include "request.h"

#include <stdint.h>

#define THROTTLE_OPERATIONS 1000
#define THROTTLE_REGISTRATIONS 1000
#define THROTTLE_POLLS 5

/* 0: no limit. */
struct throttle_options {
	int64_t operations, registrations, polls;
	int64_t window_ms;  /* what stands for a minute */
	bool bulk_costs_one; /* else each of its items */
};

struct throttle {
	struct throttle_options options;
	json_t *window; /* by what is limited: {"start": ms, "used": n} */
};

void throttle_open(struct throttle *t, const struct throttle_options *o);
void throttle_close(struct throttle *t);

/* Counts the call, or answers 429. */
bool throttle_allows(struct throttle *t, const struct request *r, struct answer *a);

#endif
