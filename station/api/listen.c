/* SPDX-License-Identifier: Apache-2.0 */
#include "station/api/listen.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
};

/* The length of the address, or 0. */
static socklen_t address_of(const char *where, union address *ret)
{
	unsigned port = 0;
	int end = 0;
	memset(ret, 0, sizeof(*ret));
	if (!strncmp(where, "unix:", 5) && where[5] && strlen(where + 5) < sizeof(ret->local.sun_path)) {
		ret->local.sun_family = AF_UNIX;
		snprintf(ret->local.sun_path, sizeof(ret->local.sun_path), "%s", where + 5);
		return sizeof(ret->local);
	}
	if (sscanf(where, "127.0.0.1:%5u%n", &port, &end) == 1 && !where[end] && port <= UINT16_MAX) {
		ret->v4 = (struct sockaddr_in){AF_INET, htons((uint16_t)port), {htonl(INADDR_LOOPBACK)}, {0}};
		return sizeof(ret->v4);
	}
	end = 0;
	if (sscanf(where, "[::1]:%5u%n", &port, &end) == 1 && !where[end] && port <= UINT16_MAX) {
		ret->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = in6addr_loopback};
		return sizeof(ret->v6);
	}
	return 0;
}

/* A socket of that name is taken away if nobody listens at it any more. */
static bool make_room(const union address *a, socklen_t len, struct err *e)
{
	struct stat is;
	AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, &a->any, len) == 0)
		return err_set(e, E_FILE, "another program listens at %s", a->local.sun_path);
	if (lstat(a->local.sun_path, &is) < 0)
		return true;
	if (!S_ISSOCK(is.st_mode))
		return err_set(e, E_FILE, "%s is there and is no socket", a->local.sun_path);
	return unlink(a->local.sun_path) == 0 || err_errno(e, E_FILE, "%s", a->local.sun_path);
}

static int bound_port(int fd)
{
	union address a = {0};
	socklen_t len = sizeof(a);
	if (getsockname(fd, &a.any, &len) < 0)
		return 0;
	return a.any.sa_family == AF_INET ? ntohs(a.v4.sin_port) : a.any.sa_family == AF_INET6 ? ntohs(a.v6.sin6_port) : 0;
}

bool listener_open(const char *where, struct listener *ret, struct err *e)
{
	union address a;
	const int on = 1;
	*ret = (struct listener){.fd = -1};
	socklen_t len = address_of(where, &a);
	if (!len)
		return err_set(e, E_FILE, "\"%s\" is neither loopback nor a Unix socket", where);
	bool local = a.any.sa_family == AF_UNIX;
	if (local && !make_room(&a, len, e))
		return false;
	ret->fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool ok = ret->fd >= 0 && setsockopt(ret->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
		  bind(ret->fd, &a.any, len) == 0 && (!local || chmod(a.local.sun_path, 0660) == 0) && listen(ret->fd, SOMAXCONN) == 0;
	if (!ok) {
		err_errno(e, E_FILE, "listening at %s", where);
		listener_close(ret);
		return false;
	}
	ret->port = bound_port(ret->fd);
	if (local)
		memcpy(ret->path, a.local.sun_path, sizeof(ret->path));
	return true;
}

void listener_close(struct listener *l)
{
	if (l->fd >= 0)
		close(l->fd);
	if (l->path[0])
		unlink(l->path);
	*l = (struct listener){.fd = -1};
}

bool host_is_loopback(const char *host)
{
	static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		size_t n = strlen(names[i]);
		if (strncasecmp(host, names[i], n) != 0)
			continue;
		if (!host[n] || (host[n] == ':' && strspn(host + n + 1, "0123456789") == strlen(host + n + 1)))
			return true;
	}
	return false;
}
