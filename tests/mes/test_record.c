/* SPDX-License-Identifier: Apache-2.0 */
#include "station/mes/event.h"
#include "station/mes/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static json_t *result(const char *serial, const char *verdict, const char *code)
{
	struct err e = {0};
	json_t *body = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:[{s:s, s:I}, {s:s, s:I}]}", "serial", serial, "verdict", verdict, "code",
				 code, "sentence", *code ? "It is bad." : "", "begun_ms", (json_int_t)1000, "ended_ms", (json_int_t)1700,
				 "stages", "name", "detect", "ms", (json_int_t)300, "name", "identify", "ms", (json_int_t)400);
	json_t *event = event_new("unit.result", "line-1", serial, "WO-1", "p-1", 1763874000123, body, &e);
	assert_non_null(event);
	return event;
}

static void event_has_an_id_of_version_7_that_sorts_by_time(void **state)
{
	struct err e = {0};
	char one[37], two[37], same[37];
	assert_true(event_id(1763874000123, one, &e) && event_id(1763874000124, two, &e) && event_id(1763874000123, same, &e));
	assert_int_equal(strlen(one), 36);
	assert_memory_equal(one, "019aaf15-4cfb-7", 15);
	assert_non_null(strchr("89ab", one[19]));
	assert_true(strcmp(one, two) < 0);
	assert_string_not_equal(one, same);
}

static void event_says_when_it_was(void **state)
{
	AUTO(json) json_t *event = result("S1", "PASS", "");
	assert_string_equal(json_text_or(event, "time", ""), "2025-11-23T05:00:00.123Z");
}

static void row_of_csv_is_no_formula(void **state)
{
	struct err e = {0};
	AUTO(bytes) struct bytes text = {0};
	AUTO(json) json_t *event = result("=cmd|'/C calc'!A0", "FAIL", "E-X-1");
	assert_true(record_csv(event, &text, &e));
	assert_non_null(strstr(bytes_text(&text), ",\"'=cmd|'/C calc'!A0\","));
	assert_memory_equal(bytes_text(&text), "id,time,station,lot,person,serial,", 34);
	assert_non_null(strstr(bytes_text(&text), ",1000,1700\r\n"));
}

static json_t *openhtf_of(const char *verdict, const char *code)
{
	struct err e = {0};
	json_t *record = NULL;
	AUTO(bytes) struct bytes text = {0};
	AUTO(json) json_t *event = result("S1", verdict, code);
	assert_true(record_openhtf(event, &text, &e));
	assert_true(json_parse(bytes_text(&text), text.len, &record, &e));
	return record;
}

static void record_has_the_members_of_openhtf(void **state)
{
	static const char *const members[] = {"dut_id", "station_id", "start_time_millis", "end_time_millis", "outcome", "outcome_details",
					      "marginal", "metadata", "phases", "log_records"};
	AUTO(json) json_t *record = openhtf_of("PASS", "");
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		assert_non_null(json_object_get(record, members[i]));
	assert_string_equal(json_text_or(record, "dut_id", ""), "S1");
	assert_string_equal(json_text_or(record, "outcome", ""), "PASS");
	assert_int_equal(json_int_or(record, "start_time_millis", 0), 1000);
	assert_int_equal(json_int_or(record, "end_time_millis", 0), 1700);
	const json_t *second = json_array_get(json_object_get(record, "phases"), 1);
	assert_string_equal(json_text_or(second, "outcome", ""), "PASS");
	assert_int_equal(json_int_or(second, "start_time_millis", 0), 1300);
}

static void verdict_that_is_no_end_is_an_error_there(void **state)
{
	AUTO(json) json_t *fail = openhtf_of("FAIL", "E-X-1");
	AUTO(json) json_t *hold = openhtf_of("HOLD", "E-X-1");
	AUTO(json) json_t *built = openhtf_of("BUILT", "");
	assert_string_equal(json_text_or(fail, "outcome", ""), "FAIL");
	assert_string_equal(json_text_or(hold, "outcome", ""), "ERROR");
	assert_string_equal(json_text_or(built, "outcome", ""), "ERROR");
	assert_string_equal(json_text_or(json_array_get(json_object_get(fail, "outcome_details"), 0), "code", ""), "E-X-1");
	assert_string_equal(json_text_or(json_object_get(hold, "metadata"), "verdict", ""), "HOLD");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(event_has_an_id_of_version_7_that_sorts_by_time),
		cmocka_unit_test(event_says_when_it_was),
		cmocka_unit_test(row_of_csv_is_no_formula),
		cmocka_unit_test(record_has_the_members_of_openhtf),
		cmocka_unit_test(verdict_that_is_no_end_is_an_error_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
