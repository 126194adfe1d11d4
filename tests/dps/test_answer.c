/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "station/dps/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct http_response answer(int status, const char *body)
{
	struct http_response r = {.status = status};
	struct err e = {0};
	assert_ok(bytes_set(&r.body, body, strlen(body), &e), &e);
	return r;
}

static void each_status_has_its_error(void **state)
{
	static const struct {
		int status;
		enum err_code code;
	} rows[] = {
		{200, E_NONE}, {202, E_NONE}, {204, E_NONE},
		{301, E_DPS_ANSWER}, {302, E_DPS_ANSWER}, {304, E_DPS_ANSWER},
		{400, E_DPS_REFUSED}, {404, E_DPS_REFUSED}, {405, E_DPS_REFUSED}, {415, E_DPS_REFUSED},
		{401, E_DPS_AUTH}, {403, E_DPS_AUTH}, {407, E_PROXY},
		{409, E_CONFLICT}, {412, E_CONFLICT},
		{408, E_DPS_BUSY}, {429, E_DPS_BUSY}, {500, E_DPS_BUSY}, {503, E_DPS_BUSY}, {504, E_DPS_BUSY},
		{0, E_DPS_ANSWER}, {99, E_DPS_ANSWER}, {600, E_DPS_ANSWER},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO(http_response) struct http_response r = answer(rows[i].status, "");
		struct err e = {0};
		assert_int_equal(answer_code(rows[i].status), rows[i].code);
		assert_int_equal(answer_is_good(&r, &e), rows[i].code == E_NONE);
		assert_int_equal(e.code, rows[i].code);
	}
}

static void complaints_of_three_shapes_are_understood(void **state)
{
	static const struct {
		int status;
		const char *body;
		int64_t code;
		const char *code_text, *message, *tracking;
	} rows[] = {
		{401, "{\"errorCode\":401002,\"trackingId\":\"t-1\",\"message\":\"Invalid certificate\"}", 401002, "",
		 "Invalid certificate", "t-1"},
		{404, "{\"error\":{\"code\":\"ResourceNotFound\",\"message\":\"no such\"}}", 404, "ResourceNotFound",
		 "no such", "req"},
		{400, "{\"code\":400001,\"httpStatusCode\":\"400\",\"message\":\"bad\\nline\"}", 400001, "", "bad line",
		 "req"},
		{401, "{\"Message\":\"ErrorCode:IotHubUnauthorizedAccess;x\"}", 401, "",
		 "ErrorCode:IotHubUnauthorizedAccess;x", "req"},
		{502, "<html>bad gateway</html>", 502, "", "", "req"},
		{500, "[1]", 500, "", "", "req"},
		{500, "{\"errorCode\":\"words\",\"message\":7}", 500, "", "", "req"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO(http_response) struct http_response r = answer(rows[i].status, rows[i].body);
		struct complaint c;
		strcpy(r.request_id, "req");
		answer_complaint(&r, &c);
		assert_int_equal(c.code, rows[i].code);
		assert_string_equal(c.code_text, rows[i].code_text);
		assert_string_equal(c.message, rows[i].message);
		assert_string_equal(c.tracking, rows[i].tracking);
	}
}

static void code_of_the_header_helps_where_the_body_has_none(void **state)
{
	AUTO(http_response) struct http_response r = answer(404, "");
	struct complaint c;
	strcpy(r.error_code, "404201");
	answer_complaint(&r, &c);
	assert_int_equal(c.code, 404201);
}

static void refusal_carries_code_message_and_tracking_id(void **state)
{
	AUTO(http_response) struct http_response r =
		answer(403, "{\"errorCode\":403001,\"trackingId\":\"abc\",\"message\":\"no right\"}");
	struct err e = {0};
	assert_fails(answer_is_good(&r, &e), &e, E_DPS_AUTH);
	assert_int_equal(e.native, 403001);
	assert_string_equal(e.what, "HTTP 403, 403001: no right; tracking id abc");
}

static void words_are_cut_at_a_whole_character(void **state)
{
	char out[6];
	answer_words("abcd\xc3\xa9x", out, sizeof(out));
	assert_string_equal(out, "abcd");
	answer_words("abc\xc3\xa9x", out, sizeof(out));
	assert_string_equal(out, "abc\xc3\xa9");
	answer_words("\xa9\xa9\xa9\xa9\xa9\xa9\xa9", out, sizeof(out));
	assert_string_equal(out, "");
}

static void answer_that_is_no_object_is_not_understood(void **state)
{
	static const char *const bad[] = {"", "[]", "7", "{\"a\":", "{\"a\":1,\"a\":2}", "<html>"};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		AUTO(http_response) struct http_response r = answer(200, bad[i]);
		json_t *j = NULL;
		struct err e = {0};
		assert_fails(answer_object(&r, &j, &e), &e, E_DPS_ANSWER);
		assert_null(j);
	}
}

static void member_of_another_type_or_too_long_is_not_understood(void **state)
{
	AUTO(json) json_t *j = json_pack("{s:s, s:i, s:n}", "fits", "abc", "number", 7, "nothing");
	struct err e = {0};
	char out[4], small[3];
	assert_ok(ANSWER_TEXT(j, "fits", out, &e), &e);
	assert_string_equal(out, "abc");
	assert_ok(ANSWER_TEXT(j, "nothing", out, &e), &e);
	assert_string_equal(out, "");
	assert_ok(ANSWER_TEXT(j, "missing", out, &e), &e);
	assert_fails(ANSWER_TEXT(j, "number", out, &e), &e, E_DPS_ANSWER);
	err_clear(&e);
	assert_fails(ANSWER_TEXT(j, "fits", small, &e), &e, E_DPS_ANSWER);
}

static void clock_is_mentioned_where_a_token_was_refused_and_it_is_wrong(void **state)
{
	static const struct {
		int status;
		int64_t ahead_ms;
		const char *words;
	} rows[] = {
		{401, 600000, "this clock is 600 s ahead of the service's"}, {401, -7200999, "this clock is 7200 s behind the service's"},
		{401, ANSWER_CLOCK_MS, NULL}, {401, -ANSWER_CLOCK_MS, NULL}, {403, 600000, NULL}, {400, -600000, NULL},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO(http_response) struct http_response r = answer(rows[i].status, "{}");
		struct err e = {0};
		r.ahead_ms = rows[i].ahead_ms;
		assert_false(answer_is_good(&r, &e));
		if (rows[i].words)
			assert_non_null(strstr(e.what, rows[i].words));
		else
			assert_null(strstr(e.what, "clock"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_status_has_its_error),
		cmocka_unit_test(complaints_of_three_shapes_are_understood),
		cmocka_unit_test(code_of_the_header_helps_where_the_body_has_none),
		cmocka_unit_test(refusal_carries_code_message_and_tracking_id),
		cmocka_unit_test(words_are_cut_at_a_whole_character),
		cmocka_unit_test(answer_that_is_no_object_is_not_understood),
		cmocka_unit_test(member_of_another_type_or_too_long_is_not_understood),
		cmocka_unit_test(clock_is_mentioned_where_a_token_was_refused_and_it_is_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
