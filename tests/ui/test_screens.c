/* SPDX-License-Identifier: Apache-2.0 */
/* Screens as pictures of text, at the sizes that a line's terminals have. */
#include "tests/ui/scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void check_both(const char *name, const char *screen, struct model *m, struct view *v, bool ascii)
{
	scene_check(name, screen, m, v, 80, 24, ascii);
	scene_check(name, screen, m, v, 120, 40, ascii);
}

static void tray_of_eight_shows_word_sentence_and_hands_off(void **state)
{
	struct view v = {.selected = 3};
	struct model *m = scene_model("tray8");
	check_both("tray8", "slots", m, &v, false);
	check_both("tray8-ascii", "slots", m, &v, true);
	free(m);
}

static void what_waits_for_the_cloud_is_said_with_its_age_above_the_tray(void **state)
{
	struct view v = {.selected = 3};
	struct model *m = scene_model("outbox8");
	check_both("outbox8", "slots", m, &v, false);
	free(m);
}

static void finished_tray_says_how_many_to_pull_and_which_failed(void **state)
{
	struct view v = {0};
	struct model *m = scene_model("pull8");
	check_both("pull8", "slots", m, &v, false);
	free(m);
}

static void sixty_four_slots_fit_as_a_dense_grid(void **state)
{
	struct view v = {.selected = 63};
	struct model *m = scene_model("tray64");
	check_both("tray64", "slots", m, &v, false);
	free(m);
}

/* The model of 16 slots in a jig, and what happened to it. */
static struct model *scene_of_16(const char *what)
{
	struct model *m = scene_model("tray16");
	scene_add(m, what);
	return m;
}

static void check_16(const char *name, bool ascii)
{
	struct view v = {0};
	struct model *m = scene_of_16(name);
	check_both(name, "slots", m, &v, false);
	if (ascii) {
		char plain[64];
		snprintf(plain, sizeof(plain), "%s-ascii", name);
		check_both(plain, "slots", m, &v, true);
	}
	free(m);
}

static void sixteen_empty_slots_stand_as_the_jig_does(void **state)
{
	check_16("tray16", false);
}

static void tray_that_works_says_do_not_pull_and_when_a_slot_tries_again(void **state)
{
	check_16("work16", true);
}

static void tray_that_is_done_says_each_verdict_in_block_letters(void **state)
{
	check_16("done16", true);
}

static void tray_that_waits_for_a_label_says_so(void **state)
{
	check_16("label16", false);
}

static void locked_line_asks_for_a_badge(void **state)
{
	check_16("locked16", false);
}

static void line_without_a_person_asks_for_a_badge_and_says_what_was_wrong_with_the_last(void **state)
{
	check_16("nobody16", false);
}

static void training_and_re_check_cannot_be_missed(void **state)
{
	check_16("training16", true);
	check_16("recheck16", false);
}

static void sixty_four_slots_are_a_summary_in_the_jigs_order_with_the_exceptions_in_words(void **state)
{
	struct view v = {0};
	struct model *m = scene_model("jig64");
	check_both("jig64", "slots", m, &v, false);
	check_both("jig64-ascii", "slots", m, &v, true);
	free(m);
}

static void unit_screen_shows_all_fields_and_times(void **state)
{
	struct view v = {.selected = 3};
	struct model *m = scene_model("tray8");
	check_both("unit", "unit", m, &v, false);
	free(m);
}

static void help_shows_every_word_with_its_sign(void **state)
{
	struct view v = {0};
	struct model *m = scene_model("tray8");
	check_both("help", "help", m, &v, false);
	free(m);
}

static void lost_line_is_said_and_the_old_state_stays(void **state)
{
	struct view v = {0};
	struct model *m = scene_model("tray8");
	model_lost(m, "station.sock: Connection refused");
	check_both("lost", "slots", m, &v, false);
	free(m);
}

static void unfit_line_is_a_full_bar(void **state)
{
	struct view v = {0};
	struct model *m = scene_model("unfit");
	check_both("unfit", "slots", m, &v, false);
	free(m);
}

static void hostile_texts_stay_in_their_places(void **state)
{
	struct view v = {.selected = 1};
	struct model *m = scene_model("hostile");
	check_both("hostile", "slots", m, &v, false);
	check_both("hostile-unit", "unit", m, &v, false);
	check_both("hostile-ascii", "unit", m, &v, true);
	free(m);
}

static void any_size_draws_without_leaving_the_canvas(void **state)
{
	struct model *m = scene_model("tray64");
	struct err e = {0};
	for (int rows = 1; rows < 60; rows += 3)
		for (int cols = 1; cols < 200; cols += 7)
			for (const struct screen *const *s = screen_table; *s; s++) {
				struct view v = {.selected = 99};
				AUTO(canvas) struct canvas c = {0};
				assert_true(canvas_init(&c, rows, cols, false, &e));
				screen_draw(*s, &c, m, &v);
				assert_int_equal(v.selected, 63);
			}
	free(m);
}

static void every_verdict_has_its_own_word_and_its_own_sign(void **state)
{
	const struct model_slot all[] = {
		{.state = SLOT_EMPTY}, {.state = SLOT_WORKING}, {.state = SLOT_WAITING},
		{.state = SLOT_DONE, .verdict = SLOT_PASS}, {.state = SLOT_DONE, .verdict = SLOT_BUILT},
		{.state = SLOT_DONE, .verdict = SLOT_HOLD}, {.state = SLOT_DONE, .verdict = SLOT_FAIL},
	};
	for (size_t i = 0; i < COUNT_OF(all); i++)
		for (size_t k = 0; k < i; k++) {
			struct slot_face a = slot_face(&all[i]), b = slot_face(&all[k]);
			assert_string_not_equal(a.word, b.word);
			assert_int_not_equal(a.sign, b.sign);
		}
}

static void keys_lead_where_the_bar_says(void **state)
{
	struct model *m = scene_model("tray8");
	struct view v = {.selected = 0};
	const struct screen *slots = screen_find("slots");
	for (const struct screen *const *s = screen_table; *s; s++) {
		struct next next = screen_key(slots, &v, m, (*s)->key);
		assert_int_equal(next.what, NEXT_SCREEN);
		assert_ptr_equal(screen_find(next.screen), *s);
		assert_int_equal(screen_key(*s, &v, m, 'q').what, NEXT_QUIT);
		assert_int_equal(screen_key(*s, &v, m, 'x').what, NEXT_STAY);
	}
	tray_lay(m, 35, 120, &v.tray);	/* two beside one another */
	screen_key(slots, &v, m, KEYS_UP);
	assert_int_equal(v.selected, 0);
	screen_key(slots, &v, m, KEYS_DOWN);
	assert_int_equal(v.selected, 2);
	screen_key(slots, &v, m, KEYS_RIGHT);
	assert_int_equal(v.selected, 3);
	screen_key(slots, &v, m, KEYS_END);
	screen_key(slots, &v, m, KEYS_DOWN);
	assert_int_equal(v.selected, 7);
	assert_string_equal(screen_key(slots, &v, m, KEYS_ENTER).screen, "unit");
	assert_string_equal(screen_key(screen_find("unit"), &v, m, KEYS_ESCAPE).screen, "slots");
	free(m);
}

static void tail_of_a_serial_keeps_its_last_characters(void **state)
{
	char out[64];
	text_tail("GW-2026-000042", 5, out, sizeof(out));
	assert_string_equal(out, "…0042");
	text_tail("short", 5, out, sizeof(out));
	assert_string_equal(out, "short");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tray_of_eight_shows_word_sentence_and_hands_off),
		cmocka_unit_test(what_waits_for_the_cloud_is_said_with_its_age_above_the_tray),
		cmocka_unit_test(finished_tray_says_how_many_to_pull_and_which_failed),
		cmocka_unit_test(sixty_four_slots_fit_as_a_dense_grid),
		cmocka_unit_test(sixteen_empty_slots_stand_as_the_jig_does),
		cmocka_unit_test(tray_that_works_says_do_not_pull_and_when_a_slot_tries_again),
		cmocka_unit_test(tray_that_is_done_says_each_verdict_in_block_letters),
		cmocka_unit_test(tray_that_waits_for_a_label_says_so),
		cmocka_unit_test(locked_line_asks_for_a_badge),
		cmocka_unit_test(line_without_a_person_asks_for_a_badge_and_says_what_was_wrong_with_the_last),
		cmocka_unit_test(training_and_re_check_cannot_be_missed),
		cmocka_unit_test(sixty_four_slots_are_a_summary_in_the_jigs_order_with_the_exceptions_in_words),
		cmocka_unit_test(unit_screen_shows_all_fields_and_times),
		cmocka_unit_test(help_shows_every_word_with_its_sign),
		cmocka_unit_test(lost_line_is_said_and_the_old_state_stays),
		cmocka_unit_test(unfit_line_is_a_full_bar),
		cmocka_unit_test(hostile_texts_stay_in_their_places),
		cmocka_unit_test(any_size_draws_without_leaving_the_canvas),
		cmocka_unit_test(every_verdict_has_its_own_word_and_its_own_sign),
		cmocka_unit_test(keys_lead_where_the_bar_says),
		cmocka_unit_test(tail_of_a_serial_keeps_its_last_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
