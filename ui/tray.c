/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/tray.h"

#include <stdlib.h>
#include <string.h>

#define WORDS_ROWS 3		/* below the tray */
#define LETTERS_ROWS 8		/* frame, letters, a sentence, frame */
#define LETTERS_COLUMNS 25	/* BUILT in its frame */
#define SIGN_ROWS 9
#define SIGN_COLUMNS 16
#define PLAIN_COLUMNS 18
#define LINE_COLUMNS 9
#define HEIGHT_MOST 10

static int within(int x, int least, int most)
{
	return x < least ? least : x > most ? most : x;
}

static int divided_up(int x, int by)
{
	return (x + by - 1) / by;
}

/* The look that a place of this size can have. */
static enum tray_look look_of(int height, int width)
{
	if (height >= LETTERS_ROWS && width >= LETTERS_COLUMNS)
		return TRAY_LETTERS;
	if (height >= SIGN_ROWS && width >= SIGN_COLUMNS)
		return TRAY_SIGN;
	return height >= 2 && width >= 12 ? TRAY_PLAIN : TRAY_LINE;
}

/* How high a place is, if so many stand above one another. A summary leaves a third of the screen to the words. */
static int height_for(int rows, int of, bool summary)
{
	if (summary)
		return 2 * rows <= of - of / 3 ? 2 : 1;
	return within((of - WORDS_ROWS) / rows, 1, HEIGHT_MOST);
}

/* ---- as the jig stands ---- */

/* The place of the jig, as built, seen turned clockwise. */
static void turn(const struct model *m, int row, int column, int *ret_row, int *ret_column)
{
	switch (m->jig.rotation) {
	case 90:
		*ret_row = column;
		*ret_column = m->jig.rows - 1 - row;
		break;
	case 180:
		*ret_row = m->jig.rows - 1 - row;
		*ret_column = m->jig.columns - 1 - column;
		break;
	case 270:
		*ret_row = m->jig.columns - 1 - column;
		*ret_column = row;
		break;
	default:
		*ret_row = row;
		*ret_column = column;
		break;
	}
}

/* It has a place of its own: one that an earlier slot has is taken. */
static bool stands_in_jig(const struct model *m, size_t i)
{
	const struct model_slot *s = &m->slot[i];
	for (size_t k = 0; k < i; k++)
		if (m->slot[k].row == s->row && m->slot[k].column == s->column)
			return false;
	return s->row >= 1 && s->row <= m->jig.rows && s->column >= 1 && s->column <= m->jig.columns;
}

/* Slots without a place in the jig stand in rows of their own below it. */
static void lay_jig(const struct model *m, struct tray *t)
{
	bool turned = m->jig.rotation == 90 || m->jig.rotation == 270;
	int others = 0;
	t->rows = turned ? m->jig.columns : m->jig.rows;
	t->columns = turned ? m->jig.rows : m->jig.columns;
	for (size_t i = 0; i < m->slot_count; i++) {
		const struct model_slot *s = &m->slot[i];
		if (stands_in_jig(m, i)) {
			turn(m, s->row - 1, s->column - 1, &t->at[i].row, &t->at[i].column);
			continue;
		}
		t->at[i].row = t->rows + others / t->columns;
		t->at[i].column = others++ % t->columns;
	}
	t->rows += divided_up(others, t->columns);
}

/* ---- in the order of the configuration ---- */

static void lay_row_by_row(const struct model *m, int columns, struct tray *t)
{
	t->columns = columns;
	t->rows = divided_up((int)m->slot_count, columns);
	for (size_t i = 0; i < m->slot_count; i++) {
		t->at[i].row = (int)i / columns;
		t->at[i].column = (int)i % columns;
	}
}

/* As many columns as give the best look, and of these the fewest. */
static int best_columns(int slots, int rows, int columns)
{
	int best = within(columns / PLAIN_COLUMNS, 1, slots), least = slots > TRAY_SUMMARY ? LINE_COLUMNS : SIGN_COLUMNS;
	enum tray_look best_look = TRAY_LINE;
	for (int n = 1; n <= slots && columns / n >= least; n++) {
		enum tray_look look = look_of(height_for(divided_up(slots, n), rows, false), columns / n);
		if (look > best_look) {
			best_look = look;
			best = n;
		}
	}
	if (slots > TRAY_SUMMARY)
		best = within(columns / (columns >= 96 ? 15 : LINE_COLUMNS + 1), 1, slots);
	return best;
}

void tray_lay(const struct model *m, int rows, int columns, struct tray *ret)
{
	bool summary = m->slot_count > TRAY_SUMMARY;
	memset(ret, 0, sizeof(*ret));
	if (!m->slot_count)
		return;
	if (m->jig.rows && m->jig.columns)
		lay_jig(m, ret);
	if (!ret->columns || ret->rows > rows || columns / ret->columns < LINE_COLUMNS)
		lay_row_by_row(m, best_columns((int)m->slot_count, rows, columns), ret);
	ret->height = height_for(ret->rows, rows, summary);
	ret->width = columns / ret->columns;
	ret->look = look_of(ret->height, ret->width);
}

int tray_neighbour(const struct tray *t, int slots, int from, int down, int right)
{
	int best = from, nearest = 0;
	for (int i = 0; i < slots; i++) {
		int rows = t->at[i].row - t->at[from].row, columns = t->at[i].column - t->at[from].column;
		int ahead = rows * down + columns * right, aside = down ? abs(columns) : abs(rows);
		int far = ahead + 100 * aside;	/* one in line is nearer than any that is not */
		if (ahead > 0 && (best == from || far < nearest)) {
			best = i;
			nearest = far;
		}
	}
	return best;
}
