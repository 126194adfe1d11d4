/* SPDX-License-Identifier: Apache-2.0 */
#include "station/base/file.h"
#include "tests/base/check.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct place {
	char dir[32], path[64];
};

static int make_place(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	if (!p)
		return -1;
	strcpy(p->dir, "/tmp/file-test-XXXXXX");
	if (!mkdtemp(p->dir))
		return -1;
	snprintf(p->path, sizeof(p->path), "%s/secret", p->dir);
	*state = p;
	return 0;
}

static int remove_place(void **state)
{
	struct place *p = *state;
	unlink(p->path);
	int rc = rmdir(p->dir);
	free(p);
	return rc;
}

static void write_mode(const struct place *p, const char *text, mode_t mode)
{
	unlink(p->path);
	OK(file_write_atomic(p->path, text, strlen(text), 0600, &e));
	assert_int_equal(chmod(p->path, mode), 0);
}

static void what_is_written_is_read_back(void **state)
{
	struct place *p = *state;
	struct stat st;
	AUTO_FREE char *big = malloc(100000);
	AUTO(bytes) struct bytes back = {0};
	assert_non_null(big);
	memset(big, 'b', 100000);
	OK(file_write_atomic(p->path, "old", 3, 0600, &e));
	OK(file_write_atomic(p->path, big, 100000, 0640, &e));
	OK(file_read(p->path, &back, &e));
	assert_int_equal(back.len, 100000);
	assert_memory_equal(back.data, big, 100000);
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void reading_keeps_to_the_maximum(void **state)
{
	struct place *p = *state;
	AUTO(bytes) struct bytes back = {.max = 4};
	write_mode(p, "12345", 0600);
	REFUSED(E_TEXT, file_read(p->path, &back, &e));
	write_mode(p, "1234", 0600);
	bytes_clear(&back);
	OK(file_read(p->path, &back, &e));
	assert_string_equal(bytes_text(&back), "1234");
}

static void what_is_no_regular_file_is_refused(void **state)
{
	struct place *p = *state;
	AUTO(bytes) struct bytes back = {0};
	REFUSED(E_FILE, file_read(p->dir, &back, &e));
	REFUSED(E_FILE, file_read("/dev/null", &back, &e));
	REFUSED(E_FILE, file_read("/nowhere/at/all", &back, &e));
	/* A fifo must not make the station wait for someone to write. */
	assert_int_equal(mkfifo(p->path, 0600), 0);
	REFUSED(E_FILE, file_read(p->path, &back, &e));
	char reference[80];
	snprintf(reference, sizeof(reference), "file:%s", p->path);
	REFUSED(E_SECRET, secret_read(reference, &back, &e));
}

static void a_failed_write_leaves_nothing_behind(void **state)
{
	struct place *p = *state;
	char name[80];
	snprintf(name, sizeof(name), "%s/dir/file", p->dir);
	REFUSED(E_FILE, file_write_atomic(name, "x", 1, 0600, &e));
	/* The target is a directory: the rename fails, and the temporary file goes (the teardown's rmdir finds it otherwise). */
	assert_int_equal(mkdir(p->path, 0700), 0);
	REFUSED(E_FILE, file_write_atomic(p->path, "x", 1, 0600, &e));
	assert_int_equal(rmdir(p->path), 0);
}

static void a_secret_is_read_and_marked(void **state)
{
	struct place *p = *state;
	char reference[80];
	snprintf(reference, sizeof(reference), "file:%s", p->path);
	static const char *const forms[][2] = {{"s3cret", "s3cret"}, {"s3cret\n", "s3cret"}, {"s3cret\n\n", "s3cret\n"}, {" s ", " s "}};
	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		AUTO(bytes) struct bytes b = {0};
		write_mode(p, forms[i][0], i % 2 ? 0400 : 0600);
		OK(secret_read(reference, &b, &e));
		assert_true(b.secret);
		assert_string_equal(bytes_text(&b), forms[i][1]);
	}
}

static void a_credential_is_found_by_its_name(void **state)
{
	struct place *p = *state;
	AUTO(bytes) struct bytes b = {0};
	write_mode(p, "s3cret", 0400);
	unsetenv("CREDENTIALS_DIRECTORY");
	REFUSED(E_SECRET, secret_read("credential:secret", &b, &e));
	setenv("CREDENTIALS_DIRECTORY", p->dir, 1);
	OK(secret_read("credential:secret", &b, &e));
	assert_string_equal(bytes_text(&b), "s3cret");
	REFUSED(E_SECRET, secret_read("credential:../secret", &b, &e));
	unsetenv("CREDENTIALS_DIRECTORY");
}

static void a_secret_that_others_can_read_is_refused(void **state)
{
	struct place *p = *state;
	static const mode_t modes[] = {0640, 0604, 0660, 0601, 0777};
	char reference[80];
	snprintf(reference, sizeof(reference), "file:%s", p->path);
	for (size_t i = 0; i < COUNT_OF(modes); i++) {
		AUTO(bytes) struct bytes b = {0};
		struct err e = {0};
		write_mode(p, "s3cret", modes[i]);
		assert_false(secret_read(reference, &b, &e));
		assert_int_equal(e.code, E_SECRET);
		assert_null(strstr(e.what, "s3cret"));
		assert_int_equal(b.len, 0);
	}
}

static void an_empty_or_overlong_secret_is_refused(void **state)
{
	struct place *p = *state;
	char reference[80];
	snprintf(reference, sizeof(reference), "file:%s", p->path);
	AUTO(bytes) struct bytes b = {.max = 8};
	write_mode(p, "\n", 0600);
	REFUSED(E_SECRET, secret_read(reference, &b, &e));
	write_mode(p, "0123456789", 0600);
	REFUSED(E_SECRET, secret_read(reference, &b, &e));
}

static void a_value_is_no_reference(void **state)
{
	static const char *const no[] = {"", "file:", "credential:", "s3cret", "File:/x", "credential:a/b", "env:X"};
	AUTO(bytes) struct bytes b = {0};
	for (size_t i = 0; i < COUNT_OF(no); i++) {
		struct err e = {0};
		assert_false(secret_is_reference(no[i]));
		assert_false(secret_read(no[i], &b, &e));
		assert_int_equal(e.code, E_SECRET);
		assert_null(strstr(e.what, "s3cret"));
	}
	assert_true(secret_is_reference("file:/x"));
	assert_true(secret_is_reference("credential:x"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_read_back),
		TEST(reading_keeps_to_the_maximum),
		TEST(what_is_no_regular_file_is_refused),
		TEST(a_failed_write_leaves_nothing_behind),
		TEST(a_secret_is_read_and_marked),
		TEST(a_credential_is_found_by_its_name),
		TEST(a_secret_that_others_can_read_is_refused),
		TEST(an_empty_or_overlong_secret_is_refused),
		TEST(a_value_is_no_reference),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
