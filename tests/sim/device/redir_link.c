/* SPDX-License-Identifier: Apache-2.0 */
#include "redir_link.h"

#include <linux/usb/ch9.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <usbredirparser.h>

#define REDIR_TRANSFER_MAX (256 * 1024)
/* In the endpoint tables IN endpoints stand behind the 16 OUT ones. */
#define EP_INDEX(address) (((address) & 0x80) >> 3 | ((address) & 0x0f))

struct packet {
	struct xfer xfer; /* first: a transfer that is done is its packet */
	struct redir_link *link;
	struct packet *next; /* of those waiting, then of those done */
	uint64_t id;
	struct usb_redir_bulk_packet_header header;
};

struct redir_link {
	struct usbdev *dev;
	struct usbredirparser *parser;
	int fd, wake_fd;
	bool connected; /* the guest was told of the device */
	struct packet *waiting; /* both lists are guarded by the device's lock */
	struct packet *done, **done_end;
};

static void packet_free(struct packet *p)
{
	if (p)
		free(p->xfer.data);
	free(p);
}

void redir_link_wake(struct redir_link *l)
{
	uint64_t one = 1;
	/* An eventfd that is full is readable too. */
	if (write(l->wake_fd, &one, sizeof one) < 0)
		return;
}

void redir_link_done(struct xfer *x)
{
	struct packet *p = (struct packet *)x;
	struct redir_link *l = p->link;
	struct packet **at = &l->waiting;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	p->next = NULL;
	*l->done_end = p;
	l->done_end = &p->next;
	redir_link_wake(l);
}

static uint8_t redir_status(int status)
{
	switch (status) {
	case 0:
		return usb_redir_success;
	case -ENOENT:
		return usb_redir_cancelled;
	case -EPIPE:
		return usb_redir_stall;
	case -EOVERFLOW:
		return usb_redir_babble;
	case -EINVAL:
		return usb_redir_inval;
	}
	return usb_redir_ioerror;
}

static void on_log(void *priv, int level, const char *message)
{
	if (level <= usbredirparser_warning)
		fprintf(stderr, "usbredir: %s\n", message);
}

/* The parser wants 0 for "nothing now" and -1 for the end. */
static int on_read(void *priv, uint8_t *data, int count)
{
	struct redir_link *l = priv;
	ssize_t n = recv(l->fd, data, (size_t)count, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	return n == 0 ? -1 : (int)n;
}

static int on_write(void *priv, uint8_t *data, int count)
{
	struct redir_link *l = priv;
	ssize_t n = send(l->fd, data, (size_t)count, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	return (int)n;
}

/* Interfaces, endpoints and the device itself, taken from its descriptors. */
static void on_hello(void *priv, struct usb_redir_hello_header *hello)
{
	struct redir_link *l = priv;
	struct usb_redir_interface_info_header interfaces = { 0 };
	struct usb_redir_ep_info_header endpoints;
	uint8_t d[USB_DESCRIPTORS_MAX];
	size_t len = usb_descriptors(l->dev->unit, d);
	uint8_t number = 0;

	memset(&endpoints, 0, sizeof endpoints);
	memset(endpoints.type, usb_redir_type_invalid, sizeof endpoints.type);
	endpoints.type[EP_INDEX(0x00)] = endpoints.type[EP_INDEX(0x80)] = usb_redir_type_control;
	endpoints.max_packet_size[EP_INDEX(0x00)] = endpoints.max_packet_size[EP_INDEX(0x80)] = 64;
	for (size_t at = 0; at + 2 <= len && d[at]; at += d[at]) {
		const uint8_t *p = d + at;
		if (p[1] == USB_DT_INTERFACE) {
			uint32_t n = interfaces.interface_count++;
			number = interfaces.interface[n] = p[2];
			interfaces.interface_class[n] = p[5];
			interfaces.interface_subclass[n] = p[6];
			interfaces.interface_protocol[n] = p[7];
		} else if (p[1] == USB_DT_ENDPOINT) {
			endpoints.type[EP_INDEX(p[2])] = p[3] & USB_ENDPOINT_XFERTYPE_MASK;
			endpoints.interval[EP_INDEX(p[2])] = p[6];
			endpoints.interface[EP_INDEX(p[2])] = number;
			endpoints.max_packet_size[EP_INDEX(p[2])] = (uint16_t)(p[4] | p[5] << 8);
		}
	}
	struct usb_redir_device_connect_header device = {
		.speed = usb_redir_speed_high, .device_class = d[4], .device_subclass = d[5], .device_protocol = d[6],
		.vendor_id = USB_VENDOR, .product_id = l->dev->unit->has_tty ? USB_ACM_PRODUCT : USB_PRODUCT, .device_version_bcd = 0x0100,
	};
	usbredirparser_send_interface_info(l->parser, &interfaces);
	usbredirparser_send_ep_info(l->parser, &endpoints);
	usbredirparser_send_device_connect(l->parser, &device);
	l->connected = true;
}

static void on_reset(void *priv)
{
	struct redir_link *l = priv;
	unit_released(l->dev->unit);
}

static void on_set_configuration(void *priv, uint64_t id, struct usb_redir_set_configuration_header *h)
{
	struct redir_link *l = priv;
	struct usb_redir_configuration_status_header status = { usb_redir_success, h->configuration };
	if (h->configuration > 1)
		status.status = usb_redir_stall;
	usbredirparser_send_configuration_status(l->parser, id, &status);
}

static void on_get_configuration(void *priv, uint64_t id)
{
	struct redir_link *l = priv;
	struct usb_redir_configuration_status_header status = { usb_redir_success, 1 };
	usbredirparser_send_configuration_status(l->parser, id, &status);
}

static void on_set_alt_setting(void *priv, uint64_t id, struct usb_redir_set_alt_setting_header *h)
{
	struct redir_link *l = priv;
	struct usb_redir_alt_setting_status_header status = { usb_redir_success, h->interface, h->alt };
	if (h->interface >= USB_INTERFACES || h->alt != 0)
		status.status = usb_redir_stall;
	usbredirparser_send_alt_setting_status(l->parser, id, &status);
}

static void on_get_alt_setting(void *priv, uint64_t id, struct usb_redir_get_alt_setting_header *h)
{
	struct redir_link *l = priv;
	struct usb_redir_alt_setting_status_header status = { usb_redir_success, h->interface, 0 };
	usbredirparser_send_alt_setting_status(l->parser, id, &status);
}

static void on_control_packet(void *priv, uint64_t id, struct usb_redir_control_packet_header *h, uint8_t *data,
	int data_len)
{
	struct redir_link *l = priv;
	uint8_t answer[4096];
	const uint8_t setup[8] = { h->requesttype, h->request, (uint8_t)h->value, (uint8_t)(h->value >> 8),
		(uint8_t)h->index, (uint8_t)(h->index >> 8), (uint8_t)h->length, (uint8_t)(h->length >> 8) };
	bool in = h->endpoint & USB_DIR_IN;

	if (!in && data_len > 0 && (size_t)data_len <= sizeof answer)
		memcpy(answer, data, (size_t)data_len);
	usbredirparser_free_packet_data(l->parser, data);
	int n = usbdev_control(l->dev, setup, answer, sizeof answer);
	h->status = redir_status(n < 0 ? n : 0);
	if (in || n < 0)
		h->length = (uint16_t)(n < 0 ? 0 : n);
	usbredirparser_send_control_packet(l->parser, id, h, in && n > 0 ? answer : NULL, in && n > 0 ? n : 0);
}

static struct packet *packet_new(struct redir_link *l, uint64_t id, const struct usb_redir_bulk_packet_header *h,
	size_t len)
{
	struct packet *p = calloc(1, sizeof *p);
	if (p)
		p->xfer.data = calloc(1, len + 1);
	if (!p || !p->xfer.data) {
		packet_free(p);
		return NULL;
	}
	p->xfer.len = len;
	p->link = l;
	p->id = id;
	p->header = *h;
	return p;
}

static void bulk_refuse(struct redir_link *l, uint64_t id, struct usb_redir_bulk_packet_header *h, uint8_t status)
{
	h->status = status;
	h->length = h->length_high = 0;
	usbredirparser_send_bulk_packet(l->parser, id, h, NULL, 0);
}

static void on_bulk_packet(void *priv, uint64_t id, struct usb_redir_bulk_packet_header *h, uint8_t *data,
	int data_len)
{
	struct redir_link *l = priv;
	bool in = h->endpoint & USB_DIR_IN;
	size_t len = in ? h->length | (size_t)h->length_high << 16 : (size_t)data_len;
	bool fits = len <= REDIR_TRANSFER_MAX && (h->endpoint == USB_EP_IN || h->endpoint == USB_EP_OUT);
	struct packet *p = fits ? packet_new(l, id, h, len) : NULL;

	if (p && !in && len)
		memcpy(p->xfer.data, data, len);
	usbredirparser_free_packet_data(l->parser, data);
	if (!p) {
		bulk_refuse(l, id, h, usb_redir_inval);
		return;
	}
	pthread_mutex_lock(&l->dev->lock);
	p->next = l->waiting;
	l->waiting = p;
	usbdev_submit(l->dev, &p->xfer, in);
	pthread_mutex_unlock(&l->dev->lock);
}

/* A tty's notifications are asked for; there are none. */
static void on_start_interrupt(void *priv, uint64_t id, struct usb_redir_start_interrupt_receiving_header *h)
{
	struct redir_link *l = priv;
	struct usb_redir_interrupt_receiving_status_header status = { usb_redir_success, h->endpoint };
	usbredirparser_send_interrupt_receiving_status(l->parser, id, &status);
}

static void on_stop_interrupt(void *priv, uint64_t id, struct usb_redir_stop_interrupt_receiving_header *h)
{
	struct redir_link *l = priv;
	struct usb_redir_interrupt_receiving_status_header status = { usb_redir_success, h->endpoint };
	usbredirparser_send_interrupt_receiving_status(l->parser, id, &status);
}

static void on_cancel_data_packet(void *priv, uint64_t id)
{
	struct redir_link *l = priv;

	pthread_mutex_lock(&l->dev->lock);
	struct packet *p = l->waiting;
	while (p && p->id != id)
		p = p->next;
	if (p && !usbdev_cancel(l->dev, &p->xfer, -ENOENT))
		abort(); /* what waits here waits there */
	pthread_mutex_unlock(&l->dev->lock);
}

/* What this device has no use for, but a guest may say. */
static void on_filter_filter(void *priv, struct usbredirfilter_rule *rules, int count)
{
	free(rules);
}

static void on_nothing(void *priv)
{
}

static void callbacks_set(struct usbredirparser *p)
{
	p->log_func = on_log;
	p->read_func = on_read;
	p->write_func = on_write;
	p->hello_func = on_hello;
	p->reset_func = on_reset;
	p->set_configuration_func = on_set_configuration;
	p->get_configuration_func = on_get_configuration;
	p->set_alt_setting_func = on_set_alt_setting;
	p->get_alt_setting_func = on_get_alt_setting;
	p->control_packet_func = on_control_packet;
	p->bulk_packet_func = on_bulk_packet;
	p->cancel_data_packet_func = on_cancel_data_packet;
	p->start_interrupt_receiving_func = on_start_interrupt;
	p->stop_interrupt_receiving_func = on_stop_interrupt;
	p->filter_reject_func = on_nothing;
	p->filter_filter_func = on_filter_filter;
	p->device_disconnect_ack_func = on_nothing;
}

bool redir_link_new(struct redir_link **ret, struct usbdev *d, int fd, struct why *w)
{
	uint32_t caps[USB_REDIR_CAPS_SIZE] = { 0 };
	struct redir_link *l = calloc(1, sizeof *l);

	if (!l)
		return why_set(w, "out of memory");
	l->dev = d;
	l->fd = -1;
	l->done_end = &l->done;
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->parser = usbredirparser_create();
	if (l->wake_fd < 0 || !l->parser) {
		redir_link_free(l);
		return why_set(w, "no parser");
	}
	l->fd = fd;
	l->parser->priv = l;
	callbacks_set(l->parser);
	usbredirparser_caps_set_cap(caps, usb_redir_cap_connect_device_version);
	usbredirparser_caps_set_cap(caps, usb_redir_cap_device_disconnect_ack);
	usbredirparser_caps_set_cap(caps, usb_redir_cap_ep_info_max_packet_size);
	usbredirparser_caps_set_cap(caps, usb_redir_cap_64bits_ids);
	usbredirparser_caps_set_cap(caps, usb_redir_cap_32bits_bulk_length);
	usbredirparser_init(l->parser, "sim-devices", caps, USB_REDIR_CAPS_SIZE, usbredirparser_fl_usb_host);
	*ret = l;
	return true;
}

void redir_link_free(struct redir_link *l)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->dev->lock);
	while (l->waiting)
		if (!usbdev_cancel(l->dev, &l->waiting->xfer, -ENOENT))
			abort(); /* what waits here waits there */
	pthread_mutex_unlock(&l->dev->lock);
	while (l->done) {
		struct packet *p = l->done;
		l->done = p->next;
		packet_free(p);
	}
	if (l->parser)
		usbredirparser_destroy(l->parser);
	if (l->wake_fd >= 0)
		close(l->wake_fd);
	if (l->fd >= 0)
		close(l->fd);
	free(l);
}

/* Sends what is done; false once the device is gone. */
static bool done_send(struct redir_link *l)
{
	uint64_t count;

	if (read(l->wake_fd, &count, sizeof count) < 0 && errno != EAGAIN)
		return false;
	pthread_mutex_lock(&l->dev->lock);
	struct packet *p = l->done;
	l->done = NULL;
	l->done_end = &l->done;
	bool gone = l->dev->gone;
	pthread_mutex_unlock(&l->dev->lock);
	while (p) {
		struct packet *next = p->next;
		bool in = p->header.endpoint & USB_DIR_IN;
		p->header.status = redir_status(p->xfer.status);
		p->header.length = (uint16_t)p->xfer.actual;
		p->header.length_high = (uint16_t)(p->xfer.actual >> 16);
		if (!gone)
			usbredirparser_send_bulk_packet(l->parser, p->id, &p->header, in ? p->xfer.data : NULL,
				in ? (int)p->xfer.actual : 0);
		packet_free(p);
		p = next;
	}
	return !gone;
}

void redir_link_serve(struct redir_link *l)
{
	for (;;) {
		bool writing = usbredirparser_has_data_to_write(l->parser);
		struct pollfd p[2] = {
			{ .fd = l->fd, .events = (short)(POLLIN | (writing ? POLLOUT : 0)) },
			{ .fd = l->wake_fd, .events = POLLIN },
		};
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return;
		/* Everything the guest asked is answered in the order of its completion. */
		if ((p[0].revents & (POLLIN | POLLHUP | POLLERR))
				&& usbredirparser_do_read(l->parser) == usbredirparser_read_io_error)
			return;
		if (!done_send(l))
			return; /* the closed connection is the unplugged device */
		if (usbredirparser_has_data_to_write(l->parser)
				&& usbredirparser_do_write(l->parser) == usbredirparser_write_io_error)
			return;
	}
}
