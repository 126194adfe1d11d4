/* SPDX-License-Identifier: Apache-2.0 */
#include "station/api/api.h"
#include "station/api/stream.h"
#include "station/base/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define PATIENCE_MS 60000
#define EVENTS 6000
#define FILLING 1000	/* bytes of an event */
#define HELLO "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"

struct desk {
	struct api *api;
	pthread_mutex_t gate;	/* held: answers wait */
};

static json_t *ask(void *ctx, const json_t *request, bool may_change, struct err *e)
{
	struct desk *d = ctx;
	pthread_mutex_lock(&d->gate);
	pthread_mutex_unlock(&d->gate);
	if (!strcmp(json_text_or(request, "do", ""), "status"))
		return json_pack("{s:{s:s}, s:b, s:[]}", "station", "state", "running", "may", may_change, "slots");
	err_set(e, E_USAGE, "no");
	return NULL;
}

static int setup(void **state)
{
	static struct desk d;
	struct err e = {0};
	const struct bytes token = {0};
	const struct api_face face = {ask, &d};
	pthread_mutex_init(&d.gate, NULL);
	*state = &d;
	return api_start("127.0.0.1:0", &token, &face, &d.api, &e) ? 0 : -1;
}

static int teardown(void **state)
{
	struct desk *d = *state;
	api_stop(d->api);
	api_free(d->api);
	d->api = NULL;
	return 0;
}

static int join(const struct desk *d, const char *path)
{
	const struct sockaddr_in where = {AF_INET, htons((uint16_t)api_port(d->api)), {htonl(INADDR_LOOPBACK)}, {0}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 4096;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	assert_int_equal(connect(fd, (const struct sockaddr *)&where, sizeof(where)), 0);
	dprintf(fd, HELLO, path);
	return fd;
}

/* The status of the answer that comes; nothing behind its first line is taken that is not here already. */
static int status_of(int fd)
{
	char line[16] = "";
	struct pollfd p = {fd, POLLIN, 0};
	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	assert_int_equal(recv(fd, line, 13, MSG_WAITALL), 13);
	return (int)strtol(line + 9, NULL, 10);
}

/* ---- readers ---- */

/* One who reads: what came, text that is not a whole line yet, and the number of the event that it has heard last, or that a snapshot
 * has summed up. */
struct reader {
	int fd;
	bool behind_head;
	struct bytes came, rest;
	long last, told;	/* 0: none yet */
	int snapshots;
	bool done;
};

/* An event has its id first, then its name. */
static void take_line(struct reader *r, const char *line)
{
	const char *number = strstr(line, "\"number\":");
	if (!strncmp(line, "id: ", 4)) {
		r->told = strtol(strchr(line, '-') + 1, NULL, 10);
	} else if (!strncmp(line, "event: snapshot", 15)) {
		assert_true(r->told >= r->last);
		r->snapshots++;
		r->last = r->told;
	} else if (!strncmp(line, "data: ", 6) && number) {
		assert_int_equal(strtol(number + 9, NULL, 10), r->told);
		assert_int_equal(r->told, r->last + 1);
		r->last = r->told;
	}
	r->done = r->last == EVENTS;
}

static void drop(struct bytes *b, size_t len)
{
	memmove(b->data, b->data + len, b->len - len);
	b->len -= len;
}

/* A whole chunk (RFC 9112 section 7.1), or the head, off what came and onto the text. False when none is whole. */
static bool take_chunk(struct reader *r)
{
	struct err e = {0};
	const char *limit = r->behind_head ? "\r\n" : "\r\n\r\n";
	char *end = memmem(r->came.data, r->came.len, limit, strlen(limit));
	if (!end)
		return false;
	size_t head = (size_t)(end - (char *)r->came.data) + strlen(limit);
	size_t size = r->behind_head ? strtoul((char *)r->came.data, NULL, 16) : 0;
	size_t whole = r->behind_head ? head + size + 2 : head;
	if (r->came.len < whole)
		return false;
	assert_true(bytes_add(&r->rest, r->came.data + head, size, &e));
	drop(&r->came, whole);
	r->behind_head = true;
	return true;
}

static void take(struct reader *r)
{
	char part[16384], *end;
	struct err e = {0};
	ssize_t n = recv(r->fd, part, sizeof(part), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	assert_true(n > 0);
	assert_true(bytes_add(&r->came, part, (size_t)n, &e));
	while (take_chunk(r))
		continue;
	while (r->rest.len && (end = memchr(r->rest.data, '\n', r->rest.len))) {
		*end = '\0';
		take_line(r, (char *)r->rest.data);
		drop(&r->rest, (size_t)(end - (char *)r->rest.data) + 1);
	}
}

static void *tell_all(void *arg)
{
	struct desk *d = arg;
	char filling[FILLING];
	memset(filling, 'x', sizeof(filling) - 1);
	filling[sizeof(filling) - 1] = '\0';
	for (int i = 1; i <= EVENTS; i++) {
		AUTO(json) json_t *event = json_pack("{s:s, s:i, s:s}", "event", "slot", "number", i, "filling", filling);
		api_tell(d->api, event);
		if (i % 500 == 0)
			clock_sleep_ms(5);
	}
	return NULL;
}

static void read_on(struct reader *readers, size_t count)
{
	int64_t deadline_ms = clock_steady_ms() + PATIENCE_MS;
	for (size_t left = count; left;) {
		struct pollfd p[STREAM_READERS];
		left = 0;
		for (size_t i = 0; i < count; i++) {
			p[i] = (struct pollfd){readers[i].done ? -1 : readers[i].fd, POLLIN, 0};
			left += !readers[i].done;
		}
		if (left)
			assert_true(poll(p, count, clock_left_ms(deadline_ms)) > 0);
		for (size_t i = 0; i < count; i++)
			if (p[i].revents)
				take(&readers[i]);
	}
}

static size_t readers_there(const struct desk *d)
{
	char text[32768];
	size_t len = 0;
	int fd = join(d, "/metrics");
	shutdown(fd, SHUT_WR);
	for (ssize_t n = 1; n > 0 && len < sizeof(text) - 1; len += n > 0 ? (size_t)n : 0)
		n = recv(fd, text + len, sizeof(text) - 1 - len, 0);
	text[len] = '\0';
	close(fd);
	const char *found = strstr(text, "\nstation_event_readers ");
	assert_non_null(found);
	return (size_t)strtol(found + 23, NULL, 10);
}

static void readers_that_never_read_are_dropped_and_the_others_hear_all(void **state)
{
	struct desk *d = *state;
	static struct reader readers[STREAM_READERS];
	int fds[API_CONNECTIONS];
	pthread_t teller;
	size_t count = 0, refused = 0;
	memset(readers, 0, sizeof(readers));
	for (size_t i = 0; i < API_CONNECTIONS; i++) {
		fds[i] = join(d, "/v1/events");
		int status = status_of(fds[i]);
		assert_true(status == 200 || status == 503);
		refused += status == 503;
		if (status == 200 && i % 2)
			readers[count++] = (struct reader){.fd = fds[i]};
	}
	assert_int_equal(refused, API_CONNECTIONS - STREAM_READERS);
	assert_int_equal(count, STREAM_READERS / 2);
	assert_int_equal(pthread_create(&teller, NULL, tell_all, d), 0);
	read_on(readers, count);
	pthread_join(teller, NULL);
	for (size_t i = 0; i < count; i++)
		assert_true(readers[i].snapshots > 0);
	int64_t deadline_ms = clock_steady_ms() + PATIENCE_MS;
	/* One that was skipped over a gap has taken less than the kernel keeps for it: it is told more. */
	while (readers_there(d) > count) {
		assert_true(clock_steady_ms() < deadline_ms);
		tell_all(d);
		clock_sleep_ms(200);
	}
	int fd = join(d, "/v1/events");	/* their places are free again */
	assert_int_equal(status_of(fd), 200);
	close(fd);
	for (size_t i = 0; i < API_CONNECTIONS; i++)
		close(fds[i]);
	for (size_t i = 0; i < count; i++)
		bytes_fini(&readers[i].rest), bytes_fini(&readers[i].came);
}

static void telling_waits_for_no_answer(void **state)
{
	struct desk *d = *state;
	pthread_mutex_lock(&d->gate);
	int fds[6];
	for (size_t i = 0; i < COUNT_OF(fds); i++)
		fds[i] = join(d, i % 2 ? "/v1/events" : "/v1/status");
	clock_sleep_ms(100);	/* so that they hang in the answer */
	tell_all(d);
	pthread_mutex_unlock(&d->gate);
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		assert_int_equal(status_of(fds[i]), 200);
		close(fds[i]);
	}
}

static void it_ends_with_readers_there(void **state)
{
	struct desk *d = *state;
	int fds[8];
	char part[4096];
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		fds[i] = join(d, "/v1/events");
		assert_int_equal(status_of(fds[i]), 200);
	}
	api_stop(d->api);
	tell_all(d);	/* others may not know yet */
	api_free(d->api);
	d->api = NULL;
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		while (recv(fds[i], part, sizeof(part), 0) > 0)
			continue;
		close(fds[i]);
	}
}

static void what_is_no_loopback_is_not_listened_at(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "0.0.0.0:80", "[::]:80", "127.0.0.1", "127.0.0.1:65536", "127.0.0.1:8080x", "127.0.0.2:80",
					  "localhost:80", "unix:", "unix:/nowhere/at/all/socket", "[::1]:"};
	const struct bytes token = {0};
	const struct api_face face = {ask, NULL};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct err e = {0};
		struct api *api = NULL;
		assert_false(api_start(bad[i], &token, &face, &api, &e));
		assert_int_equal(e.code, E_FILE);
		assert_null(api);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(readers_that_never_read_are_dropped_and_the_others_hear_all, setup, teardown),
		cmocka_unit_test_setup_teardown(telling_waits_for_no_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(it_ends_with_readers_there, setup, teardown),
		cmocka_unit_test(what_is_no_loopback_is_not_listened_at),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
