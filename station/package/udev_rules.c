/* SPDX-License-Identifier: Apache-2.0 */
/* Prints udev's rules for the devices of every driver of this build: a group for whoever runs the line, and ModemManager kept away
 * from ttys that are no modems. Run once, when the station is built. */
#include "drivers/driver.h"

#include <stdio.h>

#define NUMBER 9	/* eight digits and NUL */

/* A number of a match in hexadecimal, or what stands for any. */
static void pattern(char out[static NUMBER], int value, int digits)
{
	if (value < 0)
		snprintf(out, NUMBER, "%.*s", digits, "????");
	else
		snprintf(out, NUMBER, "%0*x", digits, (unsigned)value);
}

/* One row of a driver's matches. ID_USB_INTERFACES is ":CCSSPP:CCSSPP:", written by udev's usb_id. */
static void print_rule(const struct driver *d, const struct driver_match *m)
{
	char vendor[NUMBER], product[NUMBER], class[NUMBER], subclass[NUMBER], protocol[NUMBER];
	pattern(vendor, m->vendor, 4);
	pattern(product, m->product, 4);
	pattern(class, m->class, 2);
	pattern(subclass, m->subclass, 2);
	pattern(protocol, m->protocol, 2);
	printf("ATTR{idVendor}==\"%s\", ATTR{idProduct}==\"%s\", ENV{ID_USB_INTERFACES}==\"*:%s%s%s:*\", ", vendor, product, class,
	       subclass, protocol);
	printf("%sENV{ID_MM_DEVICE_IGNORE}=\"1\"\n", d->tty ? "" : "GROUP=\"enroll\", MODE=\"0660\", ");
}

/* The tty itself: udev tells it what is known of the interface that it hangs on. */
static void print_ttys(void)
{
	printf("\nLABEL=\"station_tty\"\n");
	printf("SUBSYSTEM!=\"tty\", GOTO=\"station_end\"\n");
	printf("KERNEL==\"ttyACM*|ttyUSB*\", SUBSYSTEMS==\"usb\", GROUP=\"enroll\", MODE=\"0660\", ENV{ID_MM_PORT_IGNORE}=\"1\"\n");
}

int main(void)
{
	bool tty = false;
	printf("# Made from the drivers of this build. What they may open belongs to the group \"enroll\".\n"
	       "ACTION==\"remove\", GOTO=\"station_end\"\n"
	       "SUBSYSTEM!=\"usb\", GOTO=\"station_tty\"\n"
	       "ENV{DEVTYPE}!=\"usb_device\", GOTO=\"station_end\"\n");
	for (const struct driver *const *d = driver_table; *d; d++) {
		printf("\n# %s: %s\n", (*d)->name, (*d)->title);
		for (const struct driver_match *m = (*d)->matches; m->vendor || m->product || m->class; m++)
			print_rule(*d, m);
		tty = tty || (*d)->tty;
	}
	printf("GOTO=\"station_end\"\n");
	if (tty)
		print_ttys();
	else
		printf("\nLABEL=\"station_tty\"\n");
	printf("\nLABEL=\"station_end\"\n");
	return 0;
}
