/* SPDX-License-Identifier: Apache-2.0 */
/* What waits for the service and for the MES, and what went aside. */
#include "ui/screen.h"

#include "station/base/clock.h"

#include <stdio.h>

static json_t *wants(const struct view *v, const struct model *m)
{
	return json_pack("{s:s}", "do", "queue");
}

static int draw_sum(struct canvas *c, int row, const char *name, const json_t *sum)
{
	bool offline = json_is_true(json_object_get(sum, "offline"));
	canvas_printf(c, row, 1, c->cols - 2, offline ? STYLE_HOLD : STYLE_NORMAL, "%-8s waiting %lld  aside %lld  %s %s %s", name,
		      (long long)json_int_or(sum, "waiting", 0), (long long)json_int_or(sum, "aside", 0), offline ? "AWAY" : "reached",
		      json_text_or(sum, "code", ""), json_text_or(sum, "sentence", ""));
	return row + 1;
}

static void draw_row(struct canvas *c, int row, const json_t *j)
{
	char time[CLOCK_TEXT];
	clock_text(json_int_or(j, "since_ms", 0), time);
	canvas_text(c, row, 1, 8, STYLE_NORMAL, json_text_or(j, "to", ""));
	canvas_text(c, row, 10, 8, STYLE_NORMAL, json_text_or(j, "state", ""));
	canvas_printf(c, row, 19, 9, STYLE_DIM, "%.8s", time + 11);
	canvas_text(c, row, 29, 24, STYLE_NORMAL, json_text_or(j, "unit", ""));
	canvas_printf(c, row, 54, c->cols - 55, STYLE_DIM, "%s %s", json_text_or(j, "code", ""), json_text_or(j, "what", ""));
}

static void draw(struct canvas *c, const struct model *m, struct view *v)
{
	size_t i;
	const json_t *j;
	int last = c->rows - SCREEN_BOTTOM;
	if (!v->answer) {
		canvas_text(c, SCREEN_TOP + 1, 1, c->cols - 2, STYLE_DIM, "Asking the line.");
		return;
	}
	int row = draw_sum(c, SCREEN_TOP, "cloud", json_object_get(v->answer, "outbox"));
	json_array_foreach(json_object_get(json_object_get(v->answer, "mes"), "adapters"), i, j)
		row = draw_sum(c, row, json_text_or(j, "name", ""), j);
	canvas_printf(c, ++row, 1, c->cols - 2, STYLE_DIM, "%-8s %-8s %-9s %-24s %s", "to", "state", "since", "unit", "why");
	const json_t *rows = json_object_get(v->answer, "rows");
	size_t count = json_array_size(rows);
	json_array_foreach(rows, i, j) {
		if (++row >= last)
			return;
		if (row == last - 1 && i + 1 < count)
			canvas_printf(c, row, 1, c->cols - 2, STYLE_DIM, "and %zu more", count - i);
		else
			draw_row(c, row, j);
	}
}

static struct next on_key(struct view *v, const struct model *m, int key)
{
	return (struct next){key == KEYS_ESCAPE || key == KEYS_ENTER ? NEXT_SCREEN : NEXT_STAY, "slots"};
}

extern const struct screen screen_queue;
const struct screen screen_queue = {
	.name = "queue", .title = "Queue", .key = KEYS_F4, .key_name = "F4", .draw = draw, .on_key = on_key, .wants = wants,
};
