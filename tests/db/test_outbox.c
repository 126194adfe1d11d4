/* SPDX-License-Identifier: Apache-2.0 */
#include "db/outbox.h"
#include "db/schema.h"
#include "tests/db/scratch.h"

#include <stdio.h>
#include <string.h>

static void put_job(struct scratch *s, unsigned n)
{
	struct job_row job = {.intent_index = -1, .visits = 1};
	snprintf(job.id, sizeof(job.id), "%032x", n);
	OK(ledger_begin(s->l, &e));
	OK(jobs_put(s->l, &job, &e));
	OK(ledger_commit(s->l, &e));
}

static struct outbox_row row_of(unsigned n, const char *body)
{
	struct outbox_row row = {.queued_ms = 1000 + n};
	snprintf(row.job, sizeof(row.job), "%032x", n);
	snprintf(row.registration_id, sizeof(row.registration_id), "unit-%u", n);
	OK(bytes_add_text(&row.body, body, &e));
	return row;
}

/* True if anything changed. */
static bool put(struct scratch *s, unsigned n, const char *body)
{
	bool changed = false;
	AUTO(outbox_row) struct outbox_row row = row_of(n, body);
	OK(ledger_begin(s->l, &e));
	OK(outbox_put(s->l, &row, &changed, &e));
	OK(ledger_commit(s->l, &e));
	return changed;
}

static bool settle(struct scratch *s, unsigned n, const char *body, enum outbox_state state, const char *error)
{
	bool done = false;
	AUTO(outbox_row) struct outbox_row row = row_of(n, body);
	row.state = state;
	row.tries = 3;
	row.settled_ms = state == OUTBOX_WAITING ? 0 : 77;
	snprintf(row.error, sizeof(row.error), "%s", error);
	snprintf(row.error_what, sizeof(row.error_what), "%s", *error ? "why" : "");
	OK(ledger_begin(s->l, &e));
	OK(outbox_settle(s->l, &row, &done, &e));
	OK(ledger_commit(s->l, &e));
	return done;
}

static struct outbox_row look(struct scratch *s, unsigned n)
{
	char job[JOB_ID];
	struct outbox_row row;
	bool found = false;
	snprintf(job, sizeof(job), "%032x", n);
	OK(outbox_find(s->l, job, &row, &found, &e));
	assert_true(found);
	return row;
}

static struct outbox_counts count(struct scratch *s)
{
	struct outbox_counts c;
	OK(outbox_count(s->l, &c, &e));
	return c;
}

static void a_row_comes_back_as_it_was_put(void **state)
{
	struct scratch *s = *state;
	put_job(s, 1);
	assert_true(put(s, 1, "{\"a\":1}"));
	scratch_reopen(s);
	AUTO(outbox_row) struct outbox_row row = look(s, 1);
	assert_string_equal(row.registration_id, "unit-1");
	assert_string_equal(bytes_text(&row.body), "{\"a\":1}");
	assert_int_equal(row.state, OUTBOX_WAITING);
	assert_int_equal(row.queued_ms, 1001);
	assert_int_equal(row.settled_ms, 0);
	assert_int_equal(row.tries, 0);
	assert_string_equal(row.error, "");
}

static void a_row_of_no_job_is_refused(void **state)
{
	struct scratch *s = *state;
	bool changed;
	AUTO(outbox_row) struct outbox_row row = row_of(9, "{}");
	OK(ledger_begin(s->l, &e));
	REFUSED(E_DB, outbox_put(s->l, &row, &changed, &e));
	ledger_rollback(s->l);
}

static void the_same_body_again_changes_nothing(void **state)
{
	struct scratch *s = *state;
	put_job(s, 1);
	assert_true(put(s, 1, "A"));
	assert_false(put(s, 1, "A"));
	assert_true(settle(s, 1, "A", OUTBOX_SENT, ""));
	assert_false(put(s, 1, "A"));
	AUTO(outbox_row) struct outbox_row row = look(s, 1);
	assert_int_equal(row.state, OUTBOX_SENT);
	assert_int_equal(row.settled_ms, 77);
}

static void a_row_aside_waits_again_when_it_is_put_again(void **state)
{
	struct scratch *s = *state;
	put_job(s, 1);
	put(s, 1, "A");
	assert_true(settle(s, 1, "A", OUTBOX_ASIDE, "E-DPS-011"));
	assert_true(put(s, 1, "A"));
	AUTO(outbox_row) struct outbox_row row = look(s, 1);
	assert_int_equal(row.state, OUTBOX_WAITING);
	assert_int_equal(row.tries, 0);
	assert_string_equal(row.error, "");
	assert_string_equal(row.error_what, "");
}

static void another_body_replaces_what_waits_and_never_what_was_sent(void **state)
{
	struct scratch *s = *state;
	bool changed;
	put_job(s, 1);
	put(s, 1, "A");
	assert_true(put(s, 1, "B"));
	settle(s, 1, "B", OUTBOX_ASIDE, "E-DPS-014");
	assert_true(put(s, 1, "C"));
	assert_true(settle(s, 1, "C", OUTBOX_SENT, ""));
	AUTO(outbox_row) struct outbox_row other = row_of(1, "D");
	OK(ledger_begin(s->l, &e));
	REFUSED(E_CONFLICT, outbox_put(s->l, &other, &changed, &e));
	ledger_rollback(s->l);
	AUTO(outbox_row) struct outbox_row row = look(s, 1);
	assert_string_equal(bytes_text(&row.body), "C");
}

/* The answer about an enrollment that was replaced while it was under way says nothing of the new one. */
static void an_answer_about_another_body_settles_nothing(void **state)
{
	struct scratch *s = *state;
	put_job(s, 1);
	put(s, 1, "A");
	put(s, 1, "B");
	assert_false(settle(s, 1, "A", OUTBOX_SENT, ""));
	assert_int_equal(count(s).waiting, 1);
	assert_true(settle(s, 1, "B", OUTBOX_SENT, ""));
	assert_false(settle(s, 1, "B", OUTBOX_ASIDE, "E-DPS-011"));
	assert_int_equal(count(s).sent, 1);
}

static void a_row_that_is_not_settled_keeps_why(void **state)
{
	struct scratch *s = *state;
	put_job(s, 1);
	put(s, 1, "A");
	assert_true(settle(s, 1, "A", OUTBOX_WAITING, "E-DPS-001"));
	AUTO(outbox_row) struct outbox_row row = look(s, 1);
	assert_int_equal(row.state, OUTBOX_WAITING);
	assert_int_equal(row.tries, 3);
	assert_string_equal(row.error, "E-DPS-001");
	assert_string_equal(row.error_what, "why");
}

struct seen {
	unsigned count, most;
	char ids[512];
};

static bool see(void *ctx, const struct outbox_row *row)
{
	struct seen *seen = ctx;
	size_t n = strlen(seen->ids);
	snprintf(seen->ids + n, sizeof(seen->ids) - n, "%s ", row->registration_id);
	return ++seen->count != seen->most;
}

static void portions_follow_each_other_oldest_first(void **state)
{
	struct scratch *s = *state;
	int64_t after = 0;
	struct seen seen = {0};
	for (unsigned n = 7; n > 0; n--) {
		put_job(s, n);
		put(s, n, "A");
	}
	settle(s, 5, "A", OUTBOX_SENT, "");
	settle(s, 3, "A", OUTBOX_ASIDE, "E-DPS-011");
	OK(outbox_scan(s->l, OUTBOX_WAITING, &after, 2, see, &seen, &e));
	assert_string_equal(seen.ids, "unit-7 unit-6 ");
	OK(outbox_scan(s->l, OUTBOX_WAITING, &after, 2, see, &seen, &e));
	assert_string_equal(seen.ids, "unit-7 unit-6 unit-4 unit-2 ");
	settle(s, 7, "A", OUTBOX_SENT, "");
	OK(outbox_scan(s->l, OUTBOX_WAITING, &after, 2, see, &seen, &e));
	OK(outbox_scan(s->l, OUTBOX_WAITING, &after, 2, see, &seen, &e));
	assert_string_equal(seen.ids, "unit-7 unit-6 unit-4 unit-2 unit-1 ");
	after = 0;
	seen = (struct seen){.most = 1};
	OK(outbox_scan(s->l, OUTBOX_SENT, &after, 10, see, &seen, &e));
	OK(outbox_scan(s->l, OUTBOX_SENT, &after, 10, see, &seen, &e));
	assert_string_equal(seen.ids, "unit-7 unit-5 ");
}

static void counts_say_how_much_waits_and_how_long(void **state)
{
	struct scratch *s = *state;
	struct outbox_counts c = count(s);
	assert_true(c.waiting == 0 && c.sent == 0 && c.aside == 0 && c.oldest_ms == 0);
	for (unsigned n = 1; n <= 5; n++) {
		put_job(s, n);
		put(s, n, "A");
	}
	settle(s, 1, "A", OUTBOX_SENT, "");
	settle(s, 2, "A", OUTBOX_ASIDE, "E-DPS-011");
	c = count(s);
	assert_true(c.waiting == 3 && c.sent == 1 && c.aside == 1);
	assert_int_equal(c.oldest_ms, 1003);
}

static void withdraw(struct scratch *s, unsigned n)
{
	char job[JOB_ID];
	snprintf(job, sizeof(job), "%032x", n);
	OK(ledger_begin(s->l, &e));
	OK(outbox_withdraw(s->l, job, 99, &e));
	OK(ledger_commit(s->l, &e));
}

/* Whatever state it was in; and any body may be queued again, the same or another. */
static void a_row_that_was_withdrawn_is_sent_no_more_until_it_is_put_again(void **state)
{
	struct scratch *s = *state;
	for (unsigned n = 1; n <= 3; n++) {
		put_job(s, n);
		put(s, n, "A");
	}
	settle(s, 1, "A", OUTBOX_SENT, "");
	settle(s, 2, "A", OUTBOX_ASIDE, "E-DPS-011");
	for (unsigned n = 1; n <= 3; n++)
		withdraw(s, n);
	struct outbox_counts c = count(s);
	assert_true(c.waiting == 0 && c.sent == 0 && c.aside == 0 && c.withdrawn == 3);
	for (enum outbox_state of = OUTBOX_WAITING; of <= OUTBOX_ASIDE; of++) {
		struct seen seen = {.most = 9};
		int64_t after = 0;
		OK(outbox_scan(s->l, of, &after, 9, see, &seen, &e));
		assert_string_equal(seen.ids, "");
	}
	AUTO(outbox_row) struct outbox_row row = look(s, 2);
	assert_int_equal(row.state, OUTBOX_WITHDRAWN);
	assert_string_equal(row.error, "");
	assert_false(settle(s, 3, "A", OUTBOX_SENT, ""));
	assert_true(put(s, 1, "A"));
	assert_true(put(s, 2, "B"));
	c = count(s);
	assert_true(c.waiting == 2 && c.sent == 0 && c.withdrawn == 1);
}

/* An undone transaction leaves no hole in the numbers, from which the count of what was sent is made. */
static void an_undone_put_counts_for_nothing(void **state)
{
	struct scratch *s = *state;
	bool changed;
	AUTO(outbox_row) struct outbox_row row = row_of(1, "A");
	put_job(s, 1);
	put_job(s, 2);
	OK(ledger_begin(s->l, &e));
	OK(outbox_put(s->l, &row, &changed, &e));
	ledger_rollback(s->l);
	put(s, 2, "A");
	settle(s, 2, "A", OUTBOX_SENT, "");
	struct outbox_counts c = count(s);
	assert_true(c.waiting == 0 && c.sent == 1 && c.aside == 0);
}

static void a_count_reads_an_index_and_not_the_rows(void **state)
{
	struct scratch *s = *state;
	char plan[2048];
	scratch_sql(s, "EXPLAIN QUERY PLAN SELECT (SELECT count(*) FROM outbox WHERE state = 'waiting'), "
		    "(SELECT min(queued_ms) FROM outbox WHERE state = 'waiting');\n"
		    "EXPLAIN QUERY PLAN SELECT body FROM outbox WHERE state = 'waiting' AND number > 5 ORDER BY number;\n",
		    plan, sizeof(plan));
	assert_null(strstr(plan, "SCAN outbox\n"));
	assert_null(strstr(plan, "TEMP B-TREE"));
	assert_non_null(strstr(plan, "INDEX outbox_by_"));
}

static void a_row_is_never_removed(void **state)
{
	struct scratch *s = *state;
	char answer[256];
	put_job(s, 1);
	put(s, 1, "A");
	scratch_close(s);
	scratch_sql(s, "DELETE FROM outbox;", answer, sizeof(answer));
	scratch_reopen(s);
	assert_int_equal(count(s).waiting, 1);
}

static void a_body_that_is_too_long_is_refused(void **state)
{
	struct scratch *s = *state;
	bool changed;
	AUTO(outbox_row) struct outbox_row row = row_of(1, "");
	put_job(s, 1);
	OK(ledger_begin(s->l, &e));
	REFUSED(E_DB, outbox_put(s->l, &row, &changed, &e));
	for (unsigned i = 0; i <= OUTBOX_BODY_MAX; i++)
		OK(bytes_add(&row.body, "x", 1, &e));
	REFUSED(E_DB, outbox_put(s->l, &row, &changed, &e));
	row.body.len--;
	OK(outbox_put(s->l, &row, &changed, &e));
	OK(ledger_commit(s->l, &e));
}

static void a_row_of_another_form_is_damage(void **state)
{
	struct scratch *s = *state;
	bool found;
	struct outbox_row row;
	put_job(s, 1);
	put(s, 1, "A");
	scratch_close(s);
	scratch_sql(s, "UPDATE outbox SET error = 'much longer than a code';", NULL, 0);
	scratch_reopen(s);
	REFUSED(E_DB_CORRUPT, outbox_find(s->l, "00000000000000000000000000000001", &row, &found, &e));
	outbox_row_fini(&row);
}

/* A ledger as the first version left it, with a unit and an entry in it, gets an outbox and loses nothing. */
static void a_ledger_without_an_outbox_is_brought_up(void **state)
{
	struct scratch *s = *state;
	static const char stamp[] = "PRAGMA application_id = 1162760780; PRAGMA user_version = 1;"
		"INSERT INTO meta VALUES ('origin', '" ORIGIN "');"
		"INSERT INTO job (id, serial, intent_index, closed, started_ms, updated_ms, visits) "
		"VALUES ('00000000000000000000000000000001', 'SN-1', -1, 0, 5, 6, 1);";
	struct ledger *reader = NULL;
	struct job_row job = {0};
	bool found;
	scratch_remove(s);
	scratch_sql(s, schema[0].sql, NULL, 0);
	scratch_sql(s, stamp, NULL, 0);
	REFUSED(E_DB, ledger_open_reader(s->path, &reader, &e));
	scratch_reopen(s);
	OK(jobs_find(s->l, JOB_BY_SERIAL, "SN-1", &job, &found, &e));
	assert_true(found);
	assert_true(put(s, 1, "A"));
	assert_int_equal(count(s).waiting, 1);
	char version[16];
	scratch_sql(s, "PRAGMA user_version;", version, sizeof(version));
	assert_int_equal(atoi(version), schema_version);
	assert_true(schema_version >= 2);
}

static void what_is_remembered_is_recalled_after_reopening(void **state)
{
	struct scratch *s = *state;
	AUTO(bytes) struct bytes value = {0};
	OK(bytes_add_text(&value, "old", &e));
	OK(ledger_recall(s->l, "proved", &value, &e));
	assert_int_equal(value.len, 0);
	for (int i = 0; i < 2; i++) {
		OK(ledger_begin(s->l, &e));
		OK(ledger_remember(s->l, "proved", i ? "second" : "first", &e));
		OK(ledger_commit(s->l, &e));
	}
	scratch_reopen(s);
	OK(ledger_recall(s->l, "proved", &value, &e));
	assert_string_equal(bytes_text(&value), "second");
	assert_string_equal(ledger_origin(s->l), ORIGIN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_row_comes_back_as_it_was_put),
		TEST(a_row_of_no_job_is_refused),
		TEST(the_same_body_again_changes_nothing),
		TEST(a_row_aside_waits_again_when_it_is_put_again),
		TEST(another_body_replaces_what_waits_and_never_what_was_sent),
		TEST(an_answer_about_another_body_settles_nothing),
		TEST(a_row_that_is_not_settled_keeps_why),
		TEST(portions_follow_each_other_oldest_first),
		TEST(counts_say_how_much_waits_and_how_long),
		TEST(a_row_that_was_withdrawn_is_sent_no_more_until_it_is_put_again),
		TEST(an_undone_put_counts_for_nothing),
		TEST(a_count_reads_an_index_and_not_the_rows),
		TEST(a_row_is_never_removed),
		TEST(a_body_that_is_too_long_is_refused),
		TEST(a_row_of_another_form_is_damage),
		TEST(a_ledger_without_an_outbox_is_brought_up),
		TEST(what_is_remembered_is_recalled_after_reopening),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
