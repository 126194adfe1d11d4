/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/usb_path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define CHAIN 40	/* seven levels of three digits and a dot */

/* "1.3"; "0" for a root hub itself. */
static bool chain_text(const uint8_t *ports, size_t count, char ret[static CHAIN])
{
	size_t at = 0;
	ret[0] = '0';
	ret[1] = '\0';
	for (size_t i = 0; i < count; i++) {
		int n = snprintf(ret + at, CHAIN - at, i ? ".%u" : "%u", ports[i]);
		if (n < 0 || (size_t)n >= CHAIN - at)
			return false;
		at += (size_t)n;
	}
	return true;
}

/* The number of "usbN"; false for any other name. */
static bool root_hub_of(const char *name, unsigned *ret)
{
	char rest;
	return sscanf(name, "usb%u%c", ret, &rest) == 1;
}

/* How many root hubs of lower bus numbers hang on the same controller. */
static bool ordinal_of(const char *controller, unsigned bus, unsigned *ret)
{
	unsigned other;
	DIR *dir = opendir(controller);
	if (!dir)
		return false;
	*ret = 0;
	for (struct dirent *d = readdir(dir); d; d = readdir(dir))
		*ret += root_hub_of(d->d_name, &other) && other < bus;
	closedir(dir);
	return true;
}

/* "pci" or "platform": the last part of the controller's link `subsystem`. */
static bool subsystem_of(const char *controller, char *ret, size_t room)
{
	char link[PATH_MAX + 16], target[PATH_MAX];
	snprintf(link, sizeof(link), "%s/subsystem", controller);
	ssize_t n = readlink(link, target, sizeof(target) - 1);
	if (n <= 0)
		return false;
	target[n] = '\0';
	const char *slash = strrchr(target, '/');
	int len = snprintf(ret, room, "%s", slash ? slash + 1 : target);
	return len > 0 && (size_t)len < room;
}

bool usb_path(const char *sysfs, unsigned bus, const uint8_t *ports, size_t count, char ret[static USB_PATH],
	      struct err *e)
{
	char link[PATH_MAX], hub[PATH_MAX], kind[32], chain[CHAIN];
	unsigned ordinal, number;
	snprintf(link, sizeof(link), "%s/bus/usb/devices/usb%u", sysfs, bus);
	if (!realpath(link, hub))
		return err_errno(e, E_USB_BUS, "%s", link);
	char *name = strrchr(hub, '/');
	if (!name || name == hub || !root_hub_of(name + 1, &number) || number != bus)
		return err_set(e, E_USB_BUS, "%s is no root hub of bus %u", hub, bus);
	*name = '\0';
	const char *controller = strrchr(hub, '/');
	if (!controller || !subsystem_of(hub, kind, sizeof(kind)) || !ordinal_of(hub, bus, &ordinal))
		return err_errno(e, E_USB_BUS, "the controller of bus %u", bus);
	if (!chain_text(ports, count, chain))
		return err_set(e, E_USB_BUS, "a chain of %zu ports", count);
	int n = snprintf(ret, USB_PATH, "%s-%s-usb-%u:%s", kind, controller + 1, ordinal, chain);
	if (n < 0 || n >= USB_PATH)
		return err_set(e, E_USB_BUS, "the port path of %s is too long", controller + 1);
	return true;
}

void usb_path_text(const char *sysfs, unsigned bus, const uint8_t *ports, size_t count, const char *attribute,
		   char ret[static DRIVER_TEXT])
{
	char path[PATH_MAX], chain[CHAIN];
	ret[0] = '\0';
	if (!count || !chain_text(ports, count, chain))
		return;
	snprintf(path, sizeof(path), "%s/bus/usb/devices/%u-%s/%s", sysfs, bus, chain, attribute);
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, ret, DRIVER_TEXT - 1);
	ret[n > 0 ? n : 0] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	for (char *c = ret; *c; c++)
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
}
