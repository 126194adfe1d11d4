/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at the line: every state against everything that a person may want to do, and what of it is on record. */
#include "station/shift/session.h"
#include "tests/station/floor.h"

struct room {
	struct floor *floor;
	struct session *s;
};

static int enter(void **state)
{
	struct room *r = calloc(1, sizeof(*r));
	r->floor = floor_new();
	floor_people(r->floor);
	*state = r;
	OK(session_open(&r->floor->line, &r->s, &e));
	return 0;
}

static int enter_open(void **state)
{
	struct room *r = calloc(1, sizeof(*r));
	r->floor = floor_new();
	*state = r;
	OK(session_open(&r->floor->line, &r->s, &e));
	return 0;
}

static int leave(void **state)
{
	struct room *r = *state;
	session_close(r->s);
	floor_free(r->floor);
	free(r);
	return 0;
}

static enum session_step badge(struct room *r, const char *code)
{
	enum session_step step;
	OK(session_badge(r->s, code, &step, &e));
	return step;
}

static bool pin_given(struct room *r, const char *digits, enum session_step *step, struct err *e)
{
	AUTO(bytes) struct bytes pin = {.secret = true};
	return bytes_add_text(&pin, digits, e) && session_pin(r->s, &pin, step, e);
}

static enum session_step pin(struct room *r)
{
	enum session_step step;
	OK(pin_given(r, PIN_OF, &step, &e));
	return step;
}

static void log_in(struct room *r, const char *code)
{
	assert_int_equal(badge(r, code), STEP_PIN_WANTED);
	assert_int_equal(pin(r), STEP_IN);
}

static void state_is(struct room *r, enum session_state expected)
{
	struct session_view v;
	session_look(r->s, &v);
	assert_string_equal(session_state_name(v.state), session_state_name(expected));
}

/* What everything is answered with; E_NONE: allowed, where the role may. */
static void answers(struct room *r, enum err_code expected, const enum role *role, const char *who)
{
	for (enum doing doing = 0; doing < DO_COUNT; doing++) {
		struct err e = {0};
		char person[PERSON_ID] = "?";
		enum err_code wanted = expected ? expected : role && !role_may(*role, doing) ? E_RIGHTS : E_NONE;
		assert_int_equal(session_may(r->s, doing, person, &e), wanted == E_NONE);
		assert_int_equal(e.code, wanted);
		assert_string_equal(person, who);
	}
}

static void every_state_answers_every_doing_as_its_table_says(void **state)
{
	struct room *r = *state;
	const struct { const char *badge; const struct person *person; } people[] = {
		{"BADGE-1", &r->floor->ana}, {"BADGE-3", &r->floor->lea}, {"BADGE-4", &r->floor->max}};
	state_is(r, SESSION_NOBODY);
	answers(r, E_NO_PERSON, NULL, "");
	for (size_t i = 0; i < COUNT_OF(people); i++) {
		const struct person *p = people[i].person;
		badge(r, people[i].badge);
		state_is(r, SESSION_WANTS_PIN);
		answers(r, E_NO_PERSON, NULL, "");
		assert_int_equal(pin(r), STEP_IN);
		state_is(r, SESSION_IN);
		answers(r, E_NONE, &p->role, p->id);
		badge(r, "BADGE-2");	/* another one, who has not given the PIN: nothing changes yet */
		state_is(r, SESSION_WANTS_PIN);
		answers(r, E_NONE, &p->role, p->id);
		session_forget(r->s);
		OK(session_leave(r->s, true, &e));
		state_is(r, SESSION_LOCKED);
		answers(r, E_SESSION_LOCKED, NULL, p->id);
		badge(r, people[i].badge);
		assert_int_equal(pin(r), STEP_UNLOCKED);
		answers(r, E_NONE, &p->role, p->id);
		OK(session_leave(r->s, false, &e));
		state_is(r, SESSION_NOBODY);
		char person[PERSON_ID];
		REFUSED(E_NO_PERSON, session_may(r->s, DO_WORK, person, &e));
	}
	REFUSED(E_NO_PERSON, session_leave(r->s, false, &e));
	REFUSED(E_NO_PERSON, session_leave(r->s, true, &e));
}

static void without_people_everybody_may_do_everything_under_no_name(void **state)
{
	struct room *r = *state;
	enum session_step step;
	state_is(r, SESSION_OPEN_TO_ALL);
	answers(r, E_NONE, NULL, "");
	REFUSED(E_SCAN, session_badge(r->s, "BADGE-1", &step, &e));
	REFUSED(E_SCAN, session_pin_digit(r->s, '1', &e));
	r->floor->config.people_idle_minutes = 0;
	usleep(2000);
	assert_false(session_tick(r->s, 0));
	answers(r, E_NONE, NULL, "");
}

static void pin_comes_by_cards_digit_after_digit(void **state)
{
	struct room *r = *state;
	struct session_view v;
	enum session_step step;
	REFUSED(E_SCAN, session_pin_digit(r->s, '2', &e));	/* nobody's PIN is wanted */
	badge(r, "BADGE-1");
	for (const char *p = PIN_OF; *p; p++)
		OK(session_pin_digit(r->s, *p, &e));
	session_look(r->s, &v);
	assert_int_equal(v.pin_digits, strlen(PIN_OF));
	REFUSED(E_PIN, session_pin_digit(r->s, 'x', &e));
	OK(session_pin_enter(r->s, &step, &e));
	assert_int_equal(step, STEP_IN);
	session_look(r->s, &v);
	assert_int_equal(v.pin_digits, 0);
}

static void digits_of_one_badge_are_none_of_the_next_ones(void **state)
{
	struct room *r = *state;
	enum session_step step;
	badge(r, "BADGE-1");
	for (const char *p = PIN_OF; *p; p++)
		OK(session_pin_digit(r->s, *p, &e));
	badge(r, "BADGE-3");
	REFUSED(E_PIN, session_pin_enter(r->s, &step, &e));
	state_is(r, SESSION_NOBODY);
	badge(r, "BADGE-1");
	for (int i = 0; i < PIN_MOST; i++)
		OK(session_pin_digit(r->s, '1', &e));
	REFUSED(E_PIN, session_pin_digit(r->s, '1', &e));	/* no thirteenth */
}

static void wrong_pin_leads_nowhere_and_five_lock_only_this_person(void **state)
{
	struct room *r = *state;
	enum session_step step;
	for (int i = 1; i <= PIN_TRIES; i++) {
		badge(r, "BADGE-1");
		REFUSED(i < PIN_TRIES ? E_PIN : E_PIN_LOCKED, pin_given(r, "000000", &step, &e));
		state_is(r, SESSION_NOBODY);
	}
	badge(r, "BADGE-1");
	REFUSED(E_PIN_LOCKED, pin_given(r, PIN_OF, &step, &e));
	log_in(r, "BADGE-2");
	REFUSED(E_SCAN, pin_given(r, PIN_OF, &step, &e));	/* it is not asked again */
	assert_int_equal(floor_entries(r->floor, "person.in", NULL), 1);
}

static void another_person_takes_over_and_both_are_on_record(void **state)
{
	struct room *r = *state;
	AUTO(json) json_t *in = NULL;
	AUTO(json) json_t *out = NULL;
	log_in(r, "BADGE-1");
	log_in(r, "BADGE-3");
	assert_int_equal(floor_entries(r->floor, "person.in", &in), 2);
	assert_int_equal(floor_entries(r->floor, "person.out", &out), 1);
	assert_string_equal(json_text_or(in, "person", ""), r->floor->lea.id);
	assert_string_equal(json_text_or(in, "role", ""), "lead");
	assert_string_equal(json_text_or(out, "person", ""), r->floor->ana.id);
}

static void locked_line_is_taken_over_by_another_person_too(void **state)
{
	struct room *r = *state;
	log_in(r, "BADGE-1");
	OK(session_leave(r->s, true, &e));
	assert_int_equal(floor_entries(r->floor, "person.locked", NULL), 1);
	log_in(r, "BADGE-2");
	answers(r, E_NONE, &r->floor->ben.role, r->floor->ben.id);
}

static void badge_alone_is_enough_for_an_operator_where_the_configuration_says_so(void **state)
{
	struct room *r = *state;
	r->floor->config.people_pin = false;
	assert_int_equal(badge(r, "BADGE-1"), STEP_IN);
	assert_int_equal(badge(r, "BADGE-3"), STEP_PIN_WANTED);
	assert_int_equal(badge(r, "BADGE-4"), STEP_PIN_WANTED);
}

static void person_without_a_pin_does_not_get_in_where_one_is_wanted(void **state)
{
	struct room *r = *state;
	struct person p;
	enum session_step step;
	const struct bytes none = {0};
	OK(people_add(r->floor->config.people_file, "Nora New", ROLE_LEAD, "BADGE-9", &none, &p, &e));
	REFUSED(E_PIN, session_badge(r->s, "BADGE-9", &step, &e));
	r->floor->config.people_pin = false;
	REFUSED(E_PIN, session_badge(r->s, "BADGE-9", &step, &e));	/* a lead needs one all the same */
	state_is(r, SESSION_NOBODY);
}

static void second_badge_is_another_persons_who_may_and_gives_the_pin(void **state)
{
	struct room *r = *state;
	enum session_step step;
	struct session_view v;
	AUTO(json) json_t *body = NULL;
	log_in(r, "BADGE-1");
	session_want_second(r->s, DO_OVERRIDE);
	REFUSED(E_TWO_PEOPLE, session_badge(r->s, "BADGE-1", &step, &e));
	REFUSED(E_RIGHTS, session_badge(r->s, "BADGE-2", &step, &e));
	REFUSED(E_RIGHTS, session_badge(r->s, "BADGE-4", &step, &e));
	REFUSED(E_BADGE, session_badge(r->s, "BADGE-7", &step, &e));
	badge(r, "BADGE-3");
	REFUSED(E_PIN, pin_given(r, "000000", &step, &e));
	session_look(r->s, &v);
	assert_true(v.wants_second);
	assert_string_equal(v.second, "");
	badge(r, "BADGE-3");
	assert_int_equal(pin(r), STEP_SECOND);
	session_look(r->s, &v);
	assert_false(v.wants_second);
	assert_string_equal(v.second, r->floor->lea.id);
	assert_string_equal(v.person.id, r->floor->ana.id);	/* who stays logged in */
	assert_int_equal(floor_entries(r->floor, "person.second", &body), 1);
	assert_string_equal(json_text_or(body, "person", ""), r->floor->lea.id);
	assert_string_equal(json_text_or(body, "beside", ""), r->floor->ana.id);
	assert_string_equal(json_text_or(body, "for", ""), doing_name(DO_OVERRIDE));
}

static void lead_who_is_in_cannot_be_the_second_one(void **state)
{
	struct room *r = *state;
	enum session_step step;
	log_in(r, "BADGE-3");
	session_want_second(r->s, DO_OVERRIDE);
	REFUSED(E_TWO_PEOPLE, session_badge(r->s, "BADGE-3", &step, &e));
	session_forget(r->s);
	log_in(r, "BADGE-1");	/* a badge is a login again */
}

static void idle_line_locks_once_but_never_while_a_unit_is_in_a_slot(void **state)
{
	struct room *r = *state;
	r->floor->config.people_idle_minutes = 0;	/* idle as soon as the clock has moved */
	assert_false(session_tick(r->s, 0));	/* nobody is in */
	log_in(r, "BADGE-1");
	session_want_second(r->s, DO_OVERRIDE);
	for (int i = 0; i < 5; i++) {
		usleep(2000);
		assert_false(session_tick(r->s, 1));
	}
	state_is(r, SESSION_IN);
	usleep(5000);
	assert_true(session_tick(r->s, 0));
	assert_false(session_tick(r->s, 0));
	state_is(r, SESSION_LOCKED);
	struct session_view v;
	session_look(r->s, &v);
	assert_false(v.wants_second);
	assert_int_equal(floor_entries(r->floor, "person.locked", NULL), 1);
}

static void line_that_moved_does_not_lock(void **state)
{
	struct room *r = *state;
	r->floor->config.people_idle_minutes = 1;
	log_in(r, "BADGE-1");
	session_moved(r->s);
	assert_false(session_tick(r->s, 0));
	state_is(r, SESSION_IN);
}

static void person_who_is_removed_meanwhile_does_not_come_back(void **state)
{
	struct room *r = *state;
	enum session_step step;
	log_in(r, "BADGE-1");
	badge(r, "BADGE-2");
	OK(people_remove(r->floor->config.people_file, r->floor->ben.id, &e));
	REFUSED(E_PIN, pin_given(r, PIN_OF, &step, &e));	/* badge scanned, removed, PIN typed */
	OK(session_leave(r->s, true, &e));
	OK(people_remove(r->floor->config.people_file, r->floor->ana.id, &e));
	REFUSED(E_BADGE, session_badge(r->s, "BADGE-1", &step, &e));
	state_is(r, SESSION_LOCKED);
}

static void person_who_is_removed_is_logged_out_also_in_the_middle_of_a_tray(void **state)
{
	struct room *r = *state;
	log_in(r, "BADGE-1");
	assert_false(session_tick(r->s, 3));
	OK(people_remove(r->floor->config.people_file, r->floor->ana.id, &e));
	assert_true(session_tick(r->s, 3));
	state_is(r, SESSION_NOBODY);
	assert_int_equal(floor_entries(r->floor, "person.out", NULL), 1);
	assert_false(session_tick(r->s, 3));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
	const struct CMUnitTest tests[] = {
		TEST(every_state_answers_every_doing_as_its_table_says),
		cmocka_unit_test_setup_teardown(without_people_everybody_may_do_everything_under_no_name, enter_open, leave),
		TEST(pin_comes_by_cards_digit_after_digit),
		TEST(digits_of_one_badge_are_none_of_the_next_ones),
		TEST(wrong_pin_leads_nowhere_and_five_lock_only_this_person),
		TEST(another_person_takes_over_and_both_are_on_record),
		TEST(locked_line_is_taken_over_by_another_person_too),
		TEST(badge_alone_is_enough_for_an_operator_where_the_configuration_says_so),
		TEST(person_without_a_pin_does_not_get_in_where_one_is_wanted),
		TEST(second_badge_is_another_persons_who_may_and_gives_the_pin),
		TEST(lead_who_is_in_cannot_be_the_second_one),
		TEST(idle_line_locks_once_but_never_while_a_unit_is_in_a_slot),
		TEST(line_that_moved_does_not_lock),
		TEST(person_who_is_removed_meanwhile_does_not_come_back),
		TEST(person_who_is_removed_is_logged_out_also_in_the_middle_of_a_tray),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
