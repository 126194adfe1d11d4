/* SPDX-License-Identifier: Apache-2.0 */
#include "station/shift/people.h"
#include "station/base/file.h"
#include "station/shift/pin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define OK(call) do { struct err e = {0}; if (!(call)) fail_msg("%s: %s", err_row(e.code)->code, e.what); } while (0)
#define REFUSED(expected, call) do { struct err e = {0}; assert_false(call); assert_int_equal(e.code, expected); } while (0)

static char path[64];
static struct people *people;

static struct bytes pin_of(const char *digits)
{
	struct bytes pin = {.secret = true};
	OK(bytes_add_text(&pin, digits, &e));
	return pin;
}

static struct person add(const char *name, enum role role, const char *badge, const char *digits)
{
	struct person person;
	AUTO(bytes) struct bytes pin = pin_of(digits);
	OK(people_add(path, name, role, badge, &pin, &person, &e));
	return person;
}

static int setup(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/tmp/test_people.%d", (int)getpid());
	OK(people_create(path, &e));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	people_close(people);
	people = NULL;
	unlink(path);
	return 0;
}

static void badge_leads_to_its_person_and_no_other(void **state)
{
	(void)state;
	struct person got;
	bool has_pin;
	const struct person ana = add("Ana", ROLE_OPERATOR, "0417", "2580"), lea = add("Lea", ROLE_LEAD, "0099", "");
	OK(people_open(path, &people, &e));
	OK(people_by_badge(people, "0417", &got, &has_pin, &e));
	assert_string_equal(got.id, ana.id);
	assert_true(has_pin);
	OK(people_by_badge(people, "0099", &got, &has_pin, &e));
	assert_string_equal(got.id, lea.id);
	assert_int_equal(got.role, ROLE_LEAD);
	assert_false(has_pin);
	REFUSED(E_BADGE, people_by_badge(people, "041", &got, &has_pin, &e));
	REFUSED(E_BADGE, people_by_badge(people, "", &got, &has_pin, &e));
}

static void file_holds_neither_badge_nor_pin(void **state)
{
	(void)state;
	AUTO(bytes) struct bytes text = {0};
	struct stat st;
	add("Ana", ROLE_OPERATOR, "BADGE-0417-X", "258036");
	OK(file_read(path, &text, &e));
	assert_null(strstr(bytes_text(&text), "BADGE-0417-X"));
	assert_null(strstr(bytes_text(&text), "258036"));
	assert_non_null(strstr(bytes_text(&text), "$argon2id$"));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void person_who_is_removed_keeps_the_pseudonym_and_loses_the_badge(void **state)
{
	(void)state;
	struct person got;
	bool has_pin;
	const struct person ana = add("Ana", ROLE_OPERATOR, "0417", "2580");
	OK(people_open(path, &people, &e));
	OK(people_remove(path, ana.id, &e));
	REFUSED(E_BADGE, people_by_badge(people, "0417", &got, &has_pin, &e));
	add("Ben", ROLE_OPERATOR, "0417", "1111");	/* the card is given to another */
	OK(people_by_badge(people, "0417", &got, &has_pin, &e));
	assert_string_not_equal(got.id, ana.id);
	REFUSED(E_USAGE, people_remove(path, "p-nobody", &e));
}

static void badge_belongs_to_one_person(void **state)
{
	(void)state;
	struct person person;
	AUTO(bytes) struct bytes pin = pin_of("1234");
	add("Ana", ROLE_OPERATOR, "0417", "2580");
	REFUSED(E_BADGE, people_add(path, "Ben", ROLE_LEAD, "0417", &pin, &person, &e));
}

static void wrong_pins_lock_and_a_right_one_does_not_open_the_lock(void **state)
{
	(void)state;
	const struct person ana = add("Ana", ROLE_OPERATOR, "0417", "2580"), ben = add("Ben", ROLE_OPERATOR, "0418", "1357");
	AUTO(bytes) struct bytes right = pin_of("2580"), wrong = pin_of("2581"), other = pin_of("1357");
	OK(people_open(path, &people, &e));
	OK(people_check_pin(people, ana.id, &right, &e));
	for (int i = 1; i < PIN_TRIES; i++)
		REFUSED(E_PIN, people_check_pin(people, ana.id, &wrong, &e));
	REFUSED(E_PIN_LOCKED, people_check_pin(people, ana.id, &wrong, &e));
	REFUSED(E_PIN_LOCKED, people_check_pin(people, ana.id, &right, &e));
	OK(people_check_pin(people, ben.id, &other, &e));
}

static void what_is_no_pin_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"123", "1234567890123", "12a4", "12 4"};
	char hash[PIN_HASH];
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		AUTO(bytes) struct bytes pin = pin_of(bad[i]);
		REFUSED(E_PIN, pin_hash(&pin, hash, &e));
		assert_false(pin_fits(&pin, "$argon2id$v=19$m=65536,t=2,p=1$AAAA$AAAA"));
	}
}

static void file_that_others_can_read_is_refused(void **state)
{
	(void)state;
	assert_int_equal(chmod(path, 0640), 0);
	REFUSED(E_SECRET, people_open(path, &people, &e));
}

static void file_of_another_form_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"", "[]", "{}", "{\"version\":2,\"badge_key\":\"00\",\"people\":[]}",
		"{\"version\":1,\"badge_key\":\"" "0000000000000000000000000000000000000000000000000000000000000000" "\",\"people\":[{\"id\":\"p-1\"}]}",
	};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		OK(file_write_atomic(path, bad[i], strlen(bad[i]), 0600, &e));
		REFUSED(E_PEOPLE, people_open(path, &people, &e));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(badge_leads_to_its_person_and_no_other, setup, teardown),
		cmocka_unit_test_setup_teardown(file_holds_neither_badge_nor_pin, setup, teardown),
		cmocka_unit_test_setup_teardown(person_who_is_removed_keeps_the_pseudonym_and_loses_the_badge, setup, teardown),
		cmocka_unit_test_setup_teardown(badge_belongs_to_one_person, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_pins_lock_and_a_right_one_does_not_open_the_lock, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_pin_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(file_that_others_can_read_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(file_of_another_form_is_refused, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
