/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/torn/torn.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define SEEDS 40
#define BIG 4096

struct place {
	char dir[64], disk[80], after[80];
	struct torn *history;
};

static int place_setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	if (!p)
		return -1;
	snprintf(p->dir, sizeof(p->dir), "/tmp/torn-test-XXXXXX");
	if (!mkdtemp(p->dir))
		return -1;
	snprintf(p->disk, sizeof(p->disk), "%s/disk", p->dir);
	snprintf(p->after, sizeof(p->after), "%s/after", p->dir);
	*state = p;
	return mkdir(p->disk, 0700);
}

static int place_teardown(void **state)
{
	struct place *p = *state;
	torn_free(p->history);
	torn_remove(p->dir);
	free(p);
	return 0;
}

static const char *on(const char *dir, const char *name)
{
	static char path[4][160];
	static unsigned turn;
	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
	return path[turn];
}

static int make(struct place *p, const char *name)
{
	int fd = open(on(p->disk, name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

static void fill(int fd, off_t at, char with, size_t len)
{
	char data[BIG];
	memset(data, with, sizeof(data));
	assert_int_equal(pwrite(fd, data, len, at), len);
}

static void sync_names(struct place *p)
{
	int fd = open(p->disk, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0 && fsync(fd) == 0);
	close(fd);
}

/* The file after the cut; -1 where it is not there. */
static ssize_t found(struct place *p, const char *name, char data[BIG])
{
	int fd = open(on(p->after, name), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, data, BIG);
	if (fd >= 0)
		close(fd);
	return n;
}

/* In how many sectors of 512 this byte stands, and how many are of one byte altogether. */
static unsigned sectors(const char data[BIG], char with, unsigned *ret_whole)
{
	unsigned count = 0;
	*ret_whole = 0;
	for (size_t s = 0; s < BIG; s += 512) {
		bool whole = true;
		for (size_t i = 1; i < 512; i++)
			whole = whole && data[s + i] == data[s];
		*ret_whole += whole;
		count += whole && data[s] == with;
	}
	return count;
}

static void what_was_synced_is_there_whatever_the_disk_does(void **state)
{
	struct place *p = *state;
	char data[BIG];
	torn_begin(p->disk);
	int fd = make(p, "a");
	fill(fd, 0, 'x', BIG);
	assert_int_equal(fdatasync(fd), 0);
	sync_names(p);
	fill(fd, 0, 'y', 0);
	close(fd);
	p->history = torn_end();
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		unsigned whole;
		torn_build(p->history, torn_count(p->history), seed, p->after);
		assert_int_equal(found(p, "a", data), BIG);
		assert_int_equal(sectors(data, 'x', &whole), 8);
	}
}

static void what_was_not_synced_is_dropped_kept_or_torn_by_sectors(void **state)
{
	struct place *p = *state;
	char data[BIG];
	unsigned none = 0, all = 0, mixed = 0;
	int fd = make(p, "a");
	fill(fd, 0, 'x', BIG);
	torn_begin(p->disk);
	fill(fd, 0, 'y', BIG);
	close(fd);
	p->history = torn_end();
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		unsigned whole, kept;
		torn_build(p->history, 1, seed, p->after);
		assert_int_equal(found(p, "a", data), BIG);
		kept = sectors(data, 'y', &whole);
		assert_int_equal(whole, 8);
		none += kept == 0;
		all += kept == 8;
		mixed += kept > 0 && kept < 8;
		if (seed < 2)
			assert_int_equal(kept, seed ? 8 : 0);
		torn_build(p->history, 0, seed, p->after);
		assert_int_equal(found(p, "a", data), BIG);
		assert_int_equal(sectors(data, 'x', &whole), 8);
	}
	assert_true(none && all && mixed);
}

static void a_later_write_may_be_there_without_an_earlier_one(void **state)
{
	struct place *p = *state;
	char data[BIG];
	unsigned reordered = 0, other_file = 0;
	int fd = make(p, "a"), second = make(p, "b");
	fill(fd, 0, 'x', BIG);
	fill(second, 0, 'x', BIG);
	torn_begin(p->disk);
	fill(fd, 0, 'y', 512);
	fill(fd, 2048, 'z', 512);
	fill(second, 0, 'y', 512);
	fdatasync(second);
	close(fd);
	close(second);
	p->history = torn_end();
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		torn_build(p->history, torn_count(p->history), seed, p->after);
		found(p, "a", data);
		reordered += data[0] == 'x' && data[2048] == 'z';
		other_file += data[0] == 'x';
		found(p, "b", data);
		assert_int_equal(data[0], 'y');
	}
	assert_true(reordered && other_file);
}

static void a_sector_holds_one_of_its_versions_and_no_mixture(void **state)
{
	struct place *p = *state;
	char data[BIG];
	unsigned middle = 0;
	int fd = make(p, "a");
	fill(fd, 0, 'x', BIG);
	torn_begin(p->disk);
	fill(fd, 0, 'y', 100);
	fill(fd, 100, 'z', 412);
	close(fd);
	p->history = torn_end();
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		torn_build(p->history, 2, seed, p->after);
		found(p, "a", data);
		assert_true(data[511] != 'z' || data[0] == 'y');
		middle += data[0] == 'y' && data[511] == 'x';
	}
	assert_true(middle);
}

static void a_size_that_was_not_synced_is_an_old_or_a_later_one(void **state)
{
	struct place *p = *state;
	char data[BIG];
	unsigned shorter = 0, cut = 0;
	int fd = make(p, "a");
	fill(fd, 0, 'x', 1024);
	torn_begin(p->disk);
	fill(fd, 1024, 'y', 1024);
	assert_int_equal(ftruncate(fd, 512), 0);
	close(fd);
	p->history = torn_end();
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		torn_build(p->history, 1, seed, p->after);
		ssize_t n = found(p, "a", data);
		assert_true(n == 1024 || n == 2048);
		assert_int_equal(data[0], 'x');
		shorter += n == 1024;
		torn_build(p->history, 2, seed, p->after);
		n = found(p, "a", data);
		assert_true(n == 512 || n == 1024 || n == 2048);
		cut += n == 512;
	}
	assert_true(shorter && shorter < SEEDS && cut && cut < SEEDS);
}

static void a_name_is_durable_by_its_directory_alone(void **state)
{
	struct place *p = *state;
	char data[BIG];
	unsigned lost = 0;
	torn_begin(p->disk);
	int fd = make(p, "a");
	fill(fd, 0, 'x', 512);
	fsync(fd);
	close(fd);
	size_t before = torn_count(p->history = torn_end());
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		torn_build(p->history, before, seed, p->after);
		lost += found(p, "a", data) < 0;
	}
	assert_true(lost && lost < SEEDS);
}

static void a_renamed_file_is_under_the_old_name_or_the_new_one(void **state)
{
	struct place *p = *state;
	char data[BIG];
	unsigned old = 0;
	int fd = make(p, "a");
	fill(fd, 0, 'x', 512);
	close(fd);
	torn_begin(p->disk);
	fd = make(p, "a.tmp");
	fill(fd, 0, 'y', 512);
	fsync(fd);
	sync_names(p);
	close(fd);
	assert_int_equal(rename(on(p->disk, "a.tmp"), on(p->disk, "a")), 0);
	sync_names(p);
	p->history = torn_end();
	size_t renamed = torn_count(p->history) - 1;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		torn_build(p->history, renamed, seed, p->after);
		assert_int_equal(found(p, "a", data), 512);
		bool is_old = data[0] == 'x';
		assert_int_equal(is_old, found(p, "a.tmp", data) == 512);
		old += is_old;
		torn_build(p->history, renamed + 1, seed, p->after);
		assert_int_equal(found(p, "a.tmp", data), -1);
	}
	assert_true(old && old < SEEDS);
}

static void what_is_in_a_directory_that_is_lost_is_lost(void **state)
{
	struct place *p = *state;
	char data[BIG];
	unsigned lost = 0;
	torn_begin(p->disk);
	assert_int_equal(mkdir(on(p->disk, "in"), 0700), 0);
	int fd = make(p, "in/a"), dir = open(on(p->disk, "in"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fill(fd, 0, 'x', 512);
	assert_true(fsync(fd) == 0 && fsync(dir) == 0);
	close(fd);
	close(dir);
	p->history = torn_end();
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		torn_build(p->history, torn_count(p->history), seed, p->after);
		lost += found(p, "in/a", data) < 0;
	}
	assert_true(lost && lost < SEEDS);
}

static void a_disk_that_lies_about_a_sync_loses_what_it_promised(void **state)
{
	struct place *p = *state;
	char data[BIG];
	int fd = make(p, "a");
	torn_begin(p->disk);
	torn_promise(1);
	fill(fd, 0, 'x', 512);
	fdatasync(fd);
	torn_promise(2);
	close(fd);
	p->history = torn_end();
	assert_int_equal(torn_promised(p->history, 1), 1);
	assert_int_equal(torn_promised(p->history, 2), 2);
	assert_int_equal(torn_first(p->history, 2), 2);
	torn_build(p->history, 2, 0, p->after);
	assert_int_equal(found(p, "a", data), 512);
	torn_lie(p->history, "a");
	torn_build(p->history, 2, 0, p->after);
	assert_int_equal(found(p, "a", data), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
	const struct CMUnitTest tests[] = {
		T(what_was_synced_is_there_whatever_the_disk_does),
		T(what_was_not_synced_is_dropped_kept_or_torn_by_sectors),
		T(a_later_write_may_be_there_without_an_earlier_one),
		T(a_sector_holds_one_of_its_versions_and_no_mixture),
		T(a_size_that_was_not_synced_is_an_old_or_a_later_one),
		T(a_name_is_durable_by_its_directory_alone),
		T(a_renamed_file_is_under_the_old_name_or_the_new_one),
		T(what_is_in_a_directory_that_is_lost_is_lost),
		T(a_disk_that_lies_about_a_sync_loses_what_it_promised),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
