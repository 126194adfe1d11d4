/* SPDX-License-Identifier: Apache-2.0 */
#include "station/mes/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct mes_answer answer;
static struct err e;

static bool parse(const char *text)
{
	err_clear(&e);
	return mes_answer_parse(text, strlen(text), "q1", &answer, &e);
}

static void refused(const char *text)
{
	assert_false(parse(text));
	assert_int_equal(e.code, E_MES);
	assert_int_not_equal(answer.decision, MES_GO);
}

static void go_needs_nothing_but_the_question(void **state)
{
	assert_true(parse("{\"id\":\"q1\",\"decision\":\"go\",\"other\":[1]}"));
	assert_int_equal(answer.decision, MES_GO);
	assert_string_equal(answer.reason, "");
}

static void all_that_an_answer_carries_is_read(void **state)
{
	assert_true(parse("{\"id\":\"q1\",\"decision\":\"hold\",\"reason\":\"to QA\",\"code\":\"Q7\",\"variant\":\"EU\",\"unit_id\":\"S1\","
			  "\"group\":\"g\",\"profile\":\"p\",\"lot\":\"WO-1\"}"));
	assert_int_equal(answer.decision, MES_HOLD);
	assert_string_equal(answer.reason, "to QA");
	assert_string_equal(answer.code, "Q7");
	assert_string_equal(answer.variant, "EU");
	assert_string_equal(answer.id, "S1");
	assert_string_equal(answer.group, "g");
	assert_string_equal(answer.profile, "p");
	assert_string_equal(answer.lot, "WO-1");
}

static void skip_and_error_are_words_of_their_own(void **state)
{
	assert_true(parse("{\"id\":\"q1\",\"decision\":\"skip\"}"));
	assert_int_equal(answer.decision, MES_SKIP);
	assert_true(parse("{\"id\":\"q1\",\"decision\":\"error\"}"));
	assert_int_equal(answer.decision, MES_ERROR);
}

static void what_is_no_answer_is_no_release(void **state)
{
	static const char *const bad[] = {
		"", "go", "null", "[]", "{}", "true", "{\"decision\":\"go\"}", "{\"id\":\"q2\",\"decision\":\"go\"}", "{\"id\":\"q1\"}",
		"{\"id\":1,\"decision\":\"go\"}", "{\"id\":\"q1\",\"decision\":\"GO\"}", "{\"id\":\"q1\",\"decision\":true}",
		"{\"id\":\"q1\",\"decision\":\"go \"}", "{\"id\":\"q1\",\"decision\":[\"go\"]}", "{\"id\":\"q1\",\"decision\":\"go\"",
		"{\"id\":\"q1\",\"decision\":\"hold\",\"decision\":\"go\"}", "{\"id\":\"q1\",\"decision\":\"go\"}{}",
		"{\"id\":\"q1\",\"decision\":\"go\",\"lot\":7}", "{\"id\":\"q1\",\"decision\":\"go\",\"profile\":\"a\\u0007\"}",
		"{\"id\":\"q1\",\"decision\":\"go\",\"code\":\"123456789012345678901234567890123\"}", "{\"id\":\"q1\",\"decision\":\"go\\u0000\"}",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(bad[i]);
}

static void answer_longer_than_it_may_be_is_none(void **state)
{
	static char text[MES_ANSWER_MAX + 64];
	size_t n = (size_t)snprintf(text, sizeof(text), "{\"id\":\"q1\",\"decision\":\"go\"}");
	memset(text + n, ' ', MES_ANSWER_MAX - n);
	assert_true(mes_answer_parse(text, MES_ANSWER_MAX, "q1", &answer, &e));
	text[MES_ANSWER_MAX] = ' ';
	assert_false(mes_answer_parse(text, MES_ANSWER_MAX + 1, "q1", &answer, &e));
}

/* Whatever place the limit falls on, what stands there is whole characters: the text goes into JSON again. */
static void reason_is_cut_between_two_characters(void **state)
{
	for (size_t shift = 0; shift < 4; shift++) {
		char text[2048] = "{\"id\":\"q1\",\"decision\":\"hold\",\"reason\":\"";
		for (size_t i = 0; i < shift; i++)
			strcat(text, "x");
		for (size_t i = 0; i < 100; i++)
			strcat(text, i % 2 ? "\xc3\xbc" : "\xf0\x9f\x94\xa7");
		strcat(text, "\"}");
		assert_true(parse(text));
		assert_in_range(strlen(answer.reason), 170, 180);
		json_t *again = json_string(answer.reason);
		assert_non_null(again);
		json_decref(again);
	}
}

static void reason_holds_nothing_that_moves_a_cursor(void **state)
{
	assert_true(parse("{\"id\":\"q1\",\"decision\":\"hold\",\"reason\":\"\\u001b[2Ja\\u009b2Jb\\u007f\\n\xc3\xa4\"}"));
	assert_string_equal(answer.reason, "[2Ja2Jb\xc3\xa4");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(go_needs_nothing_but_the_question),
		cmocka_unit_test(all_that_an_answer_carries_is_read),
		cmocka_unit_test(skip_and_error_are_words_of_their_own),
		cmocka_unit_test(what_is_no_answer_is_no_release),
		cmocka_unit_test(answer_longer_than_it_may_be_is_none),
		cmocka_unit_test(reason_is_cut_between_two_characters),
		cmocka_unit_test(reason_holds_nothing_that_moves_a_cursor),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
