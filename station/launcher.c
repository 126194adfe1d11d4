/* SPDX-License-Identifier: Apache-2.0 */
#include "station/launcher.h"
#include "certs/verifier.h"
#include "certs/warm.h"
#include "drivers/sandbox.h"
#include "drivers/serial.h"
#include "drivers/wrap.h"
#include "station/signer_settings.h"
#include "station/base/clock.h"
#include "station/base/lockdown.h"
#include "station/base/log.h"
#include "station/base/text.h"
#include "station/base/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define JOBS_MAX (2 * CONFIG_SLOTS_MAX)
#define SIGNER_END_MS 2000

enum { ASK_SIGNER = 1, ASK_JOB, REPORT_ENDED };

enum role { ROLE_DRIVER, ROLE_VERIFIER, ROLE_COUNT };
static const char *const role_names[ROLE_COUNT] = {"driver", "verifier"};

struct ask_job {
	char node[64];
	char driver[128];
	int32_t profile;
};

struct report {
	int32_t role;
	int32_t status;		/* as waitpid gives it */
};

/* A job as the launcher knows it. report < 0: the row is free. */
struct launched {
	int report;
	pid_t pid[ROLE_COUNT];	/* 0 once reaped */
};

struct office {
	const struct config *config;
	int line, signals;
	pid_t self, signer;
	struct launched job[JOBS_MAX];
};

/* ---- in the launcher ---- */

/* In a child just forked: lets go of what the launcher holds. */
static void become_child(struct office *o, const char *name)
{
	struct err e = {0};
	prctl(PR_SET_NAME, name, 0, 0, 0);
	log_setup(name + 3, LOG_LEVEL_INFO);
	if (!lockdown_die_with_parent(o->self, &e))
		_exit(1);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	close(o->line);
	close(o->signals);
	for (size_t i = 0; i < JOBS_MAX; i++)
		if (o->job[i].report >= 0)
			close(o->job[i].report);
}

/* A unit's USB node, or the tty that the kernel made of it. */
static bool device_open(const char *spec, const char *node, int *ret_fd, struct err *e)
{
	const struct driver *real = driver_real(spec);
	if (!real)
		return err_set(e, E_NO_DRIVER, "no driver %s", spec);
	if (real->tty)
		return serial_open(node, ret_fd, e);
	*ret_fd = open(node, O_RDWR | O_CLOEXEC);
	return *ret_fd >= 0 || err_errno(e, errno == ENODEV || errno == ENOENT ? E_USB_GONE : E_USB_OPEN, "opening %s", node);
}

/* STATE/FOLDER/NAME, made where it is not. */
static bool trial_file(const struct config *config, const char *folder, const char *name, int flags, int *ret_fd, struct err *e)
{
	char path[PATH_MAX], dir[PATH_MAX];
	if (!config_state_path(config, folder, dir, sizeof(dir), e))
		return false;
	if (mkdir(dir, 0750) < 0 && errno != EEXIST)
		return err_errno(e, E_FILE, "making %s", dir);
	int len = snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (len < 0 || (size_t)len >= sizeof(path))
		return err_set(e, E_FILE, "%s is too long", dir);
	*ret_fd = open(path, flags | O_CREAT | O_CLOEXEC, 0640);
	return *ret_fd >= 0 || err_errno(e, E_FILE, "making %s", path);
}

/* What a wrapper of the driver reads or writes: the capture to replay; a new one, STATE/captures/TIME-NODE.txt; where a fault that
 * is to strike once keeps that it did. One of them: they cannot be had together. */
static bool wrapper_file(const struct config *config, const struct ask_job *ask, int *ret_fd, struct err *e)
{
	char args[PATH_MAX], name[160];
	const char *node = strrchr(ask->node, '/');
	if (wrap_args(ask->driver, "replay", args, sizeof(args))) {
		*ret_fd = open(args, O_RDONLY | O_CLOEXEC);
		return *ret_fd >= 0 || err_errno(e, E_CAPTURE, "opening %s", args);
	}
	snprintf(name, sizeof(name), "%lld-%d-%s.txt", (long long)clock_wall_ms(), (int)getpid(), node ? node + 1 : "unit");
	if (wrap_args(ask->driver, "record", args, sizeof(args)))
		return trial_file(config, "captures", name, O_WRONLY | O_EXCL, ret_fd, e);
	if (wrap_once(ask->driver, args, sizeof(args)))
		return trial_file(config, "faults", args, O_RDWR, ret_fd, e);
	return true;
}

/* Opens the device while nothing of it was read yet: so a failure of that is told on the report socket, and is believed. */
_Noreturn static void run_driver(const struct config *config, const struct ask_job *ask, int line, int verifier, int report)
{
	struct err e = {0}, ignored = {0};
	const struct driver *driver = driver_find(ask->driver);
	struct driver_port port = {.fd = -1, .path = ask->node, .spec = ask->driver, .file = -1};
	if (!driver)
		err_set(&e, E_NO_DRIVER, "no driver %s", ask->driver);
	if (!driver || !wrapper_file(config, ask, &port.file, &e) || !device_open(ask->driver, ask->node, &port.fd, &e))
		_exit(wire_send_err(report, &e, clock_steady_ms() + 1000, &ignored) ? 1 : 2);
	close(report);
	sandbox_child(driver, &port, line, verifier);
}

_Noreturn static void run_verifier(const struct config *config, const struct ask_job *ask, int line, int driver)
{
	const struct config_profile *p = &config->profile[ask->profile];
	struct verifier_policy policy = {
		.roots = p->ek_roots, .root_count = p->ek_root_count,
		.intermediates = p->ek_intermediates, .intermediate_count = p->ek_intermediate_count,
		.need_ek_cert = p->need_ek_cert, .storage_key = p->attestation == ATTEST_TPM,
	};
	verifier_child(line, driver, &policy);
}

static pid_t fork_role(struct office *o, enum role role, const struct ask_job *ask, const int fds[3], const int pair[2])
{
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	become_child(o, role == ROLE_DRIVER ? "st-driver" : "st-verifier");
	close(fds[role == ROLE_DRIVER ? 1 : 0]);
	close(pair[role == ROLE_DRIVER ? 1 : 0]);
	if (role == ROLE_DRIVER)
		run_driver(o->config, ask, fds[0], pair[0], fds[2]);
	close(fds[2]);
	run_verifier(o->config, ask, fds[1], pair[1]);
}

/* fds: the children's ends of driver and verifier socket, and the launcher's end of the report socket. */
static void launch_job(struct office *o, const struct ask_job *ask, const int fds[3])
{
	struct launched *row = NULL;
	struct err e = {0};
	int pair[2] = {-1, -1};
	for (size_t i = 0; i < JOBS_MAX && !row; i++)
		if (o->job[i].report < 0)
			row = &o->job[i];
	if (!row || !wire_pair(pair, &e)) {
		log_error("no room for another job");
		close(fds[2]);
		return;
	}
	for (int role = 0; role < ROLE_COUNT; role++) {
		pid_t pid = fork_role(o, role, ask, fds, pair);
		row->pid[role] = pid > 0 ? pid : 0;
		if (pid < 0)
			log_error("fork: %s", strerror(errno));
	}
	row->report = fds[2];
	close(pair[0]);
	close(pair[1]);
}

/* There is one signer at a time: one that hangs would keep its memory's file locked. It is given a moment to end by itself, since a
 * signer that is killed forfeits what it leased of an order. */
static void end_signer(struct office *o)
{
	if (o->signer <= 0)
		return;
	for (int64_t until_ms = clock_steady_ms() + SIGNER_END_MS; clock_left_ms(until_ms) > 0; clock_sleep_ms(2))
		if (waitpid(o->signer, NULL, WNOHANG) == o->signer) {
			o->signer = 0;
			return;
		}
	kill(o->signer, SIGKILL);
	while (waitpid(o->signer, NULL, 0) < 0 && errno == EINTR)
		continue;
	o->signer = 0;
}

static void launch_signer(struct office *o, int fd)
{
	end_signer(o);
	pid_t pid = fork();
	if (pid > 0)
		o->signer = pid;
	if (pid != 0)
		return;
	become_child(o, "st-signer");
	struct signer_settings settings;
	struct err e = {0}, ignored = {0};
	if (!signer_settings_of(o->config, &settings, &e))
		_exit(wire_send_err(fd, &e, clock_steady_ms() + 1000, &ignored) ? 1 : 2);
	signer_child(fd, &settings.setup);
}

static void end_job(struct launched *row)
{
	for (int role = 0; role < ROLE_COUNT; role++)
		if (row->pid[role])
			kill(row->pid[role], SIGKILL);
	close(row->report);
	row->report = -1;
}

static void reap(struct office *o)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == o->signer) {
			log_warn("signer ended, status %d", status);
			o->signer = 0;	/* the number may be another process's soon */
		}
		for (size_t i = 0; i < JOBS_MAX; i++) {
			for (int role = 0; role < ROLE_COUNT; role++) {
				if (o->job[i].pid[role] != pid)
					continue;
				struct report r = {role, status};
				struct err ignored = {0};
				o->job[i].pid[role] = 0;
				if (o->job[i].report >= 0 &&
				    !wire_send(o->job[i].report, REPORT_ENDED, &r, sizeof(r), clock_steady_ms(), &ignored))
					log_debug("nobody reads the report of %d", (int)pid);
			}
		}
	}
}

static bool serve_line(struct office *o)
{
	struct wire_msg m;
	struct err e = {0};
	int fds[WIRE_FDS_MAX];
	size_t count = 0;
	if (!wire_recv_fds(o->line, &m, fds, &count, clock_steady_ms() + 1000, &e))
		return false;
	if (m.type == ASK_JOB && m.len == sizeof(struct ask_job) && count == 3) {
		struct ask_job ask;
		memcpy(&ask, m.data, sizeof(ask));
		launch_job(o, &ask, fds);
		count = 2;	/* the report socket stays */
	} else if (m.type == ASK_SIGNER && count == 1) {
		launch_signer(o, fds[0]);
	}
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
	return true;
}

/* One round of waiting; false when the line has ended. */
static bool serve(struct office *o)
{
	struct pollfd p[2 + JOBS_MAX] = {{o->line, POLLIN, 0}, {o->signals, POLLIN, 0}};
	for (size_t i = 0; i < JOBS_MAX; i++)
		p[2 + i] = (struct pollfd){o->job[i].report, POLLIN, 0};
	if (poll(p, COUNT_OF(p), -1) < 0)
		return errno == EINTR;
	if (p[1].revents) {
		struct signalfd_siginfo info;
		if (read(o->signals, &info, sizeof(info)) > 0)
			reap(o);
	}
	for (size_t i = 0; i < JOBS_MAX; i++)
		if (p[2 + i].fd >= 0 && p[2 + i].revents)
			end_job(&o->job[i]);	/* the line never writes there: readable means closed */
	return !p[0].revents || serve_line(o);
}

_Noreturn static void launcher_main(const struct config *config, int line, pid_t parent)
{
	struct err e = {0};
	sigset_t set;
	struct office o = {.config = config, .line = line, .self = getpid()};
	for (size_t i = 0; i < JOBS_MAX; i++)
		o.job[i].report = -1;
	prctl(PR_SET_NAME, "st-launcher", 0, 0, 0);
	log_setup("launcher", LOG_LEVEL_INFO);
	if (!lockdown_die_with_parent(parent, &e) || !lockdown_no_core(&e))
		_exit(1);
	/* The terminal's Ctrl-C is for the line, which ends its children in order. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	o.signals = signalfd(-1, &set, SFD_CLOEXEC);
	lockdown_warm();
	certs_warm();
	while (serve(&o))
		continue;
	for (size_t i = 0; i < JOBS_MAX; i++)
		if (o.job[i].report >= 0)
			end_job(&o.job[i]);
	end_signer(&o);
	_exit(0);
}

/* ---- in the line ---- */

bool launcher_start(const struct config *config, struct launcher *ret, struct err *e)
{
	int pair[2];
	pid_t parent = getpid();
	if (!wire_pair(pair, e))
		return false;
	pid_t pid = fork();
	if (pid < 0)
		return err_errno(e, E_FILE, "fork");
	if (pid == 0) {
		close(pair[0]);
		launcher_main(config, pair[1], parent);
	}
	close(pair[1]);
	*ret = (struct launcher){pair[0], pid};
	return true;
}

void launcher_stop(struct launcher *l)
{
	if (!l || l->pid <= 0)
		return;
	close(l->fd);
	while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	*l = (struct launcher){-1, 0};
}

/* A launcher that does not take a request is a matter for the line, not for one unit. */
static bool lost(struct err *e, const char *words)
{
	struct err cause = *e;
	err_clear(e);
	return err_native(e, cause.code == E_CHILD_LOST || cause.code == E_CHILD_SILENT ? E_LAUNCHER : cause.code, cause.native,
			  "%s: %s", words, cause.what);
}

bool launcher_lives(const struct launcher *l, struct err *e)
{
	siginfo_t info = {0};
	/* WNOWAIT: launcher_stop still finds it. */
	if (waitid(P_PID, (id_t)l->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0)
		return true;
	return err_set(e, E_LAUNCHER, "the launcher has ended");
}

bool launcher_signer(const struct launcher *l, int *ret_fd, struct err *e)
{
	int pair[2];
	if (!wire_pair(pair, e))
		return false;
	bool ok = wire_send_fds(l->fd, ASK_SIGNER, NULL, 0, &pair[1], 1, clock_steady_ms() + 5000, e);
	close(pair[1]);
	if (!ok) {
		close(pair[0]);
		return lost(e, "asking the launcher for a signer");
	}
	*ret_fd = pair[0];
	return true;
}

bool launcher_job(const struct launcher *l, const char *node, const char *driver, int profile, struct children *ret,
		  struct err *e)
{
	int pair[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
	struct ask_job ask = {.profile = profile};
	bool ok = TEXT_COPY(ask.node, node, e) && TEXT_COPY(ask.driver, driver, e) && wire_pair(pair[0], e) &&
		  wire_pair(pair[1], e) && wire_pair(pair[2], e);
	int theirs[3] = {pair[0][1], pair[1][1], pair[2][1]};
	ok = ok && wire_send_fds(l->fd, ASK_JOB, &ask, sizeof(ask), theirs, 3, clock_steady_ms() + 5000, e);
	*ret = (struct children){pair[0][0], pair[1][0], pair[2][0]};
	for (int i = 0; i < 3; i++)
		if (theirs[i] >= 0)
			close(theirs[i]);
	if (ok)
		return true;
	children_fini(ret);
	return lost(e, "asking the launcher for a job");
}

/* wire_expect's own errors; any other one was said by the other side. */
static bool is_of_the_wire(enum err_code code)
{
	return code == E_CHILD_LOST || code == E_CHILD_SILENT || code == E_WIRE;
}

void children_cause(const struct children *c, struct err *e)
{
	struct report r;
	struct err said = {0};
	if (!wire_expect(c->report, REPORT_ENDED, &r, sizeof(r), clock_steady_ms() + 200, &said)) {
		if (!is_of_the_wire(said.code))
			*e = said;
		return;
	}
	if (r.role < 0 || r.role >= ROLE_COUNT)
		return;
	if (WIFSIGNALED(r.status))
		err_in(e, "%s child killed by signal %d", role_names[r.role], WTERMSIG(r.status));
	else
		err_in(e, "%s child ended with %d", role_names[r.role], WEXITSTATUS(r.status));
}

void children_fini(struct children *c)
{
	int *fds[] = {&c->driver, &c->verifier, &c->report};
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}
