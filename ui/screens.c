/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/screen.h"

#include "station/base/clock.h"

#include <stdio.h>
#include <string.h>

extern const struct screen screen_slots, screen_unit, screen_help, screen_lot, screen_queue, screen_journal, screen_preflight;

const struct screen *const screen_table[] = {&screen_slots, &screen_lot, &screen_queue, &screen_journal, &screen_unit,
					     &screen_preflight, &screen_help, NULL};

const struct screen *screen_find(const char *name)
{
	for (const struct screen *const *s = screen_table; *s; s++)
		if (!strcmp((*s)->name, name))
			return *s;
	return NULL;
}

/* What must not be missed: that nothing here is real, or that nothing is written. */
static const struct mode {
	const char *name, *word, *text;
} modes[] = {
	{"training", "TRAINING", "TRAINING: NOTHING HERE IS REAL"},
	{"recheck", "RE-CHECK", "RE-CHECK: NOTHING IS WRITTEN"},
};

/* NULL in production. */
static const struct mode *mode_of(const struct model *m)
{
	for (size_t i = 0; i < COUNT_OF(modes); i++)
		if (!strcmp(modes[i].name, m->mode))
			return &modes[i];
	return NULL;
}

/* The whole row, as often as the text fits. */
static void draw_mode(struct canvas *c, const struct mode *mode)
{
	int width = text_columns(mode->text), times = c->cols / (width + 3);
	times = times < 1 ? 1 : times;
	canvas_fill(c, 0, 0, 1, c->cols, STYLE_ALARM);
	for (int i = 0; i < times; i++) {
		int col = c->cols * i / times + (c->cols / times - width) / 2;
		canvas_text(c, 0, col > 0 ? col : 0, c->cols, STYLE_ALARM, mode->text);
	}
}

static void draw_title(struct canvas *c, const struct model *m)
{
	if (mode_of(m)) {
		draw_mode(c, mode_of(m));
		return;
	}
	char time[CLOCK_TEXT], right[16];
	clock_text(m->now_ms, time);
	int n = snprintf(right, sizeof(right), "%.8sZ", time + 11);
	int room = c->cols - n - 2;
	int used = canvas_text(c, 0, 0, c->cols / 3, STYLE_TITLE, *m->name ? m->name : "station");
	used += canvas_printf(c, 0, used, room - used, STYLE_TITLE, " %s", m->reachable ? m->state : "?");
	canvas_printf(c, 0, used, room - used, STYLE_NORMAL, "  PASS %lld  BUILT %lld  HOLD %lld  FAIL %lld  open %lld",
		      (long long)m->pass, (long long)m->built, (long long)m->hold, (long long)m->fail, (long long)m->open);
	canvas_text(c, 0, c->cols - n, n, STYLE_DIM, right);
}

/* Who is here and which lot is open, what waits for the cloud and the MES, and then what must always be seen. */
static void draw_banner(struct canvas *c, const struct model *m)
{
	char text[320];
	model_floor(m, text, sizeof(text));
	int used = canvas_text(c, 2, 1, c->cols - 2, STYLE_TITLE, text);
	used += used ? 2 : 0;
	model_outbox(m, text, sizeof(text));
	int more = canvas_text(c, 2, 1 + used, c->cols - 2 - used, STYLE_WORK, text);
	used += more ? more + 2 : 0;
	canvas_text(c, 2, 1 + used, c->cols - 2 - used, STYLE_HOLD, m->banner);
}

static void draw_headline(struct canvas *c, const struct model *m)
{
	static const enum style styles[] = {
		[HEADLINE_LOST] = STYLE_BAD, [HEADLINE_UNFIT] = STYLE_BAD, [HEADLINE_HANDS_OFF] = STYLE_ALARM,
		[HEADLINE_BUSY] = STYLE_WORK, [HEADLINE_WANTED] = STYLE_HOLD, [HEADLINE_PULL] = STYLE_GOOD, [HEADLINE_READY] = STYLE_NORMAL,
	};
	char text[640];
	enum style style = styles[model_headline(m, text, sizeof(text))];
	const struct mode *mode = mode_of(m);
	int edge = mode && c->cols >= 60 ? text_columns(mode->word) + 2 : 0;
	canvas_fill(c, 1, 0, 1, c->cols, style);
	canvas_text(c, 1, 1 + edge, c->cols - 2 - 2 * edge, style, text);
	if (edge) {
		canvas_printf(c, 1, 0, edge, STYLE_ALARM, " %s ", mode->word);
		canvas_printf(c, 1, c->cols - edge, edge, STYLE_ALARM, " %s ", mode->word);
	}
	if (!m->reachable)
		canvas_printf(c, 2, 1, c->cols - 2, STYLE_DIM, "What stands below is old. %s", m->why);
	else if (*m->sentence && strcmp(m->state, "running") != 0)
		canvas_printf(c, 2, 1, c->cols - 2, STYLE_HOLD, "%s %s", m->sentence, m->todo);
	else
		draw_banner(c, m);
}

/* What is wanted next, in words for the end of the scan line. */
static const char *wanted(const struct model *m)
{
	static const struct { const char *wants, *text; } by_talk[] = {
		{"pin", "PIN: its cards, then PIN-OK, or type it"}, {"slot", "scan the slot's card"}, {"confirm", "scan YES or NO"},
		{"second badge", "a lead scans his badge"},
	};
	const struct model_shift *s = &m->shift;
	for (size_t i = 0; i < COUNT_OF(by_talk); i++)
		if (!strcmp(s->talk.wants, by_talk[i].wants))
			return by_talk[i].text;
	if (!strcmp(s->state, "wants pin"))
		return by_talk[0].text;
	if (!strcmp(s->state, "nobody") || !strcmp(s->state, "locked"))
		return "scan your badge";
	if (s->label[0])
		return "plug it in";
	return *s->state ? "scan an order, a label or a card" : "";
}

/* What a person writes, or else what the console or the line said last; and what is wanted next. */
static void draw_scan_line(struct canvas *c, const struct model *m, const struct view *v)
{
	const struct model_talk *t = &m->shift.talk;
	const char *next = wanted(m);
	int row = c->rows - 2, room = text_columns(next) + 4;
	bool pin = !strcmp(t->wants, "pin"), silent = !v->typed && !v->notice && !t->at_ms;
	room = c->cols >= 100 || silent ? room : 0;
	int width = c->cols - 2 - room;
	canvas_fill(c, row, 0, 1, c->cols, STYLE_NORMAL);
	if (room && *next && m->reachable)
		canvas_printf(c, row, c->cols - room, room, STYLE_TITLE, "> %s", next);
	if (v->typed && pin)
		canvas_printf(c, row, 1, width, STYLE_SELECTED, "PIN> %.*s_", (int)strlen(v->typed), "****************");
	else if (v->typed)
		canvas_printf(c, row, 1, width, STYLE_SELECTED, "SCAN> %s_", v->typed);
	else if (v->notice)
		canvas_printf(c, row, 1, width, STYLE_HOLD, "\u2717 %s", v->notice);
	else if (t->at_ms && t->good)
		canvas_printf(c, row, 1, width, STYLE_GOOD, "\u2713 %s", t->sentence);
	else if (t->at_ms)
		canvas_printf(c, row, 1, width, STYLE_HOLD, "\u2717 %s  %s %s", t->code, t->sentence, t->todo);
}

static void draw_keys(struct canvas *c, const struct screen *now)
{
	int row = c->rows - 1, col = 1;
	canvas_fill(c, row, 0, 1, c->cols, STYLE_KEYS);
	for (const struct screen *const *s = screen_table; *s; s++) {
		const char *mark = *s == now ? "*" : "";
		col += canvas_printf(c, row, col, c->cols - col - 1, STYLE_KEYS, "%s %s%s", (*s)->key_name, (*s)->title, mark) + 2;
	}
	canvas_text(c, row, col, c->cols - col - 1, STYLE_KEYS, "/ write a code  q leaves (the line goes on)");
}

void screen_draw(const struct screen *s, struct canvas *c, const struct model *m, struct view *v)
{
	canvas_clear(c);
	int last = (int)m->slot_count - 1;
	v->selected = v->selected > last ? last : v->selected;
	v->selected = v->selected < 0 ? 0 : v->selected;
	s->draw(c, m, v);
	canvas_fill(c, 0, 0, SCREEN_TOP, c->cols, STYLE_NORMAL);
	draw_title(c, m);
	draw_headline(c, m);
	draw_scan_line(c, m, v);
	draw_keys(c, s);
}

struct next screen_key(const struct screen *s, struct view *v, const struct model *m, int key)
{
	if (key == 'q' || key == 'Q' || key == KEYS_F10)
		return (struct next){NEXT_QUIT, NULL};
	for (const struct screen *const *other = screen_table; *other; other++)
		if ((*other)->key == key)
			return (struct next){NEXT_SCREEN, (*other)->name};
	return s->on_key(v, m, key);
}
