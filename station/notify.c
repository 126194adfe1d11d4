/* SPDX-License-Identifier: Apache-2.0 */
#include "station/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A path, or the name of an abstract socket behind '@'. */
static int manager_open(const char *name)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t len = name ? strlen(name) : 0;
	if ((len < 2 || len >= sizeof(to.sun_path)) || (name[0] != '/' && name[0] != '@'))
		return -1;
	memcpy(to.sun_path, name, len);
	if (name[0] == '@')
		to.sun_path[0] = 0;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* A number above 0, or 0. */
static int64_t number_of(const char *name)
{
	const char *text = getenv(name);
	char *end = NULL;
	long long value = text ? strtoll(text, &end, 10) : 0;
	return text && *text && !*end && value > 0 ? value : 0;
}

void notify_init(struct notify *n)
{
	int64_t pid = number_of("WATCHDOG_PID");
	*n = (struct notify){.fd = manager_open(getenv("NOTIFY_SOCKET"))};
	if (n->fd >= 0 && (!pid || pid == getpid()))
		n->every_ms = number_of("WATCHDOG_USEC") / 2000;
}

void notify_fini(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	*n = (struct notify){.fd = -1};
}

static void tell(const struct notify *n, const char *text)
{
	if (n->fd >= 0 && send(n->fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		return;	/* the manager misses a sign of life, and acts on that */
}

void notify_ready(const struct notify *n)
{
	tell(n, "READY=1");
}

void notify_status(const struct notify *n, const char *text)
{
	char line[512];
	snprintf(line, sizeof(line), "STATUS=%s", text);
	for (char *c = line; *c; c++)
		*c = *c == '\n' ? ' ' : *c;
	tell(n, line);
}

void notify_stopping(const struct notify *n)
{
	tell(n, "STOPPING=1");
}

bool notify_is_due(const struct notify *n, int64_t now_ms)
{
	return n->every_ms && now_ms - n->last_ms >= n->every_ms;
}

void notify_alive(struct notify *n, int64_t now_ms)
{
	n->last_ms = now_ms;
	tell(n, "WATCHDOG=1");
}
