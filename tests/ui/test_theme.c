/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/theme.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void no_color_with_any_value_means_no_colours(void **state)
{
	assert_int_equal(theme_choose("1", false, 256), THEME_MONO);
	assert_int_equal(theme_choose("0", false, 256), THEME_MONO);
	assert_int_equal(theme_choose("", false, 256), THEME_256);
	assert_int_equal(theme_choose(NULL, false, 256), THEME_256);
}

static void terminal_and_option_bound_the_theme(void **state)
{
	assert_int_equal(theme_choose(NULL, true, 256), THEME_MONO);
	assert_int_equal(theme_choose(NULL, false, 8), THEME_8);
	assert_int_equal(theme_choose(NULL, false, 2), THEME_MONO);
	assert_int_equal(theme_choose(NULL, false, -1), THEME_MONO);
}

static void mono_uses_no_colour_at_all(void **state)
{
	for (int s = 0; s < STYLE_COUNT; s++) {
		assert_int_equal(theme_look(THEME_MONO, (enum style)s)->fg, -1);
		assert_int_equal(theme_look(THEME_MONO, (enum style)s)->bg, -1);
	}
}

static void verdicts_and_alarm_look_different_in_every_theme(void **state)
{
	const enum style apart[] = {STYLE_WORK, STYLE_GOOD, STYLE_WAIT, STYLE_HOLD, STYLE_BAD};
	for (int t = THEME_MONO; t <= THEME_256; t++)
		for (size_t i = 0; i < COUNT_OF(apart); i++)
			for (size_t k = 0; k < i; k++)
				assert_memory_not_equal(theme_look((enum theme)t, apart[i]), theme_look((enum theme)t, apart[k]),
							sizeof(struct look));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_color_with_any_value_means_no_colours),
		cmocka_unit_test(terminal_and_option_bound_the_theme),
		cmocka_unit_test(mono_uses_no_colour_at_all),
		cmocka_unit_test(verdicts_and_alarm_look_different_in_every_theme),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
