/* SPDX-License-Identifier: Apache-2.0 */
/* The open lot: counts and yield, first-pass yield by slot, failures, and the trend over the shift. */
#include "ui/screen.h"

#include <stdio.h>
#include <string.h>

#define BAR 24

static json_t *wants(const struct view *v, const struct model *m)
{
	return json_pack("{s:s}", "do", "lot");
}

/* A number of things, brought within what can be reckoned with. */
static int64_t number(const json_t *j, const char *member)
{
	int64_t n = json_int_or(j, member, 0);
	return n < 0 ? 0 : n > 1000000000 ? 1000000000 : n;
}

static int64_t percent(int64_t part, int64_t of)
{
	return of > 0 ? part * 100 / of : 0;
}

/* What the signer has counted by itself, where orders are signed. */
static void draw_signer(struct canvas *c, int row, int col, const json_t *signer)
{
	if (!json_is_object(signer))
		return;
	int64_t used = number(signer, "used"), allowed = number(signer, "allowed");
	int64_t replaced = number(signer, "replaced"), may_replace = number(signer, "replace_allowed");
	int wide = canvas_printf(c, row, col, c->cols - col - 1, used < allowed ? STYLE_NORMAL : STYLE_WAIT, "signer %lld of %lld",
				 (long long)used, (long long)allowed);
	if (may_replace && col + wide + 24 < c->cols)
		canvas_printf(c, row, col + wide + 2, c->cols - col - wide - 3, STYLE_NORMAL, "replaced %lld of %lld", (long long)replaced,
			      (long long)may_replace);
}

static int draw_sums(struct canvas *c, int row, const json_t *lot)
{
	static const struct { const char *member, *word; } counts[] = {
		{"pass", "PASS"}, {"built", "BUILT"}, {"hold", "HOLD"}, {"fail", "FAIL"},
	};
	int64_t units = number(lot, "units"), taken = number(lot, "taken"), count = number(lot, "count");
	int64_t first = number(lot, "first_pass"), takt = number(lot, "takt_ms");
	canvas_printf(c, row, 1, c->cols - 2, STYLE_TITLE, "lot %s  %s  profile %s  %s", json_text_or(lot, "id", ""),
		      json_text_or(lot, "product", ""), json_text_or(lot, "profile", ""), json_text_or(lot, "state", ""));
	canvas_printf(c, row + 1, 1, 30, STYLE_NORMAL, "identities %lld of %lld", (long long)taken, (long long)count);
	canvas_bar(c, row + 1, 32, BAR, STYLE_GOOD, taken, count);
	draw_signer(c, row + 1, 34 + BAR, json_object_get(lot, "signer"));
	int col = 1;
	for (size_t i = 0; i < COUNT_OF(counts); i++)
		col += canvas_printf(c, row + 2, col, c->cols - col, STYLE_NORMAL, "%s %lld  ", counts[i].word,
				     (long long)number(lot, counts[i].member));
	canvas_printf(c, row + 3, 1, c->cols - 2, STYLE_NORMAL, "first-pass yield %lld %% of %lld units   takt %lld.%lld s",
		      (long long)percent(first, units), (long long)units, (long long)(takt / 1000), (long long)(takt % 1000 / 100));
	return row + 5;
}

/* In as many columns as the rows need, in the left half. */
static void draw_slots(struct canvas *c, int row, int last, const json_t *slots)
{
	size_t i;
	const json_t *slot;
	int count = (int)json_array_size(slots), per = last - row - 1 > 0 ? last - row - 1 : 1;
	int columns = count > per ? (count + per - 1) / per : 1, width = (c->cols / 2 - 2) / columns;
	int bar = width - 15 < 20 ? width - 15 : 20;
	canvas_text(c, row, 1, 40, STYLE_DIM, "first pass by slot");
	json_array_foreach(slots, i, slot) {
		int at = row + 1 + (int)i % per, col = 1 + (int)i / per * width;
		int64_t units = number(slot, "units"), first = number(slot, "first_pass");
		enum style style = first < units ? STYLE_WAIT : STYLE_GOOD;
		canvas_text(c, at, col, 5, STYLE_NORMAL, json_text_or(slot, "name", ""));
		canvas_bar(c, at, col + 6, bar, style, first, units);
		canvas_printf(c, at, col + (bar > 0 ? 7 + bar : 4), width - (bar > 0 ? 8 + bar : 5), STYLE_NORMAL, "%lld/%lld", (long long)first,
			      (long long)units);
	}
}

static int draw_failures(struct canvas *c, int row, int col, int last, const json_t *failures)
{
	size_t i;
	const json_t *f;
	int64_t most = 1;
	json_array_foreach(failures, i, f)
		most = number(f, "count") > most ? number(f, "count") : most;
	canvas_text(c, row++, col, 30, STYLE_DIM, "what was not PASS");
	json_array_foreach(failures, i, f) {
		if (row >= last)
			break;
		canvas_text(c, row, col, 10, STYLE_NORMAL, json_text_or(f, "code", ""));
		canvas_bar(c, row, col + 11, 8, STYLE_BAD, number(f, "count"), most);
		canvas_printf(c, row++, col + 20, c->cols - col - 21, STYLE_NORMAL, "%3lld %s", (long long)number(f, "count"),
			      json_text_or(f, "sentence", ""));
	}
	return row + 1;
}

/* A column per piece of the shift, as high as its units. */
static void draw_trend(struct canvas *c, int row, int col, const json_t *trend)
{
	static const char *const steps[] = {"\u2581", "\u2582", "\u2583", "\u2584", "\u2585", "\u2586", "\u2587", "\u2588"};
	size_t i;
	const json_t *p;
	int64_t most = 1;
	json_array_foreach(trend, i, p) {
		int64_t all = number(p, "pass") + number(p, "fail");
		most = all > most ? all : most;
	}
	canvas_text(c, row, col, 40, STYLE_DIM, "units over the shift; below, not PASS");
	json_array_foreach(trend, i, p) {
		int64_t pass = number(p, "pass"), fail = number(p, "fail");
		const char *step = pass + fail ? steps[(pass + fail) * 7 / most] : " ";
		canvas_text(c, row + 1, col + (int)i, 1, STYLE_GOOD, step);
		if (fail)
			canvas_printf(c, row + 2, col + (int)i, 1, STYLE_BAD, "%lld", (long long)(fail > 9 ? 9 : fail));
	}
}

static void draw(struct canvas *c, const struct model *m, struct view *v)
{
	const json_t *lot = json_object_get(v->answer, "lot");
	int last = c->rows - SCREEN_BOTTOM, half = c->cols / 2;
	if (!json_is_object(lot)) {
		canvas_text(c, SCREEN_TOP + 1, 1, c->cols - 2, STYLE_DIM, "No lot is open: scan an order.");
		return;
	}
	int row = draw_sums(c, SCREEN_TOP, lot);
	draw_slots(c, row, last, json_object_get(lot, "slots"));
	int below = draw_failures(c, row, half, last - 4, json_object_get(lot, "failures"));
	if (below + 2 < last)
		draw_trend(c, below, half, json_object_get(lot, "trend"));
}

static struct next on_key(struct view *v, const struct model *m, int key)
{
	return (struct next){key == KEYS_ESCAPE || key == KEYS_ENTER ? NEXT_SCREEN : NEXT_STAY, "slots"};
}

extern const struct screen screen_lot;
const struct screen screen_lot = {
	.name = "lot", .title = "Lot", .key = KEYS_F3, .key_name = "F3", .draw = draw, .on_key = on_key, .wants = wants,
};
