/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/scan_input.h"
#include "ui/screen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct hands {
	struct scan_input in;
	int64_t now_ms;
	char heard[2048];	/* what came out, in words */
};

static void hear(struct hands *h, const struct scan_event *e)
{
	size_t n = strlen(h->heard);
	char *to = h->heard + n;
	size_t room = sizeof(h->heard) - n;
	if (e->what == SCANNED_KEY)
		snprintf(to, room, e->key < 0x110000 ? "key:%c " : "key:%x ", e->key);
	else if (e->what == SCANNED_CODE)
		snprintf(to, room, "%s:%s ", e->typed ? "typed" : "code", e->code);
	else if (e->what == SCANNED_CUT)
		snprintf(to, room, "cut ");
}

static void press(struct hands *h, int key, int after_ms)
{
	struct scan_event e;
	h->now_ms += after_ms;
	scan_input_tick(&h->in, h->now_ms, &e);
	hear(h, &e);
	scan_input_feed(&h->in, key, h->now_ms, &e);
	hear(h, &e);
}

static void burst(struct hands *h, const char *text)
{
	for (const char *p = text; *p; p++)
		press(h, (unsigned char)*p, p == text ? 500 : 1);
}

static void type(struct hands *h, const char *text)
{
	for (const char *p = text; *p; p++)
		press(h, (unsigned char)*p, 120);
}

static const char *rest(struct hands *h)
{
	struct scan_event e;
	h->now_ms += 1000;
	scan_input_tick(&h->in, h->now_ms, &e);
	hear(h, &e);
	return h->heard;
}

static struct hands hands(const char *prefix, const char *suffix)
{
	struct hands h = {.now_ms = 1000};
	scan_input_setup(&h.in, prefix, suffix, 35);
	return h;
}

static void burst_with_its_suffix_is_a_code_and_none_of_its_keys_a_command(void **state)
{
	(void)state;
	struct hands h = hands("", "\r");
	burst(&h, "quit-SN0001q\r");
	assert_string_equal(rest(&h), "code:quit-SN0001q ");
}

static void slow_keys_are_a_persons(void **state)
{
	(void)state;
	struct hands h = hands("", "\r");
	type(&h, "q\r");
	press(&h, KEYS_F2, 120);
	assert_string_equal(rest(&h), "key:q key:\r key:110007 ");
}

static void key_alone_is_one_once_its_gap_has_passed(void **state)
{
	(void)state;
	struct hands h = hands("", "\r");
	struct scan_event e;
	press(&h, 'q', 100);
	assert_string_equal(h.heard, "");
	assert_int_equal(scan_input_due_ms(&h.in, h.now_ms), 36);
	scan_input_tick(&h.in, h.now_ms + 35, &e);
	assert_int_equal(e.what, SCANNED_NOTHING);
	scan_input_tick(&h.in, h.now_ms + 36, &e);
	assert_int_equal(e.what, SCANNED_KEY);
	assert_int_equal(scan_input_due_ms(&h.in, h.now_ms + 36), -1);
}

static void burst_that_is_cut_is_dropped_and_said(void **state)
{
	(void)state;
	struct hands h = hands("", "\r");
	burst(&h, "SN00");
	burst(&h, "SN0001\r");
	assert_string_equal(rest(&h), "cut code:SN0001 ");
}

static void rest_of_a_burst_that_was_torn_is_neither_a_command_nor_a_code(void **state)
{
	(void)state;
	struct hands h = hands("", "\r");
	burst(&h, "SN00");
	press(&h, 'q', 60);
	press(&h, KEYS_F2, 60);
	press(&h, '0', 60);
	for (const char *p = "077\r"; *p; p++)
		press(&h, *p, 1);
	press(&h, 'q', 499);
	press(&h, 'a', 120);
	assert_string_equal(rest(&h), "cut cut key:a ");
}

static void prefix_begins_a_code_also_behind_one_that_was_cut(void **state)
{
	(void)state;
	struct hands h = hands("\x07", "\r");
	burst(&h, "SN00");
	press(&h, 7, 60);
	for (const char *p = "SN0001\r"; *p; p++)
		press(&h, *p, 1);
	assert_string_equal(rest(&h), "cut code:SN0001 ");
}

static void function_key_within_a_burst_cuts_it_and_is_ignored(void **state)
{
	(void)state;
	struct hands h = hands("", "\r");
	burst(&h, "SN00");
	press(&h, KEYS_F10, 1);
	for (const char *p = "01qq\r"; *p; p++)
		press(&h, *p, 1);
	press(&h, KEYS_F2, 501);
	assert_string_equal(rest(&h), "cut cut key:110007 ");
}

static void prefix_marks_a_code_and_is_taken_off(void **state)
{
	(void)state;
	struct hands h = hands("\x07", "\r");
	burst(&h, "\x07" "A\r");
	burst(&h, "SN0001\r");
	burst(&h, "\x07");
	assert_string_equal(rest(&h), "code:A code:SN0001 cut ");
}

static void suffix_may_be_two_bytes_or_a_line_feed(void **state)
{
	(void)state;
	struct hands tab = hands("", "\t\r"), feed = hands("", "\n");
	burst(&tab, "SN0001\t\r");
	assert_string_equal(rest(&tab), "code:SN0001 ");
	burst(&feed, "SN0001\r");	/* the terminal's door makes one of both */
	assert_string_equal(rest(&feed), "code:SN0001 ");
}

static void burst_with_control_characters_is_no_code(void **state)
{
	(void)state;
	struct hands h = hands("", "\r");
	burst(&h, "SN\x1b[31m01\r");
	burst(&h, "SN\x01\x02\r");
	assert_string_equal(rest(&h), "cut cut ");
}

static void endless_burst_is_dropped_and_the_next_one_is_a_code(void **state)
{
	(void)state;
	struct hands h = hands("", "\r");
	for (int i = 0; i < 10000; i++)
		press(&h, 'x', 1);
	press(&h, '\r', 1);
	burst(&h, "SN0001\r");
	assert_string_equal(rest(&h), "cut code:SN0001 ");
}

static void person_writes_a_code_behind_a_slash(void **state)
{
	(void)state;
	struct hands h = hands("", "\r");
	type(&h, "/SN0x\x7f" "1\r");
	type(&h, "/abc\x1bq");
	assert_string_equal(rest(&h), "typed:SN01 key:q ");
}

static void pin_begins_with_its_first_digit_and_nothing_of_it_stays(void **state)
{
	(void)state;
	struct hands h = hands("", "\r");
	h.in.pin = true;
	type(&h, "2580\r");
	assert_string_equal(rest(&h), "typed:2580 ");
	for (size_t i = 0; i + 4 <= sizeof(h.in); i++)
		assert_memory_not_equal((const char *)&h.in + i, "2580", 4);
	h.heard[0] = '\0';
	burst(&h, "CMD:PIN:2\r");
	assert_string_equal(rest(&h), "code:CMD:PIN:2 ");
}

static void burst_takes_the_place_of_what_is_written(void **state)
{
	(void)state;
	struct hands h = hands("", "\r");
	type(&h, "/SN0");
	burst(&h, "SN0001\r");
	type(&h, "q");
	assert_string_equal(rest(&h), "code:SN0001 key:q ");
}

static void characters_beyond_ascii_are_kept(void **state)
{
	(void)state;
	struct hands h = hands("", "\r");
	static const int keys[] = {'S', 0xe4, 0x20ac, 0x1f600, '\r'};
	for (size_t i = 0; i < COUNT_OF(keys); i++)
		press(&h, keys[i], i ? 1 : 500);
	assert_string_equal(rest(&h), "code:Sä€\xf0\x9f\x98\x80 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(burst_with_its_suffix_is_a_code_and_none_of_its_keys_a_command),
		cmocka_unit_test(slow_keys_are_a_persons),
		cmocka_unit_test(key_alone_is_one_once_its_gap_has_passed),
		cmocka_unit_test(burst_that_is_cut_is_dropped_and_said),
		cmocka_unit_test(rest_of_a_burst_that_was_torn_is_neither_a_command_nor_a_code),
		cmocka_unit_test(prefix_begins_a_code_also_behind_one_that_was_cut),
		cmocka_unit_test(function_key_within_a_burst_cuts_it_and_is_ignored),
		cmocka_unit_test(prefix_marks_a_code_and_is_taken_off),
		cmocka_unit_test(suffix_may_be_two_bytes_or_a_line_feed),
		cmocka_unit_test(burst_with_control_characters_is_no_code),
		cmocka_unit_test(endless_burst_is_dropped_and_the_next_one_is_a_code),
		cmocka_unit_test(person_writes_a_code_behind_a_slash),
		cmocka_unit_test(pin_begins_with_its_first_digit_and_nothing_of_it_stays),
		cmocka_unit_test(burst_takes_the_place_of_what_is_written),
		cmocka_unit_test(characters_beyond_ascii_are_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
