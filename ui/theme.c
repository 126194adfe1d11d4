/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/theme.h"

enum theme theme_choose(const char *no_color, bool mono, int colours)
{
	if (mono || (no_color && *no_color) || colours < 8)
		return THEME_MONO;
	return colours >= 256 ? THEME_256 : THEME_8;
}

static const struct look looks[][STYLE_COUNT] = {
	[THEME_MONO] = {
		[STYLE_NORMAL] = {.fg = -1, .bg = -1},
		[STYLE_DIM] = {.fg = -1, .bg = -1, .dim = true},
		[STYLE_TITLE] = {.fg = -1, .bg = -1, .bold = true},
		[STYLE_FRAME] = {.fg = -1, .bg = -1, .dim = true},
		[STYLE_KEYS] = {.fg = -1, .bg = -1, .reverse = true},
		[STYLE_SELECTED] = {.fg = -1, .bg = -1, .underline = true},
		[STYLE_WORK] = {.fg = -1, .bg = -1},
		[STYLE_GOOD] = {.fg = -1, .bg = -1, .bold = true},
		[STYLE_WAIT] = {.fg = -1, .bg = -1, .underline = true},
		[STYLE_HOLD] = {.fg = -1, .bg = -1, .bold = true, .underline = true},
		[STYLE_BAD] = {.fg = -1, .bg = -1, .bold = true, .reverse = true},
		[STYLE_ALARM] = {.fg = -1, .bg = -1, .bold = true, .reverse = true},
	},
	[THEME_8] = {
		[STYLE_NORMAL] = {.fg = -1, .bg = -1},
		[STYLE_DIM] = {.fg = -1, .bg = -1, .dim = true},
		[STYLE_TITLE] = {.fg = -1, .bg = -1, .bold = true},
		[STYLE_FRAME] = {.fg = -1, .bg = -1, .dim = true},
		[STYLE_KEYS] = {.fg = 0, .bg = 7},
		[STYLE_SELECTED] = {.fg = -1, .bg = -1, .underline = true},
		[STYLE_WORK] = {.fg = -1, .bg = -1},
		[STYLE_GOOD] = {.fg = 6, .bg = -1, .bold = true},
		[STYLE_WAIT] = {.fg = 3, .bg = -1},
		[STYLE_HOLD] = {.fg = 0, .bg = 3},
		[STYLE_BAD] = {.fg = 7, .bg = 1, .bold = true},
		[STYLE_ALARM] = {.fg = 0, .bg = 3, .bold = true},
	},
	[THEME_256] = {
		[STYLE_NORMAL] = {.fg = -1, .bg = -1},
		[STYLE_DIM] = {.fg = 245, .bg = -1},
		[STYLE_TITLE] = {.fg = -1, .bg = -1, .bold = true},
		[STYLE_FRAME] = {.fg = 240, .bg = -1},
		[STYLE_KEYS] = {.fg = 16, .bg = 250},
		[STYLE_SELECTED] = {.fg = -1, .bg = -1, .underline = true},
		[STYLE_WORK] = {.fg = -1, .bg = -1},
		[STYLE_GOOD] = {.fg = 39, .bg = -1, .bold = true},
		[STYLE_WAIT] = {.fg = 227, .bg = -1},
		[STYLE_HOLD] = {.fg = 16, .bg = 214},
		[STYLE_BAD] = {.fg = 231, .bg = 160, .bold = true},
		[STYLE_ALARM] = {.fg = 16, .bg = 227, .bold = true},
	},
};

const struct look *theme_look(enum theme theme, enum style style)
{
	return &looks[theme][style < STYLE_COUNT ? style : STYLE_NORMAL];
}
