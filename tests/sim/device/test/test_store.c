/* SPDX-License-Identifier: Apache-2.0 */
/* What a device's storage holds after a power cut at any moment, and the files that it shows. */
#include "store.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SMALL 7000
#define LARGE 16000

static int setup(void **state)
{
	char *dir = strdup("/tmp/sim-store.XXXXXX");
	assert_non_null(mkdtemp(dir));
	*state = dir;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "bundle.bin", "bundle.bin.tmp", "closed", "leaf.pem", "chain.pem",
		"registration.json", "leaf.pem.tmp", "chain.pem.tmp", "registration.json.tmp" };
	char *dir = *state, path[128];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		unlink(path);
	}
	int rc = rmdir(dir);
	free(dir);
	return rc;
}

/* Commits a small bundle of ones and a large one of twos in turn, until it is killed. */
static void commit_for_ever(const char *dir)
{
	static uint8_t data[BUNDLE_MAX];
	struct store s;
	struct why why;

	if (!store_open(&s, dir, &why))
		_exit(1);
	for (uint8_t fill = 1;; fill ^= 3) {
		memset(data, fill, sizeof data);
		if (!store_commit(&s, data, fill == 1 ? SMALL : LARGE, CUT_NEVER, &why))
			_exit(1);
	}
}

static void killed_store_holds_one_bundle_or_the_other(void **state)
{
	struct store s;
	struct why why;
	unsigned seen[3] = { 0 };

	for (int round = 0; round < 40; round++) {
		pid_t pid = fork();
		if (pid == 0)
			commit_for_ever(*state);
		usleep((unsigned)(500 + 371 * round));
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_true(store_open(&s, *state, &why));
		assert_true(s.bundle_len == 0 || s.bundle_len == SMALL || s.bundle_len == LARGE);
		seen[s.bundle_len == 0 ? 0 : s.bundle_len == SMALL ? 1 : 2]++;
		for (size_t i = 0; i < s.bundle_len; i++)
			assert_int_equal(s.bundle[i], s.bundle_len == SMALL ? 1 : 2);
		store_close(&s);
	}
	assert_true(seen[1] + seen[2] > 10); /* else the kills came too early to mean anything */
}

static void closed_store_stays_closed(void **state)
{
	struct store s;
	struct why why;

	assert_true(store_open(&s, *state, &why));
	assert_false(s.closed);
	assert_true(store_finish(&s, &why));
	store_close(&s);
	assert_true(store_open(&s, *state, &why));
	assert_true(s.closed);
	store_close(&s);
}

static bool file_is_there(const char *dir, const char *name)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

static void file_holds(const char *dir, const char *name, const char *want)
{
	char path[128], text[300] = { 0 };
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	assert_true(fread(text, 1, sizeof text - 1, file) > 0);
	fclose(file);
	assert_string_equal(text, want);
}

static void bundle_of_fields_is_shown_as_files_and_one_of_none_is_not(void **state)
{
	const char *dir = *state;
	const uint8_t fields[] = { 1, 0, 3, 'a', 'b', 'c', 2, 0, 1, 'z', 3, 0, 2, '0', 'n', 5, 0, 2, 'i', 'd',
		7, 0, 4, 0x81, 0, 2, 0 };
	struct store s;
	struct why why;

	assert_true(store_open(&s, dir, &why));
	assert_true(store_commit(&s, fields, sizeof fields, CUT_NEVER, &why));
	file_holds(dir, "leaf.pem", "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n");
	file_holds(dir, "chain.pem", "-----BEGIN CERTIFICATE-----\neg==\n-----END CERTIFICATE-----\n");
	file_holds(dir, "registration.json", "{\n  \"idScope\": \"0n\",\n  \"registrationId\": \"id\",\n"
		"  \"keyHandle\": \"0x81000200\"\n}");
	assert_true(store_commit(&s, fields + 1, sizeof fields - 1, CUT_NEVER, &why));
	assert_false(file_is_there(dir, "leaf.pem"));
	assert_false(file_is_there(dir, "registration.json"));
	store_close(&s);
}

static void files_that_a_cut_kept_back_are_there_after_power_on(void **state)
{
	const uint8_t fields[] = { 1, 0, 3, 'a', 'b', 'c' };
	struct store s;
	struct why why;

	assert_true(store_open(&s, *state, &why));
	assert_true(store_commit(&s, fields, sizeof fields, CUT_AFTER_RENAME, &why));
	store_close(&s);
	assert_false(file_is_there(*state, "leaf.pem"));
	assert_true(store_open(&s, *state, &why));
	assert_true(file_is_there(*state, "leaf.pem"));
	store_close(&s);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(killed_store_holds_one_bundle_or_the_other),
		T(closed_store_stays_closed),
		T(bundle_of_fields_is_shown_as_files_and_one_of_none_is_not),
		T(files_that_a_cut_kept_back_are_there_after_power_on),
	};
	return cmocka_run_group_tests_name("device storage", tests, NULL, NULL);
}
