/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of the pace, on a clock that is a number. */
#include "harness.h"

#include "station/dps/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1000000	/* any time but zero */

static void full_bucket_lets_the_burst_go_and_then_keeps_the_rate(void **state)
{
	struct pace p;
	pace_init(&p, 60, 10, 64, 1, NOW);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(pace_left_ms(&p, 0, 1, NOW), 0);
		pace_take(&p, 1, NOW);
	}
	assert_int_equal(pace_left_ms(&p, 0, 1, NOW), 1000);
	assert_int_equal(pace_left_ms(&p, 0, 1, NOW + 999), 1);
	assert_int_equal(pace_left_ms(&p, 0, 1, NOW + 1000), 0);
	assert_int_equal(pace_left_ms(&p, 0, 3, NOW), 3000);
	assert_int_equal(pace_left_ms(&p, 2, 1, NOW), 3000);
}

static uint64_t take_what_there_is(struct pace *p, int64_t now_ms)
{
	uint64_t taken = 0;
	for (; pace_left_ms(p, 0, 1, now_ms) == 0; taken++) {
		pace_take(p, 1, now_ms);
		pace_done(p, PACER_GOOD, -1, now_ms);
	}
	return taken;
}

static void ten_minutes_bring_what_they_should_to_the_last_operation(void **state)
{
	static const uint32_t rates[] = {1, 7, 59, 60, 61, 900, 1000, 30000};
	for (size_t i = 0; i < COUNT_OF(rates); i++) {
		struct pace p;
		uint64_t taken = 0;
		pace_init(&p, rates[i], 5, 1, 1, NOW);
		/* Ticks that divide nothing, so that a remainder that were rounded would be lost at each. */
		for (int64_t ms = 0; ms < 600000; ms += 7)
			taken += take_what_there_is(&p, NOW + ms);
		taken += take_what_there_is(&p, NOW + 600000);
		assert_int_equal(taken, 10 * (uint64_t)rates[i] + 5);
	}
}

static void no_minute_holds_more_than_the_share_and_the_burst(void **state)
{
	enum { MOST = 4096 };
	static int64_t at[MOST];
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct pace p;
		size_t count = 0, first = 0;
		uint64_t dice = seed;
		pace_init(&p, 300, 30, 1, seed, NOW);
		for (int64_t t = NOW; count + 10 < MOST && t < NOW + 600000; t += (int64_t)(dice >> 33) % 2000) {
			dice = dice * 6364136223846793005ull + 1442695040888963407ull;
			uint32_t operations = dice >> 60 & 1 ? 10 : 1;
			if (pace_left_ms(&p, 0, operations, t))
				continue;
			pace_take(&p, operations, t);
			pace_done(&p, dice >> 55 & 31 ? PACER_GOOD : PACER_BUSY, -1, t);
			for (uint32_t k = 0; k < operations; k++)
				at[count++] = t;
			while (at[count - 1] - at[first] > 60000)
				first++;
			assert_true(count - first <= 330);
		}
		assert_true(count > 100);
	}
}

static void bulk_that_is_greater_than_the_burst_goes_and_is_paid_afterwards(void **state)
{
	struct pace p;
	pace_init(&p, 60, 3, 64, 1, NOW);
	assert_int_equal(pace_left_ms(&p, 0, 10, NOW), 0);
	pace_take(&p, 10, NOW);
	assert_int_equal(pace_left_ms(&p, 0, 1, NOW), 8000);
	assert_int_equal(pace_left_ms(&p, 0, 10, NOW), 10000);
}

static void place_is_free_again_when_its_request_is_over(void **state)
{
	struct pace p;
	pace_init(&p, 1000, 100, 2, 1, NOW);
	pace_take(&p, 1, NOW);
	assert_true(pace_has_place(&p));
	pace_take(&p, 1, NOW);
	assert_false(pace_has_place(&p));
	pace_done(&p, PACER_GOOD, -1, NOW);
	assert_true(pace_has_place(&p));
}

static struct pace busy(int64_t retry_after_ms, uint64_t seed)
{
	struct pace p;
	pace_init(&p, 600, 50, 8, seed, NOW);
	pace_take(&p, 1, NOW);
	pace_done(&p, PACER_BUSY, retry_after_ms, NOW);
	return p;
}

static void nobody_goes_on_before_retry_after_and_not_all_at_one_moment(void **state)
{
	int64_t least = INT64_MAX, most = 0;
	for (uint64_t seed = 1; seed < 100; seed++) {
		struct pace p = busy(8000, seed * 0x9e3779b97f4a7c15ull);
		int64_t left = p.closed_ms - NOW;
		assert_true(left >= 8000 && left <= 9000);
		least = left < least ? left : least;
		most = left > most ? left : most;
		assert_true(pace_left_ms(&p, 0, 1, NOW + 7999) > 0);
	}
	assert_true(most - least > 500);
}

static void bucket_is_empty_when_the_service_said_that_it_is_full(void **state)
{
	struct pace p = busy(1000, 1);
	int64_t open = p.closed_ms;
	assert_int_equal(pace_left_ms(&p, 0, 1, open), 100);
	assert_int_equal(pace_left_ms(&p, 0, 1, open + 100), 0);
	assert_int_equal(pace_left_ms(&p, 0, 10, open), 1000);
}

static void patience_without_end_is_cut_to_an_hour(void **state)
{
	struct pace p = busy(24 * 3600 * 1000LL, 3);
	assert_true(p.closed_ms - NOW >= PACE_RETRY_AFTER_MAX_MS);
	assert_true(p.closed_ms - NOW <= PACE_RETRY_AFTER_MAX_MS + PACE_RETRY_AFTER_MAX_MS / 8);
}

static int64_t fail_once(struct pace *p, enum pacer_outcome outcome, int64_t now_ms)
{
	pace_take(p, 1, now_ms);
	pace_done(p, outcome, -1, now_ms);
	return p->closed_ms - now_ms;
}

static void back_off_doubles_to_a_minute_and_a_good_answer_ends_it(void **state)
{
	struct pace p;
	int64_t now = NOW, expected = PACE_FIRST_LOST_MS;
	pace_init(&p, 6000, 100, 8, 7, now);
	for (int i = 0; i < 20; i++) {
		int64_t ms = fail_once(&p, PACER_LOST, now);
		assert_true(ms >= expected / 2 && ms <= expected);
		expected = 2 * expected < PACE_BACK_OFF_MAX_MS ? 2 * expected : PACE_BACK_OFF_MAX_MS;
		now += ms;
	}
	pace_take(&p, 1, now);
	pace_done(&p, PACER_GOOD, -1, now);
	assert_true(fail_once(&p, PACER_LOST, now) <= PACE_FIRST_LOST_MS);
}

static void failures_of_one_moment_count_once(void **state)
{
	struct pace p;
	pace_init(&p, 6000, 100, 8, 7, NOW);
	for (int i = 0; i < 8; i++)
		pace_take(&p, 1, NOW);
	for (int i = 0; i < 8; i++)
		pace_done(&p, PACER_BUSY, -1, NOW);
	assert_int_equal(p.failures, 1);
	assert_true(p.closed_ms - NOW <= PACE_FIRST_BUSY_MS);
}

static void good_answer_opens_what_a_lost_one_closed_but_not_what_the_service_closed(void **state)
{
	struct pace p;
	pace_init(&p, 6000, 100, 8, 7, NOW);
	pace_take(&p, 1, NOW);
	fail_once(&p, PACER_LOST, NOW);
	assert_true(pace_left_ms(&p, 0, 1, NOW) > 0);
	pace_done(&p, PACER_GOOD, -1, NOW);
	assert_int_equal(pace_left_ms(&p, 0, 1, NOW), 0);

	pace_take(&p, 1, NOW);
	pace_take(&p, 1, NOW);
	fail_once(&p, PACER_LOST, NOW);
	pace_done(&p, PACER_BUSY, 5000, NOW);
	pace_done(&p, PACER_GOOD, -1, NOW);
	assert_true(pace_left_ms(&p, 0, 1, NOW) >= 5000);
}

static void who_hurries_ends_a_back_off_but_not_what_the_service_asked_for(void **state)
{
	struct pace p;
	pace_init(&p, 6000, 100, 8, 7, NOW);
	fail_once(&p, PACER_LOST, NOW);
	pace_hurry(&p, NOW);
	assert_int_equal(pace_left_ms(&p, 0, 1, NOW), 0);
	/* The failures are not forgotten: the next one waits for longer. */
	assert_int_equal(p.failures, 1);

	p = busy(5000, 1);
	pace_hurry(&p, NOW);
	assert_true(pace_left_ms(&p, 0, 1, NOW) >= 5000);
	p = busy(-1, 1);
	pace_hurry(&p, NOW);
	assert_true(pace_left_ms(&p, 0, 1, NOW) >= PACE_FIRST_BUSY_MS / 2);
}

static void shorter_patience_does_not_shorten_a_longer_one(void **state)
{
	struct pace p;
	pace_init(&p, 6000, 100, 8, 7, NOW);
	pace_take(&p, 1, NOW);
	pace_take(&p, 1, NOW);
	pace_take(&p, 1, NOW);
	pace_done(&p, PACER_BUSY, 30000, NOW);
	pace_done(&p, PACER_BUSY, 1000, NOW);
	assert_true(pace_left_ms(&p, 0, 1, NOW) >= 30000);
	pace_take(&p, 1, NOW);
	pace_done(&p, PACER_GOOD, -1, NOW);
	pace_done(&p, PACER_BUSY, 1000, NOW);
	assert_true(pace_left_ms(&p, 0, 1, NOW) >= 30000);
}

static void clock_may_jump_ahead_for_ever(void **state)
{
	struct pace p;
	pace_init(&p, 100000, UINT32_MAX, 1, 1, 0);
	pace_take(&p, UINT32_MAX, 0);
	pace_done(&p, PACER_GOOD, -1, 0);
	assert_int_equal(pace_left_ms(&p, 0, UINT32_MAX, INT64_MAX / 4), 0);
	pace_take(&p, UINT32_MAX - 1, INT64_MAX / 4 - 1);
	assert_true(pace_left_ms(&p, 0, 1, INT64_MAX / 4) <= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_bucket_lets_the_burst_go_and_then_keeps_the_rate),
		cmocka_unit_test(ten_minutes_bring_what_they_should_to_the_last_operation),
		cmocka_unit_test(no_minute_holds_more_than_the_share_and_the_burst),
		cmocka_unit_test(bulk_that_is_greater_than_the_burst_goes_and_is_paid_afterwards),
		cmocka_unit_test(place_is_free_again_when_its_request_is_over),
		cmocka_unit_test(nobody_goes_on_before_retry_after_and_not_all_at_one_moment),
		cmocka_unit_test(bucket_is_empty_when_the_service_said_that_it_is_full),
		cmocka_unit_test(patience_without_end_is_cut_to_an_hour),
		cmocka_unit_test(back_off_doubles_to_a_minute_and_a_good_answer_ends_it),
		cmocka_unit_test(failures_of_one_moment_count_once),
		cmocka_unit_test(good_answer_opens_what_a_lost_one_closed_but_not_what_the_service_closed),
		cmocka_unit_test(who_hurries_ends_a_back_off_but_not_what_the_service_asked_for),
		cmocka_unit_test(shorter_patience_does_not_shorten_a_longer_one),
		cmocka_unit_test(clock_may_jump_ahead_for_ever),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
