/* SPDX-License-Identifier: Apache-2.0 */
#include "station/dps/pace.h"

#include <assert.h>

#define OPERATION 60000	/* parts: the milliseconds of a minute */

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* xorshift64*: enough to keep stations apart. */
static uint64_t dice_throw(struct pace *p)
{
	p->dice ^= p->dice >> 12;
	p->dice ^= p->dice << 25;
	p->dice ^= p->dice >> 27;
	return p->dice * 0x2545f4914f6cdd1dull;
}

/* 0 to span, both included. */
static int64_t jitter(struct pace *p, int64_t span)
{
	return (int64_t)((dice_throw(p) >> 32) % ((uint64_t)span + 1));
}

static int64_t capacity(const struct pace *p)
{
	return (int64_t)p->burst * OPERATION;
}

static int64_t parts_at(const struct pace *p, int64_t now_ms)
{
	if (now_ms <= p->filled_ms)
		return p->parts;
	int64_t missing = capacity(p) - p->parts, ms = now_ms - p->filled_ms;
	return ms > missing / p->per_minute ? capacity(p) : p->parts + ms * p->per_minute;
}

void pace_init(struct pace *p, uint32_t per_minute, uint32_t burst, uint32_t places, uint64_t seed, int64_t now_ms)
{
	assert(per_minute && burst && places);
	*p = (struct pace){.per_minute = per_minute, .burst = burst, .places = places, .filled_ms = now_ms,
			   .closed_ms = now_ms, .dice = seed ? seed : 1};
	p->parts = capacity(p);
}

int64_t pace_left_ms(const struct pace *p, uint64_t ahead, uint32_t operations, int64_t now_ms)
{
	int64_t own = operations < p->burst ? operations : p->burst;
	int64_t lack = ((int64_t)ahead + own) * OPERATION - parts_at(p, now_ms);
	int64_t at_ms = now_ms;
	if (lack > 0)
		at_ms = most(now_ms, p->filled_ms) + (lack + p->per_minute - 1) / p->per_minute;
	return most(at_ms, p->closed_ms) - now_ms;
}

bool pace_has_place(const struct pace *p)
{
	return p->in_flight < p->places;
}

void pace_take(struct pace *p, uint32_t operations, int64_t now_ms)
{
	assert(pace_has_place(p));
	p->parts = parts_at(p, now_ms) - (int64_t)operations * OPERATION;
	p->filled_ms = most(p->filled_ms, now_ms);
	p->in_flight++;
}

static int64_t back_off_ms(struct pace *p, int64_t first_ms)
{
	int64_t ms = first_ms;
	for (uint32_t i = 1; i < p->failures && ms < PACE_BACK_OFF_MAX_MS; i++)
		ms *= 2;
	ms = least(ms, PACE_BACK_OFF_MAX_MS);
	return ms - jitter(p, ms / 2);
}

/* Nobody goes on for ms; where the service said that the bucket is full, it is empty until then. */
static void pace_close(struct pace *p, enum pacer_outcome why, int64_t ms, int64_t now_ms)
{
	p->closed_ms = most(p->closed_ms, now_ms + ms);
	if (why != PACER_BUSY)
		return;
	p->parts = least(parts_at(p, now_ms), 0);
	p->filled_ms = most(p->filled_ms, now_ms + ms);
}

void pace_hurry(struct pace *p, int64_t now_ms)
{
	/* What the service asked for is in the bucket, and stays. */
	p->closed_ms = least(p->closed_ms, now_ms);
}

/* An answer proves that the way is open. */
static void pace_open(struct pace *p, int64_t now_ms)
{
	pace_hurry(p, now_ms);
	p->failures = 0;
}

void pace_done(struct pace *p, enum pacer_outcome outcome, int64_t retry_after_ms, int64_t now_ms)
{
	assert(p->in_flight);
	p->in_flight--;
	if (outcome == PACER_GOOD) {
		pace_open(p, now_ms);
		return;
	}
	if (now_ms >= p->closed_ms)
		p->failures++;
	int64_t ms = back_off_ms(p, outcome == PACER_BUSY ? PACE_FIRST_BUSY_MS : PACE_FIRST_LOST_MS);
	if (outcome == PACER_BUSY && retry_after_ms >= 0) {
		ms = least(retry_after_ms, PACE_RETRY_AFTER_MAX_MS);
		ms += jitter(p, ms / 8);
	}
	pace_close(p, outcome, ms, now_ms);
}
