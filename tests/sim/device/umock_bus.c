/* SPDX-License-Identifier: Apache-2.0 */
#include "umock_bus.h"

#include "tty_pty.h"
#include "usbfs.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <umockdev.h>

#define DEVNUM_MAX 127
#define CONTROLLER "/devices/pci0000:00/0000:00:14.0"
#define ROOT_HUB CONTROLLER "/usb1"

struct plugged {
	struct umock_bus *bus;
	struct unit *unit;
	struct usbfs_node *node;
	struct tty_pty *pty; /* of a device on a tty */
	unsigned devnum; /* 0: the port is empty */
	char devpath[128];
};

struct umock_bus {
	struct bus bus; /* first: the rack knows the bus by it */
	UMockdevTestbed *testbed;
	UMockdevIoctlBase *tty_ioctls;
	char *root;
	unsigned devnum; /* the last one given */
	struct usbfs_node *nodes[DEVNUM_MAX + 1]; /* by device number, the plugged ones and those that were */
	struct plugged *ports; /* counted from 1 */
};

static void port_path(unsigned port, char *text, size_t room)
{
	snprintf(text, room, "1-%u.%u", (port - 1) / UMOCK_PORTS_PER_HUB + 1, (port - 1) % UMOCK_PORTS_PER_HUB + 1);
}

static void bus_path(struct bus *self, unsigned port, char *text, size_t room)
{
	port_path(port, text, room);
}

static unsigned hub_count(const struct umock_bus *b)
{
	return (b->bus.ports + UMOCK_PORTS_PER_HUB - 1) / UMOCK_PORTS_PER_HUB;
}

/* What one device looks like in sysfs. */
struct look {
	const char *devpath;
	unsigned devnum;
	const uint8_t *descriptors;
	size_t descriptors_len;
	const char *port; /* devpath attribute, as 1.3; NULL on the root hub */
	const char *manufacturer, *product, *serial;
};

static void hex_add(GString *text, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		g_string_append_printf(text, "%02X", data[i]);
}

/* Shows a device to the testbed; inside the preload this also tells whoever listens for uevents. */
static bool device_add(UMockdevTestbed *testbed, const struct look *l, struct why *w)
{
	const uint8_t *d = l->descriptors; /* device descriptor first, then the configuration's */
	GError *error = NULL;
	GString *text = g_string_new(NULL);

	g_string_append_printf(text, "P: %s\nN: bus/usb/001/%03u=", l->devpath, l->devnum);
	hex_add(text, d, l->descriptors_len);
	g_string_append_printf(text,
		"\nE: DEVNAME=/dev/bus/usb/001/%03u\nE: DEVTYPE=usb_device\nE: DRIVER=usb\nE: SUBSYSTEM=usb\n"
		"E: MAJOR=189\nE: MINOR=%u\nE: BUSNUM=001\nE: DEVNUM=%03u\nE: PRODUCT=%x/%x/%x\nE: TYPE=%u/%u/%u\n",
		l->devnum, l->devnum - 1, l->devnum, d[8] | d[9] << 8, d[10] | d[11] << 8, d[12] | d[13] << 8,
		d[4], d[5], d[6]);
	g_string_append_printf(text,
		"A: dev=189:%u\nA: busnum=1\nA: devnum=%u\nA: devpath=%s\nA: speed=480\nA: version= 2.00\n"
		"A: configuration=\nA: bConfigurationValue=1\nA: bNumConfigurations=%u\nA: bNumInterfaces= %u\n"
		"A: bDeviceClass=%02x\nA: bDeviceSubClass=%02x\nA: bDeviceProtocol=%02x\nA: bMaxPacketSize0=%u\n"
		"A: idVendor=%02x%02x\nA: idProduct=%02x%02x\nA: bcdDevice=%02x%02x\nA: removable=%s\n",
		l->devnum - 1, l->devnum, l->port ? l->port : "0", d[17], d[18 + 4], d[4], d[5], d[6], d[7],
		d[9], d[8], d[11], d[10], d[13], d[12], l->port ? "removable" : "unknown");
	g_string_append_printf(text, "A: manufacturer=%s\nA: product=%s\n", l->manufacturer, l->product);
	if (l->serial)
		g_string_append_printf(text, "A: serial=%s\n", l->serial);
	g_string_append(text, "H: descriptors=");
	hex_add(text, d, l->descriptors_len);
	g_string_append(text, "\n");
	bool ok = umockdev_testbed_add_from_string(testbed, text->str, &error);
	g_string_free(text, TRUE);
	if (ok)
		return true;
	why_set(w, "%s: %s", l->devpath, error->message);
	g_error_free(error);
	return false;
}

/* Device and configuration descriptor of a hub; the same shape for the root hub. */
static void hub_descriptors(uint8_t to[43], bool root)
{
	const uint8_t d[43] = {
		18, 1, 0x00, 0x02, 9, 0, 1, 64, root ? 0x6b : 0xe3, root ? 0x1d : 0x05, root ? 0x02 : 0x08,
		root ? 0x00 : 0x06, 0x01, 0x06, 0, 0, 0, 1,
		9, 2, 25, 0, 1, 1, 0, 0xe0, 0,
		9, 4, 0, 0, 1, 9, 0, 0, 0,
		7, 5, 0x81, 3, 4, 0, 12,
	};
	memcpy(to, d, sizeof d);
}

static bool controller_add(struct umock_bus *b, struct why *w)
{
	GError *error = NULL;
	uint8_t descriptors[43];

	if (!umockdev_testbed_add_from_string(b->testbed, "P: " CONTROLLER "\nE: SUBSYSTEM=pci\nE: DRIVER=xhci_hcd\n"
			"E: PCI_CLASS=C0330\nE: PCI_SLOT_NAME=0000:00:14.0\nA: class=0x0c0330\n", &error)) {
		why_set(w, "%s", error->message);
		g_error_free(error);
		return false;
	}
	hub_descriptors(descriptors, true);
	const struct look l = {
		.devpath = ROOT_HUB, .devnum = ++b->devnum, .descriptors = descriptors,
		.descriptors_len = sizeof descriptors, .manufacturer = "Linux xhci-hcd",
		.product = "xHCI Host Controller", .serial = "0000:00:14.0",
	};
	return device_add(b->testbed, &l, w);
}

static bool hub_add(struct umock_bus *b, unsigned number, struct why *w)
{
	char devpath[128], port[16];
	uint8_t descriptors[43];

	snprintf(devpath, sizeof devpath, ROOT_HUB "/1-%u", number);
	snprintf(port, sizeof port, "%u", number);
	hub_descriptors(descriptors, false);
	const struct look l = {
		.devpath = devpath, .devnum = ++b->devnum, .descriptors = descriptors,
		.descriptors_len = sizeof descriptors, .port = port, .manufacturer = "Simulated",
		.product = "USB2.0 Hub",
	};
	return device_add(b->testbed, &l, w);
}

static void on_progress(void *context)
{
	const struct plugged *p = context;
	struct usbdev *d = usbfs_dev(p->node);
	if (p->pty) {
		tty_pty_wake(p->pty);
		return;
	}
	pthread_mutex_lock(&d->lock);
	usbdev_pump(d);
	pthread_mutex_unlock(&d->lock);
}

/* Gone for whoever has it open, at once; the rack pulls the plug soon after. */
static void on_power_cut(void *context)
{
	const struct plugged *p = context;
	usbdev_remove(usbfs_dev(p->node));
	if (p->pty)
		tty_pty_hang_up(p->pty);
	rack_power_cut(p->bus->bus.rack, p->unit);
}

/* The next device number that is free, as the kernel gives them. */
static bool devnum_next(struct umock_bus *b, unsigned *ret, struct why *w)
{
	for (unsigned i = 0; i < DEVNUM_MAX; i++) {
		unsigned n = (b->devnum + i) % DEVNUM_MAX + 1;
		bool taken = n <= 1 + hub_count(b);
		for (unsigned port = 1; port <= b->bus.ports && !taken; port++)
			taken = b->ports[port].devnum == n;
		if (!taken) {
			*ret = n;
			return true;
		}
	}
	return why_set(w, "the bus is full");
}

static bool node_open(struct umock_bus *b, struct unit *u, unsigned devnum, struct why *w)
{
	char path[512];

	if (b->nodes[devnum])
		usbfs_release(b->nodes[devnum]);
	b->nodes[devnum] = NULL;
	snprintf(path, sizeof path, "%s/ioctl/dev/bus/usb/001", b->root);
	if (g_mkdir_with_parents(path, 0755) != 0)
		return why_set(w, "%s: %s", path, strerror(errno));
	snprintf(path, sizeof path, "%s/ioctl/dev/bus/usb/001/%03u", b->root, devnum);
	return usbfs_open(&b->nodes[devnum], u, path, devnum, w);
}

static bool device_show(struct umock_bus *b, unsigned port, const struct unit *u, struct why *w)
{
	struct plugged *p = &b->ports[port];
	char name[32];
	uint8_t descriptors[USB_DESCRIPTORS_MAX];

	port_path(port, name, sizeof name);
	snprintf(p->devpath, sizeof p->devpath, ROOT_HUB "/1-%u/%s", (port - 1) / UMOCK_PORTS_PER_HUB + 1, name);
	const struct look l = {
		.devpath = p->devpath, .devnum = p->devnum, .descriptors = descriptors,
		.descriptors_len = usb_descriptors(u, descriptors), .port = name + 2, .manufacturer = usb_string(u, 1),
		.product = usb_string(u, 2), .serial = usb_string(u, 3),
	};
	return device_add(b->testbed, &l, w);
}

/* A device that is neither USB's nor ours to serve: what the kernel's driver makes of an interface. */
static bool child_add(const struct umock_bus *b, struct why *w, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static bool child_add(const struct umock_bus *b, struct why *w, const char *format, ...)
{
	GError *error = NULL;
	va_list args;
	va_start(args, format);
	char *text = g_strdup_vprintf(format, args);
	va_end(args);
	bool ok = umockdev_testbed_add_from_string(b->testbed, text, &error);
	if (!ok) {
		why_set(w, "%s", error->message);
		g_error_free(error);
	}
	g_free(text);
	return ok;
}

static void tty_name(unsigned port, char *text, size_t room)
{
	snprintf(text, room, "ttyACM%u", port - 1);
}

/* The kernel's cdc_acm: interface and tty beneath the device, and the node, which is a pseudo terminal. */
static bool tty_show(struct umock_bus *b, unsigned port, struct why *w)
{
	const struct plugged *p = &b->ports[port];
	char name[24];
	const char *device = strrchr(p->devpath, '/') + 1;

	tty_name(port, name, sizeof name);
	return child_add(b, w, "P: %s/%s:1.0\nE: SUBSYSTEM=usb\nE: DEVTYPE=usb_interface\nE: DRIVER=cdc_acm\n"
			"A: bInterfaceNumber=00\nA: bInterfaceClass=02\nA: bInterfaceSubClass=02\n", p->devpath, device)
		&& child_add(b, w, "P: %s/%s:1.0/tty/%s\nE: SUBSYSTEM=tty\nE: DEVNAME=/dev/%s\nE: MAJOR=166\nE: MINOR=%u\n"
			"A: dev=166:%u\n", p->devpath, device, name, name, port - 1, port - 1);
}

/* The preload takes the requests of a node below /dev from the terminal. What C libraries ask by themselves passes it by. */
static gboolean on_tty_ioctl(UMockdevIoctlBase *base, UMockdevIoctlClient *client, void *context)
{
	if (umockdev_ioctl_client_get_request(client) != TIOCEXCL)
		return FALSE;
	umockdev_ioctl_client_complete(client, 0, 0);
	return TRUE;
}

static void tty_wait(const struct unit *u)
{
	g_usleep(1000ul * u->tty.knobs.tty_late_ms);
}

static bool tty_open(struct umock_bus *b, unsigned port, struct unit *u, struct why *w)
{
	char path[512], name[24], node[32];
	GError *error = NULL;
	tty_name(port, name, sizeof name);
	snprintf(node, sizeof node, "/dev/%s", name);
	if (!umockdev_testbed_attach_ioctl(b->testbed, node, b->tty_ioctls, &error)) {
		why_set(w, "%s: %s", node, error->message);
		g_error_free(error);
		return false;
	}
	snprintf(path, sizeof path, "%s/dev/%s", b->root, name);
	return tty_pty_open(&b->ports[port].pty, u, path, w);
}

static void path_remove(struct umock_bus *b, const char *path)
{
	char syspath[264];
	snprintf(syspath, sizeof syspath, "/sys%s", path);
	umockdev_testbed_uevent(b->testbed, syspath, "remove");
	umockdev_testbed_remove_device(b->testbed, syspath);
}

static void tty_hide(struct umock_bus *b, unsigned port)
{
	const struct plugged *p = &b->ports[port];
	char path[256], name[24];
	const char *device = strrchr(p->devpath, '/') + 1;

	tty_name(port, name, sizeof name);
	snprintf(path, sizeof path, "%s/%s:1.0/tty/%s", p->devpath, device, name);
	path_remove(b, path);
	snprintf(path, sizeof path, "%s/%s:1.0", p->devpath, device);
	path_remove(b, path);
}

static void tty_forget(struct umock_bus *b, unsigned port)
{
	char name[24], node[32];
	tty_pty_close(b->ports[port].pty);
	tty_name(port, name, sizeof name);
	snprintf(node, sizeof node, "/dev/%s", name);
	umockdev_testbed_detach_ioctl(b->testbed, node, NULL);
}

/* Takes the power, and what the plug gave. */
static void port_empty(struct plugged *p)
{
	usbfs_remove(p->node);
	unit_power_off(p->unit);
	if (p->pty)
		tty_forget(p->bus, (unsigned)(p - p->bus->ports));
	memset(p, 0, sizeof *p);
}

static bool bus_plug(struct bus *self, unsigned port, struct unit *u, struct why *w)
{
	struct umock_bus *b = (struct umock_bus *)self;
	struct plugged *p = &b->ports[port];
	unsigned devnum = 0;

	if (!devnum_next(b, &devnum, w) || !node_open(b, u, devnum, w))
		return false;
	*p = (struct plugged){ .bus = b, .unit = u, .node = b->nodes[devnum], .devnum = devnum };
	const struct unit_listener listener = { on_progress, on_power_cut, p };
	if ((u->has_tty && !tty_open(b, port, u, w)) || !unit_power_on(u, &listener, w)) {
		port_empty(p);
		return false;
	}
	b->devnum = devnum;
	if (device_show(b, port, u, w) && (!u->has_tty || (tty_wait(u), tty_show(b, port, w))))
		return true;
	port_empty(p);
	return false;
}

static void bus_unplug(struct bus *self, unsigned port)
{
	struct umock_bus *b = (struct umock_bus *)self;
	struct plugged *p = &b->ports[port];

	usbfs_remove(p->node);
	if (p->pty) {
		tty_pty_hang_up(p->pty);
		tty_hide(b, port);
	}
	path_remove(b, p->devpath);
	port_empty(p);
}

bool umock_bus_open(struct umock_bus **ret, unsigned ports, struct why *w)
{
	if (ports < 1 || ports > UMOCK_PORTS_MAX)
		return why_set(w, "a bus has 1 to %d ports", UMOCK_PORTS_MAX);
	struct umock_bus *b = calloc(1, sizeof *b);
	if (b)
		b->ports = calloc(ports + 1, sizeof *b->ports);
	if (!b || !b->ports) {
		free(b);
		return why_set(w, "out of memory");
	}
	b->bus = (struct bus){ .ports = ports, .plug = bus_plug, .unplug = bus_unplug, .path = bus_path };
	b->testbed = umockdev_testbed_new();
	b->tty_ioctls = umockdev_ioctl_base_new();
	g_signal_connect(b->tty_ioctls, "handle-ioctl", G_CALLBACK(on_tty_ioctl), NULL);
	b->root = umockdev_testbed_get_root_dir(b->testbed);
	/* Answers only once there is a testbed. */
	bool ok = umockdev_in_mock_environment() ? true : why_set(w, "umockdev's preload is missing");
	ok = ok && controller_add(b, w);
	for (unsigned hub = 1; ok && hub <= hub_count(b); hub++)
		ok = hub_add(b, hub, w);
	if (!ok) {
		umock_bus_close(b);
		return false;
	}
	*ret = b;
	return true;
}

void umock_bus_close(struct umock_bus *b)
{
	if (!b)
		return;
	for (unsigned i = 0; i <= DEVNUM_MAX; i++)
		if (b->nodes[i])
			usbfs_release(b->nodes[i]);
	g_object_unref(b->tty_ioctls);
	g_object_unref(b->testbed); /* removes its directory */
	g_free(b->root);
	free(b->ports);
	free(b);
}

struct bus *umock_bus_bus(struct umock_bus *b)
{
	return &b->bus;
}

const char *umock_bus_root(const struct umock_bus *b)
{
	return b->root;
}
