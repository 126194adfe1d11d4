/* SPDX-License-Identifier: Apache-2.0 */
#include "usbfs_caller.h"

#include <linux/ioctl.h>
#include <linux/usb/ch9.h>
#include <linux/usbdevice_fs.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The preload's wire: three longs; memory follows a read or precedes nothing after a write. */
enum preload_message {
	PRELOAD_IOCTL = 1,
	PRELOAD_DONE = 3,
	PRELOAD_READ_MEMORY = 5,
	PRELOAD_WRITE_MEMORY = 6,
	PRELOAD_READ = 7,
	PRELOAD_WRITE = 8,
};

/* "not emulated: do it to the file", which holds the descriptors. */
#define PRELOAD_UNHANDLED (-100L)

/* The longest transfer of one URB; what libusb sends in one piece is far below. */
#define URB_MAX (256 * 1024)

/*
 * A node is a regular file and so always ready to poll: libusb asks again and again for a transfer that waits.
 * Holding the answer for a moment keeps that from eating a processor.
 */
#define REAP_HOLD_MS 2

struct wire {
	unsigned long what, first, second;
};

static bool wire_send(int fd, const void *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = send(fd, (const uint8_t *)data + at, len - at, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

static bool wire_receive(int fd, void *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = recv(fd, (uint8_t *)data + at, len - at, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

static bool memory_read(const struct usbfs_caller *c, uint64_t address, void *data, size_t len)
{
	struct wire m = { PRELOAD_READ_MEMORY, address, len };
	return len == 0 || (wire_send(c->fd, &m, sizeof m) && wire_receive(c->fd, data, len));
}

static bool memory_write(const struct usbfs_caller *c, uint64_t address, const void *data, size_t len)
{
	struct wire m = { PRELOAD_WRITE_MEMORY, address, len };
	return len == 0 || (wire_send(c->fd, &m, sizeof m) && wire_send(c->fd, data, len));
}

struct usbfs_caller *caller_new(struct usbfs_node *n, int fd)
{
	pthread_condattr_t monotonic;
	struct usbfs_caller *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->node = n;
	c->fd = fd;
	c->done_end = &c->done;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&c->reaped, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return c;
}

static void urb_free(struct urb *u)
{
	if (u)
		free(u->xfer.data);
	free(u);
}

void caller_free(struct usbfs_caller *c)
{
	struct usbdev *d = &c->node->dev;

	pthread_mutex_lock(&d->lock);
	while (c->waiting)
		if (!usbdev_cancel(d, &c->waiting->xfer, -ENOENT))
			abort(); /* what waits here waits there */
	for (size_t i = 0; i < USB_INTERFACES; i++)
		if (c->node->claimed_by[i] == c)
			c->node->claimed_by[i] = NULL;
	pthread_mutex_unlock(&d->lock);
	while (c->done) {
		struct urb *u = c->done;
		c->done = u->next;
		urb_free(u);
	}
	pthread_cond_destroy(&c->reaped);
	close(c->fd);
	free(c);
}

/* Appends to what can be reaped; needs the lock, as the next one does. */
static void done_add(struct usbfs_caller *c, struct urb *u)
{
	u->next = NULL;
	*c->done_end = u;
	c->done_end = &u->next;
	pthread_cond_signal(&c->reaped);
}

void caller_done(struct xfer *x)
{
	struct urb *u = (struct urb *)x;
	struct urb **at = &u->caller->waiting;

	while (*at != u)
		at = &(*at)->next;
	*at = u->next;
	done_add(u->caller, u);
}

static bool caller_lives(const struct usbfs_caller *c)
{
	char byte;
	return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
}

/* Takes the interface if it is free; *dying when its owner has died and is about to give it back. */
static bool claim_try(struct usbfs_caller *c, unsigned number, bool *dying)
{
	struct usbfs_node *n = c->node;

	pthread_mutex_lock(&n->dev.lock);
	struct usbfs_caller *owner = n->claimed_by[number];
	bool mine = !owner || owner == c;
	*dying = !mine && !caller_lives(owner);
	if (mine)
		n->claimed_by[number] = c;
	pthread_mutex_unlock(&n->dev.lock);
	return mine;
}

/*
 * When a process has ended, the kernel has taken its claims back before anybody can wait for it. Here its thread
 * has yet to notice: who comes in between waits for that.
 */
static int interface_claim(struct usbfs_caller *c, unsigned number)
{
	bool dying = true;

	if (number >= USB_INTERFACES)
		return -ENOENT;
	if (c->dropped && !(c->allowed & 1u << number))
		return -EACCES;
	for (int i = 0; i < 2000 && dying; i++) {
		if (claim_try(c, number, &dying))
			return 0;
		if (dying)
			usleep(500);
	}
	return -EBUSY;
}

static int interface_release(struct usbfs_caller *c, unsigned number)
{
	struct usbfs_node *n = c->node;
	int result = -EINVAL;

	if (number >= USB_INTERFACES)
		return -ENOENT;
	pthread_mutex_lock(&n->dev.lock);
	if (n->claimed_by[number] == c) {
		n->claimed_by[number] = NULL;
		result = 0;
	}
	pthread_mutex_unlock(&n->dev.lock);
	return result;
}

static bool claims_bridge(struct usbfs_caller *c)
{
	pthread_mutex_lock(&c->node->dev.lock);
	bool claimed = c->node->claimed_by[USB_BRIDGE_INTERFACE] == c;
	pthread_mutex_unlock(&c->node->dev.lock);
	return claimed;
}

/* The ioctl's answer; `dead` ends the connection: the caller's memory could not be had. */
struct result {
	long value;
	bool dead;
};

static struct result result_of(long value)
{
	return (struct result){ .value = value };
}

static const struct result caller_is_dead = { .dead = true };

/* A control URB: done at once, before anything of it can be cancelled. */
static struct result submit_control(struct usbfs_caller *c, struct urb *u)
{
	struct xfer *x = &u->xfer;

	if (x->len < 8) {
		urb_free(u);
		return result_of(-EINVAL);
	}
	int n = usbdev_control(&c->node->dev, x->data, x->data + 8, x->len - 8);
	x->status = n < 0 ? n : 0;
	x->actual = n < 0 ? 0 : (size_t)n;
	u->in = x->data[0] & USB_DIR_IN;
	u->header = 8;
	pthread_mutex_lock(&c->node->dev.lock);
	done_add(c, u);
	pthread_mutex_unlock(&c->node->dev.lock);
	return result_of(0);
}

static struct result submit_bulk(struct usbfs_caller *c, struct urb *u)
{
	struct usbdev *d = &c->node->dev;

	pthread_mutex_lock(&d->lock);
	u->next = c->waiting;
	c->waiting = u;
	usbdev_submit(d, &u->xfer, u->in);
	pthread_mutex_unlock(&d->lock);
	return result_of(0);
}

static struct result ioctl_submit(struct usbfs_caller *c, uint64_t address)
{
	struct usbdevfs_urb k;

	if (!memory_read(c, address, &k, sizeof k))
		return caller_is_dead;
	bool control = k.type == USBDEVFS_URB_TYPE_CONTROL;
	if (!control && k.type != USBDEVFS_URB_TYPE_BULK)
		return result_of(-EINVAL);
	if (!control && k.endpoint != USB_EP_IN && k.endpoint != USB_EP_OUT)
		return result_of(-ENOENT);
	if (k.buffer_length < 0 || k.buffer_length > URB_MAX)
		return result_of(-EINVAL);
	if (!control && !claims_bridge(c))
		return result_of(-EINVAL); /* the kernel would only warn; a host that forgot must notice here */

	struct urb *u = calloc(1, sizeof *u);
	if (u)
		u->xfer.data = calloc(1, (size_t)k.buffer_length + 1);
	if (!u || !u->xfer.data) {
		urb_free(u);
		return result_of(-ENOMEM);
	}
	u->caller = c;
	u->address = address;
	u->buffer = (uint64_t)(uintptr_t)k.buffer;
	u->in = !control && k.endpoint == USB_EP_IN;
	u->xfer.len = (size_t)k.buffer_length;
	if (!u->in && !memory_read(c, u->buffer, u->xfer.data, u->xfer.len)) {
		urb_free(u);
		return caller_is_dead;
	}
	return control ? submit_control(c, u) : submit_bulk(c, u);
}

/* Takes one that is done, waiting up to `hold_ms` (-1: for ever) for one that is under way. */
static struct urb *done_take(struct usbfs_caller *c, int hold_ms, bool *gone)
{
	struct usbdev *d = &c->node->dev;
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (hold_ms < 0 ? 100 : hold_ms) * 1000000L;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&d->lock);
	while (!c->done && c->waiting)
		if (pthread_cond_timedwait(&c->reaped, &d->lock, &until) == ETIMEDOUT)
			break;
	struct urb *u = c->done;
	if (u) {
		c->done = u->next;
		if (!c->done)
			c->done_end = &c->done;
	}
	*gone = d->gone;
	pthread_mutex_unlock(&d->lock);
	return u;
}

static struct result ioctl_reap(struct usbfs_caller *c, uint64_t arg, bool wait)
{
	bool gone;
	struct urb *u;

	while (!(u = done_take(c, wait ? -1 : REAP_HOLD_MS, &gone)) && wait && !gone)
		if (!caller_lives(c))
			return caller_is_dead;
	if (!u)
		return result_of(gone ? -ENODEV : -EAGAIN);

	int status = u->xfer.status, actual = (int)u->xfer.actual;
	bool ok = !u->in
		|| memory_write(c, u->buffer + u->header, u->xfer.data + u->header, u->xfer.actual);
	ok = ok && memory_write(c, u->address + offsetof(struct usbdevfs_urb, status), &status, sizeof status)
		&& memory_write(c, u->address + offsetof(struct usbdevfs_urb, actual_length), &actual, sizeof actual)
		&& memory_write(c, arg, &u->address, sizeof u->address);
	urb_free(u);
	return ok ? result_of(0) : caller_is_dead;
}

static struct result ioctl_discard(struct usbfs_caller *c, uint64_t address)
{
	struct usbdev *d = &c->node->dev;
	bool found = false;

	pthread_mutex_lock(&d->lock);
	for (struct urb *u = c->waiting; u && !found; u = found ? u : u->next)
		found = u->address == address && usbdev_cancel(d, &u->xfer, -ENOENT);
	pthread_mutex_unlock(&d->lock);
	return result_of(found ? 0 : -EINVAL);
}

static struct result ioctl_control(struct usbfs_caller *c, uint64_t arg)
{
	struct usbdevfs_ctrltransfer k;
	uint8_t setup[8], data[4096];

	if (!memory_read(c, arg, &k, sizeof k))
		return caller_is_dead;
	if (k.wLength > sizeof data)
		return result_of(-EINVAL);
	uint64_t buffer = (uint64_t)(uintptr_t)k.data;
	bool in = k.bRequestType & USB_DIR_IN;
	if (!in && !memory_read(c, buffer, data, k.wLength))
		return caller_is_dead;
	memcpy(setup, (const uint8_t[]){ k.bRequestType, k.bRequest, (uint8_t)k.wValue, (uint8_t)(k.wValue >> 8),
		(uint8_t)k.wIndex, (uint8_t)(k.wIndex >> 8), (uint8_t)k.wLength, (uint8_t)(k.wLength >> 8) }, 8);
	int n = usbdev_control(&c->node->dev, setup, data, k.wLength);
	if (in && n > 0 && !memory_write(c, buffer, data, (size_t)n))
		return caller_is_dead;
	return result_of(n);
}

/* Reads a 32-bit argument. */
static bool argument_u32(struct usbfs_caller *c, uint64_t arg, uint32_t *ret)
{
	return memory_read(c, arg, ret, sizeof *ret);
}

static struct result ioctl_claim(struct usbfs_caller *c, uint64_t arg)
{
	uint32_t number;
	return argument_u32(c, arg, &number) ? result_of(interface_claim(c, number)) : caller_is_dead;
}

static struct result ioctl_release(struct usbfs_caller *c, uint64_t arg)
{
	uint32_t number;
	return argument_u32(c, arg, &number) ? result_of(interface_release(c, number)) : caller_is_dead;
}

/* As the claim: no kernel driver is ever bound here, so there is none to disconnect. */
static struct result ioctl_disconnect_claim(struct usbfs_caller *c, uint64_t arg)
{
	_Static_assert(offsetof(struct usbdevfs_disconnect_claim, interface) == 0, "the number comes first");
	return ioctl_claim(c, arg);
}

static struct result ioctl_drop_privileges(struct usbfs_caller *c, uint64_t arg)
{
	uint32_t mask;

	if (!argument_u32(c, arg, &mask))
		return caller_is_dead;
	c->allowed = c->dropped ? c->allowed & mask : mask;
	c->dropped = true;
	return result_of(0);
}

static struct result ioctl_set_configuration(struct usbfs_caller *c, uint64_t arg)
{
	struct usbfs_node *n = c->node;
	uint32_t number;
	bool busy = false;

	if (!argument_u32(c, arg, &number))
		return caller_is_dead;
	if (c->dropped)
		return result_of(-EACCES);
	pthread_mutex_lock(&n->dev.lock);
	for (size_t i = 0; i < USB_INTERFACES; i++)
		busy = busy || n->claimed_by[i];
	pthread_mutex_unlock(&n->dev.lock);
	return result_of(busy ? -EBUSY : number <= 1 ? 0 : -EINVAL);
}

static struct result ioctl_set_interface(struct usbfs_caller *c, uint64_t arg)
{
	struct usbdevfs_setinterface k;

	if (!memory_read(c, arg, &k, sizeof k))
		return caller_is_dead;
	return result_of(k.interface < USB_INTERFACES && k.altsetting == 0 ? 0 : -EINVAL);
}

static struct result ioctl_reset(struct usbfs_caller *c, uint64_t arg)
{
	if (c->dropped)
		return result_of(-EACCES);
	unit_released(c->node->dev.unit);
	return result_of(0);
}

static struct result ioctl_capabilities(struct usbfs_caller *c, uint64_t arg)
{
	uint32_t capabilities = USBDEVFS_CAP_ZERO_PACKET | USBDEVFS_CAP_NO_PACKET_SIZE_LIM
		| USBDEVFS_CAP_REAP_AFTER_DISCONNECT | USBDEVFS_CAP_DROP_PRIVILEGES;
	return memory_write(c, arg, &capabilities, sizeof capabilities) ? result_of(0) : caller_is_dead;
}

static struct result ioctl_connect_info(struct usbfs_caller *c, uint64_t arg)
{
	struct usbdevfs_connectinfo k = { .devnum = c->node->devnum, .slow = 0 };
	return memory_write(c, arg, &k, sizeof k) ? result_of(0) : caller_is_dead;
}

static struct result ioctl_get_speed(struct usbfs_caller *c, uint64_t arg)
{
	return result_of(USB_SPEED_HIGH);
}

static struct result ioctl_get_driver(struct usbfs_caller *c, uint64_t arg)
{
	return result_of(-ENODATA);
}

static struct result ioctl_clear_halt(struct usbfs_caller *c, uint64_t arg)
{
	uint32_t endpoint;

	if (!argument_u32(c, arg, &endpoint))
		return caller_is_dead;
	return result_of(endpoint == USB_EP_IN || endpoint == USB_EP_OUT ? 0 : -ENOENT);
}

static struct result ioctl_reap_wait(struct usbfs_caller *c, uint64_t arg)
{
	return ioctl_reap(c, arg, true);
}

static struct result ioctl_reap_now(struct usbfs_caller *c, uint64_t arg)
{
	return ioctl_reap(c, arg, false);
}

/* What usbfs does; `after_removal` also when the device has gone. */
static const struct {
	unsigned long request;
	bool after_removal;
	struct result (*answer)(struct usbfs_caller *c, uint64_t arg);
} ioctl_table[] = {
	{ USBDEVFS_SUBMITURB, false, ioctl_submit },
	{ USBDEVFS_REAPURB, true, ioctl_reap_wait },
	{ USBDEVFS_REAPURBNDELAY, true, ioctl_reap_now },
	{ USBDEVFS_DISCARDURB, true, ioctl_discard },
	{ USBDEVFS_CONTROL, false, ioctl_control },
	{ USBDEVFS_CLAIMINTERFACE, false, ioctl_claim },
	{ USBDEVFS_RELEASEINTERFACE, false, ioctl_release },
	{ USBDEVFS_DISCONNECT_CLAIM, false, ioctl_disconnect_claim },
	{ USBDEVFS_GETDRIVER, false, ioctl_get_driver },
	{ USBDEVFS_SETCONFIGURATION, false, ioctl_set_configuration },
	{ USBDEVFS_SETINTERFACE, false, ioctl_set_interface },
	{ USBDEVFS_CLEAR_HALT, false, ioctl_clear_halt },
	{ USBDEVFS_RESETEP, false, ioctl_clear_halt },
	{ USBDEVFS_RESET, false, ioctl_reset },
	{ USBDEVFS_GET_CAPABILITIES, false, ioctl_capabilities },
	{ USBDEVFS_CONNECTINFO, false, ioctl_connect_info },
	{ USBDEVFS_GET_SPEED, false, ioctl_get_speed },
	{ USBDEVFS_DROP_PRIVILEGES, false, ioctl_drop_privileges },
};

static bool device_is_gone(struct usbdev *d)
{
	pthread_mutex_lock(&d->lock);
	bool gone = d->gone;
	pthread_mutex_unlock(&d->lock);
	return gone;
}

static struct result ioctl_answer(struct usbfs_caller *c, unsigned long request, uint64_t arg)
{
	for (size_t i = 0; i < sizeof ioctl_table / sizeof *ioctl_table; i++) {
		/* The preload hands on the request as an unsigned int. */
		if ((uint32_t)ioctl_table[i].request != (uint32_t)request)
			continue;
		if (!ioctl_table[i].after_removal && device_is_gone(&c->node->dev))
			return result_of(-ENODEV);
		return ioctl_table[i].answer(c, arg);
	}
	return result_of(device_is_gone(&c->node->dev) ? -ENODEV : -ENOTTY);
}

void caller_serve(struct usbfs_caller *c)
{
	struct wire m;

	while (wire_receive(c->fd, &m, sizeof m)) {
		if (m.what == PRELOAD_IOCTL) {
			struct result r = ioctl_answer(c, m.first, m.second);
			if (r.dead)
				break;
			/* A negative errno becomes what ioctl() returns and sets. */
			m = (struct wire){ PRELOAD_DONE, (unsigned long)(r.value < 0 ? -1L : r.value),
				r.value < 0 ? (unsigned long)-r.value : 0 };
		} else if (m.what == PRELOAD_READ || m.what == PRELOAD_WRITE) {
			m = (struct wire){ PRELOAD_DONE, (unsigned long)PRELOAD_UNHANDLED, 0 };
		} else {
			break;
		}
		if (!wire_send(c->fd, &m, sizeof m))
			break;
	}
	caller_free(c);
}
