/* SPDX-License-Identifier: Apache-2.0 */
#include "station/control.h"
#include "station/base/clock.h"
#include "station/base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define REQUEST_MAX 4096

struct peer {
	int fd;		/* -1: free row */
	bool watching, dead;
	int64_t heard_ms;	/* steady: when it asked last */
	struct bytes in, out;
};

struct control {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct control_face face;
	int listener, wake;
	pthread_t thread;
	pthread_mutex_t lock;	/* peers' out, watching, dead; and ending */
	bool ending;
	struct peer peer[CONTROL_CLIENTS];
};

/* Appends a JSON line to a peer's output; with the lock held. */
static void send_json(struct peer *p, const json_t *j)
{
	struct err e = {0};
	if (!json_canonical(j, &p->out, &e) || !bytes_add(&p->out, "\n", 1, &e))
		p->dead = true;
}

static json_t *refusal(enum err_code code, const char *what)
{
	const struct err_row *row = err_row(code);
	return json_pack("{s:b, s:s, s:s, s:s, s:s, s:s}", "ok", false, "code", row->code, "happened", row->happened, "todo", row->todo,
			 "whom", row->whom, "what", what);
}

static json_t *answer(struct control *c, struct peer *p, json_t *request, bool watch)
{
	struct err e = {0};
	if (watch)
		json_object_set_new(request, "do", json_string("status"));
	json_t *reply = c->face.ask(c->face.ctx, request, &e);
	if (!reply)
		return refusal(e.code == E_NONE ? E_NOMEM : e.code, e.what);
	json_object_set_new(reply, "ok", json_true());
	if (watch) {
		json_object_set_new(reply, "event", json_string("snapshot"));
		p->watching = true;
	}
	return reply;
}

/* A watcher's snapshot is made and sent under the lock, so that no event slips between it and what follows. Other answers may take
 * their time, and hold up nobody who tells. */
static void answer_line(struct control *c, struct peer *p, const char *line, size_t len)
{
	struct err e = {0};
	AUTO(json) json_t *request = NULL;
	bool good = json_parse(line, len, &request, &e);
	bool watch = good && !strcmp(json_text_or(request, "do", ""), "watch");
	if (watch)
		pthread_mutex_lock(&c->lock);
	AUTO(json) json_t *reply = good ? answer(c, p, request, watch) : refusal(E_USAGE, e.what);
	if (!watch)
		pthread_mutex_lock(&c->lock);
	send_json(p, reply);
	pthread_mutex_unlock(&c->lock);
}

/* Answers every complete line that has come. */
static void serve_input(struct control *c, struct peer *p)
{
	char *end;
	while (p->in.len && (end = memchr(p->in.data, '\n', p->in.len))) {
		size_t len = (size_t)(end - (char *)p->in.data);
		answer_line(c, p, (const char *)p->in.data, len);
		memmove(p->in.data, end + 1, p->in.len - len - 1);
		p->in.len -= len + 1;
	}
}

static void read_peer(struct control *c, struct peer *p)
{
	char part[1024];
	struct err e = {0};
	size_t room = REQUEST_MAX - p->in.len;	/* 0: a request longer than REQUEST_MAX is no request */
	ssize_t n = recv(p->fd, part, room < sizeof(part) ? room : sizeof(part), MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		p->dead = true;
	if (n > 0 && !bytes_add(&p->in, part, (size_t)n, &e))
		p->dead = true;
	p->heard_ms = clock_steady_ms();
	serve_input(c, p);
}

static void write_peer(struct control *c, struct peer *p)
{
	pthread_mutex_lock(&c->lock);
	ssize_t n = p->out.len ? send(p->fd, p->out.data, p->out.len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
	if (n > 0) {
		memmove(p->out.data, p->out.data + n, p->out.len - (size_t)n);
		p->out.len -= (size_t)n;
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		p->dead = true;
	}
	pthread_mutex_unlock(&c->lock);
}

static void drop_peer(struct peer *p)
{
	close(p->fd);
	bytes_fini(&p->in);
	bytes_fini(&p->out);
	*p = (struct peer){.fd = -1};
}

/* A free row; when all are taken, that of the client that has been silent longest, unless it watches. NULL if all watch. With the
 * lock held. */
static struct peer *row_for_peer(struct control *c)
{
	struct peer *idle = NULL;
	for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
		struct peer *p = &c->peer[i];
		if (p->fd < 0)
			return p;
		if (!p->watching && (!idle || p->heard_ms < idle->heard_ms))
			idle = p;
	}
	if (idle)
		drop_peer(idle);
	return idle;
}

static void accept_peer(struct control *c)
{
	int fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	pthread_mutex_lock(&c->lock);
	struct peer *p = row_for_peer(c);
	if (p)
		*p = (struct peer){.fd = fd, .heard_ms = clock_steady_ms(), .in.max = REQUEST_MAX, .out.max = CONTROL_BACKLOG};
	pthread_mutex_unlock(&c->lock);
	if (!p)
		close(fd);
}

/* One round; false at the end. */
static bool serve(struct control *c)
{
	struct pollfd p[2 + CONTROL_CLIENTS] = {{c->listener, POLLIN, 0}, {c->wake, POLLIN, 0}};
	uint64_t woken;
	pthread_mutex_lock(&c->lock);
	bool ending = c->ending;
	for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
		short events = (short)(POLLIN | (c->peer[i].out.len ? POLLOUT : 0));
		p[2 + i] = (struct pollfd){c->peer[i].fd, events, 0};
	}
	pthread_mutex_unlock(&c->lock);
	if (ending || (poll(p, COUNT_OF(p), -1) < 0 && errno != EINTR))
		return false;
	if (p[1].revents && read(c->wake, &woken, sizeof(woken)) < 0)
		log_debug("wake: %s", strerror(errno));
	for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
		struct peer *peer = &c->peer[i];
		if (peer->fd < 0 || p[2 + i].fd != peer->fd)
			continue;
		if (p[2 + i].revents & (POLLIN | POLLHUP | POLLERR))
			read_peer(c, peer);
		if (p[2 + i].revents & POLLOUT)
			write_peer(c, peer);
		pthread_mutex_lock(&c->lock);
		if (peer->dead)
			drop_peer(peer);
		pthread_mutex_unlock(&c->lock);
	}
	if (p[0].revents)
		accept_peer(c);
	return true;
}

static void *serve_all(void *arg)
{
	struct control *c = arg;
	while (serve(c))
		continue;
	return NULL;
}

static bool somebody_listens(const struct sockaddr_un *where)
{
	AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && connect(fd, (const struct sockaddr *)where, sizeof(*where)) == 0;
}

static bool listen_at(struct control *c, struct err *e)
{
	struct sockaddr_un where = {.sun_family = AF_UNIX};
	memcpy(where.sun_path, c->path, sizeof(where.sun_path));
	if (somebody_listens(&where))
		return err_set(e, E_DB_LOCKED, "another station listens at %s", c->path);
	unlink(c->path);
	c->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->listener < 0 || bind(c->listener, (struct sockaddr *)&where, sizeof(where)) < 0 || chmod(c->path, 0660) < 0 ||
	    listen(c->listener, CONTROL_CLIENTS) < 0)
		return err_errno(e, E_FILE, "listening at %s", c->path);
	return true;
}

bool control_start(const char *path, const struct control_face *face, struct control **ret, struct err *e)
{
	struct control *c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(e, E_NOMEM, "control");
	c->face = *face;
	c->listener = -1;
	for (size_t i = 0; i < CONTROL_CLIENTS; i++)
		c->peer[i].fd = -1;
	pthread_mutex_init(&c->lock, NULL);
	c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int n = snprintf(c->path, sizeof(c->path), "%s", path);
	bool ok = n < (int)sizeof(c->path) || err_set(e, E_FILE, "socket path longer than %zu: %s", sizeof(c->path) - 1, path);
	ok = ok && listen_at(c, e);
	ok = ok && (pthread_create(&c->thread, NULL, serve_all, c) == 0 || err_set(e, E_NOMEM, "control thread"));
	if (ok) {
		*ret = c;
		return true;
	}
	if (c->listener >= 0)
		close(c->listener);
	close(c->wake);
	free(c);
	return false;
}

static void wake_up(struct control *c)
{
	const uint64_t one = 1;
	if (write(c->wake, &one, sizeof(one)) < 0)
		log_debug("wake: %s", strerror(errno));
}

void control_tell(struct control *c, json_t *event)
{
	AUTO(json) json_t *owned = event;
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < CONTROL_CLIENTS; i++)
		if (c->peer[i].fd >= 0 && c->peer[i].watching)
			send_json(&c->peer[i], event);
	pthread_mutex_unlock(&c->lock);
	wake_up(c);
}

void control_stop(struct control *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->ending = true;
	pthread_mutex_unlock(&c->lock);
	wake_up(c);
	pthread_join(c->thread, NULL);
	for (size_t i = 0; i < CONTROL_CLIENTS; i++)
		if (c->peer[i].fd >= 0)
			drop_peer(&c->peer[i]);
	close(c->listener);
	close(c->wake);
	unlink(c->path);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
