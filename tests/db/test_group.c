/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions of several threads that share a sync. A thread that never comes (`ghost`) makes one wait for certain that would
 * otherwise do so by chance. */
#include "db/store.h"
#include "tests/db/scratch.h"
#include "tests/torn/torn.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

/* ---- one that waits ---- */

struct waiting {
	struct ledger *l;
	uint64_t index;
	bool ok;
	struct err e;
	pthread_t thread;
};

static void *wait_for_disk(void *arg)
{
	struct waiting *w = arg;
	w->ok = ledger_begin(w->l, &w->e) && audit_append(w->l, "waits", "", NULL, 1, &w->index, &w->e) && ledger_commit(w->l, &w->e);
	return NULL;
}

static unsigned count_waiting(struct ledger *l)
{
	store_take(l);
	unsigned count = l->group.count;
	store_give(l);
	return count;
}

static void ghost(struct ledger *l, int comes)
{
	atomic_fetch_add(&l->group.coming, (unsigned)comes);
}

/* Returns when its transaction is complete and not on disk. */
static void start_waiting(struct waiting *w, struct ledger *l)
{
	unsigned before = count_waiting(l);
	*w = (struct waiting){.l = l};
	ghost(l, 1);
	assert_int_equal(pthread_create(&w->thread, NULL, wait_for_disk, w), 0);
	while (count_waiting(l) == before)
		sched_yield();
	ghost(l, -1);
}

static void append(struct ledger *l, const char *type)
{
	uint64_t index;
	OK(audit_append(l, type, "", NULL, 2, &index, &e));
}

/* As others see it, who have the file only. */
static uint64_t size_on_disk(struct scratch *s)
{
	struct ledger *reader = NULL;
	uint64_t size;
	struct merkle_hash root;
	OK(ledger_open_reader(s->path, &reader, &e));
	OK(audit_head(reader, &size, &root, &e));
	ledger_close(reader);
	return size;
}

static void expect_fitting(struct scratch *s, uint64_t entries)
{
	struct audit_report report;
	OK(audit_verify(s->l, NULL, NULL, &report, &e));
	if (!report.fits)
		fail_msg("%s", report.why);
	assert_int_equal(report.entries, entries);
	assert_int_equal(size_on_disk(s), entries);
}

static void who_comes_last_commits_for_all(void **state)
{
	struct scratch *s = *state;
	struct waiting w[3];
	for (size_t i = 0; i < COUNT_OF(w); i++)
		start_waiting(&w[i], s->l);
	assert_int_equal(size_on_disk(s), 0);
	OK(ledger_begin(s->l, &e));
	append(s->l, "last");
	OK(ledger_commit(s->l, &e));
	for (size_t i = 0; i < COUNT_OF(w); i++) {
		pthread_join(w[i].thread, NULL);
		assert_true(w[i].ok);
		assert_int_equal(w[i].index, i);
	}
	expect_fitting(s, 4);
}

static void one_that_is_undone_takes_nothing_from_the_others(void **state)
{
	struct scratch *s = *state;
	struct waiting w;
	start_waiting(&w, s->l);
	OK(ledger_begin(s->l, &e));
	append(s->l, "undone");
	append(s->l, "undone");
	ledger_rollback(s->l);
	pthread_join(w.thread, NULL);
	assert_true(w.ok);
	expect_fitting(s, 1);
	scratch_append(s, 2);
	expect_fitting(s, 3);
}

static void one_whose_unit_is_known_already_is_refused_alone(void **state)
{
	struct scratch *s = *state;
	struct waiting w;
	struct job_row row = {.id = "1", .serial = "SN-1", .model = "M", .intent_index = -1}, clone = row;
	struct err why = {0};
	snprintf(clone.id, sizeof(clone.id), "2");
	OK(ledger_begin(s->l, &e));
	OK(jobs_put(s->l, &row, &e));
	OK(ledger_commit(s->l, &e));
	start_waiting(&w, s->l);
	OK(ledger_begin(s->l, &e));
	assert_false(jobs_put(s->l, &clone, &why));
	ledger_rollback(s->l);
	pthread_join(w.thread, NULL);
	assert_true(w.ok);
	expect_fitting(s, 1);
}

static void a_reading_sees_only_what_is_on_disk(void **state)
{
	struct scratch *s = *state;
	struct waiting w;
	uint64_t size;
	struct merkle_hash root;
	start_waiting(&w, s->l);
	ghost(s->l, 1);
	OK(audit_head(s->l, &size, &root, &e));
	assert_int_equal(size, 1);
	assert_int_equal(size_on_disk(s), 1);
	pthread_join(w.thread, NULL);
	ghost(s->l, -1);
	assert_true(w.ok);
}

static int refuse_commit(void *ctx)
{
	return *(bool *)ctx;
}

static void all_are_told_when_the_disk_takes_nothing(void **state)
{
	struct scratch *s = *state;
	struct waiting w[2];
	bool refuse = true;
	scratch_append(s, 1);
	for (size_t i = 0; i < COUNT_OF(w); i++)
		start_waiting(&w[i], s->l);
	sqlite3_commit_hook(s->l->db, refuse_commit, &refuse);
	OK(ledger_begin(s->l, &e));
	append(s->l, "last");
	REFUSED(E_DB, ledger_commit(s->l, &e));
	refuse = false;
	for (size_t i = 0; i < COUNT_OF(w); i++) {
		pthread_join(w[i].thread, NULL);
		assert_false(w[i].ok);
		assert_int_equal(w[i].e.code, E_DB);
	}
	expect_fitting(s, 1);
	scratch_append(s, 1);
	expect_fitting(s, 2);
}

/* Interrupting a statement that writes is an error after which SQLite undoes the whole transaction by itself. */
static int interrupt(void *ctx)
{
	(void)ctx;
	return 1;
}

static void all_are_told_what_undid_the_transaction(void **state)
{
	struct scratch *s = *state;
	struct waiting w;
	struct err why = {0};
	scratch_append(s, 1);
	start_waiting(&w, s->l);
	OK(ledger_begin(s->l, &e));
	append(s->l, "first");
	sqlite3_progress_handler(s->l->db, 1, interrupt, NULL);
	uint64_t index;
	assert_false(audit_append(s->l, "second", "", NULL, 2, &index, &why));
	sqlite3_progress_handler(s->l->db, 0, NULL, NULL);
	assert_true(sqlite3_get_autocommit(s->l->db));
	REFUSED(E_DB, ledger_commit(s->l, &e));
	pthread_join(w.thread, NULL);
	assert_false(w.ok);
	assert_non_null(strstr(w.e.what, "interrupted"));
	expect_fitting(s, 1);
	scratch_append(s, 1);
	expect_fitting(s, 2);
}

static void nobody_waits_for_more_than_a_full_group(void **state)
{
	struct scratch *s = *state;
	static struct waiting w[65];
	for (size_t i = 0; i < 64; i++)
		start_waiting(&w[i], s->l);
	ghost(s->l, 1);
	w[64] = (struct waiting){.l = s->l};
	wait_for_disk(&w[64]);
	ghost(s->l, -1);
	for (size_t i = 0; i < 64; i++)
		pthread_join(w[i].thread, NULL);
	for (size_t i = 0; i < COUNT_OF(w); i++)
		assert_true(w[i].ok);
	expect_fitting(s, 65);
}

/* ---- many at once ---- */

#define THREADS 12
#define STEPS 20

struct worker {
	struct scratch *s;
	unsigned number;
	struct ledger *reader;	/* looks after each step, as others see the file; NULL: does not */
	unsigned kept;
	struct err e;
	pthread_t thread;
};

static void promise(uint64_t entries)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	static uint64_t most;
	pthread_mutex_lock(&mutex);
	if (!entries)
		most = 0;
	if (entries > most)
		torn_promise(most = entries);
	pthread_mutex_unlock(&mutex);
}

/* Every third step is undone. What is kept is on disk when it is said to be. */
static bool work_once(struct worker *w, bool keep)
{
	uint64_t index = 0, size = 0;
	struct merkle_hash root;
	if (!ledger_begin(w->s->l, &w->e) || !audit_append(w->s->l, "step", "", NULL, w->number, &index, &w->e))
		return false;
	if (!keep) {
		ledger_rollback(w->s->l);
		return true;
	}
	if (!ledger_commit(w->s->l, &w->e))
		return false;
	promise(index + 1);
	w->kept++;
	return !w->reader || (audit_head(w->reader, &size, &root, &w->e) && (size > index || err_set(&w->e, E_DB, "told too early")));
}

static void *work(void *arg)
{
	struct worker *w = arg;
	for (unsigned i = 0; i < STEPS && work_once(w, i % 3 != 2); i++)
		;
	return NULL;
}

static unsigned work_all(struct scratch *s, bool look)
{
	static struct worker w[THREADS];
	unsigned kept = 0;
	promise(0);
	for (unsigned i = 0; i < THREADS; i++) {
		w[i] = (struct worker){.s = s, .number = i};
		if (look)
			OK(ledger_open_reader(s->path, &w[i].reader, &e));
		assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		ledger_close(w[i].reader);
		if (w[i].e.code)
			fail_msg("%s", w[i].e.what);
		kept += w[i].kept;
	}
	return kept;
}

static void what_many_threads_did_is_there_as_soon_as_each_is_told(void **state)
{
	struct scratch *s = *state;
	expect_fitting(s, work_all(s, true));
}

/* How many acknowledged entries are not there after the power went before operation `at`. */
static uint64_t lost_after(struct torn *t, size_t at, uint64_t seed, const char *dir)
{
	struct scratch after = {0};
	struct audit_report report;
	torn_build(t, at, seed, dir);
	snprintf(after.path, sizeof(after.path), "%.80s/ledger.db", dir);
	OK(ledger_open(after.path, ORIGIN, &after.l, &e));
	OK(audit_verify(after.l, NULL, NULL, &report, &e));
	ledger_close(after.l);
	assert_true(report.fits);
	torn_remove(dir);
	return report.entries < torn_promised(t, at) ? torn_promised(t, at) - report.entries : 0;
}

static void after_a_power_cut_all_is_there_that_was_acknowledged(void **state)
{
	struct scratch *s = *state;
	char dir[80];
	uint64_t lost = 0, lied = 0;
	snprintf(dir, sizeof(dir), "%.60s-after", s->dir);
	torn_begin(s->dir);
	work_all(s, false);
	struct torn *t = torn_end();
	torn_quiet(true);
	for (size_t i = 0; i < 24; i++)
		lost += lost_after(t, torn_count(t) * i / 23, i, dir);
	torn_lie(t, "ledger.db-wal");
	for (size_t i = 12; i < 24; i += 3)
		lied += lost_after(t, torn_count(t) * i / 23, 0, dir);
	torn_quiet(false);
	torn_free(t);
	assert_int_equal(lost, 0);
	assert_true(lied > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_comes_last_commits_for_all, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(one_that_is_undone_takes_nothing_from_the_others, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(one_whose_unit_is_known_already_is_refused_alone, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(a_reading_sees_only_what_is_on_disk, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(all_are_told_when_the_disk_takes_nothing, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(all_are_told_what_undid_the_transaction, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(nobody_waits_for_more_than_a_full_group, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(what_many_threads_did_is_there_as_soon_as_each_is_told, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(after_a_power_cut_all_is_there_that_was_acknowledged, scratch_setup, scratch_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
