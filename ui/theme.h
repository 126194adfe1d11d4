/* SPDX-License-Identifier: Apache-2.0 */
/* How styles look. Colours are chosen so that people who see few of them tell the verdicts apart
 * (blue is good, yellow waits, orange asks, red on reverse is bad), and no verdict is told by
 * colour alone: each has its word and its sign. Without colours (NO_COLOR, --mono, a plain
 * terminal) the same styles differ by weight and reverse. */
#ifndef UI_THEME_H
#define UI_THEME_H

#include "ui/canvas.h"

enum theme { THEME_MONO, THEME_8, THEME_256 };

struct look {
	short fg, bg;	/* -1: the terminal's own */
	bool bold, dim, reverse, underline;
};

/* no_color: the value of $NO_COLOR or NULL; any value but "" means none (no-color.org). colours:
 * how many the terminal has. */
enum theme theme_choose(const char *no_color, bool mono, int colours);

const struct look *theme_look(enum theme theme, enum style style);

#endif
