/* SPDX-License-Identifier: Apache-2.0 */
/* Block letters and signs five rows high, to be read from two metres. Only what the tray says with them: the verdicts, EMPTY, and
 * the signs of the verdicts. */
#ifndef UI_BIG_H
#define UI_BIG_H

#include "ui/canvas.h"

#define BIG_ROWS 5

/* Columns that the text takes in block letters, one free between two; 0 if a character of it has none. */
int big_columns(const char *text);

/* Draws the text with `fill` ("█") in every block, in the middle of `width` columns. False, and nothing drawn, if it does not fit
 * or a character has no block letter. */
bool big_text(struct canvas *c, int row, int col, int width, enum style style, const char *fill, const char *text);

#endif
