/* SPDX-License-Identifier: Apache-2.0 */
#include "station/base/err.h"
#include "tests/base/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void the_first_cause_wins(void **state)
{
	struct err e = {0};
	assert_false(err_set(&e, E_USB_GONE, "frame %d", 3));
	assert_false(err_set(&e, E_NOMEM, "later"));
	assert_false(err_native(&e, E_DB, 5, "later"));
	errno = EIO;
	assert_false(err_errno(&e, E_FILE, "later"));
	assert_int_equal(e.code, E_USB_GONE);
	assert_int_equal(e.native, 0);
	assert_string_equal(e.what, "frame 3");
}

static void a_caller_puts_words_in_front(void **state)
{
	struct err e = {0};
	err_set(&e, E_TPM, "rc %x", 0x101);
	assert_false(err_in(&e, "reading %s", "EK"));
	assert_string_equal(e.what, "reading EK: rc 101");
	assert_int_equal(e.code, E_TPM);
}

static void errno_is_kept_as_number_and_as_text(void **state)
{
	struct err e = {0};
	errno = ENOENT;
	err_errno(&e, E_FILE, "opening %s", "x");
	assert_int_equal(e.native, ENOENT);
	assert_string_equal(e.what, "opening x: No such file or directory");
}

static void no_error_wanted_is_no_crash(void **state)
{
	assert_false(err_set(NULL, E_DB, "x"));
	assert_false(err_errno(NULL, E_DB, "x"));
	assert_false(err_in(NULL, "x"));
}

/* Every cut of a text of two-, three- and four-byte characters ends at a whole one. */
static void a_cut_text_ends_at_a_whole_character(void **state)
{
	static const char *const characters[] = {"\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x94\x91"};
	for (size_t c = 0; c < COUNT_OF(characters); c++)
		for (size_t shift = 0; shift < 8; shift++) {
			char text[400] = "";
			struct err e = {0}, in = {0};
			memset(text, 'x', shift);
			while (strlen(text) < 300)
				strcat(text, characters[c]);
			err_set(&e, E_DB, "%s", text);
			size_t whole = (strlen(e.what) - shift) % strlen(characters[c]);
			assert_int_equal(whole, 0);
			assert_true(strlen(e.what) >= sizeof(e.what) - 1 - strlen(characters[c]) + 1);
			err_set(&in, E_DB, "%.230s", "");
			memcpy(in.what, text, 250 - (250 - shift) % strlen(characters[c]));
			in.what[250 - (250 - shift) % strlen(characters[c])] = '\0';
			err_in(&in, "12345");
			assert_int_equal((strlen(in.what) - 7 - shift) % strlen(characters[c]), 0);
		}
}

static void errno_text_is_cut_at_a_whole_character_too(void **state)
{
	struct err e = {0};
	char text[260];
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	errno = EIO;
	err_errno(&e, E_FILE, "%s", text);
	assert_int_equal(strlen(e.what), sizeof(e.what) - 1);
}

static void forgetting_makes_room_for_the_next(void **state)
{
	struct err e = {0};
	err_native(&e, E_DB, 7, "x");
	err_clear(&e);
	assert_int_equal(e.code, E_NONE);
	assert_int_equal(e.native, 0);
	assert_string_equal(e.what, "");
}

static void every_row_is_complete_and_its_code_is_its_own(void **state)
{
	for (int i = 1; i < E_COUNT; i++) {
		const struct err_row *row = err_row((enum err_code)i);
		unsigned number;
		char area[8], rest;
		assert_non_null(row->name);
		assert_int_equal(sscanf(row->code, "E-%7[A-Z]-%3u%c", area, &number, &rest), 2);
		assert_int_equal(strlen(row->code), strlen(area) + 6);
		assert_int_equal(err_find(row->code), i);
		const char *const sentences[] = {row->happened, row->todo};
		for (size_t k = 0; k < COUNT_OF(sentences); k++)
			assert_true(strlen(sentences[k]) > 10 && sentences[k][strlen(sentences[k]) - 1] == '.');
		assert_true(row->whom[0]);
		for (int k = 1; k < i; k++)
			assert_string_not_equal(row->code, err_row((enum err_code)k)->code);
	}
}

static void an_unknown_code_is_nothing(void **state)
{
	assert_int_equal(err_find("E-NIX-001"), E_NONE);
	assert_int_equal(err_find(""), E_NONE);
	assert_string_equal(err_row(E_COUNT)->name, "E_NONE");
	assert_string_equal(err_class_name(ERR_RETRY), "RETRY");
	assert_string_equal(err_class_name(ERR_STATION), "STATION");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_cause_wins),
		cmocka_unit_test(a_caller_puts_words_in_front),
		cmocka_unit_test(errno_is_kept_as_number_and_as_text),
		cmocka_unit_test(no_error_wanted_is_no_crash),
		cmocka_unit_test(a_cut_text_ends_at_a_whole_character),
		cmocka_unit_test(errno_text_is_cut_at_a_whole_character_too),
		cmocka_unit_test(forgetting_makes_room_for_the_next),
		cmocka_unit_test(every_row_is_complete_and_its_code_is_its_own),
		cmocka_unit_test(an_unknown_code_is_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
