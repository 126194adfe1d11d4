/* SPDX-License-Identifier: Apache-2.0 */
/* The tray: every slot where it stands in the jig (ui/tray.h), the verdict as large as there is room for. Below it, in words, the
 * slots that are not as they should be, the bad ones first. As a place shrinks its fields drop out; the number, the sign and the
 * word never. */
#include "ui/big.h"
#include "ui/glyph.h"
#include "ui/screen.h"

#include <stdio.h>
#include <string.h>

#define NAME_COLUMNS 4
#define WORD_COLUMNS 7

struct place {
	int row, col, height, width;
};

static const char *sign_text(const struct slot_face *face, char out[static 5])
{
	out[glyph_utf8(face->sign, out)] = '\0';
	return out;
}

/* Which try comes when: "try 2/5 in 12 s"; "" if none is waited for. */
static void next_try(const struct model *m, const struct model_slot *s, char *out, size_t room)
{
	out[0] = '\0';
	if (!slot_tries_again(s))
		return;
	int64_t seconds = s->next_try_ms > m->now_ms ? (s->next_try_ms - m->now_ms - 1) / 1000 + 1 : 0;
	snprintf(out, room, "try %d/%d in %lld s", s->try + 1, s->tries, (long long)(seconds < 9999 ? seconds : 9999));
}

/* The label where one was scanned: that is what the operator holds in his hand. */
static const char *name_of_unit(const struct model_slot *s)
{
	return *s->label ? s->label : s->serial;
}

/* Where the work is, with a bar. */
static void draw_progress(struct canvas *c, int row, int col, int width, const struct model_slot *s, enum style style)
{
	char count[16];
	int n = snprintf(count, sizeof(count), "%d/%d", s->stage_index, s->stage_count);
	int stage = width - n - 1 < 9 ? width - n - 1 : 9;
	canvas_text(c, row, col, stage, style, s->stage);
	canvas_text(c, row, col + stage + 1, n, style, count);
	canvas_bar(c, row, col + stage + n + 2, width - stage - n - 2, style, s->stage_index, s->stage_count);
}

/* ---- framed places ---- */

/* In place of a verdict: what is being done, how far it is, and when it is tried again. */
static void draw_work(struct canvas *c, const struct place *p, const struct model *m, const struct model_slot *s)
{
	struct slot_face face = slot_face(s);
	char sign[5], again[64];
	next_try(m, s, again, sizeof(again));
	canvas_printf(c, p->row, p->col, p->width, face.style, "%s %s", sign_text(&face, sign), face.word);
	if (*s->waits_for) {
		canvas_words(c, p->row + 1, p->col, p->height - 1, p->width, STYLE_HOLD, s->sentence);
		return;
	}
	canvas_printf(c, p->row + 1, p->col, p->width, STYLE_NORMAL, "%s %d/%d", s->stage, s->stage_index, s->stage_count);
	canvas_bar(c, p->row + 2, p->col, p->width, face.style, s->stage_index, s->stage_count);
	if (slot_must_stay(s))
		canvas_text(c, p->row + 3, p->col, p->width, STYLE_ALARM, "DO NOT PULL");
	if (*again)
		canvas_printf(c, p->row + 4, p->col, p->width, STYLE_WAIT, "%s", again);
	canvas_text(c, p->row + BIG_ROWS, p->col, p->width, STYLE_DIM, s->sentence);
}

static void draw_verdict(struct canvas *c, const struct place *p, enum tray_look look, const struct model_slot *s)
{
	struct slot_face face = slot_face(s);
	char sign[5];
	bool empty = s->state == SLOT_EMPTY, letters = look == TRAY_LETTERS;
	const char *big = empty ? "EMPTY" : letters ? face.word : sign_text(&face, sign), *fill = empty ? "\u00b7" : "\u2588";
	canvas_fill(c, p->row, p->col, letters ? BIG_ROWS : BIG_ROWS + 1, p->width, face.style);
	if (!big_text(c, p->row, p->col, p->width, face.style, fill, big) && letters)
		canvas_printf(c, p->row + BIG_ROWS / 2, p->col, p->width, face.style, "%s %s", sign_text(&face, sign), face.word);
	if (!letters)
		canvas_text(c, p->row + BIG_ROWS, p->col + (p->width - text_columns(face.word)) / 2, p->width, face.style, face.word);
	int row = p->row + (letters ? BIG_ROWS : BIG_ROWS + 1), used = 0;
	if (*s->code)
		used = canvas_text(c, row, p->col, p->width, STYLE_NORMAL, s->code) + 1;
	canvas_words(c, row, p->col + used, p->height - (row - p->row), p->width - used, STYLE_DIM, s->sentence);
}

static void draw_framed(struct canvas *c, const struct place *p, enum tray_look look, const struct model *m,
			const struct model_slot *s, bool selected)
{
	struct slot_face face = slot_face(s);
	const struct place inner = {p->row + 1, p->col + 1, p->height - 2, p->width - 2};
	bool verdict = s->state == SLOT_EMPTY || (s->state == SLOT_DONE && s->verdict != SLOT_NO_VERDICT);
	char title[80], tail[80], sign[5];
	canvas_box(c, p->row, p->col, p->height, p->width, "");
	snprintf(title, sizeof(title), "%s%s %s", selected ? ">" : " ", s->name, sign_text(&face, sign));
	int used = canvas_text(c, p->row, p->col + 1, p->width - 2, selected ? STYLE_TITLE : STYLE_NORMAL, title);
	if (*name_of_unit(s) && p->width - used > 8) {
		text_tail(name_of_unit(s), p->width - used - 6 < 18 ? p->width - used - 6 : 18, tail, sizeof(tail));
		canvas_printf(c, p->row, p->col + p->width - text_columns(tail) - 3, p->width, STYLE_NORMAL, " %s ", tail);
	}
	if (verdict)
		draw_verdict(c, &inner, look, s);
	else
		draw_work(c, &inner, m, s);
}

/* ---- places without a frame ---- */

static void draw_rest(struct canvas *c, int row, int col, int width, const struct model_slot *s, const struct slot_face *face)
{
	char tail[80];
	bool works = s->state == SLOT_WORKING || (s->state == SLOT_WAITING && !*s->waits_for);
	int tail_columns = width > 38 || !works ? 18 : 6;
	text_tail(name_of_unit(s), tail_columns < width ? tail_columns : width, tail, sizeof(tail));
	int used = canvas_text(c, row, col, width, STYLE_DIM, tail) + 1;
	if (works && width - used > 14)
		draw_progress(c, row, col + used, width - used - 1, s, face->style);
	else if (works)
		canvas_printf(c, row, col + used, width - used, face->style, "%d/%d", s->stage_index, s->stage_count);
	else if (width - used > 8)
		canvas_printf(c, row, col + used, width - used - 1, STYLE_DIM, "%s%s%s", s->code, *s->code ? " " : "", s->sentence);
}

/* Number, sign and word in the first row. What follows stands behind them where it fits, else below. */
static void draw_plain(struct canvas *c, const struct place *p, const struct model *m, const struct model_slot *s, bool selected)
{
	struct slot_face face = slot_face(s);
	char sign[5], again[64];
	int width = p->width - 1, at = NAME_COLUMNS + 2 + WORD_COLUMNS + 1;
	int name = width < at ? 3 : NAME_COLUMNS;
	next_try(m, s, again, sizeof(again));
	canvas_text(c, p->row, p->col, 1, STYLE_TITLE, selected ? ">" : " ");
	canvas_text(c, p->row, p->col + 1, name - 1, STYLE_NORMAL, s->name);
	if (width < at - 1)
		canvas_printf(c, p->row, p->col + name, width - name, face.style, "%s%.*s", sign_text(&face, sign),
			      text_columns(face.word) > width - name - 1 ? 4 : WORD_COLUMNS, face.word);
	else
		canvas_printf(c, p->row, p->col + name, width - name, face.style, "%s %s", sign_text(&face, sign), face.word);
	if (slot_must_stay(s))
		canvas_text(c, p->row, p->col + width - 1, 1, STYLE_ALARM, "!");
	if (s->state == SLOT_EMPTY)
		return;
	if (p->height == 1) {
		if (width > at + 4)
			draw_rest(c, p->row, p->col + at, width - at - 1, s, &face);
		return;
	}
	draw_rest(c, p->row + 1, p->col + 1, width - 1, s, &face);
	if (p->height > 2 && *again)
		canvas_text(c, p->row + 2, p->col + 1, width - 1, STYLE_WAIT, again);
	else if (p->height > 2)
		canvas_words(c, p->row + 2, p->col + 1, p->height - (p->height > 3 ? 3 : 2), width - 1, STYLE_DIM,
			     *s->code ? s->code : s->sentence);
}

/* ---- what needs words ---- */

static int urgency(const struct model_slot *s)
{
	if (s->state == SLOT_DONE && s->verdict == SLOT_FAIL)
		return 1;
	if (s->state == SLOT_DONE && s->verdict == SLOT_HOLD)
		return 2;
	if (s->state == SLOT_WAITING)
		return 3;
	return s->state == SLOT_DONE && s->verdict == SLOT_BUILT ? 4 : 0;
}

static int draw_exception(struct canvas *c, int row, int rows, const struct model *m, const struct model_slot *s)
{
	struct slot_face face = slot_face(s);
	char sign[5], again[64], text[1024];
	next_try(m, s, again, sizeof(again));
	canvas_text(c, row, 1, NAME_COLUMNS - 1, STYLE_NORMAL, s->name);
	canvas_printf(c, row, NAME_COLUMNS + 1, WORD_COLUMNS + 2, face.style, "%s %s", sign_text(&face, sign), face.word);
	snprintf(text, sizeof(text), "%s%s%s%s%s %s", again, *again ? "; scan HOLD to leave it. " : "", s->code, *s->code ? " " : "",
		 s->sentence, *s->waits_for ? "" : s->todo);
	int at = NAME_COLUMNS + WORD_COLUMNS + 4, used = canvas_words(c, row, at, rows, c->cols - at - 1, STYLE_NORMAL, text);
	return used > 0 ? used : 1;
}

static void draw_strays(struct canvas *c, int row, const struct model *m)
{
	if (m->device_count)
		canvas_printf(c, row, 1, c->cols - 2, STYLE_DIM, "In no slot, left alone: %s at %s%s", m->device[0].product,
			      m->device[0].port, m->device_count > 1 ? ", and others" : "");
}

static void draw_exceptions(struct canvas *c, int row, int last, const struct model *m)
{
	int left = 0;
	for (size_t i = 0; i < m->slot_count; i++)
		left += urgency(&m->slot[i]) > 0;
	int each = left && (last - row) / left >= 2 ? 2 : 1;
	for (int u = 1; u <= 4; u++)
		for (size_t i = 0; i < m->slot_count; i++) {
			if (urgency(&m->slot[i]) != u)
				continue;
			if (row >= last - 1 && left > 1) {
				if (row < last)
					canvas_printf(c, row, 1, c->cols - 2, STYLE_DIM, "and %d more; F6 shows one after the other", left);
				return;
			}
			row += draw_exception(c, row, each, m, &m->slot[i]);
			left--;
		}
	if (row < last)
		draw_strays(c, row, m);
}

static void draw(struct canvas *c, const struct model *m, struct view *v)
{
	struct tray *t = &v->tray;
	tray_lay(m, c->rows - SCREEN_TOP - SCREEN_BOTTOM, c->cols, t);
	for (int i = 0; i < (int)m->slot_count; i++) {
		const struct place p = {SCREEN_TOP + t->at[i].row * t->height, t->at[i].column * t->width, t->height, t->width};
		if (t->look >= TRAY_SIGN)
			draw_framed(c, &p, t->look, m, &m->slot[i], i == v->selected);
		else
			draw_plain(c, &p, m, &m->slot[i], i == v->selected);
	}
	if (m->slot_count)
		draw_exceptions(c, SCREEN_TOP + t->rows * t->height, c->rows - SCREEN_BOTTOM, m);
	else
		canvas_text(c, SCREEN_TOP + 1, 1, c->cols - 2, STYLE_DIM, "No slots are known yet.");
}

static struct next on_key(struct view *v, const struct model *m, int key)
{
	static const struct { int key, down, right; } ways[] = {
		{KEYS_UP, -1, 0}, {KEYS_DOWN, 1, 0}, {KEYS_LEFT, 0, -1}, {KEYS_RIGHT, 0, 1},
	};
	int slots = (int)m->slot_count;
	if (key == KEYS_ENTER)
		return (struct next){NEXT_SCREEN, "unit"};
	if (key == KEYS_HOME)
		v->selected = 0;
	if (key == KEYS_END)
		v->selected = slots > 0 ? slots - 1 : 0;
	for (size_t i = 0; i < COUNT_OF(ways) && v->selected < slots; i++)
		if (ways[i].key == key)
			v->selected = tray_neighbour(&v->tray, slots, v->selected, ways[i].down, ways[i].right);
	return (struct next){NEXT_STAY, NULL};
}

extern const struct screen screen_slots;
const struct screen screen_slots = {
	.name = "slots", .title = "Slots", .key = KEYS_F2, .key_name = "F2", .draw = draw, .on_key = on_key,
};
