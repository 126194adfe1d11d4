/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/canvas.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void expect(const struct canvas *c, const char *text)
{
	struct err e = {0};
	AUTO(bytes) struct bytes got = {0};
	assert_true(canvas_to_text(c, &got, &e));
	assert_string_equal(bytes_text(&got), text);
}

#define CANVAS(name, rows, cols, is_ascii) \
	struct err e = {0}; \
	AUTO(canvas) struct canvas name = {0}; \
	assert_true(canvas_init(&name, rows, cols, is_ascii, &e))

static void text_is_cut_with_an_ellipsis_at_its_width(void **state)
{
	CANVAS(c, 2, 10, false);
	assert_int_equal(canvas_text(&c, 0, 0, 10, STYLE_NORMAL, "exactly 10"), 10);
	assert_int_equal(canvas_text(&c, 1, 2, 5, STYLE_NORMAL, "longer"), 5);
	expect(&c, "exactly 10\n  long…\n");
}

static void text_outside_the_canvas_is_clipped(void **state)
{
	CANVAS(c, 2, 4, false);
	canvas_text(&c, 0, -2, 10, STYLE_NORMAL, "abcdefghij");
	canvas_text(&c, -1, 0, 4, STYLE_NORMAL, "up");
	canvas_text(&c, 2, 0, 4, STYLE_NORMAL, "down");
	canvas_text(&c, 1, 3, 4, STYLE_NORMAL, "漢");
	canvas_text(&c, 1, 0, 0, STYLE_NORMAL, "nothing");
	canvas_text(&c, 1, 0, -5, STYLE_NORMAL, "nothing");
	expect(&c, "cdef\n\n");
}

static void wide_characters_take_two_cells_and_never_half_of_one(void **state)
{
	CANVAS(c, 4, 5, false);
	assert_int_equal(canvas_text(&c, 0, 0, 5, STYLE_NORMAL, "漢字"), 4);
	canvas_text(&c, 1, 0, 3, STYLE_NORMAL, "漢字");
	canvas_text(&c, 2, 0, 5, STYLE_NORMAL, "漢字");
	canvas_text(&c, 2, 1, 1, STYLE_NORMAL, "x");	/* breaks the first one */
	canvas_text(&c, 3, 0, 5, STYLE_NORMAL, "漢字");
	canvas_text(&c, 3, 2, 1, STYLE_NORMAL, "y");	/* breaks the second one */
	expect(&c, "漢字\n漢…\n x字\n漢y\n");
	canvas_text(&c, 3, 1, 2, STYLE_NORMAL, "かな");	/* over a half and a letter */
	assert_int_equal(canvas_at(&c, 3, 0)->c, ' ');
}

static void what_could_drive_a_terminal_becomes_a_sign(void **state)
{
	CANVAS(c, 1, 60, false);
	canvas_text(&c, 0, 0, 60, STYLE_NORMAL, "a\x1b[2J\r\n\t\x7f\xc2\x9b|\xe2\x80\xae|\xcc\x81|\xf0\x9f\x98\x80|\xff\xc0\xaf|\xed\xa0\x80|");
	expect(&c, "a�[2J�����|�|�|�|���|�|\n");
}

static void text_that_ends_inside_a_character_is_not_read_beyond(void **state)
{
	CANVAS(c, 1, 10, false);
	char cut[] = {'a', (char)0xe6, (char)0xbc, 0};
	canvas_text(&c, 0, 0, 10, STYLE_NORMAL, cut);
	expect(&c, "a��\n");
}

static void ascii_canvas_holds_ascii_only(void **state)
{
	CANVAS(c, 4, 12, true);
	canvas_box(&c, 0, 0, 3, 12, "é ✓");
	canvas_bar(&c, 1, 1, 4, STYLE_NORMAL, 1, 2);
	canvas_text(&c, 3, 0, 4, STYLE_NORMAL, "漢字かな…");
	expect(&c, "+- ? + ----+\n|##..      |\n+----------+\n???~\n");
}

static void words_wrap_and_what_is_left_ends_in_an_ellipsis(void **state)
{
	CANVAS(c, 4, 10, false);
	assert_int_equal(canvas_words(&c, 0, 0, 4, 10, STYLE_NORMAL, "one two three four"), 2);
	expect(&c, "one two\nthree four\n\n\n");
	canvas_clear(&c);
	assert_int_equal(canvas_words(&c, 0, 0, 2, 5, STYLE_NORMAL, "aaaaaaaaaaaaaa"), 2);
	expect(&c, "aaaaa\naaaa…\n\n\n");
	canvas_clear(&c);
	assert_int_equal(canvas_words(&c, 0, 0, 4, 1, STYLE_NORMAL, "漢字"), 2);
}

static void bar_is_full_only_at_the_end(void **state)
{
	CANVAS(c, 5, 4, false);
	const int64_t done[] = {0, 11, 12, 13, -3}, of[] = {12, 12, 12, 12, 0};
	for (int i = 0; i < 5; i++)
		canvas_bar(&c, i, 0, 4, STYLE_NORMAL, done[i], of[i]);
	expect(&c, "░░░░\n███░\n████\n████\n░░░░\n");
}

static void sizes_are_brought_within_bounds(void **state)
{
	CANVAS(c, -5, 1000000, false);
	assert_int_equal(c.rows, 1);
	assert_int_equal(c.cols, CANVAS_COLS_MAX);
}

static void paint_changes_the_style_and_not_the_text(void **state)
{
	CANVAS(c, 1, 4, false);
	canvas_text(&c, 0, 0, 4, STYLE_NORMAL, "abcd");
	canvas_paint(&c, 0, 2, 5, 9, STYLE_ALARM);
	assert_int_equal(canvas_at(&c, 0, 1)->style, STYLE_NORMAL);
	assert_int_equal(canvas_at(&c, 0, 2)->style, STYLE_ALARM);
	expect(&c, "abcd\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_cut_with_an_ellipsis_at_its_width),
		cmocka_unit_test(text_outside_the_canvas_is_clipped),
		cmocka_unit_test(wide_characters_take_two_cells_and_never_half_of_one),
		cmocka_unit_test(what_could_drive_a_terminal_becomes_a_sign),
		cmocka_unit_test(text_that_ends_inside_a_character_is_not_read_beyond),
		cmocka_unit_test(ascii_canvas_holds_ascii_only),
		cmocka_unit_test(words_wrap_and_what_is_left_ends_in_an_ellipsis),
		cmocka_unit_test(bar_is_full_only_at_the_end),
		cmocka_unit_test(sizes_are_brought_within_bounds),
		cmocka_unit_test(paint_changes_the_style_and_not_the_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
