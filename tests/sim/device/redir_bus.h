/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_REDIR_BUS_H
#define SIM_REDIR_BUS_H

/*
 * Ports that are Unix sockets speaking usbredir: DIR/port1, DIR/port2, ... Each is for one
 * `-chardev socket,path=DIR/portN,reconnect=1 -device usb-redir` of a QEMU; where the device then stands in the guest
 * is decided by QEMU's options. A port without a device does not listen, and unplugging closes the connection, which the
 * guest sees as a surprise removal.
 */

#include "rack.h"

struct redir_bus;

MUST_CHECK bool redir_bus_open(struct redir_bus **ret, const char *dir, unsigned ports, struct why *w);
/* Nothing may be plugged in. */
void redir_bus_close(struct redir_bus *b);
struct bus *redir_bus_bus(struct redir_bus *b);

#endif
