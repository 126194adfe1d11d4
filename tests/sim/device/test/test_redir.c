/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device as a usbredir guest meets it, on libusbredirparser's other side.
 * Arguments: the control socket, the directory of the ports. SIM0001 is there, not plugged in.
 */
#include "host.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <usbredirparser.h>

#include <cmocka.h>

static const char *control, *ports;

/* What the guest has heard. */
struct guest {
	struct usbredirparser *parser;
	int fd;
	bool closed, connected;
	struct usb_redir_device_connect_header device;
	struct usb_redir_interface_info_header interfaces;
	struct usb_redir_ep_info_header endpoints;
	struct { bool came; int status, len; uint8_t data[16384]; } answer[8]; /* by id: several may come in one read */
	int status;	/* of the answer that was waited for */
	uint8_t data[16384];
	int len;
};

static void on_log(void *priv, int level, const char *message)
{
	if (level <= usbredirparser_warning)
		fprintf(stderr, "guest: %s\n", message);
}

static int on_read(void *priv, uint8_t *data, int count)
{
	struct guest *g = priv;
	ssize_t n = recv(g->fd, data, (size_t)count, MSG_DONTWAIT);
	g->closed = g->closed || n == 0;
	return n > 0 ? (int)n : n == 0 ? -1 : 0;
}

static int on_write(void *priv, uint8_t *data, int count)
{
	struct guest *g = priv;
	return (int)send(g->fd, data, (size_t)count, MSG_NOSIGNAL);
}

static void on_connect(void *priv, struct usb_redir_device_connect_header *h)
{
	struct guest *g = priv;
	g->device = *h;
	g->connected = true;
}

static void on_interfaces(void *priv, struct usb_redir_interface_info_header *h)
{
	((struct guest *)priv)->interfaces = *h;
}

static void on_endpoints(void *priv, struct usb_redir_ep_info_header *h)
{
	((struct guest *)priv)->endpoints = *h;
}

static void answer(struct guest *g, uint64_t id, int status, uint8_t *data, int len)
{
	assert_true(id < 8 && len <= (int)sizeof(g->data));
	g->answer[id].came = true;
	g->answer[id].status = status;
	g->answer[id].len = len;
	if (len > 0)
		memcpy(g->answer[id].data, data, (size_t)len);
	usbredirparser_free_packet_data(g->parser, data);
}

static void on_control(void *priv, uint64_t id, struct usb_redir_control_packet_header *h, uint8_t *data, int len)
{
	answer(priv, id, h->status, data, len);
}

static void on_bulk(void *priv, uint64_t id, struct usb_redir_bulk_packet_header *h, uint8_t *data, int len)
{
	answer(priv, id, h->status, data, len);
}

static void guest_open(struct guest *g)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	uint32_t caps[USB_REDIR_CAPS_SIZE] = { 0 };

	memset(g, 0, sizeof *g);
	snprintf(address.sun_path, sizeof address.sun_path, "%s/port1", ports);
	g->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(g->fd, (struct sockaddr *)&address, sizeof address), 0);
	g->parser = usbredirparser_create();
	g->parser->priv = g;
	g->parser->log_func = on_log;
	g->parser->read_func = on_read;
	g->parser->write_func = on_write;
	g->parser->device_connect_func = on_connect;
	g->parser->interface_info_func = on_interfaces;
	g->parser->ep_info_func = on_endpoints;
	g->parser->control_packet_func = on_control;
	g->parser->bulk_packet_func = on_bulk;
	usbredirparser_caps_set_cap(caps, usb_redir_cap_connect_device_version);
	usbredirparser_caps_set_cap(caps, usb_redir_cap_ep_info_max_packet_size);
	usbredirparser_caps_set_cap(caps, usb_redir_cap_64bits_ids);
	usbredirparser_caps_set_cap(caps, usb_redir_cap_32bits_bulk_length);
	usbredirparser_init(g->parser, "test", caps, USB_REDIR_CAPS_SIZE, 0);
}

static void guest_close(struct guest *g)
{
	usbredirparser_destroy(g->parser);
	close(g->fd);
}

/* The answer to `id`, if it came; an id beyond the answers never does. */
static bool guest_take(struct guest *g, uint64_t id)
{
	if (id >= 8 || !g->answer[id].came)
		return false;
	g->status = g->answer[id].status;
	g->len = g->answer[id].len;
	memcpy(g->data, g->answer[id].data, sizeof(g->data));
	return true;
}

/* Lets the connection run until `id` was answered, or (id 0) a device is there or the connection closed. */
static void guest_run(struct guest *g, uint64_t id)
{
	for (int i = 0; i < 3000; i++) {
		struct pollfd p = { .fd = g->fd, .events = POLLIN };
		while (usbredirparser_has_data_to_write(g->parser) && usbredirparser_do_write(g->parser) == 0)
			;
		if (g->closed || (id ? guest_take(g, id) : g->connected))
			return;
		if (poll(&p, 1, 10) > 0)
			usbredirparser_do_read(g->parser);
	}
	fail_msg("nothing came");
}

static void bulk(struct guest *g, uint64_t id, uint8_t endpoint, uint8_t *data, size_t len)
{
	struct usb_redir_bulk_packet_header h = { .endpoint = endpoint, .length = (uint16_t)len };
	usbredirparser_send_bulk_packet(g->parser, id, &h, data, data ? (int)len : 0);
}

static int unplug_all(void **state)
{
	bench(control, "unplug-all");
	return 0;
}

static void guest_is_told_what_the_descriptors_say(void **state)
{
	struct guest g;

	bench(control, "plug SIM0001 1");
	guest_open(&g);
	guest_run(&g, 0);
	assert_true(g.connected);
	assert_int_equal(g.device.vendor_id, 0x1209);
	assert_int_equal(g.device.product_id, 0x7077);
	assert_int_equal(g.interfaces.interface_count, 2);
	assert_int_equal(g.interfaces.interface_subclass[1], 0x54);
	assert_int_equal(g.endpoints.type[0x01], usb_redir_type_bulk);
	assert_int_equal(g.endpoints.type[0x11], usb_redir_type_bulk);
	assert_int_equal(g.endpoints.interface[0x11], 1);
	assert_int_equal(g.endpoints.max_packet_size[0x11], 512);
	guest_close(&g);
}

static void frame_goes_through_and_comes_back(void **state)
{
	struct guest g;
	struct usb_redir_control_packet_header info = { .endpoint = 0x80, .requesttype = 0xc1, .request = 1, .index = 1,
		.length = 16 };
	uint8_t frame[] = { 'T', 'B', 1, 0x10, 0, 7, 0, 0, 0, 0, 0, 12, 0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7b, 0, 16 };

	bench(control, "plug SIM0001 1");
	guest_open(&g);
	guest_run(&g, 0);
	usbredirparser_send_control_packet(g.parser, 1, &info, NULL, 0);
	guest_run(&g, 1);
	assert_int_equal(g.status, usb_redir_success);
	assert_int_equal(g.len, 16);
	assert_memory_equal(g.data, "TPMB\1", 5);

	bulk(&g, 2, 0x81, NULL, 512); /* waits for what the command will bring */
	bulk(&g, 3, 0x01, frame, sizeof frame);
	guest_run(&g, 3);
	assert_int_equal(g.status, usb_redir_success);
	guest_run(&g, 2);
	assert_int_equal(g.status, usb_redir_success);
	assert_int_equal(g.len, 12 + 28);
	assert_memory_equal(g.data, "TB\1\x10\0\7\0\0\0\0\0\x1c\x80\1\0\0\0\x1c\0\0\0\0", 22);
	guest_close(&g);
}

static void cancelled_transfer_comes_back_cancelled(void **state)
{
	struct guest g;

	bench(control, "plug SIM0001 1");
	guest_open(&g);
	guest_run(&g, 0);
	bulk(&g, 5, 0x81, NULL, 512);
	usbredirparser_send_cancel_data_packet(g.parser, 5);
	guest_run(&g, 5);
	assert_int_equal(g.status, usb_redir_cancelled);
	guest_close(&g);
}

static void unplugging_closes_the_connection_and_replugging_opens_it(void **state)
{
	struct guest g;

	for (int i = 0; i < 3; i++) {
		bench(control, "plug SIM0001 1");
		guest_open(&g);
		guest_run(&g, 0);
		bulk(&g, 5, 0x81, NULL, 512);
		bench(control, i == 0 ? "list" : "unplug SIM0001");
		if (i == 0) {
			guest_close(&g); /* a virtual machine that ends leaves the port to the next */
			guest_open(&g);
			guest_run(&g, 0);
			bench(control, "unplug SIM0001");
		}
		guest_run(&g, 99);
		assert_true(g.closed);
		guest_close(&g);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(guest_is_told_what_the_descriptors_say, unplug_all),
		cmocka_unit_test_teardown(frame_goes_through_and_comes_back, unplug_all),
		cmocka_unit_test_teardown(cancelled_transfer_comes_back_cancelled, unplug_all),
		cmocka_unit_test_teardown(unplugging_closes_the_connection_and_replugging_opens_it, unplug_all),
	};

	if (argc != 3)
		return 2;
	control = argv[1];
	ports = argv[2];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
