/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log, newest first. A code that is scanned or written here is searched for. */
#include "ui/screen.h"

#include "station/base/clock.h"

#include <stdio.h>
#include <string.h>

#define PAGE 60

static json_t *wants(const struct view *v, const struct model *m)
{
	return json_pack("{s:s, s:s, s:i}", "do", "journal", "search", v->search, "most", PAGE);
}

static void draw(struct canvas *c, const struct model *m, struct view *v)
{
	size_t i;
	const json_t *j;
	const json_t *entries = json_object_get(v->answer, "entries");
	int row = SCREEN_TOP, last = c->rows - SCREEN_BOTTOM, first = v->page * (last - row - 1);
	canvas_printf(c, row++, 1, c->cols - 2, STYLE_DIM, "%s%s", v->search[0] ? "entries that hold " : "the newest entries; scan a label to search",
		      v->search);
	json_array_foreach(entries, i, j) {
		char time[CLOCK_TEXT];
		if ((int)i < first)
			continue;
		if (row >= last)
			break;
		clock_text(json_int_or(j, "time_ms", 0), time);
		canvas_printf(c, row, 1, 8, STYLE_DIM, "%7lld", (long long)json_int_or(j, "index", 0));
		canvas_printf(c, row, 9, 9, STYLE_DIM, "%.8s", time + 11);
		canvas_text(c, row, 18, 14, STYLE_NORMAL, json_text_or(j, "type", ""));
		canvas_printf(c, row, 33, 9, STYLE_DIM, "%.8s", json_text_or(j, "job", ""));
		canvas_text(c, row++, 42, c->cols - 43, STYLE_NORMAL, json_text_or(j, "text", ""));
	}
	if (entries && !json_array_size(entries))
		canvas_text(c, row, 1, c->cols - 2, STYLE_DIM, "Nothing was found.");
}

static struct next on_key(struct view *v, const struct model *m, int key)
{
	if (key == KEYS_ESCAPE && v->search[0]) {
		v->search[0] = '\0';
		return (struct next){NEXT_STAY, NULL};
	}
	if (key == KEYS_ESCAPE || key == KEYS_ENTER)
		return (struct next){NEXT_SCREEN, "slots"};
	v->page += key == KEYS_DOWN ? 1 : key == KEYS_UP && v->page > 0 ? -1 : 0;
	return (struct next){NEXT_STAY, NULL};
}

extern const struct screen screen_journal;
const struct screen screen_journal = {
	.name = "journal", .title = "Journal", .key = KEYS_F5, .key_name = "F5", .draw = draw, .on_key = on_key, .wants = wants,
};
