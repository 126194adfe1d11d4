/* SPDX-License-Identifier: Apache-2.0 */
/* The one headline of the tray over every combination of what four slots, the shift and the line can be. */
#include "tests/ui/scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SLOTS 4

enum kind { EMPTY, WORKS, RETRIES, BADGE, LOT, LABEL, TRAY, MES, CLOUD, PASS, BUILT, HOLD, FAIL, KINDS };

static const struct model_slot slots[KINDS] = {
	[EMPTY] = {.state = SLOT_EMPTY, .safe_to_remove = true},
	[WORKS] = {.state = SLOT_WORKING},
	[RETRIES] = {.state = SLOT_WAITING, .try = 1, .tries = 3, .next_try_ms = 5000},
	[BADGE] = {.state = SLOT_WAITING, .safe_to_remove = true, .waits_for = "badge"},
	[LOT] = {.state = SLOT_WAITING, .safe_to_remove = true, .waits_for = "lot"},
	[LABEL] = {.state = SLOT_WAITING, .safe_to_remove = true, .waits_for = "label"},
	[TRAY] = {.state = SLOT_WAITING, .safe_to_remove = true, .waits_for = "tray"},
	[MES] = {.state = SLOT_WAITING, .safe_to_remove = true, .waits_for = "mes"},
	[CLOUD] = {.state = SLOT_WAITING, .safe_to_remove = true, .waits_for = "outbox"},
	[PASS] = {.state = SLOT_DONE, .safe_to_remove = true, .verdict = SLOT_PASS},
	[BUILT] = {.state = SLOT_DONE, .safe_to_remove = true, .verdict = SLOT_BUILT},
	[HOLD] = {.state = SLOT_DONE, .safe_to_remove = true, .verdict = SLOT_HOLD},
	[FAIL] = {.state = SLOT_DONE, .safe_to_remove = true, .verdict = SLOT_FAIL},
};

/* How many slots are of each kind. */
struct tally {
	int of[KINDS];
	int works, by_person, by_itself, done;
};

static struct tally fill(struct model *m, const enum kind *kinds)
{
	struct tally t = {0};
	for (size_t i = 0; i < SLOTS; i++) {
		m->slot[i] = slots[kinds[i]];
		snprintf(m->slot[i].name, sizeof(m->slot[i].name), "0%zu", i + 1);
		t.of[kinds[i]]++;
	}
	t.works = t.of[WORKS] + t.of[RETRIES];
	t.by_person = t.of[BADGE] + t.of[LOT] + t.of[LABEL] + t.of[TRAY];
	t.by_itself = t.of[MES] + t.of[CLOUD];
	t.done = t.of[PASS] + t.of[BUILT] + t.of[HOLD] + t.of[FAIL];
	return t;
}

static bool has(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

static enum headline_kind expected(const struct model *m, const struct tally *t)
{
	bool free_line = !strcmp(m->shift.state, "in") || !strcmp(m->shift.state, "open");
	if (!m->reachable)
		return HEADLINE_LOST;
	if (t->works)
		return HEADLINE_HANDS_OFF;
	if (!strcmp(m->state, "unfit"))
		return HEADLINE_UNFIT;
	if (t->by_person)
		return HEADLINE_WANTED;
	if (t->by_itself)
		return HEADLINE_BUSY;
	if (t->done)
		return HEADLINE_PULL;
	return free_line || !strcmp(m->state, "stopping") ? HEADLINE_READY : HEADLINE_WANTED;
}

/* What a hand may do follows from the words alone. */
static void check_words(const char *text, enum headline_kind kind, const struct model *m, const struct tally *t)
{
	bool hands_off = !strncmp(text, "DO NOT PULL: ", 13), pull = !strncmp(text, "PULL:", 5);
	char part[40];
	assert_int_equal(hands_off, kind == HEADLINE_HANDS_OFF);
	assert_int_equal(pull, kind == HEADLINE_PULL);
	assert_int_equal(has(text, "THE LINE IS NOT FIT"), kind == HEADLINE_UNFIT);
	assert_int_equal(has(text, "NOT REACHABLE"), kind == HEADLINE_LOST);
	if (hands_off && t->works > 1) {
		snprintf(part, sizeof(part), "%d left", t->works);
		assert_true(has(text, part));
	}
	if (hands_off && !t->by_person)
		assert_int_equal(has(text, "scan HOLD"), t->of[RETRIES] > 0);
	if (hands_off || kind == HEADLINE_WANTED)
		assert_int_equal(t->by_person > 0 && !has(text, "SCAN") && !has(text, "TAKE OUT"), 0);
	if (pull) {
		snprintf(part, sizeof(part), "%d good", t->of[PASS]);
		assert_int_equal(has(text, part), t->of[PASS] > 0);
		assert_int_equal(has(text, "red bin"), t->of[FAIL] > 0);
		assert_int_equal(has(text, "hold bin"), t->of[HOLD] > 0);
		assert_int_equal(has(text, "keep apart"), t->of[BUILT] > 0);
	}
	for (size_t i = 0; i < SLOTS; i++) {	/* a slot that a hand must leave, or that goes elsewhere, is named */
		const struct model_slot *s = &m->slot[i];
		bool odd = s->state == SLOT_DONE && s->verdict != SLOT_PASS;
		snprintf(part, sizeof(part), " %s", s->name);
		if ((hands_off && slot_must_stay(s)) || (pull && odd))
			assert_true(has(text, part));
		if (pull && s->state == SLOT_DONE && s->verdict == SLOT_PASS)
			assert_false(has(text, part));
	}
}

static void headline_says_what_a_hand_may_do_in_every_combination(void **state)
{
	static const char *const people[] = {"open", "nobody", "wants pin", "in", "locked"};
	static const char *const lines[] = {"running", "unfit", "stopping"};
	struct model *m = scene_model("tray8");
	m->slot_count = SLOTS;
	int seen[HEADLINE_READY + 1] = {0};
	for (int combination = 0; combination < KINDS * KINDS * KINDS * KINDS; combination++) {
		enum kind kinds[SLOTS];
		for (int i = 0, rest = combination; i < SLOTS; i++, rest /= KINDS)
			kinds[i] = (enum kind)(rest % KINDS);
		struct tally t = fill(m, kinds);
		for (size_t p = 0; p < COUNT_OF(people); p++)
			for (size_t l = 0; l < COUNT_OF(lines); l++) {
				char text[640];
				m->reachable = (combination + (int)p + (int)l) % 11 != 0;
				strcpy(m->shift.state, people[p]);
				strcpy(m->state, lines[l]);
				enum headline_kind kind = model_headline(m, text, sizeof(text));
				assert_int_equal(kind, expected(m, &t));
				check_words(text, kind, m, &t);
				seen[kind]++;
			}
	}
	for (size_t k = 0; k < COUNT_OF(seen); k++)
		assert_true(seen[k] > 0);
	free(m);
}

static void check(const struct model *m, const char *text)
{
	char got[640];
	model_headline(m, got, sizeof(got));
	assert_string_equal(got, text);
}

static void headline_names_what_is_wanted(void **state)
{
	struct model *m = scene_model("tray8");
	m->slot_count = SLOTS;
	fill(m, (const enum kind[]){PASS, LABEL, LABEL, EMPTY});
	check(m, "SCAN THE LABEL: slots 02 03");
	fill(m, (const enum kind[]){PASS, TRAY, EMPTY, EMPTY});
	check(m, "NOT ON THE TRAY'S LIST, TAKE OUT: slot 02");
	fill(m, (const enum kind[]){PASS, MES, EMPTY, EMPTY});
	check(m, "WAITING FOR THE MES: slot 02");
	fill(m, (const enum kind[]){WORKS, LOT, RETRIES, EMPTY});
	check(m, "DO NOT PULL: 2 left, slots 01 03. SCAN THE ORDER: slot 02");
	fill(m, (const enum kind[]){PASS, RETRIES, PASS, PASS});
	check(m, "DO NOT PULL: slot 02. Slot 02 tries again: scan HOLD to leave it");
	fill(m, (const enum kind[]){EMPTY, EMPTY, EMPTY, EMPTY});
	strcpy(m->shift.label, "SN-17");
	check(m, "PLUG IN SN-17");
	m->shift.label[0] = '\0';
	strcpy(m->shift.tray, "T-3");
	check(m, "PLUG IN THE UNITS OF TRAY T-3");
	free(m);
}

static void names_of_a_full_tray_are_shortened(void **state)
{
	struct model *m = scene_model("tray64");
	char text[640];
	for (size_t i = 0; i < m->slot_count; i++) {
		m->slot[i].state = SLOT_DONE;
		m->slot[i].safe_to_remove = true;
		m->slot[i].verdict = i < 20 ? SLOT_FAIL : i < 30 ? SLOT_HOLD : i < 31 ? SLOT_BUILT : SLOT_PASS;
	}
	check(m, "PULL: 33 good, slots 01 02 03 04 05 06 07 08 and 12 more red bin, slots 21 22 23 24 25 26 27 28 and 2 more hold bin, "
		 "slot 31 keep apart");
	for (size_t room = 1; room < sizeof(text); room++) {
		model_headline(m, text, room);
		assert_true(strlen(text) < room);
	}
	free(m);
}

static void bell_rings_once_as_a_tray_is_done_and_thrice_if_a_unit_of_it_is_not_good(void **state)
{
	struct model *m = scene_model("tray8");
	m->slot_count = SLOTS;
	for (int before = HEADLINE_LOST; before <= HEADLINE_READY; before++)
		for (int now = HEADLINE_LOST; now <= HEADLINE_READY; now++) {
			bool worked = before == HEADLINE_HANDS_OFF || before == HEADLINE_BUSY || before == HEADLINE_WANTED;
			bool due = worked && now == HEADLINE_PULL;
			fill(m, (const enum kind[]){PASS, EMPTY, PASS, PASS});
			assert_int_equal(headline_rings((enum headline_kind)before, (enum headline_kind)now, m), due ? 1 : 0);
			for (enum kind bad = BUILT; bad <= FAIL; bad++) {
				fill(m, (const enum kind[]){PASS, bad, PASS, PASS});
				assert_int_equal(headline_rings((enum headline_kind)before, (enum headline_kind)now, m), due ? 3 : 0);
			}
		}
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headline_says_what_a_hand_may_do_in_every_combination),
		cmocka_unit_test(headline_names_what_is_wanted),
		cmocka_unit_test(names_of_a_full_tray_are_shortened),
		cmocka_unit_test(bell_rings_once_as_a_tray_is_done_and_thrice_if_a_unit_of_it_is_not_good),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
