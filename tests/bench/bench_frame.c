/* SPDX-License-Identifier: Apache-2.0 */
/* A frame of 64 slots, composed and written through ncurses to a terminal of 120x40 that is read, as the console does it: against the
 * same bytes written raw; and the slowest of a hundred while both processors are busy, against the ten frames a second that a console
 * may draw. */
#include "tests/bench/bench.h"
#include "ui/screen.h"
#include "ui/term.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define FRAMES 400
#define SLOTS 64
#define MAY_DRAW 10.0	/* frames a second (ui/app.c) */

/* ---- the console's half: a child whose terminal is the pty ---- */

/* Every frame is another moment of a tray at work, so that most cells change. */
static void next_moment(struct model *m, int frame)
{
	m->reachable = true;
	m->slot_count = SLOTS;
	for (int i = 0; i < SLOTS; i++) {
		struct model_slot *s = &m->slot[i];
		int step = (frame + i) % 16;
		snprintf(s->name, sizeof(s->name), "%02d", i + 1);
		snprintf(s->serial, sizeof(s->serial), "GW-2026-%06d", frame * SLOTS + i);
		snprintf(s->stage, sizeof(s->stage), "%s", step % 2 ? "attest" : "install");
		s->state = step < 12 ? SLOT_WORKING : SLOT_DONE;
		s->verdict = step < 12 ? SLOT_NO_VERDICT : (enum slot_verdict)(step - 11);
		s->stage_index = step;
		s->stage_count = 12;
		s->safe_to_remove = step >= 12;
	}
	m->now_ms = frame * 1000LL;
}

static bool draw_frames(struct term *t, uint64_t *ns)
{
	static struct model m;
	struct view v = {0};
	struct err e = {0};
	for (int i = 0; i < FRAMES; i++) {
		AUTO(canvas) struct canvas c = {0};
		next_moment(&m, i);
		uint64_t began = bench_now_ns();
		if (!canvas_init(&c, 40, 120, false, &e))
			return false;
		screen_draw(screen_table[0], &c, &m, &v);
		term_paint(t, &c);
		ns[i] = bench_now_ns() - began;
	}
	return true;
}

/* The same amount, raw; each frame ended as the console's is, with one write. */
static void write_raw(size_t bytes, uint64_t *ns)
{
	static char block[1 << 16];
	memset(block, 'x', sizeof(block));
	for (int i = 0; i < FRAMES; i++) {
		uint64_t began = bench_now_ns();
		for (size_t sent = 0; sent < bytes;) {
			ssize_t n = write(STDOUT_FILENO, block, bytes - sent);
			sent += n > 0 ? (size_t)n : 0;
		}
		ns[i] = bench_now_ns() - began;
	}
}

/* In the child: draws, or writes `raw` bytes per frame, and gives the times back. */
static int console(int results, size_t raw)
{
	static uint64_t ns[FRAMES];
	struct err e = {0};
	struct term *t = NULL;
	if (raw) {
		write_raw(raw, ns);
	} else {
		if (!term_open(false, false, &t, &e) || !draw_frames(t, ns))
			return 1;
		term_close(t);
	}
	return write(results, ns, sizeof(ns)) == (ssize_t)sizeof(ns) ? 0 : 1;
}

/* ---- the terminal's half ---- */

static pid_t start(int *ret_master, int *ret_results, size_t raw)
{
	int results[2], master = posix_openpt(O_RDWR | O_NOCTTY);
	const struct winsize size = {.ws_row = 40, .ws_col = 120};
	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 || ioctl(master, TIOCSWINSZ, &size) < 0 || pipe(results) < 0)
		return -1;
	pid_t pid = fork();
	if (pid != 0) {
		close(results[1]);
		*ret_master = master;
		*ret_results = results[0];
		return pid;
	}
	setsid();
	int slave = open(ptsname(master), O_RDWR);
	dup2(slave, STDIN_FILENO);
	dup2(slave, STDOUT_FILENO);
	setenv("TERM", "xterm-256color", 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	_exit(console(results[1], raw));
}

/* Reads all that is drawn, as a terminal does; gives how much that was. False if the child failed. */
static bool run(size_t raw, uint64_t ns[static FRAMES], size_t *ret_bytes)
{
	char part[1 << 16];
	int master = -1, results = -1, status = 1;
	size_t got = 0;
	pid_t pid = start(&master, &results, raw);
	*ret_bytes = 0;
	while (pid > 0 && got < FRAMES * sizeof(ns[0])) {
		struct pollfd p[2] = {{.fd = master, .events = POLLIN}, {.fd = results, .events = POLLIN}};
		if (poll(p, 2, 60000) <= 0)
			break;
		ssize_t n = p[0].revents & POLLIN ? read(master, part, sizeof(part)) : 0;
		*ret_bytes += n > 0 ? (size_t)n : 0;
		n = p[1].revents ? read(results, (char *)ns + got, FRAMES * sizeof(ns[0]) - got) : 1;
		got += p[1].revents && n > 0 ? (size_t)n : 0;
		if (n <= 0)
			break;
	}
	close(master);
	close(results);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 && got == FRAMES * sizeof(ns[0]);
}

/* Frames a second, by the frame that this share of all is faster than. */
static double rate(uint64_t ns[static FRAMES], double share)
{
	double sorted[FRAMES];
	for (int i = 0; i < FRAMES; i++)
		sorted[i] = (double)ns[i];
	bench_median(sorted, FRAMES);	/* sorts */
	return 1e9 / sorted[(int)((FRAMES - 1) * share)];
}

static pid_t keep_busy(void)
{
	pid_t pid = fork();
	if (pid == 0)
		for (volatile uint64_t n = 0;; n++)
			continue;
	return pid;
}

static bool measure(bool json)
{
	static uint64_t frame[FRAMES], raw[FRAMES], loaded[FRAMES];
	size_t bytes = 0, ignored;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	pid_t busy[64] = {0};
	if (processors > 64)
		processors = 64;
	if (!run(0, frame, &bytes) || !run(bytes / FRAMES, raw, &ignored))
		return false;
	for (long i = 0; i < processors; i++)
		busy[i] = keep_busy();
	bool ok = run(0, loaded, &ignored);
	for (long i = 0; i < processors; i++) {
		kill(busy[i], SIGKILL);
		waitpid(busy[i], NULL, 0);
	}
	const struct bench rows[] = {
		{"ui.frame_64", rate(frame, 0.5), "frames/s", "its bytes written raw", rate(raw, 0.5), 0},
		{"ui.frame_64_p99", rate(frame, 0.99), "frames/s", "what a console may draw", MAY_DRAW, 1},
		{"ui.frame_64_p99_busy", rate(loaded, 0.99), "frames/s", "what a console may draw", MAY_DRAW, 1},
	};
	for (size_t i = 0; ok && i < COUNT_OF(rows); i++)
		ok = bench_print(&rows[i], json);
	return ok;
}

int main(int argc, char **argv)
{
	return measure(bench_wants_json(argc, argv)) ? 0 : 1;
}
