/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/db/scratch.h"
#include "station/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static uint64_t size_of(struct ledger *l)
{
	uint64_t size;
	struct merkle_hash root;
	OK(audit_head(l, &size, &root, &e));
	return size;
}

static void expect_whole(struct scratch *s)
{
	struct audit_report report;
	OK(ledger_check(s->l, &e));
	OK(audit_verify(s->l, NULL, NULL, &report, &e));
	if (!report.fits)
		fail_msg("%s", report.why);
}

static void a_second_writer_is_refused(void **state)
{
	struct scratch *s = *state;
	struct ledger *second = NULL;
	REFUSED(E_DB_LOCKED, ledger_open(s->path, ORIGIN, &second, &e));
	assert_null(second);
	scratch_append(s, 1);
	scratch_close(s);
	OK(ledger_open(s->path, ORIGIN, &second, &e));
	ledger_close(second);
}

static void a_second_writing_process_is_refused(void **state)
{
	struct scratch *s = *state;
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		struct ledger *l = NULL;
		struct err e = {0};
		_exit(ledger_open(s->path, ORIGIN, &l, &e) ? 0 : e.code == E_DB_LOCKED ? 33 : 1);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 33);
}

static void a_reader_stands_beside_the_writer_and_sees_what_is_committed(void **state)
{
	struct scratch *s = *state;
	struct ledger *reader = NULL;
	uint64_t index;
	scratch_append(s, 3);
	OK(ledger_open_reader(s->path, &reader, &e));
	assert_string_equal(ledger_origin(reader), ORIGIN);
	assert_int_equal(size_of(reader), 3);
	OK(ledger_begin(s->l, &e));
	OK(audit_append(s->l, "t", "", NULL, 1, &index, &e));
	assert_int_equal(size_of(reader), 3);
	OK(ledger_commit(s->l, &e));
	assert_int_equal(size_of(reader), 4);
	/* Many automatic checkpoints later. */
	for (unsigned i = 0; i < 3000; i++) {
		OK(ledger_begin(s->l, &e));
		OK(audit_append(s->l, "t", "", NULL, 1, &index, &e));
		OK(ledger_commit(s->l, &e));
	}
	assert_int_equal(size_of(reader), 3004);
	struct audit_report report;
	OK(audit_verify(reader, NULL, NULL, &report, &e));
	assert_true(report.fits && report.entries == 3004);
	ledger_close(reader);
}

static void a_reader_of_a_closed_ledger_leaves_it_as_it_was(void **state)
{
	struct scratch *s = *state;
	struct stat before, after;
	struct ledger *reader = NULL;
	scratch_append(s, 5);
	scratch_close(s);
	assert_int_equal(stat(s->path, &before), 0);
	OK(ledger_open_reader(s->path, &reader, &e));
	assert_int_equal(size_of(reader), 5);
	ledger_close(reader);
	assert_int_equal(stat(s->path, &after), 0);
	assert_true(before.st_size == after.st_size && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
}

static void a_reader_of_nothing_is_an_error_and_makes_nothing(void **state)
{
	struct scratch *s = *state;
	struct ledger *reader = NULL;
	char other[128];
	snprintf(other, sizeof(other), "%s/copy.db", s->dir);
	REFUSED(E_DB, ledger_open_reader(other, &reader, &e));
	assert_int_equal(access(other, F_OK), -1);
}

static void a_ledger_of_another_name_is_refused(void **state)
{
	struct scratch *s = *state;
	scratch_close(s);
	REFUSED(E_DB_CORRUPT, ledger_open(s->path, "line-2.example/station", &s->l, &e));
	REFUSED(E_TEXT, ledger_open(s->path, "", &s->l, &e));
	REFUSED(E_TEXT, ledger_open(s->path, "a\nb", &s->l, &e));
	scratch_reopen(s);
}

static void a_newer_schema_is_refused_and_left_alone(void **state)
{
	struct scratch *s = *state;
	struct ledger *reader = NULL;
	char answer[16];
	scratch_close(s);
	scratch_sql(s, "PRAGMA user_version = 99", NULL, 0);
	REFUSED(E_DB_NEWER, ledger_open(s->path, ORIGIN, &s->l, &e));
	REFUSED(E_DB_NEWER, ledger_open_reader(s->path, &reader, &e));
	scratch_sql(s, "PRAGMA user_version", answer, sizeof(answer));
	assert_string_equal(answer, "99\n");
}

static void another_programs_database_is_refused(void **state)
{
	struct scratch *s = *state;
	scratch_close(s);
	scratch_sql(s, "PRAGMA application_id = 5", NULL, 0);
	REFUSED(E_DB_CORRUPT, ledger_open(s->path, ORIGIN, &s->l, &e));
}

static void overwrite(const char *path, off_t at, size_t len)
{
	AUTO_FREE char *junk = malloc(len);
	AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_non_null(junk);
	memset(junk, 0x5a, len);
	assert_int_equal(pwrite(fd, junk, len, at), len);
}

static void a_file_that_is_no_database_is_corrupt(void **state)
{
	struct scratch *s = *state;
	struct ledger *reader = NULL;
	scratch_close(s);
	overwrite(s->path, 0, 4096);
	REFUSED(E_DB_CORRUPT, ledger_open(s->path, ORIGIN, &s->l, &e));
	REFUSED(E_DB_CORRUPT, ledger_open_reader(s->path, &reader, &e));
}

static void damaged_pages_are_found(void **state)
{
	struct scratch *s = *state;
	struct stat st;
	struct audit_report report;
	struct err found = {0};
	scratch_append(s, 200);
	scratch_close(s);
	assert_int_equal(stat(s->path, &st), 0);
	overwrite(s->path, st.st_size / 4 * 3, (size_t)st.st_size / 8);
	/* Which page the damage hits decides whether the opening meets it already. */
	if (!ledger_open(s->path, ORIGIN, &s->l, &found)) {
		assert_int_equal(found.code, E_DB_CORRUPT);
		OK(ledger_open_reader(s->path, &s->l, &e));
	}
	REFUSED(E_DB_CORRUPT, audit_verify(s->l, NULL, NULL, &report, &e));
	REFUSED(E_DB_CORRUPT, ledger_check(s->l, &e));
}

static void a_log_without_its_nodes_does_not_open_for_writing(void **state)
{
	struct scratch *s = *state;
	scratch_append(s, 9);
	scratch_close(s);
	scratch_sql(s, "DROP TRIGGER entry_is_never_removed; DELETE FROM entry WHERE idx = 7", NULL, 0);
	REFUSED(E_DB_CORRUPT, ledger_open(s->path, ORIGIN, &s->l, &e));
}

static void the_file_keeps_to_its_settings(void **state)
{
	struct scratch *s = *state;
	struct stat st;
	char answer[64], name[128];
	scratch_sql(s, "PRAGMA journal_mode; PRAGMA page_size; SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND type = 'table' "
		    "AND name NOT LIKE 'sqlite_%' AND NOT strict; PRAGMA foreign_key_check", answer, sizeof(answer));
	assert_string_equal(answer, "wal\n2048\n0\n");
	assert_int_equal(stat(s->path, &st), 0);
	assert_int_equal(st.st_mode & 0027, 0);
	/* Grown ahead, and by frames that count for nothing. */
	snprintf(name, sizeof(name), "%s-wal", s->path);
	assert_int_equal(stat(name, &st), 0);
	assert_true(st.st_size > 1000 * 2048);
}

static void what_one_transaction_holds_comes_or_goes_together(void **state)
{
	struct scratch *s = *state;
	struct job_row row = {.id = "00000000000000000000000000000001", .serial = "A", .intent_index = -1};
	struct job_row back = {0};
	uint64_t index;
	bool found;
	OK(ledger_begin(s->l, &e));
	OK(jobs_put(s->l, &row, &e));
	OK(audit_append(s->l, "t", row.id, NULL, 1, &index, &e));
	OK(jobs_find(s->l, JOB_BY_SERIAL, "A", &back, &found, &e));
	assert_true(found);	/* seen inside */
	ledger_rollback(s->l);
	OK(jobs_find(s->l, JOB_BY_SERIAL, "A", &back, &found, &e));
	assert_false(found);
	assert_int_equal(size_of(s->l), 0);
}

struct crowd {
	struct scratch *s;
	unsigned number;
	const char *wrong;
};

static void *work(void *arg)
{
	struct crowd *c = arg;
	struct ledger *l = c->s->l;
	struct job_row row = {.intent_index = -1}, back;
	snprintf(row.id, sizeof(row.id), "%032u", c->number);
	snprintf(row.serial, sizeof(row.serial), "%u", c->number);
	for (unsigned i = 0; i < 40; i++) {
		struct err e = {0};
		uint64_t index;
		bool found;
		row.visits = i;
		c->wrong = "begin";
		if (!ledger_begin(l, &e))
			return NULL;
		c->wrong = "write";
		if (!jobs_put(l, &row, &e) || !audit_append(l, "t", row.id, NULL, i, &index, &e)) {
			ledger_rollback(l);
			return NULL;
		}
		if (i % 5 == 3) {
			ledger_rollback(l);
			continue;
		}
		c->wrong = "read";
		if (!ledger_commit(l, &e) || !jobs_find(l, JOB_BY_SERIAL, row.serial, &back, &found, &e) || !found ||
		    back.visits != i)
			return NULL;
	}
	c->wrong = NULL;
	return NULL;
}

static void sixteen_threads_share_one_ledger(void **state)
{
	struct scratch *s = *state;
	pthread_t thread[16];
	struct crowd crowd[16];
	for (unsigned i = 0; i < 16; i++) {
		crowd[i] = (struct crowd){s, i, NULL};
		assert_int_equal(pthread_create(&thread[i], NULL, work, &crowd[i]), 0);
	}
	for (unsigned i = 0; i < 16; i++) {
		pthread_join(thread[i], NULL);
		if (crowd[i].wrong)
			fail_msg("thread %u: %s", i, crowd[i].wrong);
	}
	assert_int_equal(size_of(s->l), 16 * 32);
	expect_whole(s);
}

/* The line, as far as the ledger sees it: forever one entry and one job row a transaction, the index said aloud once it is on disk. */
static void run_line(const char *path, int out)
{
	struct ledger *l = NULL;
	struct err e = {0};
	struct job_row row = {.id = "00000000000000000000000000000001", .intent_index = -1};
	if (!ledger_open(path, ORIGIN, &l, &e))
		_exit(2);
	for (;;) {
		uint64_t index;
		row.visits++;
		if (!ledger_begin(l, &e) || !jobs_put(l, &row, &e) || !audit_append(l, "t", row.id, NULL, 1, &index, &e) ||
		    !ledger_commit(l, &e) || write(out, &index, sizeof(index)) != sizeof(index))
			_exit(3);
	}
}

/* Promise 5. Ten lines are killed, from the first millisecond on; what they said is there, and the log fits. */
static void nothing_acknowledged_is_lost_by_kill_9(void **state)
{
	struct scratch *s = *state;
	uint64_t acknowledged = 0, kept = 0;
	for (unsigned i = 0; i < 10; i++) {
		int p[2], status;
		scratch_close(s);
		assert_int_equal(pipe(p), 0);
		pid_t pid = fork();
		if (pid == 0)
			run_line(s->path, p[1]);
		close(p[1]);
		clock_sleep_ms(i < 3 ? 2 + i * 4 : 60 + i * 41);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		assert_true(WIFSIGNALED(status));
		for (uint64_t index; read(p[0], &index, sizeof(index)) == sizeof(index);)
			acknowledged = index + 1;
		close(p[0]);
		OK(ledger_open(s->path, ORIGIN, &s->l, &e));
		kept = size_of(s->l);
		/* The last commit may have come before its word. */
		assert_true(kept >= acknowledged && kept <= acknowledged + 1);
		acknowledged = kept;
		expect_whole(s);
	}
	assert_true(acknowledged > 100);
	struct job_row row;
	bool found;
	OK(jobs_find(s->l, JOB_BY_ID, "00000000000000000000000000000001", &row, &found, &e));
	assert_true(found && row.visits > 1);
}

/* In a child, since the limit cannot be taken back. It ends with 0 if the disk was full at last, and everything before it is there. */
static int fill_disk(const char *path, rlim_t limit)
{
	struct ledger *l = NULL;
	struct err e = {0};
	struct rlimit r = {limit, limit};
	uint64_t index = 0, size = 0;
	struct merkle_hash root;
	AUTO_FREE char *text = calloc(1, 8001);
	if (!text || !ledger_open(path, ORIGIN, &l, &e))
		return 2;
	memset(text, 'x', 8000);
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &r);
	for (uint64_t done = 0;; done++) {
		json_t *body = json_string(text);
		bool ok = ledger_begin(l, &e);
		if (ok && !audit_append(l, "t", "", body, 1, &index, &e)) {
			ledger_rollback(l);
			ok = false;
		} else if (ok) {
			ok = ledger_commit(l, &e);
		}
		json_decref(body);
		if (ok && done < 100000)
			continue;
		if (ok || e.code != E_DB_FULL)
			return fprintf(stderr, "%s %s\n", err_row(e.code)->code, e.what), 3;
		/* It still reads, and says the truth. */
		err_clear(&e);
		struct audit_report report;
		if (!audit_head(l, &size, &root, &e) || size != done || !audit_verify(l, NULL, NULL, &report, &e) || !report.fits)
			return 4;
		printf("      full after %d entries\n", (int)done);
		return done > 20 ? 0 : 5;
	}
}

static void a_full_disk_loses_nothing(void **state)
{
	struct scratch *s = *state;
	static const rlim_t limits[] = {4 << 20, 3 << 20, (5 << 20) + 777};
	for (size_t i = 0; i < COUNT_OF(limits); i++) {
		int status;
		scratch_close(s);
		fflush(stdout);
		pid_t pid = fork();
		if (pid == 0) {
			int rc = fill_disk(s->path, limits[i]);
			fflush(stdout);
			_exit(rc);
		}
		waitpid(pid, &status, 0);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
		/* Room again. */
		scratch_reopen(s);
		scratch_append(s, 1);
		expect_whole(s);
		scratch_remove(s);
	}
}

static void a_disk_that_is_full_from_the_beginning_is_said_to_be_full(void **state)
{
	struct scratch *s = *state;
	int status;
	scratch_close(s);
	pid_t pid = fork();
	if (pid == 0) {
		struct rlimit r = {1 << 20, 1 << 20};
		struct err e = {0};
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &r);
		_exit(ledger_open(s->path, ORIGIN, &s->l, &e) ? 1 : e.code == E_DB_FULL ? 0 : 2);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	scratch_reopen(s);
	expect_whole(s);
}

/* Somebody locks the whole file against readers, as a recovery of its WAL does, until the pipe to him closes. */
static pid_t hold(const char *path, int *ret_let_go)
{
	int go[2], held[2];
	char one;
	assert_int_equal(pipe(go) | pipe(held), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct flock lock = {.l_type = F_WRLCK, .l_start = 0x40000000, .l_len = 512};	/* SQLite's lock bytes */
		close(go[1]);
		int fd = open(path, O_RDWR);
		bool ok = fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0 && write(held[1], "h", 1) == 1;
		_exit(ok && read(go[0], &one, 1) == 0 ? 0 : 1);
	}
	assert_int_equal(read(held[0], &one, 1), 1);
	close(go[0]);
	close(held[0]);
	close(held[1]);
	*ret_let_go = go[1];
	return pid;
}

static void a_ledger_that_cannot_be_read_now_is_no_empty_copy(void **state)
{
	struct scratch *s = *state;
	char to[sizeof(s->path) + 8];
	struct ledger *copy = NULL;
	int let_go, status;
	scratch_append(s, 3);
	scratch_close(s);
	snprintf(to, sizeof(to), "%s.copy", s->path);
	pid_t pid = hold(s->path, &let_go);
	REFUSED(E_DB_LOCKED, ledger_backup(s->path, to, &e));
	assert_int_equal(access(to, F_OK), -1);
	REFUSED(E_DB_LOCKED, ledger_copy(s->path, to, &e));
	close(let_go);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	unlink(to);
	OK(ledger_backup(s->path, to, &e));
	OK(ledger_open_reader(to, &copy, &e));
	assert_int_equal(size_of(copy), 3);
	ledger_close(copy);
	unlink(to);
}

static void a_file_that_lost_a_guard_has_not_a_ledgers_form(void **state)
{
	static const char *const edits[] = {
		"DROP TRIGGER checkpoint_is_never_changed",
		"CREATE TRIGGER more AFTER INSERT ON job BEGIN DELETE FROM outbox; END",
		"CREATE VIEW more AS SELECT 1",
		"PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, 'serial TEXT UNIQUE', 'serial TEXT') WHERE name = 'job'",
	};
	struct scratch *s = *state;
	char said[64], copy[sizeof(s->path) + 8];
	scratch_append(s, 1);
	scratch_close(s);
	OK(ledger_has_its_form(s->path, &e));
	snprintf(copy, sizeof(copy), "%s.kept", s->path);
	OK(ledger_backup(s->path, copy, &e));
	for (size_t i = 0; i < COUNT_OF(edits); i++) {
		scratch_sql(s, edits[i], said, sizeof(said));
		REFUSED(E_DB_CORRUPT, ledger_has_its_form(s->path, &e));
		scratch_remove(s);
		OK(ledger_backup(copy, s->path, &e));
		OK(ledger_has_its_form(s->path, &e));
	}
	unlink(copy);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_second_writer_is_refused),
		TEST(a_second_writing_process_is_refused),
		TEST(a_reader_stands_beside_the_writer_and_sees_what_is_committed),
		TEST(a_reader_of_a_closed_ledger_leaves_it_as_it_was),
		TEST(a_reader_of_nothing_is_an_error_and_makes_nothing),
		TEST(a_ledger_of_another_name_is_refused),
		TEST(a_newer_schema_is_refused_and_left_alone),
		TEST(another_programs_database_is_refused),
		TEST(a_file_that_is_no_database_is_corrupt),
		TEST(damaged_pages_are_found),
		TEST(a_log_without_its_nodes_does_not_open_for_writing),
		TEST(the_file_keeps_to_its_settings),
		TEST(what_one_transaction_holds_comes_or_goes_together),
		TEST(sixteen_threads_share_one_ledger),
		TEST(a_ledger_that_cannot_be_read_now_is_no_empty_copy),
		TEST(a_file_that_lost_a_guard_has_not_a_ledgers_form),
		TEST(nothing_acknowledged_is_lost_by_kill_9),
		TEST(a_full_disk_loses_nothing),
		TEST(a_disk_that_is_full_from_the_beginning_is_said_to_be_full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
