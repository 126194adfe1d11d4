/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance: a process that was killed at work, and one that is locked in. */
#include "life.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <sys/wait.h>

/* Loads what a station loads, and is killed with it; the unit keeps its power. */
static void killed_at_work(const struct usb_facts *facts)
{
	struct rig_unit u;
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct err why = {0};
		bool ok = rig_open(&u, now.driver, false, now.serial, facts, &why)
			&& (by_tpm() ? plain(&u, u.driver->read_ak, &why) : do_identify(&u, &why));
		_exit(ok ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void unit_of_a_killed_station_is_cleaned_and_used(void **state)
{
	struct usb_facts facts;
	struct rig_unit u;
	struct driver_key_made made;
	rig_make_new(now.serial);
	rig_plug(now.serial, &facts);
	for (int round = 0; round < 4; round++)	/* a TPM has three transient slots */
		killed_at_work(&facts);
	OK(rig_open(&u, now.driver, now.wrapped, now.serial, &facts, &e));
	if (by_tpm())
		OK(plain(&u, u.driver->read_ak, &e));
	OK(make_key(&u, 1, true, &made, &e));
	if (now.wrapped) {
		assert_int_equal(kill(u.child, SIGKILL), 0);
		REFUSED(do_identify(&u, &e), E_CHILD_LOST);
	}
	rig_close(&u);
	OK(rig_open(&u, now.driver, now.wrapped, now.serial, &facts, &e));
	OK(make_key(&u, 1, false, &made, &e));
	assert_int_equal(made.made, 0);
	unit_end(&u);
}

static bool proc_says(int pid, const char *words)
{
	char path[64], text[4096];
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	return strstr(text, words) != NULL;
}

static void driver_runs_locked_in(void **state)
{
	struct rig_unit u;
	if (!now.wrapped)
		skip();
	unit_begin(&u, now.serial);
	assert_true(proc_says(u.child, "Seccomp:\t2"));
	assert_true(proc_says(u.child, "NoNewPrivs:\t1"));
	assert_true(proc_says(u.child, "Threads:\t1"));
	unit_end(&u);
}

const struct conform_test conform_child[] = {
	BOTH(unit_of_a_killed_station_is_cleaned_and_used),
	BOTH(driver_runs_locked_in),
	{0},
};
