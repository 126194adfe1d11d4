/* SPDX-License-Identifier: Apache-2.0 */
/* The conversation of docs/serial-csr.md: requests and answers, a line each, over whatever carries bytes.
 *
 * A line counts if it has the marker, the number of the request that waits and the right CRC; everything else that comes (log
 * lines, echo, a banner, answers that come twice) is skipped, as far as the budget goes. A request that gets no answer is sent
 * again with the same number: all of them are harmless when repeated. Long values travel in pieces. */
#ifndef DRIVERS_SERIAL_LINE_H
#define DRIVERS_SERIAL_LINE_H

#include "station/base/bytes.h"
#include "station/base/sha256.h"

#define SERIAL_LINE_MAX 256	/* with marker and line feed */
#define SERIAL_TEXT_MAX 240	/* what stands between number and CRC */
#define SERIAL_PIECE 150	/* bytes of a long value in one line; 200 characters of base64 */
#define SERIAL_LINES_MAX 65536u	/* lines that one unit may send */

/* CRC-32 of IEEE 802.3, as zlib and Ethernet compute it. */
uint32_t serial_crc(const void *data, size_t len);

/* What carries the bytes: drivers/serial.h, or a test's. `receive` gives what has come, at least one byte. */
struct serial_wire {
	void *ctx;
	bool (*send)(void *ctx, const void *data, size_t len, int64_t deadline_ms, struct err *e);
	bool (*receive)(void *ctx, void *data, size_t room, size_t *ret_len, int64_t deadline_ms, struct err *e);
};

struct serial_line {
	struct serial_wire wire;
	uint16_t number;	/* of the last request */
	uint32_t lines_left;
	char in[1024];		/* received and not yet looked at */
	size_t in_at, in_len;
	char line[SERIAL_LINE_MAX];	/* the line that is coming */
	size_t line_len;
	bool overlong;		/* it was longer than a line may be: the rest of it is dropped */
	char answer[SERIAL_TEXT_MAX + 1];
};

/* `first` is the number before the first request's: any, but not the last session's. */
void serial_line_init(struct serial_line *l, const struct serial_wire *wire, uint16_t first);

/* Asks and waits. *ret is what stands behind "ok ", lent until the next request. E_SERIAL_LINE, what the device's "no" means
 * (E_UNIT_BUSY when it stayed busy, E_UNIT_CLOSED, E_UNIT_STORAGE, E_KEY_OTHER, E_READ_BACK, E_KEY_SILENT), E_CHILD_SILENT,
 * and the wire's own. */
WARN_UNUSED bool serial_ask(struct serial_line *l, const char **ret, int64_t deadline_ms, struct err *e, const char *fmt, ...)
	PRINTF_LIKE(5, 6);

/* Reads the long value `name`, of this length and hash, piece by piece. E_SERIAL_LINE when what comes is something else. */
WARN_UNUSED bool serial_fetch(struct serial_line *l, const char *name, size_t len, const uint8_t sha256[static SHA256_SIZE],
			      struct bytes *ret, int64_t deadline_ms, struct err *e);

#endif
