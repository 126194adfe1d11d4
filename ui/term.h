/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal, and the only door to ncurses: paints what changed of a canvas, gives keys, and
 * leaves the terminal as it was.
 *
 * SIGTERM, SIGINT, SIGHUP, SIGQUIT and SIGWINCH come through a descriptor (signalfd), so nothing
 * happens inside a handler and every end passes through term_close. */
#ifndef UI_TERM_H
#define UI_TERM_H

#include "ui/canvas.h"

struct term;

/* Takes standard input and output over. mono, ascii: as the operator asked; ascii is also set
 * where the locale is not UTF-8. E_USAGE when the terminal cannot show a screen. */
WARN_UNUSED bool term_open(bool mono, bool ascii, struct term **ret, struct err *e);
void term_close(struct term *t);

void term_size(const struct term *t, int *ret_rows, int *ret_cols);
bool term_is_ascii(const struct term *t);

/* For poll(). */
int term_input_fd(const struct term *t);
int term_signal_fd(const struct term *t);

/* The next key (ui/screen.h), KEYS_NOTHING when none is there; never waits longer than the rest
 * of an escape sequence. */
int term_key(struct term *t);

/* True if the input has ended: the terminal is gone. Asked when poll() says that something is
 * there and term_key gave nothing. */
bool term_is_gone(const struct term *t);

enum term_event { TERM_NOTHING, TERM_RESIZED, TERM_END };
enum term_event term_event(struct term *t);

/* Rings the terminal's bell. */
void term_ring(struct term *t);

void term_paint(struct term *t, const struct canvas *c);

#endif
