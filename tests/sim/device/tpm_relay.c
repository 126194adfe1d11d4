/* SPDX-License-Identifier: Apache-2.0 */
#include "tpm_relay.h"

#include "frame.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TPM_HEADER 10

/* The descriptor that swtpm finds its user at. */
#define TPM_CHILD_FD 3

/*
 * The preload of the testbed and of a sanitizer is for us, not for swtpm; neither is our signal mask.
 */
static int relay_spawn(pid_t *pid, int fd, const char *state_dir)
{
	char state[440];
	char name[] = "swtpm", mode[] = "socket", version[] = "--tpm2", state_option[] = "--tpmstate";
	char fd_option[] = "--fd", fd_text[8], flags_option[] = "--flags";
	char flags[] = "not-need-init,startup-clear", log_option[] = "--log", log[] = "file=-";
	char path[] = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
	char *argv[] = { name, mode, version, state_option, state, fd_option, fd_text, flags_option, flags,
		log_option, log, NULL };
	char *env[] = { path, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;

	snprintf(state, sizeof state, "dir=%s", state_dir);
	snprintf(fd_text, sizeof fd_text, "%d", TPM_CHILD_FD);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&actions, 0, 1);
	posix_spawn_file_actions_adddup2(&actions, 0, 2);
	posix_spawn_file_actions_adddup2(&actions, fd, TPM_CHILD_FD);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setpgroup(&attributes, 0); /* a ^C at the terminal is for us alone */
	posix_spawnattr_setflags(&attributes,
		POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	int rc = posix_spawnp(pid, name, &actions, &attributes, argv, env);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

bool tpm_relay_start(struct tpm_relay *t, const char *state_dir, struct why *w)
{
	int pair[2];
	pid_t pid = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return why_set(w, "socketpair: %s", strerror(errno));
	int rc = relay_spawn(&pid, pair[1], state_dir);
	close(pair[1]);
	if (rc != 0) {
		close(pair[0]);
		return why_set(w, "swtpm: %s", strerror(rc));
	}
	t->pid = pid;
	t->fd = pair[0];
	return true;
}

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Reads exactly `len` bytes before the deadline. */
static bool relay_read(int fd, uint8_t *data, size_t len, int64_t deadline_ms, struct why *w)
{
	for (size_t at = 0; at < len;) {
		int64_t left = deadline_ms - now_ms();
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return why_set(w, "the TPM did not answer in time");
		ssize_t n = read(fd, data + at, len - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return why_set(w, "the TPM has gone");
		at += (size_t)n;
	}
	return true;
}

bool tpm_relay_execute(struct tpm_relay *t, const uint8_t *command, size_t len, uint8_t *response,
	size_t room, size_t *ret_len, int timeout_ms, struct why *w)
{
	int64_t deadline = now_ms() + timeout_ms;

	if (t->pid == 0)
		return why_set(w, "the TPM has no power");
	/* A socket buffer takes a whole command, so this send never waits. */
	if (send(t->fd, command, len, MSG_NOSIGNAL) != (ssize_t)len) {
		tpm_relay_kill(t);
		return why_set(w, "the TPM takes no command: %s", strerror(errno));
	}
	bool ok = relay_read(t->fd, response, TPM_HEADER, deadline, w);
	size_t size = ok ? get_u32(response + 2) : 0;
	if (ok && (size < TPM_HEADER || size > room))
		ok = why_set(w, "the TPM answered a length of %zu", size);
	ok = ok && relay_read(t->fd, response + TPM_HEADER, size - TPM_HEADER, deadline, w);
	if (!ok)
		tpm_relay_kill(t); /* its next answer would be taken for that of another command */
	*ret_len = size;
	return ok;
}

void tpm_relay_kill(struct tpm_relay *t)
{
	if (t->pid > 0)
		kill(t->pid, SIGKILL);
}

void tpm_relay_stop(struct tpm_relay *t)
{
	if (t->pid <= 0)
		return;
	tpm_relay_kill(t);
	while (waitpid(t->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(t->fd);
	memset(t, 0, sizeof *t);
}
