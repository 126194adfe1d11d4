/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/big.h"
#include "ui/glyph.h"

#include <string.h>

static const struct letter {
	uint32_t c;
	const char *row[BIG_ROWS];
} letters[] = {
	{'A', {" ## ", "#  #", "####", "#  #", "#  #"}},
	{'B', {"### ", "#  #", "### ", "#  #", "### "}},
	{'D', {"### ", "#  #", "#  #", "#  #", "### "}},
	{'E', {"####", "#   ", "### ", "#   ", "####"}},
	{'F', {"####", "#   ", "### ", "#   ", "#   "}},
	{'H', {"#  #", "#  #", "####", "#  #", "#  #"}},
	{'I', {"###", " # ", " # ", " # ", "###"}},
	{'L', {"#   ", "#   ", "#   ", "#   ", "####"}},
	{'M', {"#   #", "## ##", "# # #", "#   #", "#   #"}},
	{'O', {" ## ", "#  #", "#  #", "#  #", " ## "}},
	{'P', {"### ", "#  #", "### ", "#   ", "#   "}},
	{'S', {" ###", "#   ", " ## ", "   #", "### "}},
	{'T', {"#####", "  #  ", "  #  ", "  #  ", "  #  "}},
	{'U', {"#  #", "#  #", "#  #", "#  #", " ## "}},
	{'Y', {"#   #", " # # ", "  #  ", "  #  ", "  #  "}},
	{0x2713, {"      #", "     # ", "#   #  ", " # #   ", "  #    "}},	/* ✓ */
	{0x2717, {"#   #", " # # ", "  #  ", " # # ", "#   #"}},		/* ✗ */
	{0x25c6, {"  #  ", " ### ", "#####", " ### ", "  #  "}},		/* ◆ */
	{0x25c7, {"  #  ", " # # ", "#   #", " # # ", "  #  "}},		/* ◇ */
};

static const struct letter *letter_of(uint32_t c)
{
	for (size_t i = 0; i < COUNT_OF(letters); i++)
		if (letters[i].c == c)
			return &letters[i];
	return NULL;
}

int big_columns(const char *text)
{
	int columns = 0;
	for (uint32_t ch; (ch = glyph_next(&text));) {
		const struct letter *l = letter_of(ch);
		if (!l)
			return 0;
		columns += (int)strlen(l->row[0]) + (columns > 0);
	}
	return columns;
}

bool big_text(struct canvas *c, int row, int col, int width, enum style style, const char *fill, const char *text)
{
	int columns = big_columns(text);
	if (!columns || columns > width)
		return false;
	col += (width - columns) / 2;
	for (uint32_t ch; (ch = glyph_next(&text));) {
		const struct letter *l = letter_of(ch);
		int w = (int)strlen(l->row[0]);
		for (int i = 0; i < BIG_ROWS * w; i++)
			if (l->row[i / w][i % w] == '#')
				canvas_text(c, row + i / w, col + i % w, 1, style, fill);
		col += w + 1;
	}
	return true;
}
