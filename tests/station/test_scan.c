/* SPDX-License-Identifier: Apache-2.0 */
/* What a code is. */
#include "station/shift/scan.h"
#include "tests/station/floor.h"

static int enter(void **state)
{
	*state = floor_new();
	return 0;
}

static int leave(void **state)
{
	floor_free(*state);
	return 0;
}

static void routes(const struct config *c, const char *code, enum scan_kind expected, const char *value)
{
	struct scan_patterns *p;
	const char *got;
	OK(scan_patterns_new(c, &p, &e));
	assert_string_equal(scan_kind_name(scan_route(p, code, &got)), scan_kind_name(expected));
	assert_string_equal(got, value);
	scan_patterns_free(p);
}

static void code_goes_by_the_word_in_front_and_what_has_none_is_a_unit(void **state)
{
	const struct config *c = &((struct floor *)*state)->config;
	routes(c, "CMD:SLOT:07", SCAN_COMMAND, "SLOT:07");
	routes(c, "BADGE:0417", SCAN_BADGE, "0417");
	routes(c, "ORDER:WO-4711", SCAN_ORDER, "WO-4711");
	routes(c, "TRAY:T-01", SCAN_TRAY, "T-01");
	routes(c, "SN0001", SCAN_UNIT, "SN0001");
	routes(c, "CMD:", SCAN_UNIT, "CMD:");	/* a word with nothing behind is no command */
}

static void patterns_of_the_factory_route_and_keep_the_code_whole(void **state)
{
	struct config *c = &((struct floor *)*state)->config;
	snprintf(c->scan_badge, sizeof(c->scan_badge), "^[0-9]{8}$");
	snprintf(c->scan_order, sizeof(c->scan_order), "^WO-[0-9]+$");
	routes(c, "04170099", SCAN_BADGE, "04170099");
	routes(c, "WO-4711", SCAN_ORDER, "WO-4711");
	routes(c, "ORDER:WO-1", SCAN_UNIT, "ORDER:WO-1");
}

static void first_pattern_that_fits_wins(void **state)
{
	struct config *c = &((struct floor *)*state)->config;
	snprintf(c->scan_unit, sizeof(c->scan_unit), "^.*$");
	routes(c, "CMD:LOCK", SCAN_COMMAND, "LOCK");
	snprintf(c->scan_command, sizeof(c->scan_command), "^.*$");
	routes(c, "BADGE:1", SCAN_COMMAND, "BADGE:1");
}

static void what_a_scanner_does_not_send_is_unknown(void **state)
{
	struct config *c = &((struct floor *)*state)->config;
	char code[SCAN_MAX + 2];
	snprintf(c->scan_unit, sizeof(c->scan_unit), "^.*$");
	routes(c, "BADGE:\x1b[2J", SCAN_UNKNOWN, "BADGE:\x1b[2J");
	routes(c, "a\nb", SCAN_UNKNOWN, "a\nb");
	routes(c, "\x7f", SCAN_UNKNOWN, "\x7f");
	routes(c, "Gr\xc3\xbc\xc3\x9f", SCAN_UNKNOWN, "Gr\xc3\xbc\xc3\x9f");
	memset(code, 'a', sizeof(code));
	code[SCAN_MAX] = '\0';
	routes(c, code, SCAN_UNIT, code);
	code[SCAN_MAX] = 'a';
	code[SCAN_MAX + 1] = '\0';
	routes(c, code, SCAN_UNKNOWN, code);
}

static void pattern_that_cannot_be_read_is_said(void **state)
{
	struct config *c = &((struct floor *)*state)->config;
	struct scan_patterns *p;
	snprintf(c->scan_tray, sizeof(c->scan_tray), "^(");
	REFUSED(E_CONFIG, scan_patterns_new(c, &p, &e));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
	const struct CMUnitTest tests[] = {
		TEST(code_goes_by_the_word_in_front_and_what_has_none_is_a_unit),
		TEST(patterns_of_the_factory_route_and_keep_the_code_whole),
		TEST(first_pattern_that_fits_wins),
		TEST(what_a_scanner_does_not_send_is_unknown),
		TEST(pattern_that_cannot_be_read_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
