/* SPDX-License-Identifier: Apache-2.0 */
/* The pictures of docs/pictures, drawn from recorded events; $UI_WRITE_EXPECTED writes them anew. And the operator's page: it shows
 * them all, and is short. */
#include "tests/ui/scene.h"
#include "tests/ui/svg.h"

#include "station/base/file.h"

#include <ctype.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define WORDS_MAX 600
#define PICTURE_MAX 60000	/* bytes */

static const struct {
	const char *name, *screen, *tray, *more, *answer, *title;
} pictures[] = {
	{"tray-working", "slots", "tray16", "work16", NULL, "A tray at work: DO NOT PULL"},
	{"tray-done", "slots", "tray16", "done16", NULL, "A tray that is done: PULL, with a FAIL, a HOLD and a BUILT"},
	{"tray-64", "slots", "jig64", NULL, NULL, "64 slots as a summary, the exceptions in words"},
	{"lot", "lot", "tray16", "done16", "lot", "The open lot"},
	{"unit", "unit", "tray16", "done16", "unit", "One unit"},
};

static void docs_path(char out[static PATH_MAX], const char *name)
{
	const char *dir = getenv("UI_TEST_DIR");
	assert_non_null(dir);
	snprintf(out, PATH_MAX, "%s/../../docs/%s", dir, name);
}

static void read_docs(const char *name, struct bytes *ret)
{
	char path[PATH_MAX];
	struct err e = {0};
	docs_path(path, name);
	if (!file_read(path, ret, &e))
		fail_msg("%s", e.what);
}

static void draw(size_t i, struct bytes *ret)
{
	struct err e = {0};
	struct model *m = scene_model(pictures[i].tray);
	AUTO(json) json_t *answer = pictures[i].answer ? scene_answer(pictures[i].answer) : NULL;
	struct view v = {.selected = answer ? 2 : 0, .answer = answer};
	AUTO(canvas) struct canvas c = {0};
	if (pictures[i].more)
		scene_add(m, pictures[i].more);
	assert_true(canvas_init(&c, 40, 120, false, &e));
	screen_draw(screen_find(pictures[i].screen), &c, m, &v);
	assert_true(svg_of_canvas(&c, THEME_256, pictures[i].title, ret, &e));
	free(m);
}

static void pictures_of_the_documents_are_what_the_screens_draw(void **state)
{
	for (size_t i = 0; i < COUNT_OF(pictures); i++) {
		AUTO(bytes) struct bytes got = {0}, want = {0};
		struct err e = {0};
		char name[64], path[PATH_MAX];
		draw(i, &got);
		assert_true(got.len < PICTURE_MAX);
		snprintf(name, sizeof(name), "pictures/%s.svg", pictures[i].name);
		docs_path(path, name);
		if (getenv("UI_WRITE_EXPECTED"))
			assert_true(file_write_atomic(path, got.data, got.len, 0644, &e));
		read_docs(name, &want);
		if (!bytes_equal(&got, &want))
			fail_msg("%s is not what is drawn now", name);
	}
}

static void operators_page_shows_every_picture(void **state)
{
	AUTO(bytes) struct bytes page = {0};
	char link[64];
	read_docs("operator.md", &page);
	for (size_t i = 0; i < COUNT_OF(pictures); i++) {
		snprintf(link, sizeof(link), "](pictures/%s.svg)", pictures[i].name);
		assert_non_null(strstr(bytes_text(&page), link));
	}
}

/* What stands between blanks and holds a letter or a digit; a picture is no words. */
static int words_of(const char *text)
{
	int words = 0;
	while (*text) {
		bool in_word = false, picture = !strncmp(text, "![", 2);
		for (; *text && *text != '\n'; text++) {
			bool counts = !in_word && !picture && isalnum((unsigned char)*text);
			words += counts;
			in_word = (in_word || counts) && !isspace((unsigned char)*text);
		}
		text += *text == '\n';
	}
	return words;
}

static void operators_page_is_read_in_a_coffee_break(void **state)
{
	AUTO(bytes) struct bytes page = {0};
	read_docs("operator.md", &page);
	int words = words_of(bytes_text(&page));
	assert_true(words > 200);
	if (words > WORDS_MAX)
		fail_msg("%d words", words);
}

static void operators_page_explains_every_word_and_order_of_the_screen(void **state)
{
	static const char *const said[] = {"DO NOT PULL", "PULL", "red bin", "hold bin", "keep apart", "SCAN THE LABEL", "SCAN THE ORDER",
					   "SCAN YOUR BADGE", "PLUG IN", "TAKE OUT", "TRAINING", "RE-CHECK", "THE LINE IS NOT FIT",
					   "LINE NOT REACHABLE", "WAITING FOR THE MES", "WAITING FOR THE CLOUD", "LOCKED"};
	const struct model_slot faces[] = {
		{.state = SLOT_DONE, .verdict = SLOT_PASS}, {.state = SLOT_DONE, .verdict = SLOT_BUILT},
		{.state = SLOT_DONE, .verdict = SLOT_HOLD}, {.state = SLOT_DONE, .verdict = SLOT_FAIL},
	};
	AUTO(bytes) struct bytes page = {0};
	read_docs("operator.md", &page);
	for (size_t i = 0; i < COUNT_OF(said); i++)
		if (!strstr(bytes_text(&page), said[i]))
			fail_msg("the page does not say %s", said[i]);
	for (size_t i = 0; i < COUNT_OF(faces); i++)
		if (!strstr(bytes_text(&page), slot_face(&faces[i]).word))
			fail_msg("the page does not say %s", slot_face(&faces[i]).word);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pictures_of_the_documents_are_what_the_screens_draw),
		cmocka_unit_test(operators_page_shows_every_picture),
		cmocka_unit_test(operators_page_is_read_in_a_coffee_break),
		cmocka_unit_test(operators_page_explains_every_word_and_order_of_the_screen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
