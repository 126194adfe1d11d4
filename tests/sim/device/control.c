/* SPDX-License-Identifier: Apache-2.0 */
#include "control.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS_MAX 16
#define LINE_SIZE 512
#define ANSWER_SIZE 16384
#define WORDS_MAX 5

struct client {
	int fd;
	size_t len;
	char line[LINE_SIZE];
};

struct answer {
	char text[ANSWER_SIZE];
	bool quit;
};

static bool cmd_plug(struct rack *r, char **word, struct answer *a, struct why *w)
{
	struct seat *s;
	return rack_find(r, word[1], &s, w) && rack_plug(r, s, (unsigned)atoi(word[2]), w);
}

static bool cmd_unplug(struct rack *r, char **word, struct answer *a, struct why *w)
{
	struct seat *s;
	if (!rack_find(r, word[1], &s, w))
		return false;
	rack_unplug(r, s);
	return true;
}

static bool cmd_unplug_all(struct rack *r, char **word, struct answer *a, struct why *w)
{
	for (size_t i = 0; i < r->count; i++)
		rack_unplug(r, r->seats[i]);
	return true;
}

static bool seat_is_closed(const struct seat *s)
{
	char path[500];
	snprintf(path, sizeof path, "%s/closed", s->unit.dir);
	return access(path, F_OK) == 0;
}

static bool cmd_list(struct rack *r, char **word, struct answer *a, struct why *w)
{
	int at = snprintf(a->text, sizeof a->text, "%zu", r->count);
	for (size_t i = 0; i < r->count && at < (int)sizeof a->text - 200; i++) {
		const struct seat *s = r->seats[i];
		char path[32] = "-";
		if (s->port)
			r->bus->path(r->bus, s->port, path, sizeof path);
		at += snprintf(a->text + at, sizeof a->text - (size_t)at, " %s:%u:%s:%s", s->name, s->port, path,
			seat_is_closed(s) ? "closed" : "open");
	}
	return true;
}

static bool cmd_stats(struct rack *r, char **word, struct answer *a, struct why *w)
{
	struct seat *s;
	if (!rack_find(r, word[1], &s, w))
		return false;
	unit_stats(&s->unit, a->text, sizeof a->text);
	return true;
}

static bool cmd_knob(struct rack *r, char **word, struct answer *a, struct why *w)
{
	struct seat *s;
	return rack_find(r, word[1], &s, w) && unit_knob(&s->unit, word[2], word[3], w);
}

static bool cmd_quit(struct rack *r, char **word, struct answer *a, struct why *w)
{
	a->quit = true;
	return true;
}

static const struct {
	const char *name;
	int words;
	bool (*run)(struct rack *r, char **word, struct answer *a, struct why *w);
} commands[] = {
	{ "plug", 3, cmd_plug },
	{ "unplug", 2, cmd_unplug },
	{ "unplug-all", 1, cmd_unplug_all },
	{ "list", 1, cmd_list },
	{ "stats", 2, cmd_stats },
	{ "knob", 4, cmd_knob },
	{ "quit", 1, cmd_quit },
};

static bool line_execute(struct rack *r, char *line, struct answer *a, struct why *w)
{
	char *word[WORDS_MAX + 1] = { 0 }, *rest = NULL;
	int n = 0;

	for (char *p = strtok_r(line, " \t\r", &rest); p && n <= WORDS_MAX; p = strtok_r(NULL, " \t\r", &rest))
		word[n++] = p;
	for (size_t i = 0; n && i < sizeof commands / sizeof *commands; i++)
		if (strcmp(word[0], commands[i].name) == 0)
			return n == commands[i].words ? commands[i].run(r, word, a, w)
				: why_set(w, "%s takes %d words", word[0], commands[i].words - 1);
	return why_set(w, "no such command: %s", n ? word[0] : "");
}

/* Executes every whole line that has come. False: the client has gone, or is no client of ours. */
static bool client_read(struct client *c, struct rack *r, bool *quit)
{
	char *end;
	ssize_t n = read(c->fd, c->line + c->len, sizeof c->line - c->len);
	if (n <= 0)
		return false;
	c->len += (size_t)n;
	while ((end = memchr(c->line, '\n', c->len))) {
		static struct answer a; /* large, and there is one loop */
		struct why why;
		*end = 0;
		memset(&a, 0, sizeof a);
		bool ok = line_execute(r, c->line, &a, &why);
		*quit = *quit || a.quit;
		int said = dprintf(c->fd, "%s%s%s\n", ok ? "ok" : "error ", ok && a.text[0] ? " " : "",
			ok ? a.text : why.text);
		c->len -= (size_t)(end + 1 - c->line);
		memmove(c->line, end + 1, c->len);
		if (said < 0)
			return false;
	}
	return c->len < sizeof c->line;
}

static bool listen_at(struct control *c, const char *path, struct why *w)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof address.sun_path)
		return why_set(w, "%s: too long for a socket", path);
	strcpy(address.sun_path, path);
	strcpy(c->path, path);
	unlink(path);
	c->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->listen_fd < 0 || bind(c->listen_fd, (struct sockaddr *)&address, sizeof address) != 0
			|| listen(c->listen_fd, CLIENTS_MAX) != 0)
		return why_set(w, "%s: %s", path, strerror(errno));
	return true;
}

static void loop_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGCHLD);
}

bool control_open(struct control *c, const char *path, struct why *w)
{
	sigset_t signals;

	memset(c, 0, sizeof *c);
	c->listen_fd = -1;
	loop_signals(&signals);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	c->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (c->signal_fd < 0)
		return why_set(w, "signalfd: %s", strerror(errno));
	return path ? listen_at(c, path, w) : true;
}

void control_close(struct control *c)
{
	if (c->listen_fd >= 0) {
		close(c->listen_fd);
		unlink(c->path);
	}
	close(c->signal_fd);
	memset(c, 0, sizeof *c);
}

void control_release_signals(void)
{
	sigset_t signals;
	loop_signals(&signals);
	sigprocmask(SIG_UNBLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_DFL);
}

static void client_accept(struct control *c, struct client *clients, int *count)
{
	int fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (*count == CLIENTS_MAX) {
		close(fd);
		return;
	}
	clients[*count].len = 0;
	clients[(*count)++].fd = fd;
}

/* True when the program's time is up. */
static bool signal_take(struct control *c, pid_t child, int *status)
{
	struct signalfd_siginfo info;
	bool end = false;
	int wait_status;

	while (read(c->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
		end = end || info.ssi_signo != SIGCHLD;
	/* Signals merge, so a dead child is looked for whatever came; swtpm's ends are the relays' to wait for. */
	if (child && waitpid(child, &wait_status, WNOHANG) == child) {
		*status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
		return true;
	}
	if (end && child) {
		kill(child, SIGTERM); /* and go on until it has ended */
		return false;
	}
	return end;
}

int control_run(struct control *c, struct rack *r, pid_t child)
{
	struct client clients[CLIENTS_MAX];
	int count = 0, status = 0;
	bool quit = false;

	while (!quit) {
		struct pollfd p[3 + CLIENTS_MAX] = {
			{ .fd = c->signal_fd, .events = POLLIN },
			{ .fd = r->event_fd, .events = POLLIN },
			{ .fd = c->listen_fd, .events = POLLIN },
		};
		for (int i = 0; i < count; i++)
			p[3 + i] = (struct pollfd){ .fd = clients[i].fd, .events = POLLIN };
		if (poll(p, 3 + (nfds_t)count, -1) < 0 && errno != EINTR)
			break;
		if (p[1].revents)
			rack_settle(r);
		for (int i = count; i-- > 0;) {
			if (!p[3 + i].revents || client_read(&clients[i], r, &quit))
				continue;
			close(clients[i].fd);
			clients[i] = clients[--count];
		}
		if (quit && child) {
			kill(child, SIGTERM); /* its end will be ours */
			quit = false;
		}
		if (p[0].revents)
			quit = signal_take(c, child, &status) || quit;
		if (p[2].revents)
			client_accept(c, clients, &count);
	}
	while (count > 0)
		close(clients[--count].fd);
	return status;
}
