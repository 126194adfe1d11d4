/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_REDIR_LINK_H
#define SIM_REDIR_LINK_H

/*
 * One device on a usbredir connection: the "USB host" side of that protocol, which QEMU's usb-redir device speaks to
 * from inside a virtual machine. A link belongs to one thread; a transfer that the firmware completes in its own thread
 * is put on a list, and the link's thread sends it.
 */

#include "usbdev.h"

struct redir_link;

/* Takes the connection, and says hello. `d` stays the caller's and outlives the link; its `done` is redir_link_done. */
MUST_CHECK bool redir_link_new(struct redir_link **ret, struct usbdev *d, int fd, struct why *w);
void redir_link_free(struct redir_link *l);
/* Serves until the other side closes or the device is gone. */
void redir_link_serve(struct redir_link *l);
void redir_link_done(struct xfer *x);
/* Makes the link look whether the device has gone. Any thread. */
void redir_link_wake(struct redir_link *l);

#endif
