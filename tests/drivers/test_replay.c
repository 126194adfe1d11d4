/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/capture.h"
#include "probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TAPE "replay(/of/the/launcher):probe"
#define HEAD CAPTURE_FIRST_LINE "\n> open\n. ok 0 ms\n"

static struct trial t;
static int file;

static bool opens(const char *text)
{
	file = scratch_file(text);
	trial_begin(&t, TAPE);
	return trial_open(&t, TAPE, file);
}

static void end(void)
{
	assert_int_equal(probe->asked[MOMENT_OPEN], 0);	/* nobody asks the unit in the slot */
	trial_end(&t);
	close(file);
}

static void begin(const char *text)
{
	if (!opens(text))
		fail_msg("%s", t.err.what);
}

static void refuses(enum moment m, const char *words)
{
	assert_false(trial_do(&t, m));
	assert_int_equal(t.err.code, E_CAPTURE);
	if (!strstr(t.err.what, words))
		fail_msg("%s", t.err.what);
}

/* The same conversation, first with the unit and then with its capture. */
static void what_was_recorded_is_answered_again(void **state)
{
	static struct trial recorded[MOMENT_COUNT], tape;
	int capture = scratch_file("");
	trial_begin(&t, "record:probe");
	assert_true(trial_open(&t, "record:probe", capture));
	for (int m = MOMENT_IDENTIFY; m < MOMENT_COUNT; m++)
		if (m != MOMENT_PERSIST_EK && trial_do(&t, (enum moment)m))
			recorded[m] = t;
	trial_end(&t);
	trial_begin(&tape, TAPE);
	assert_true(trial_open(&tape, TAPE, capture));
	for (int m = MOMENT_IDENTIFY; m < MOMENT_COUNT; m++) {
		if (m == MOMENT_PERSIST_EK)
			continue;
		if (!trial_do(&tape, (enum moment)m))
			fail_msg("%s: %s", moment_name((enum moment)m), tape.err.what);
		assert_int_equal(tape.evidence_count, recorded[m].evidence_count);
		if (m == MOMENT_ACTIVATE || m == MOMENT_SIGN_IDENTITY)
			continue;	/* see below */
		assert_memory_equal(&tape.result, &recorded[m].result, sizeof(tape.result));
		assert_memory_equal(tape.evidence, recorded[m].evidence, sizeof(tape.evidence));
	}
	trial_end(&tape);
	close(capture);
}

static void secret_that_was_left_out_is_answered_with_zeros(void **state)
{
	static const uint8_t zeros[SHA256_SIZE];
	begin(HEAD "> activate\n* secret -\n. ok 1 ms\n> sign_identity\n= mac -\n. ok 1 ms\n");
	assert_true(trial_do(&t, MOMENT_ACTIVATE));
	assert_int_equal(t.evidence[0].kind, EVIDENCE_SECRET);
	assert_int_equal(t.evidence[0].len, 32);
	assert_memory_equal(t.evidence[0].data, zeros, 32);
	assert_true(trial_do(&t, MOMENT_SIGN_IDENTITY));
	assert_memory_equal(t.result.mac, zeros, 32);
	end();
}

static void failure_comes_again_in_its_words(void **state)
{
	begin(HEAD "> install\n. E-USB-007 as told\n> install\n. ok 3 ms\n");
	assert_false(trial_do(&t, MOMENT_INSTALL));
	assert_int_equal(t.err.code, E_UNIT_STORAGE);
	assert_string_equal(t.err.what, "as told");
	assert_true(trial_do(&t, MOMENT_INSTALL));
	end();
}

static void failure_behind_evidence_comes_behind_it(void **state)
{
	begin(HEAD "> read_ek\n* ek_public 0102\n. E-USB-001 broke off\n");
	assert_false(trial_do(&t, MOMENT_READ_EK));
	assert_int_equal(t.err.code, E_USB);
	assert_int_equal(t.evidence_count, 1);
	assert_memory_equal(t.evidence[0].data, "\1\2", 2);
	end();
}

/* What the sandbox refuses of a unit is refused of its capture too: the number is the unit's. */
static void number_that_is_neither_yes_nor_no_comes_again(void **state)
{
	static const char spec[] = "record:fault(make_key.after.garbage.9):probe";
	uint8_t said;
	int capture = scratch_file("");
	trial_begin(&t, spec);
	assert_true(trial_open(&t, spec, capture) && trial_do(&t, MOMENT_MAKE_KEY));
	said = t.result.key.made;
	assert_true(said > 1);
	trial_end(&t);
	trial_begin(&t, TAPE);
	assert_true(trial_open(&t, TAPE, capture) && trial_do(&t, MOMENT_MAKE_KEY));
	assert_int_equal(t.result.key.made, said);
	trial_end(&t);
	close(capture);
}

static void question_out_of_order_is_refused(void **state)
{
	begin(HEAD "> identify\n= serial A\n. ok 0 ms\n");
	refuses(MOMENT_READ_EK, "asks to read_ek, in the capture stands \"> identify\"");
	end();
	begin(HEAD "= identify\n. ok 0 ms\n");
	refuses(MOMENT_IDENTIFY, "in the capture stands \"= identify\"");
	end();
}

static void question_behind_the_end_is_refused(void **state)
{
	begin(HEAD);
	refuses(MOMENT_IDENTIFY, "nothing more");
	end();
}

static void remarks_and_empty_lines_are_for_people(void **state)
{
	begin(CAPTURE_FIRST_LINE "\n# ends: E-ATT-005 in attest\n\n> open\n# here it was pulled\n. ok 0 ms\n\n> identify\n= serial A\n. ok 0 ms");
	assert_true(trial_do(&t, MOMENT_IDENTIFY));
	assert_string_equal(t.result.identity.serial, "A");
	end();
}

static void file_that_is_no_capture_is_refused(void **state)
{
	static const char *const others[] = {"", "\n", "# station capture 2\n> open\n. ok 0 ms\n", " " HEAD, "# station capture 1",
		"# station capture 10\n> open\n. ok 0 ms\n"};
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		assert_false(opens(others[i]));
		assert_int_equal(t.err.code, E_CAPTURE);
		end();
	}
	trial_begin(&t, TAPE);
	assert_false(trial_open(&t, TAPE, -1));
	assert_int_equal(t.err.code, E_CAPTURE);
	trial_end(&t);
}

/* What stands behind a zero byte would be read by nobody, and is shown by no editor. */
static void file_with_a_zero_byte_is_refused(void **state)
{
	int other = scratch_file(HEAD);
	assert_int_equal(pwrite(other, "\0", 1, (off_t)strlen(HEAD)), 1);
	trial_begin(&t, TAPE);
	assert_false(trial_open(&t, TAPE, other));
	assert_int_equal(t.err.code, E_CAPTURE);
	trial_end(&t);
	close(other);
}

static void file_that_is_too_long_is_refused(void **state)
{
	char *text = malloc(CAPTURE_MAX + 2);
	assert_non_null(text);
	memset(text, '\n', CAPTURE_MAX + 1);
	text[CAPTURE_MAX + 1] = '\0';
	memcpy(text, HEAD, strlen(HEAD));
	assert_false(opens(text));
	assert_int_equal(t.err.code, E_CAPTURE);
	end();
	text[CAPTURE_MAX] = '\0';
	begin(text);
	end();
	free(text);
}

static void line_that_cannot_be_read_is_refused(void **state)
{
	static const struct { const char *line, *words; } bad[] = {
		{"= serial", "no end"}, {"= colour red", "no such result"}, {"= made 1", "no such result"}, {"* ek_public", "without bytes"},
		{"* mood 00", "no kind of evidence"}, {"* ek_public 0", "hex"}, {"* ek_public 0g", "hex"}, {"? what", "not a line"},
		{". E-XXX-999 words", "no code"}, {". maybe", "no code"}, {"=", "no end"}, {"", "no end"},
		{"= factory_closed yes", "number"}, {"= factory_closed 256", "number"}, {"= factory_closed", "number"},
		{"= serial 0123456789012345678901234567890123456789012345678901234567890123456789", ""},
	};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		char text[512];
		snprintf(text, sizeof(text), HEAD "> identify\n%s\n", bad[i].line);
		begin(text);
		refuses(MOMENT_IDENTIFY, bad[i].words);
		end();
	}
}

static void longest_evidence_is_taken_and_longer_is_refused(void **state)
{
	char *text = malloc(2 * EVIDENCE_MAX + 256);
	assert_non_null(text);
	t.deaf = true;
	for (unsigned more = 0; more < 2; more++) {
		int len = snprintf(text, 128, HEAD "> read_back\n* bundle ");
		memset(text + len, 'a', 2 * (EVIDENCE_MAX + more));
		strcpy(text + len + 2 * (EVIDENCE_MAX + more), "\n. ok 0 ms\n");
		begin(text);
		t.deaf = true;
		if (more)
			refuses(MOMENT_READ_BACK, "bytes");
		else
			assert_true(trial_do(&t, MOMENT_READ_BACK));
		end();
	}
	free(text);
}

static void capture_cut_anywhere_never_says_more_than_was_recorded(void **state)
{
	static const char whole[] = HEAD "> read_ek\n* ek_public 1111\n= present 1\n= has_certificate 1\n. ok 5 ms\n";
	size_t least = strlen(HEAD) - 1;
	for (size_t len = 0; len < strlen(whole); len++) {
		char text[sizeof(whole)];
		memcpy(text, whole, len);
		text[len] = '\0';
		bool open = opens(text);
		assert_true(open || len <= least);
		if (open && trial_do(&t, MOMENT_READ_EK))
			assert_true(len >= strlen(whole) - strlen(" 5 ms\n"));	/* its "ok" stands there */
		else
			assert_int_equal(t.err.code, E_CAPTURE);
		end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_recorded_is_answered_again),
		cmocka_unit_test(secret_that_was_left_out_is_answered_with_zeros),
		cmocka_unit_test(failure_comes_again_in_its_words),
		cmocka_unit_test(failure_behind_evidence_comes_behind_it),
		cmocka_unit_test(number_that_is_neither_yes_nor_no_comes_again),
		cmocka_unit_test(question_out_of_order_is_refused),
		cmocka_unit_test(question_behind_the_end_is_refused),
		cmocka_unit_test(remarks_and_empty_lines_are_for_people),
		cmocka_unit_test(file_that_is_no_capture_is_refused),
		cmocka_unit_test(file_with_a_zero_byte_is_refused),
		cmocka_unit_test(file_that_is_too_long_is_refused),
		cmocka_unit_test(line_that_cannot_be_read_is_refused),
		cmocka_unit_test(longest_evidence_is_taken_and_longer_is_refused),
		cmocka_unit_test(capture_cut_anywhere_never_says_more_than_was_recorded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
