/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/usb.h"
#include "drivers/usb_path.h"
#include "station/base/clock.h"
#include "station/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <libusb-1.0/libusb.h>
#include <linux/ioctl.h>
#include <linux/usbdevice_fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SYSFS "/sys"
#define PORTS_MAX 7	/* as deep as USB goes */
#define CONFIGURED_MS 5000	/* a control transfer may take as long */
#define CONFIGURED_LOOK_MS 10
#define CLAIM_MS 1000
#define CLAIM_LOOK_MS 10
#define REQUEST_IN (LIBUSB_ENDPOINT_IN | LIBUSB_REQUEST_TYPE_VENDOR | LIBUSB_RECIPIENT_INTERFACE)
#define REQUEST_OUT (LIBUSB_ENDPOINT_OUT | LIBUSB_REQUEST_TYPE_VENDOR | LIBUSB_RECIPIENT_INTERFACE)

/* The translator of libusb's errors. */
static bool usb_err(struct err *e, int rc, enum err_code otherwise, const char *words)
{
	enum err_code code = rc == LIBUSB_ERROR_NO_DEVICE ? E_USB_GONE
		: rc == LIBUSB_ERROR_TIMEOUT ? E_CHILD_SILENT
		: rc == LIBUSB_ERROR_NO_MEM ? E_NOMEM : otherwise;
	if (rc == LIBUSB_ERROR_BUSY)	/* a tool of an engineer's, or the line: neither is a fault of the station's rights */
		return err_native(e, E_UNIT_BUSY, rc, "%s: another program has it", words);
	return err_native(e, code, rc, "%s: %s", words, libusb_error_name(rc));
}

static bool number_fits(int wanted, int number)
{
	return wanted == -1 || wanted == number;
}

static bool row_is_end(const struct driver_match *m)
{
	return !m->vendor && !m->product && !m->class && !m->subclass && !m->protocol;
}

static bool interface_fits(const struct driver_match *matches, int vendor, int product, int class, int subclass, int protocol)
{
	for (const struct driver_match *m = matches; m && !row_is_end(m); m++)
		if (number_fits(m->vendor, vendor) && number_fits(m->product, product) && number_fits(m->class, class)
		    && number_fits(m->subclass, subclass) && number_fits(m->protocol, protocol))
			return true;
	return false;
}

const struct driver *usb_match(const struct usb_facts *facts, const struct driver *only)
{
	for (const struct driver *const *d = driver_table; *d; d++)
		for (size_t i = 0; i < facts->interface_count && (!only || only == *d); i++)
			if (interface_fits((*d)->matches, facts->vendor_id, facts->product_id, facts->interface[i].class,
					   facts->interface[i].subclass, facts->interface[i].protocol))
				return *d;
	return NULL;
}

/* ---- the bus ---- */

/* A device that is on the bus, and how it was called when it was announced. */
struct present {
	struct present *next;
	libusb_device *device;
	int64_t configured_by_ms;	/* until then the kernel may still be configuring it */
	bool announced;
	char port[USB_PATH], node[64];	/* "" unless it was announced */
};

struct arrival {
	struct arrival *next;
	libusb_device *device;
	enum usb_event event;
};

struct usb_bus {
	libusb_context *context;
	usb_seen *seen;
	void *ctx;
	struct present *present;
	struct arrival *queue;	/* oldest first */
	bool lost;	/* an event could not be kept: memory is out */
};

/* libusb allows no other call from within its callback, so events wait for usb_bus_run. */
static int LIBUSB_CALL on_hotplug(libusb_context *context, libusb_device *device, libusb_hotplug_event event, void *ctx)
{
	struct usb_bus *bus = ctx;
	struct arrival **last = &bus->queue, *a = calloc(1, sizeof(*a));
	if (!a) {
		bus->lost = true;
		return 0;
	}
	a->device = libusb_ref_device(device);
	a->event = event == LIBUSB_HOTPLUG_EVENT_DEVICE_ARRIVED ? USB_ARRIVED : USB_LEFT;
	while (*last)
		last = &(*last)->next;
	*last = a;
	return 0;
}

bool usb_bus_open(usb_seen *seen, void *ctx, struct usb_bus **ret, struct err *e)
{
	struct usb_bus *bus = calloc(1, sizeof(*bus));
	if (!bus)
		return err_set(e, E_NOMEM, "the bus");
	bus->seen = seen;
	bus->ctx = ctx;
	int rc = libusb_init(&bus->context);
	if (rc == 0 && !libusb_has_capability(LIBUSB_CAP_HAS_HOTPLUG))
		rc = LIBUSB_ERROR_NOT_SUPPORTED;
	if (rc == 0)
		rc = libusb_hotplug_register_callback(bus->context, LIBUSB_HOTPLUG_EVENT_DEVICE_ARRIVED
			| LIBUSB_HOTPLUG_EVENT_DEVICE_LEFT, LIBUSB_HOTPLUG_ENUMERATE, LIBUSB_HOTPLUG_MATCH_ANY,
			LIBUSB_HOTPLUG_MATCH_ANY, LIBUSB_HOTPLUG_MATCH_ANY, on_hotplug, bus, NULL);
	if (rc != 0) {
		usb_bus_close(bus);
		return usb_err(e, rc, E_USB_BUS, "hotplug");
	}
	*ret = bus;
	return true;
}

static void facts_interfaces(libusb_device *device, struct usb_facts *facts)
{
	struct libusb_config_descriptor *config;
	if (libusb_get_active_config_descriptor(device, &config) != 0)
		return;
	for (uint8_t i = 0; i < config->bNumInterfaces && facts->interface_count < USB_INTERFACES; i++) {
		if (config->interface[i].num_altsetting < 1)
			continue;
		const struct libusb_interface_descriptor *d = &config->interface[i].altsetting[0];
		uint8_t n = facts->interface_count++;
		facts->interface[n].class = d->bInterfaceClass;
		facts->interface[n].subclass = d->bInterfaceSubClass;
		facts->interface[n].protocol = d->bInterfaceProtocol;
	}
	libusb_free_config_descriptor(config);
}

/* The texts are the kernel's copies: nothing is opened and nothing asked of the device. */
static bool facts_read(libusb_device *device, const struct libusb_device_descriptor *d, struct usb_facts *facts, struct err *e)
{
	uint8_t ports[PORTS_MAX];
	unsigned bus = libusb_get_bus_number(device);
	int count = libusb_get_port_numbers(device, ports, sizeof(ports));
	if (count < 0)
		return usb_err(e, count, E_USB_BUS, "port numbers");
	if (!usb_path(SYSFS, bus, ports, (size_t)count, facts->port, e))
		return false;
	snprintf(facts->node, sizeof(facts->node), "/dev/bus/usb/%03u/%03u", bus, libusb_get_device_address(device));
	usb_path_text(SYSFS, bus, ports, (size_t)count, "serial", facts->serial);
	usb_path_text(SYSFS, bus, ports, (size_t)count, "manufacturer", facts->maker);
	usb_path_text(SYSFS, bus, ports, (size_t)count, "product", facts->product);
	facts->vendor_id = d->idVendor;
	facts->product_id = d->idProduct;
	facts_interfaces(device, facts);
	return true;
}

/* The kernel tells of a device before it configures it, and for that moment the device has no interfaces. */
static bool device_is_configured(libusb_device *device)
{
	struct libusb_config_descriptor *config;
	int rc = libusb_get_active_config_descriptor(device, &config);
	if (rc == 0)
		libusb_free_config_descriptor(config);
	return rc != LIBUSB_ERROR_NOT_FOUND;
}

/* A device without a port path is left alone: it could not be told from another one after a re-plug. */
static void announce(struct usb_bus *bus, struct present *p)
{
	struct libusb_device_descriptor d;
	struct usb_facts facts = {0};
	struct err why = {0};
	p->announced = true;
	if (libusb_get_device_descriptor(p->device, &d) != 0 || d.bDeviceClass == LIBUSB_CLASS_HUB)
		return;
	if (!facts_read(p->device, &d, &facts, &why)) {
		log_err(LOG_LEVEL_DEBUG, &why, "a device without a place");
		return;
	}
	memcpy(p->port, facts.port, sizeof(p->port));
	memcpy(p->node, facts.node, sizeof(p->node));
	bus->seen(bus->ctx, USB_ARRIVED, &facts);
}

/* True if none is left that the kernel may still be configuring. One that it never configures is announced as it is. */
static bool announce_all(struct usb_bus *bus)
{
	bool all = true;
	for (struct present *p = bus->present; p; p = p->next) {
		if (p->announced)
			continue;
		if (device_is_configured(p->device) || clock_left_ms(p->configured_by_ms) <= 0)
			announce(bus, p);
		else
			all = false;
	}
	return all;
}

static bool arrive(struct usb_bus *bus, libusb_device *device, struct err *e)
{
	struct present **last = &bus->present;
	for (; *last; last = &(*last)->next)
		if ((*last)->device == device)
			return true;
	struct present *p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(e, E_NOMEM, "a device on the bus");
	p->device = libusb_ref_device(device);
	p->configured_by_ms = clock_steady_ms() + CONFIGURED_MS;
	*last = p;
	return true;
}

static void leave(struct usb_bus *bus, libusb_device *device)
{
	struct usb_facts facts = {0};
	struct present **at = &bus->present;
	while (*at && (*at)->device != device)
		at = &(*at)->next;
	if (!*at)
		return;
	struct present *p = *at;
	*at = p->next;
	memcpy(facts.port, p->port, sizeof(facts.port));
	memcpy(facts.node, p->node, sizeof(facts.node));
	libusb_unref_device(p->device);
	free(p);
	if (facts.port[0])
		bus->seen(bus->ctx, USB_LEFT, &facts);
}

static bool queue_next(struct usb_bus *bus, struct err *e)
{
	bool ok = true;
	struct arrival *a = bus->queue;
	bus->queue = a->next;
	if (a->event == USB_ARRIVED)
		ok = arrive(bus, a->device, e);
	else
		leave(bus, a->device);
	libusb_unref_device(a->device);
	free(a);
	return ok;
}

bool usb_bus_run(struct usb_bus *bus, int timeout_ms, struct err *e)
{
	if (bus->queue)
		timeout_ms = 0;
	else if (!announce_all(bus) && timeout_ms > CONFIGURED_LOOK_MS)
		timeout_ms = CONFIGURED_LOOK_MS;
	struct timeval wait = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
	int rc = libusb_handle_events_timeout_completed(bus->context, &wait, NULL);
	if (rc != 0 && rc != LIBUSB_ERROR_INTERRUPTED)
		return usb_err(e, rc, E_USB_BUS, "events");
	if (bus->lost)
		return err_set(e, E_NOMEM, "an event of the bus");
	while (bus->queue)
		if (!queue_next(bus, e))
			return false;
	announce_all(bus);
	return true;
}

void usb_bus_close(struct usb_bus *bus)
{
	if (!bus)
		return;
	while (bus->queue) {
		struct arrival *a = bus->queue;
		bus->queue = a->next;
		libusb_unref_device(a->device);
		free(a);
	}
	while (bus->present) {
		struct present *p = bus->present;
		bus->present = p->next;
		libusb_unref_device(p->device);
		free(p);
	}
	if (bus->context)
		libusb_exit(bus->context);
	free(bus);
}

/* ---- one interface ---- */

struct usb_link {
	libusb_context *context;
	libusb_device_handle *handle;
	int own;	/* the descriptor, where this file opened it; else -1 */
	uint8_t interface, in, out;
	size_t packet;
	bool claimed;
	uint64_t bytes_left;
	uint32_t transfers_left;
};

/* True if the interface has one bulk endpoint each way; the first of each counts. */
static bool endpoints_take(struct usb_link *link, const struct libusb_interface_descriptor *d)
{
	link->in = link->out = 0;
	for (uint8_t i = 0; i < d->bNumEndpoints; i++) {
		const struct libusb_endpoint_descriptor *p = &d->endpoint[i];
		uint8_t *which = p->bEndpointAddress & LIBUSB_ENDPOINT_IN ? &link->in : &link->out;
		if ((p->bmAttributes & LIBUSB_TRANSFER_TYPE_MASK) != LIBUSB_TRANSFER_TYPE_BULK || *which)
			continue;
		*which = p->bEndpointAddress;
		if (which == &link->in)
			link->packet = p->wMaxPacketSize & 0x7ff;
	}
	link->interface = d->bInterfaceNumber;
	return link->in && link->out && link->packet;
}

static bool config_search(struct usb_link *link, const struct libusb_config_descriptor *config, int vendor, int product,
			  const struct driver_match *matches)
{
	for (uint8_t i = 0; i < config->bNumInterfaces; i++) {
		const struct libusb_interface *n = &config->interface[i];
		if (n->num_altsetting < 1)
			continue;
		const struct libusb_interface_descriptor *d = &n->altsetting[0];
		if (interface_fits(matches, vendor, product, d->bInterfaceClass, d->bInterfaceSubClass, d->bInterfaceProtocol)
		    && endpoints_take(link, d))
			return true;
	}
	return false;
}

static bool interface_find(struct usb_link *link, const struct driver_match *matches, struct err *e)
{
	struct libusb_device_descriptor d;
	struct libusb_config_descriptor *config;
	libusb_device *device = libusb_get_device(link->handle);
	int rc = libusb_get_device_descriptor(device, &d);
	if (rc == 0)
		rc = libusb_get_active_config_descriptor(device, &config);
	if (rc != 0)
		return usb_err(e, rc, E_USB_OPEN, "descriptors");
	bool found = config_search(link, config, d.idVendor, d.idProduct, matches);
	libusb_free_config_descriptor(config);
	return found || err_set(e, E_NO_DRIVER, "no interface of %04x:%04x fits", d.idVendor, d.idProduct);
}

/* From here on the descriptor is good for this interface alone: no reset, no other claim. Kernels before 4.6 cannot do it. */
static bool privileges_drop(int fd, uint8_t interface, struct err *e)
{
	uint32_t mask = interface < 32 ? (uint32_t)1 << interface : 0;
	if (ioctl(fd, USBDEVFS_DROP_PRIVILEGES, &mask) == 0 || errno == ENOTTY)
		return true;
	return err_errno(e, errno == ENODEV ? E_USB_GONE : E_USB_OPEN, "giving up privileges");
}

/* The process that worked on the unit before may still be on its way out. */
static int claim(struct usb_link *link)
{
	int64_t until_ms = clock_steady_ms() + CLAIM_MS;
	int rc = libusb_claim_interface(link->handle, link->interface);
	while (rc == LIBUSB_ERROR_BUSY && clock_left_ms(until_ms)) {
		clock_sleep_ms(CLAIM_LOOK_MS);
		rc = libusb_claim_interface(link->handle, link->interface);
	}
	return rc;
}

static bool link_setup(struct usb_link *link, int fd, const struct driver_match *matches, struct err *e)
{
	int rc = link->own < 0 ? libusb_set_option(NULL, LIBUSB_OPTION_NO_DEVICE_DISCOVERY) : 0;
	if (rc == 0)
		rc = libusb_init(&link->context);
	if (rc == 0)
		rc = libusb_wrap_sys_device(link->context, fd, &link->handle);
	if (rc != 0)
		return usb_err(e, rc, E_USB_OPEN, "wrapping the descriptor");
	if (!interface_find(link, matches, e))
		return false;
	rc = claim(link);
	if (rc != 0)
		return usb_err(e, rc, E_USB_OPEN, "claiming the interface");
	link->claimed = true;
	return privileges_drop(fd, link->interface, e);
}

static bool link_open(struct usb_link link_of, int fd, const struct driver_match *matches, struct usb_link **ret, struct err *e)
{
	struct usb_link *link = malloc(sizeof(*link));
	if (!link) {
		if (link_of.own >= 0)
			close(link_of.own);
		return err_set(e, E_NOMEM, "a link");
	}
	*link = link_of;
	if (!link_setup(link, fd, matches, e)) {
		usb_link_close(link);
		return false;
	}
	*ret = link;
	return true;
}

bool usb_link_open(int fd, const struct driver_match *matches, struct usb_link **ret, struct err *e)
{
	const struct usb_link lent = {.own = -1, .bytes_left = USB_BUDGET_BYTES, .transfers_left = USB_BUDGET_TRANSFERS};
	return link_open(lent, fd, matches, ret, e);
}

bool usb_link_open_node(const char *node, const struct driver_match *matches, struct usb_link **ret, struct err *e)
{
	int fd = open(node, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, errno == ENOENT || errno == ENODEV ? E_USB_GONE : E_USB_OPEN, "%s", node);
	const struct usb_link own = {.own = fd, .bytes_left = UINT64_MAX, .transfers_left = UINT32_MAX};
	return link_open(own, fd, matches, ret, e);
}

void usb_link_close(struct usb_link *link)
{
	if (!link)
		return;
	if (link->claimed)
		libusb_release_interface(link->handle, link->interface);
	if (link->handle)
		libusb_close(link->handle);
	if (link->context)
		libusb_exit(link->context);
	if (link->own >= 0)
		close(link->own);
	free(link);
}

size_t usb_packet_size(const struct usb_link *link)
{
	return link->packet;
}

/* Before each transfer: is there time and budget for it? libusb takes 0 for "wait for ever". */
static bool transfer_begin(struct usb_link *link, size_t len, int64_t deadline_ms, unsigned *ret_timeout_ms, struct err *e)
{
	int left_ms = clock_left_ms(deadline_ms);
	if (left_ms <= 0)
		return err_set(e, E_CHILD_SILENT, "no time left for a transfer");
	if (!link->transfers_left || link->bytes_left < len)
		return err_set(e, E_BRIDGE, "the transfer budget is spent");
	link->transfers_left--;
	*ret_timeout_ms = (unsigned)left_ms;
	return true;
}

bool usb_control_in(struct usb_link *link, uint8_t request, void *data, size_t room, size_t *ret_len, int64_t deadline_ms,
		    struct err *e)
{
	unsigned timeout_ms = 0;
	if (!transfer_begin(link, room, deadline_ms, &timeout_ms, e))
		return false;
	int n = libusb_control_transfer(link->handle, REQUEST_IN, request, 0, link->interface, data,
					(uint16_t)(room > UINT16_MAX ? UINT16_MAX : room), timeout_ms);
	if (n < 0)
		return usb_err(e, n, E_USB, "control transfer in");
	link->bytes_left -= (size_t)n;
	*ret_len = (size_t)n;
	return true;
}

bool usb_control_out(struct usb_link *link, uint8_t request, int64_t deadline_ms, struct err *e)
{
	unsigned timeout_ms = 0;
	if (!transfer_begin(link, 0, deadline_ms, &timeout_ms, e))
		return false;
	int n = libusb_control_transfer(link->handle, REQUEST_OUT, request, 0, link->interface, NULL, 0, timeout_ms);
	return n >= 0 || usb_err(e, n, E_USB, "control transfer out");
}

/* A stalled endpoint answers again after its halt is cleared: the next try of the stage starts clean. */
static bool bulk_err(struct usb_link *link, uint8_t endpoint, int rc, const char *words, struct err *e)
{
	if (rc == LIBUSB_ERROR_PIPE)
		libusb_clear_halt(link->handle, endpoint);
	return usb_err(e, rc, E_USB, words);
}

static bool bulk_out_once(struct usb_link *link, const void *data, size_t len, int64_t deadline_ms, struct err *e)
{
	unsigned timeout_ms = 0;
	int done = 0;
	if (!transfer_begin(link, len, deadline_ms, &timeout_ms, e))
		return false;
	int rc = libusb_bulk_transfer(link->handle, link->out, (unsigned char *)(uintptr_t)data, (int)len, &done, timeout_ms);
	link->bytes_left -= (size_t)done;
	if (rc != 0)
		return bulk_err(link, link->out, rc, "bulk transfer out", e);
	return (size_t)done == len || err_set(e, E_USB, "%d of %zu bytes were taken", done, len);
}

bool usb_bulk_out(struct usb_link *link, const void *data, size_t len, int64_t deadline_ms, struct err *e)
{
	if (!bulk_out_once(link, data, len, deadline_ms, e))
		return false;
	return len % link->packet != 0 || bulk_out_once(link, data, 0, deadline_ms, e);
}

bool usb_bulk_in(struct usb_link *link, void *data, size_t room, size_t *ret_len, int64_t deadline_ms, struct err *e)
{
	unsigned timeout_ms = 0;
	int done = 0;
	if (!transfer_begin(link, room, deadline_ms, &timeout_ms, e))
		return false;
	int rc = libusb_bulk_transfer(link->handle, link->in, data, (int)room, &done, timeout_ms);
	link->bytes_left -= (size_t)done;
	/* What came before the time was up counts; the next transfer finds no time left. */
	if (rc != 0 && !(rc == LIBUSB_ERROR_TIMEOUT && done > 0))
		return bulk_err(link, link->in, rc, "bulk transfer in", e);
	*ret_len = (size_t)done;
	return true;
}
