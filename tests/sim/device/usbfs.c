/* SPDX-License-Identifier: Apache-2.0 */
#include "usbfs.h"

#include "usbfs_caller.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static bool listen_at(struct usbfs_node *n, const char *path, struct why *w)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof address.sun_path)
		return why_set(w, "%s: too long for a socket", path);
	strcpy(address.sun_path, path);
	n->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (n->listen_fd < 0)
		return why_set(w, "socket: %s", strerror(errno));
	unlink(path);
	if (bind(n->listen_fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(n->listen_fd, 16) != 0) {
		close(n->listen_fd);
		return why_set(w, "%s: %s", path, strerror(errno));
	}
	strcpy(n->path, path);
	return true;
}

static void node_unref(struct usbfs_node *n)
{
	pthread_mutex_lock(&n->dev.lock);
	bool last = --n->refs == 0;
	pthread_mutex_unlock(&n->dev.lock);
	if (!last)
		return;
	usbdev_fini(&n->dev);
	free(n);
}

static void *caller_thread(void *arg)
{
	struct usbfs_caller *c = arg;
	struct usbfs_node *n = c->node;
	caller_serve(c);
	node_unref(n);
	return NULL;
}

static void caller_start(struct usbfs_node *n, int fd)
{
	pthread_t thread;
	struct usbfs_caller *c = caller_new(n, fd);

	if (!c) {
		close(fd);
		return;
	}
	pthread_mutex_lock(&n->dev.lock);
	n->refs++;
	pthread_mutex_unlock(&n->dev.lock);
	if (pthread_create(&thread, NULL, caller_thread, c) == 0) {
		pthread_detach(thread);
		return;
	}
	caller_free(c);
	node_unref(n);
}

static void *accept_thread(void *arg)
{
	struct usbfs_node *n = arg;
	int fd;

	while ((fd = accept4(n->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0 || errno == EINTR || errno == ECONNABORTED)
		if (fd >= 0)
			caller_start(n, fd);
	return NULL;
}

bool usbfs_open(struct usbfs_node **ret, struct unit *u, const char *socket_path, unsigned devnum,
	struct why *w)
{
	struct usbfs_node *n = calloc(1, sizeof *n);

	if (!n)
		return why_set(w, "out of memory");
	n->devnum = devnum;
	n->refs = 1;
	usbdev_init(&n->dev, u, caller_done);
	if (!listen_at(n, socket_path, w)) {
		node_unref(n);
		return false;
	}
	int rc = pthread_create(&n->acceptor, NULL, accept_thread, n);
	if (rc != 0) {
		close(n->listen_fd);
		unlink(n->path);
		node_unref(n);
		return why_set(w, "thread: %s", strerror(rc));
	}
	*ret = n;
	return true;
}

void usbfs_remove(struct usbfs_node *n)
{
	usbdev_remove(&n->dev);
}

void usbfs_release(struct usbfs_node *n)
{
	unlink(n->path);
	shutdown(n->listen_fd, SHUT_RDWR); /* ends the accept that waits */
	pthread_join(n->acceptor, NULL);
	close(n->listen_fd);
	node_unref(n);
}

struct usbdev *usbfs_dev(struct usbfs_node *n)
{
	return &n->dev;
}
