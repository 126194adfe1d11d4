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

/* A screen with the answer to what it wants, and before that answer came. */
static void check_answered(const char *screen, const char *answer)
{
	char name[64];
	struct model *m = scene_of_16("done16");
	AUTO(json) json_t *owned = scene_answer(answer);
	struct view v = {.selected = 2, .answer = owned}, asking = {.selected = 2};
	snprintf(name, sizeof(name), "screen-%s", answer);
	check_both(name, screen, m, &v, false);
	snprintf(name, sizeof(name), "screen-%s-ascii", answer);
	scene_check(name, screen, m, &v, 80, 24, true);
	snprintf(name, sizeof(name), "screen-%s-asking", screen);
	scene_check(name, screen, m, &asking, 80, 24, false);
	free(m);
}

static void lot_shows_yield_takt_failures_and_the_trend_over_the_shift(void **state)
{
	check_answered("lot", "lot");
	check_answered("lot", "lot-none");
}

static void journal_shows_entries_newest_first(void **state)
{
	check_answered("journal", "journal");
	check_answered("journal", "journal-none");
}

static void queue_shows_what_waits_and_what_went_aside(void **state)
{
	check_answered("queue", "queue");
}

static void preflight_says_what_to_do(void **state)
{
	check_answered("preflight", "preflight");
}

static void unit_shows_what_is_on_record_on_a_second_page_or_beside(void **state)
{
	struct model *m = scene_of_16("done16");
	AUTO(json) json_t *answer = scene_answer("unit");
	struct view v = {.selected = 2, .answer = answer, .page = 1}, other = {.selected = 3, .answer = answer, .page = 1};
	check_both("screen-unit", "unit", m, &v, false);
	scene_check("screen-unit-other", "unit", m, &other, 80, 24, false);	/* another unit's answer is not its record */
	free(m);
}

/* In the order of screen_table. */
static const char *const screens_and_answers[] = {NULL, "lot", "queue", "journal", "unit", "preflight", NULL};

static void asks(const char *screen, const struct model *m, const struct view *v, const char *text)
{
	struct err e = {0};
	AUTO(json) json_t *got = screen_find(screen)->wants(v, m), *want = NULL;
	if (!text) {
		assert_null(got);
		return;
	}
	assert_true(json_parse(text, strlen(text), &want, &e));
	assert_true(json_equal(got, want));
}

static void screens_ask_the_line_for_what_they_show(void **state)
{
	struct model *m = scene_of_16("done16");
	AUTO(json) json_t *preflight = scene_answer("preflight");
	struct view v = {.selected = 2};
	asks("lot", m, &v, "{\"do\":\"lot\"}");
	asks("queue", m, &v, "{\"do\":\"queue\"}");
	asks("preflight", m, &v, "{\"do\":\"preflight\"}");
	asks("unit", m, &v, "{\"do\":\"unit\",\"id\":\"qzk2f3wmlxwt4ks5ds6u7hvgz3pjyxnhjq2ddmvqh6yrkmxv5o02\"}");
	asks("journal", m, &v, "{\"do\":\"journal\",\"search\":\"\",\"most\":20}");
	v.answer = preflight;
	asks("preflight", m, &v, NULL);	/* it asks the service, so once is enough */
	v.selected = 6;	/* bad before it had a registration id */
	asks("unit", m, &v, NULL);
	free(m);
}

static void journal_goes_back_page_by_page_and_forward_again(void **state)
{
	struct model *m = scene_of_16("done16");
	const struct screen *journal = screen_find("journal");
	AUTO(json) json_t *answer = scene_answer("journal");
	AUTO(json) json_t *end = scene_answer("journal-none");
	AUTO(canvas) struct canvas c = {0};
	struct err e = {0};
	struct view v = {.search = "GW"};
	assert_true(canvas_init(&c, 24, 80, false, &e));
	screen_draw(journal, &c, m, &v);
	screen_key(journal, &v, m, KEYS_DOWN);	/* no answer yet */
	asks("journal", m, &v, "{\"do\":\"journal\",\"search\":\"GW\",\"most\":18}");
	v.answer = answer;
	screen_key(journal, &v, m, KEYS_DOWN);
	screen_key(journal, &v, m, KEYS_DOWN);	/* the answer is still the first page's */
	asks("journal", m, &v, "{\"do\":\"journal\",\"search\":\"GW\",\"most\":18,\"before\":1200}");
	v.answer = end;
	screen_key(journal, &v, m, KEYS_DOWN);	/* there is none older */
	assert_int_equal(v.page, 1);
	screen_key(journal, &v, m, KEYS_UP);
	asks("journal", m, &v, "{\"do\":\"journal\",\"search\":\"GW\",\"most\":18}");
	assert_int_equal(screen_key(journal, &v, m, KEYS_ESCAPE).what, NEXT_STAY);
	asks("journal", m, &v, "{\"do\":\"journal\",\"search\":\"\",\"most\":18}");
	assert_string_equal(screen_key(journal, &v, m, KEYS_ESCAPE).screen, "slots");
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

/* Every screen at this size, with the answer that it wants. */
static void draw_all(const struct model *m, json_t *const *answers, int rows, int cols)
{
	struct err e = {0};
	for (size_t i = 0; screen_table[i]; i++) {
		struct view v = {.selected = 99, .page = (int)i % 2, .answer = answers[i]};
		AUTO(canvas) struct canvas c = {0};
		assert_true(canvas_init(&c, rows, cols, rows % 2, &e));
		screen_draw(screen_table[i], &c, m, &v);
		assert_int_equal(v.selected, m->slot_count ? (int)m->slot_count - 1 : 0);
	}
}

static void hostile_units_people_and_factory_systems_stay_in_their_places(void **state)
{
	check_16("hostile16", true);
}

static void any_size_draws_without_leaving_the_canvas(void **state)
{
	static const char *const trays[] = {"tray64", "jig64", "done16", "training16", "work16", "hostile", "hostile16"};
	json_t *answers[COUNT_OF(screens_and_answers)];
	for (size_t i = 0; i < COUNT_OF(answers); i++)
		answers[i] = screens_and_answers[i] ? scene_answer(screens_and_answers[i]) : NULL;
	for (size_t t = 0; t < COUNT_OF(trays); t++) {
		struct model *m = strstr(trays[t], "16") ? scene_of_16(trays[t]) : scene_model(trays[t]);
		int step = t < 2 ? 1 : 7;	/* every size for the fullest, a part of them for the others */
		for (int rows = 1; rows <= 50; rows += t == 1 ? step : 3 * step)
			for (int cols = 1; cols <= 130; cols += t == 1 ? step : 2 * step + 1)
				draw_all(m, answers, rows, cols);
		free(m);
	}
	for (size_t i = 0; i < COUNT_OF(answers); i++)
		json_decref(answers[i]);
}

static void a_jig_of_any_form_draws(void **state)
{
	static const int rotations[] = {0, 90, 180, 270, 45};
	json_t *none[COUNT_OF(screens_and_answers)] = {NULL};
	struct model *m = scene_model("tray64");
	for (int r = 0; r <= 99; r += 11)
		for (int k = 0; k <= 99; k += 11)
			for (size_t i = 0; i < COUNT_OF(rotations); i++) {
				m->jig.rows = r;
				m->jig.columns = k;
				m->jig.rotation = rotations[i];
				for (int s = 0; s < 64; s++) {
					m->slot[s].row = s % 9;
					m->slot[s].column = s % 13;
				}
				draw_all(m, none, 24, 80);
				draw_all(m, none, 5, 20);
			}
	m->slot_count = 0;
	draw_all(m, none, 24, 80);
	free(m);
}

/* Where the slot's name stands on the tray. */
static bool find_text(const struct canvas *c, const char *text, int *ret_row, int *ret_col)
{
	int n = (int)strlen(text);
	for (*ret_row = SCREEN_TOP; *ret_row < c->rows; ++*ret_row)
		for (*ret_col = 0; *ret_col + n <= c->cols; ++*ret_col) {
			int k = 0;
			while (k < n && canvas_at(c, *ret_row, *ret_col + k)->c == (uint32_t)text[k])
				k++;
			if (k == n)
				return true;
		}
	return false;
}

static void no_slot_hides_another(void **state)
{
	struct model *m = scene_model("tray64");
	struct tray t;
	m->jig.rows = m->jig.columns = 8;
	for (int s = 0; s < 64; s++) {
		m->slot[s].row = s % 5;		/* many places twice, some outside */
		m->slot[s].column = s % 3;
	}
	for (int cols = 20; cols <= 200; cols += 20) {
		tray_lay(m, 35, cols, &t);
		for (size_t i = 0; i < m->slot_count; i++) {
			assert_true(t.at[i].row < t.rows && t.at[i].column < t.columns);
			for (size_t k = 0; k < i; k++)
				assert_false(t.at[i].row == t.at[k].row && t.at[i].column == t.at[k].column);
		}
	}
	free(m);
}

static void slots_stand_as_the_operator_sees_the_turned_jig(void **state)
{
	/* a jig of 2 rows by 3 columns; slot 1 is built in its upper left, slot 2 in its upper right, slot 3 in its lower left */
	static const struct { int rotation, at[3][2]; } turns[] = {
		{0, {{0, 0}, {0, 2}, {1, 0}}}, {90, {{0, 1}, {2, 1}, {0, 0}}},
		{180, {{1, 2}, {1, 0}, {0, 2}}}, {270, {{2, 0}, {0, 0}, {2, 1}}},
	};
	struct model *m = scene_model("tray8");
	struct err e = {0};
	m->slot_count = 3;
	m->jig.rows = 2;
	m->jig.columns = 3;
	for (int i = 0; i < 3; i++) {
		m->slot[i].row = i == 2 ? 2 : 1;
		m->slot[i].column = i == 1 ? 3 : 1;
		m->slot[i].state = SLOT_EMPTY;
		m->slot[i].serial[0] = '\0';
	}
	for (size_t i = 0; i < COUNT_OF(turns); i++) {
		struct view v = {0};
		AUTO(canvas) struct canvas c = {0};
		assert_true(canvas_init(&c, 24, 80, true, &e));
		m->jig.rotation = turns[i].rotation;
		screen_draw(screen_find("slots"), &c, m, &v);
		for (int s = 0; s < 3; s++) {
			int row = 0, col = 0;
			char name[8];
			snprintf(name, sizeof(name), "0%d", s + 1);
			assert_true(find_text(&c, name, &row, &col));
			assert_int_equal((row - SCREEN_TOP) / v.tray.height, turns[i].at[s][0]);
			assert_int_equal(col / v.tray.width, turns[i].at[s][1]);
		}
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
		cmocka_unit_test(lot_shows_yield_takt_failures_and_the_trend_over_the_shift),
		cmocka_unit_test(journal_shows_entries_newest_first),
		cmocka_unit_test(queue_shows_what_waits_and_what_went_aside),
		cmocka_unit_test(preflight_says_what_to_do),
		cmocka_unit_test(unit_shows_what_is_on_record_on_a_second_page_or_beside),
		cmocka_unit_test(screens_ask_the_line_for_what_they_show),
		cmocka_unit_test(journal_goes_back_page_by_page_and_forward_again),
		cmocka_unit_test(unit_screen_shows_all_fields_and_times),
		cmocka_unit_test(help_shows_every_word_with_its_sign),
		cmocka_unit_test(lost_line_is_said_and_the_old_state_stays),
		cmocka_unit_test(unfit_line_is_a_full_bar),
		cmocka_unit_test(hostile_texts_stay_in_their_places),
		cmocka_unit_test(hostile_units_people_and_factory_systems_stay_in_their_places),
		cmocka_unit_test(any_size_draws_without_leaving_the_canvas),
		cmocka_unit_test(a_jig_of_any_form_draws),
		cmocka_unit_test(no_slot_hides_another),
		cmocka_unit_test(slots_stand_as_the_operator_sees_the_turned_jig),
		cmocka_unit_test(every_verdict_has_its_own_word_and_its_own_sign),
		cmocka_unit_test(keys_lead_where_the_bar_says),
		cmocka_unit_test(tail_of_a_serial_keeps_its_last_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
