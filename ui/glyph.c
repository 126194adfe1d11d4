/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/glyph.h"

#include "station/base/auto.h"

struct range {
	uint32_t first, last;
};

/* One column on every terminal. Left out on purpose: controls, soft hyphen, combining marks,
 * unassigned, right-to-left, private. */
static const struct range narrow[] = {
	{0x20, 0x7e}, {0xa1, 0xac}, {0xae, 0x24f}, {0x391, 0x3a1}, {0x3a3, 0x3ff}, {0x400, 0x482}, {0x48a, 0x4ff},
	{0x2010, 0x2027}, {0x2030, 0x205e}, {0x20a0, 0x20bf}, {0x2190, 0x21ff}, {0x2500, 0x25fc}, {0x2713, 0x2713},
	{0x2717, 0x2717}, {0xfffd, 0xfffd},
};

static const struct range wide[] = {
	{0x3041, 0x3096}, {0x30a1, 0x30ff}, {0x3400, 0x4dbf}, {0x4e00, 0x9fff}, {0xac00, 0xd7a3}, {0xff01, 0xff60},
};

static const struct likeness {
	uint32_t c;
	char plain;
} likenesses[] = {
	{0xb7, '.'}, {0x2013, '-'}, {0x2014, '-'}, {0x2018, '\''}, {0x2019, '\''}, {0x201c, '"'}, {0x201d, '"'},
	{0x2026, '~'}, {0x2190, '<'}, {0x2191, '^'}, {0x2192, '>'}, {0x2193, 'v'}, {0x2500, '-'}, {0x2502, '|'},
	{0x250c, '+'}, {0x2510, '+'}, {0x2514, '+'}, {0x2518, '+'}, {0x2581, '_'}, {0x2582, '.'}, {0x2583, ':'}, {0x2584, '-'},
	{0x2585, '='}, {0x2586, '+'}, {0x2587, '*'}, {0x2588, '#'}, {0x2591, '.'}, {0x25a0, '#'},
	{0x25b6, '>'}, {0x25b7, '>'}, {0x25c6, '!'}, {0x25c7, 'o'}, {0x25cb, '-'}, {0x2713, '+'}, {0x2717, 'X'},
};

static int in_ranges(uint32_t c, const struct range *r, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (c >= r[i].first && c <= r[i].last)
			return 1;
	return 0;
}

int glyph_width(uint32_t c)
{
	if (in_ranges(c, narrow, COUNT_OF(narrow)))
		return 1;
	return in_ranges(c, wide, COUNT_OF(wide)) ? 2 : 0;
}

char glyph_plain(uint32_t c)
{
	if (c >= 0x20 && c <= 0x7e)
		return (char)c;
	for (size_t i = 0; i < COUNT_OF(likenesses); i++)
		if (likenesses[i].c == c)
			return likenesses[i].plain;
	return '?';
}

uint32_t glyph_next(const char **text)
{
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};	/* below, the form is longer than needed */
	const unsigned char *p = (const unsigned char *)*text;
	if (!*p)
		return 0;
	(*text)++;
	if (*p < 0x80)
		return *p;
	int more = *p >= 0xf0 && *p <= 0xf4 ? 3 : *p >= 0xe0 && *p < 0xf0 ? 2 : *p >= 0xc2 && *p < 0xe0 ? 1 : 0;
	if (!more)
		return GLYPH_REPLACEMENT;
	uint32_t c = *p & (0x3fu >> more);
	for (int i = 1; i <= more; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return GLYPH_REPLACEMENT;
		c = c << 6 | (p[i] & 0x3fu);
	}
	*text += more;
	if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return GLYPH_REPLACEMENT;
	return c;
}

size_t glyph_utf8(uint32_t c, char out[static 4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--) {
		out[i] = (char)(0x80 | (c & 0x3f));
		c >>= 6;
	}
	out[0] = (char)((0xf00u >> n & 0xf0u) | c);
	return n;
}
