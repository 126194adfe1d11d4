/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_USBDEV_H
#define SIM_USBDEV_H

/*
 * The USB of a plugged-in device, whatever bus it hangs on: descriptors, control requests, and the bulk
 * transfers that wait for the firmware.
 *
 * Of a device with a TPM, interface 0 is a vendor interface without endpoints, there so that nobody takes the
 * bridge's number for granted; interface 1 is the TPM bridge. A device on a tty is CDC-ACM: interface 0 controls,
 * interface 1 carries the bytes. Both have two interfaces and the same bulk endpoints.
 * Every transfer that is submitted is done exactly once: with data, cancelled, or, once the device is gone, with -ENODEV.
 */

#include "unit.h"

#define USB_VENDOR 0x1209
#define USB_PRODUCT 0x7077
#define USB_ACM_PRODUCT 0x7078
#define USB_BRIDGE_INTERFACE 1
#define USB_INTERFACES 2
#define USB_EP_OUT 0x01
#define USB_EP_IN 0x81
#define USB_EP_NOTIFY 0x82 /* of a device on a tty; it has nothing to say */

/* A bulk transfer; the back end embeds it. */
struct xfer {
	struct xfer *next;
	uint8_t *data;
	size_t len, actual;
	int status; /* 0 or a negative errno, as in an URB */
};

struct usbdev {
	struct unit *unit;
	pthread_mutex_t lock;
	bool gone, dtr;
	struct xfer *out, *in; /* waiting, oldest first */
	/* Called with the lock held when a transfer is done; it is the back end's again. */
	void (*done)(struct xfer *x);
};

void usbdev_init(struct usbdev *d, struct unit *u, void (*done)(struct xfer *x));
/* The device must be gone. */
void usbdev_fini(struct usbdev *d);

/* The device is gone: what waits is done with -ENODEV, and so is what comes. Any thread; twice is harmless. */
void usbdev_remove(struct usbdev *d);

/* The following need the lock. */
void usbdev_submit(struct usbdev *d, struct xfer *x, bool in);
/* Ends a waiting transfer with `status`; false when it does not wait (any more). */
bool usbdev_cancel(struct usbdev *d, struct xfer *x, int status);
/* Moves whatever the firmware is ready for. */
void usbdev_pump(struct usbdev *d);

/*
 * A control request with its data stage, on any configured device. Returns the bytes of the data stage or a
 * negative errno (-EPIPE is a STALL, -ENODEV a device that has gone). Takes the lock itself only briefly.
 */
int usbdev_control(struct usbdev *d, const uint8_t setup[8], uint8_t *data, size_t room);

/* Device and configuration descriptor as the bus reads them. */
#define USB_DESCRIPTORS_MAX 128
size_t usb_descriptors(const struct unit *u, uint8_t to[USB_DESCRIPTORS_MAX]);
/* What it says of itself, by index of the string descriptor; NULL: no such. */
const char *usb_string(const struct unit *u, uint8_t index);

#endif
