/* SPDX-License-Identifier: Apache-2.0 */
/* What a service manager hears: a socket of its kind, bound here, and the line's half of the protocol. */
#include "station/notify.h"
#include "tests/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct manager {
	int fd;
	char name[100];
	struct notify line;
};

static int manager_of(void **state, struct manager *m)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	size_t len = strlen(m->name);
	memcpy(at.sun_path, m->name, len);
	if (at.sun_path[0] == '@')
		at.sun_path[0] = 0;
	m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unsetenv("WATCHDOG_PID");
	setenv("WATCHDOG_USEC", "30000000", 1);
	setenv("NOTIFY_SOCKET", m->name, 1);
	*state = m;
	return bind(m->fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
}

static int by_path(void **state)
{
	struct manager *m = calloc(1, sizeof(*m));
	snprintf(m->name, sizeof(m->name), "/tmp/notify-%d", (int)getpid());
	unlink(m->name);
	return manager_of(state, m);
}

static int by_abstract_name(void **state)
{
	struct manager *m = calloc(1, sizeof(*m));
	snprintf(m->name, sizeof(m->name), "@notify-%d", (int)getpid());
	return manager_of(state, m);
}

static int leave(void **state)
{
	struct manager *m = *state;
	notify_fini(&m->line);
	close(m->fd);
	if (m->name[0] == '/')
		unlink(m->name);
	free(m);
	return 0;
}

/* The next datagram; "" when there is none. */
static const char *heard(struct manager *m)
{
	static char text[600];
	ssize_t len = recv(m->fd, text, sizeof(text) - 1, 0);
	text[len > 0 ? len : 0] = 0;
	return text;
}

static void a_manager_hears_ready_status_life_and_stopping(void **state)
{
	struct manager *m = *state;
	notify_init(&m->line);
	notify_ready(&m->line);
	notify_status(&m->line, "Plug units in.\nREADY=1");
	notify_alive(&m->line, 1);
	notify_stopping(&m->line);
	assert_string_equal(heard(m), "READY=1");
	assert_string_equal(heard(m), "STATUS=Plug units in. READY=1");
	assert_string_equal(heard(m), "WATCHDOG=1");
	assert_string_equal(heard(m), "STOPPING=1");
	assert_string_equal(heard(m), "");
}

static void signs_of_life_are_due_twice_as_often_as_the_manager_waits(void **state)
{
	struct manager *m = *state;
	notify_init(&m->line);
	assert_int_equal(m->line.every_ms, 15000);
	notify_alive(&m->line, 100000);
	assert_false(notify_is_due(&m->line, 114999));
	assert_true(notify_is_due(&m->line, 115000));
}

static void a_watchdog_of_another_process_is_not_ours(void **state)
{
	struct manager *m = *state;
	setenv("WATCHDOG_PID", "1", 1);
	notify_init(&m->line);
	assert_false(notify_is_due(&m->line, INT64_MAX));
	char self[16];
	snprintf(self, sizeof(self), "%d", (int)getpid());
	setenv("WATCHDOG_PID", self, 1);
	notify_fini(&m->line);
	notify_init(&m->line);
	assert_true(notify_is_due(&m->line, INT64_MAX));
}

static void a_watchdog_time_that_is_no_number_is_none(void **state)
{
	static const char *const bad[] = {"", "-5", "30s", "x"};
	struct manager *m = *state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		setenv("WATCHDOG_USEC", bad[i], 1);
		notify_init(&m->line);
		assert_false(notify_is_due(&m->line, INT64_MAX));
		notify_fini(&m->line);
	}
}

static void a_manager_that_does_not_read_does_not_hold_the_line_up(void **state)
{
	struct manager *m = *state;
	notify_init(&m->line);
	for (int i = 0; i < 10000; i++)
		notify_alive(&m->line, i);
	assert_string_equal(heard(m), "WATCHDOG=1");
}

static void without_a_manager_nothing_is_said(void **state)
{
	static const char *const none[] = {"", "relative", "/", "/nowhere/at/all"};
	struct manager *m = *state;
	for (size_t i = 0; i < COUNT_OF(none); i++) {
		setenv("NOTIFY_SOCKET", none[i], 1);
		notify_init(&m->line);
		assert_int_equal(m->line.fd, -1);
		notify_ready(&m->line);
		assert_false(notify_is_due(&m->line, INT64_MAX));
		notify_fini(&m->line);
	}
	unsetenv("NOTIFY_SOCKET");
	notify_init(&m->line);
	notify_ready(&m->line);
	assert_string_equal(heard(m), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_manager_hears_ready_status_life_and_stopping, by_path, leave),
		cmocka_unit_test_setup_teardown(a_manager_hears_ready_status_life_and_stopping, by_abstract_name, leave),
		cmocka_unit_test_setup_teardown(signs_of_life_are_due_twice_as_often_as_the_manager_waits, by_path, leave),
		cmocka_unit_test_setup_teardown(a_watchdog_of_another_process_is_not_ours, by_path, leave),
		cmocka_unit_test_setup_teardown(a_watchdog_time_that_is_no_number_is_none, by_path, leave),
		cmocka_unit_test_setup_teardown(a_manager_that_does_not_read_does_not_hold_the_line_up, by_path, leave),
		cmocka_unit_test_setup_teardown(without_a_manager_nothing_is_said, by_path, leave),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
