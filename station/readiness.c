/* SPDX-License-Identifier: Apache-2.0 */
#include "station/readiness.h"
#include "drivers/driver.h"
#include "drivers/usb.h"
#include "station/api/listen.h"
#include "station/base/clock.h"
#include "station/base/file.h"
#include "station/preflight.h"
#include "station/shift/people.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

#define BUS_MS 500
#define MES_MS 3000
#define CA_DAYS 30	/* less is said in time */
#define DAY_MS 86400000

/* A claim of ours: `ret_text` says what was found when it holds. */
struct claim {
	const char *name;
	bool (*holds)(const struct config *c, char ret_text[static 256], struct err *e);
	const char *todo;	/* NULL: the error's own */
};

json_t *ready_row_json(const struct ready_row *row)
{
	return json_pack("{s:s, s:b, s:s, s:s}", "name", row->name, "ok", row->ok, "text", row->text, "todo", row->todo);
}

static bool tell(ready_told *told, void *ctx, const char *name, const char *text, const char *todo, bool ok, const struct err *e)
{
	const struct ready_row row = {name, ok, ok ? text : e->what, ok ? "" : todo ? todo : err_row(e->code)->todo};
	told(ctx, &row);
	return ok;
}

static bool tell_claims(const struct claim *claims, size_t count, const struct config *c, ready_told *told, void *ctx)
{
	bool all = true;
	for (size_t i = 0; i < count; i++) {
		char text[256] = "";
		struct err e = {0};
		bool ok = claims[i].holds(c, text, &e);
		all = tell(told, ctx, claims[i].name, text, claims[i].todo, ok, &e) && all;
	}
	return all;
}

#define FOUND(...) (snprintf(text, 256, __VA_ARGS__), true)

/* ---- machine and files ---- */

static bool clock_is_synchronised(const struct config *c, char text[static 256], struct err *e)
{
	struct timex t = {0};
	(void)c;
	return adjtimex(&t) != TIME_ERROR ? FOUND("the kernel says so") : err_set(e, E_CLOCK, "the kernel says that it is not");
}

static bool people_can_log_in(const struct config *c, char text[static 256], struct err *e)
{
	struct people *people = NULL;
	if (!c->people_file[0])
		return FOUND("nobody has to say who he is ([people] is not configured)");
	bool ok = people_open(c->people_file, &people, e);
	people_close(people);
	return ok && FOUND("%.200s", c->people_file);
}

static bool may_use(const char *path, int how, struct err *e)
{
	struct stat st;
	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
		return err_set(e, E_FILE, "%s is no directory", path);
	return access(path, how) == 0 || err_errno(e, E_FILE, "%s", path);
}

static bool orders_can_be_read(const struct config *c, char text[static 256], struct err *e)
{
	if (!c->lot_required && access(c->orders_dir, F_OK) < 0)
		return FOUND("none are needed ([lots] required = no)");
	return may_use(c->orders_dir, R_OK | X_OK, e) && FOUND("%.200s", c->orders_dir);
}

static bool handover_can_be_written(const struct config *c, char text[static 256], struct err *e)
{
	char copy[PATH_MAX];
	snprintf(copy, sizeof(copy), "%s", c->handover_dir);
	if (access(c->handover_dir, F_OK) == 0)
		return may_use(c->handover_dir, W_OK | X_OK, e) && FOUND("%.200s", c->handover_dir);
	const char *parent = dirname(copy);
	return access(parent, F_OK) < 0 || may_use(parent, W_OK | X_OK, e) ? FOUND("%.200s is made when a lot closes", c->handover_dir)
									   : false;
}

static bool mes_folders_can_be_used(const struct config *c, char text[static 256], struct err *e)
{
	if (!c->folder_out[0])
		return FOUND("no folder is configured");
	return may_use(c->folder_out, W_OK | X_OK, e) && (!c->folder_in[0] || may_use(c->folder_in, R_OK | W_OK | X_OK, e)) &&
	       FOUND("%.200s", c->folder_out);
}

static bool wants_ttys(const struct config *c)
{
	for (size_t i = 0; i < c->profile_count; i++) {
		const struct driver *d = driver_real(c->profile[i].driver);
		if (d && d->tty)
			return true;
	}
	return false;
}

/* A process of this name, as the kernel keeps it (15 characters). */
static bool runs(const char *name)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	bool found = false;
	while (dir && !found && (entry = readdir(dir))) {
		char path[300];
		struct err ignored = {0};
		AUTO(bytes) struct bytes comm = {.max = 64};
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		found = entry->d_name[0] >= '0' && entry->d_name[0] <= '9' && file_read(path, &comm, &ignored) && comm.len &&
			!strncmp(bytes_text(&comm), name, comm.len - 1) && strlen(name) == comm.len - 1;
	}
	if (dir)
		closedir(dir);
	return found;
}

static bool rule_keeps_it_away(void)
{
	static const char *const places[] = {"/etc/udev/rules.d/*station*.rules", "/run/udev/rules.d/*station*.rules",
					     "/usr/lib/udev/rules.d/*station*.rules", "/usr/local/lib/udev/rules.d/*station*.rules"};
	bool found = false;
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		glob_t at = {0};
		if (glob(places[i], 0, NULL, &at) != 0)
			continue;
		for (size_t k = 0; k < at.gl_pathc; k++) {
			struct err ignored = {0};
			AUTO(bytes) struct bytes text = {0};
			found = found || (file_read(at.gl_pathv[k], &text, &ignored) && strstr(bytes_text(&text), "ID_MM_DEVICE_IGNORE"));
		}
		globfree(&at);
	}
	return found;
}

static bool modem_manager_keeps_away(const struct config *c, char text[static 256], struct err *e)
{
	if (!wants_ttys(c))
		return FOUND("no profile here has units on a serial line");
	if (!runs("ModemManager"))
		return FOUND("it does not run");
	return rule_keeps_it_away() ? FOUND("it runs, and udev's rules keep it from units")
				    : err_set(e, E_TTY, "it runs, and no udev rule of the station keeps it from units");
}

bool readiness_station(const struct config *c, ready_told *told, void *ctx)
{
	static const struct claim claims[] = {
		{"clock runs", clock_is_synchronised, "Let systemd-timesyncd or chrony run: timedatectl set-ntp true."},
		{"people", people_can_log_in, NULL},
		{"orders", orders_can_be_read, "Make the directory, and let the station's user read it."},
		{"hand-over", handover_can_be_written, "Let the station's user write there."},
		{"MES folder", mes_folders_can_be_used, "Make or mount the folders, and let the station's user read and write there."},
		{"ModemManager", modem_manager_keeps_away, "Install the station's udev rules (70-station.rules), or remove ModemManager."},
	};
	bool all = true;
	for (size_t i = 0; i < preflight_claim_count; i++) {
		const struct preflight_claim *p = &preflight_claims[i];
		struct err e = {0};
		bool ok = p->holds(c, &e);
		all = tell(told, ctx, p->name, p->claim, NULL, ok, &e) && all;
	}
	return tell_claims(claims, COUNT_OF(claims), c, told, ctx) && all;
}

/* ---- before it runs ---- */

bool readiness_may_open(const struct config *c, struct err *e)
{
	char copy[PATH_MAX];
	struct stat st;
	snprintf(copy, sizeof(copy), "%s", c->state_dir);
	if (stat(c->state_dir, &st) < 0)
		return errno == ENOENT ? may_use(dirname(copy), W_OK | X_OK, e) : err_errno(e, E_FILE, "%s", c->state_dir);
	if (st.st_uid != geteuid())
		return err_set(e, E_FILE, "%s belongs to user %u, and this is user %u", c->state_dir, (unsigned)st.st_uid, (unsigned)geteuid());
	return may_use(c->state_dir, R_OK | W_OK | X_OK, e);
}

static bool state_can_be_kept(const struct config *c, char text[static 256], struct err *e)
{
	return readiness_may_open(c, e) && FOUND("%.200s", c->state_dir);
}

/* Listens, and stops again. */
static bool api_can_listen(const struct config *c, char text[static 256], struct err *e)
{
	struct listener l = {.fd = -1};
	if (!c->api_listen[0])
		return FOUND("none is configured");
	bool ok = listener_open(c->api_listen, &l, e);
	if (ok)
		listener_close(&l);
	return ok && FOUND("%s is free", c->api_listen);
}

struct look {
	const struct config *config;
	size_t units;
	struct err refused;
};

static void look(void *ctx, enum usb_event event, const struct usb_facts *f)
{
	struct look *l = ctx;
	const struct driver *driver = usb_match(f, NULL);
	if (event != USB_ARRIVED || !driver)
		return;
	l->units++;
	if (!driver->tty && access(f->node, R_OK | W_OK) < 0)
		err_errno(&l->refused, E_USB_OPEN, "%s at port %s", f->node, f->port);
}

static bool units_can_be_opened(const struct config *c, char text[static 256], struct err *e)
{
	struct look l = {.config = c};
	struct usb_bus *bus = NULL;
	bool ok = usb_bus_open(look, &l, &bus, e);
	for (int64_t end_ms = clock_steady_ms() + BUS_MS; ok && clock_left_ms(end_ms);)
		ok = usb_bus_run(bus, clock_left_ms(end_ms), e);
	usb_bus_close(bus);
	if (!ok)
		return false;
	if (l.refused.code)
		return err_set(e, l.refused.code, "%s", l.refused.what);
	return l.units ? FOUND("%zu that are plugged in", l.units)
		       : FOUND("none is plugged in: plug one in to see whether it can be opened");
}

/* Host and port of https://HOST[:PORT][/PATH]. */
static void host_of(const char *url, char host[static 256], char port[static 8])
{
	const char *at = strstr(url, "://");
	at = at ? at + 3 : url;
	size_t len = strcspn(at, "/");
	size_t colon = 0;
	for (size_t i = 0; i < len; i++)
		colon = at[i] == ':' ? i : at[i] == ']' ? 0 : colon;
	snprintf(host, 256, "%.*s", (int)(colon ? colon : len), at);
	snprintf(port, 8, "%.*s", colon ? (int)(len - colon - 1) : 5, colon ? at + colon + 1 : !strncmp(url, "http:", 5) ? "80" : "443");
	size_t n = strlen(host);
	if (host[0] == '[' && host[n - 1] == ']') {
		memmove(host, host + 1, n - 2);
		host[n - 2] = '\0';
	}
}

static bool connects(const struct addrinfo *to)
{
	int error = 0;
	socklen_t len = sizeof(error);
	AUTO_FD int fd = socket(to->ai_family, to->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, to->ai_protocol);
	if (fd < 0)
		return false;
	struct pollfd out = {.fd = fd, .events = POLLOUT};
	if (connect(fd, to->ai_addr, to->ai_addrlen) == 0)
		return true;
	if (errno != EINPROGRESS || poll(&out, 1, MES_MS) != 1)
		return false;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0;
}

static bool mes_answers(const struct config *c, char text[static 256], struct err *e)
{
	char host[256], port[8];
	const struct addrinfo want = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	if (!c->mes_url[0])
		return FOUND("no hook is configured");
	host_of(c->mes_url, host, port);
	int why = getaddrinfo(host, port, &want, &found);
	if (why != 0)
		return err_native(e, E_MES, why, "%s: %s", host, gai_strerror(why));
	bool ok = false;
	for (const struct addrinfo *a = found; a && !ok; a = a->ai_next)
		ok = connects(a);
	freeaddrinfo(found);
	return ok ? FOUND("%.200s takes connections", c->mes_url) : err_set(e, E_MES, "%s port %s takes no connection", host, port);
}

bool readiness_alone(const struct config *c, ready_told *told, void *ctx)
{
	static const struct claim claims[] = {
		{"state", state_can_be_kept, "Do this, and run the line, as the station's own user: the one to whom the state belongs."},
		{"API", api_can_listen, "Take another place for [api] listen, or end what is there."},
		{"units", units_can_be_opened,
		 "Install the station's udev rules (70-station.rules), and put the station's user into their group."},
		{"MES hook", mes_answers, NULL},
	};
	return tell_claims(claims, COUNT_OF(claims), c, told, ctx);
}

/* ---- with CA and service ---- */

bool readiness_ca(struct line *l, ready_told *told, void *ctx)
{
	const struct signer_info *ca = &l->signing.info;
	struct err e = {0};
	char until[CLOCK_TEXT], text[128];
	int64_t end_ms = ca->issue_until_ms < ca->ca_not_after_ms ? ca->issue_until_ms : ca->ca_not_after_ms;
	long long days = (long long)((end_ms - clock_wall_ms()) / DAY_MS);
	clock_text(end_ms, until);
	snprintf(text, sizeof(text), "issues for %lld days, until %s", days, until);
	bool ok = days >= CA_DAYS || err_set(&e, E_CA_EXPIRED, "%s", text);
	return tell(told, ctx, "CA validity", text, "Have a new issuing CA made in time, and its group ready at the service.", ok, &e);
}

/* The error that ends preflight is said behind its row. */
struct pass_on {
	ready_told *told;
	void *ctx;
	char name[32], text[320];
};

static void pass_row(void *ctx, const char *name, bool ok, const char *text)
{
	struct pass_on *p = ctx;
	name = strcmp(name, "clock") != 0 ? name : "service clock";
	if (ok) {
		tell(p->told, p->ctx, name, text, NULL, true, NULL);
		return;
	}
	snprintf(p->name, sizeof(p->name), "%s", name);
}

bool readiness_cloud(struct line *l, ready_told *told, void *ctx)
{
	struct pass_on p = {.told = told, .ctx = ctx};
	struct err e = {0};
	return preflight_cloud(l, pass_row, &p, &e) || tell(told, ctx, p.name[0] ? p.name : "service", "", NULL, false, &e);
}
