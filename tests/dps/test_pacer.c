/* SPDX-License-Identifier: Apache-2.0 */
/* Many threads at one pace. What is counted is bound by the time that really passed, never by how fast this machine is. */
#include "harness.h"

#include "station/base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>

static struct pacer *pacer_make(uint32_t per_minute, uint32_t burst, uint32_t in_flight)
{
	struct pacer *p = NULL;
	struct err e = {0};
	assert_ok(pacer_new(per_minute, burst, in_flight, &p, &e), &e);
	return p;
}

/* ---- a crowd ---- */

enum { CROWD = 16, ROUNDS = 25, BURST = 20, PLACES = 3, PER_MS = 2 };

struct crowd {
	struct pacer *pacer;
	int64_t start_ms;
	atomic_int inside, most_inside, operations, too_fast, failed;
};

static void note_entry(struct crowd *c, uint32_t operations)
{
	int inside = atomic_fetch_add(&c->inside, 1) + 1;
	int seen = atomic_load(&c->most_inside);
	while (inside > seen && !atomic_compare_exchange_weak(&c->most_inside, &seen, inside))
		;
	int taken = atomic_fetch_add(&c->operations, (int)operations) + (int)operations;
	/* The millisecond that had begun counts as a whole one. */
	int64_t allowed = BURST + PER_MS * (clock_steady_ms() - c->start_ms + 1);
	if (taken > allowed)
		atomic_fetch_add(&c->too_fast, 1);
}

static void *visit(void *user)
{
	struct crowd *c = user;
	for (int i = 0; i < ROUNDS; i++) {
		struct err e = {0};
		uint32_t operations = i % 5 ? 1 : 10;
		if (!pacer_enter(c->pacer, operations, in_ms(60000), &e)) {
			atomic_fetch_add(&c->failed, 1);
			continue;
		}
		note_entry(c, operations);
		sched_yield();
		atomic_fetch_sub(&c->inside, 1);
		pacer_done(c->pacer, PACER_GOOD, -1);
	}
	return NULL;
}

static void crowd_keeps_rate_and_places_and_everybody_comes_through(void **state)
{
	struct crowd c = {.pacer = pacer_make(PER_MS * 60000, BURST, PLACES), .start_ms = clock_steady_ms()};
	pthread_t threads[CROWD];
	for (size_t i = 0; i < CROWD; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, visit, &c), 0);
	for (size_t i = 0; i < CROWD; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(c.failed, 0);
	assert_int_equal(c.too_fast, 0);
	assert_int_equal(c.operations, CROWD * (ROUNDS / 5 * 10 + ROUNDS / 5 * 4));
	assert_in_range(c.most_inside, 1, PLACES);
	pacer_free(c.pacer);
}

/* ---- one behind the other ---- */

struct visitor {
	struct pacer *pacer;
	pthread_t thread;
	uint32_t operations;
	int64_t deadline_ms;
	atomic_int *turn;
	int came;
	struct err err;
	bool ok;
};

static void *visit_once(void *user)
{
	struct visitor *v = user;
	v->ok = pacer_enter(v->pacer, v->operations, v->deadline_ms, &v->err);
	v->came = atomic_fetch_add(v->turn, 1);
	if (v->ok)
		pacer_done(v->pacer, PACER_GOOD, -1);
	return NULL;
}

/* Sends a visitor in and waits until he stands in the queue, where he makes the next one wait longer. */
static void visitor_start(struct visitor *v)
{
	int64_t before = pacer_left_ms(v->pacer);
	assert_int_equal(pthread_create(&v->thread, NULL, visit_once, v), 0);
	while (pacer_left_ms(v->pacer) <= before)
		sched_yield();
}

static void take_all(struct pacer *p, uint32_t operations)
{
	struct err e = {0};
	assert_ok(pacer_enter(p, operations, in_ms(60000), &e), &e);
}

static void single_one_does_not_overtake_a_bulk(void **state)
{
	atomic_int turn = 0;
	struct pacer *p = pacer_make(6000, 10, 4);
	struct visitor bulk = {.pacer = p, .operations = 10, .deadline_ms = in_ms(60000), .turn = &turn};
	struct visitor single = bulk;
	single.operations = 1;
	take_all(p, 60);
	visitor_start(&bulk);
	visitor_start(&single);
	pthread_join(bulk.thread, NULL);
	pthread_join(single.thread, NULL);
	assert_true(bulk.ok && single.ok);
	assert_int_equal(bulk.came, 0);
	assert_int_equal(single.came, 1);
	pacer_done(p, PACER_GOOD, -1);
	pacer_free(p);
}

static void place_goes_to_who_came_first(void **state)
{
	for (int round = 0; round < 5; round++) {
		atomic_int turn = 0;
		struct pacer *p = pacer_make(60000, 1000, 1);
		struct visitor v[6];
		take_all(p, 1000);
		for (size_t i = 0; i < COUNT_OF(v); i++) {
			v[i] = (struct visitor){.pacer = p, .operations = 20, .deadline_ms = in_ms(60000), .turn = &turn};
			visitor_start(&v[i]);
		}
		/* Tokens for all of them, while the place is taken. */
		while (pacer_left_ms(p) > 0)
			clock_sleep_ms(10);
		pacer_done(p, PACER_GOOD, -1);
		/* One that comes while the place is free, and the others are about to wake up. */
		take_all(p, 1);
		assert_int_equal(atomic_load(&turn), COUNT_OF(v));
		pacer_done(p, PACER_GOOD, -1);
		for (size_t i = 0; i < COUNT_OF(v); i++) {
			pthread_join(v[i].thread, NULL);
			assert_true(v[i].ok);
			assert_int_equal(v[i].came, i);
		}
		pacer_free(p);
	}
}

static void who_cannot_be_served_by_his_deadline_hears_it_at_once_and_takes_nothing(void **state)
{
	struct pacer *p = pacer_make(1, 1, 4);
	struct err e = {0};
	take_all(p, 1);
	int64_t deadline = in_ms(30000);
	assert_fails(pacer_enter(p, 1, deadline, &e), &e, E_DPS_BUSY);
	assert_true(clock_steady_ms() < deadline);
	assert_in_range(pacer_left_ms(p), 1, 60000);
	pacer_done(p, PACER_GOOD, -1);
	pacer_free(p);
}

static void who_finds_no_place_waits_until_his_deadline_only(void **state)
{
	struct pacer *p = pacer_make(60000, 100, 1);
	struct err e = {0};
	take_all(p, 1);
	int64_t deadline = in_ms(50);
	assert_fails(pacer_enter(p, 1, deadline, &e), &e, E_DPS_BUSY);
	assert_true(clock_steady_ms() >= deadline);
	pacer_done(p, PACER_GOOD, -1);
	assert_ok((err_clear(&e), pacer_enter(p, 1, in_ms(0), &e)), &e);
	pacer_done(p, PACER_GOOD, -1);
	pacer_free(p);
}

static void who_waits_when_the_service_asks_for_patience_beyond_his_deadline_hears_it(void **state)
{
	atomic_int turn = 0;
	struct pacer *p = pacer_make(60, 10, 4);
	struct visitor v = {.pacer = p, .operations = 5, .deadline_ms = in_ms(60000), .turn = &turn};
	take_all(p, 10);
	visitor_start(&v);
	pacer_done(p, PACER_BUSY, 300000);
	pthread_join(v.thread, NULL);
	assert_false(v.ok);
	assert_int_equal(v.err.code, E_DPS_BUSY);
	assert_true(clock_steady_ms() < v.deadline_ms);
	assert_true(pacer_left_ms(p) > 200000);
	pacer_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crowd_keeps_rate_and_places_and_everybody_comes_through),
		cmocka_unit_test(single_one_does_not_overtake_a_bulk),
		cmocka_unit_test(place_goes_to_who_came_first),
		cmocka_unit_test(who_cannot_be_served_by_his_deadline_hears_it_at_once_and_takes_nothing),
		cmocka_unit_test(who_finds_no_place_waits_until_his_deadline_only),
		cmocka_unit_test(who_waits_when_the_service_asks_for_patience_beyond_his_deadline_hears_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
