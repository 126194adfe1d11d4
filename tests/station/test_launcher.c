/* SPDX-License-Identifier: Apache-2.0 */
/* The launcher with real children. The driver child of /dev/null finds no USB device there, and stays to say so. */
#include "station/launcher.h"
#include "station/base/clock.h"
#include "station/base/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 20000

struct office {
	struct config config;
	struct launcher launcher;
	struct children job;
};

static int setup(void **state)
{
	static struct office o;
	struct err e = {0};
	memset(&o, 0, sizeof(o));
	o.job = (struct children){-1, -1, -1};
	snprintf(o.config.state_dir, sizeof(o.config.state_dir), "/nowhere");
	snprintf(o.config.ca_chain, sizeof(o.config.ca_chain), "/nowhere/chain.pem");
	o.config.profile_count = 1;
	if (!launcher_start(&o.config, &o.launcher, &e))
		return -1;
	*state = &o;
	return 0;
}

static int teardown(void **state)
{
	struct office *o = *state;
	children_fini(&o->job);
	launcher_stop(&o->launcher);
	return 0;
}

static void start_job(struct office *o, const char *node, const char *driver)
{
	struct err e = {0};
	if (!launcher_job(&o->launcher, node, driver, 0, &o->job, &e))
		fail_msg("%s", e.what);
}

static bool ends(int fd)
{
	struct pollfd p = {fd, POLLIN, 0};
	char byte;
	return poll(&p, 1, PATIENCE_MS) == 1 && recv(fd, &byte, 1, MSG_DONTWAIT) <= 0;
}

static bool gone(pid_t pid)
{
	int64_t end_ms = clock_steady_ms() + PATIENCE_MS;
	while (kill(pid, 0) == 0 && clock_left_ms(end_ms))
		clock_sleep_ms(5);
	return kill(pid, 0) < 0;
}

/* The launcher's child of this name, once it is there; 0 if it never is, which must not go to kill(). */
static pid_t child_named(const struct office *o, const char *wanted)
{
	char path[64], name[32];
	int64_t end_ms = clock_steady_ms() + PATIENCE_MS;
	for (; clock_left_ms(end_ms); clock_sleep_ms(5)) {
		int pid;
		snprintf(path, sizeof(path), "/proc/%d/task/%d/children", o->launcher.pid, o->launcher.pid);
		FILE *all = fopen(path, "re");
		while (all && fscanf(all, "%d", &pid) == 1) {
			snprintf(path, sizeof(path), "/proc/%d/comm", pid);
			FILE *one = fopen(path, "re");
			bool found = one && fscanf(one, "%31s", name) == 1 && !strcmp(name, wanted);
			if (one)
				fclose(one);
			if (!found)
				continue;
			fclose(all);
			return pid;
		}
		if (all)
			fclose(all);
	}
	return 0;
}

static enum err_code cause(const struct office *o, struct err *e)
{
	err_clear(e);
	err_set(e, E_CHILD_LOST, "lost");
	assert_true(ends(o->job.driver));
	children_cause(&o->job, e);
	return e->code;
}

static void device_that_cannot_be_opened_is_told_by_its_cause(void **state)
{
	static const struct { const char *node, *driver; enum err_code code; } cases[] = {
		{"/dev/no-such-node", "tpm_bridge", E_USB_GONE},
		{"/", "tpm_bridge", E_USB_OPEN},
		{"/dev/null", "no_such_driver", E_NO_DRIVER},
	};
	struct office *o = *state;
	struct err e;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		start_job(o, cases[i].node, cases[i].driver);
		assert_int_equal(cause(o, &e), cases[i].code);
		assert_non_null(strstr(e.what, i == 2 ? cases[i].driver : cases[i].node));
		children_fini(&o->job);
	}
}

static void killed_child_is_told_by_its_signal(void **state)
{
	struct office *o = *state;
	struct err e;
	start_job(o, "/dev/null", "tpm_bridge");
	pid_t driver = child_named(o, "st-driver");
	assert_true(driver > 0);
	assert_int_equal(kill(driver, SIGKILL), 0);
	assert_int_equal(cause(o, &e), E_CHILD_LOST);
	assert_string_equal(e.what, "driver child killed by signal 9: lost");
}

static void children_end_with_their_job(void **state)
{
	struct office *o = *state;
	start_job(o, "/dev/null", "tpm_bridge");
	pid_t driver = child_named(o, "st-driver"), judge = child_named(o, "st-verifier");
	assert_true(driver > 0 && judge > 0);
	children_fini(&o->job);
	assert_true(gone(driver) && gone(judge));
}

static void children_end_with_a_launcher_that_is_killed(void **state)
{
	struct office *o = *state;
	struct err e = {0};
	start_job(o, "/dev/null", "tpm_bridge");
	assert_true(child_named(o, "st-driver") && child_named(o, "st-verifier"));
	assert_true(launcher_lives(&o->launcher, &e));
	assert_int_equal(kill(o->launcher.pid, SIGKILL), 0);
	assert_true(ends(o->job.driver));
	assert_true(ends(o->job.verifier));
	assert_false(launcher_lives(&o->launcher, &e));
	assert_int_equal(e.code, E_LAUNCHER);
	children_fini(&o->job);
	err_clear(&e);
	assert_false(launcher_job(&o->launcher, "/dev/null", "tpm_bridge", 0, &o->job, &e));
	assert_int_equal(e.code, E_LAUNCHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(device_that_cannot_be_opened_is_told_by_its_cause, setup, teardown),
		cmocka_unit_test_setup_teardown(killed_child_is_told_by_its_signal, setup, teardown),
		cmocka_unit_test_setup_teardown(children_end_with_their_job, setup, teardown),
		cmocka_unit_test_setup_teardown(children_end_with_a_launcher_that_is_killed, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
