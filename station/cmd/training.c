/* SPDX-License-Identifier: Apache-2.0 */
/* station training: the line without anything real (docs/training.md). This process prepares it, and then only waits: the service
 * and the line, and with --console the screen, are programs of their own, which end with it. */
#include "station/base/clock.h"
#include "station/base/lockdown.h"
#include "station/client.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/training.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READY_MS 60000
#define LOOK_AGAIN_MS 100

struct training {
	const struct config *real;
	char config[PATH_MAX];
	pid_t service, line;
	bool console, json;
};

/* What this process hears of: its children's ends, and that it is to end. */
static void listen_to(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
}

/* In a child: this program again, as another verb. */
_Noreturn static void become(pid_t parent, const char *const argv[])
{
	sigset_t none;
	struct err e = {0};
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (lockdown_die_with_parent(parent, &e))
		execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
	_exit(EXIT_FAILED);
}

/* A line beside a console says what it says to a file. */
static bool be_quiet(const struct training *t)
{
	char path[PATH_MAX];
	struct err e = {0};
	if (!training_path(t->real, "line.log", path, sizeof(path), &e))
		return false;
	int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	return log >= 0 && dup2(log, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0 && setpgid(0, 0) == 0;
}

static bool start_line(struct training *t, struct err *e)
{
	const char *const argv[] = {"station", "run", "--config", t->config, "--training", t->json ? "--json" : NULL, NULL};
	pid_t parent = getpid();
	t->line = fork();
	if (t->line == 0) {
		if (t->console && !be_quiet(t))
			_exit(EXIT_FAILED);
		become(parent, argv);
	}
	return t->line > 0 || err_errno(e, E_FILE, "fork");
}

/* Until the line ends; whatever asks this process to end asks the line. */
static int wait_for_line(const struct training *t)
{
	sigset_t set;
	int status = 0, number = 0;
	listen_to(&set);
	while (waitpid(t->line, &status, WNOHANG) == 0) {
		sigwait(&set, &number);
		if (number != SIGCHLD)
			kill(t->line, SIGTERM);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILED;
}

static bool line_answers(const struct training *t, struct err *e)
{
	char socket_path[PATH_MAX];
	const struct timespec pause = {0, LOOK_AGAIN_MS * 1000000L};
	int64_t deadline_ms = clock_steady_ms() + READY_MS;
	if (!training_path(t->real, "station.sock", socket_path, sizeof(socket_path), e))
		return false;
	while (clock_steady_ms() < deadline_ms) {
		struct client *c = NULL;
		struct err why = {0};
		if (client_open(socket_path, &c, &why)) {
			client_close(c);
			return true;
		}
		if (waitid(P_PID, (id_t)t->line, &(siginfo_t){0}, WEXITED | WNOHANG | WNOWAIT) < 0)
			break;
		nanosleep(&pause, NULL);
	}
	return err_set(e, E_RUNNING, "the training line says why in line.log beside %s", socket_path);
}

/* The screen in this terminal; the line ends when its reader leaves. */
static bool show_console(const struct training *t, struct err *e)
{
	const char *const argv[] = {"station", "console", "--config", t->config, NULL};
	pid_t parent = getpid();
	if (!line_answers(t, e))
		return false;
	pid_t screen = fork();
	if (screen == 0)
		become(parent, argv);
	if (screen < 0)
		return err_errno(e, E_FILE, "fork");
	waitpid(screen, NULL, 0);
	return true;
}

static int work(struct training *t, struct err *e)
{
	bool ok = start_line(t, e) && (!t->console || show_console(t, e));
	if (t->line <= 0)
		return EXIT_FAILED;
	if (t->console)
		kill(t->line, SIGTERM);
	int code = wait_for_line(t);
	return ok ? code : EXIT_FAILED;
}

static int train(struct training *t, struct err *e)
{
	struct training_service service = {0};
	sigset_t set;
	int lock = -1, code = EXIT_FAILED;
	listen_to(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (training_lock(t->real, &lock, e) && training_prepare(t->real, e) && training_serve(t->real, &service, &t->service, e) &&
	    training_write(t->real, &service, e) && training_path(t->real, "station.conf", t->config, sizeof(t->config), e))
		code = work(t, e);
	if (t->service > 0) {
		kill(t->service, SIGTERM);
		waitpid(t->service, NULL, 0);
	}
	if (lock >= 0)
		close(lock);
	return code;
}

static int training(int argc, char **argv, struct err *e)
{
	const char *path = NULL;
	struct training t = {0};
	struct config *config = NULL;
	const struct command_option options[] = {{"config", &path, NULL}, {"console", NULL, &t.console}, {"json", NULL, &t.json}, {0}};
	if (!command_options(&argc, argv, options, e) || !command_config(path, &config, e))
		return EXIT_FAILED;
	t.real = config;
	int code = train(&t, e);
	config_free(config);
	return code;
}

const struct command training_command = {
	.name = "training",
	.usage = "--config FILE [--console] [--json]",
	.summary = "Run the line without anything real: emulated service, CA and ledger of its own.",
	.run = training,
};
