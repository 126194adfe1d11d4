/* SPDX-License-Identifier: Apache-2.0 */
/* What a disk does to a ledger while nobody looks: any page turned to junk, or back to what it was. It is found before it is relied on,
 * by opening the ledger or by the check that stands before every verification, backup and restore. */
#include "db/lots.h"
#include "db/outbox.h"
#include "tests/db/scratch.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PAGE 2048

static void put_units(struct scratch *s, unsigned from, unsigned to)
{
	for (unsigned n = from; n < to; n++) {
		struct job_row row = {.intent_index = -1, .verdict = VERDICT_PASS};
		struct outbox_row out = {.queued_ms = n};
		char big[3000];
		uint64_t index;
		bool new;
		snprintf(row.id, sizeof(row.id), "%032x", n + 1);
		snprintf(row.serial, sizeof(row.serial), "SN-%06u", n * 7919 % 1000);
		snprintf(row.registration_id, sizeof(row.registration_id), "reg-%u-and-a-long-name-so-that-indexes-have-pages", n);
		snprintf(out.job, sizeof(out.job), "%s", row.id);
		snprintf(out.registration_id, sizeof(out.registration_id), "%s", row.registration_id);
		memset(big, 'x', sizeof(big) - 1);
		big[sizeof(big) - 1] = 0;
		json_t *body = json_pack("{s:s}", "text", big);
		OK(bytes_set(&out.body, big, 600, &e));
		OK(ledger_begin(s->l, &e));
		OK(jobs_put(s->l, &row, &e));
		OK(outbox_put(s->l, &out, &new, &e));
		OK(audit_append(s->l, "test.entry", row.id, body, 5, &index, &e));
		OK(ledger_commit(s->l, &e));
		json_decref(body);
		outbox_row_fini(&out);
	}
}

/* Whether anything says that the ledger is not as it was written. */
static bool is_found(const char *path)
{
	struct ledger *l = NULL;
	struct audit_report report = {.fits = true};
	struct err why = {0};
	if (!ledger_open_reader(path, &l, &why)) {
		assert_true(why.code == E_DB_CORRUPT || why.code == E_DB);
		return true;
	}
	bool ok = ledger_check(l, &why) && audit_verify(l, NULL, NULL, &report, &why);
	ledger_close(l);
	assert_true(ok || why.code == E_DB_CORRUPT);
	return !ok || !report.fits;
}

static void read_page(const char *path, off_t number, uint8_t page[static PAGE])
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, page, PAGE, number * PAGE), PAGE);
}

static void write_page(const char *path, off_t number, const uint8_t page[static PAGE])
{
	AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, page, PAGE, number * PAGE), PAGE);
}

static off_t pages_of(const char *path)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return st.st_size / PAGE;
}

static void any_page_of_junk_is_found(void **state)
{
	struct scratch *s = *state;
	uint8_t good[PAGE], junk[PAGE];
	char free_pages[32];
	off_t found = 0;
	put_units(s, 0, 60);
	scratch_checkpoint(s);
	scratch_sql(s, "PRAGMA freelist_count", free_pages, sizeof(free_pages));
	scratch_close(s);
	memset(junk, 0x5a, sizeof(junk));
	for (off_t n = 0; n < pages_of(s->path); n++) {
		read_page(s->path, n, good);
		write_page(s->path, n, junk);
		found += is_found(s->path);
		write_page(s->path, n, good);
	}
	print_message("%ld pages, %ld times junk was found; %ld pages are free\n", (long)pages_of(s->path), (long)found, atol(free_pages));
	assert_true(found >= pages_of(s->path) - atol(free_pages) && found > 150);
	assert_false(is_found(s->path));
}

/* A write that the disk forgot: the page is whole, and of yesterday. */
static void a_page_of_an_index_that_went_back_is_found(void **state)
{
	struct scratch *s = *state;
	uint8_t old[256][PAGE], now[PAGE];
	unsigned changed = 0, found = 0;
	put_units(s, 0, 40);
	scratch_close(s);
	off_t before = pages_of(s->path);
	assert_true(before <= 256);
	for (off_t n = 0; n < before; n++)
		read_page(s->path, n, old[n]);
	scratch_reopen(s);
	put_units(s, 40, 60);
	scratch_close(s);
	for (off_t n = 1; n < before; n++) {
		read_page(s->path, n, now);
		if (!memcmp(now, old[n], PAGE))
			continue;
		changed++;
		write_page(s->path, n, old[n]);
		found += is_found(s->path);
		write_page(s->path, n, now);
	}
	print_message("%u pages changed since, %u were found when they went back\n", changed, found);
	assert_true(changed > 5 && found >= changed - 1);	/* how often it was opened is in a page that nothing else knows of */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		T(any_page_of_junk_is_found),
		T(a_page_of_an_index_that_went_back_is_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
