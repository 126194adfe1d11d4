/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log, newest first, a page at a time. A code that is scanned or written here is searched for. */
#include "ui/screen.h"

#include "station/base/clock.h"

#include <stdio.h>
#include <string.h>

#define PAGE_ROWS 20	/* before the first drawing */

static json_t *wants(const struct view *v, const struct model *m)
{
	json_t *request = json_pack("{s:s, s:s%, s:i}", "do", "journal", "search", v->search, strlen(v->search), "most",
				    v->page_rows > 0 ? v->page_rows : PAGE_ROWS);
	if (v->page > 0)
		json_object_set_new(request, "before", json_integer(v->before[v->page]));
	return request;
}

static void draw_entry(struct canvas *c, int row, const json_t *j)
{
	char time[CLOCK_TEXT];
	clock_text(json_int_or(j, "time_ms", 0), time);
	canvas_printf(c, row, 1, 8, STYLE_DIM, "%7lld", (long long)json_int_or(j, "index", 0));
	canvas_printf(c, row, 9, 9, STYLE_DIM, "%.8s", time + 11);
	canvas_text(c, row, 18, 14, STYLE_NORMAL, json_text_or(j, "type", ""));
	canvas_printf(c, row, 33, 9, STYLE_DIM, "%.8s", json_text_or(j, "job", ""));
	canvas_text(c, row, 42, c->cols - 43, STYLE_NORMAL, json_text_or(j, "text", ""));
}

static void draw(struct canvas *c, const struct model *m, struct view *v)
{
	size_t i;
	const json_t *j, *entries = json_object_get(v->answer, "entries");
	int row = SCREEN_TOP, last = c->rows - SCREEN_BOTTOM;
	v->page_rows = last - row - 1;
	if (v->search[0])
		canvas_printf(c, row++, 1, c->cols - 2, STYLE_TITLE, "page %d of entries that hold %s; Up newer, Down older, Esc all",
			      v->page + 1, v->search);
	else
		canvas_printf(c, row++, 1, c->cols - 2, STYLE_DIM, "page %d of all entries; Up newer, Down older; scan a label to search",
			      v->page + 1);
	json_array_foreach(entries, i, j)
		if (row < last)
			draw_entry(c, row++, j);
	if (!entries)
		canvas_text(c, row, 1, c->cols - 2, STYLE_DIM, "Asking the line.");
	else if (!json_array_size(entries))
		canvas_text(c, row, 1, c->cols - 2, STYLE_DIM, json_int_or(v->answer, "first", 0) > 0 ?
			    "Nothing was found so far: Down goes on." : "Nothing was found.");
}

/* The page behind the one that is answered; a key that comes before the answer does nothing. */
static void go_on(struct view *v)
{
	int64_t first = json_int_or(v->answer, "first", 0);
	bool mine = v->page == 0 || first < v->before[v->page];
	if (first > 0 && mine && v->page + 1 < VIEW_PAGES) {
		v->before[v->page + 1] = first;
		v->page++;
	}
}

static struct next on_key(struct view *v, const struct model *m, int key)
{
	bool escape = key == KEYS_ESCAPE;
	if (key == KEYS_ENTER || (escape && !v->search[0]))
		return (struct next){NEXT_SCREEN, "slots"};
	if (escape || key == KEYS_HOME)
		v->page = 0;
	if (escape)
		v->search[0] = '\0';
	if (key == KEYS_DOWN)
		go_on(v);
	if (key == KEYS_UP && v->page > 0)
		v->page--;
	return (struct next){NEXT_STAY, NULL};
}

extern const struct screen screen_journal;
const struct screen screen_journal = {
	.name = "journal", .title = "Journal", .key = KEYS_F5, .key_name = "F5", .draw = draw, .on_key = on_key, .wants = wants,
};
