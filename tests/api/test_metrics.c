/* SPDX-License-Identifier: Apache-2.0 */
#include "station/api/metrics.h"
#include "station/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
	struct err e = {0};
	return metrics_new((struct metrics **)state, &e) ? 0 : -1;
}

static int teardown(void **state)
{
	metrics_free(*state);
	return 0;
}

static void hear(struct metrics *m, const char *name, const char *state, const char *verdict, json_t *times)
{
	AUTO(json) json_t *event = json_pack("{s:s, s:{s:s, s:s, s:s, s:o}}", "event", "slot", "slot", "name", name, "state", state, "verdict",
					     verdict, "times", times);
	metrics_hear(m, event);
}

static void has(struct metrics *m, const json_t *status, const char *line, bool expected)
{
	AUTO(bytes) struct bytes text = {0};
	struct err e = {0};
	char whole[512];
	assert_true(metrics_text(m, status, 3, &text, &e));
	snprintf(whole, sizeof(whole), "\n%s\n", line);
	if ((strstr(bytes_text(&text), whole) != NULL) != expected)
		fail_msg("%s%s\n%s", expected ? "missing: " : "not wanted: ", line, bytes_text(&text));
	assert_int_equal(text.data[text.len - 1], '\n');
}

static void a_unit_is_counted_once_when_it_ends(void **state)
{
	for (int i = 0; i < 3; i++)
		hear(*state, "01", "working", "", json_pack("{s:i}", "sign", 12));
	for (int i = 0; i < 3; i++)
		hear(*state, "01", "done", "PASS", json_pack("{s:i, s:i}", "sign", 12, "verify", 70000));
	hear(*state, "02", "done", "FAIL", json_pack("{s:i}", "sign", 0));
	has(*state, NULL, "station_stage_duration_seconds_count{stage=\"sign\"} 1", true);
	has(*state, NULL, "station_stage_duration_seconds_bucket{stage=\"sign\",le=\"0.01\"} 0", true);
	has(*state, NULL, "station_stage_duration_seconds_bucket{stage=\"sign\",le=\"0.05\"} 1", true);
	has(*state, NULL, "station_stage_duration_seconds_bucket{stage=\"sign\",le=\"+Inf\"} 1", true);
	has(*state, NULL, "station_stage_duration_seconds_sum{stage=\"verify\"} 70.000", true);
	has(*state, NULL, "station_stage_duration_seconds_bucket{stage=\"verify\",le=\"60\"} 0", true);
	has(*state, NULL, "station_stage_duration_seconds_bucket{stage=\"verify\",le=\"+Inf\"} 1", true);
	hear(*state, "01", "empty", "", json_object());
	hear(*state, "01", "done", "PASS", json_pack("{s:i}", "sign", 10));
	has(*state, NULL, "station_stage_duration_seconds_count{stage=\"sign\"} 2", true);
	has(*state, NULL, "station_stage_duration_seconds_bucket{stage=\"sign\",le=\"0.01\"} 1", true);
	has(*state, NULL, "station_stage_duration_seconds_sum{stage=\"sign\"} 0.022", true);
}

static void values_of_labels_are_escaped(void **state)
{
	AUTO(json) json_t *status = json_pack("{s:{s:s, s:s, s:s}, s:{s:[{s:s, s:i}]}}", "station", "name", "a\"b\\c\nd", "build", "1", "state",
					      "running", "mes", "adapters", "name", "x\"} 1\nevil 2", "waiting", 7);
	has(*state, status, "station_build_info{version=\"1\",name=\"a\\\"b\\\\c\\nd\",mode=\"\",config=\"\"} 1", true);
	has(*state, status, "station_mes_waiting{adapter=\"x\\\"} 1\\nevil 2\"} 7", true);
	has(*state, status, "evil 2", false);
	has(*state, status, "station_fit 1", true);
	has(*state, NULL, "station_fit 0", true);
}

static void what_waits_has_an_age(void **state)
{
	AUTO(json) json_t *status = json_pack("{s:{s:i, s:I, s:b}}", "outbox", "waiting", 5, "oldest_ms",
					      (json_int_t)(clock_wall_ms() + 100000), "offline", 1);
	has(*state, status, "station_outbox_units{state=\"waiting\"} 5", true);
	has(*state, status, "station_outbox_offline 1", true);
	has(*state, status, "station_outbox_oldest_seconds 0", true);	/* a clock that was set back */
	json_object_set_new(json_object_get(status, "outbox"), "oldest_ms", json_integer(1000));
	has(*state, status, "station_outbox_oldest_seconds 0", false);
	json_object_set_new(json_object_get(status, "outbox"), "oldest_ms", json_integer(0));
	has(*state, status, "station_outbox_oldest_seconds 0", true);
}

static void more_stages_and_slots_than_there_is_room_for_harm_nothing(void **state)
{
	char name[80];
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "%0*d", i % 79 + 1, i);
		hear(*state, name, "done", "PASS", json_pack("{s:i}", name, 5));
	}
	has(*state, NULL, "station_event_readers 3", true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_unit_is_counted_once_when_it_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(values_of_labels_are_escaped, setup, teardown),
		cmocka_unit_test_setup_teardown(what_waits_has_an_age, setup, teardown),
		cmocka_unit_test_setup_teardown(more_stages_and_slots_than_there_is_room_for_harm_nothing, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
