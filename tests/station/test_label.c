/* SPDX-License-Identifier: Apache-2.0 */
/* Which label lies in which slot, whatever comes first: the scan, the unit, or another unit. */
#include "station/shift/label.h"
#include "tests/base/check.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOTS 8

struct floor {
	struct config config;
	struct labels *labels;
};

static int enter(void **state)
{
	struct floor *f = calloc(1, sizeof(*f));
	struct err e = {0};
	f->config.slot_count = SLOTS;
	*state = f;
	return labels_new(&f->config, &f->labels, &e) ? 0 : -1;
}

static int leave(void **state)
{
	struct floor *f = *state;
	labels_free(f->labels);
	free(f);
	return 0;
}

static struct labels *of(void **state)
{
	return ((struct floor *)*state)->labels;
}

static void takes(struct labels *l, size_t slot, enum label_source source, const char *expected)
{
	char got[LABEL] = "?";
	OK(labels_take(l, slot, source, got, &e));
	assert_string_equal(got, expected);
}

static void waits(struct labels *l, size_t slot, enum label_source source, enum err_code code)
{
	char got[LABEL] = "?";
	REFUSED(code, labels_take(l, slot, source, got, &e));
	assert_string_equal(got, "");
}

static const char *waiting(struct labels *l, struct labels_view *room)
{
	labels_look(l, room);
	return room->waiting;
}

/* ---- scan ---- */

static void unit_with_a_serial_number_needs_no_label(void **state)
{
	takes(of(state), 0, LABEL_SERIAL, "");
}

static void scanned_label_is_the_next_units(void **state)
{
	struct labels_view v;
	OK(labels_scan(of(state), "SN0001", &e));
	assert_string_equal(waiting(of(state), &v), "SN0001");
	takes(of(state), 3, LABEL_SCAN, "SN0001");
	assert_string_equal(waiting(of(state), &v), "");
	takes(of(state), 3, LABEL_SCAN, "SN0001");	/* asked again, as after another try */
	waits(of(state), 4, LABEL_SCAN, E_LABEL_WANTED);
}

static void unit_that_came_first_gets_the_label_that_is_scanned_then(void **state)
{
	struct labels_view v;
	waits(of(state), 2, LABEL_SCAN, E_LABEL_WANTED);
	OK(labels_scan(of(state), "SN0001", &e));
	assert_string_equal(waiting(of(state), &v), "");
	takes(of(state), 2, LABEL_SCAN, "SN0001");
	waits(of(state), 5, LABEL_SCAN, E_LABEL_WANTED);	/* nothing is left for another */
}

static void label_for_two_units_that_wait_is_refused(void **state)
{
	waits(of(state), 0, LABEL_SCAN, E_LABEL_WANTED);
	waits(of(state), 1, LABEL_SCAN, E_LABEL_WHICH);
	waits(of(state), 0, LABEL_SCAN, E_LABEL_WHICH);	/* both are told */
	REFUSED(E_LABEL_WHICH, labels_scan(of(state), "SN0001", &e));
	labels_release(of(state), 0, true);
	waits(of(state), 1, LABEL_SCAN, E_LABEL_WANTED);
	OK(labels_scan(of(state), "SN0001", &e));
	takes(of(state), 1, LABEL_SCAN, "SN0001");
}

static void second_label_before_the_firsts_unit_is_refused_until_it_is_forgotten(void **state)
{
	OK(labels_scan(of(state), "SN0001", &e));
	OK(labels_scan(of(state), "SN0001", &e));	/* the trigger, twice */
	REFUSED(E_LABEL_OPEN, labels_scan(of(state), "SN0002", &e));
	labels_forget(of(state));
	OK(labels_scan(of(state), "SN0002", &e));
	takes(of(state), 0, LABEL_SCAN, "SN0002");
}

static void label_that_stands_in_another_slot_is_refused(void **state)
{
	OK(labels_scan(of(state), "SN0001", &e));
	takes(of(state), 0, LABEL_SCAN, "SN0001");
	REFUSED(E_LABEL_TWICE, labels_scan(of(state), "SN0001", &e));
	labels_release(of(state), 0, false);
	OK(labels_scan(of(state), "SN0001", &e));
}

static void pulled_units_label_is_scanned_again(void **state)
{
	OK(labels_scan(of(state), "SN0001", &e));
	takes(of(state), 0, LABEL_SCAN, "SN0001");
	labels_release(of(state), 0, true);
	waits(of(state), 0, LABEL_SCAN, E_LABEL_WANTED);
	waits(of(state), 0, LABEL_TRAY, E_LABEL_WANTED);	/* nor did a tray say so */
}

static void label_of_no_length_or_too_much_is_refused(void **state)
{
	char longest[LABEL + 1];
	memset(longest, 'x', sizeof(longest));
	longest[LABEL] = '\0';
	REFUSED(E_LABEL, labels_scan(of(state), "", &e));
	REFUSED(E_LABEL, labels_scan(of(state), longest, &e));
	longest[LABEL - 1] = '\0';
	OK(labels_scan(of(state), longest, &e));
	takes(of(state), 0, LABEL_SCAN, longest);
}

/* ---- trays ---- */

static const char tray_of_three[3][LABEL] = {"SN0001", "", "SN0003"};

static void tray_says_what_lies_where(void **state)
{
	struct labels_view v;
	waits(of(state), 0, LABEL_TRAY, E_LABEL_WANTED);
	OK(labels_tray(of(state), "T-01", tray_of_three, 3, &e));
	labels_look(of(state), &v);
	assert_string_equal(v.tray, "T-01");
	takes(of(state), 2, LABEL_TRAY, "SN0003");
	takes(of(state), 0, LABEL_TRAY, "SN0001");
}

static void hole_in_the_tray_holds_the_unit_that_is_there(void **state)
{
	OK(labels_tray(of(state), "T-01", tray_of_three, 3, &e));
	waits(of(state), 1, LABEL_TRAY, E_TRAY_EMPTY);
	waits(of(state), 7, LABEL_TRAY, E_TRAY_EMPTY);	/* behind the last position */
}

static void position_of_a_unit_that_comes_again_keeps_its_label(void **state)
{
	OK(labels_tray(of(state), "T-01", tray_of_three, 3, &e));
	takes(of(state), 0, LABEL_TRAY, "SN0001");
	labels_release(of(state), 0, true);
	takes(of(state), 0, LABEL_TRAY, "SN0001");
	labels_release(of(state), 0, false);
	waits(of(state), 0, LABEL_TRAY, E_TRAY_EMPTY);
}

static void next_tray_is_for_the_units_that_come_then(void **state)
{
	static const char next[1][LABEL] = {"SN0011"};
	OK(labels_tray(of(state), "T-01", tray_of_three, 3, &e));
	takes(of(state), 0, LABEL_TRAY, "SN0001");
	OK(labels_tray(of(state), "T-02", next, 1, &e));
	takes(of(state), 0, LABEL_TRAY, "SN0001");	/* is still there */
	labels_release(of(state), 0, false);
	takes(of(state), 0, LABEL_TRAY, "SN0011");
	waits(of(state), 2, LABEL_TRAY, E_TRAY_EMPTY);
}

static void tray_that_is_scanned_twice_gives_each_label_once(void **state)
{
	OK(labels_tray(of(state), "T-01", tray_of_three, 3, &e));
	takes(of(state), 0, LABEL_TRAY, "SN0001");
	OK(labels_tray(of(state), "T-01", tray_of_three, 3, &e));
	takes(of(state), 0, LABEL_TRAY, "SN0001");
	labels_release(of(state), 0, false);
	waits(of(state), 0, LABEL_TRAY, E_TRAY_EMPTY);
	takes(of(state), 2, LABEL_TRAY, "SN0003");
}

static void label_twice_on_a_tray_or_on_two_is_refused(void **state)
{
	static const char twice[3][LABEL] = {"SN0001", "SN0002", "SN0001"}, moved[2][LABEL] = {"", "SN0001"};
	REFUSED(E_LABEL_TWICE, labels_tray(of(state), "T-01", twice, 3, &e));
	OK(labels_tray(of(state), "T-01", tray_of_three, 3, &e));
	takes(of(state), 0, LABEL_TRAY, "SN0001");
	REFUSED(E_LABEL_TWICE, labels_tray(of(state), "T-02", moved, 2, &e));
	takes(of(state), 2, LABEL_TRAY, "SN0003");	/* the tray before it still holds */
}

static void label_scanned_for_another_slot_is_not_given_by_a_tray(void **state)
{
	OK(labels_tray(of(state), "T-01", tray_of_three, 3, &e));
	OK(labels_scan(of(state), "SN0003", &e));
	takes(of(state), 5, LABEL_SCAN, "SN0003");
	waits(of(state), 2, LABEL_TRAY, E_LABEL_TWICE);
}

static void tray_larger_than_the_fixture_is_refused(void **state)
{
	static const char many[SLOTS + 1][LABEL] = {"a"};
	REFUSED(E_TRAY, labels_tray(of(state), "T-01", many, SLOTS + 1, &e));
}

/* ---- a tray's file ---- */

static bool reads(const char *text, const char *tray, char (*label)[LABEL], size_t *count, struct err *e)
{
	char dir[] = "/tmp/labels-XXXXXX", path[64];
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/T-01.json", dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	bool ok = labels_read_tray(dir, tray, label, count, e);
	unlink(path);
	rmdir(dir);
	return ok;
}

static void trays_file_is_read(void **state)
{
	char label[CONFIG_SLOTS_MAX][LABEL];
	size_t count = 0;
	OK(reads("{\"tray\":\"T-01\",\"positions\":[\"SN0001\",null,\"SN0003\"]}", "T-01", label, &count, &e));
	assert_int_equal(count, 3);
	assert_string_equal(label[0], "SN0001");
	assert_string_equal(label[1], "");
	assert_string_equal(label[2], "SN0003");
}

static void trays_file_that_is_not_of_the_form_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "[]", "{\"tray\":\"T-01\"}", "{\"tray\":\"T-02\",\"positions\":[\"a\"]}", "{\"tray\":\"T-01\",\"positions\":[]}",
		"{\"tray\":\"T-01\",\"positions\":[1]}", "{\"tray\":\"T-01\",\"positions\":[\"\"]}",
		"{\"tray\":\"T-01\",\"positions\":\"a\"}", "{\"tray\":\"T-01\",\"positions\":[\"a\"],\"more\":1}",
	};
	char label[CONFIG_SLOTS_MAX][LABEL];
	size_t count = 0;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		REFUSED(E_TRAY, reads(bad[i], "T-01", label, &count, &e));
}

static void tray_that_names_another_directory_is_refused(void **state)
{
	static const char *const names[] = {"../T-01", "/etc/passwd", "", ".", "..", ".T-01", "a/b", "T-01\n"};
	char label[CONFIG_SLOTS_MAX][LABEL];
	size_t count = 0;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		REFUSED(E_TRAY, reads("{\"tray\":\"T-01\",\"positions\":[\"a\"]}", names[i], label, &count, &e));
}

/* ---- many at once ---- */

#define ROUNDS 2000

struct racer {
	struct labels *labels;
	size_t slot;
	int got[ROUNDS];	/* by number of the label: how often this slot got it */
};

static void *race(void *arg)
{
	struct racer *r = arg;
	char label[LABEL];
	for (int i = 0; i < 4 * ROUNDS; i++) {
		struct err e = {0};
		if (!labels_take(r->labels, r->slot, LABEL_SCAN, label, &e))
			continue;
		r->got[atoi(label)]++;
		labels_release(r->labels, r->slot, false);
	}
	labels_release(r->labels, r->slot, true);
	return NULL;
}

static void no_label_goes_to_two_units_however_they_race(void **state)
{
	pthread_t thread[SLOTS];
	struct racer *racer = calloc(SLOTS, sizeof(*racer));
	char label[LABEL];
	int scanned = 0, taken = 0;
	for (size_t i = 0; i < SLOTS; i++) {
		racer[i].labels = of(state);
		racer[i].slot = i;
		assert_int_equal(pthread_create(&thread[i], NULL, race, &racer[i]), 0);
	}
	for (int i = 0; i < 100 * ROUNDS && scanned < ROUNDS; i++) {
		struct err e = {0};
		snprintf(label, sizeof(label), "%d", scanned);
		scanned += labels_scan(of(state), label, &e);
	}
	for (size_t i = 0; i < SLOTS; i++)
		pthread_join(thread[i], NULL);
	for (int n = 0; n < scanned; n++) {
		int owners = 0;
		for (size_t i = 0; i < SLOTS; i++)
			owners += racer[i].got[n];
		assert_in_range(owners, 0, 1);
		taken += owners;
	}
	/* One may still wait, and one may have gone to each unit that was pulled before it took it. */
	assert_in_range(scanned - taken, 0, SLOTS + 1);
	assert_true(scanned > 0);
	free(racer);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
	const struct CMUnitTest tests[] = {
		TEST(unit_with_a_serial_number_needs_no_label),
		TEST(scanned_label_is_the_next_units),
		TEST(unit_that_came_first_gets_the_label_that_is_scanned_then),
		TEST(label_for_two_units_that_wait_is_refused),
		TEST(second_label_before_the_firsts_unit_is_refused_until_it_is_forgotten),
		TEST(label_that_stands_in_another_slot_is_refused),
		TEST(pulled_units_label_is_scanned_again),
		TEST(label_of_no_length_or_too_much_is_refused),
		TEST(tray_says_what_lies_where),
		TEST(hole_in_the_tray_holds_the_unit_that_is_there),
		TEST(position_of_a_unit_that_comes_again_keeps_its_label),
		TEST(next_tray_is_for_the_units_that_come_then),
		TEST(tray_that_is_scanned_twice_gives_each_label_once),
		TEST(label_twice_on_a_tray_or_on_two_is_refused),
		TEST(label_scanned_for_another_slot_is_not_given_by_a_tray),
		TEST(tray_larger_than_the_fixture_is_refused),
		TEST(trays_file_is_read),
		TEST(trays_file_that_is_not_of_the_form_is_refused),
		TEST(tray_that_names_another_directory_is_refused),
		TEST(no_label_goes_to_two_units_however_they_race),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
