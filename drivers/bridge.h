/* SPDX-License-Identifier: Apache-2.0 */
/* The TPM bridge's frames (docs/tpm-bridge.md, sections 1 and 2), the host's half: what the TCTI and the driver share.
 *
 * One command is on its way at a time. A response that was never read (a deadline, a lost transfer) is cancelled
 * before the next command, so that an old answer is never taken for a new one. BUSY is asked again every 20 ms until
 * the deadline; BAD_FRAME is cancelled and sent once more. Every length that the device says is checked against what
 * was agreed in GET_INFO before it is believed.
 *
 * The bytes travel through a struct bridge_wire: a USB interface in the station (bridge_wire_usb), memory in a test. */
#ifndef DRIVERS_BRIDGE_H
#define DRIVERS_BRIDGE_H

#include "drivers/usb.h"

#define BRIDGE_TPM_MAX 4096u
#define BRIDGE_TEXT_MAX 64u

enum bridge_type {
	BRIDGE_IDENTIFY = 0x01,
	BRIDGE_TPM = 0x10,
	BRIDGE_BUNDLE_BEGIN = 0x20,
	BRIDGE_BUNDLE_DATA = 0x21,
	BRIDGE_BUNDLE_COMMIT = 0x22,
	BRIDGE_BUNDLE_READ = 0x23,
	BRIDGE_FINISH = 0x30,
};

enum bridge_status {
	BRIDGE_OK, BRIDGE_BUSY, BRIDGE_BAD_FRAME, BRIDGE_TOO_LONG, BRIDGE_UNSUPPORTED, BRIDGE_CLOSED, BRIDGE_STORAGE,
	BRIDGE_CANCELLED, BRIDGE_NO_BUNDLE, BRIDGE_BAD_BUNDLE, BRIDGE_TPM_FAILED,
};

/* The four ways in which bytes travel; contracts as in drivers/usb.h. */
struct bridge_wire {
	void *ctx;
	size_t packet;
	bool (*control_in)(void *ctx, uint8_t request, void *data, size_t room, size_t *ret_len, int64_t deadline_ms, struct err *e);
	bool (*control_out)(void *ctx, uint8_t request, int64_t deadline_ms, struct err *e);
	bool (*bulk_out)(void *ctx, const void *data, size_t len, int64_t deadline_ms, struct err *e);
	bool (*bulk_in)(void *ctx, void *data, size_t room, size_t *ret_len, int64_t deadline_ms, struct err *e);
};

/* The link is lent. */
struct bridge_wire bridge_wire_usb(struct usb_link *link);

/* What GET_INFO says. */
struct bridge_info {
	bool closed, bundle_present;
	uint32_t payload_max, bundle_max;
};

struct bridge {
	struct bridge_wire wire;
	struct bridge_info info;
	uint16_t tag;
	bool waiting;	/* a response is outstanding */
	int64_t again_ms;	/* the device said BUSY: the command is to be sent again then; 0 otherwise */
	bool resent;	/* BAD_FRAME was answered once already */
	uint8_t *out, *in;	/* a frame each; `in` has room for a transfer behind it */
	size_t out_len, in_len, in_room;
};

/* A response. data is the bridge's, until the next command. */
struct bridge_answer {
	enum bridge_status status;
	const uint8_t *data;
	size_t len;
};

/* Asks GET_INFO and cancels what an earlier host may have left. E_BRIDGE, E_BRIDGE_VERSION, E_NOMEM, and errors of transfers. */
WARN_UNUSED bool bridge_open(struct bridge *b, const struct bridge_wire *wire, int64_t deadline_ms, struct err *e);
void bridge_close(struct bridge *b);

/* Asks GET_INFO again: the flags are the device's of now. E_BRIDGE if it is not the same device any more by its lengths. */
WARN_UNUSED bool bridge_refresh(struct bridge *b, int64_t deadline_ms, struct err *e);

/* Sends a command of at most info.payload_max bytes; E_BRIDGE if longer. */
WARN_UNUSED bool bridge_send(struct bridge *b, enum bridge_type type, const struct span *parts, size_t count,
			     int64_t deadline_ms, struct err *e);
/* Receives its response, whatever its status but BUSY. E_CHILD_SILENT at the deadline: it may be asked for again, or
 * the next command cancels it. E_UNIT_BUSY if the deadline came while the device said BUSY. E_BRIDGE for what is no response. */
WARN_UNUSED bool bridge_receive(struct bridge *b, struct bridge_answer *ret, int64_t deadline_ms, struct err *e);
/* Drops the outstanding command, if any, and makes the device drop it. */
WARN_UNUSED bool bridge_cancel(struct bridge *b, int64_t deadline_ms, struct err *e);

/* Both, and the status as error: E_UNIT_CLOSED, E_UNIT_STORAGE, E_READ_BACK for NO_BUNDLE, E_TPM for TPM_FAILED, E_BRIDGE. */
WARN_UNUSED bool bridge_command(struct bridge *b, enum bridge_type type, const struct span *parts, size_t count,
				struct bridge_answer *ret, int64_t deadline_ms, struct err *e);
/* The status as error; true for BRIDGE_OK. */
WARN_UNUSED bool bridge_status_is_ok(enum bridge_status status, struct err *e);

/* Finds the fields `u8 tag, u16 length, value` of an IDENTIFY response: texts 1, 2, 3 of 1 to 64 printable characters,
 * in ascending order; later tags are left for later versions. E_BRIDGE. */
WARN_UNUSED bool bridge_identity(const uint8_t *data, size_t len, struct driver_identity *ret, struct err *e);

static inline void put_u16(uint8_t *to, uint16_t v)
{
	to[0] = (uint8_t)(v >> 8);
	to[1] = (uint8_t)v;
}

static inline void put_u32(uint8_t *to, uint32_t v)
{
	put_u16(to, (uint16_t)(v >> 16));
	put_u16(to + 2, (uint16_t)v);
}

static inline uint16_t get_u16(const uint8_t *from)
{
	return (uint16_t)(from[0] << 8 | from[1]);
}

static inline uint32_t get_u32(const uint8_t *from)
{
	return (uint32_t)get_u16(from) << 16 | get_u16(from + 2);
}

#endif
