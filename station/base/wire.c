/* SPDX-License-Identifier: Apache-2.0 */
#include "station/base/wire.h"
#include "station/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

struct header {
	uint32_t type;
	uint32_t len;
};

bool wire_pair(int ret[2], struct err *e)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret) < 0)
		return err_errno(e, E_FILE, "socketpair");
	return true;
}

static bool wait_for(int fd, short events, int64_t deadline_ms, struct err *e)
{
	for (;;) {
		struct pollfd p = {fd, events, 0};
		int n = poll(&p, 1, deadline_ms == WIRE_FOREVER ? -1 : clock_left_ms(deadline_ms));
		if (n > 0)
			return true;
		if (n == 0)
			return err_set(e, E_CHILD_SILENT, "no answer in time");
		if (errno != EINTR)
			return err_errno(e, E_WIRE, "poll");
	}
}

bool wire_send(int fd, uint32_t type, const void *data, size_t len, int64_t deadline_ms, struct err *e)
{
	return wire_send_fds(fd, type, data, len, NULL, 0, deadline_ms, e);
}

bool wire_send_fds(int fd, uint32_t type, const void *data, size_t len, const int *fds, size_t count, int64_t deadline_ms,
		   struct err *e)
{
	struct header h = {type, (uint32_t)len};
	struct iovec iov[2] = {{&h, sizeof(h)}, {(void *)(uintptr_t)data, len}};
	union { struct cmsghdr align; char room[CMSG_SPACE(WIRE_FDS_MAX * sizeof(int))]; } control = {0};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = len ? 2 : 1};
	if (len > WIRE_MAX || count > WIRE_FDS_MAX)
		return err_set(e, E_WIRE, "message of %zu bytes", len);
	if (count) {
		m.msg_control = control.room;
		m.msg_controllen = CMSG_SPACE(count * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	}
	for (;;) {
		if (sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return true;
		if (errno == EAGAIN && !wait_for(fd, POLLOUT, deadline_ms, e))
			return false;
		if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
			return err_errno(e, E_CHILD_LOST, "sending");
		if (errno != EAGAIN && errno != EINTR)
			return err_errno(e, E_WIRE, "sending %zu bytes", len);
	}
}

static void close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
}

static size_t take_fds(struct msghdr *m, int *fds)
{
	size_t count = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(c), count * sizeof(int));
	}
	return count;
}

bool wire_recv(int fd, struct wire_msg *ret, int64_t deadline_ms, struct err *e)
{
	return wire_recv_fds(fd, ret, NULL, NULL, deadline_ms, e);
}

bool wire_recv_fds(int fd, struct wire_msg *ret, int *ret_fds, size_t *ret_count, int64_t deadline_ms, struct err *e)
{
	struct header h;
	int fds[WIRE_FDS_MAX];
	union { struct cmsghdr align; char room[CMSG_SPACE(WIRE_FDS_MAX * sizeof(int))]; } control;
	for (;;) {
		struct iovec iov[2] = {{&h, sizeof(h)}, {ret->data, sizeof(ret->data)}};
		struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2, .msg_control = control.room,
				   .msg_controllen = sizeof(control.room)};
		if (!wait_for(fd, POLLIN, deadline_ms, e))
			return false;
		ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return err_set(e, E_CHILD_LOST, "the other process has ended");
		if (n < 0)
			return err_errno(e, E_WIRE, "receiving");
		size_t count = take_fds(&m, fds);
		if ((size_t)n < sizeof(h) || h.len != (size_t)n - sizeof(h) || m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
			close_all(fds, count);
			return err_set(e, E_WIRE, "malformed message of %zd bytes", n);
		}
		ret->type = h.type;
		ret->len = h.len;
		if (!ret_fds) {
			close_all(fds, count);
			return true;
		}
		memcpy(ret_fds, fds, count * sizeof(int));
		*ret_count = count;
		return true;
	}
}

bool wire_expect(int fd, uint32_t type, void *ret, size_t len, int64_t deadline_ms, struct err *e)
{
	struct wire_msg m;
	if (!wire_recv(fd, &m, deadline_ms, e))
		return false;
	if (m.type == WIRE_ERROR && m.len == sizeof(struct err)) {
		struct err cause;
		memcpy(&cause, m.data, sizeof(cause));
		cause.what[sizeof(cause.what) - 1] = '\0';
		if (cause.code == E_NONE || cause.code >= E_COUNT)
			return err_set(e, E_WIRE, "an error without a cause");
		return err_native(e, cause.code, cause.native, "%s", cause.what);
	}
	if (m.type != type || m.len != len)
		return err_set(e, E_WIRE, "message %u of %u bytes, expected %u of %zu", m.type, m.len, type, len);
	if (len)
		memcpy(ret, m.data, len);
	return true;
}

bool wire_send_err(int fd, const struct err *cause, int64_t deadline_ms, struct err *e)
{
	return wire_send(fd, WIRE_ERROR, cause, sizeof(*cause), deadline_ms, e);
}
