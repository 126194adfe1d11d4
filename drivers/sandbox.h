/* SPDX-License-Identifier: Apache-2.0 */
/* A driver that wraps any other: its functions are messages to a child process in which the real driver runs, with one
 * USB descriptor, locked in. Evidence goes from that child straight to the verifier child over their own socket;
 * challenges come back the same way. What returns to the line is the fixed-size result of each function, checked for
 * size, its texts checked for printable ASCII. */
#ifndef DRIVERS_SANDBOX_H
#define DRIVERS_SANDBOX_H

#include "drivers/driver.h"

/* Never returns: runs `driver` on `port` for the line at socket `line`; evidence and challenges over socket `verifier`.
 * Opens the USB link, warms up, locks itself in, then answers. Ends when the line's end closes. */
_Noreturn void sandbox_child(const struct driver *driver, const struct driver_port *port, int line, int verifier);

/* The line's half. Its `state` is a struct sandbox; `port->fd` given to open is the socket to the child (lent).
 * call->evidence and call->challenge are ignored: they travel between the children. Every function may also fail with
 * E_CHILD_LOST, E_CHILD_SILENT, E_WIRE. */
extern const struct driver sandbox_driver;

struct sandbox {
	int fd;
	bool opened;
	uint64_t turn;
};

#endif
