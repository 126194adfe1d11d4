/* SPDX-License-Identifier: Apache-2.0 */
/* The door to libusb. Two halves: the bus as the line watches it (hotplug, descriptors, port paths), and one interface
 * of one device as a driver child uses it (libusb_wrap_sys_device on an inherited descriptor, no discovery, no threads).
 *
 * A port path is topology, never the bus number alone: "pci-0000:00:14.0-usb-0:1.3" is controller, root hub of that
 * controller (0 the first, 1 its SuperSpeed companion …), and the chain of ports, as udev's ID_PATH writes it. It
 * stays the same until re-cabling. */
#ifndef DRIVERS_USB_H
#define DRIVERS_USB_H

#include "drivers/driver.h"

#define USB_PATH 96
#define USB_INTERFACES 16

/* What is seen of a device without opening it. Fixed size. */
struct usb_facts {
	char port[USB_PATH];	/* port path */
	char node[64];		/* /dev/bus/usb/BBB/DDD */
	char serial[DRIVER_TEXT], maker[DRIVER_TEXT], product[DRIVER_TEXT];	/* "" where unreadable; unprintable characters become '?' */
	uint16_t vendor_id, product_id;
	uint8_t interface_count;
	struct { uint8_t class, subclass, protocol; } interface[USB_INTERFACES];
};

/* The driver whose match fits one of the device's interfaces, or NULL. `only` restricts to one driver; NULL for any. */
const struct driver *usb_match(const struct usb_facts *facts, const struct driver *only);

/* ---- the bus ---- */

enum usb_event { USB_ARRIVED, USB_LEFT };

/* Called from usb_bus_run's thread. A device arrives when the kernel has configured it, a moment after it came; one that the
 * kernel leaves without a configuration for 5 s arrives without interfaces. For USB_LEFT only port and node are set. */
typedef void usb_seen(void *ctx, enum usb_event event, const struct usb_facts *facts);

struct usb_bus;

/* E_USB_BUS. The callback hears of every device that is there already, then of what comes and goes; hubs are left out. */
WARN_UNUSED bool usb_bus_open(usb_seen *seen, void *ctx, struct usb_bus **ret, struct err *e);
/* Handles events for up to timeout_ms. */
WARN_UNUSED bool usb_bus_run(struct usb_bus *bus, int timeout_ms, struct err *e);
void usb_bus_close(struct usb_bus *bus);

/* ---- one interface ---- */

struct usb_link;

/* What one link may carry, far beyond what a unit needs: a unit that makes the station repeat itself ends with E_BRIDGE. */
#define USB_BUDGET_BYTES ((uint64_t)16 << 20)
#define USB_BUDGET_TRANSFERS 65536u

/* Wraps the inherited descriptor, finds the interface by match, gives up usbfs privileges for anything else where the kernel can
 * (USBDEVFS_DROP_PRIVILEGES), claims it. The descriptor stays the caller's. From then on this process cannot watch the
 * bus: libusb keeps "no discovery" for good. E_USB_OPEN, E_NO_DRIVER, E_USB_GONE. */
WARN_UNUSED bool usb_link_open(int fd, const struct driver_match *matches, struct usb_link **ret, struct err *e);
/* The same for a tool that an engineer runs, which is not locked in: opens the node (/dev/bus/usb/BBB/DDD) by itself, leaves
 * the process able to watch the bus, and sets no budget. */
WARN_UNUSED bool usb_link_open_node(const char *node, const struct driver_match *matches, struct usb_link **ret, struct err *e);
void usb_link_close(struct usb_link *link);

/* All transfers: E_USB_GONE, E_CHILD_SILENT at the deadline, E_BRIDGE when the budget is spent, E_USB.
 * Control transfers to the interface (vendor type). *ret_len is what came. */
WARN_UNUSED bool usb_control_in(struct usb_link *link, uint8_t request, void *data, size_t room, size_t *ret_len,
				int64_t deadline_ms, struct err *e);
WARN_UNUSED bool usb_control_out(struct usb_link *link, uint8_t request, int64_t deadline_ms, struct err *e);
/* Bulk: writes all, and a zero-length packet where the last one is full; reads up to room bytes of one transfer (room must be a
 * multiple of the packet size, see usb_packet_size). */
WARN_UNUSED bool usb_bulk_out(struct usb_link *link, const void *data, size_t len, int64_t deadline_ms, struct err *e);
WARN_UNUSED bool usb_bulk_in(struct usb_link *link, void *data, size_t room, size_t *ret_len, int64_t deadline_ms,
			     struct err *e);
size_t usb_packet_size(const struct usb_link *link);

#endif
