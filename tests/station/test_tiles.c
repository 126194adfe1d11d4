/* SPDX-License-Identifier: Apache-2.0 */
/* The names and widths of tiles, by the examples of C2SP tlog-tiles.md. */
#include "station/tiles.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void a_tiles_path_has_groups_of_three_digits(void **state)
{
	static const struct {
		int level;
		uint64_t n;
		unsigned width;
		const char *path;
	} rows[] = {
		{0, 0, 256, "log/tile/0/000"},
		{0, 999, 256, "log/tile/0/999"},
		{0, 1000, 256, "log/tile/0/x001/000"},
		{0, 1234067, 256, "log/tile/0/x001/x234/067"},
		{1, 1234067, 8, "log/tile/1/x001/x234/067.p/8"},
		{TILES_ENTRIES, 273, 112, "log/tile/entries/273.p/112"},
		{TILES_ENTRIES, 36028797018963967, 256, "log/tile/entries/x036/x028/x797/x018/x963/967"},
	};
	char path[PATH_MAX];
	struct err e = {0};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_true(tiles_path("log", rows[i].level, rows[i].n, rows[i].width, path, &e));
		assert_string_equal(path, rows[i].path);
	}
}

static void a_tree_of_70000_has_the_tiles_that_the_specification_counts(void **state)
{
	assert_int_equal(tiles_width(70000, 0, 272), 256);
	assert_int_equal(tiles_width(70000, 0, 273), 112);
	assert_int_equal(tiles_width(70000, 0, 274), 0);
	assert_int_equal(tiles_width(70000, TILES_ENTRIES, 273), 112);
	assert_int_equal(tiles_width(70000, 1, 0), 256);
	assert_int_equal(tiles_width(70000, 1, 1), 17);
	assert_int_equal(tiles_width(70000, 2, 0), 1);
	assert_int_equal(tiles_width(70000, 3, 0), 0);
	assert_int_equal(tiles_width(256, 0, 0), 256);
	assert_int_equal(tiles_width(256, 1, 0), 1);
	assert_int_equal(tiles_width(0, 0, 0), 0);
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	char dir[PATH_MAX], path[PATH_MAX];
	struct err e = {0};
	memset(dir, 'd', sizeof(dir) - 1);
	dir[sizeof(dir) - 1] = 0;
	assert_false(tiles_path(dir, 0, 0, 256, path, &e));
	assert_int_equal(e.code, E_FILE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tiles_path_has_groups_of_three_digits),
		cmocka_unit_test(a_tree_of_70000_has_the_tiles_that_the_specification_counts),
		cmocka_unit_test(a_path_that_is_too_long_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
