/* SPDX-License-Identifier: Apache-2.0 */
#include "usbdev.h"

#include <linux/usb/ch9.h>

#define LE16(v) ((v) & 0xff), ((v) >> 8)

static const uint8_t device_descriptor[] = {
	18, USB_DT_DEVICE, LE16(0x0200), 0, 0, 0, 64, LE16(USB_VENDOR), LE16(USB_PRODUCT), LE16(0x0100), 1, 2, 3, 1,
};

#define CONFIG_SIZE (9 + 9 + 9 + 7 + 7)
static const uint8_t config_descriptor[] = {
	9, USB_DT_CONFIG, LE16(CONFIG_SIZE), USB_INTERFACES, 1, 0, 0x80, 50,
	9, USB_DT_INTERFACE, 0, 0, 0, 0xff, 0x00, 0x00, 0,
	9, USB_DT_INTERFACE, USB_BRIDGE_INTERFACE, 0, 2, 0xff, 0x54, 0x01, 4,
	7, USB_DT_ENDPOINT, USB_EP_OUT, USB_ENDPOINT_XFER_BULK, LE16(MODEL_PACKET), 0,
	7, USB_DT_ENDPOINT, USB_EP_IN, USB_ENDPOINT_XFER_BULK, LE16(MODEL_PACKET), 0,
};
_Static_assert(sizeof device_descriptor == 18, "device descriptor");
_Static_assert(sizeof config_descriptor == CONFIG_SIZE, "configuration descriptor");

/* CDC 1.2 and PSTN 1.2: a modem without a modem. */
static const uint8_t acm_device_descriptor[] = {
	18, USB_DT_DEVICE, LE16(0x0200), USB_CLASS_COMM, 0, 0, 64, LE16(USB_VENDOR), LE16(USB_ACM_PRODUCT), LE16(0x0100), 1, 2, 3, 1,
};

#define ACM_CONFIG_SIZE (9 + 9 + 5 + 5 + 4 + 5 + 7 + 9 + 7 + 7)
static const uint8_t acm_config_descriptor[] = {
	9, USB_DT_CONFIG, LE16(ACM_CONFIG_SIZE), USB_INTERFACES, 1, 0, 0x80, 50,
	9, USB_DT_INTERFACE, 0, 0, 1, USB_CLASS_COMM, 0x02, 0x01, 0,
	5, 0x24, 0x00, LE16(0x0110), /* header */
	5, 0x24, 0x01, 0x00, 1,      /* call management */
	4, 0x24, 0x02, 0x02,         /* line coding and control line state */
	5, 0x24, 0x06, 0, 1,         /* union */
	7, USB_DT_ENDPOINT, USB_EP_NOTIFY, USB_ENDPOINT_XFER_INT, LE16(16), 9,
	9, USB_DT_INTERFACE, 1, 0, 2, USB_CLASS_CDC_DATA, 0, 0, 0,
	7, USB_DT_ENDPOINT, USB_EP_OUT, USB_ENDPOINT_XFER_BULK, LE16(MODEL_PACKET), 0,
	7, USB_DT_ENDPOINT, USB_EP_IN, USB_ENDPOINT_XFER_BULK, LE16(MODEL_PACKET), 0,
};
_Static_assert(sizeof acm_config_descriptor == ACM_CONFIG_SIZE, "configuration descriptor");

struct blob {
	const uint8_t *data;
	size_t len;
};

static struct blob device_of(const struct unit *u)
{
	return u->has_tty ? (struct blob){ acm_device_descriptor, sizeof acm_device_descriptor }
		: (struct blob){ device_descriptor, sizeof device_descriptor };
}

static struct blob config_of(const struct unit *u)
{
	return u->has_tty ? (struct blob){ acm_config_descriptor, sizeof acm_config_descriptor }
		: (struct blob){ config_descriptor, sizeof config_descriptor };
}

size_t usb_descriptors(const struct unit *u, uint8_t to[USB_DESCRIPTORS_MAX])
{
	struct blob device = device_of(u), config = config_of(u);
	memcpy(to, device.data, device.len);
	memcpy(to + device.len, config.data, config.len);
	return device.len + config.len;
}

void usbdev_init(struct usbdev *d, struct unit *u, void (*done)(struct xfer *x))
{
	memset(d, 0, sizeof *d);
	d->unit = u;
	d->done = done;
	pthread_mutex_init(&d->lock, NULL);
}

void usbdev_fini(struct usbdev *d)
{
	pthread_mutex_destroy(&d->lock);
}

static void xfer_end(struct usbdev *d, struct xfer **queue, int status)
{
	struct xfer *x = *queue;
	*queue = x->next;
	x->next = NULL;
	x->status = status;
	d->done(x);
}

void usbdev_remove(struct usbdev *d)
{
	pthread_mutex_lock(&d->lock);
	d->gone = true;
	while (d->out)
		xfer_end(d, &d->out, -ENODEV);
	while (d->in)
		xfer_end(d, &d->in, -ENODEV);
	pthread_mutex_unlock(&d->lock);
}

void usbdev_submit(struct usbdev *d, struct xfer *x, bool in)
{
	struct xfer **queue = in ? &d->in : &d->out;
	while (*queue)
		queue = &(*queue)->next;
	x->next = NULL;
	x->actual = 0;
	x->status = 0;
	*queue = x;
	if (d->gone)
		xfer_end(d, queue, -ENODEV);
	else
		usbdev_pump(d);
}

static bool queue_cancel(struct usbdev *d, struct xfer **queue, struct xfer *x, int status)
{
	while (*queue && *queue != x)
		queue = &(*queue)->next;
	if (!*queue)
		return false;
	xfer_end(d, queue, status);
	return true;
}

bool usbdev_cancel(struct usbdev *d, struct xfer *x, int status)
{
	return queue_cancel(d, &d->out, x, status) || queue_cancel(d, &d->in, x, status);
}

/*
 * OUT first: a command that waits already means that the host no longer wants the answer to a cancelled one.
 */
void usbdev_pump(struct usbdev *d)
{
	bool overflow;

	while (d->out) {
		struct xfer *x = d->out;
		x->actual += unit_out(d->unit, x->data + x->actual, x->len - x->actual);
		if (x->actual < x->len)
			break;
		xfer_end(d, &d->out, 0);
	}
	while (d->in && unit_in(d->unit, d->in->data, d->in->len, &d->in->actual, &overflow))
		xfer_end(d, &d->in, overflow ? -EOVERFLOW : 0);
}

const char *usb_string(const struct unit *u, uint8_t index)
{
	switch (index) {
	case 1: return "Simulated";
	case 2: return u->has_tty ? "Serial device" : "TPM device";
	case 3: return unit_usb_serial(u);
	case 4: return u->has_tty ? NULL : "TPM bridge";
	}
	return NULL;
}

/* Gives a string descriptor, UTF-16LE; index 0 lists the languages. */
static int string_descriptor(const struct unit *u, uint8_t index, uint8_t to[256])
{
	if (index == 0) {
		memcpy(to, (const uint8_t[]){ 4, USB_DT_STRING, LE16(0x0409) }, 4);
		return 4;
	}
	const char *text = usb_string(u, index);
	if (!text)
		return -EPIPE;
	size_t len = strlen(text);
	to[0] = (uint8_t)(2 + 2 * len);
	to[1] = USB_DT_STRING;
	for (size_t i = 0; i < len; i++) {
		to[2 + 2 * i] = (uint8_t)text[i];
		to[3 + 2 * i] = 0;
	}
	return to[0];
}

struct setup {
	uint8_t type, request;
	uint16_t value, index, length;
};

static int answer(uint8_t *data, size_t room, const struct setup *s, const uint8_t *from, int len)
{
	if (len < 0)
		return len;
	if (len > s->length)
		len = s->length;
	if ((size_t)len > room)
		len = (int)room;
	memcpy(data, from, (size_t)len);
	return len;
}

static int get_descriptor(struct usbdev *d, const struct setup *s, uint8_t *data, size_t room)
{
	uint8_t text[256];
	struct blob device = device_of(d->unit), config = config_of(d->unit);
	switch (s->value >> 8) {
	case USB_DT_DEVICE:
		return answer(data, room, s, device.data, (int)device.len);
	case USB_DT_CONFIG:
		return answer(data, room, s, config.data, (int)config.len);
	case USB_DT_STRING:
		return answer(data, room, s, text, string_descriptor(d->unit, (uint8_t)s->value, text));
	}
	return -EPIPE;
}

static int standard_request(struct usbdev *d, const struct setup *s, uint8_t *data, size_t room)
{
	switch (s->request) {
	case USB_REQ_GET_DESCRIPTOR:
		return s->type & USB_DIR_IN ? get_descriptor(d, s, data, room) : -EPIPE;
	case USB_REQ_GET_CONFIGURATION:
		return answer(data, room, s, (const uint8_t[]){ 1 }, 1);
	case USB_REQ_GET_INTERFACE:
		return s->index < USB_INTERFACES ? answer(data, room, s, (const uint8_t[]){ 0 }, 1) : -EPIPE;
	case USB_REQ_GET_STATUS:
		return answer(data, room, s, (const uint8_t[]){ 0, 0 }, 2);
	case USB_REQ_SET_CONFIGURATION:
		return s->value <= 1 ? 0 : -EPIPE;
	case USB_REQ_SET_INTERFACE:
		return s->index < USB_INTERFACES && s->value == 0 ? 0 : -EPIPE;
	case USB_REQ_CLEAR_FEATURE:
		return 0;
	}
	return -EPIPE;
}

static int bridge_request(struct usbdev *d, const struct setup *s, uint8_t *data, size_t room)
{
	uint8_t info[INFO_SIZE];

	if (d->unit->has_tty || s->index != USB_BRIDGE_INTERFACE || s->value != 0)
		return -EPIPE;
	if (s->type == 0xc1 && s->request == REQUEST_GET_INFO) {
		return !model_info(&d->unit->model, info) ? -EPIPE : answer(data, room, s, info, sizeof info);
	}
	if (s->type == 0x41 && s->request == REQUEST_CANCEL && s->length == 0) {
		model_cancel(&d->unit->model);
		return 0;
	}
	return -EPIPE;
}

/* PSTN 1.2, section 6.3. The line's speed is the bridge's own matter here; DTR is not. */
static int acm_request(struct usbdev *d, const struct setup *s, uint8_t *data, size_t room)
{
	static const uint8_t coding[7] = { 0x00, 0xc2, 0x01, 0x00, 0, 0, 8 }; /* 115200 8N1 */
	bool dtr = s->value & 1;

	if (!d->unit->has_tty || s->index != 0)
		return -EPIPE;
	switch (s->request) {
	case 0x20: /* SET_LINE_CODING */
		return s->length == sizeof coding ? (int)sizeof coding : -EPIPE;
	case 0x21: /* GET_LINE_CODING */
		return answer(data, room, s, coding, sizeof coding);
	case 0x22: /* SET_CONTROL_LINE_STATE */
		if (dtr && !d->dtr)
			tty_model_opened(&d->unit->tty);
		d->dtr = dtr;
		return 0;
	}
	return -EPIPE;
}

int usbdev_control(struct usbdev *d, const uint8_t setup[8], uint8_t *data, size_t room)
{
	struct setup s = {
		.type = setup[0], .request = setup[1],
		.value = (uint16_t)(setup[2] | setup[3] << 8),
		.index = (uint16_t)(setup[4] | setup[5] << 8),
		.length = (uint16_t)(setup[6] | setup[7] << 8),
	};
	int result = -EPIPE;

	pthread_mutex_lock(&d->lock);
	if (d->gone)
		result = -ENODEV;
	else if ((s.type & USB_TYPE_MASK) == USB_TYPE_STANDARD)
		result = standard_request(d, &s, data, room);
	else if ((s.type & (USB_TYPE_MASK | USB_RECIP_MASK)) == (USB_TYPE_VENDOR | USB_RECIP_INTERFACE))
		result = bridge_request(d, &s, data, room);
	else if ((s.type & (USB_TYPE_MASK | USB_RECIP_MASK)) == (USB_TYPE_CLASS | USB_RECIP_INTERFACE))
		result = acm_request(d, &s, data, room);
	if (!d->gone)
		usbdev_pump(d);
	pthread_mutex_unlock(&d->lock);
	return result;
}
