/* SPDX-License-Identifier: Apache-2.0 */
#include "tty_pty.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

#define SLAVE_NAME 64
#define CLOSED_LOOK_MS 10 /* nothing tells that a terminal was opened */

struct tty_pty {
	struct unit *unit;
	char path[400], slave[SLAVE_NAME];
	pthread_t thread;
	int master, wake;
	_Atomic bool ending;
	bool is_open;
	uint8_t to_host[512], from_host[512];
	size_t to_len, from_len;
};

/* Makes `path` a link to the terminal, in one instant. */
static bool link_set(const char *path, const char *slave)
{
	char temporary[420];
	snprintf(temporary, sizeof temporary, "%s.new", path);
	unlink(temporary);
	return symlink(slave, temporary) == 0 && rename(temporary, path) == 0;
}

/* A new terminal, raw, that nobody has open; its master, or -1. */
static int master_new(char slave[SLAVE_NAME])
{
	struct termios t;
	int once = -1, fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && grantpt(fd) == 0 && unlockpt(fd) == 0 && ptsname_r(fd, slave, SLAVE_NAME) == 0 && tcgetattr(fd, &t) == 0) {
		cfmakeraw(&t);
		/* Until it was opened once, a terminal does not say that nobody has it open. */
		if (tcsetattr(fd, TCSANOW, &t) == 0)
			once = open(slave, O_RDWR | O_NOCTTY | O_CLOEXEC);
	}
	if (once >= 0) {
		close(once);
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Whether somebody has it open. */
static bool is_held(int master)
{
	struct pollfd p = { .fd = master };
	poll(&p, 1, 0);
	return !(p.revents & POLLHUP);
}

/*
 * What an earlier program set on a terminal, that it be the only one above all, stays while the master is open: the next
 * program gets a new one, as a real tty starts anew when it was closed. Unless it was quicker, and has the old one.
 */
static void renew(struct tty_pty *p)
{
	char slave[SLAVE_NAME];
	int fresh = master_new(slave);

	if (fresh >= 0 && link_set(p->path, slave) && !is_held(p->master)) {
		close(p->master);
		p->master = fresh;
		memcpy(p->slave, slave, sizeof slave);
	} else if (fresh >= 0) {
		link_set(p->path, p->slave);
		close(fresh);
	}
}

static void note_open(struct tty_pty *p)
{
	bool held = is_held(p->master);
	if (held && !p->is_open) {
		p->to_len = p->from_len = 0;
		tty_model_opened(&p->unit->tty);
	}
	if (!held && p->is_open)
		renew(p);
	p->is_open = held;
}

static void move_bytes(struct tty_pty *p)
{
	ssize_t n;

	if (!p->from_len && (n = read(p->master, p->from_host, sizeof p->from_host)) > 0)
		p->from_len = (size_t)n;
	size_t taken = p->from_len ? tty_model_out(&p->unit->tty, p->from_host, p->from_len) : 0;
	p->from_len -= taken;
	memmove(p->from_host, p->from_host + taken, p->from_len);
	if (!p->to_len)
		p->to_len = tty_model_in(&p->unit->tty, p->to_host, sizeof p->to_host);
	if (p->to_len && (n = write(p->master, p->to_host, p->to_len)) > 0) {
		p->to_len -= (size_t)n;
		memmove(p->to_host, p->to_host + n, p->to_len);
	}
	if (!p->to_len) /* so that the rest is not left until the next wake */
		p->to_len = tty_model_in(&p->unit->tty, p->to_host, sizeof p->to_host);
}

static void drop_output(struct tty_pty *p)
{
	while (tty_model_in(&p->unit->tty, p->to_host, sizeof p->to_host))
		continue;
}

static void *pump(void *arg)
{
	struct tty_pty *p = arg;
	uint64_t count;

	while (!p->ending) {
		note_open(p);
		if (p->is_open)
			move_bytes(p);
		else
			drop_output(p);
		short events = (short)((p->from_len ? 0 : POLLIN) | (p->to_len ? POLLOUT : 0));
		struct pollfd fds[2] = { { .fd = p->wake, .events = POLLIN }, { .fd = p->is_open ? p->master : -1, .events = events } };
		poll(fds, 2, p->is_open ? 1000 : CLOSED_LOOK_MS);
		if (fds[0].revents && read(p->wake, &count, sizeof count) < 0)
			break;
	}
	close(p->master); /* whoever has the other end gets a hang-up */
	return NULL;
}

bool tty_pty_open(struct tty_pty **ret, struct unit *u, const char *path, struct why *w)
{
	struct tty_pty *p = calloc(1, sizeof *p);
	if (!p)
		return why_set(w, "out of memory");
	p->unit = u;
	snprintf(p->path, sizeof p->path, "%s", path);
	p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->master = master_new(p->slave);
	if (p->wake < 0 || p->master < 0 || !link_set(path, p->slave) || pthread_create(&p->thread, NULL, pump, p) != 0) {
		close(p->master);
		close(p->wake);
		free(p);
		return why_set(w, "%s: no terminal", path);
	}
	*ret = p;
	return true;
}

void tty_pty_wake(struct tty_pty *p)
{
	uint64_t one = 1;
	/* An eventfd that is full is readable too. */
	if (write(p->wake, &one, sizeof one) < 0)
		return;
}

void tty_pty_hang_up(struct tty_pty *p)
{
	p->ending = true;
	tty_pty_wake(p);
}

void tty_pty_close(struct tty_pty *p)
{
	if (!p)
		return;
	tty_pty_hang_up(p);
	pthread_join(p->thread, NULL);
	unlink(p->path);
	close(p->wake);
	free(p);
}
