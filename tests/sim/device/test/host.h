/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_TEST_HOST_H
#define SIM_TEST_HOST_H

/*
 * A plain host of the bridge for tests of the simulated device, on libusb alone.
 * The station's own host half is not used here: the two must agree by the page, not by sharing code.
 */

#include <libusb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host {
	libusb_context *usb;
	libusb_device_handle *handle;
	int fd;
	int interface;
	uint8_t out, in;
	uint16_t tag;
};

/* Opens a device node as a sandboxed child does: its descriptor alone, no discovery. A libusb code. */
int host_open(struct host *h, const char *node);
void host_close(struct host *h);
int host_info(struct host *h, uint8_t info[16]);
int host_cancel(struct host *h);

/* One frame there and one back. Gives the libusb code; *status and the payload when it is 0. */
int host_exchange(struct host *h, uint8_t type, const void *payload, size_t len, uint16_t *status, uint8_t *answer,
	size_t room, size_t *answer_len);
/* Only the first half, or only the second. */
int host_send(struct host *h, uint8_t type, const void *payload, size_t len);
int host_receive(struct host *h, unsigned timeout_ms, uint16_t *status, uint8_t *answer, size_t room,
	size_t *answer_len);

/* One command to the control socket; gives the answer's text behind "ok ", asserts that it is ok. */
const char *bench(const char *socket_path, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
