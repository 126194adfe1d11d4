/* SPDX-License-Identifier: Apache-2.0 */
/* The emulated service of a training line: found, started, waited for. */
#include "station/training.h"
#include "station/base/auto.h"
#include "station/base/clock.h"
#include "station/base/file.h"
#include "station/base/json.h"
#include "station/base/lockdown.h"
#include "station/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANSWERS_MS 20000
#define LOOK_AGAIN_MS 50

/* From the directory of this program: as installed (/usr/bin), and as built. */
static const char *const places[] = {"../lib/station/dps-emulator", "../../tests/sim/dps/dps-emulator"};

static bool find_program(char ret[static PATH_MAX], struct err *e)
{
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len < 0)
		return err_errno(e, E_FILE, "/proc/self/exe");
	self[len] = 0;
	*(strrchr(self, '/') + 1) = 0;
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		int n = snprintf(ret, PATH_MAX, "%s%s", self, places[i]);
		if (n < PATH_MAX && access(ret, X_OK) == 0)
			return true;
	}
	return err_set(e, E_FILE, "no dps-emulator at %s%s", self, places[0]);
}

/* What the program is called with; the root of the training CA is proved there, and every profile's group holds it. */
struct words {
	char program[PATH_MAX], state[PATH_MAX], root[PATH_MAX], log[PATH_MAX];
	char group[CONFIG_PROFILES_MAX][PATH_MAX + 136];
	const char *argv[12 + 2 * CONFIG_PROFILES_MAX];
};

static bool words_of(const struct config *real, struct words *w, struct err *e)
{
	size_t n = 0;
	if (!find_program(w->program, e) || !training_path(real, "dps", w->state, sizeof(w->state), e) ||
	    !training_path(real, "ca/root.pem", w->root, sizeof(w->root), e) || !training_path(real, "dps.log", w->log, sizeof(w->log), e))
		return false;
	const char *const fixed[] = {w->program, "--listen", "127.0.0.1:0", "--state", w->state, "--verified-ca", w->root};
	for (size_t i = 0; i < COUNT_OF(fixed); i++)
		w->argv[n++] = fixed[i];
	for (size_t i = 0; i < real->profile_count; i++) {
		if (!real->profile[i].group[0])
			continue;
		snprintf(w->group[i], sizeof(w->group[i]), "%s=%s", real->profile[i].group, w->root);
		w->argv[n++] = "--group";
		w->argv[n++] = w->group[i];
	}
	return true;
}

/* In the child. */
_Noreturn static void become_service(const struct words *w, pid_t parent)
{
	struct err e = {0};
	setpgid(0, 0);	/* the terminal's Ctrl-C is for the line, which still needs the service then */
	int log = open(w->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (log < 0 || dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0 || !lockdown_die_with_parent(parent, &e))
		_exit(1);
	execv(w->program, (char *const *)(uintptr_t)w->argv);
	_exit(1);
}

static bool take_text(const json_t *said, const char *name, char *out, size_t room, struct err *e)
{
	const char *text;
	return json_get_text(said, name, &text, e) && text_copy(out, room, text, e);
}

/* By its address: not every machine knows a localhost. */
static bool take_url(const json_t *said, struct training_service *ret, struct err *e)
{
	const char *url, *colon;
	if (!json_get_text(said, "url", &url, e))
		return false;
	colon = strrchr(url, ':');
	int len = snprintf(ret->url, sizeof(ret->url), "https://127.0.0.1%s", colon ? colon : "");
	return (colon && len < (int)sizeof(ret->url)) || err_set(e, E_FILE, "the emulated service's url");
}

/* "…;SharedAccessKeyName=NAME;SharedAccessKey=…" of a policy that may do everything: rights are not what is trained. */
static bool take_policy(const struct config *real, const json_t *said, struct training_service *ret, struct err *e)
{
	char path[PATH_MAX];
	const char *connection;
	if (!json_get_text(said, "serviceConnectionString", &connection, e))
		return false;
	const char *name = strstr(connection, "SharedAccessKeyName=");
	const char *key = strstr(connection, "SharedAccessKey=");
	if (!name || !key || sscanf(name, "SharedAccessKeyName=%64[^;]", ret->policy) != 1)
		return err_set(e, E_FILE, "the emulated service's connection string");
	key += strlen("SharedAccessKey=");
	return training_path(real, "secrets/dps-key", path, sizeof(path), e) && file_write_atomic(path, key, strlen(key), 0600, e);
}

/* The control plane, where the line asks whether its CA is proved. */
static bool take_arm(const struct config *real, const json_t *said, struct training_service *ret, struct err *e)
{
	char path[PATH_MAX];
	const char *token;
	const json_t *arm = json_object_get(said, "arm");
	return take_text(arm, "id", ret->arm_id, sizeof(ret->arm_id), e) && json_get_text(arm, "reader", &token, e) &&
	       training_path(real, "secrets/arm-token", path, sizeof(path), e) && file_write_atomic(path, token, strlen(token), 0600, e);
}

static bool take_service(const struct config *real, const char *path, struct training_service *ret, struct err *e)
{
	AUTO(bytes) struct bytes text = {.secret = true};
	AUTO(json) json_t *said = NULL;
	return file_read(path, &text, e) && json_parse((const char *)text.data, text.len, &said, e) &&
	       take_url(said, ret, e) && take_text(said, "idScope", ret->id_scope, sizeof(ret->id_scope), e) &&
	       take_text(said, "ca", ret->ca_file, sizeof(ret->ca_file), e) && take_policy(real, said, ret, e) &&
	       take_arm(real, said, ret, e);
}

/* It writes endpoint.json once it answers. */
static bool wait_for(const char *path, pid_t pid, struct err *e)
{
	const struct timespec pause = {0, LOOK_AGAIN_MS * 1000000L};
	int64_t deadline_ms = clock_steady_ms() + ANSWERS_MS;
	while (access(path, R_OK) < 0) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			return err_set(e, E_FILE, "the emulated service has ended");
		if (clock_steady_ms() > deadline_ms)
			return err_set(e, E_FILE, "the emulated service does not answer");
		nanosleep(&pause, NULL);
	}
	return true;
}

bool training_serve(const struct config *real, struct training_service *ret, pid_t *ret_pid, struct err *e)
{
	struct words w = {0};
	char endpoint[PATH_MAX];
	pid_t parent = getpid();
	if (!words_of(real, &w, e) || !training_path(real, "dps/endpoint.json", endpoint, sizeof(endpoint), e))
		return false;
	if (unlink(endpoint) < 0 && errno != ENOENT)
		return err_errno(e, E_FILE, "removing %s", endpoint);
	*ret_pid = fork();
	if (*ret_pid < 0)
		return err_errno(e, E_FILE, "fork");
	if (*ret_pid == 0)
		become_service(&w, parent);
	return wait_for(endpoint, *ret_pid, e) && take_service(real, endpoint, ret, e);
}
