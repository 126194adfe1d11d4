/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/certs/hsm.h"
#include "station/base/clock.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS 20000

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "hsm: %s\n", what);
	abort();
}

int hsm_shell(const struct hsm *h, const char *fmt, ...)
{
	char command[1024];
	int n = snprintf(command, sizeof(command), "exec >>'%s/log' 2>&1; export SOFTHSM2_CONF='%s/hsm.conf'; cd '%s'; ", h->dir, h->dir,
			 h->dir);
	va_list ap;
	va_start(ap, fmt);
	int m = vsnprintf(command + n, sizeof(command) - (size_t)n, fmt, ap);
	va_end(ap);
	must(n + m < (int)sizeof(command), "command too long");
	int status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	must(f && fchmod(fileno(f), 0600) == 0 && fputs(text, f) >= 0 && fclose(f) == 0, path);
}

/* It may be there before anybody listens. */
static bool somebody_listens(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	bool connected = fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
	if (fd >= 0)
		close(fd);
	return connected;
}

void hsm_put_back(struct hsm *h)
{
	unlink(h->socket);
	h->server = fork();
	must(h->server >= 0, "fork");
	if (h->server == 0) {
		char conf[96];
		int quiet = open("/dev/null", O_WRONLY);
		snprintf(conf, sizeof(conf), "%s/hsm.conf", h->dir);
		setenv("SOFTHSM2_CONF", conf, 1);
		setenv("SHIM_DIR", h->dir, 1);
		unsetenv("LD_PRELOAD");
		setpgid(0, 0);
		dup2(quiet, STDOUT_FILENO);
		execlp("p11-kit", "p11-kit", "server", "-f", "-n", h->socket, "-p",
		       h->module ? h->module : "/usr/lib/softhsm/libsofthsm2.so", "pkcs11:", NULL);
		_exit(127);
	}
	setpgid(h->server, h->server);
	for (int64_t until = clock_steady_ms() + START_MS; !somebody_listens(h->socket); clock_sleep_ms(5))
		must(clock_left_ms(until) > 0, "p11-kit server does not start");
}

void hsm_pull(struct hsm *h)
{
	if (h->server <= 0)
		return;
	kill(-h->server, SIGKILL);
	waitpid(h->server, NULL, 0);
	h->server = 0;
	unlink(h->socket);
}

void hsm_open(struct hsm *h)
{
	char conf[160], path[96];
	memset(h, 0, sizeof(*h));
	strcpy(h->dir, "/tmp/station-hsm-XXXXXX");
	must(mkdtemp(h->dir) != NULL, "mkdtemp");
	snprintf(path, sizeof(path), "%s/hsm.conf", h->dir);
	snprintf(conf, sizeof(conf), "directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n", h->dir);
	write_text(path, conf);
	snprintf(path, sizeof(path), "%s/tokens", h->dir);
	must(mkdir(path, 0700) == 0, path);
	snprintf(h->socket, sizeof(h->socket), "%s/p11.sock", h->dir);
	snprintf(h->pin, sizeof(h->pin), "file:%s/pin", h->dir);
	snprintf(h->tries, sizeof(h->tries), "%s/token.pin", h->dir);
	write_text(h->pin + strlen("file:"), HSM_PIN);
	h->setup = (struct token_setup){.socket = h->socket, .uri = "pkcs11:token=station", .pin = h->pin, .memory_path = h->tries};
	must(hsm_shell(h, "softhsm2-util --init-token --free --label station --pin " HSM_PIN " --so-pin 4321") == 0, "init-token");
	must(hsm_shell(h, "softhsm2-util --init-token --free --label other --pin 9999 --so-pin 4321") == 0, "init-token");
}

void hsm_close(struct hsm *h)
{
	char command[128];
	hsm_pull(h);
	snprintf(command, sizeof(command), "rm -rf '%s'", h->dir);
	must(system(command) == 0, "rm");
}

void hsm_make_key(struct hsm *h, const char *token, const char *kind, const char *label, const char *id)
{
	bool rsa = !strncmp(kind, "RSA-", 4);
	must(hsm_shell(h, "openssl genpkey -algorithm %s -pkeyopt %s%s -out new.pem && softhsm2-util --import new.pem --token %s --label %s"
		       " --id %s --pin %s && rm new.pem", rsa ? "RSA" : "EC", rsa ? "rsa_keygen_bits:" : "ec_paramgen_curve:",
		       rsa ? kind + 4 : kind, token, label, id, strcmp(token, "other") ? HSM_PIN : "9999") == 0, "importing a key");
}
