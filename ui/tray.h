/* SPDX-License-Identifier: Apache-2.0 */
/* Where each slot stands on the screen. Pure. With a jig ([jig], row and column of the slots) the screen looks like it does from
 * where the operator stands, with blank places where the jig has no slot; without one the slots stand row by row in the order of
 * the configuration. */
#ifndef UI_TRAY_H
#define UI_TRAY_H

#include "ui/model.h"

enum tray_look {
	TRAY_LINE,	/* one row: number, sign, word, and the serial's tail where it fits */
	TRAY_PLAIN,	/* two rows or more without a frame */
	TRAY_SIGN,	/* framed, a big sign above the word */
	TRAY_LETTERS,	/* framed, the verdict in block letters */
};

struct tray {
	int rows, columns;		/* of places */
	int height, width;		/* of a place, in rows and columns of the screen */
	enum tray_look look;
	struct { int row, column; } at[MODEL_SLOTS_MAX];	/* of each slot */
};

/* For a tray with `rows` by `columns` on the screen, of which a few rows stay free below for what needs words: many, with more than
 * TRAY_SUMMARY slots. */
#define TRAY_SUMMARY 24
void tray_lay(const struct model *m, int rows, int columns, struct tray *ret);

/* The slot that stands nearest in the direction (one of these is -1 or 1, the other 0); the same one if none does. */
int tray_neighbour(const struct tray *t, int slots, int from, int down, int right);

#endif
