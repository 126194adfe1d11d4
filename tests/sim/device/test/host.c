/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TIMEOUT_MS 5000
#define TRANSFER_MAX (16 * 1024)

static int bridge_find(struct host *h)
{
	struct libusb_config_descriptor *config;
	int rc = libusb_get_active_config_descriptor(libusb_get_device(h->handle), &config);

	if (rc != 0)
		return rc;
	rc = LIBUSB_ERROR_NOT_FOUND;
	for (int i = 0; i < config->bNumInterfaces; i++) {
		const struct libusb_interface_descriptor *d = config->interface[i].altsetting;
		if (d->bInterfaceClass != 0xff || d->bInterfaceSubClass != 0x54 || d->bInterfaceProtocol != 1)
			continue;
		h->interface = d->bInterfaceNumber;
		for (int e = 0; e < d->bNumEndpoints; e++)
			*(d->endpoint[e].bEndpointAddress & 0x80 ? &h->in : &h->out) = d->endpoint[e].bEndpointAddress;
		rc = 0;
	}
	libusb_free_config_descriptor(config);
	return rc;
}

int host_open(struct host *h, const char *node)
{
	memset(h, 0, sizeof *h);
	h->fd = open(node, O_RDWR | O_CLOEXEC);
	if (h->fd < 0)
		return LIBUSB_ERROR_NO_DEVICE;
	libusb_set_option(NULL, LIBUSB_OPTION_NO_DEVICE_DISCOVERY);
	int rc = libusb_init(&h->usb);
	if (rc == 0)
		rc = libusb_wrap_sys_device(h->usb, h->fd, &h->handle);
	if (rc == 0)
		rc = bridge_find(h);
	if (rc == 0)
		rc = libusb_claim_interface(h->handle, h->interface);
	if (rc != 0)
		host_close(h);
	return rc;
}

void host_close(struct host *h)
{
	if (h->handle)
		libusb_close(h->handle);
	if (h->usb)
		libusb_exit(h->usb);
	if (h->fd > 0)
		close(h->fd);
	memset(h, 0, sizeof *h);
}

int host_info(struct host *h, uint8_t info[16])
{
	int n = libusb_control_transfer(h->handle, 0xc1, 0x01, 0, (uint16_t)h->interface, info, 16, TIMEOUT_MS);
	return n == 16 ? 0 : n < 0 ? n : LIBUSB_ERROR_IO;
}

int host_cancel(struct host *h)
{
	return libusb_control_transfer(h->handle, 0x41, 0x02, 0, (uint16_t)h->interface, NULL, 0, TIMEOUT_MS);
}

static void header_put(uint8_t *p, uint8_t type, uint16_t tag, size_t len)
{
	const uint8_t header[12] = { 0x54, 0x42, 1, type, (uint8_t)(tag >> 8), (uint8_t)tag, 0, 0,
		(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len };
	memcpy(p, header, sizeof header);
}

int host_send(struct host *h, uint8_t type, const void *payload, size_t len)
{
	uint8_t frame[TRANSFER_MAX];
	int sent = 0;

	header_put(frame, type, ++h->tag, len);
	if (len)
		memcpy(frame + 12, payload, len);
	int rc = libusb_bulk_transfer(h->handle, h->out, frame, (int)(12 + len), &sent, TIMEOUT_MS);
	return rc == 0 && sent != (int)(12 + len) ? LIBUSB_ERROR_IO : rc;
}

int host_receive(struct host *h, unsigned timeout_ms, uint16_t *status, uint8_t *answer, size_t room,
	size_t *answer_len)
{
	uint8_t frame[TRANSFER_MAX];
	size_t have = 0, want = 12;

	while (have < want) {
		int n = 0;
		int rc = libusb_bulk_transfer(h->handle, h->in, frame + have, (int)((sizeof frame - have) / 512 * 512), &n,
			timeout_ms);
		if (rc != 0)
			return rc;
		have += (size_t)n;
		if (have >= 12)
			want = 12 + ((size_t)frame[8] << 24 | (size_t)frame[9] << 16 | (size_t)frame[10] << 8 | frame[11]);
	}
	if (have != want || memcmp(frame, "TB\1", 3) != 0 || want - 12 > room)
		return LIBUSB_ERROR_OTHER;
	if ((frame[4] << 8 | frame[5]) != h->tag)
		return LIBUSB_ERROR_OTHER;
	*status = (uint16_t)(frame[6] << 8 | frame[7]);
	*answer_len = want - 12;
	if (*answer_len)
		memcpy(answer, frame + 12, *answer_len);
	return 0;
}

int host_exchange(struct host *h, uint8_t type, const void *payload, size_t len, uint16_t *status, uint8_t *answer,
	size_t room, size_t *answer_len)
{
	int rc = host_send(h, type, payload, len);
	return rc ? rc : host_receive(h, TIMEOUT_MS, status, answer, room, answer_len);
}

static void die(const char *what)
{
	perror(what);
	abort();
}

const char *bench(const char *socket_path, const char *format, ...)
{
	static char answer[16400];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = 0;
	ssize_t n;
	va_list args;

	snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
		die(socket_path);
	va_start(args, format);
	if (vdprintf(fd, format, args) < 0 || write(fd, "\n", 1) != 1)
		die(socket_path);
	va_end(args);
	memset(answer, 0, sizeof answer);
	while (!memchr(answer, '\n', len) && (n = read(fd, answer + len, sizeof answer - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	if (strncmp(answer, "ok", 2) != 0) {
		fprintf(stderr, "bench: %s", answer);
		abort();
	}
	answer[strcspn(answer, "\n")] = 0;
	return answer[2] ? answer + 3 : answer + 2;
}
