/* SPDX-License-Identifier: Apache-2.0 */
/* What the line needs before its first unit, each with what to do. */
#include "ui/screen.h"

static json_t *wants(const struct view *v, const struct model *m)
{
	return v->answer ? NULL : json_pack("{s:s}", "do", "preflight");	/* once: it asks the service too */
}

static void draw_sum(struct canvas *c, int row, const json_t *rows)
{
	size_t i, bad = 0;
	const json_t *j;
	json_array_foreach(rows, i, j)
		bad += !json_is_true(json_object_get(j, "ok"));
	canvas_printf(c, row, 1, c->cols - 2, bad ? STYLE_HOLD : STYLE_GOOD, bad ? "not ready: %zu of %zu" : "ready: %zu of %zu",
		      bad ? bad : json_array_size(rows), json_array_size(rows));
}

static void draw(struct canvas *c, const struct model *m, struct view *v)
{
	size_t i;
	const json_t *j;
	int row = SCREEN_TOP, last = c->rows - SCREEN_BOTTOM, width = c->cols - 2;
	if (v->answer)
		draw_sum(c, row, json_object_get(v->answer, "rows"));
	else
		canvas_text(c, row, 1, width, STYLE_DIM, "Asking the line.");
	row += 2;
	json_array_foreach(json_object_get(v->answer, "rows"), i, j) {
		bool ok = json_is_true(json_object_get(j, "ok"));
		if (row >= last)
			break;
		canvas_text(c, row, 1, 6, ok ? STYLE_GOOD : STYLE_BAD, ok ? "\u2713 ok" : "\u2717 NO");
		canvas_text(c, row, 8, 18, STYLE_NORMAL, json_text_or(j, "name", ""));
		row += canvas_words(c, row, 27, 2, c->cols - 28, STYLE_NORMAL, json_text_or(j, "text", ""));
		if (!ok && row < last)
			row += canvas_words(c, row, 27, 2, c->cols - 28, STYLE_HOLD, json_text_or(j, "todo", ""));
	}
}

static struct next on_key(struct view *v, const struct model *m, int key)
{
	return (struct next){key == KEYS_ESCAPE || key == KEYS_ENTER ? NEXT_SCREEN : NEXT_STAY, "slots"};
}

extern const struct screen screen_preflight;
const struct screen screen_preflight = {
	.name = "preflight", .title = "Preflight", .key = KEYS_F7, .key_name = "F7", .draw = draw, .on_key = on_key, .wants = wants,
};
