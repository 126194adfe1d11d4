/* SPDX-License-Identifier: Apache-2.0 */
#include "station/base/bytes.h"
#include "tests/base/check.h"

#include <string.h>

static void text_grows_and_always_ends_in_zero(void **state)
{
	AUTO(bytes) struct bytes b = {0};
	assert_string_equal(bytes_text(&b), "");
	for (unsigned i = 0; i < 1000; i++) {
		OK(bytes_printf(&b, &e, "%03u,", i));
		assert_int_equal(strlen(bytes_text(&b)), b.len);
	}
	assert_int_equal(b.len, 4000);
	assert_memory_equal(b.data + 3996, "999,", 5);
}

static void the_maximum_holds_to_the_byte(void **state)
{
	AUTO(bytes) struct bytes b = {.max = 5};
	OK(bytes_add(&b, "abc", 3, &e));
	REFUSED(E_TEXT, bytes_add(&b, "def", 3, &e));
	REFUSED(E_TEXT, bytes_printf(&b, &e, "%d", 123));
	REFUSED(E_TEXT, bytes_add(&b, "x", SIZE_MAX, &e));
	assert_string_equal(bytes_text(&b), "abc");
	OK(bytes_printf(&b, &e, "%d", 12));
	assert_string_equal(bytes_text(&b), "abc12");
	AUTO(bytes) struct bytes usual = {0};
	AUTO_FREE char *big = calloc(1, BYTES_MAX_DEFAULT + 1);
	REFUSED(E_TEXT, bytes_add(&usual, big, BYTES_MAX_DEFAULT + 1, &e));
	OK(bytes_add(&usual, big, BYTES_MAX_DEFAULT, &e));
}

static void setting_replaces(void **state)
{
	AUTO(bytes) struct bytes b = {0};
	OK(bytes_add_text(&b, "longer than the next", &e));
	OK(bytes_set(&b, "a\0b", 3, &e));
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "a\0b", 4);
	OK(bytes_set(&b, NULL, 0, &e));
	assert_int_equal(b.len, 0);
}

static void a_cleared_secret_is_wiped_in_place(void **state)
{
	AUTO(bytes) struct bytes b = {.secret = true, .max = 100};
	OK(bytes_add_text(&b, "hunter2", &e));
	bytes_clear(&b);
	for (size_t i = 0; i < b.room; i++)
		assert_int_equal(b.data[i], 0);
	assert_true(b.secret && b.max == 100);
}

static void the_end_leaves_zero_behind(void **state)
{
	struct bytes b = {.secret = true}, zero = {0};
	OK(bytes_add_text(&b, "x", &e));
	bytes_fini(&b);
	assert_memory_equal(&b, &zero, sizeof(b));
	bytes_fini(&b);
	bytes_fini(NULL);
	wipe(NULL, 0);
}

static void equality_is_of_content(void **state)
{
	AUTO(bytes) struct bytes a = {0}, b = {.max = 9};
	assert_true(bytes_equal(&a, &b));
	OK(bytes_add_text(&a, "x", &e));
	assert_false(bytes_equal(&a, &b));
	OK(bytes_add_text(&b, "y", &e));
	assert_false(bytes_equal(&a, &b));
	OK(bytes_set(&b, "x", 1, &e));
	assert_true(bytes_equal(&a, &b));
	bytes_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_grows_and_always_ends_in_zero),
		cmocka_unit_test(the_maximum_holds_to_the_byte),
		cmocka_unit_test(setting_replaces),
		cmocka_unit_test(a_cleared_secret_is_wiped_in_place),
		cmocka_unit_test(the_end_leaves_zero_behind),
		cmocka_unit_test(equality_is_of_content),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
