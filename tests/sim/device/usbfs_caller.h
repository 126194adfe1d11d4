/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_USBFS_CALLER_H
#define SIM_USBFS_CALLER_H

/* One open descriptor of a device node: its claims, its transfers, and the thread that answers its ioctls. */

#include "usbfs.h"

struct urb {
	struct xfer xfer; /* first: a transfer that is done is its URB */
	struct usbfs_caller *caller;
	struct urb *next; /* of those waiting, then of those done */
	uint64_t address; /* the URB in the caller's memory, and its buffer there */
	uint64_t buffer;
	size_t header; /* the setup packet before the data, of a control transfer */
	bool in;
};

struct usbfs_node {
	struct usbdev dev;
	unsigned devnum;
	unsigned refs; /* guarded by dev.lock, as are the claims */
	struct usbfs_caller *claimed_by[USB_INTERFACES];
	int listen_fd;
	pthread_t acceptor;
	char path[108];
};

struct usbfs_caller {
	struct usbfs_node *node;
	int fd;
	bool dropped;          /* USBDEVFS_DROP_PRIVILEGES: only `allowed` may be claimed, no reset, ... */
	uint32_t allowed;
	struct urb *waiting;   /* guarded by the device's lock */
	struct urb *done, **done_end;
	pthread_cond_t reaped; /* something came to `done` */
};

/* Takes the connection. */
struct usbfs_caller *caller_new(struct usbfs_node *n, int fd);
/* Ends its transfers and claims, closes the connection. */
void caller_free(struct usbfs_caller *c);
/* Answers until the caller closes or dies; frees it. */
void caller_serve(struct usbfs_caller *c);
/* The device's `done`: hands the transfer to the caller to reap. */
void caller_done(struct xfer *x);

#endif
