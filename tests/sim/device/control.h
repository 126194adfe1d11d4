/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_CONTROL_H
#define SIM_CONTROL_H

/*
 * The main loop of a program of simulated devices: signals, power cuts, and a Unix socket by which a test
 * plugs and unplugs. Each line is a command, each answer a line `ok …` or `error …`:
 *
 *	plug NAME PORT      unplug NAME      unplug-all      list
 *	stats NAME          knob NAME KNOB VALUE             quit
 *
 * `list` answers the number of devices and for each `NAME:PORT:PATH:open|closed`, PORT 0 and PATH `-` when it
 * is not plugged in. The knobs are those of model_knob.
 */

#include "rack.h"

#include <sys/types.h>

struct control {
	struct rack *rack;
	int listen_fd; /* -1 without a socket */
	int signal_fd;
	char path[108];
};

/*
 * Blocks SIGTERM, SIGINT and SIGCHLD, which the loop then hears; so call it before any thread exists.
 * `path` may be NULL; a stale socket at it is replaced.
 */
MUST_CHECK bool control_open(struct control *c, const char *path, struct why *w);
/* Removes the socket. */
void control_close(struct control *c);

/*
 * Serves until SIGTERM, SIGINT, `quit`, or, where `child` is not 0, until that child ends.
 * Gives the status the program should exit with: the child's, or 0.
 */
int control_run(struct control *c, struct rack *r, pid_t child);

/* Gives the child back its signals; between fork and exec. */
void control_release_signals(void);

#endif
