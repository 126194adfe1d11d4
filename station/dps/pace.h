/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of a pace, with the time as an argument: a token bucket, a count of requests under way, and a time
 * before which nobody goes on. Pure; pacer.h gives it a clock, a lock and a queue.
 *
 * Times are milliseconds of one clock that only grows. An operation costs 60,000 parts, and a millisecond brings
 * `per_minute` of them, so that nothing is ever rounded. */
#ifndef STATION_DPS_PACE_H
#define STATION_DPS_PACE_H

#include "station/dps/pacer.h"

#define PACE_FIRST_LOST_MS 250		/* the back-off after one answer that did not come */
#define PACE_FIRST_BUSY_MS 1000		/* and after one 429 that says no time */
#define PACE_BACK_OFF_MAX_MS 60000
#define PACE_RETRY_AFTER_MAX_MS 3600000	/* who asks for more is asked again after this */

struct pace {
	uint32_t per_minute, burst, places;
	uint32_t in_flight;
	int64_t parts;		/* below zero: taken in advance */
	int64_t filled_ms;	/* until here the parts are counted */
	int64_t closed_ms;	/* nobody goes on before */
	uint32_t failures;	/* in a row; those that came while it was closed anyway count once */
	uint64_t dice;
};

/* Full at now_ms. per_minute, burst and places are at least 1; `seed` is of the jitter. */
void pace_init(struct pace *p, uint32_t per_minute, uint32_t burst, uint32_t places, uint64_t seed, int64_t now_ms);

/* How long until `operations` may go behind `ahead` others, if nothing else happens; 0: now. Places are not looked at.
 * More operations than the burst go when the bucket is full, and leave it empty for longer. */
int64_t pace_left_ms(const struct pace *p, uint64_t ahead, uint32_t operations, int64_t now_ms);

bool pace_has_place(const struct pace *p);

/* Takes a place and the tokens, if pace_left_ms said 0 and there is a place. */
void pace_take(struct pace *p, uint32_t operations, int64_t now_ms);

/* Ends a back-off after answers that did not come, because a person knows better; what the service asked for is kept. */
void pace_hurry(struct pace *p, int64_t now_ms);

/* A request that was taken in is over. */
void pace_done(struct pace *p, enum pacer_outcome outcome, int64_t retry_after_ms, int64_t now_ms);

#endif
