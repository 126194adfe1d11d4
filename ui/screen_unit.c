/* SPDX-License-Identifier: Apache-2.0 */
/* One slot with everything that is known of it: what it says now, how long each stage took, and, from the ledger, what is on record
 * of the unit: hashes, its place on the audit log, and what the log says of its last visit. A small screen has it on two pages. */
#include "ui/screen.h"

#include "station/base/clock.h"

#include <stdio.h>
#include <string.h>

#define LABEL 18	/* columns */
#define TIMES 30
#define WIDE 110	/* columns from which everything stands on one page */
#define TALL 36		/* rows */

static bool on_one_page(const struct canvas *c)
{
	return c->cols >= WIDE && c->rows >= TALL;
}

static json_t *wants(const struct view *v, const struct model *m)
{
	if (v->selected < 0 || (size_t)v->selected >= m->slot_count || !*m->slot[v->selected].registration_id)
		return NULL;	/* the ledger knows it by then */
	return json_pack("{s:s, s:s}", "do", "unit", "id", m->slot[v->selected].registration_id);
}

static int draw_field(struct canvas *c, int row, int width, const char *label, const char *text)
{
	if (row >= c->rows - SCREEN_BOTTOM)
		return 0;
	canvas_text(c, row, 2, LABEL - 3, STYLE_DIM, label);
	int rows = canvas_words(c, row, LABEL, c->rows - SCREEN_BOTTOM - row, width - LABEL, STYLE_NORMAL, *text ? text : "-");
	return rows ? rows : 1;
}

static void draw_times(struct canvas *c, const struct model_slot *s, int col)
{
	int64_t all = 0, longest = 1;
	int row = SCREEN_TOP;
	for (size_t i = 0; i < s->time_count; i++) {
		all += s->times[i].ms;
		longest = s->times[i].ms > longest ? s->times[i].ms : longest;
	}
	canvas_printf(c, row++, col, TIMES - 2, STYLE_DIM, "%-11s %9s", "stage", "ms");
	for (size_t i = 0; i < s->time_count && row < c->rows - SCREEN_BOTTOM - 1; i++, row++) {
		canvas_text(c, row, col, 11, STYLE_NORMAL, s->times[i].stage);
		canvas_printf(c, row, col + 12, 9, STYLE_NORMAL, "%9lld", (long long)s->times[i].ms);
		canvas_bar(c, row, col + 22, 6, STYLE_DIM, s->times[i].ms, longest);
	}
	canvas_printf(c, row, col, TIMES - 2, STYLE_NORMAL, "%-11s %9lld", "all", (long long)all);
}

/* What the slot says; the row below it. */
static int draw_facts(struct canvas *c, const struct model_slot *s, int width)
{
	char time[CLOCK_TEXT], stage[96] = "";
	struct slot_face face = slot_face(s);
	const char *pull = s->state == SLOT_EMPTY ? "" : slot_must_stay(s) ? "no: DO NOT PULL" : "yes";
	clock_text(s->since_ms, time);
	if (s->stage[0])
		snprintf(stage, sizeof(stage), "%s %d of %d, try %d of %d", s->stage, s->stage_index, s->stage_count, s->try, s->tries);
	const struct { const char *label, *text; } fields[] = {
		{"slot", s->name}, {"now", face.word}, {"safe to remove", pull}, {"sentence", s->sentence}, {"code", s->code},
		{"to do", s->todo}, {"call", s->whom}, {"serial", s->serial}, {"label", s->label}, {"lot", s->lot},
		{"registration id", s->registration_id}, {"hub", s->hub}, {"device id", s->device_id}, {"stage", stage},
		{"profile", s->profile}, {"port", s->port}, {"done before", s->recognised ? "yes" : "no"}, {"since", s->since_ms ? time : ""},
	};
	int row = SCREEN_TOP;
	for (size_t i = 0; i < COUNT_OF(fields); i++) {
		bool is_word = !strcmp(fields[i].label, "now");
		int rows = draw_field(c, row, width, fields[i].label, fields[i].text);
		if (is_word && rows)
			canvas_paint(c, row, LABEL, 1, text_columns(face.word), face.style);
		row += rows;
	}
	return row;
}

/* What the audit log says of the unit's last visit. */
static void draw_entries(struct canvas *c, int row, const json_t *entries)
{
	size_t i;
	const json_t *j;
	int count = (int)json_array_size(entries), room = c->rows - SCREEN_BOTTOM - row - 1, first = count > room ? count - room : 0;
	canvas_text(c, row++, 2, c->cols - 4, STYLE_DIM, first ? "on the audit log, the end of its last visit" :
		    "on the audit log, its last visit");
	json_array_foreach(entries, i, j) {
		char time[CLOCK_TEXT];
		if ((int)i < first || row >= c->rows - SCREEN_BOTTOM)
			continue;
		clock_text(json_int_or(j, "time_ms", 0), time);
		canvas_printf(c, row, 2, 7, STYLE_DIM, "%lld", (long long)json_int_or(j, "index", 0));
		canvas_printf(c, row, 10, 8, STYLE_DIM, "%.8s", time + 11);
		canvas_text(c, row, 20, 13, STYLE_NORMAL, json_text_or(j, "type", ""));
		canvas_text(c, row++, 34, c->cols - 36, STYLE_DIM, json_text_or(j, "text", ""));
	}
}

/* What is on record of the unit. */
static void draw_record(struct canvas *c, int row, const json_t *unit, const struct model_slot *s)
{
	static const struct { const char *member, *label; } hashes[] = {
		{"ek_sha256", "EK hash"}, {"leaf_sha256", "leaf hash"}, {"certificate_serial", "certificate"}, {"job", "job"},
	};
	char text[96];
	if (!*s->registration_id || strcmp(json_text_or(unit, "registration_id", ""), s->registration_id) != 0) {
		canvas_text(c, row, 2, c->cols - 4, STYLE_DIM,
			    *s->registration_id ? "Asking the line for what is on record." : "Nothing is on record of this unit yet.");
		return;
	}
	for (size_t i = 0; i < COUNT_OF(hashes); i++)
		row += draw_field(c, row, c->cols - 2, hashes[i].label, json_text_or(unit, hashes[i].member, ""));
	snprintf(text, sizeof(text), "%lld", (long long)json_int_or(unit, "intent", -1));
	row += draw_field(c, row, c->cols - 2, "intent, index", json_int_or(unit, "intent", -1) < 0 ? "" : text);
	snprintf(text, sizeof(text), "%lld%s", (long long)json_int_or(unit, "visits", 0),
		 json_is_true(json_object_get(unit, "closed")) ? ", its factory mode is closed" : "");
	row += draw_field(c, row, c->cols - 2, "visits", text);
	draw_entries(c, row, json_object_get(unit, "entries"));
}

static void draw(struct canvas *c, const struct model *m, struct view *v)
{
	if (!m->slot_count) {
		canvas_text(c, SCREEN_TOP + 1, 1, c->cols - 2, STYLE_DIM, "No slots are known yet.");
		return;
	}
	const struct model_slot *s = &m->slot[v->selected];
	const json_t *unit = json_object_get(v->answer, "unit");
	bool times = c->cols >= 80 && s->time_count;
	if (!on_one_page(c) && v->page) {
		canvas_printf(c, SCREEN_TOP, 2, c->cols - 4, STYLE_TITLE, "slot %s, on record", s->name);
		draw_record(c, SCREEN_TOP + 1, unit, s);
		return;
	}
	int row = draw_facts(c, s, times ? c->cols - TIMES - 1 : c->cols - 2);
	if (times)
		draw_times(c, s, c->cols - TIMES);
	if (on_one_page(c))
		draw_record(c, row, unit, s);
}

static struct next on_key(struct view *v, const struct model *m, int key)
{
	if (key == KEYS_ESCAPE || key == KEYS_ENTER)
		return (struct next){NEXT_SCREEN, "slots"};
	if (key == KEYS_UP && v->selected > 0)
		v->selected--;
	if (key == KEYS_DOWN && v->selected + 1 < (int)m->slot_count)
		v->selected++;
	if (key == KEYS_LEFT || key == KEYS_RIGHT)
		v->page = key == KEYS_RIGHT;
	return (struct next){NEXT_STAY, NULL};
}

extern const struct screen screen_unit;
const struct screen screen_unit = {
	.name = "unit", .title = "Unit", .key = KEYS_F6, .key_name = "F6", .draw = draw, .on_key = on_key, .wants = wants,
};
