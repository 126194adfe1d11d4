/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/canvas.h"
#include "ui/glyph.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MORE 0x2026u	/* … */

static int within(int x, int least, int most)
{
	return x < least ? least : x > most ? most : x;
}

bool canvas_init(struct canvas *c, int rows, int cols, bool ascii, struct err *e)
{
	rows = within(rows, 1, CANVAS_ROWS_MAX);
	cols = within(cols, 1, CANVAS_COLS_MAX);
	*c = (struct canvas){.rows = rows, .cols = cols, .ascii = ascii};
	c->cells = calloc((size_t)rows * (size_t)cols, sizeof(*c->cells));
	if (!c->cells)
		return err_set(e, E_NOMEM, "a canvas of %d by %d", rows, cols);
	canvas_clear(c);
	return true;
}

void canvas_fini(struct canvas *c)
{
	if (!c)
		return;
	free(c->cells);
	*c = (struct canvas){0};
}

static struct cell *at(struct canvas *c, int row, int col)
{
	return &c->cells[(size_t)row * (size_t)c->cols + (size_t)col];
}

const struct cell *canvas_at(const struct canvas *c, int row, int col)
{
	assert(row >= 0 && row < c->rows && col >= 0 && col < c->cols);
	return &c->cells[(size_t)row * (size_t)c->cols + (size_t)col];
}

static bool inside(const struct canvas *c, int row, int col)
{
	return row >= 0 && row < c->rows && col >= 0 && col < c->cols;
}

/* Half of a wide character that loses its other half becomes a blank. */
static void put_cell(struct canvas *c, int row, int col, uint32_t ch, enum style style)
{
	if (!inside(c, row, col))
		return;
	struct cell *x = at(c, row, col);
	if (x->c == 0 && ch != 0 && col > 0)
		at(c, row, col - 1)->c = ' ';
	if (glyph_width(x->c) == 2 && col + 1 < c->cols)
		at(c, row, col + 1)->c = ' ';
	*x = (struct cell){ch, (uint8_t)style};
}

static void put(struct canvas *c, int row, int col, uint32_t ch, int width, enum style style)
{
	if (width == 2 && (!inside(c, row, col) || !inside(c, row, col + 1))) {
		put_cell(c, row, col, ' ', style);
		put_cell(c, row, col + 1, ' ', style);
		return;
	}
	put_cell(c, row, col, ch, style);
	if (width == 2) {
		struct cell *second = at(c, row, col + 1);
		if (glyph_width(second->c) == 2 && col + 2 < c->cols)
			at(c, row, col + 2)->c = ' ';
		*second = (struct cell){0, (uint8_t)style};
	}
}

/* As it will be drawn on this canvas. */
static uint32_t shown(const struct canvas *c, uint32_t ch, int *ret_width)
{
	int width = glyph_width(ch);
	*ret_width = c->ascii || !width ? 1 : width;
	if (c->ascii)
		return (uint32_t)glyph_plain(width ? ch : GLYPH_REPLACEMENT);
	return width ? ch : GLYPH_REPLACEMENT;
}

void canvas_fill(struct canvas *c, int row, int col, int rows, int cols, enum style style)
{
	for (int r = 0; r < rows; r++)
		for (int k = 0; k < cols; k++)
			put_cell(c, row + r, col + k, ' ', style);
}

void canvas_paint(struct canvas *c, int row, int col, int rows, int cols, enum style style)
{
	for (int r = row; r < row + rows; r++)
		for (int k = col; k < col + cols; k++)
			if (inside(c, r, k))
				at(c, r, k)->style = (uint8_t)style;
}

void canvas_clear(struct canvas *c)
{
	for (size_t i = 0; i < (size_t)c->rows * (size_t)c->cols; i++)
		c->cells[i] = (struct cell){' ', STYLE_NORMAL};
}

/* Draws characters from text up to `end` (NULL: its NUL) as long as they fit. *ret_cut when some
 * did not. */
static int put_text(struct canvas *c, int row, int col, int width, enum style style, const char *text,
		    const char *end, bool *ret_cut)
{
	int used = 0;
	*ret_cut = false;
	while (!end || text < end) {
		int w;
		uint32_t ch = glyph_next(&text);
		if (!ch)
			break;
		ch = shown(c, ch, &w);
		if (used + w > width) {
			*ret_cut = true;
			break;
		}
		put(c, row, col + used, ch, w, style);
		used += w;
	}
	return used;
}

static int put_more(struct canvas *c, int row, int col, int width, enum style style)
{
	int w;
	if (width < 1)
		return 0;
	uint32_t more = shown(c, MORE, &w);
	put_cell(c, row, col + width - 1, more, style);
	return width;
}

int canvas_text(struct canvas *c, int row, int col, int width, enum style style, const char *text)
{
	bool cut;
	int used = put_text(c, row, col, width, style, text, NULL, &cut);
	if (!cut)
		return used;
	canvas_fill(c, row, col + used, 1, width - used, style);
	return put_more(c, row, col, width, style);
}

int canvas_printf(struct canvas *c, int row, int col, int width, enum style style, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return canvas_text(c, row, col, width, style, text);
}

/* Where the line that begins at `text` ends: behind the last word that fits, or in the middle of
 * a word that is wider than the line. */
static const char *line_end(const char *text, int width)
{
	const char *p = text, *best = NULL;
	for (int used = 0; *p;) {
		const char *before = p;
		uint32_t ch = glyph_next(&p);
		int w = glyph_width(ch) == 2 ? 2 : 1;
		if (ch == ' ')
			best = before;
		if (used + w > width)
			return best ? best : before > text ? before : p;
		used += w;
	}
	return p;
}

int canvas_words(struct canvas *c, int row, int col, int rows, int width, enum style style, const char *text)
{
	int used = 0, columns = 0;
	bool cut;
	while (*text && used < rows && width > 0) {
		const char *end = line_end(text, width);
		columns = put_text(c, row + used, col, width, style, text, end, &cut);
		for (text = end; *text == ' ';)
			text++;
		used++;
	}
	if (*text && used)
		put_more(c, row + used - 1, col, columns < width ? columns + 1 : width, style);
	return used;
}

void canvas_box(struct canvas *c, int row, int col, int rows, int cols, const char *title)
{
	int w;
	if (rows < 2 || cols < 2)
		return;
	uint32_t across = shown(c, 0x2500, &w), down = shown(c, 0x2502, &w);
	for (int k = 1; k < cols - 1; k++) {
		put_cell(c, row, col + k, across, STYLE_FRAME);
		put_cell(c, row + rows - 1, col + k, across, STYLE_FRAME);
	}
	for (int r = 1; r < rows - 1; r++) {
		put_cell(c, row + r, col, down, STYLE_FRAME);
		put_cell(c, row + r, col + cols - 1, down, STYLE_FRAME);
	}
	put_cell(c, row, col, shown(c, 0x250c, &w), STYLE_FRAME);
	put_cell(c, row, col + cols - 1, shown(c, 0x2510, &w), STYLE_FRAME);
	put_cell(c, row + rows - 1, col, shown(c, 0x2514, &w), STYLE_FRAME);
	put_cell(c, row + rows - 1, col + cols - 1, shown(c, 0x2518, &w), STYLE_FRAME);
	if (*title && cols > 6)
		canvas_printf(c, row, col + 2, cols - 4, STYLE_FRAME, " %s ", title);
}

void canvas_bar(struct canvas *c, int row, int col, int width, enum style style, int64_t done, int64_t of)
{
	int w;
	int64_t full = 0;
	if (of > 0 && done > 0)
		full = done < of ? (int64_t)((double)done / (double)of * width) : width;
	for (int k = 0; k < width; k++)
		put_cell(c, row, col + k, shown(c, k < full ? 0x2588 : 0x2591, &w), style);
}

int text_columns(const char *text)
{
	int used = 0;
	for (uint32_t ch; (ch = glyph_next(&text));)
		used += glyph_width(ch) == 2 ? 2 : 1;
	return used;
}

bool canvas_row_text(const struct canvas *c, int row, struct bytes *ret, struct err *e)
{
	int end = c->cols;
	char utf8[4];
	while (end > 0 && canvas_at(c, row, end - 1)->c == ' ')
		end--;
	for (int k = 0; k < end; k++) {
		uint32_t ch = canvas_at(c, row, k)->c;
		if (ch && !bytes_add(ret, utf8, glyph_utf8(ch, utf8), e))
			return false;
	}
	return true;
}

bool canvas_to_text(const struct canvas *c, struct bytes *ret, struct err *e)
{
	for (int r = 0; r < c->rows; r++)
		if (!canvas_row_text(c, r, ret, e) || !bytes_add_text(ret, "\n", e))
			return false;
	return true;
}
