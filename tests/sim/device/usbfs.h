/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_USBFS_H
#define SIM_USBFS_H

/*
 * The kernel's usbfs for one plugged-in device, as a process under umockdev's preload sees it.
 *
 * The preload turns each open of a device node into a connection to a Unix socket, and each ioctl into a
 * request on it that may read and write the caller's memory before it is done. umockdev's own server does that on one
 * thread for all devices and does not notice a caller that was killed in the middle of an ioctl; so the server here
 * is ours, with a thread for each open node: one device's wait is never another's, and when a caller dies its
 * transfers and claims end with it, as the kernel would have it. umockdev keeps sysfs, the nodes and the uevents.
 *
 * A pulled plug is seen at once by whoever has the node open: every transfer ends with ENODEV, and so does every
 * request but the reaping of what is done.
 */

#include "usbdev.h"

struct usbfs_node;

/* Serves the device at `socket_path`. The node's `usbdev` is given for the firmware's sake. */
MUST_CHECK bool usbfs_open(struct usbfs_node **ret, struct unit *u, const char *socket_path, unsigned devnum,
	struct why *w);
/*
 * The plug is pulled: everybody gets ENODEV. Connections are still accepted, because the preload ends a process whose
 * open of the node comes in this moment and finds nobody there.
 */
void usbfs_remove(struct usbfs_node *n);
/* Ends the accepting and gives the node up, after usbfs_remove; it lives on until the last caller has closed it. */
void usbfs_release(struct usbfs_node *n);
struct usbdev *usbfs_dev(struct usbfs_node *n);

#endif
