/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/capture.h"
#include "probe.h"

#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct trial t;
static int file;

static void begin(void)
{
	file = scratch_file("");
	trial_begin(&t, "record:probe");
	assert_true(trial_open(&t, "record:probe", file));
}

static void end(void)
{
	trial_end(&t);
	close(file);
}

/* How often a regular expression fits a line of what was written. */
static int lines_like(const char *pattern)
{
	regex_t r;
	int count = 0;
	assert_int_equal(regcomp(&r, pattern, REG_EXTENDED | REG_NEWLINE | REG_NOSUB), 0);
	char *rest = strdup(text_of(file)), *whole = rest;
	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
		count += !regexec(&r, line, 0, NULL, 0);
	free(whole);
	regfree(&r);
	return count;
}

static void conversation_is_readable_text_in_its_order(void **state)
{
	begin();
	assert_true(trial_do(&t, MOMENT_IDENTIFY) && trial_do(&t, MOMENT_MAKE_KEY));
	assert_int_equal(strncmp(text_of(file), CAPTURE_FIRST_LINE "\n# of a unit behind probe\n> open\n", 46), 0);
	assert_int_equal(lines_like("^= serial UNIT-0042$") + lines_like("^= model PROBE$") + lines_like("^= revision 1\\.0$"), 3);
	assert_int_equal(lines_like("^= factory_closed 0$") + lines_like("^= bundle_present 1$") + lines_like("^= made 1$"), 3);
	assert_int_equal(lines_like("^\\* leaf_public (33){80}$"), 1);
	assert_int_equal(lines_like("^\\. ok [0-9]+ ms$"), 3);
	const char *ask = strstr(text_of(file), "> make_key\n");
	assert_true(ask && strstr(ask, "* leaf_public") < strstr(ask, "= made") && strstr(ask, "= made") < strstr(ask, ". ok"));
	end();
}

static void every_kind_of_evidence_and_every_result_has_its_line(void **state)
{
	begin();
	for (int m = MOMENT_IDENTIFY; m < MOMENT_COUNT; m++)
		assert_true(m == MOMENT_PERSIST_EK || trial_do(&t, (enum moment)m));
	for (int k = 1; k < EVIDENCE_KINDS; k++) {
		char pattern[64];
		snprintf(pattern, sizeof(pattern), "^\\* %s (-|[0-9a-f]+)$", evidence_name((enum evidence_kind)k));
		if (lines_like(pattern) < 1)
			fail_msg("no %s", evidence_name((enum evidence_kind)k));
	}
	for (const struct capture_field *f = capture_fields; f->name; f++) {
		char pattern[64];
		snprintf(pattern, sizeof(pattern), "^= %s .", f->name);
		if (lines_like(pattern) < 1)
			fail_msg("no %s", f->name);
	}
	end();
}

/* What a challenge brought to light, what a key's MAC is, and whatever the unit is told: key seeds, blobs, bundles. */
static void no_secret_and_nothing_that_the_unit_is_told_is_written(void **state)
{
	begin();
	for (int m = MOMENT_IDENTIFY; m < MOMENT_COUNT; m++)
		assert_true(m == MOMENT_PERSIST_EK || trial_do(&t, (enum moment)m));
	assert_int_equal(lines_like("^\\* secret -$"), 1);
	assert_int_equal(lines_like("^= mac -$"), 1);
	assert_null(strstr(text_of(file), "5e5e5e5e"));
	assert_null(strstr(text_of(file), "aaaaaaaa"));
	assert_null(strstr(text_of(file), "010203"));	/* the key's seed */
	assert_null(strstr(text_of(file), "040506"));	/* a digest */
	assert_null(strstr(text_of(file), "626c6f62"));	/* "blob" */
	assert_null(strstr(text_of(file), "62756e646c65"));	/* "bundle" */
	end();
}

static void failure_stands_there_with_its_code_and_words(void **state)
{
	begin();
	probe->fails = MOMENT_INSTALL;
	probe->with = E_UNIT_STORAGE;
	assert_false(trial_do(&t, MOMENT_INSTALL));
	assert_int_equal(lines_like("^\\. E-USB-007 as told$"), 1);
	end();
}

/* A unit cannot write lines of its own into the file. */
static void identity_that_is_no_text_makes_no_line(void **state)
{
	static const char spec[] = "record:fault(identify.after.garbage.5):probe";
	file = scratch_file("");
	trial_begin(&t, spec);
	assert_true(trial_open(&t, spec, file));
	assert_true(trial_do(&t, MOMENT_IDENTIFY));
	assert_int_equal(lines_like("^= serial $"), 1);
	for (const char *p = text_of(file); *p; p++)
		assert_true(*p == '\n' || (*p >= 0x20 && *p < 0x7f));
	end();
}

static void file_is_bounded_and_the_unit_goes_on(void **state)
{
	off_t grew = 1;
	begin();
	for (off_t before = 0; grew; before += grew) {
		assert_true(trial_do(&t, MOMENT_READ_BACK));
		assert_int_equal(t.evidence_count, 1);
		grew = lseek(file, 0, SEEK_END) - before;
		assert_true(before + grew <= (off_t)CAPTURE_MAX);
	}
	assert_true(trial_do(&t, MOMENT_SIGN));
	end();
}

static void file_that_takes_nothing_does_not_stop_the_unit(void **state)
{
	file = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_true(file >= 0);
	trial_begin(&t, "record:probe");
	assert_true(trial_open(&t, "record:probe", file) && trial_do(&t, MOMENT_IDENTIFY));
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conversation_is_readable_text_in_its_order),
		cmocka_unit_test(every_kind_of_evidence_and_every_result_has_its_line),
		cmocka_unit_test(no_secret_and_nothing_that_the_unit_is_told_is_written),
		cmocka_unit_test(failure_stands_there_with_its_code_and_words),
		cmocka_unit_test(identity_that_is_no_text_makes_no_line),
		cmocka_unit_test(file_is_bounded_and_the_unit_goes_on),
		cmocka_unit_test(file_that_takes_nothing_does_not_stop_the_unit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
