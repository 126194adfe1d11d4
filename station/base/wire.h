/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between the station's own processes: a type and a payload over a SOCK_SEQPACKET pair, at most WIRE_MAX bytes, and
 * descriptors beside them where one is handed over. Payloads that carry a typed result are C structs of one build and of fixed
 * size; a message of another size is E_WIRE and ends the conversation. Waits are bounded by a steady deadline (base/clock.h). */
#ifndef STATION_BASE_WIRE_H
#define STATION_BASE_WIRE_H

#include "station/base/err.h"

#define WIRE_MAX (64u * 1024)
#define WIRE_FDS_MAX 4

struct wire_msg {
	uint32_t type;
	uint32_t len;
	uint8_t data[WIRE_MAX];
};

/* A connected pair, close-on-exec. E_FILE. */
WARN_UNUSED bool wire_pair(int ret[2], struct err *e);

/* E_CHILD_LOST when the other end is gone, E_CHILD_SILENT when it does not take the message by the deadline. */
WARN_UNUSED bool wire_send(int fd, uint32_t type, const void *data, size_t len, int64_t deadline_ms, struct err *e);
WARN_UNUSED bool wire_send_fds(int fd, uint32_t type, const void *data, size_t len, const int *fds, size_t count,
			       int64_t deadline_ms, struct err *e);

/* Receives one message. E_CHILD_LOST at the end of the conversation, E_CHILD_SILENT at the deadline, E_WIRE if malformed.
 * Descriptors that nobody asked for are closed. */
WARN_UNUSED bool wire_recv(int fd, struct wire_msg *ret, int64_t deadline_ms, struct err *e);
WARN_UNUSED bool wire_recv_fds(int fd, struct wire_msg *ret, int *ret_fds, size_t *ret_count, int64_t deadline_ms,
			       struct err *e);

/* Receives a message that must be of this type and size. */
WARN_UNUSED bool wire_expect(int fd, uint32_t type, void *ret, size_t len, int64_t deadline_ms, struct err *e);

/* A struct err as a message of its own, WIRE_ERROR: wire_expect returns it as the caller's error. */
#define WIRE_ERROR 0xffffffffu
WARN_UNUSED bool wire_send_err(int fd, const struct err *cause, int64_t deadline_ms, struct err *e);

#define WIRE_FOREVER INT64_MAX

#endif
