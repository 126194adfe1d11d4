/* SPDX-License-Identifier: Apache-2.0 */
/* A grid of cells that screens draw on. Pure: it knows no terminal, no locale and no file, so a
 * screen can be compared as text.
 *
 * Every text that is drawn may come from a hostile unit. A character is shown only if it is one
 * column or two on every terminal: Latin, Greek, Cyrillic, punctuation, arrows, lines, blocks, a
 * few signs, and the common East Asian scripts. Everything else (controls, combining marks,
 * right-to-left marks, broken UTF-8) is shown as one replacement sign, so that nothing can leave
 * its place. With `ascii` set, signs that have a plain likeness become that, and the rest "?".
 * Everything clips at the canvas; a text also at its own width, where its last column becomes
 * "…". */
#ifndef UI_CANVAS_H
#define UI_CANVAS_H

#include "station/base/bytes.h"

/* What a place means; how it looks is the theme's affair. */
enum style {
	STYLE_NORMAL,
	STYLE_DIM,
	STYLE_TITLE,	/* the line on top */
	STYLE_FRAME,
	STYLE_KEYS,	/* the line at the bottom */
	STYLE_SELECTED,
	STYLE_WORK,	/* a unit that is worked on */
	STYLE_GOOD,	/* PASS */
	STYLE_WAIT,	/* BUILT, waiting */
	STYLE_HOLD,	/* a person must decide */
	STYLE_BAD,	/* FAIL */
	STYLE_ALARM,	/* do not pull; the line is not fit */
	STYLE_COUNT
};

struct cell {
	uint32_t c;	/* Unicode; 0 is the second column of the wide character on its left */
	uint8_t style;
};

struct canvas {
	int rows, cols;
	bool ascii;
	struct cell *cells;
};

#define CANVAS_ROWS_MAX 500
#define CANVAS_COLS_MAX 1000

/* A blank canvas; sizes are brought within 1 and the maxima. E_NOMEM. */
WARN_UNUSED bool canvas_init(struct canvas *c, int rows, int cols, bool ascii, struct err *e);
void canvas_fini(struct canvas *c);
AUTO_DEFINE(canvas, struct canvas)

/* Blank, STYLE_NORMAL. */
void canvas_clear(struct canvas *c);

/* The cell at a place inside. */
const struct cell *canvas_at(const struct canvas *c, int row, int col);

/* Text in at most `width` columns; returns the columns used. */
int canvas_text(struct canvas *c, int row, int col, int width, enum style style, const char *text);
int canvas_printf(struct canvas *c, int row, int col, int width, enum style style, const char *fmt, ...) PRINTF_LIKE(6, 7);

/* Text in words over at most `rows` rows; returns the rows used. What does not fit ends in "…". */
int canvas_words(struct canvas *c, int row, int col, int rows, int width, enum style style, const char *text);

/* Blank with a style. */
void canvas_fill(struct canvas *c, int row, int col, int rows, int cols, enum style style);

/* Changes the style of what is there. */
void canvas_paint(struct canvas *c, int row, int col, int rows, int cols, enum style style);

/* A frame, its title in the upper edge. */
void canvas_box(struct canvas *c, int row, int col, int rows, int cols, const char *title);

/* A bar of which done/of is full. */
void canvas_bar(struct canvas *c, int row, int col, int width, enum style style, int64_t done, int64_t of);

/* Columns that the text takes. */
int text_columns(const char *text);

/* One row as UTF-8 without the blanks at its end, or all rows, each with '\n'. E_NOMEM, E_TEXT. */
WARN_UNUSED bool canvas_row_text(const struct canvas *c, int row, struct bytes *ret, struct err *e);
WARN_UNUSED bool canvas_to_text(const struct canvas *c, struct bytes *ret, struct err *e);

#endif
