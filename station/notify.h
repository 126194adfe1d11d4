/* SPDX-License-Identifier: Apache-2.0 */
/* What the line tells the service manager that started it: that it is ready, how it stands, that it still moves, that it stops
 * (sd_notify(3); the protocol is a datagram of NAME=VALUE lines to $NOTIFY_SOCKET). Without a manager nothing is said. A manager
 * that does not read is no matter of the line's: what cannot be sent at once is dropped. */
#ifndef STATION_NOTIFY_H
#define STATION_NOTIFY_H

#include "station/base/err.h"

struct notify {
	int fd;			/* -1: nobody to tell */
	int64_t every_ms;	/* between two signs of life: half of what the manager waits; 0: it waits for none */
	int64_t last_ms;	/* steady clock */
};

/* From $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID. What cannot be understood or reached there is as if it were not set. */
void notify_init(struct notify *n);
void notify_fini(struct notify *n);

void notify_ready(const struct notify *n);
/* One line for `systemctl status`. */
void notify_status(const struct notify *n, const char *text);
void notify_stopping(const struct notify *n);

/* True when a sign of life is due: the caller then finds out that it still moves, and says so with notify_alive. */
bool notify_is_due(const struct notify *n, int64_t now_ms);
void notify_alive(struct notify *n, int64_t now_ms);

#endif
