/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/bridge.h"
#include "station/base/clock.h"
#include "station/base/text.h"

#include <string.h>

#define GET_INFO 0x01
#define CANCEL 0x02
#define INFO_SIZE 16
#define HEADER 12
#define VERSION 1
#define PAYLOAD_LEAST 4096u
#define PAYLOAD_MOST 65536u
#define BUNDLE_LEAST 8192u
#define FLAG_CLOSED 0x01
#define FLAG_BUNDLE 0x02
#define BUSY_PAUSE_MS 20

static bool wire_control_in(void *ctx, uint8_t request, void *data, size_t room, size_t *ret_len, int64_t deadline_ms,
			    struct err *e)
{
	return usb_control_in(ctx, request, data, room, ret_len, deadline_ms, e);
}

static bool wire_control_out(void *ctx, uint8_t request, int64_t deadline_ms, struct err *e)
{
	return usb_control_out(ctx, request, deadline_ms, e);
}

static bool wire_bulk_out(void *ctx, const void *data, size_t len, int64_t deadline_ms, struct err *e)
{
	return usb_bulk_out(ctx, data, len, deadline_ms, e);
}

static bool wire_bulk_in(void *ctx, void *data, size_t room, size_t *ret_len, int64_t deadline_ms, struct err *e)
{
	return usb_bulk_in(ctx, data, room, ret_len, deadline_ms, e);
}

struct bridge_wire bridge_wire_usb(struct usb_link *link)
{
	return (struct bridge_wire){link, usb_packet_size(link), wire_control_in, wire_control_out, wire_bulk_out, wire_bulk_in};
}

static bool info_read(struct bridge *b, struct bridge_info *ret, int64_t deadline_ms, struct err *e)
{
	uint8_t info[INFO_SIZE];
	size_t len = 0;
	if (!b->wire.control_in(b->wire.ctx, GET_INFO, info, sizeof(info), &len, deadline_ms, e))
		return err_in(e, "GET_INFO");
	if (len < 5 || len > sizeof(info) || memcmp(info, "TPMB", 4) != 0)
		return err_set(e, E_BRIDGE, "GET_INFO of %zu bytes is not a TPM bridge's", len);
	if (info[4] != VERSION)
		return err_set(e, E_BRIDGE_VERSION, "version %u", info[4]);
	if (len != sizeof(info))
		return err_set(e, E_BRIDGE, "GET_INFO of %zu bytes", len);
	ret->closed = info[5] & FLAG_CLOSED;
	ret->bundle_present = info[5] & FLAG_BUNDLE;
	ret->payload_max = get_u32(info + 8);
	ret->bundle_max = get_u32(info + 12);
	if (ret->payload_max < PAYLOAD_LEAST || ret->payload_max > PAYLOAD_MOST || ret->bundle_max < BUNDLE_LEAST)
		return err_set(e, E_BRIDGE, "greatest payload %u, greatest bundle %u", ret->payload_max, ret->bundle_max);
	return true;
}

bool bridge_refresh(struct bridge *b, int64_t deadline_ms, struct err *e)
{
	struct bridge_info now;
	if (!info_read(b, &now, deadline_ms, e))
		return false;
	/* The frames' memory was measured by the first answer. */
	if (now.payload_max != b->info.payload_max || now.bundle_max != b->info.bundle_max)
		return err_set(e, E_BRIDGE, "GET_INFO changed its lengths");
	b->info = now;
	return true;
}

bool bridge_open(struct bridge *b, const struct bridge_wire *wire, int64_t deadline_ms, struct err *e)
{
	memset(b, 0, sizeof(*b));
	b->wire = *wire;
	if (!b->wire.packet || b->wire.packet > PAYLOAD_LEAST)
		return err_set(e, E_BRIDGE, "packets of %zu bytes", b->wire.packet);
	if (!info_read(b, &b->info, deadline_ms, e))
		return false;
	/* A transfer is asked for in whole packets, and short ones may leave the frame at any place in the buffer. */
	b->in_room = HEADER + b->info.payload_max + 2 * b->wire.packet;
	b->out = malloc(HEADER + b->info.payload_max);
	b->in = malloc(b->in_room);
	if (!b->out || !b->in) {
		bridge_close(b);
		return err_set(e, E_NOMEM, "frames of %u bytes", b->info.payload_max);
	}
	b->waiting = true;	/* an earlier host's, for all we know */
	if (bridge_cancel(b, deadline_ms, e))
		return true;
	bridge_close(b);
	return false;
}

void bridge_close(struct bridge *b)
{
	free(b->out);
	free(b->in);
	memset(b, 0, sizeof(*b));
}

bool bridge_cancel(struct bridge *b, int64_t deadline_ms, struct err *e)
{
	if (b->waiting && !b->wire.control_out(b->wire.ctx, CANCEL, deadline_ms, e))
		return err_in(e, "CANCEL");
	b->waiting = false;
	b->again_ms = 0;
	b->in_len = 0;
	return true;
}

static bool frame_send(struct bridge *b, int64_t deadline_ms, struct err *e)
{
	put_u16(b->out + 4, ++b->tag);
	b->in_len = 0;
	b->again_ms = 0;
	b->waiting = true;
	return b->wire.bulk_out(b->wire.ctx, b->out, b->out_len, deadline_ms, e);
}

bool bridge_send(struct bridge *b, enum bridge_type type, const struct span *parts, size_t count, int64_t deadline_ms,
		 struct err *e)
{
	if (!bridge_cancel(b, deadline_ms, e))
		return false;
	b->out_len = HEADER;
	for (size_t i = 0; i < count; i++) {
		if (parts[i].len > HEADER + b->info.payload_max - b->out_len)
			return err_set(e, E_BRIDGE, "a command longer than the device's %u bytes", b->info.payload_max);
		if (parts[i].len)
			memcpy(b->out + b->out_len, parts[i].data, parts[i].len);
		b->out_len += parts[i].len;
	}
	memcpy(b->out, "TB", 2);
	b->out[2] = VERSION;
	b->out[3] = (uint8_t)type;
	put_u16(b->out + 6, 0);
	put_u32(b->out + 8, (uint32_t)(b->out_len - HEADER));
	b->resent = false;
	return frame_send(b, deadline_ms, e);
}

/* Checks a header against the command that it answers. */
static bool header_is_expected(const struct bridge *b, struct err *e)
{
	const uint8_t *h = b->in;
	if (memcmp(h, "TB", 2) != 0 || h[2] != VERSION)
		return err_set(e, E_BRIDGE, "a header of %02x%02x, version %u", h[0], h[1], h[2]);
	if (h[3] != b->out[3] || get_u16(h + 4) != b->tag)
		return err_set(e, E_BRIDGE, "an answer to command %02x tag %u, not %02x tag %u", h[3], get_u16(h + 4), b->out[3], b->tag);
	if (get_u32(h + 8) > b->info.payload_max)
		return err_set(e, E_BRIDGE, "a response of %u bytes", get_u32(h + 8));
	if (get_u16(h + 6) != BRIDGE_OK && get_u32(h + 8) != 0)
		return err_set(e, E_BRIDGE, "status %u with a payload", get_u16(h + 6));
	return true;
}

/* Short and zero-length packets carry no meaning: the length field tells where the frame ends. */
static bool frame_receive(struct bridge *b, int64_t deadline_ms, struct err *e)
{
	for (;;) {
		size_t n = 0, want = b->in_len < HEADER ? HEADER : HEADER + get_u32(b->in + 8);
		if (b->in_len >= HEADER && b->in_len == want)
			return true;
		if (b->in_len > want)
			return err_set(e, E_BRIDGE, "%zu bytes behind the response", b->in_len - want);
		size_t room = (b->in_room - b->in_len) / b->wire.packet * b->wire.packet;
		if (!b->wire.bulk_in(b->wire.ctx, b->in + b->in_len, room, &n, deadline_ms, e))
			return false;
		bool first = b->in_len < HEADER;
		b->in_len += n;
		if (first && b->in_len >= HEADER && !header_is_expected(b, e))
			return false;
	}
}

static bool pause_busy(const struct bridge *b, int64_t deadline_ms, struct err *e)
{
	int pause_ms = clock_left_ms(b->again_ms);
	if (clock_left_ms(deadline_ms) <= pause_ms)
		return err_set(e, E_CHILD_SILENT, "no time left to ask again");
	clock_sleep_ms(pause_ms);
	return true;
}

/* Sends the same command again. */
static bool again(struct bridge *b, int64_t deadline_ms, struct err *e)
{
	if (b->again_ms)
		return pause_busy(b, deadline_ms, e) && frame_send(b, deadline_ms, e);
	b->resent = b->waiting = true;
	return bridge_cancel(b, deadline_ms, e) && frame_send(b, deadline_ms, e);
}

/* A caller whose patience ended while the device was busy, and who comes back, has the command sent again first. */
static bool receive(struct bridge *b, struct bridge_answer *ret, bool *ret_busy, int64_t deadline_ms, struct err *e)
{
	for (;;) {
		*ret_busy = *ret_busy || b->again_ms;
		if ((b->again_ms && !again(b, deadline_ms, e)) || !frame_receive(b, deadline_ms, e))
			return false;
		b->waiting = false;
		*ret = (struct bridge_answer){get_u16(b->in + 6), b->in + HEADER, b->in_len - HEADER};
		if (ret->status == BRIDGE_CLOSED)
			b->info.closed = true;
		b->again_ms = ret->status == BRIDGE_BUSY ? clock_steady_ms() + BUSY_PAUSE_MS : 0;
		if (!b->again_ms && (ret->status != BRIDGE_BAD_FRAME || b->resent))
			return true;
		if (!b->again_ms && !again(b, deadline_ms, e))
			return false;
	}
}

bool bridge_receive(struct bridge *b, struct bridge_answer *ret, int64_t deadline_ms, struct err *e)
{
	bool busy = false;
	struct err why = {0};
	if (!b->waiting && !b->again_ms)
		return err_set(e, E_BRIDGE, "nothing was asked");
	if (receive(b, ret, &busy, deadline_ms, &why))
		return true;
	if (busy && why.code == E_CHILD_SILENT)
		return err_set(e, E_UNIT_BUSY, "busy until the time was up");
	return err_native(e, why.code, why.native, "%s", why.what);
}

bool bridge_status_is_ok(enum bridge_status status, struct err *e)
{
	switch (status) {
	case BRIDGE_OK: return true;
	case BRIDGE_CLOSED: return err_set(e, E_UNIT_CLOSED, "factory mode is closed");
	case BRIDGE_STORAGE: return err_set(e, E_UNIT_STORAGE, "the device's storage failed");
	case BRIDGE_NO_BUNDLE: return err_set(e, E_READ_BACK, "no bundle is stored");
	case BRIDGE_TPM_FAILED: return err_set(e, E_TPM, "the device's TPM does not answer it");
	case BRIDGE_CANCELLED: return err_set(e, E_BRIDGE, "the device cancelled the command by itself");
	case BRIDGE_BAD_FRAME: return err_set(e, E_BRIDGE, "the device refused the frame twice");
	default: return err_native(e, E_BRIDGE, status, "status %u", status);
	}
}

bool bridge_command(struct bridge *b, enum bridge_type type, const struct span *parts, size_t count,
		    struct bridge_answer *ret, int64_t deadline_ms, struct err *e)
{
	return bridge_send(b, type, parts, count, deadline_ms, e) && bridge_receive(b, ret, deadline_ms, e)
		&& bridge_status_is_ok(ret->status, e);
}

bool bridge_identity(const uint8_t *data, size_t len, struct driver_identity *ret, struct err *e)
{
	char *const texts[] = {NULL, ret->serial, ret->model, ret->revision};
	unsigned last = 0;
	for (size_t at = 0; at < len;) {
		if (len - at < 3 || len - at - 3 < get_u16(data + at + 1))
			return err_set(e, E_BRIDGE, "IDENTIFY ends in the middle of a field");
		unsigned tag = data[at];
		size_t n = get_u16(data + at + 1);
		const char *value = (const char *)data + at + 3;
		at += 3 + n;
		if (tag <= last || (last < 3 && tag != last + 1))
			return err_set(e, E_BRIDGE, "IDENTIFY has field %u after %u", tag, last);
		last = tag;
		if (tag > 3)
			continue;
		if (n < 1 || n > BRIDGE_TEXT_MAX || !text_is_printable(value, n))
			return err_set(e, E_BRIDGE, "IDENTIFY's field %u is no text", tag);
		memcpy(texts[tag], value, n);
		texts[tag][n] = '\0';
	}
	return last >= 3 || err_set(e, E_BRIDGE, "IDENTIFY lacks a field");
}
