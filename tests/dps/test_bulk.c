/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to a bulk, judged item by item. */
#include "harness.h"

#include "station/dps/bulk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct bytes body = {.data = (uint8_t[]){'{', '}'}, .len = 2};

static bool judge(const char *answer, struct dps_item items[static 3], struct err *e)
{
	json_error_t why;
	AUTO(json) json_t *j = json_loads(answer, 0, &why);
	static const char *const ids[] = {"a-1", "b-2", "c-3"};
	assert_non_null(j);
	for (size_t i = 0; i < 3; i++)
		items[i] = (struct dps_item){.id = ids[i], .body = &body, .err = {.code = E_NET, .what = "of an earlier try"}};
	return bulk_judge(j, items, 3, e);
}

static void bulk_holds_the_bodies_as_they_are_and_creates(void **state)
{
	AUTO(bytes) struct bytes text = {0};
	struct dps_item items[] = {{.body = &body}, {.body = &body}};
	struct err e = {0};
	assert_ok(bulk_body(items, 2, &text, &e), &e);
	assert_string_equal(bytes_text(&text), "{\"enrollments\":[{},{}],\"mode\":\"create\"}");
}

static void item_is_judged_by_its_own_code(void **state)
{
	static const struct {
		const char *answer;
		enum err_code want[3];
	} rows[] = {
		{"{\"isSuccessful\":true}", {E_NONE, E_NONE, E_NONE}},
		{"{\"isSuccessful\":true,\"errors\":null}", {E_NONE, E_NONE, E_NONE}},
		{"{\"isSuccessful\":true,\"errors\":[{\"registrationId\":\"A-1\",\"errorCode\":200,\"errorStatus\":\"Succeeded\"}]}",
		 {E_NONE, E_NONE, E_NONE}},
		{"{\"isSuccessful\":false,\"errors\":[{\"registrationId\":\"a-1\",\"errorCode\":200},{\"registrationId\":\"B-2\","
		 "\"errorCode\":409000,\"errorStatus\":\"there\"},{\"registrationId\":\"c-3\",\"errorCode\":400004}]}",
		 {E_NONE, E_CONFLICT, E_DPS_REFUSED}},
		{"{\"isSuccessful\":false,\"errors\":[{\"registrationId\":\"b-2\",\"errorCode\":429001},{\"registrationId\":\"a-1\","
		 "\"errorCode\":500}]}", {E_DPS_BUSY, E_DPS_BUSY, E_DPS_ANSWER}},
		{"{\"isSuccessful\":true,\"errors\":[{\"registrationId\":\"a-1\",\"errorCode\":403000}]}", {E_DPS_AUTH, E_NONE, E_NONE}},
		{"{\"isSuccessful\":false,\"errors\":[]}", {E_DPS_ANSWER, E_DPS_ANSWER, E_DPS_ANSWER}},
		{"{\"isSuccessful\":false,\"errors\":[{\"registrationId\":\"a-1\",\"errorCode\":412000},{\"registrationId\":\"a-1\","
		 "\"errorCode\":200},{\"registrationId\":\"b-2\"},{\"registrationId\":\"c-3\",\"errorCode\":\"200\"}]}",
		 {E_CONFLICT, E_DPS_ANSWER, E_DPS_ANSWER}},
		{"{\"isSuccessful\":true,\"errors\":[{\"registrationId\":\"a-1\",\"errorCode\":0},{\"registrationId\":\"b-2\","
		 "\"errorCode\":-5},{\"registrationId\":\"c-3\",\"errorCode\":9007199254740993}]}",
		 {E_DPS_ANSWER, E_DPS_ANSWER, E_DPS_ANSWER}},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct dps_item items[3];
		struct err e = {0};
		assert_ok(judge(rows[i].answer, items, &e), &e);
		for (size_t k = 0; k < 3; k++)
			if (items[k].err.code != rows[i].want[k])
				fail_msg("row %zu, item %zu: %s: %s", i, k, err_row(items[k].err.code)->name, items[k].err.what);
	}
}

static void refusal_keeps_the_services_code_and_words(void **state)
{
	struct dps_item items[3];
	struct err e = {0};
	assert_ok(judge("{\"isSuccessful\":false,\"errors\":[{\"registrationId\":\"b-2\",\"errorCode\":409123,\"errorStatus\":"
			"\"is\\nthere\"}]}", items, &e), &e);
	assert_int_equal(items[1].err.native, 409123);
	assert_string_equal(items[1].err.what, "409123 in a bulk: is there");
}

static void answer_that_is_no_result_of_this_bulk_leaves_nothing_known(void **state)
{
	static const char *const rows[] = {
		"[]", "{}", "{\"isSuccessful\":\"true\"}", "{\"isSuccessful\":true,\"errors\":{}}",
		"{\"isSuccessful\":true,\"errors\":[7]}", "{\"isSuccessful\":true,\"errors\":[{\"errorCode\":200}]}",
		"{\"isSuccessful\":true,\"errors\":[{\"registrationId\":7,\"errorCode\":200}]}",
		"{\"isSuccessful\":true,\"errors\":[{\"registrationId\":\"a-1\",\"errorCode\":200},{\"registrationId\":\"z\","
		"\"errorCode\":200}]}",
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct dps_item items[3];
		struct err e = {0};
		assert_fails(judge(rows[i], items, &e), &e, E_DPS_ANSWER);
		for (size_t k = 0; k < 3; k++)
			assert_int_equal(items[k].err.code, E_DPS_ANSWER);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bulk_holds_the_bodies_as_they_are_and_creates),
		cmocka_unit_test(item_is_judged_by_its_own_code),
		cmocka_unit_test(refusal_keeps_the_services_code_and_words),
		cmocka_unit_test(answer_that_is_no_result_of_this_bulk_leaves_nothing_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
