/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"

#include <stdio.h>
#include <string.h>

/* Around nothing but what it passes on: `record` without a file. */
#define AROUND "record:probe"

static bool is_good(const char *spec)
{
	struct err e = {0};
	bool ok = wrap_spec_is_good(spec, &e);
	assert_true(ok == (e.code == E_NONE));
	assert_true(ok == (driver_find(spec) != NULL));
	return ok;
}

static void spec_is_a_driver_of_this_build_with_wrappers_around_it(void **state)
{
	static const char *const good[] = {"probe", "record:probe", "replay(/a/path):probe", "fault(identify.before.kill):probe",
		"fault(sign.after.garbage.7):probe", "record:fault(open.before.vanish):probe", "fault(finish.during.slow.1.once):probe",
		"fault(identify.after.lie):fault(install.before.lie):probe"};
	for (size_t i = 0; i < COUNT_OF(good); i++)
		if (!is_good(good[i]))
			fail_msg("refused: %s", good[i]);
}

static void spec_that_is_none_is_refused(void **state)
{
	static const char *const bad[] = {"", "other", "record:", "record:other", "record", "record(x):probe", "replay:probe",
		"replay(a/path):probe", "replay(/a/path:probe", "replay(/a)probe", "fault:probe", "fault():probe", "fault(sign.kill):probe",
		"fault(sign.before.mood):probe", "fault(sing.before.kill):probe", "fault(sign.before.kill.x):probe", "mood(1):probe",
		"fault(sign.before.kill.1.twice):probe", ":probe", "probe:", "probe:probe", "(x):probe"};
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (is_good(bad[i]))
			fail_msg("taken: %s", bad[i]);
}

/* The launcher opens one file for a unit. */
static void two_wrappers_that_both_want_the_file_are_refused(void **state)
{
	assert_false(is_good("record:replay(/a):probe"));
	assert_false(is_good("replay(/a):record:probe"));
	assert_false(is_good("record:fault(sign.before.kill.1.once):probe"));
	assert_false(is_good("fault(sign.before.kill.once):fault(sign.after.kill.once):probe"));
	assert_true(is_good("record:fault(sign.before.kill.1):fault(sign.after.kill):probe"));
}

static void fault_that_strikes_once_has_its_file_wherever_it_stands(void **state)
{
	char args[64];
	assert_true(wrap_once("fault(sign.after.lie):fault(sign.before.kill.once):probe", args, sizeof(args)));
	assert_string_equal(args, "sign.before.kill.once");
	assert_true(wrap_once("fault(sign.before.kill.1.once):fault(sign.after.lie):probe", args, sizeof(args)));
	assert_string_equal(args, "sign.before.kill.1.once");
	assert_false(wrap_once("record:fault(sign.after.lie):probe", args, sizeof(args)));
	assert_false(wrap_once("probe", args, sizeof(args)));
}

static void arguments_of_any_length_are_taken_whole_or_refused(void **state)
{
	char spec[600], args[300];
	struct err e = {0};
	for (int len = 250; len < 262; len++) {
		snprintf(spec, sizeof(spec), "replay(/%0*d):probe", len - 1, 0);
		if (len < 256)
			assert_true(is_good(spec) && wrap_args(spec, "replay", args, sizeof(args)) && strlen(args) == (size_t)len);
		else
			assert_false(wrap_spec_is_good(spec, &e));
	}
	assert_false(wrap_args("replay(/abc):probe", "replay", args, 4));
	assert_true(wrap_args("replay(/abc):probe", "replay", args, 5));
}

static void arguments_of_an_inner_wrapper_are_found(void **state)
{
	char args[64];
	assert_true(wrap_args("record:fault(sign.before.kill.3):probe", "fault", args, sizeof(args)));
	assert_string_equal(args, "sign.before.kill.3");
	assert_true(wrap_args("record:fault(sign.before.kill.3):probe", "record", args, sizeof(args)));
	assert_string_equal(args, "");
	assert_false(wrap_args("record:probe", "replay", args, sizeof(args)));
	assert_false(wrap_args("probe", "record", args, sizeof(args)));
}

static void facts_are_those_of_the_innermost_driver(void **state)
{
	assert_ptr_equal(driver_real("record:fault(sign.before.kill):probe"), driver_real("probe"));
	assert_string_equal(driver_real(AROUND)->name, "probe");
	assert_null(driver_real("record:other"));
}

static void moments_have_the_names_of_the_functions(void **state)
{
	for (int m = 0; m < MOMENT_COUNT; m++)
		assert_int_equal(moment_find(moment_name((enum moment)m), strlen(moment_name((enum moment)m))), m);
	assert_int_equal(moment_find("sig", 3), MOMENT_COUNT);
	assert_int_equal(moment_find("signs", 5), MOMENT_COUNT);
	assert_int_equal(moment_find("", 0), MOMENT_COUNT);
}

static void opened(struct trial *t, const char *spec)
{
	trial_begin(t, spec);
	if (!trial_open(t, spec, -1))
		fail_msg("%s: %s", spec, t->err.what);
}

/* What the driver is asked, what it answers and what evidence it gives: the same with something around it. */
static void every_function_passes_through_unchanged(void **state)
{
	static struct trial bare, wrapped;
	static uint8_t request[sizeof(probe->request)];
	for (int m = MOMENT_OPEN + 1; m < MOMENT_COUNT; m++) {
		if (m == MOMENT_PERSIST_EK)
			continue;
		opened(&bare, "probe");
		assert_true(trial_do(&bare, (enum moment)m));
		memcpy(request, probe->request, sizeof(request));
		opened(&wrapped, "record:fault(open.before.twin):probe");
		assert_true(trial_do(&wrapped, (enum moment)m));
		assert_int_equal(probe->asked[m], 1);
		assert_memory_equal(probe->request, request, sizeof(request));
		assert_memory_equal(&wrapped.result, &bare.result, sizeof(bare.result));
		assert_int_equal(wrapped.evidence_count, bare.evidence_count);
		assert_memory_equal(wrapped.evidence, bare.evidence, sizeof(bare.evidence));
		trial_end(&bare);
		trial_end(&wrapped);
	}
}

static void calls_without_a_sink_pass_through_too(void **state)
{
	struct trial t;
	opened(&t, "record:fault(sign.after.slow):probe");
	t.deaf = true;
	for (int m = MOMENT_OPEN + 1; m < MOMENT_COUNT; m++)
		assert_true(m == MOMENT_PERSIST_EK || trial_do(&t, (enum moment)m));
	trial_end(&t);
}

static void function_that_the_driver_lacks_is_said_to_be_missing(void **state)
{
	struct trial t;
	opened(&t, "record:fault(sign.after.lie):probe");
	assert_false(trial_do(&t, MOMENT_PERSIST_EK));
	assert_int_equal(t.err.code, E_NO_DRIVER);
	assert_string_equal(t.err.what, "probe cannot persist_ek");
	trial_end(&t);
}

static void error_of_the_driver_comes_out_as_it_is(void **state)
{
	struct trial t;
	opened(&t, "record:fault(sign.after.lie):probe");
	probe->fails = MOMENT_INSTALL;
	probe->with = E_UNIT_STORAGE;
	assert_false(trial_do(&t, MOMENT_INSTALL));
	assert_int_equal(t.err.code, E_UNIT_STORAGE);
	assert_string_equal(t.err.what, "as told");
	trial_end(&t);
}

static void driver_inside_sees_its_own_name_and_is_closed_once(void **state)
{
	struct trial t;
	opened(&t, "record:fault(sign.after.lie):probe");
	assert_string_equal((char *)probe->request, "probe");
	trial_end(&t);
	assert_int_equal(probe->closed, 1);
}

static void driver_whose_open_failed_is_closed(void **state)
{
	struct trial t;
	trial_begin(&t, AROUND);
	probe->fails = MOMENT_OPEN;
	probe->with = E_USB_GONE;
	assert_false(trial_open(&t, AROUND, -1));
	assert_int_equal(t.err.code, E_USB_GONE);
	trial_end(&t);
	assert_int_equal(probe->closed, 1);
}

static void driver_that_was_never_opened_is_not_closed(void **state)
{
	struct trial t;
	trial_begin(&t, "fault(open.before.vanish):probe");
	assert_false(trial_open(&t, "fault(open.before.vanish):probe", -1));
	trial_end(&t);
	assert_int_equal(probe->closed, 0);
	trial_begin(&t, AROUND);
	trial_end(&t);
	assert_int_equal(probe->closed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spec_is_a_driver_of_this_build_with_wrappers_around_it),
		cmocka_unit_test(spec_that_is_none_is_refused),
		cmocka_unit_test(two_wrappers_that_both_want_the_file_are_refused),
		cmocka_unit_test(fault_that_strikes_once_has_its_file_wherever_it_stands),
		cmocka_unit_test(arguments_of_any_length_are_taken_whole_or_refused),
		cmocka_unit_test(arguments_of_an_inner_wrapper_are_found),
		cmocka_unit_test(facts_are_those_of_the_innermost_driver),
		cmocka_unit_test(moments_have_the_names_of_the_functions),
		cmocka_unit_test(every_function_passes_through_unchanged),
		cmocka_unit_test(calls_without_a_sink_pass_through_too),
		cmocka_unit_test(function_that_the_driver_lacks_is_said_to_be_missing),
		cmocka_unit_test(error_of_the_driver_comes_out_as_it_is),
		cmocka_unit_test(driver_inside_sees_its_own_name_and_is_closed_once),
		cmocka_unit_test(driver_whose_open_failed_is_closed),
		cmocka_unit_test(driver_that_was_never_opened_is_not_closed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
