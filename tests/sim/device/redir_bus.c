/* SPDX-License-Identifier: Apache-2.0 */
#include "redir_bus.h"

#include "redir_link.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct port {
	struct redir_bus *bus;
	struct usbdev dev;
	struct redir_link *link; /* guarded by dev.lock; NULL without a connection */
	int listen_fd;
	pthread_t thread;
	char path[108];
};

struct redir_bus {
	struct bus bus; /* first: the rack knows the bus by it */
	char dir[80];
	struct port *ports; /* counted from 1 */
};

static void bus_path(struct bus *self, unsigned port, char *text, size_t room)
{
	snprintf(text, room, "port%u", port);
}

static bool port_listen(struct port *p, struct why *w)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, p->path);
	unlink(p->path);
	p->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->listen_fd < 0)
		return why_set(w, "socket: %s", strerror(errno));
	if (bind(p->listen_fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(p->listen_fd, 1) == 0)
		return true;
	why_set(w, "%s: %s", p->path, strerror(errno));
	close(p->listen_fd);
	return false;
}

/* Shows the link to those who may want to wake it, or takes it away from them. */
static void port_link(struct port *p, struct redir_link *l)
{
	pthread_mutex_lock(&p->dev.lock);
	p->link = l;
	pthread_mutex_unlock(&p->dev.lock);
}

/* One connection after the other; ends when the listening socket is shut down. */
static void *port_run(void *arg)
{
	struct port *p = arg;
	struct redir_link *l;
	struct why why;
	int fd;

	while ((fd = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0 || errno == EINTR || errno == ECONNABORTED) {
		if (fd < 0)
			continue;
		if (!redir_link_new(&l, &p->dev, fd, &why)) {
			close(fd);
			continue;
		}
		port_link(p, l);
		redir_link_serve(l);
		port_link(p, NULL);
		redir_link_free(l);
	}
	return NULL;
}

/* Gone for the guest, at once. */
static void port_vanish(struct port *p)
{
	usbdev_remove(&p->dev);
	pthread_mutex_lock(&p->dev.lock);
	if (p->link)
		redir_link_wake(p->link);
	pthread_mutex_unlock(&p->dev.lock);
}

static void on_progress(void *context)
{
	struct port *p = context;
	pthread_mutex_lock(&p->dev.lock);
	usbdev_pump(&p->dev);
	pthread_mutex_unlock(&p->dev.lock);
}

static void on_power_cut(void *context)
{
	struct port *p = context;
	port_vanish(p);
	rack_power_cut(p->bus->bus.rack, p->dev.unit);
}

static bool bus_plug(struct bus *self, unsigned port, struct unit *u, struct why *w)
{
	struct redir_bus *b = (struct redir_bus *)self;
	struct port *p = &b->ports[port];
	const struct unit_listener listener = { on_progress, on_power_cut, p };

	memset(p, 0, sizeof *p);
	p->bus = b;
	snprintf(p->path, sizeof p->path, "%s/port%u", b->dir, port);
	usbdev_init(&p->dev, u, redir_link_done);
	if (!unit_power_on(u, &listener, w)) {
		usbdev_fini(&p->dev);
		return false;
	}
	bool listening = port_listen(p, w);
	int rc = listening ? pthread_create(&p->thread, NULL, port_run, p) : 0;
	if (listening && rc == 0)
		return true;
	if (rc != 0) {
		why_set(w, "thread: %s", strerror(rc));
		close(p->listen_fd);
		unlink(p->path);
	}
	unit_power_off(u);
	usbdev_fini(&p->dev);
	return false;
}

static void bus_unplug(struct bus *self, unsigned port)
{
	struct redir_bus *b = (struct redir_bus *)self;
	struct port *p = &b->ports[port];

	unlink(p->path);
	shutdown(p->listen_fd, SHUT_RDWR);
	port_vanish(p);
	pthread_join(p->thread, NULL);
	close(p->listen_fd);
	unit_power_off(p->dev.unit);
	usbdev_fini(&p->dev);
	memset(p, 0, sizeof *p);
}

bool redir_bus_open(struct redir_bus **ret, const char *dir, unsigned ports, struct why *w)
{
	char absolute[PATH_MAX];

	if (ports < 1 || ports > 999)
		return why_set(w, "a bus has 1 to 999 ports");
	if (mkdir(dir, 0755) != 0 && errno != EEXIST)
		return why_set(w, "%s: %s", dir, strerror(errno));
	struct redir_bus *b = calloc(1, sizeof *b);
	if (b)
		b->ports = calloc(ports + 1, sizeof *b->ports);
	bool ok = b && b->ports;
	if (!ok)
		why_set(w, "out of memory");
	else if (!realpath(dir, absolute) || strlen(absolute) >= sizeof b->dir)
		ok = why_set(w, "%s: no place for sockets; its path may have %zu bytes", dir, sizeof b->dir - 1);
	if (!ok) {
		redir_bus_close(b);
		return false;
	}
	strcpy(b->dir, absolute);
	b->bus = (struct bus){ .ports = ports, .plug = bus_plug, .unplug = bus_unplug, .path = bus_path };
	*ret = b;
	return true;
}

void redir_bus_close(struct redir_bus *b)
{
	if (!b)
		return;
	free(b->ports);
	free(b);
}

struct bus *redir_bus_bus(struct redir_bus *b)
{
	return &b->bus;
}
