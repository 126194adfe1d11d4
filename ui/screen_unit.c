/* SPDX-License-Identifier: Apache-2.0 */
/* One slot with everything that is known of it, and how long each stage took. */
#include "ui/screen.h"

#include "station/base/clock.h"

#include <stdio.h>
#include <string.h>

#define LABEL 18	/* columns */
#define TIMES 30

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

static void draw(struct canvas *c, const struct model *m, struct view *v)
{
	char time[CLOCK_TEXT], stage[64], remove[64];
	if (!m->slot_count) {
		canvas_text(c, SCREEN_TOP + 1, 1, c->cols - 2, STYLE_DIM, "No slots are known yet.");
		return;
	}
	const struct model_slot *s = &m->slot[v->selected];
	struct slot_face face = slot_face(s);
	bool times = c->cols >= 80 && s->time_count;
	int width = times ? c->cols - TIMES - 1 : c->cols - 2;
	clock_text(s->since_ms, time);
	snprintf(stage, sizeof(stage), "%s %d of %d", s->stage, s->stage_index, s->stage_count);
	snprintf(remove, sizeof(remove), "%s", s->state == SLOT_EMPTY ? "" : slot_must_stay(s) ? "no: DO NOT PULL" : "yes");
	const struct { const char *label, *text; } fields[] = {
		{"slot", s->name}, {"now", face.word}, {"safe to remove", remove}, {"sentence", s->sentence}, {"code", s->code},
		{"to do", s->todo}, {"call", s->whom}, {"serial", s->serial}, {"registration id", s->registration_id},
		{"hub", s->hub}, {"device id", s->device_id}, {"stage", s->stage[0] ? stage : ""}, {"profile", s->profile},
		{"port", s->port}, {"done before", s->recognised ? "yes" : "no"}, {"since", s->since_ms ? time : ""},
	};
	int row = SCREEN_TOP;
	for (size_t i = 0; i < COUNT_OF(fields); i++) {
		bool is_word = !strcmp(fields[i].label, "now");
		int rows = draw_field(c, row, width, fields[i].label, fields[i].text);
		if (is_word)
			canvas_paint(c, row, LABEL, 1, text_columns(face.word), face.style);
		row += rows;
	}
	if (times)
		draw_times(c, s, c->cols - TIMES);
}

static struct next on_key(struct view *v, const struct model *m, int key)
{
	if (key == KEYS_ESCAPE || key == KEYS_ENTER)
		return (struct next){NEXT_SCREEN, "slots"};
	if ((key == KEYS_UP || key == KEYS_LEFT) && v->selected > 0)
		v->selected--;
	if ((key == KEYS_DOWN || key == KEYS_RIGHT) && v->selected + 1 < (int)m->slot_count)
		v->selected++;
	return (struct next){NEXT_STAY, NULL};
}

extern const struct screen screen_unit;
const struct screen screen_unit = {
	.name = "unit", .title = "Unit", .key = KEYS_F6, .key_name = "F6", .draw = draw, .on_key = on_key,
};
