/* SPDX-License-Identifier: Apache-2.0 */
/* The door to ttys: which tty the kernel made of a USB device, opening it, and bytes of one that is open.
 *
 * A tty is opened and set up before a driver child locks itself in; from then on the child only reads, writes and polls.
 * What a serial line carries is never taken at its word: noise, echo and lines of others are normal, so what may
 * pass is bounded by a budget, as with USB. */
#ifndef DRIVERS_SERIAL_H
#define DRIVERS_SERIAL_H

#include "station/base/err.h"

#include <stdint.h>

#define SERIAL_NAME 64

/* The name ("ttyACM0") of the tty beneath the USB device whose node is `node` (/dev/bus/usb/BBB/DDD), as `sysfs` ("/sys") tells it:
 * the first by name where there are several. "" where there is none yet. E_USB_GONE when sysfs does not know the device. */
WARN_UNUSED bool serial_find(const char *sysfs, const char *node, char ret[static SERIAL_NAME], struct err *e);

/* How long a tty may take to appear beneath its device, and to be let go of by the program that had it before. */
#define SERIAL_WAIT_MS 3000

/* Finds the tty of that USB device, opens it for this program alone, 115200 baud, 8 data bits, no parity, one stop bit, raw, not
 * blocking, and forgets what came before. Waits for it as long as above. The descriptor is the caller's to close. E_TTY,
 * E_USB_GONE. */
WARN_UNUSED bool serial_open(const char *node, int *ret_fd, struct err *e);

/* Sets up a tty that is open: raw, as above. E_TTY. */
WARN_UNUSED bool serial_setup(int fd, struct err *e);

/* What one unit may send and be sent, far beyond what it needs. */
#define SERIAL_BUDGET_BYTES ((uint64_t)4 << 20)

struct serial {
	int fd;	/* lent */
	uint64_t bytes_left;
};

void serial_init(struct serial *s, int fd);
/* Writes all. E_USB_GONE when the tty hung up, E_CHILD_SILENT at the deadline, E_SERIAL_LINE when the budget is spent, E_TTY. */
WARN_UNUSED bool serial_write(struct serial *s, const void *data, size_t len, int64_t deadline_ms, struct err *e);
/* Reads what has come, at least one byte. The same errors. */
WARN_UNUSED bool serial_read(struct serial *s, void *data, size_t room, size_t *ret_len, int64_t deadline_ms, struct err *e);

#endif
