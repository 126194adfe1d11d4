/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_TTY_PTY_H
#define SIM_TTY_PTY_H

/*
 * A pseudo terminal between a simulated device's firmware and whoever opens it, under a name of our choice.
 * Opening it raises DTR; what comes while nobody has it open is lost; when the device goes it hangs up.
 */

#include "unit.h"

struct tty_pty;

/* `path` becomes a link to the terminal. */
MUST_CHECK bool tty_pty_open(struct tty_pty **ret, struct unit *u, const char *path, struct why *w);
/* The firmware has something to send, or takes something again. Any thread. */
void tty_pty_wake(struct tty_pty *p);
/* The device is gone: hangs up soon. Any thread. */
void tty_pty_hang_up(struct tty_pty *p);
/* Hangs up now, and removes the link. Takes NULL. */
void tty_pty_close(struct tty_pty *p);

#endif
