/* SPDX-License-Identifier: Apache-2.0 */
#include "station/base/json.h"
#include "tests/base/check.h"

#include <string.h>

static json_t *parse(const char *text)
{
	json_t *j = NULL;
	OK(json_parse(text, strlen(text), &j, &e));
	return j;
}

static void canonical_text_is_sorted_and_without_white_space(void **state)
{
	AUTO(json) json_t *j = parse(" { \"b\" : [ 1 , {\"z\":null,\"a\":true} ] , \"a\" : \"\\u00e4/\\n\" } ");
	AUTO(bytes) struct bytes out = {0};
	OK(json_canonical(j, &out, &e));
	assert_string_equal(bytes_text(&out), "{\"a\":\"\xc3\xa4/\\n\",\"b\":[1,{\"a\":true,\"z\":null}]}");
}

static void canonical_text_keeps_to_the_maximum(void **state)
{
	AUTO(json) json_t *j = parse("{\"a\":\"0123456789\"}");
	AUTO(bytes) struct bytes out = {.max = 10};
	REFUSED(E_JSON, json_canonical(j, &out, &e));
	REFUSED(E_JSON, json_canonical(NULL, &out, &e));
}

static void a_bare_value_has_a_canonical_text(void **state)
{
	AUTO(json) json_t *j = json_string("x");
	AUTO(bytes) struct bytes out = {0};
	OK(json_canonical(j, &out, &e));
	assert_string_equal(bytes_text(&out), "\"x\"");
}

static void what_is_not_strict_json_is_refused(void **state)
{
	static const char *const wrong[] = {"", "{", "{\"a\":1,\"a\":2}", "{} x", "{\"a\":01}", "{'a':1}", "{\"a\":1,}", "\"\\ud800\"",
					    "{\"a\":\"\xff\"}", "[1e999]"};
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		json_t *j = NULL;
		REFUSED(E_JSON, json_parse(wrong[i], strlen(wrong[i]), &j, &e));
		assert_null(j);
	}
}

static void only_the_given_length_is_read(void **state)
{
	json_t *j = NULL;
	OK(json_parse("{}garbage", 2, &j, &e));
	json_decref(j);
}

static void members_are_taken_with_their_type(void **state)
{
	AUTO(json) json_t *j = parse("{\"t\":\"text\",\"i\":-9007199254740993,\"r\":1.5,\"n\":null}");
	const char *text;
	OK(json_get_text(j, "t", &text, &e));
	assert_string_equal(text, "text");
	assert_true(json_int_or(j, "i", 0) == -9007199254740993);
	static const char *const wrong[] = {"missing", "r", "n"};
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		REFUSED(E_JSON, json_get_text(j, wrong[i], &text, &e));
		assert_int_equal(json_int_or(j, wrong[i], 7), 7);
	}
	REFUSED(E_JSON, json_get_text(NULL, "t", &text, &e));
	assert_string_equal(json_text_or(j, "t", "else"), "text");
	assert_string_equal(json_text_or(j, "i", "else"), "else");
	assert_int_equal(json_int_or(j, "missing", 5), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(canonical_text_is_sorted_and_without_white_space),
		cmocka_unit_test(canonical_text_keeps_to_the_maximum),
		cmocka_unit_test(a_bare_value_has_a_canonical_text),
		cmocka_unit_test(what_is_not_strict_json_is_refused),
		cmocka_unit_test(only_the_given_length_is_read),
		cmocka_unit_test(members_are_taken_with_their_type),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
