/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/ui/scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static bool apply(struct model *m, const char *text)
{
	struct err e = {0};
	AUTO(json) json_t *event = NULL;
	if (!json_parse(text, strlen(text), &event, &e))
		fail_msg("%s", e.what);
	return model_apply(m, event);
}

static void snapshot_and_events_make_the_state(void **state)
{
	struct model *m = scene_model("tray8");
	assert_true(m->reachable);
	assert_int_equal(m->slot_count, 8);
	assert_string_equal(m->name, "line-3");
	assert_int_equal(m->slot[1].state, SLOT_WORKING);
	assert_string_equal(m->slot[1].stage, "install");
	assert_int_equal(m->slot[1].stage_index, 8);
	assert_false(m->slot[1].safe_to_remove);
	assert_int_equal(m->slot[3].verdict, SLOT_FAIL);
	assert_string_equal(m->slot[3].whom, "engineer");
	assert_int_equal(m->slot[3].time_count, 12);
	assert_string_equal(m->slot[3].times[0].stage, "detect");
	assert_int_equal(m->pass, 41);
	assert_int_equal(m->audit_size, 1234);
	free(m);
}

static void new_snapshot_forgets_slots_that_are_no_more(void **state)
{
	struct model *m = scene_model("tray8");
	assert_true(apply(m, "{\"event\":\"snapshot\",\"slots\":[{\"name\":\"A\"}]}"));
	assert_int_equal(m->slot_count, 1);
	assert_string_equal(m->slot[0].serial, "");
	free(m);
}

static void devices_in_no_slot_come_and_go(void **state)
{
	struct model *m = calloc(1, sizeof(*m));
	assert_true(apply(m, "{\"event\":\"device\",\"device\":{\"port\":\"a\",\"slot\":\"\",\"present\":true}}"));
	assert_true(apply(m, "{\"event\":\"device\",\"device\":{\"port\":\"b\",\"slot\":\"\",\"present\":true}}"));
	assert_false(apply(m, "{\"event\":\"device\",\"device\":{\"port\":\"c\",\"slot\":\"01\",\"present\":true}}"));
	assert_int_equal(m->device_count, 2);
	assert_true(apply(m, "{\"event\":\"device\",\"device\":{\"port\":\"a\",\"slot\":\"\",\"present\":false}}"));
	assert_int_equal(m->device_count, 1);
	assert_string_equal(m->device[0].port, "b");
	free(m);
}

static void times_stand_in_the_order_of_stages(void **state)
{
	struct model *m = calloc(1, sizeof(*m));
	assert_true(apply(m, "{\"event\":\"snapshot\",\"station\":{\"stages\":[\"detect\",\"identify\",\"attest\"]},"
			     "\"slots\":[{\"name\":\"1\",\"times\":{\"attest\":3,\"detect\":1,\"other\":9}}]}"));
	assert_int_equal(m->slot[0].time_count, 2);
	assert_string_equal(m->slot[0].times[0].stage, "detect");
	assert_string_equal(m->slot[0].times[1].stage, "attest");
	assert_int_equal(m->slot[0].times[1].ms, 3);
	free(m);
}

static void shift_tells_who_is_here_what_is_open_and_what_was_said(void **state)
{
	struct model *m = scene_model("tray16");
	assert_string_equal(m->shift.state, "in");
	assert_string_equal(m->shift.role, "operator");
	assert_string_equal(m->shift.lot, "WO-4711");
	assert_int_equal(m->shift.taken, 48);
	assert_true(m->shift.talk.good);
	assert_int_equal(m->jig.rows, 4);
	assert_int_equal(m->slot[6].row, 2);
	assert_int_equal(m->slot[6].column, 3);
	scene_add(m, "nobody16");
	assert_string_equal(m->shift.state, "nobody");
	assert_string_equal(m->shift.lot, "");
	assert_false(m->shift.talk.good);
	assert_string_equal(m->shift.talk.code, "E-LIN-004");
	scene_add(m, "training16");
	assert_string_equal(m->mode, "training");
	free(m);
}

static void slot_tries_again_only_while_it_waits_for_a_try(void **state)
{
	struct model *m = scene_model("tray16");
	scene_add(m, "work16");
	for (size_t i = 0; i < m->slot_count; i++)
		assert_int_equal(slot_tries_again(&m->slot[i]), i == 5);
	scene_add(m, "label16");	/* waits for a person */
	assert_int_equal(m->slot[1].state, SLOT_WAITING);
	assert_false(slot_tries_again(&m->slot[1]));
	free(m);
}

static void nonsense_changes_nothing(void **state)
{
	static const char *const nonsense[] = {
		"{}", "[]", "{\"event\":5}", "{\"event\":\"slot\"}", "{\"event\":\"slot\",\"slot\":[]}", "{\"event\":\"slot\",\"slot\":{\"name\":\"\"}}",
		"{\"event\":\"line\",\"line\":null}", "{\"event\":\"device\",\"device\":{}}", "{\"event\":\"future\",\"slot\":{\"name\":\"x\"}}",
	};
	struct model *m = calloc(1, sizeof(*m)), *before = calloc(1, sizeof(*before));
	for (size_t i = 0; i < COUNT_OF(nonsense); i++)
		assert_false(apply(m, nonsense[i]));
	assert_memory_equal(m, before, sizeof(*m));
	free(m);
	free(before);
}

static void more_slots_and_devices_than_there_is_room_are_left_out(void **state)
{
	struct model *m = calloc(1, sizeof(*m));
	for (int i = 0; i < 200; i++) {
		AUTO(json) json_t *slot = json_pack("{s:s, s:{s:o}}", "event", "slot", "slot", "name", json_sprintf("%d", i));
		AUTO(json) json_t *device = json_pack("{s:s, s:{s:o, s:s, s:b}}", "event", "device", "device", "port",
						      json_sprintf("%d", i), "slot", "", "present", 1);
		model_apply(m, slot);
		model_apply(m, device);
	}
	assert_int_equal(m->slot_count, MODEL_SLOTS_MAX);
	assert_int_equal(m->device_count, MODEL_DEVICES_MAX);
	free(m);
}

static void headline(const struct model *m, enum headline_kind kind, const char *text)
{
	char got[640];
	assert_int_equal(model_headline(m, got, sizeof(got)), kind);
	assert_string_equal(got, text);
}

static void headline_puts_the_hand_first(void **state)
{
	struct model *m = scene_model("tray8");
	headline(m, HEADLINE_HANDS_OFF, "DO NOT PULL: slot 02");
	m->slot[1].safe_to_remove = true;
	headline(m, HEADLINE_BUSY, "WORKING: slot 02 03 05");
	m->slot[1].state = m->slot[2].state = m->slot[4].state = SLOT_EMPTY;
	headline(m, HEADLINE_PULL, "PULL: 1 good, slot 04 red bin, slot 07 hold bin, slot 06 keep apart");
	for (size_t i = 0; i < m->slot_count; i++)
		m->slot[i].state = SLOT_EMPTY;
	headline(m, HEADLINE_READY, "READY: plug units in");
	strcpy(m->state, "stopping");
	headline(m, HEADLINE_READY, "THE LINE IS STOPPING");
	strcpy(m->state, "unfit");
	headline(m, HEADLINE_UNFIT, "THE LINE IS NOT FIT");
	m->slot[0].state = SLOT_WORKING;
	m->slot[0].safe_to_remove = false;
	headline(m, HEADLINE_HANDS_OFF, "DO NOT PULL: slot 01");
	model_lost(m, "gone");
	headline(m, HEADLINE_LOST, "LINE NOT REACHABLE, RETRYING");
	assert_string_equal(m->slot[0].name, "01");
	free(m);
}

static void headline_with_many_names_stays_in_its_room(void **state)
{
	struct model *m = scene_model("tray64");
	char small[24];
	for (size_t i = 0; i < m->slot_count; i++) {
		m->slot[i].state = SLOT_WORKING;
		m->slot[i].safe_to_remove = false;
	}
	headline(m, HEADLINE_HANDS_OFF, "DO NOT PULL: 64 left, slots 01 02 03 04 05 06 07 08 and 56 more");
	model_headline(m, small, sizeof(small));
	assert_string_equal(small, "DO NOT PULL: 64 left, s");
	free(m);
}

static void waits(const struct model *m, const char *text)
{
	char got[160];
	model_outbox(m, got, sizeof(got));
	assert_string_equal(got, text);
}

static void what_waits_is_said_with_the_age_of_the_oldest(void **state)
{
	struct model *m = scene_model("tray8");
	waits(m, "");
	m->outbox.waiting = 1;
	m->outbox.oldest_ms = m->now_ms - 59999;
	waits(m, "1 wait for the cloud (oldest 59 s)");
	m->outbox.oldest_ms = m->now_ms - 60000;
	waits(m, "1 wait for the cloud (oldest 1 min)");
	m->outbox.oldest_ms = m->now_ms - 50 * 3600000;
	m->outbox.offline = true;
	strcpy(m->outbox.code, "E-DPS-001");
	waits(m, "1 wait for the cloud (oldest 2 d; E-DPS-001)");
	m->outbox.aside = 3;
	m->outbox.oldest_ms = m->now_ms + 5;	/* a clock that was set back */
	waits(m, "1 wait for the cloud (oldest 0 s; E-DPS-001), 3 aside");
	m->outbox.waiting = 0;
	waits(m, "3 aside");
	free(m);
}

static void an_outbox_event_replaces_what_was_known_of_the_outbox(void **state)
{
	struct model *m = scene_model("outbox8");
	struct err e = {0};
	static const char text[] = "{\"event\":\"outbox\",\"outbox\":{\"waiting\":7,\"aside\":0,\"oldest_ms\":5,\"offline\":false}}";
	AUTO(json) json_t *event = NULL;
	assert_int_equal(m->outbox.waiting, 5000);
	assert_int_equal(m->outbox.aside, 2);
	assert_true(m->outbox.offline);
	assert_true(json_parse(text, sizeof(text) - 1, &event, &e));
	assert_true(model_apply(m, event));
	assert_int_equal(m->outbox.waiting, 7);
	assert_int_equal(m->outbox.aside, 0);
	assert_false(m->outbox.offline);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(snapshot_and_events_make_the_state),
		cmocka_unit_test(new_snapshot_forgets_slots_that_are_no_more),
		cmocka_unit_test(devices_in_no_slot_come_and_go),
		cmocka_unit_test(times_stand_in_the_order_of_stages),
		cmocka_unit_test(shift_tells_who_is_here_what_is_open_and_what_was_said),
		cmocka_unit_test(slot_tries_again_only_while_it_waits_for_a_try),
		cmocka_unit_test(nonsense_changes_nothing),
		cmocka_unit_test(more_slots_and_devices_than_there_is_room_are_left_out),
		cmocka_unit_test(headline_puts_the_hand_first),
		cmocka_unit_test(headline_with_many_names_stays_in_its_room),
		cmocka_unit_test(what_waits_is_said_with_the_age_of_the_oldest),
		cmocka_unit_test(an_outbox_event_replaces_what_was_known_of_the_outbox),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
