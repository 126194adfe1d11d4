/* SPDX-License-Identifier: Apache-2.0 */
/* The tray: every slot live. Slots take one column of two-row entries while they fit, then one
 * row each, then a grid; the fields of an entry drop out as its width shrinks, the number, the
 * sign and the word never. At the bottom: the chosen slot in words. */
#include "ui/screen.h"
#include "ui/glyph.h"

#include <stdio.h>
#include <string.h>

#define DETAIL_ROWS 4	/* a frame with two rows of words */

#define NARROW_MAX 32

/* Of the entries: how many rows each, how many stand below one another, how wide. */
struct layout {
	int top, rows, per_column, width;
};

static struct layout layout_for(const struct canvas *c, int slots)
{
	struct layout l = {.top = SCREEN_TOP};
	int room = c->rows - SCREEN_TOP - SCREEN_BOTTOM - DETAIL_ROWS;
	if (room < 1)
		room = 1;
	l.rows = slots * 2 <= room ? 2 : 1;
	int columns = slots > room ? (slots + room - 1) / room : 1;
	l.per_column = slots > 0 ? (slots + columns - 1) / columns : 1;
	l.width = c->cols / columns;
	return l;
}

static int draw_sign(struct canvas *c, int row, int col, int width, const struct slot_face *face)
{
	char sign[5] = "";
	sign[glyph_utf8(face->sign, sign)] = '\0';
	return canvas_text(c, row, col, width, face->style, sign);
}

/* In a narrow entry the stage takes the place of the word WORKING; what is left of the width
 * takes the sentence. */
static void draw_narrow(struct canvas *c, int row, int col, int room, const struct model_slot *s)
{
	struct slot_face face = slot_face(s);
	bool working = s->state == SLOT_WORKING, sentence = room >= NARROW_MAX + 12;
	int width = room < NARROW_MAX ? room : NARROW_MAX;
	char tail[64];
	canvas_text(c, row, col + 1, 2, STYLE_NORMAL, s->name);
	draw_sign(c, row, col + 4, 1, &face);
	if (working) {
		canvas_text(c, row, col + 6, 9, face.style, s->stage);
		canvas_bar(c, row, col + 15, width - 18 < 8 ? width - 18 : 8, face.style, s->stage_index, s->stage_count);
	} else {
		canvas_text(c, row, col + 6, 7, face.style, face.word);
		text_tail(s->serial, width - 17, tail, sizeof(tail));
		canvas_text(c, row, col + 14, width - 16, STYLE_DIM, tail);
	}
	if (slot_must_stay(s))
		canvas_text(c, row, col + width - 2, 1, STYLE_ALARM, "!");
	if (sentence && slot_must_stay(s))
		canvas_text(c, row, col + width, room - width - 1, STYLE_ALARM, "DO NOT PULL");
	else if (sentence)
		canvas_text(c, row, col + width, room - width - 1, STYLE_DIM, s->sentence);
}

static void draw_wide(struct canvas *c, int row, int col, int width, const struct model_slot *s)
{
	struct slot_face face = slot_face(s);
	char tail[64];
	canvas_text(c, row, col + 1, 6, STYLE_NORMAL, s->name);
	draw_sign(c, row, col + 8, 1, &face);
	canvas_text(c, row, col + 10, 8, face.style, face.word);
	if (s->state == SLOT_WORKING || s->state == SLOT_WAITING) {
		canvas_printf(c, row, col + 19, 16, STYLE_NORMAL, "%-9s %2d/%d", s->stage, s->stage_index, s->stage_count);
		canvas_bar(c, row, col + 36, 10, face.style, s->stage_index, s->stage_count);
	} else if (s->state == SLOT_DONE) {
		canvas_text(c, row, col + 19, 27, STYLE_DIM, *s->code ? s->code : s->hub);
	}
	if (slot_must_stay(s))
		canvas_text(c, row, col + width - 13, 12, STYLE_ALARM, "DO NOT PULL");
	else if (s->state != SLOT_EMPTY)
		canvas_text(c, row, col + width - 15, 14, STYLE_NORMAL, "safe to remove");
	text_tail(s->serial, width - 63, tail, sizeof(tail));
	canvas_text(c, row, col + 47, width - 63, STYLE_DIM, tail);
}

static void draw_entry(struct canvas *c, const struct layout *l, int index, const struct model_slot *s, bool selected)
{
	int row = l->top + index % l->per_column * l->rows, col = index / l->per_column * l->width;
	if (l->width >= 76)
		draw_wide(c, row, col, l->width, s);
	else
		draw_narrow(c, row, col, l->width, s);
	if (l->rows == 2)
		canvas_text(c, row + 1, col + 10, l->width - 12, STYLE_DIM, s->sentence);
	if (selected)
		canvas_text(c, row, col, 1, STYLE_TITLE, ">");
}

static void draw_detail(struct canvas *c, const struct model *m, const struct model_slot *s)
{
	char title[320];
	int top = c->rows - SCREEN_BOTTOM - DETAIL_ROWS, width = c->cols - 4;
	snprintf(title, sizeof(title), "%s%s%s%s%s%s", s->name, s->recognised ? " (known)" : "", *s->serial ? "  " : "", s->serial,
		 *s->registration_id ? "  " : "", s->registration_id);
	canvas_fill(c, top, 0, DETAIL_ROWS, c->cols, STYLE_NORMAL);
	canvas_box(c, top, 0, DETAIL_ROWS, c->cols, title);
	canvas_text(c, top + 1, 2, width, STYLE_NORMAL, s->sentence);
	if (*s->code)
		canvas_printf(c, top + 2, 2, width, STYLE_NORMAL, "%s  %s  Call: %s", s->code, s->todo, s->whom);
	else if (m->device_count)
		canvas_printf(c, top + 2, 2, width, STYLE_DIM, "In no slot, left alone: %s at %s", m->device[0].product,
			      m->device[0].port);
}

static void draw(struct canvas *c, const struct model *m, struct view *v)
{
	struct layout l = layout_for(c, (int)m->slot_count);
	v->per_column = l.per_column;
	for (size_t i = 0; i < m->slot_count; i++)
		draw_entry(c, &l, (int)i, &m->slot[i], (int)i == v->selected);
	if (m->slot_count)
		draw_detail(c, m, &m->slot[v->selected]);
	else
		canvas_text(c, SCREEN_TOP + 1, 1, c->cols - 2, STYLE_DIM, "No slots are known yet.");
}

static struct next on_key(struct view *v, const struct model *m, int key)
{
	int slots = (int)m->slot_count, to = v->selected;
	switch (key) {
	case KEYS_UP:
		to--;
		break;
	case KEYS_DOWN:
		to++;
		break;
	case KEYS_LEFT:
		to -= v->per_column;
		break;
	case KEYS_RIGHT:
		to += v->per_column;
		break;
	case KEYS_HOME:
		to = 0;
		break;
	case KEYS_END:
		to = slots - 1;
		break;
	case KEYS_ENTER:
		return (struct next){NEXT_SCREEN, "unit"};
	default:
		break;
	}
	if (to >= 0 && to < slots)
		v->selected = to;
	return (struct next){NEXT_STAY, NULL};
}

extern const struct screen screen_slots;
const struct screen screen_slots = {
	.name = "slots", .title = "Slots", .key = KEYS_F2, .key_name = "F2", .draw = draw, .on_key = on_key,
};
