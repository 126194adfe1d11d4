/* SPDX-License-Identifier: Apache-2.0 */
/* The jig is taught: the conversation, and the text that comes of it. */
#include "station/learn.h"
#include "tests/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct school {
	struct config config;
	struct learn learn;
};

static int enter(void **state)
{
	struct school *s = calloc(1, sizeof(*s));
	struct err e = {0};
	s->config.profile_count = 2;
	strcpy(s->config.profile[0].name, "gateway");
	strcpy(s->config.profile[1].name, "sensor");
	*state = s;
	return learn_init(&s->learn, &s->config, 2, 2, &e) ? 0 : -1;
}

static int leave(void **state)
{
	free(*state);
	return 0;
}

static struct learn *of(void **state)
{
	return &((struct school *)*state)->learn;
}

static void prompts(const struct learn *l, const char *part)
{
	char text[LEARN_SAYS];
	learn_prompt(l, text);
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static void says(const struct learn *l, const char *part)
{
	if (*part ? !strstr(l->says, part) : *l->says)
		fail_msg("it says \"%s\", not \"%s\"", l->says, part);
}

static void plug_and_pull(struct learn *l, const char *port)
{
	learn_device(l, true, port);
	says(l, "");
	assert_int_equal(l->state, LEARN_PULL);
	learn_device(l, false, port);
	says(l, "");
}

static void text_is(const struct learn *l, const char *old, const char *expected)
{
	AUTO(bytes) struct bytes before = {0}, after = {0};
	OK(bytes_add_text(&before, old, &e));
	OK(learn_text(l, &before, &after, &e));
	assert_string_equal(bytes_text(&after), expected);
}

#define JIG "[jig]\nrows = 2\ncolumns = 2\nrotation = 0\n"
#define SLOT_1 "\n[slot 01]\nport = p1\nprofile = gateway\nrow = 1\ncolumn = 1\n"
#define SLOT_4 "\n[slot 04]\nport = p4\nprofile = gateway\nrow = 2\ncolumn = 2\n"

/* A jig whose second and third places are skipped. */
static void learn_two(struct learn *l)
{
	plug_and_pull(l, "p1");
	learn_typed(l, "s");
	learn_typed(l, "s");
	plug_and_pull(l, "p4");
	learn_typed(l, "");
	learn_typed(l, "");
	assert_int_equal(l->state, LEARN_READY);
}

static void places_are_walked_row_by_row(void **state)
{
	struct learn *l = of(state);
	static const char *const ports[] = {"p1", "p2", "p3", "p4"}, *const where[] = {"row 1, column 1", "row 1, column 2",
		"row 2, column 1", "row 2, column 2"};
	for (size_t i = 0; i < 4; i++) {
		prompts(l, where[i]);
		plug_and_pull(l, ports[i]);
	}
	prompts(l, "turned");
	learn_typed(l, "45");
	says(l, "270");
	learn_typed(l, "180");
	prompts(l, "[gateway]");
	learn_typed(l, "nobody");
	says(l, "gateway sensor");
	learn_typed(l, "sensor");
	assert_int_equal(l->state, LEARN_READY);
	assert_int_equal(l->rotation, 180);
	assert_int_equal(l->profile, 1);
}

static void size_that_is_not_given_is_asked_for(void **state)
{
	struct school *s = *state;
	OK(learn_init(&s->learn, &s->config, 0, 0, &e));
	prompts(&s->learn, "rows");
	learn_device(&s->learn, true, "p1");	/* too early */
	for (size_t i = 0; i < 6; i++) {
		learn_typed(&s->learn, ((const char *const[]){"", "0", "-1", "two", "2x", "99999999999999999999"})[i]);
		says(&s->learn, "number");
	}
	learn_typed(&s->learn, "16");
	learn_typed(&s->learn, "17");
	says(&s->learn, "256");
	learn_typed(&s->learn, "16");
	prompts(&s->learn, "row 1, column 1");
	REFUSED(E_USAGE, learn_init(&s->learn, &s->config, 16, 17, &e));
	s->config.profile_count = 0;
	REFUSED(E_USAGE, learn_init(&s->learn, &s->config, 1, 1, &e));
}

static void port_that_is_known_is_refused(void **state)
{
	struct learn *l = of(state);
	plug_and_pull(l, "p1");
	learn_device(l, true, "p1");
	says(l, "row 1, column 1 already");
	prompts(l, "row 1, column 2");
	learn_device(l, false, "p1");
	prompts(l, "row 1, column 2");
	plug_and_pull(l, "p2");
	prompts(l, "row 2, column 1");
}

static void second_device_before_the_first_is_pulled_is_not_noted(void **state)
{
	struct learn *l = of(state);
	learn_device(l, true, "p1");
	learn_device(l, true, "p2");
	says(l, "One at a time");
	learn_device(l, false, "p2");
	prompts(l, "Pull it");
	learn_typed(l, "s");
	says(l, "Pull");
	learn_device(l, false, "p1");
	plug_and_pull(l, "p2");
	assert_string_equal(l->port[1], "p2");
}

static void going_back_forgets_a_place(void **state)
{
	struct learn *l = of(state);
	learn_typed(l, "b");
	says(l, "first");
	plug_and_pull(l, "p2");
	learn_typed(l, "b");
	prompts(l, "row 1, column 1");
	learn_device(l, true, "p3");
	learn_typed(l, "b");
	says(l, "Forgotten");
	learn_device(l, false, "p3");
	prompts(l, "row 1, column 1");
	plug_and_pull(l, "p1");
	plug_and_pull(l, "p2");	/* is free again */
	assert_string_equal(l->port[0], "p1");
	assert_string_equal(l->port[1], "p2");
}

static void jig_without_a_slot_does_not_end(void **state)
{
	struct learn *l = of(state);
	learn_typed(l, "e");
	says(l, "one slot at least");
	for (int i = 0; i < 4; i++)
		learn_typed(l, "s");
	says(l, "one slot at least");
	prompts(l, "row 2, column 2");
	learn_typed(l, "x");
	says(l, "Type s");
	plug_and_pull(l, "p4");
	prompts(l, "turned");
}

static void more_slots_than_a_station_has_end_the_walk(void **state)
{
	struct school *s = *state;
	char port[16];
	OK(learn_init(&s->learn, &s->config, 10, 10, &e));
	for (int i = 0; i < CONFIG_SLOTS_MAX - 1; i++) {
		snprintf(port, sizeof(port), "p%d", i);
		plug_and_pull(&s->learn, port);
	}
	learn_device(&s->learn, true, "last");
	learn_device(&s->learn, false, "last");
	says(&s->learn, "64 slots");
	prompts(&s->learn, "turned");
}

static void all_but_our_sections_is_kept_byte_for_byte(void **state)
{
	learn_two(of(state));
	text_is(of(state), "# head\n[station]\nname = a\t; b\r\n\n[slot 01]\nport = old\n  \n# about the profile\n\n[profile x]\ngroup = g\n\n"
			   "[jig]\nrows = 9\n[slot\t2]\nport = o\n# of slot 3\n[slot 3]\nport = p\n\n# the end\n",
		"# head\n[station]\nname = a\t; b\r\n\n  \n# about the profile\n\n[profile x]\ngroup = g\n\n\n# the end\n\n" JIG SLOT_1 SLOT_4);
}

static void text_that_was_learnt_twice_is_the_same(void **state)
{
	AUTO(bytes) struct bytes old = {0}, once = {0};
	learn_two(of(state));
	OK(bytes_add_text(&old, "[profile x]\ngroup = g", &e));	/* without an end of line */
	OK(learn_text(of(state), &old, &once, &e));
	assert_string_equal(bytes_text(&once), "[profile x]\ngroup = g\n\n" JIG SLOT_1 SLOT_4);
	text_is(of(state), bytes_text(&once), bytes_text(&once));
	text_is(of(state), "", JIG SLOT_1 SLOT_4);
}

static void lesson_goes_on_where_it_was_left(void **state)
{
	struct school *s = *state;
	plug_and_pull(&s->learn, "p1");
	learn_typed(&s->learn, "s");
	learn_device(&s->learn, true, "p3");
	AUTO(json) json_t *kept = learn_json(&s->learn);
	OK(learn_init(&s->learn, &s->config, 0, 0, &e));
	assert_true(learn_resume(&s->learn, kept));
	prompts(&s->learn, "Plug a device into row 2, column 1");	/* it was not pulled yet */
	assert_string_equal(s->learn.port[0], "p1");
	assert_string_equal(s->learn.port[1], "");
	plug_and_pull(&s->learn, "p3");
}

static void lesson_of_another_form_is_not_gone_on_with(void **state)
{
	static const char *const bad[] = {
		"{}", "[]", "{\"rows\":1,\"columns\":1,\"at\":0,\"ports\":[]}", "{\"rows\":1,\"columns\":1,\"at\":2,\"ports\":[\"\"]}",
		"{\"rows\":1,\"columns\":1,\"at\":-1,\"ports\":[\"\"]}", "{\"rows\":1,\"columns\":1,\"at\":0,\"ports\":[7]}",
		"{\"rows\":65537,\"columns\":65537,\"at\":0,\"ports\":[\"\"]}", "{\"rows\":0,\"columns\":0,\"at\":0,\"ports\":[]}",
	};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		AUTO(json) json_t *kept = NULL;
		OK(json_parse(bad[i], strlen(bad[i]), &kept, &e));
		assert_false(learn_resume(of(state), kept));
		prompts(of(state), "row 1, column 1");
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
	const struct CMUnitTest tests[] = {
		TEST(places_are_walked_row_by_row),
		TEST(size_that_is_not_given_is_asked_for),
		TEST(port_that_is_known_is_refused),
		TEST(second_device_before_the_first_is_pulled_is_not_noted),
		TEST(going_back_forgets_a_place),
		TEST(jig_without_a_slot_does_not_end),
		TEST(more_slots_than_a_station_has_end_the_walk),
		TEST(all_but_our_sections_is_kept_byte_for_byte),
		TEST(text_that_was_learnt_twice_is_the_same),
		TEST(lesson_goes_on_where_it_was_left),
		TEST(lesson_of_another_form_is_not_gone_on_with),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
