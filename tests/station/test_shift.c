/* SPDX-License-Identifier: Apache-2.0 */
/* What the line says to codes, whatever comes, in whichever order, from however many scanners. */
#include "station/shift/shift.h"
#include "station/shift/scan.h"
#include "station/slots.h"
#include "tests/station/floor.h"

#define BYTES 20000	/* codes of random bytes */
#define SCANS 400	/* per scanner */

static void nobody_hears(void *ctx, const struct slot_view *slot, const struct stray_view *stray)
{
	(void)ctx, (void)slot, (void)stray;
}

static void open_shift(struct floor *f)
{
	OK(shift_open(&f->line, &e));
	OK(slots_start(&f->line, nobody_hears, NULL, &f->line.slots, &e));
}

static int enter(void **state)
{
	struct floor *f = floor_new();
	*state = f;
	floor_people(f);
	open_shift(f);
	return 0;
}

static int enter_open(void **state)
{
	*state = floor_new();
	open_shift(*state);
	return 0;
}

static int leave(void **state)
{
	struct floor *f = *state;
	atomic_store(&f->line.stopping, true);
	slots_stop(f->line.slots);
	slots_free(f->line.slots);
	f->line.slots = NULL;
	shift_close(&f->line);
	floor_free(f);
	return 0;
}

/* ---- what is said ---- */

static bool has_form(const json_t *said)
{
	static const char *const texts[] = {"kind", "sentence", "code", "todo", "wants", "screen"};
	bool ok = said && json_object_size(said) == 7 && json_is_boolean(json_object_get(said, "good"));
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		ok = ok && json_is_string(json_object_get(said, texts[i]));
	return ok && *json_text_or(said, "sentence", "") && json_is_true(json_object_get(said, "good")) == !*json_text_or(said, "code", "");
}

/* The code is answered so: refused with this error, or taken; and this is wanted next. */
static void answered(struct floor *f, const char *code, enum err_code refusal, const char *wants)
{
	AUTO(json) json_t *said = shift_scan(&f->line, code);
	AUTO(json) json_t *shift = shift_json(&f->line);
	assert_true(has_form(said));
	if (strcmp(json_text_or(said, "code", "?"), refusal ? err_row(refusal)->code : "") != 0)
		fail_msg("%s: %s %s", code, json_text_or(said, "code", ""), json_text_or(said, "sentence", ""));
	assert_string_equal(json_text_or(said, "wants", "?"), wants);
	assert_string_equal(json_text_or(json_object_get(shift, "talk"), "wants", "?"), wants);
}

static void person_is(struct floor *f, const char *state, const char *id)
{
	AUTO(json) json_t *shift = shift_json(&f->line);
	const json_t *person = json_object_get(shift, "person");
	assert_string_equal(json_text_or(person, "state", ""), state);
	assert_string_equal(json_text_or(person, "id", "?"), id);
}

static void log_in(struct floor *f, const char *badge)
{
	char code[32];
	answered(f, badge, E_NONE, "pin");
	for (const char *p = PIN_OF; *p; p++) {
		snprintf(code, sizeof(code), "CMD:PIN:%c", *p);
		answered(f, code, E_NONE, "pin");
	}
	answered(f, "CMD:PIN-OK", E_NONE, "");
}

static void write_order(struct floor *f, const char *id)
{
	char path[PATH_MAX], text[256];
	snprintf(path, sizeof(path), "%.2000s/%.80s.json", f->config.orders_dir, id);
	int n = snprintf(text, sizeof(text), "{\"order\":\"%s\",\"product\":\"gw\",\"profile\":\"gateway\",\"count\":9}", id);
	OK(file_write_atomic(path, text, (size_t)n, 0600, &e));
}

/* ---- who may scan what ---- */

static void nothing_but_badges_pins_and_screens_is_taken_while_nobody_is_in(void **state)
{
	struct floor *f = *state;
	static const char *const codes[] = {"SN0001", "ORDER:WO-1", "TRAY:T-1", "CMD:HOLD", "CMD:SLOT:01", "CMD:OVERRIDE", "CMD:CLOSE-LOT",
					    "CMD:YES", "CMD:LOCK", "CMD:LEAVE"};
	write_order(f, "WO-1");
	for (size_t i = 0; i < COUNT_OF(codes); i++)
		answered(f, codes[i], E_NO_PERSON, "");
	answered(f, "CMD:SCREEN:LOT", E_NONE, "");
	answered(f, "CMD:NO", E_NONE, "");
	answered(f, "CMD:PIN:1", E_SCAN, "");
	answered(f, "BADGE:NOBODYS", E_BADGE, "");
	log_in(f, "BADGE:BADGE-1");
	person_is(f, "in", f->ana.id);
	answered(f, "SN0001", E_NONE, "");
	answered(f, "CMD:LOCK", E_NONE, "");
	person_is(f, "locked", f->ana.id);
	for (size_t i = 0; i < COUNT_OF(codes); i++)
		answered(f, codes[i], E_SESSION_LOCKED, "");
	answered(f, "CMD:NO", E_NONE, "");
	AUTO(json) json_t *shift = shift_json(&f->line);
	assert_string_equal(json_text_or(shift, "label", ""), "SN0001");	/* a stranger's NO forgets nothing */
	log_in(f, "BADGE:BADGE-1");
	answered(f, "CMD:LEAVE", E_NONE, "");
	person_is(f, "nobody", "");
}

static void typed_pin_is_as_good_as_the_cards(void **state)
{
	struct floor *f = *state;
	AUTO(bytes) struct bytes pin = {.secret = true};
	OK(bytes_add_text(&pin, PIN_OF, &e));
	AUTO(json) json_t *unasked = shift_pin(&f->line, &pin);
	assert_string_equal(json_text_or(unasked, "code", ""), err_row(E_SCAN)->code);
	answered(f, "BADGE:BADGE-3", E_NONE, "pin");
	AUTO(json) json_t *said = shift_pin(&f->line, &pin);
	assert_true(has_form(said));
	assert_string_equal(json_text_or(said, "kind", ""), "pin");
	person_is(f, "in", f->lea.id);
}

static void pin_that_comes_as_a_code_is_the_pin_and_no_label(void **state)
{
	struct floor *f = *state;
	answered(f, "BADGE:BADGE-3", E_NONE, "pin");
	AUTO(json) json_t *said = shift_scan(&f->line, PIN_OF);
	assert_true(has_form(said));
	assert_string_equal(json_text_or(said, "kind", ""), "pin");
	assert_null(strstr(json_text_or(said, "sentence", PIN_OF), PIN_OF));
	person_is(f, "in", f->lea.id);
	AUTO(json) json_t *shift = shift_json(&f->line);
	assert_string_equal(json_text_or(shift, "label", "?"), "");
	answered(f, "CMD:HOLD", E_NONE, "slot");
	answered(f, "BADGE:BADGE-2", E_NONE, "pin");	/* somebody is in: a unit's label would be taken */
	AUTO(json) json_t *wrong = shift_scan(&f->line, "90909");
	assert_string_equal(json_text_or(wrong, "code", ""), err_row(E_PIN)->code);
	AUTO(json) json_t *after = shift_json(&f->line);
	assert_string_equal(json_text_or(after, "label", "?"), "");
	assert_null(strstr(json_text_or(json_object_get(after, "talk"), "sentence", "90909"), "90909"));
}

/* ---- what waits ---- */

static void what_was_wanted_stays_wanted_while_other_codes_do_what_they_say(void **state)
{
	struct floor *f = *state;
	log_in(f, "BADGE:BADGE-1");
	answered(f, "CMD:HOLD", E_NONE, "slot");
	answered(f, "SN0001", E_NONE, "slot");
	answered(f, "CMD:YES", E_SCAN, "");	/* an answer to nothing that was asked */
	answered(f, "CMD:HOLD", E_NONE, "slot");
	answered(f, "CMD:SLOT:99", E_SLOT_NAME, "slot");	/* there is no such slot: scan the right one */
	answered(f, "CMD:SLOT:01", E_SLOT_NAME, "");	/* there is nothing to hold */
	answered(f, "CMD:SLOT:01", E_SCAN, "");
	answered(f, "CMD:HOLD", E_NONE, "slot");
	answered(f, "CMD:OVERRIDE", E_NONE, "slot");
	answered(f, "CMD:NO", E_NONE, "");
	answered(f, "CMD:SLOT:01", E_SCAN, "");
	answered(f, "CMD:HOLD", E_NONE, "slot");
	answered(f, "BADGE:BADGE-2", E_NONE, "pin");
	answered(f, "SN0002", E_NONE, "pin");	/* SN0001 was forgotten by NO; who is in goes on working */
	answered(f, "CMD:NO", E_NONE, "");
	person_is(f, "in", f->ana.id);
}

static void next_person_does_not_inherit_what_waited(void **state)
{
	struct floor *f = *state;
	log_in(f, "BADGE:BADGE-3");
	write_order(f, "WO-1");
	answered(f, "ORDER:WO-1", E_NONE, "");
	answered(f, "CMD:CLOSE-LOT", E_NONE, "confirm");
	log_in(f, "BADGE:BADGE-1");
	answered(f, "CMD:YES", E_SCAN, "");
	answered(f, "CMD:HOLD", E_NONE, "slot");
	f->config.people_idle_minutes = 0;
	usleep(2000);
	assert_true(shift_tick(&f->line, 0));
	f->config.people_idle_minutes = 15;
	log_in(f, "BADGE:BADGE-1");
	answered(f, "CMD:SLOT:01", E_SCAN, "");
}

static void lot_that_was_opened_meanwhile_is_not_closed_by_yes(void **state)
{
	struct floor *f = *state;
	struct lot_view lot;
	write_order(f, "WO-1");
	write_order(f, "WO-2");
	log_in(f, "BADGE:BADGE-1");
	answered(f, "ORDER:NOTHING", E_ORDER, "");
	answered(f, "ORDER:../people", E_ORDER, "");
	answered(f, "ORDER:WO-1", E_NONE, "");
	answered(f, "CMD:CLOSE-LOT", E_RIGHTS, "");	/* an operator */
	log_in(f, "BADGE:BADGE-3");
	answered(f, "CMD:CLOSE-LOT", E_NONE, "confirm");
	answered(f, "ORDER:WO-2", E_NONE, "confirm");
	answered(f, "CMD:YES", E_SCAN, "");
	OK(lot_look(&f->line, &lot, &e));
	assert_string_equal(lot.id, "WO-2");
	assert_int_equal(floor_entries(f, "lot.closed", NULL), 0);
}

static void close_without_a_lot_is_refused(void **state)
{
	log_in(*state, "BADGE:BADGE-3");
	answered(*state, "CMD:CLOSE-LOT", E_NO_LOT, "");
}

/* ---- the ticket ---- */

static void what_is_missing_is_said_in_the_order_person_lot_label(void **state)
{
	struct floor *f = *state;
	struct ticket t;
	const struct config_slot *slot = &f->config.slot[1];
	f->config.lot_required = true;
	write_order(f, "WO-1");
	REFUSED(E_NO_PERSON, shift_ticket(&f->line, slot, &t, &e));
	log_in(f, "BADGE:BADGE-1");
	REFUSED(E_NO_LOT, shift_ticket(&f->line, slot, &t, &e));
	answered(f, "ORDER:WO-1", E_NONE, "");
	REFUSED(E_LABEL_WANTED, shift_ticket(&f->line, slot, &t, &e));
	answered(f, "CMD:LOCK", E_NONE, "");
	REFUSED(E_SESSION_LOCKED, shift_ticket(&f->line, slot, &t, &e));
	log_in(f, "BADGE:BADGE-1");
	answered(f, "SN0001", E_NONE, "");
	OK(shift_ticket(&f->line, slot, &t, &e));
	assert_string_equal(t.person, f->ana.id);
	assert_string_equal(t.lot, "WO-1");
	assert_string_equal(t.label, "SN0001");
	assert_int_equal(t.profile, 0);
	assert_false(t.override);
}

static void all_slots_work_under_the_open_lots_profile(void **state)
{
	struct floor *f = *state;
	struct ticket t;
	snprintf(f->config.profile[1].name, sizeof(f->config.profile[1].name), "sensor");
	f->config.profile_count = 2;
	f->config.slot[0].profile = 1;
	log_in(f, "BADGE:BADGE-1");
	OK(shift_ticket(&f->line, &f->config.slot[0], &t, &e));
	assert_int_equal(t.profile, 1);
	write_order(f, "WO-1");
	answered(f, "ORDER:WO-1", E_NONE, "");
	answered(f, "SN0001", E_NONE, "");
	OK(shift_ticket(&f->line, &f->config.slot[0], &t, &e));
	assert_int_equal(t.profile, 0);
}

static void line_without_a_shift_gives_its_slots_profile(void **state)
{
	struct ticket t;
	struct config c = {.slot_count = 1, .slot[0].profile = 3};
	struct line l = {.config = &c};
	(void)state;
	OK(shift_ticket(&l, &c.slot[0], &t, &e));
	assert_int_equal(t.profile, 3);
	assert_false(shift_overrides(&l, "SN0001"));
	assert_false(shift_tick(&l, 0));
}

/* ---- a second badge ---- */

/* As after OVERRIDE and a slot whose unit the MES holds. */
static void ask_release(struct floor *f, const char *serial)
{
	struct shift_pending *p = &f->line.shift->pending;
	*p = (struct shift_pending){.command = "OVERRIDE", .slot = "01"};
	snprintf(p->serial, sizeof(p->serial), "%s", serial);
	snprintf(p->code, sizeof(p->code), "%s", err_row(E_MES_HOLD)->code);
	session_want_second(f->line.shift->session, DO_OVERRIDE);
}

static void lead_releases_one_unit_and_nobody_else_does(void **state)
{
	struct floor *f = *state;
	AUTO(json) json_t *body = NULL;
	log_in(f, "BADGE:BADGE-1");
	ask_release(f, "SN0001");
	answered(f, "BADGE:BADGE-1", E_TWO_PEOPLE, "second badge");
	answered(f, "BADGE:BADGE-2", E_RIGHTS, "second badge");
	answered(f, "BADGE:BADGE-3", E_NONE, "pin");
	answered(f, "CMD:PIN:9", E_NONE, "pin");
	answered(f, "CMD:PIN-OK", E_PIN, "second badge");
	assert_false(shift_overrides(&f->line, "SN0001"));
	assert_int_equal(floor_entries(f, "person.override", NULL), 0);
	log_in(f, "BADGE:BADGE-3");
	assert_true(shift_overrides(&f->line, "SN0001"));
	assert_true(shift_overrides(&f->line, "SN0001"));	/* pulled, and plugged in again */
	assert_false(shift_overrides(&f->line, "SN0002"));
	assert_false(shift_overrides(&f->line, ""));
	person_is(f, "in", f->ana.id);
	assert_int_equal(floor_entries(f, "person.override", &body), 1);
	assert_string_equal(json_text_or(body, "serial", ""), "SN0001");
	assert_string_equal(json_text_or(body, "slot", ""), "01");
	assert_string_equal(json_text_or(body, "reason", ""), "E-MES-003");
	assert_string_equal(json_text_or(body, "person", ""), f->lea.id);
	f->line.shift->release[0].until_ms = 0;
	assert_false(shift_overrides(&f->line, "SN0001"));
}

static void more_releases_than_places_forget_the_oldest(void **state)
{
	struct floor *f = *state;
	char serial[16];
	for (int i = 0; i < CONFIG_SLOTS_MAX; i++) {
		snprintf(f->line.shift->release[i].serial, sizeof(f->line.shift->release[i].serial), "OLD%02d", i);
		f->line.shift->release[i].until_ms = INT64_MAX - (i == 7);
	}
	log_in(f, "BADGE:BADGE-1");
	ask_release(f, "SN0001");
	log_in(f, "BADGE:BADGE-3");
	assert_true(shift_overrides(&f->line, "SN0001"));
	for (int i = 0; i < CONFIG_SLOTS_MAX; i++) {
		snprintf(serial, sizeof(serial), "OLD%02d", i);
		assert_int_equal(shift_overrides(&f->line, serial), i != 7);
	}
}

static void unit_that_the_mes_does_not_hold_cannot_be_released(void **state)
{
	struct floor *f = *state;
	log_in(f, "BADGE:BADGE-3");
	answered(f, "CMD:OVERRIDE", E_NONE, "slot");
	answered(f, "CMD:SLOT:01", E_NOT_HELD, "slot");
	answered(f, "CMD:NO", E_NONE, "");
}

static void no_never_releases(void **state)
{
	struct floor *f = *state;
	log_in(f, "BADGE:BADGE-1");
	ask_release(f, "SN0001");
	answered(f, "CMD:NO", E_NONE, "");
	log_in(f, "BADGE:BADGE-3");	/* just a login now */
	person_is(f, "in", f->lea.id);
	assert_false(shift_overrides(&f->line, "SN0001"));
}

/* ---- whatever comes ---- */

static uint32_t draw(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static void random_bytes_are_answered_and_change_nothing(void **state)
{
	struct floor *f = *state;
	static const char *const words[] = {"", "CMD:", "BADGE:", "ORDER:", "TRAY:", "CMD:PIN:", "CMD:SLOT:", "CMD:SCREEN:"};
	uint32_t seed = 4711;
	char code[SCAN_MAX + 16];
	write_order(f, "WO-1");
	for (int i = 0; i < BYTES; i++) {
		const char *word = words[draw(&seed) % COUNT_OF(words)];
		size_t n = (size_t)snprintf(code, sizeof(code), "%s", word), end = draw(&seed) % sizeof(code);
		bool plain = draw(&seed) % 2;
		while (n < end && n < sizeof(code) - 1)
			code[n++] = (char)(plain ? ' ' + draw(&seed) % 95 : 1 + draw(&seed) % 255);
		code[n] = '\0';
		AUTO(json) json_t *said = shift_scan(&f->line, code);
		assert_true(has_form(said));
	}
	person_is(f, "nobody", "");
	AUTO(json) json_t *shift = shift_json(&f->line);
	assert_true(json_is_null(json_object_get(shift, "lot")));
	assert_string_equal(json_text_or(shift, "label", "?"), "");
}

static void hostile_codes_are_refused_and_not_repeated(void **state)
{
	struct floor *f = *state;
	static char long_one[10001];
	memset(long_one, 'A', sizeof(long_one) - 1);
	static const char *const codes[] = {"", "\x1b[2J\x1b]0;x\a", "SN\r\nCMD:YES", "CMD:", "CMD:SLOT:", "CMD:PIN:12", "CMD:PIN:x", "CMD:screen:lot",
		"CMD:SCREEN:NOTHING", "CMD:LOCKED", "CMD:LOC", "ORDER:../../etc/passwd", "ORDER:/etc/passwd", "TRAY:../people", "TRAY:%s%n",
		"BADGE:' OR 1=1 --", "\xff\xfe\xfd", long_one};
	log_in(f, "BADGE:BADGE-1");
	for (size_t i = 0; i < COUNT_OF(codes); i++) {
		AUTO(json) json_t *said = shift_scan(&f->line, codes[i]);
		assert_true(has_form(said));
		if (i && !strcmp(codes[i], "CMD:"))
			continue;	/* it looks like a unit's label, and may be one */
		assert_false(json_is_true(json_object_get(said, "good")));
		assert_true(i == 0 || !strstr(json_text_or(said, "sentence", ""), codes[i]));
	}
	person_is(f, "in", f->ana.id);
}

struct scanner {
	struct floor *f;
	const char *name;
	unsigned taken, others;	/* answers that are another's */
};

/* Scans labels of its own, and NO whenever one waits. */
static void *scan_labels(void *arg)
{
	struct scanner *s = arg;
	char code[32];
	for (int i = 0; i < SCANS; i++) {
		snprintf(code, sizeof(code), "%s-%04d", s->name, i);
		AUTO(json) json_t *said = shift_scan(&s->f->line, code);
		bool good = json_is_true(json_object_get(said, "good"));
		s->taken += good;
		s->others += !has_form(said) || (good && strncmp(json_text_or(said, "sentence", ""), code, strlen(code)) != 0);
		AUTO(json) json_t *forgotten = shift_scan(&s->f->line, "CMD:NO");
		AUTO(json) json_t *shift = shift_json(&s->f->line);
		s->others += strcmp(json_text_or(forgotten, "kind", ""), "command") != 0 || !has_form(forgotten) || !shift;
	}
	return NULL;
}

static void two_scanners_at_once_get_their_own_answers(void **state)
{
	struct floor *f = *state;
	struct scanner two[] = {{.f = f, .name = "LEFT"}, {.f = f, .name = "RIGHT"}};
	pthread_t thread[2];
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, scan_labels, &two[i]), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(two[i].others, 0);
		assert_true(two[i].taken > 0);
	}
}

static void each_answer_has_a_time_of_its_own(void **state)
{
	struct floor *f = *state;
	int64_t last = 0;
	for (int i = 0; i < 100; i++) {
		json_decref(shift_scan(&f->line, "CMD:NO"));
		AUTO(json) json_t *shift = shift_json(&f->line);
		int64_t now = json_int_or(json_object_get(shift, "talk"), "at_ms", 0);
		assert_true(now > last);
		last = now;
	}
}

static void each_screen_of_a_card_is_asked_for_in_the_consoles_words(void **state)
{
	char code[32];
	for (const char *const *s = scan_screens; *s; s++) {
		snprintf(code, sizeof(code), "CMD:SCREEN:%s", *s);
		AUTO(json) json_t *said = shift_scan(&((struct floor *)*state)->line, code);
		assert_string_equal(json_text_or(said, "code", "?"), "");
		assert_int_equal(strcasecmp(json_text_or(said, "screen", ""), *s), 0);
		assert_int_not_equal(strcmp(json_text_or(said, "screen", ""), *s), 0);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
#define OPEN_TEST(name) cmocka_unit_test_setup_teardown(name, enter_open, leave)
	const struct CMUnitTest tests[] = {
		TEST(nothing_but_badges_pins_and_screens_is_taken_while_nobody_is_in),
		TEST(typed_pin_is_as_good_as_the_cards),
		TEST(pin_that_comes_as_a_code_is_the_pin_and_no_label),
		TEST(what_was_wanted_stays_wanted_while_other_codes_do_what_they_say),
		TEST(next_person_does_not_inherit_what_waited),
		TEST(lot_that_was_opened_meanwhile_is_not_closed_by_yes),
		TEST(close_without_a_lot_is_refused),
		TEST(what_is_missing_is_said_in_the_order_person_lot_label),
		TEST(all_slots_work_under_the_open_lots_profile),
		cmocka_unit_test(line_without_a_shift_gives_its_slots_profile),
		TEST(lead_releases_one_unit_and_nobody_else_does),
		TEST(more_releases_than_places_forget_the_oldest),
		TEST(unit_that_the_mes_does_not_hold_cannot_be_released),
		TEST(no_never_releases),
		TEST(random_bytes_are_answered_and_change_nothing),
		TEST(hostile_codes_are_refused_and_not_repeated),
		OPEN_TEST(two_scanners_at_once_get_their_own_answers),
		OPEN_TEST(each_answer_has_a_time_of_its_own),
		OPEN_TEST(each_screen_of_a_card_is_asked_for_in_the_consoles_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
