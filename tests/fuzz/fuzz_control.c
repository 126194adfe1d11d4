/* SPDX-License-Identifier: Apache-2.0 */
/* What a client of the line's socket may say, as a fuzz target: the socket, its thread and its buffers are the station's own.
 * Every line has one answer, which is a JSON object in one line; only a client whose line is longer than any request is cut
 * off; and the next client is served whatever this one said. */
#include "scratch.h"
#include "station/base/clock.h"
#include "station/control.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define REQUEST_MAX 4096	/* docs/control.md */
#define PATIENCE_MS 10000
#define INPUT_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static json_t *answer(void *ctx, const json_t *request, struct err *e)
{
	const char *what = json_text_or(request, "do", "");
	if (!strcmp(what, "status") || !strcmp(what, "stop"))
		return json_object();
	err_set(e, E_USAGE, "%s", what);
	return NULL;
}

static const char *socket_path(void)
{
	static struct control *control;
	const char *path = scratch_path("station.sock");
	const struct control_face face = {answer, NULL};
	struct err e = {0};
	if (!control)
		must(control_start(path, &face, &control, &e));
	return path;
}

static int join(void)
{
	struct sockaddr_un where = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(where.sun_path, sizeof(where.sun_path), "%s", socket_path());
	must(fd >= 0 && connect(fd, (const struct sockaddr *)&where, sizeof(where)) == 0);
	return fd;
}

/* One answer; false when the line has hung up. */
static bool answered(int fd)
{
	AUTO(bytes) struct bytes line = {0};
	AUTO(json) json_t *answer = NULL;
	struct err e = {0};
	int64_t deadline_ms = clock_steady_ms() + PATIENCE_MS;
	for (char c = 0; c != '\n';) {
		struct pollfd p = {fd, POLLIN, 0};
		must(poll(&p, 1, clock_left_ms(deadline_ms)) == 1);
		if (recv(fd, &c, 1, 0) <= 0)
			return false;
		must(bytes_add(&line, &c, 1, &e));
	}
	must(json_parse((const char *)line.data, line.len - 1, &answer, &e) && json_is_object(answer));
	return json_is_boolean(json_object_get(answer, "ok"));
}

/* Some of it may not be taken any more: then the line has hung up, or it would have been read. */
static void say(int fd, const void *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = send(fd, (const char *)data + at, len - at, MSG_NOSIGNAL);
		if (n <= 0)
			return;
		at += (size_t)n;
	}
}

struct lines {
	size_t count, longest;	/* with their ends; the last one has its own in `good` */
};

static struct lines lines_of(const uint8_t *data, size_t len)
{
	struct lines l = {0};
	size_t start = 0;
	for (size_t i = 0; i < len; i++) {
		size_t line = i - start + (data[i] == '\n' ? 1 : 2);
		l.longest = line > l.longest ? line : l.longest;
		if (data[i] != '\n')
			continue;
		l.count++;
		start = i + 1;
	}
	return l;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char good[] = "\n{\"do\":\"status\"}\n";
	if (len > INPUT_MAX)
		return 0;
	struct lines l = lines_of(data, len);
	int fd = join();
	say(fd, data, len);
	say(fd, good, sizeof(good) - 1);
	bool there = true;
	for (size_t i = 0; there && i < l.count + 2; i++)
		there = answered(fd);
	close(fd);
	must(there == (l.longest <= REQUEST_MAX));
	fd = join();
	say(fd, good + 1, sizeof(good) - 2);
	must(answered(fd));
	close(fd);
	return 0;
}
