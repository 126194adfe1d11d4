/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_UMOCK_BUS_H
#define SIM_UMOCK_BUS_H

/*
 * A USB bus in an umockdev testbed: one xHCI controller, its root hub usb1, and under it hubs of eight ports.
 * Port P is port (P-1)%8+1 of the hub in port (P-1)/8+1 of the root hub: port 1 is 1-1.1, port 9 is 1-2.1.
 * Device numbers go up with every plug, as on a real bus, and come round after 127.
 *
 * The process must run with umockdev's preload, or hotplug events reach nobody.
 */

#include "rack.h"

#define UMOCK_PORTS_PER_HUB 8
#define UMOCK_PORTS_MAX (14 * UMOCK_PORTS_PER_HUB)

struct umock_bus;

/* Makes the testbed and its hubs. */
MUST_CHECK bool umock_bus_open(struct umock_bus **ret, unsigned ports, struct why *w);
/* Removes the testbed; nothing may be plugged in. */
void umock_bus_close(struct umock_bus *b);
struct bus *umock_bus_bus(struct umock_bus *b);
/* What children need in UMOCKDEV_DIR. */
const char *umock_bus_root(const struct umock_bus *b);

#endif
