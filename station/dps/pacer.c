/* SPDX-License-Identifier: Apache-2.0 */
#include "station/dps/pacer.h"

#include "station/base/clock.h"
#include "station/dps/pace.h"

#include <pthread.h>
#include <time.h>

/* One that waits, on the stack of its thread. Who came first goes first, or a bulk of ten would wait for ever behind
 * single ones. */
struct waiter {
	uint32_t operations;
	struct waiter *next;
};

struct pacer {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct pace pace;
	struct waiter *first;
};

static uint64_t seed_new(const void *place)
{
	return (uint64_t)clock_wall_ms() * 0x9e3779b97f4a7c15ull ^ (uint64_t)(uintptr_t)place ^ (uint64_t)getpid() << 32;
}

bool pacer_new(uint32_t per_minute, uint32_t burst, uint32_t in_flight, struct pacer **ret, struct err *e)
{
	struct pacer *p = calloc(1, sizeof(*p));
	pthread_condattr_t steady;

	if (!p)
		return err_set(e, E_NOMEM, "pacer");
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&steady);
	pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
	pthread_cond_init(&p->changed, &steady);
	pthread_condattr_destroy(&steady);
	pace_init(&p->pace, per_minute, burst, in_flight, seed_new(p), clock_steady_ms());
	*ret = p;
	return true;
}

void pacer_free(struct pacer *p)
{
	if (!p)
		return;
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* ---- the queue; the lock is held ---- */

static uint64_t queue_ahead(const struct pacer *p, const struct waiter *until)
{
	uint64_t operations = 0;
	for (const struct waiter *w = p->first; w && w != until; w = w->next)
		operations += w->operations;
	return operations;
}

static void queue_join(struct pacer *p, struct waiter *w)
{
	struct waiter **end = &p->first;
	while (*end)
		end = &(*end)->next;
	*end = w;
}

static void queue_leave(struct pacer *p, const struct waiter *w)
{
	struct waiter **at = &p->first;
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	pthread_cond_broadcast(&p->changed);
}

/* Waits for a change, at most so long. The steady clock runs on while the machine sleeps and this one does not, so the
 * caller looks again. */
static void wait_ms(struct pacer *p, int64_t ms)
{
	struct timespec end;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += ms / 1000;
	end.tv_nsec += ms % 1000 * 1000000;
	if (end.tv_nsec >= 1000000000) {
		end.tv_nsec -= 1000000000;
		end.tv_sec++;
	}
	pthread_cond_timedwait(&p->changed, &p->lock, &end);
}

static bool wait_for_turn(struct pacer *p, const struct waiter *w, int64_t deadline_ms, struct err *e)
{
	for (;;) {
		int64_t now = clock_steady_ms();
		int64_t left = pace_left_ms(&p->pace, queue_ahead(p, w), w->operations, now);
		bool is_free = pace_has_place(&p->pace);
		if (left == 0 && is_free && p->first == w)
			return true;
		if (left > deadline_ms - now)
			return err_set(e, E_DPS_BUSY, "the service's pace leaves no room for %lld ms", (long long)left);
		if (now >= deadline_ms)
			return err_set(e, E_DPS_BUSY, "other requests to the service are still under way");
		/* A place, and the turn, come with a change. */
		wait_ms(p, left ? left : deadline_ms - now);
	}
}

bool pacer_enter(struct pacer *p, uint32_t operations, int64_t deadline_ms, struct err *e)
{
	struct waiter w = {.operations = operations};

	pthread_mutex_lock(&p->lock);
	queue_join(p, &w);
	bool ok = wait_for_turn(p, &w, deadline_ms, e);
	if (ok)
		pace_take(&p->pace, operations, clock_steady_ms());
	queue_leave(p, &w);
	pthread_mutex_unlock(&p->lock);
	return ok;
}

void pacer_done(struct pacer *p, enum pacer_outcome outcome, int64_t retry_after_ms)
{
	pthread_mutex_lock(&p->lock);
	pace_done(&p->pace, outcome, retry_after_ms, clock_steady_ms());
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

void pacer_hurry(struct pacer *p)
{
	pthread_mutex_lock(&p->lock);
	pace_hurry(&p->pace, clock_steady_ms());
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

int64_t pacer_left_ms(struct pacer *p)
{
	pthread_mutex_lock(&p->lock);
	int64_t left = pace_left_ms(&p->pace, queue_ahead(p, NULL), 1, clock_steady_ms());
	pthread_mutex_unlock(&p->lock);
	return left;
}
