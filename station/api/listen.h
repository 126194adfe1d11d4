/* SPDX-License-Identifier: Apache-2.0 */
/* Where the API listens: loopback or a Unix socket, nowhere else. */
#ifndef STATION_API_LISTEN_H
#define STATION_API_LISTEN_H

#include "station/base/err.h"

struct listener {
	int fd;
	int port;	/* that was bound; 0 for a Unix socket */
	char path[108];	/* of a Unix socket; "" for TCP */
};

/* "127.0.0.1:PORT", "[::1]:PORT" or "unix:PATH" (mode 0660; a socket that a dead station left is replaced, a living one refused).
 * E_FILE. */
WARN_UNUSED bool listener_open(const char *where, struct listener *ret, struct err *e);
/* Closes it, unless it was handed over (fd -1), and takes a Unix socket's name away. */
void listener_close(struct listener *l);

/* True for a Host that names this machine's loopback, with or without a port: a page from elsewhere whose name was made to point
 * here (DNS rebinding) comes with its own name. */
bool host_is_loopback(const char *host);

#endif
