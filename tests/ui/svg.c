/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/ui/svg.h"

#include "ui/glyph.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Of a cell, in pixels. */
#define WIDTH 8
#define HEIGHT 16
#define BASE 12

#define GROUND 0x101418
#define INK 0xd8dce0

struct svg {
	const struct canvas *c;
	enum theme theme;
	struct bytes *out;
	struct err *e;
	bool ok;
};

PRINTF_LIKE(2, 3) static void put(struct svg *s, const char *fmt, ...)
{
	char text[512];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	s->ok = s->ok && bytes_add_text(s->out, text, s->e);
}

/* The 256 colours as terminals have them: 16 named ones, a cube, greys. */
static unsigned colour(short index, unsigned otherwise)
{
	static const unsigned named[16] = {0x000000, 0xcd0000, 0x00cd00, 0xcdcd00, 0x0000ee, 0xcd00cd, 0x00cdcd, 0xe5e5e5,
					   0x7f7f7f, 0xff0000, 0x00ff00, 0xffff00, 0x5c5cff, 0xff00ff, 0x00ffff, 0xffffff};
	static const unsigned level[6] = {0x00, 0x5f, 0x87, 0xaf, 0xd7, 0xff};
	if (index < 0 || index > 255)
		return otherwise;
	if (index < 16)
		return named[index];
	if (index >= 232)
		return (unsigned)(8 + (index - 232) * 10) * 0x010101u;
	unsigned i = (unsigned)index - 16;
	return level[i / 36] << 16 | level[i / 6 % 6] << 8 | level[i % 6];
}

static const struct look *look_at(const struct svg *s, int row, int col)
{
	return theme_look(s->theme, (enum style)canvas_at(s->c, row, col)->style);
}

static void put_styles(struct svg *s)
{
	put(s, "<style>text{font:13px monospace;white-space:pre;fill:#%06x}path{stroke:#%06x;fill:none}", INK,
	    colour(theme_look(s->theme, STYLE_FRAME)->fg, INK));
	for (int i = 0; i < STYLE_COUNT; i++) {
		const struct look *l = theme_look(s->theme, (enum style)i);
		unsigned front = colour(l->fg, INK), back = colour(l->bg, GROUND);
		unsigned ink = l->reverse ? back : front, ground = l->reverse ? front : back;
		put(s, ".t%d{fill:#%06x%s%s%s}.g%d{fill:#%06x}", i, ink, l->bold ? ";font-weight:bold" : "", l->dim ? ";opacity:.7" : "",
		    l->underline ? ";text-decoration:underline" : "", i, ground);
	}
	put(s, "</style>\n");
}

/* The end of the run of cells that look the same and, where a sign is given, hold it. */
static int run_end(const struct svg *s, int row, int col, uint32_t sign)
{
	uint8_t style = canvas_at(s->c, row, col)->style;
	while (col < s->c->cols && canvas_at(s->c, row, col)->style == style && (!sign || canvas_at(s->c, row, col)->c == sign))
		col++;
	return col;
}

static void put_ground(struct svg *s, int row)
{
	for (int col = 0, end; col < s->c->cols; col = end) {
		const struct look *l = look_at(s, row, col);
		end = run_end(s, row, col, 0);
		if (l->bg >= 0 || l->reverse)
			put(s, "<rect class=\"g%d\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", canvas_at(s->c, row, col)->style, col * WIDTH,
			    row * HEIGHT, (end - col) * WIDTH, HEIGHT);
	}
}

/* Blocks are drawn, so that a letter of them has no gaps; how high, in eighths of a cell. */
static int eighths(uint32_t c)
{
	return c == 0x2591 ? 8 : c >= 0x2581 && c <= 0x2588 ? (int)(c - 0x2580) : 0;
}

static void put_blocks(struct svg *s, int row)
{
	for (int col = 0, end; col < s->c->cols; col = end) {
		const struct cell *x = canvas_at(s->c, row, col);
		int high = eighths(x->c) * HEIGHT / 8;
		end = col + 1;
		if (!high)
			continue;
		end = run_end(s, row, col, x->c);
		put(s, "<rect class=\"t%d\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"%s/>\n", x->style, col * WIDTH,
		    row * HEIGHT + HEIGHT - high, (end - col) * WIDTH, high, x->c == 0x2591 ? " opacity=\".25\"" : "");
	}
}

static bool is_line(uint32_t c)
{
	return c == 0x2500 || c == 0x2502 || c == 0x250c || c == 0x2510 || c == 0x2514 || c == 0x2518;
}

static void put_lines(struct svg *s, int row)
{
	int y = row * HEIGHT, middle = y + HEIGHT / 2;
	for (int col = 0; col < s->c->cols; col++) {
		int x = col * WIDTH, centre = x + WIDTH / 2;
		uint32_t c = canvas_at(s->c, row, col)->c;
		int end = run_end(s, row, col, 0x2500);
		if (c == 0x2500) {
			put(s, "M%d %dh%d", x, middle, (end - col) * WIDTH);
			col = end - 1;
		}
		if (c == 0x2502)
			put(s, "M%d %dv%d", centre, y, HEIGHT);
		if (c == 0x250c || c == 0x2510)
			put(s, "M%d %dv-%dh%d", centre, y + HEIGHT, HEIGHT / 2, c == 0x250c ? WIDTH / 2 : -WIDTH / 2);
		if (c == 0x2514 || c == 0x2518)
			put(s, "M%d %dv%dh%d", centre, y, HEIGHT / 2, c == 0x2514 ? WIDTH / 2 : -WIDTH / 2);
	}
}

static bool is_text(uint32_t c)
{
	return c != ' ' && !is_line(c) && !eighths(c);
}

static void put_char(struct svg *s, uint32_t c)
{
	char utf8[5] = "";
	if (c == '<' || c == '>' || c == '&') {
		put(s, "&#%u;", c);
		return;
	}
	utf8[glyph_utf8(is_text(c) ? c : ' ', utf8)] = '\0';
	put(s, "%s", utf8);
}

/* Words of one style, without the blanks around them; textLength holds them on the grid. */
static void put_text(struct svg *s, int row)
{
	for (int col = 0, end; col < s->c->cols; col = end) {
		int first = col, last;
		end = run_end(s, row, col, 0);
		while (first < end && !is_text(canvas_at(s->c, row, first)->c))
			first++;
		for (last = end; last > first && !is_text(canvas_at(s->c, row, last - 1)->c);)
			last--;
		if (first == last)
			continue;
		put(s, "<text class=\"t%d\" x=\"%d\" y=\"%d\" textLength=\"%d\" xml:space=\"preserve\">", canvas_at(s->c, row, col)->style,
		    first * WIDTH, row * HEIGHT + BASE, (last - first) * WIDTH);
		for (; first < last; first++)
			if (canvas_at(s->c, row, first)->c)
				put_char(s, canvas_at(s->c, row, first)->c);
		put(s, "</text>\n");
	}
}

bool svg_of_canvas(const struct canvas *c, enum theme theme, const char *title, struct bytes *ret, struct err *e)
{
	struct svg s = {.c = c, .theme = theme, .out = ret, .e = e, .ok = true};
	put(&s, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\">\n<title>%s</title>\n", c->cols * WIDTH,
	    c->rows * HEIGHT, title);
	put_styles(&s);
	put(&s, "<rect fill=\"#%06x\" width=\"%d\" height=\"%d\"/>\n", GROUND, c->cols * WIDTH, c->rows * HEIGHT);
	for (int row = 0; row < c->rows; row++) {
		put_ground(&s, row);
		put_blocks(&s, row);
	}
	put(&s, "<path d=\"M0 0");
	for (int row = 0; row < c->rows; row++)
		put_lines(&s, row);
	put(&s, "\"/>\n");
	for (int row = 0; row < c->rows; row++)
		put_text(&s, row);
	put(&s, "</svg>\n");
	return s.ok;
}
