/* SPDX-License-Identifier: Apache-2.0 */
#include "station/base/csv.h"
#include "tests/base/check.h"

#include <string.h>

static void assert_row(const char *const *cell, size_t count, const char *expected)
{
	AUTO(bytes) struct bytes row = {0};
	OK(csv_row(&row, cell, count, &e));
	assert_string_equal(bytes_text(&row), expected);
}

static void plain_cells_stand_as_they_are(void **state)
{
	(void)state;
	assert_row((const char *const[]){"SN-1", "", "a b", "\xc3\xa4'"}, 4, "SN-1,,a b,\xc3\xa4'\r\n");
}

static void what_would_end_a_cell_is_quoted(void **state)
{
	(void)state;
	assert_row((const char *const[]){"a,b", "say \"no\"", "two\r\nlines"}, 3, "\"a,b\",\"say \"\"no\"\"\",\"two\r\nlines\"\r\n");
}

static void formula_becomes_a_text(void **state)
{
	(void)state;
	static const char *const bad[] = {"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=HYPERLINK(\"x\",\"y\")"};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		AUTO(bytes) struct bytes row = {0};
		OK(csv_row(&row, &bad[i], 1, &e));
		assert_int_equal(strncmp(bytes_text(&row), "\"'", 2), 0);
	}
	assert_row((const char *const[]){"1=1", "a+b"}, 2, "1=1,a+b\r\n");
}

static void row_that_does_not_fit_is_refused(void **state)
{
	(void)state;
	const char *cell = "12345678";
	AUTO(bytes) struct bytes row = {.max = 8};
	struct err e = {0};
	assert_false(csv_row(&row, &cell, 1, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_cells_stand_as_they_are),
		cmocka_unit_test(what_would_end_a_cell_is_quoted),
		cmocka_unit_test(formula_becomes_a_text),
		cmocka_unit_test(row_that_does_not_fit_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
