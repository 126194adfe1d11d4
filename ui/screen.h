/* SPDX-License-Identifier: Apache-2.0 */
/* What a screen is: a const struct with a name, a key that leads to it, and two functions. It
 * draws the model on a canvas and answers a key by saying what should happen next; it never sees
 * a terminal, a socket or the clock.
 *
 * A new screen is one file, ui/screen_NAME.c, and its row in ui/screens.c. */
#ifndef UI_SCREEN_H
#define UI_SCREEN_H

#include "ui/canvas.h"
#include "ui/model.h"
#include "ui/tray.h"

/* Keys beyond ASCII, so that screens need no terminal library. */
enum key {
	KEYS_NOTHING = 0,
	KEYS_ENTER = '\r',
	KEYS_ESCAPE = 27,
	KEYS_UP = 0x110000, KEYS_DOWN, KEYS_LEFT, KEYS_RIGHT, KEYS_HOME, KEYS_END,
	KEYS_F1, KEYS_F2, KEYS_F3, KEYS_F4, KEYS_F5, KEYS_F6, KEYS_F7, KEYS_F8, KEYS_F9, KEYS_F10,
};

#define VIEW_PAGES 64

/* Where the operator looks; survives a change of screen and the loss of the line. */
struct view {
	int selected;	/* index of a slot; brought within the model's before each use */
	struct tray tray;	/* as last drawn */
	int page;	/* of a screen with pages, from 0 */
	int page_rows;	/* of the journal: how many entries a page has, as last drawn */
	int64_t before[VIEW_PAGES];	/* of the journal: the index before which a page begins */
	char search[65];	/* of the journal: the code that was sent last while it was shown */
	const json_t *answer;	/* to what the screen wanted; lent; NULL: none yet */
	const char *typed;	/* what a person writes on the scan line; NULL: nothing */
	const char *notice;	/* of the console itself, such as that a code was cut; NULL: none */
};

enum next_do { NEXT_STAY, NEXT_SCREEN, NEXT_QUIT };
struct next {
	enum next_do what;
	const char *screen;	/* of NEXT_SCREEN */
};

struct screen {
	const char *name, *title;
	int key;		/* that leads here from anywhere */
	const char *key_name;
	/* Called: with a blank canvas of any size. Must: leave SCREEN_TOP and SCREEN_BOTTOM rows to
	 * screen_draw, which draws them for all screens, over whatever stands there. */
	void (*draw)(struct canvas *c, const struct model *m, struct view *v);
	/* Called: for a key that is no screen's own and not q or F10. */
	struct next (*on_key)(struct view *v, const struct model *m, int key);
	/* What the screen asks the line for (docs/control.md), when it is entered, when this changes, and each WANT_EVERY_MS: a new
	 * object, or NULL for nothing. NULL: it never asks. */
	json_t *(*wants)(const struct view *v, const struct model *m);
};
#define WANT_EVERY_MS 3000

extern const struct screen *const screen_table[];	/* NULL at the end; the first one is where the console starts */
const struct screen *screen_find(const char *name);

/* Draws a whole picture: title, headline, the screen, keys. */
void screen_draw(const struct screen *s, struct canvas *c, const struct model *m, struct view *v);

/* What a key does: the keys of all screens, quitting, or the screen's own handler. */
struct next screen_key(const struct screen *s, struct view *v, const struct model *m, int key);

#define SCREEN_TOP 3	/* rows above a screen's own: title, headline, sentence of the line */
#define SCREEN_BOTTOM 2	/* below: the scan line, keys */

/* ---- shared by screens: how a slot reads (slot_face.c) ---- */
struct slot_face {
	uint32_t sign;	/* a shape of its own for each word */
	const char *word;	/* "PASS", "WORKING", "empty" */
	enum style style;
};
struct slot_face slot_face(const struct model_slot *s);

/* The last `count` characters of a serial number, "…" in front of what is cut. `out` holds 4 *
 * count + 4 bytes. */
void text_tail(const char *text, int count, char *out, size_t room);

#endif
