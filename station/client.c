/* SPDX-License-Identifier: Apache-2.0 */
#include "station/client.h"

#include "station/base/clock.h"
#include "station/base/text.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define LINE_MAX_LEN ((size_t)1 << 20)
#define EVENTS_MAX 4096	/* that wait while an answer is awaited */

struct client {
	int fd;
	struct bytes in;	/* what was read and is not a whole line yet */
	size_t seen;		/* so much of it holds no line end */
	json_t *events;		/* that came before the answer to a question */
};

bool client_open(const char *socket_path, struct client **ret, struct err *e)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	*ret = NULL;
	if (!TEXT_COPY(to.sun_path, socket_path, e))
		return err_in(e, "the socket's path");
	struct client *c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(e, E_NOMEM, "client");
	c->in.max = LINE_MAX_LEN;
	c->events = json_array();
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool ok = c->events && c->fd >= 0;
	if (!ok)
		err_errno(e, E_NOMEM, "socket");
	else if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		ok = err_errno(e, E_RUNNING, "%s", socket_path);
	if (!ok) {
		client_close(c);
		return false;
	}
	*ret = c;
	return true;
}

void client_close(struct client *c)
{
	if (!c)
		return;
	if (c->fd >= 0)
		close(c->fd);
	bytes_fini(&c->in);
	json_decref(c->events);
	free(c);
}

int client_fd(const struct client *c)
{
	return c->fd;
}

bool client_send(struct client *c, const json_t *request, int64_t deadline_ms, struct err *e)
{
	AUTO(bytes) struct bytes line = {.max = LINE_MAX_LEN, .secret = true};	/* it may hold a PIN */
	if (!json_canonical(request, &line, e) || !bytes_add_text(&line, "\n", e))
		return false;
	for (size_t sent = 0; sent < line.len;) {
		ssize_t n = send(c->fd, line.data + sent, line.len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0) {
			sent += (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return err_errno(e, E_RUNNING, "sending to the line");
		struct pollfd p = {.fd = c->fd, .events = POLLOUT};
		if (poll(&p, 1, clock_left_ms(deadline_ms)) == 0)
			return err_set(e, E_RUNNING, "the line does not take the request");
	}
	return true;
}

/* Reads what is there, or waits until the deadline; *ret_more false when nothing came. */
static bool read_more(struct client *c, int64_t deadline_ms, bool *ret_more, struct err *e)
{
	uint8_t part[16384];
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	*ret_more = false;
	int ready = poll(&p, 1, clock_left_ms(deadline_ms));
	if (ready == 0 || (ready < 0 && errno == EINTR))
		return true;
	ssize_t n = recv(c->fd, part, sizeof(part), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n < 0)
		return err_errno(e, E_RUNNING, "reading from the line");
	if (n == 0)
		return err_set(e, E_RUNNING, "the line has gone");
	if (!bytes_add(&c->in, part, (size_t)n, e))
		return err_in(e, "a line of the control socket");
	*ret_more = true;
	return true;
}

/* Takes the first whole line out of what was read; *ret NULL when there is none. */
static bool take_line(struct client *c, json_t **ret, struct err *e)
{
	*ret = NULL;
	const uint8_t *end = c->in.len > c->seen ? memchr(c->in.data + c->seen, '\n', c->in.len - c->seen) : NULL;
	if (!end) {
		c->seen = c->in.len;
		return true;
	}
	size_t len = (size_t)(end - c->in.data);
	bool ok = json_parse((const char *)c->in.data, len, ret, e);
	c->in.len -= len + 1;
	memmove(c->in.data, c->in.data + len + 1, c->in.len);
	c->in.data[c->in.len] = 0;
	c->seen = 0;
	if (ok && !json_is_object(*ret)) {
		json_decref(*ret);
		*ret = NULL;
		ok = err_set(e, E_JSON, "not an object");
	}
	return ok || err_in(e, "the line's message");
}

/* The next message of any kind; *ret NULL when none came by the deadline. */
static bool next_message(struct client *c, int64_t deadline_ms, json_t **ret, struct err *e)
{
	for (;;) {
		bool more;
		if (!take_line(c, ret, e))
			return false;
		if (*ret)
			return true;
		if (!read_more(c, deadline_ms, &more, e))
			return false;
		if (!more && clock_left_ms(deadline_ms) == 0)
			return true;
	}
}

/* The error that an answer with "ok":false names. */
static bool refused(const json_t *answer, struct err *e)
{
	enum err_code code = err_find(json_text_or(answer, "code", ""));
	const char *what = json_text_or(answer, "what", "");
	return err_set(e, code ? code : E_USAGE, "%s", *what ? what : "the line refused the request");
}

bool client_ask(struct client *c, const json_t *request, int64_t deadline_ms, json_t **ret, struct err *e)
{
	*ret = NULL;
	if (!client_send(c, request, deadline_ms, e))
		return false;
	for (;;) {
		json_t *message;
		if (!next_message(c, deadline_ms, &message, e))
			return false;
		if (!message)
			return err_set(e, E_RUNNING, "the line did not answer in time");
		const json_t *ok = json_object_get(message, "ok");
		if (json_is_true(ok)) {
			*ret = message;
			return true;
		}
		if (ok) {
			refused(message, e);
			json_decref(message);
			return false;
		}
		if (json_array_size(c->events) >= EVENTS_MAX || json_array_append_new(c->events, message))
			return err_set(e, E_NOMEM, "too many events before an answer");
	}
}

bool client_next(struct client *c, int64_t deadline_ms, json_t **ret, struct err *e)
{
	if (json_array_size(c->events) == 0)
		return next_message(c, deadline_ms, ret, e);
	*ret = json_incref(json_array_get(c->events, 0));
	json_array_remove(c->events, 0);
	return true;
}
