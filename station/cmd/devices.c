/* SPDX-License-Identifier: Apache-2.0 */
/* station devices: what is on the bus, with port paths ready to paste into a [slot]. */
#include "drivers/usb.h"
#include "station/base/clock.h"
#include "station/cmd/cmd.h"

#include <stdio.h>

#define LOOK_MS 500

static void show(void *ctx, enum usb_event event, const struct usb_facts *f)
{
	int *count = ctx;
	const struct driver *driver = usb_match(f, NULL);
	if (event != USB_ARRIVED)
		return;
	++*count;
	printf("port = %-40s %04x:%04x  %-16s %-24s %s\n", f->port, f->vendor_id, f->product_id,
	       f->serial[0] ? f->serial : "-", f->product, driver ? driver->name : "no driver");
}

static int devices(int argc, char **argv, struct err *e)
{
	const struct command_option options[] = {{0}};
	struct usb_bus *bus = NULL;
	int count = 0;
	if (!command_options(&argc, argv, options, e) || !usb_bus_open(show, &count, &bus, e))
		return EXIT_FAILED;
	int64_t end_ms = clock_steady_ms() + LOOK_MS;
	bool ok = true;
	while (ok && clock_left_ms(end_ms))
		ok = usb_bus_run(bus, clock_left_ms(end_ms), e);
	usb_bus_close(bus);
	if (ok && !count)
		printf("no device on the USB bus\n");
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command devices_command = {"devices", "", "list the USB bus with port paths for slots", devices};
