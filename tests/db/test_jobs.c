/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/db/scratch.h"

#include <stdio.h>
#include <string.h>

static struct job_row unit(unsigned n)
{
	struct job_row row = {.verdict = VERDICT_HOLD, .intent_index = -1, .started_ms = n, .updated_ms = n + 1, .visits = 1};
	snprintf(row.id, sizeof(row.id), "%032x", n);
	snprintf(row.serial, sizeof(row.serial), "SN-%u", n);
	snprintf(row.registration_id, sizeof(row.registration_id), "reg-%u", n);
	memset(row.ek_sha256, (int)n + 1, sizeof(row.ek_sha256));
	memset(row.ek_spki_sha256, (int)n + 1, sizeof(row.ek_spki_sha256));
	memset(row.leaf_spki_sha256, (int)n + 1, sizeof(row.leaf_spki_sha256));
	memset(row.cert_serial, (int)n + 1, sizeof(row.cert_serial));
	return row;
}

static void put(struct scratch *s, const struct job_row *row)
{
	OK(ledger_begin(s->l, &e));
	OK(jobs_put(s->l, row, &e));
	OK(ledger_commit(s->l, &e));
}

static void a_full_row_comes_back_as_it_was_put(void **state)
{
	struct scratch *s = *state;
	struct job_row row = unit(7);
	bool found;
	snprintf(row.slot, sizeof(row.slot), "A1");
	snprintf(row.driver, sizeof(row.driver), "tpm_bridge");
	snprintf(row.profile, sizeof(row.profile), "valve");
	snprintf(row.order, sizeof(row.order), "order 5'; DROP TABLE job; --");
	snprintf(row.model, sizeof(row.model), "V-2 \xe2\x82\xac");
	snprintf(row.revision, sizeof(row.revision), "C");
	snprintf(row.stage, sizeof(row.stage), "sign");
	snprintf(row.error, sizeof(row.error), "E-USB-001");
	memset(row.error_what, 'x', sizeof(row.error_what) - 1);
	memset(row.bundle_sha256, 9, sizeof(row.bundle_sha256));
	snprintf(row.hub, sizeof(row.hub), "hub.example");
	snprintf(row.device_id, sizeof(row.device_id), "dev-7");
	row.intent_index = INT64_MAX;
	row.closed = 1;
	row.visits = UINT32_MAX;
	OK(bytes_add(&row.leaf, "\x30\x00\x01", 3, &e));
	put(s, &row);
	scratch_reopen(s);
	AUTO(job_row) struct job_row back = {0};
	OK(jobs_find(s->l, JOB_BY_ID, row.id, &back, &found, &e));
	assert_true(found);
	assert_true(bytes_equal(&back.leaf, &row.leaf));
	bytes_fini(&row.leaf);
	bytes_fini(&back.leaf);
	assert_memory_equal(&back, &row, sizeof(row));
}

static void a_row_that_knows_nothing_comes_back_as_zero(void **state)
{
	struct scratch *s = *state;
	bool found;
	for (unsigned i = 0; i < 2; i++) {
		struct job_row row = {.intent_index = -1}, back;
		snprintf(row.id, sizeof(row.id), "%032u", i);
		put(s, &row);
		OK(jobs_find(s->l, JOB_BY_ID, row.id, &back, &found, &e));
		assert_true(found);
		assert_memory_equal(&back, &row, sizeof(row));
	}
}

static void a_second_put_updates_the_same_row(void **state)
{
	struct scratch *s = *state;
	struct job_row row = unit(1), back;
	struct job_counts counts;
	bool found;
	put(s, &row);
	row.verdict = VERDICT_PASS;
	row.visits = 2;
	put(s, &row);
	OK(jobs_find(s->l, JOB_BY_SERIAL, "SN-1", &back, &found, &e));
	assert_true(found && back.verdict == VERDICT_PASS && back.visits == 2);
	OK(jobs_count(s->l, &counts, &e));
	assert_true(counts.pass == 1 && counts.hold == 0 && counts.open == 0);
}

static void every_key_finds_its_unit_and_no_other(void **state)
{
	struct scratch *s = *state;
	for (unsigned i = 0; i < 5; i++) {
		struct job_row row = unit(i);
		put(s, &row);
	}
	const struct job_row three = unit(3);
	const void *const values[] = {three.id, three.serial, three.ek_spki_sha256, three.leaf_spki_sha256, three.registration_id};
	const uint8_t stranger[SHA256_SIZE] = "a key that nobody has";
	for (int by = JOB_BY_ID; by <= JOB_BY_REGISTRATION; by++) {
		struct job_row back;
		bool found;
		OK(jobs_find(s->l, (enum job_key)by, values[by], &back, &found, &e));
		assert_true(found);
		assert_memory_equal(&back, &three, sizeof(three));
		OK(jobs_find(s->l, (enum job_key)by, stranger, &back, &found, &e));
		assert_false(found);
	}
}

/* Unit 2 shares one thing with unit 1. */
static void expect_clone(struct scratch *s, const struct job_row *second, const char *field)
{
	struct err clone = {0};
	struct job_counts counts;
	const struct job_row first = unit(1);
	put(s, &first);
	OK(ledger_begin(s->l, &e));
	assert_false(jobs_put(s->l, second, &clone));
	assert_int_equal(clone.code, E_CLONE);
	assert_non_null(strstr(clone.what, field));
	assert_non_null(strstr(clone.what, "SN-1 "));
	/* The refusal of one statement leaves the transaction usable: the evidence is kept in it. */
	uint64_t index;
	OK(audit_append(s->l, "clone", second->id, NULL, 1, &index, &e));
	OK(ledger_commit(s->l, &e));
	OK(jobs_count(s->l, &counts, &e));
	assert_int_equal(counts.hold, 1);
}

static void a_second_unit_with_the_same_serial_number_is_a_clone(void **state)
{
	struct job_row row = unit(2);
	snprintf(row.serial, sizeof(row.serial), "SN-1");
	expect_clone(*state, &row, "serial number");
}

static void a_second_unit_with_the_same_endorsement_key_is_a_clone(void **state)
{
	struct job_row row = unit(2), first = unit(1);
	memcpy(row.ek_spki_sha256, first.ek_spki_sha256, sizeof(row.ek_spki_sha256));
	expect_clone(*state, &row, "endorsement key");
}

static void a_second_unit_with_the_same_leaf_key_is_a_clone(void **state)
{
	struct job_row row = unit(2), first = unit(1);
	memcpy(row.leaf_spki_sha256, first.leaf_spki_sha256, sizeof(row.leaf_spki_sha256));
	expect_clone(*state, &row, "leaf key");
}

static void a_second_unit_with_the_same_registration_id_is_a_clone(void **state)
{
	struct job_row row = unit(2), first = unit(1);
	memcpy(row.registration_id, first.registration_id, sizeof(row.registration_id));
	expect_clone(*state, &row, "registration id");
}

static void an_update_into_anothers_identity_is_a_clone_too(void **state)
{
	struct scratch *s = *state;
	struct job_row one = unit(1), two = unit(2);
	put(s, &one);
	put(s, &two);
	memcpy(two.leaf_spki_sha256, one.leaf_spki_sha256, sizeof(two.leaf_spki_sha256));
	OK(ledger_begin(s->l, &e));
	REFUSED(E_CLONE, jobs_put(s->l, &two, &e));
	ledger_rollback(s->l);
}

static void a_certificate_serial_number_is_never_given_twice(void **state)
{
	struct scratch *s = *state;
	struct job_row one = unit(1), two = unit(2);
	put(s, &one);
	memcpy(two.cert_serial, one.cert_serial, sizeof(two.cert_serial));
	OK(ledger_begin(s->l, &e));
	REFUSED(E_DB, jobs_put(s->l, &two, &e));
	ledger_rollback(s->l);
}

static bool note_order(void *ctx, const struct job_row *row)
{
	char *seen = ctx;
	strcat(seen, row->serial);
	strcat(seen, " ");
	return strcmp(row->serial, "SN-4");
}

static void jobs_are_told_oldest_first_until_told_to_stop(void **state)
{
	struct scratch *s = *state;
	char seen[64] = "";
	for (unsigned i = 6; i > 2; i--) {
		struct job_row row = unit(i);
		put(s, &row);
	}
	struct job_row six = unit(6);	/* an update does not make it younger */
	put(s, &six);
	OK(jobs_scan(s->l, note_order, seen, &e));
	assert_string_equal(seen, "SN-6 SN-5 SN-4 ");
}

static void every_verdict_is_counted(void **state)
{
	struct scratch *s = *state;
	struct job_counts counts;
	for (unsigned i = 0; i < 15; i++) {
		struct job_row row = unit(i);
		row.verdict = i < 5 ? VERDICT_PASS : i < 9 ? VERDICT_BUILT : i < 12 ? VERDICT_HOLD : i < 14 ? VERDICT_FAIL : VERDICT_NONE;
		put(s, &row);
	}
	OK(jobs_count(s->l, &counts, &e));
	assert_true(counts.pass == 5 && counts.built == 4 && counts.hold == 3 && counts.fail == 2 && counts.open == 1);
}

static bool note_trace(void *ctx, const char *job, const char *what, const char *where, const char *name, int64_t time_ms)
{
	char *seen = ctx;
	sprintf(seen + strlen(seen), "%.1s|%s|%s|%s|%d;", job + 31, what, where, name, (int)time_ms);
	return true;
}

static void what_a_rehearsal_left_is_kept_once(void **state)
{
	struct scratch *s = *state;
	char seen[256] = "";
	struct job_row row = unit(1);
	put(s, &row);
	OK(ledger_begin(s->l, &e));
	OK(jobs_keep_trace(s->l, row.id, "registration", "0ne00000000", "reg-1", 3, &e));
	OK(jobs_keep_trace(s->l, row.id, "hub device", "hub.example", "dev-1", 4, &e));
	OK(jobs_keep_trace(s->l, row.id, "registration", "0ne00000000", "reg-1", 5, &e));
	OK(ledger_commit(s->l, &e));
	OK(traces_scan(s->l, note_trace, seen, &e));
	assert_string_equal(seen, "1|registration|0ne00000000|reg-1|3;1|hub device|hub.example|dev-1|4;");
}

static void what_was_removed_again_is_forgotten_and_nothing_else(void **state)
{
	struct scratch *s = *state;
	char seen[256] = "";
	struct job_row row = unit(1);
	put(s, &row);
	OK(ledger_begin(s->l, &e));
	OK(jobs_keep_trace(s->l, row.id, "registration", "0ne00000000", "reg-1", 3, &e));
	OK(jobs_keep_trace(s->l, row.id, "hub device", "hub.example", "dev-1", 4, &e));
	OK(jobs_drop_trace(s->l, row.id, "registration", "0ne00000000", "reg-1", &e));
	OK(jobs_drop_trace(s->l, row.id, "registration", "0ne00000000", "reg-1", &e));
	OK(ledger_commit(s->l, &e));
	OK(traces_scan(s->l, note_trace, seen, &e));
	assert_string_equal(seen, "1|hub device|hub.example|dev-1|4;");
}

static void a_trace_of_no_job_or_of_no_kind_is_refused(void **state)
{
	struct scratch *s = *state;
	struct job_row row = unit(1);
	put(s, &row);
	OK(ledger_begin(s->l, &e));
	REFUSED(E_DB, jobs_keep_trace(s->l, "nobody", "registration", "w", "n", 1, &e));
	REFUSED(E_DB, jobs_keep_trace(s->l, row.id, "cake", "w", "n", 1, &e));
	ledger_rollback(s->l);
}

static void a_job_is_never_removed(void **state)
{
	struct scratch *s = *state;
	struct job_row row = unit(1);
	struct job_counts counts;
	char answer[256];
	put(s, &row);
	scratch_sql(s, "DELETE FROM job; SELECT 'gone';", answer, sizeof(answer));
	assert_null(strstr(answer, "gone"));
	OK(jobs_count(s->l, &counts, &e));
	assert_int_equal(counts.hold, 1);
}

static void a_row_that_was_spoiled_by_hand_is_said_to_be_corrupt(void **state)
{
	struct scratch *s = *state;
	struct job_row row = unit(1), back;
	bool found;
	put(s, &row);
	scratch_sql(s, "UPDATE job SET ek_sha256 = x'0102'", NULL, 0);
	REFUSED(E_DB_CORRUPT, jobs_find(s->l, JOB_BY_SERIAL, "SN-1", &back, &found, &e));
	scratch_sql(s, "UPDATE job SET ek_sha256 = NULL, visits = -1", NULL, 0);
	REFUSED(E_DB_CORRUPT, jobs_find(s->l, JOB_BY_SERIAL, "SN-1", &back, &found, &e));
	scratch_sql(s, "UPDATE job SET visits = 1, slot = hex(zeroblob(100))", NULL, 0);
	REFUSED(E_DB_CORRUPT, jobs_find(s->l, JOB_BY_SERIAL, "SN-1", &back, &found, &e));
}

/* They are asked for with each unit that ends, also when a million did before. */
static void verdicts_are_counted_from_an_index(void **state)
{
	char plan[1024];
	scratch_sql(*state, "EXPLAIN QUERY PLAN SELECT verdict, count(*) FROM job GROUP BY verdict;\n"
		    "EXPLAIN QUERY PLAN UPDATE job SET stage = 'x' WHERE id IS 'a' AND serial IS 'b' AND verdict IS 'PASS';\n", plan, sizeof(plan));
	assert_non_null(strstr(plan, "COVERING INDEX job_by_verdict"));
	assert_null(strstr(plan, "INDEX job_by_verdict (verdict=?)"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_full_row_comes_back_as_it_was_put),
		TEST(a_row_that_knows_nothing_comes_back_as_zero),
		TEST(a_second_put_updates_the_same_row),
		TEST(every_key_finds_its_unit_and_no_other),
		TEST(a_second_unit_with_the_same_serial_number_is_a_clone),
		TEST(a_second_unit_with_the_same_endorsement_key_is_a_clone),
		TEST(a_second_unit_with_the_same_leaf_key_is_a_clone),
		TEST(a_second_unit_with_the_same_registration_id_is_a_clone),
		TEST(an_update_into_anothers_identity_is_a_clone_too),
		TEST(a_certificate_serial_number_is_never_given_twice),
		TEST(jobs_are_told_oldest_first_until_told_to_stop),
		TEST(every_verdict_is_counted),
		TEST(verdicts_are_counted_from_an_index),
		TEST(what_a_rehearsal_left_is_kept_once),
		TEST(what_was_removed_again_is_forgotten_and_nothing_else),
		TEST(a_trace_of_no_job_or_of_no_kind_is_refused),
		TEST(a_job_is_never_removed),
		TEST(a_row_that_was_spoiled_by_hand_is_said_to_be_corrupt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
