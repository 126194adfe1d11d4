/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/ui/scene.h"

#include "station/base/file.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOON_MS 1795384170000	/* the clock of every picture */

static void path_of(char out[static PATH_MAX], const char *kind, const char *name)
{
	const char *dir = getenv("UI_TEST_DIR");
	assert_non_null(dir);
	snprintf(out, PATH_MAX, "%s/%s/%s", dir, kind, name);
}

void scene_add(struct model *m, const char *name)
{
	char path[PATH_MAX], file[128];
	struct err e = {0};
	AUTO(bytes) struct bytes text = {0};
	snprintf(file, sizeof(file), "%s.jsonl", name);
	path_of(path, "events", file);
	if (!file_read(path, &text, &e))
		fail_msg("%s", e.what);
	for (const char *line = bytes_text(&text); *line;) {
		size_t len = strcspn(line, "\n");
		AUTO(json) json_t *event = NULL;
		if (!json_parse(line, len, &event, &e))
			fail_msg("%s: %s", name, e.what);
		model_apply(m, event);
		line += len + (line[len] == '\n');
	}
}

struct model *scene_model(const char *name)
{
	struct model *m = calloc(1, sizeof(*m));
	assert_non_null(m);
	scene_add(m, name);
	m->now_ms = NOON_MS;
	return m;
}

json_t *scene_answer(const char *name)
{
	char path[PATH_MAX], file[128];
	struct err e = {0};
	AUTO(bytes) struct bytes text = {0};
	json_t *answer = NULL;
	snprintf(file, sizeof(file), "%s.json", name);
	path_of(path, "answers", file);
	if (!file_read(path, &text, &e) || !json_parse(bytes_text(&text), text.len, &answer, &e))
		fail_msg("%s: %s", name, e.what);
	return answer;
}

/* What must hold for any picture: as many rows as asked, none wider, nothing that could drive a
 * terminal. */
static void check_harmless(const struct canvas *c)
{
	for (int row = 0; row < c->rows; row++)
		for (int col = 0; col < c->cols; col++) {
			const struct cell *x = canvas_at(c, row, col);
			bool second = x->c == 0;
			assert_true(second ? col > 0 : x->c >= 0x20 && !(x->c >= 0x7f && x->c < 0xa0));
			assert_true(!c->ascii || x->c < 0x7f);
			assert_true(x->style < STYLE_COUNT);
		}
}

void scene_check(const char *name, const char *screen, const struct model *m, struct view *v, int cols, int rows, bool ascii)
{
	char path[PATH_MAX], file[128];
	struct err e = {0};
	AUTO(canvas) struct canvas c = {0};
	AUTO(bytes) struct bytes got = {0}, want = {0};
	assert_true(canvas_init(&c, rows, cols, ascii, &e));
	screen_draw(screen_find(screen), &c, m, v);
	check_harmless(&c);
	assert_true(canvas_to_text(&c, &got, &e));
	snprintf(file, sizeof(file), "%s-%dx%d.txt", name, cols, rows);
	path_of(path, "expected", file);
	if (getenv("UI_WRITE_EXPECTED"))
		assert_true(file_write_atomic(path, got.data, got.len, 0644, &e));
	if (!file_read(path, &want, &e))
		fail_msg("%s", e.what);
	if (!bytes_equal(&got, &want))
		fail_msg("%s differs; drawn was:\n%s", file, bytes_text(&got));
}
