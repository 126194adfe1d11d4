/* SPDX-License-Identifier: Apache-2.0 */
/* Where a USB device is plugged in, as sysfs tells it: part of the door of drivers/usb.c, without libusb, so that it
 * can be tried on any folder that looks like sysfs. */
#ifndef DRIVERS_USB_PATH_H
#define DRIVERS_USB_PATH_H

#include "drivers/usb.h"

/* Writes the port path of the device in the chain of ports `ports` of bus `bus`, such as "pci-0000:00:14.0-usb-0:1.3", by what
 * SYSFS/bus/usb/devices/usbBUS is: its parent is the controller, and its place among that parent's root hubs is
 * counted in order of bus numbers. E_USB_BUS when sysfs does not tell: there is no other name to fall back to that
 * would survive a re-plug. */
WARN_UNUSED bool usb_path(const char *sysfs, unsigned bus, const uint8_t *ports, size_t count, char ret[static USB_PATH],
			  struct err *e);

/* Copies an attribute of that device (serial, manufacturer, product); unprintable characters become '?', what is too long is cut.
 * "" where the device has none. */
void usb_path_text(const char *sysfs, unsigned bus, const uint8_t *ports, size_t count, const char *attribute,
		   char ret[static DRIVER_TEXT]);

#endif
