/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/serial.h"
#include "station/base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define SYSFS "/sys"
#define LOOK_MS 20

/* ---- which tty ---- */

/* A number that an attribute of a device in sysfs holds; false where there is none. */
static bool attribute_is(const char *device, const char *name, unsigned long wanted)
{
	char path[PATH_MAX], text[24], *end;
	snprintf(path, sizeof(path), "%s/%s", device, name);
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	unsigned long number = strtoul(text, &end, 10);
	return end != text && number == wanted;
}

/* Calls `is` for each entry of a directory until one is the wanted; false when none is, or there is no directory. */
static bool any_entry(const char *directory, bool (*is)(const char *directory, const char *name, void *ctx), void *ctx)
{
	bool found = false;
	DIR *dir = opendir(directory);
	if (!dir)
		return false;
	for (struct dirent *d = readdir(dir); d && !found; d = readdir(dir))
		found = d->d_name[0] != '.' && is(directory, d->d_name, ctx);
	closedir(dir);
	return found;
}

struct wanted {
	unsigned long bus, number;
	char device[PATH_MAX];
};

static bool device_is(const char *directory, const char *name, void *ctx)
{
	struct wanted *w = ctx;
	int n = snprintf(w->device, sizeof(w->device), "%s/%s", directory, name);
	return n > 0 && (size_t)n < sizeof(w->device) && attribute_is(w->device, "busnum", w->bus)
		&& attribute_is(w->device, "devnum", w->number);
}

/* Keeps the first by name, so that a device with two ttys has the same one each time. */
static bool keep_first(const char *directory, const char *name, void *ctx)
{
	char *first = ctx;
	size_t len = strlen(name);
	if (!strncmp(name, "tty", 3) && len > 3 && len < SERIAL_NAME && (!*first || strcmp(name, first) < 0))
		memcpy(first, name, len + 1);
	return false;
}

/* INTERFACE/tty/ttyACM0; a bridge's driver has one more level: INTERFACE/ttyUSB0/tty/ttyUSB0. */
static bool look_below(const char *directory, const char *name, void *ctx)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s/tty", directory, name);
	if (n > 0 && (size_t)n < sizeof(path))
		any_entry(path, keep_first, ctx);
	return false;
}

static bool look_in_interface(const char *directory, const char *name, void *ctx)
{
	char path[PATH_MAX];
	if (!strchr(name, ':'))
		return false;
	look_below(directory, name, ctx);
	int n = snprintf(path, sizeof(path), "%s/%s", directory, name);
	if (n > 0 && (size_t)n < sizeof(path))
		any_entry(path, look_below, ctx);
	return false;
}

bool serial_find(const char *sysfs, const char *node, char ret[static SERIAL_NAME], struct err *e)
{
	struct wanted w = {0};
	char devices[PATH_MAX], rest;
	ret[0] = '\0';
	if (sscanf(node, "/dev/bus/usb/%3lu/%3lu%c", &w.bus, &w.number, &rest) != 2)
		return err_set(e, E_TTY, "%s is no USB device's node", node);
	snprintf(devices, sizeof(devices), "%s/bus/usb/devices", sysfs);
	if (!any_entry(devices, device_is, &w))
		return err_set(e, E_USB_GONE, "no device at %s", node);
	any_entry(w.device, look_in_interface, ret);
	return true;
}

/* ---- opening ---- */

bool serial_setup(int fd, struct err *e)
{
	struct termios t;
	if (ioctl(fd, TIOCEXCL) != 0 || tcgetattr(fd, &t) != 0)
		return err_errno(e, errno == EIO ? E_USB_GONE : E_TTY, "taking the tty");
	cfmakeraw(&t);
	t.c_cflag &= ~(tcflag_t)(CSTOPB | CRTSCTS);
	t.c_cflag |= CLOCAL | CREAD;
	t.c_cc[VMIN] = 0;
	t.c_cc[VTIME] = 0;
	if (cfsetspeed(&t, B115200) != 0 || tcsetattr(fd, TCSANOW, &t) != 0 || tcflush(fd, TCIOFLUSH) != 0)
		return err_errno(e, errno == EIO ? E_USB_GONE : E_TTY, "setting up the tty");
	return true;
}

/* The node may come a moment after sysfs, its rights a moment after the node; one that was just let go of hangs up first (EIO). */
static bool worth_waiting(int number)
{
	return number == ENOENT || number == ENODEV || number == ENXIO || number == EACCES || number == EBUSY ||
	       number == EIO;
}

static bool try_open(const char *node, int *ret_fd, bool *ret_again, struct err *e)
{
	char name[SERIAL_NAME], path[SERIAL_NAME + 8];
	*ret_again = false;
	if (!serial_find(SYSFS, node, name, e))
		return false;
	if (!name[0]) {
		*ret_again = true;
		return err_set(e, E_TTY, "the kernel made no tty of %s", node);
	}
	snprintf(path, sizeof(path), "/dev/%s", name);
	*ret_fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (*ret_fd >= 0)
		return true;
	*ret_again = worth_waiting(errno);
	return err_errno(e, E_TTY, "%s%s", path, errno == EBUSY ? ": another program has it" : "");
}

bool serial_open(const char *node, int *ret_fd, struct err *e)
{
	int64_t until_ms = clock_steady_ms() + SERIAL_WAIT_MS;
	int fd = -1;
	for (;;) {
		struct err why = {0};
		bool again = false;
		if (try_open(node, &fd, &again, &why))
			break;
		if (!again || !clock_left_ms(until_ms))
			return err_native(e, why.code, why.native, "%s", why.what);
		clock_sleep_ms(LOOK_MS);
	}
	if (!serial_setup(fd, e)) {
		close(fd);
		return false;
	}
	*ret_fd = fd;
	return true;
}

/* ---- bytes ---- */

void serial_init(struct serial *s, int fd)
{
	*s = (struct serial){fd, SERIAL_BUDGET_BYTES};
}

static bool tty_err(struct err *e, const char *words)
{
	bool gone = errno == EIO || errno == ENODEV || errno == ENXIO;
	return err_errno(e, gone ? E_USB_GONE : E_TTY, "%s", words);
}

/* A tty that hung up stays readable until what came before is taken. */
static bool ready(const struct serial *s, short events, int64_t deadline_ms, struct err *e)
{
	struct pollfd p = {s->fd, events, 0};
	int n;
	do {
		n = poll(&p, 1, clock_left_ms(deadline_ms));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(e, E_TTY, "poll");
	if (n == 0)
		return err_set(e, E_CHILD_SILENT, "%s", events == POLLIN ? "nothing came on the serial line" : "the serial line takes nothing");
	if (p.revents & events)
		return true;
	return err_set(e, p.revents & POLLHUP ? E_USB_GONE : E_TTY, "the tty hung up");
}

static bool spend(struct serial *s, size_t len, struct err *e)
{
	if (s->bytes_left < len)
		return err_set(e, E_SERIAL_LINE, "the budget of bytes is spent");
	s->bytes_left -= len;
	return true;
}

bool serial_write(struct serial *s, const void *data, size_t len, int64_t deadline_ms, struct err *e)
{
	const uint8_t *at = data;
	if (!spend(s, len, e))
		return false;
	while (len) {
		if (!ready(s, POLLOUT, deadline_ms, e))
			return false;
		ssize_t n = write(s->fd, at, len);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return tty_err(e, "writing to the tty");
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return true;
}

bool serial_read(struct serial *s, void *data, size_t room, size_t *ret_len, int64_t deadline_ms, struct err *e)
{
	for (;;) {
		if (!ready(s, POLLIN, deadline_ms, e))
			return false;
		ssize_t n = read(s->fd, data, room);
		if (n > 0) {
			*ret_len = (size_t)n;
			return spend(s, *ret_len, e);
		}
		/* Readable and nothing to read: the other side is gone. */
		if (n == 0)
			return err_set(e, E_USB_GONE, "the tty hung up");
		if (errno != EAGAIN && errno != EINTR)
			return tty_err(e, "reading from the tty");
	}
}
