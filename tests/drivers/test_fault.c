/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"
#include "station/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct trial t;

/* A unit that misbehaves so; open. */
static void begin(const char *plan)
{
	char spec[128];
	snprintf(spec, sizeof(spec), "fault(%s):probe", plan);
	trial_begin(&t, spec);
	if (!trial_open(&t, spec, -1))
		fail_msg("%s: %s", plan, t.err.what);
}

static int end_count(enum moment m)
{
	int count = probe->asked[m];
	trial_end(&t);
	return count;
}

static void does(enum moment m)
{
	if (!trial_do(&t, m))
		fail_msg("%s: %s %s", moment_name(m), err_row(t.err.code)->code, t.err.what);
}

static void fails(enum moment m, enum err_code code)
{
	assert_false(trial_do(&t, m));
	if (t.err.code != code)
		fail_msg("%s: %s %s", moment_name(m), err_row(t.err.code)->code, t.err.what);
}

/* How many bits differ from what the probe fills its evidence with. */
static int bits_other(size_t piece, uint8_t fill)
{
	int count = 0;
	for (size_t i = 0; i < t.evidence[piece].len; i++)
		count += __builtin_popcount(t.evidence[piece].data[i] ^ fill);
	return count;
}

static void unit_that_vanishes_stays_away(void **state)
{
	begin("make_key.before.vanish");
	does(MOMENT_IDENTIFY);
	fails(MOMENT_MAKE_KEY, E_USB_GONE);
	fails(MOMENT_IDENTIFY, E_USB_GONE);
	assert_int_equal(end_count(MOMENT_MAKE_KEY), 0);
	begin("make_key.after.vanish");
	fails(MOMENT_MAKE_KEY, E_USB_GONE);
	fails(MOMENT_MAKE_KEY, E_USB_GONE);
	assert_int_equal(t.evidence_count, 0);
	assert_int_equal(end_count(MOMENT_MAKE_KEY), 1);
}

static void during_is_behind_the_effect_and_before_the_evidence(void **state)
{
	begin("read_ek.during.vanish");
	fails(MOMENT_READ_EK, E_USB_GONE);
	assert_int_equal(t.evidence_count, 0);
	assert_int_equal(end_count(MOMENT_READ_EK), 1);
	begin("install.during.vanish");
	fails(MOMENT_INSTALL, E_USB_GONE);
	assert_int_equal(end_count(MOMENT_INSTALL), 1);
}

static void after_is_behind_all_of_the_evidence(void **state)
{
	begin("read_ek.after.vanish");
	fails(MOMENT_READ_EK, E_USB_GONE);
	assert_int_equal(t.evidence_count, 2);
	assert_int_equal(bits_other(0, 0x11) + bits_other(1, 0x22), 0);
	assert_int_equal(end_count(MOMENT_READ_EK), 1);
}

static void unit_that_stalls_says_nothing_until_the_deadline(void **state)
{
	begin("certify.before.stall");
	t.limit_ms = 60;
	int64_t began_ms = clock_steady_ms();
	fails(MOMENT_CERTIFY, E_CHILD_SILENT);
	assert_true(clock_steady_ms() >= began_ms + 60);
	does(MOMENT_IDENTIFY);
	assert_int_equal(end_count(MOMENT_CERTIFY), 0);
}

static void slow_unit_does_it_all_the_same(void **state)
{
	begin("read_ek.before.slow");
	t.limit_ms = 100;
	does(MOMENT_READ_EK);
	assert_int_equal(t.evidence_count, 2);
	assert_int_equal(t.result.ek.present, 1);
	assert_int_equal(end_count(MOMENT_READ_EK), 1);
}

static void short_evidence_is_half_and_its_result_zero(void **state)
{
	begin("read_ek.after.short");
	does(MOMENT_READ_EK);
	assert_int_equal(t.evidence[0].len, 32);
	assert_int_equal(t.evidence[1].len, 200);
	assert_int_equal(t.result.ek.present, 0);
	trial_end(&t);
}

static void garbage_is_of_its_seed(void **state)
{
	static struct trial first;
	begin("read_ek.after.garbage.7");
	does(MOMENT_READ_EK);
	first = t;
	assert_int_equal(t.evidence[1].len, 400);
	assert_in_range(bits_other(1, 0x22), 1000, 2200);	/* of 3200: about half */
	trial_end(&t);
	begin("read_ek.after.garbage.7");
	does(MOMENT_READ_EK);
	assert_memory_equal(t.evidence, first.evidence, sizeof(t.evidence));
	assert_memory_equal(&t.result, &first.result, sizeof(t.result));
	trial_end(&t);
	begin("read_ek.after.garbage.8");
	does(MOMENT_READ_EK);
	assert_memory_not_equal(t.evidence, first.evidence, sizeof(t.evidence));
	trial_end(&t);
}

static void lie_about_evidence_is_one_bit(void **state)
{
	begin("prove_key.after.lie");
	does(MOMENT_PROVE_KEY);
	assert_int_equal(t.evidence_count, 1);
	assert_int_equal(bits_other(0, 0x77), 1);
	trial_end(&t);
}

static void lie_about_a_result_is_one_bit(void **state)
{
	int bits = 0;
	begin("sign.after.lie");
	does(MOMENT_SIGN);
	for (size_t i = 0; i < sizeof(t.result.signature); i++)
		bits += __builtin_popcount(((uint8_t *)&t.result)[i] ^ 0x88);
	assert_int_equal(bits, 1);
	trial_end(&t);
}

static void lie_about_who_it_is_is_another_serial_number(void **state)
{
	begin("identify.after.lie");
	does(MOMENT_IDENTIFY);
	assert_string_equal(t.result.identity.serial, "UNIT-004X");
	assert_string_equal(t.result.identity.model, "PROBE");
	trial_end(&t);
}

static void success_that_did_nothing(void **state)
{
	static const enum moment writers[] = {MOMENT_MAKE_KEY, MOMENT_INSTALL, MOMENT_FINISH};
	for (size_t i = 0; i < COUNT_OF(writers); i++) {
		char plan[64];
		snprintf(plan, sizeof(plan), "%s.before.lie", moment_name(writers[i]));
		begin(plan);
		does(writers[i]);
		assert_int_equal(t.evidence_count, 0);
		assert_int_equal(end_count(writers[i]), 0);
	}
}

static void twins_have_one_serial_number(void **state)
{
	begin("identify.after.twin.42");
	does(MOMENT_IDENTIFY);
	assert_string_equal(t.result.identity.serial, "SIM0042");
	assert_string_equal(t.result.identity.model, "PROBE");
	trial_end(&t);
}

/* What the process ended with; the probe is shared with it. */
static int end_of_process(enum moment m)
{
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)trial_do(&t, m);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void process_that_is_to_end_ends_before_or_behind_the_effect(void **state)
{
	begin("install.before.kill");
	assert_int_equal(end_of_process(MOMENT_IDENTIFY), 0);
	assert_int_equal(end_of_process(MOMENT_INSTALL), 137);
	assert_int_equal(end_count(MOMENT_INSTALL), 0);
	begin("install.after.kill");
	assert_int_equal(end_of_process(MOMENT_INSTALL), 137);
	assert_int_equal(end_count(MOMENT_INSTALL), 1);
}

static void other_moments_are_as_they_were(void **state)
{
	static struct trial bare;
	trial_begin(&bare, "probe");
	assert_true(trial_open(&bare, "probe", -1));
	begin("identify.after.garbage.1");
	for (int m = MOMENT_IDENTIFY + 1; m < MOMENT_COUNT; m++) {
		if (m == MOMENT_PERSIST_EK)
			continue;
		assert_true(trial_do(&bare, (enum moment)m));
		does((enum moment)m);
		assert_memory_equal(&t.result, &bare.result, sizeof(t.result));
		assert_memory_equal(t.evidence, bare.evidence, sizeof(t.evidence));
	}
	trial_end(&t);
	trial_end(&bare);
}

static void unit_that_fails_by_itself_is_not_said_to_have_been_struck(void **state)
{
	begin("install.after.vanish");
	probe->fails = MOMENT_INSTALL;
	probe->with = E_UNIT_STORAGE;
	fails(MOMENT_INSTALL, E_UNIT_STORAGE);
	does(MOMENT_IDENTIFY);
	trial_end(&t);
}

static void fault_strikes_each_time(void **state)
{
	begin("sign.after.short");
	for (int i = 0; i < 3; i++) {
		does(MOMENT_SIGN);
		assert_int_equal(t.result.signature.r[0], 0);
	}
	trial_end(&t);
}

/* Also when the process is another one by then. */
static void fault_that_is_to_strike_once_does(void **state)
{
	static const char spec[] = "fault(sign.after.short.once):probe";
	int file = scratch_file("");
	for (int nth = 0; nth < 3; nth++) {
		trial_begin(&t, spec);
		assert_true(trial_open(&t, spec, file));
		assert_int_equal(text_of(file)[0] != '\0', nth > 0);
		does(MOMENT_SIGN);
		assert_int_equal(t.result.signature.r[0], nth ? 0x88 : 0);
		does(MOMENT_SIGN);
		assert_int_equal(t.result.signature.r[0], 0x88);
		trial_end(&t);
	}
	char pid[16];
	snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	assert_string_equal(text_of(file), pid);
	close(file);
}

static void fault_that_is_to_strike_once_wants_a_file(void **state)
{
	static const char spec[] = "fault(sign.after.short.once):probe";
	trial_begin(&t, spec);
	assert_false(trial_open(&t, spec, -1));
	assert_int_equal(t.err.code, E_CAPTURE);
	trial_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unit_that_vanishes_stays_away),
		cmocka_unit_test(during_is_behind_the_effect_and_before_the_evidence),
		cmocka_unit_test(after_is_behind_all_of_the_evidence),
		cmocka_unit_test(unit_that_stalls_says_nothing_until_the_deadline),
		cmocka_unit_test(slow_unit_does_it_all_the_same),
		cmocka_unit_test(short_evidence_is_half_and_its_result_zero),
		cmocka_unit_test(garbage_is_of_its_seed),
		cmocka_unit_test(lie_about_evidence_is_one_bit),
		cmocka_unit_test(lie_about_a_result_is_one_bit),
		cmocka_unit_test(lie_about_who_it_is_is_another_serial_number),
		cmocka_unit_test(success_that_did_nothing),
		cmocka_unit_test(twins_have_one_serial_number),
		cmocka_unit_test(process_that_is_to_end_ends_before_or_behind_the_effect),
		cmocka_unit_test(other_moments_are_as_they_were),
		cmocka_unit_test(unit_that_fails_by_itself_is_not_said_to_have_been_struck),
		cmocka_unit_test(fault_strikes_each_time),
		cmocka_unit_test(fault_that_is_to_strike_once_does),
		cmocka_unit_test(fault_that_is_to_strike_once_wants_a_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
