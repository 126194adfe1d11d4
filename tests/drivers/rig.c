/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"
#include "certs/ca.h"
#include "drivers/serial.h"
#include "station/base/clock.h"
#include "station/base/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define PORT 1
#define USB_NAME "1-1.1"	/* as sysfs calls it */
#define PORT_PATH "pci-0000:00:14.0-usb-0:1.1"

static struct {
	char dir[200];
	int watcher, events;
	struct bytes root, issuing;
	struct verifier_policy policy;
} rig;

/* ---- the devices' control socket ---- */

const char *rig_ask(const char *fmt, ...)
{
	static char answer[65536];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char line[512];
	size_t len = 0;
	ssize_t n;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	assert_true(snprintf(address.sun_path, sizeof(address.sun_path), "%s/control", rig.dir) < (int)sizeof(address.sun_path));
	AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		fail_msg("%s: %s", address.sun_path, strerror(errno));
	assert_true(dprintf(fd, "%s\n", line) > 0);
	while (len < sizeof(answer) - 1 && (n = read(fd, answer + len, sizeof(answer) - 1 - len)) > 0) {
		len += (size_t)n;
		if (answer[len - 1] == '\n')
			break;
	}
	answer[len ? len - 1 : 0] = '\0';
	if (strncmp(answer, "ok", 2) != 0)
		fail_msg("%s: %s", line, answer);
	return answer[2] ? answer + 3 : "";
}

unsigned rig_count(const char *serial, const char *name)
{
	char want[64];
	const char *stats = rig_ask("stats %s", serial);
	snprintf(want, sizeof(want), " %s=", name);
	const char *at = strstr(stats, want);
	return at ? (unsigned)strtoul(at + strlen(want), NULL, 10) : 0;
}

/* ---- the bus ---- */

static void on_seen(void *ctx, enum usb_event event, const struct usb_facts *facts)
{
	struct err e = {0};
	if (!wire_send(*(int *)ctx, (uint32_t)event, facts, sizeof(*facts), clock_steady_ms() + RIG_MS, &e))
		_exit(1);
}

static _Noreturn void watch(int fd)
{
	struct usb_bus *bus;
	struct err e = {0};
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (usb_bus_open(on_seen, &fd, &bus, &e))
		while (usb_bus_run(bus, 1000, &e))
			;
	dprintf(2, "the bus: %s\n", e.what);
	_exit(1);
}

static void wait_for(enum usb_event event, struct usb_facts *ret)
{
	static struct wire_msg m;
	struct err e = {0};
	int64_t until_ms = clock_steady_ms() + RIG_MS;
	do {
		if (!wire_recv(rig.events, &m, until_ms, &e))
			fail_msg("the bus does not say that the unit has %s: %s", event == USB_ARRIVED ? "come" : "gone", e.what);
		assert_int_equal(m.len, sizeof(*ret));
		memcpy(ret, m.data, sizeof(*ret));
	} while (m.type != event || strcmp(ret->port, PORT_PATH) != 0);
}

static bool is_plugged(const char *serial)
{
	char word[DRIVER_TEXT + 8];
	snprintf(word, sizeof(word), " %s:", serial);
	const char *at = strstr(rig_ask("list"), word);
	return at && strncmp(at + strlen(word), "0:", 2) != 0;	/* one that was never plugged in is not listed */
}

void rig_plug(const char *serial, struct usb_facts *ret)
{
	rig_ask("plug %s %d", serial, PORT);
	wait_for(USB_ARRIVED, ret);
}

void rig_wait_left(void)
{
	struct usb_facts gone;
	wait_for(USB_LEFT, &gone);
	assert_string_equal(gone.serial, "");
}

void rig_unplug(const char *serial)
{
	if (!is_plugged(serial))
		return;
	rig_ask("unplug %s", serial);
	rig_wait_left();
}

void rig_clear(void)
{
	if (!strstr(rig_ask("list"), ":" USB_NAME ":"))
		return;
	rig_ask("unplug-all");
	rig_wait_left();
}

void rig_make_new(const char *serial)
{
	static const char *const stored[] = {
		"bundle.bin", "closed", "leaf.pem", "chain.pem", "registration.json", "endpoint.json", "key.pem",
	};
	static const char *const knobs[] = {"delay_ms 0", "busy 0", "cut_before 0", "cut_after 0", "cut_commit never"};
	char path[300];
	rig_unplug(serial);
	for (size_t i = 0; i < COUNT_OF(stored); i++) {
		snprintf(path, sizeof(path), "%s/tpm/%s/%s", rig.dir, serial, stored[i]);
		assert_true(unlink(path) == 0 || errno == ENOENT);
	}
	for (size_t i = 0; i < COUNT_OF(knobs); i++)
		rig_ask("knob %s %s", serial, knobs[i]);
}

/* ---- the judge ---- */

static void certificate_read(const char *name, struct bytes *ret)
{
	char path[300];
	size_t count;
	struct err e = {0};
	snprintf(path, sizeof(path), "%s/vendor/%s", rig.dir, name);
	if (!cert_read_pem_file(path, ret, 1, &count, &e))
		fail_msg("%s: %s", path, e.what);
	assert_int_equal(count, 1);
}

void rig_start(const char *dir)
{
	int pair[2];
	struct err e = {0};
	assert_true(snprintf(rig.dir, sizeof(rig.dir), "%s", dir) < (int)sizeof(rig.dir));
	assert_true(wire_pair(pair, &e));
	rig.watcher = fork();
	assert_true(rig.watcher >= 0);
	if (rig.watcher == 0) {
		close(pair[0]);
		watch(pair[1]);
	}
	close(pair[1]);
	rig.events = pair[0];
	certificate_read("root.pem", &rig.root);
	certificate_read("issuing.pem", &rig.issuing);
	rig.policy = (struct verifier_policy){&rig.root, 1, &rig.issuing, 1, true};
}

void rig_stop(void)
{
	kill(rig.watcher, SIGKILL);
	waitpid(rig.watcher, NULL, 0);
	close(rig.events);
	bytes_fini(&rig.root);
	bytes_fini(&rig.issuing);
}

/* ---- one unit ---- */

static bool take_evidence(void *ctx, enum evidence_kind kind, const void *data, size_t len, struct err *e)
{
	struct rig_unit *u = ctx;
	assert_true(kind > 0 && kind < EVIDENCE_KINDS);
	return bytes_set(&u->evidence[kind], data, len, e) && verifier_take(u->judge, kind, data, len, e);
}

const struct driver_call *rig_call(struct rig_unit *u, int64_t ms)
{
	u->call = (struct driver_call){clock_steady_ms() + ms, u->wrapped ? NULL : take_evidence, u, &u->challenge};
	return &u->call;
}

void rig_take(struct rig_unit *u)
{
	static struct wire_msg m;
	struct err none = {0}, e = {0};
	while (u->wrapped && wire_recv(u->verifier, &m, 0, &none)) {
		assert_true(m.type > EVIDENCE_WIRE_BASE && m.type < EVIDENCE_WIRE_BASE + EVIDENCE_KINDS);
		assert_true(take_evidence(u, m.type - EVIDENCE_WIRE_BASE, m.data, m.len, &e));
	}
}

bool rig_challenge(struct rig_unit *u, enum challenge_about about, struct err *e)
{
	if (!verifier_challenge(u->judge, about, &u->challenge, e))
		return false;
	return !u->wrapped || wire_send(u->verifier, EVIDENCE_CHALLENGE, &u->challenge, sizeof(u->challenge),
					clock_steady_ms() + RIG_MS, e);
}

/* As the launcher does it: the node is opened here, and the child inherits it. */
static void child_start(struct rig_unit *u, const struct driver *real)
{
	int line[2], verifier[2];
	struct err e = {0};
	assert_true(wire_pair(line, &e) && wire_pair(verifier, &e));
	u->child = fork();
	assert_true(u->child >= 0);
	if (u->child == 0) {
		const struct driver_port port = {.fd = u->node};
		close(line[0]);
		close(verifier[0]);
		close(rig.events);
		sandbox_child(real, &port, line[1], verifier[1]);
	}
	close(line[1]);
	close(verifier[1]);
	u->line = line[0];
	u->verifier = verifier[0];
}

/* As the launcher does it. */
static void node_open(struct rig_unit *u, const struct driver *real, const struct usb_facts *facts)
{
	struct err e = {0};
	u->node = -1;
	if (!real->tty)
		u->node = open(facts->node, O_RDWR | O_CLOEXEC);
	else if (!serial_open(facts->node, &u->node, &e))
		fail_msg("the tty of %s: %s", facts->node, e.what);
	assert_true(u->node >= 0);
}

bool rig_open(struct rig_unit *u, const struct driver *real, bool wrapped, const char *serial, const struct usb_facts *facts,
	      struct err *e)
{
	memset(u, 0, sizeof(*u));
	snprintf(u->serial, sizeof(u->serial), "%s", serial);
	u->wrapped = wrapped;
	u->driver = wrapped ? &sandbox_driver : real;
	u->line = u->verifier = -1;
	node_open(u, real, facts);
	assert_true(verifier_new(&rig.policy, &u->judge, e));
	u->state = calloc(1, u->driver->state_size);
	struct driver_port port = {.fd = u->node};
	if (wrapped) {
		child_start(u, real);
		port.fd = u->line;
	} else if (!real->tty && !usb_link_open(u->node, real->matches, &u->link, e)) {
		return false;
	}
	port.link = u->link;
	u->opened = true;
	return u->driver->open(u->state, &port, rig_call(u, RIG_MS), e);
}

void rig_close(struct rig_unit *u)
{
	int status = 0;
	if (u->opened)
		u->driver->close(u->state);
	usb_link_close(u->link);
	if (u->line >= 0)
		close(u->line);
	if (u->child)
		assert_int_equal(waitpid(u->child, &status, 0), u->child);
	/* A child ends by itself when its line closes, unless the test killed it. */
	assert_true(WIFEXITED(status) ? WEXITSTATUS(status) == 0 : WTERMSIG(status) == SIGKILL);
	if (u->verifier >= 0)
		close(u->verifier);
	close(u->node);
	free(u->state);
	verifier_free(u->judge);
	for (size_t i = 0; i < EVIDENCE_KINDS; i++)
		bytes_fini(&u->evidence[i]);
	memset(u, 0, sizeof(*u));
}
