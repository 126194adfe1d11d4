/* SPDX-License-Identifier: Apache-2.0 */
/* A log long enough to be verified in shares: what they find together is what one finds who reads it from its beginning. */
#include "tests/db/scratch.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#define ENTRIES 12500
#define HALF (ENTRIES / 2)	/* where the second of two shares begins */

static void fill(struct scratch *s, unsigned count)
{
	uint64_t index;
	OK(ledger_begin(s->l, &e));
	for (unsigned i = 0; i < count; i++)
		OK(audit_append(s->l, "stage.done", "0123", NULL, i, &index, &e));
	OK(ledger_commit(s->l, &e));
	scratch_checkpoint(s);
}

/* By a reader; by one connection alone where the process may use one processor only. */
static struct audit_report verify(struct scratch *s, bool alone, const uint64_t *size, const struct merkle_hash *root)
{
	cpu_set_t all, one;
	struct ledger *reader = NULL;
	struct audit_report report;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&one);
	for (int i = 0; alone && i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &one);
	if (alone)
		assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	OK(ledger_open_reader(s->path, &reader, &e));
	OK(audit_verify(reader, size, root, &report, &e));
	ledger_close(reader);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	return report;
}

static struct audit_report verify_both(struct scratch *s, const uint64_t *size, const struct merkle_hash *root)
{
	struct audit_report shared = verify(s, false, size, root), alone = verify(s, true, size, root);
	assert_string_equal(shared.why, alone.why);
	assert_int_equal(shared.fits, alone.fits);
	assert_int_equal(shared.first_bad, alone.first_bad);
	assert_int_equal(shared.entries, alone.entries);
	assert_int_equal(shared.checkpoints, alone.checkpoints);
	assert_int_equal(shared.archived, alone.archived);
	assert_memory_equal(&shared.root, &alone.root, sizeof(alone.root));
	return shared;
}

static void fill_in_parts(struct scratch *s)
{
	static const unsigned parts[] = {100, HALF - 100, 1, 2000};	/* with a head where the shares meet */
	unsigned left = ENTRIES;
	for (size_t i = 0; i < COUNT_OF(parts); left -= parts[i++])
		fill(s, parts[i]);
	fill(s, left);
}

static void a_whole_log_fits_in_shares(void **state)
{
	struct scratch *s = *state;
	uint64_t size;
	struct merkle_hash root;
	fill_in_parts(s);
	OK(audit_head(s->l, &size, &root, &e));
	struct audit_report report = verify_both(s, &size, &root);
	assert_true(report.fits);
	assert_int_equal(report.entries, ENTRIES);
	assert_int_equal(report.checkpoints, 5);
	assert_memory_equal(&report.root, &root, sizeof(root));
}

#define TRIGGERS "DROP TRIGGER IF EXISTS entry_is_never_changed; DROP TRIGGER IF EXISTS entry_is_never_removed; " \
	"DROP TRIGGER IF EXISTS checkpoint_is_never_changed; DROP TRIGGER IF EXISTS checkpoint_is_never_removed; "

/* Each stands before those that were done already, so that it is what is found first. */
static void the_first_misfit_of_all_shares_is_named(void **state)
{
	static const struct { uint64_t first_bad; const char *sql; } tampers[] = {
		{ENTRIES - 1, "DELETE FROM entry WHERE idx = 12499"},
		{12000, "UPDATE entry SET entry = x'00' WHERE idx = 12000"},
		{UINT64_MAX, "UPDATE checkpoint SET root = zeroblob(32) WHERE size = 8251"},
		{8000, "DELETE FROM entry WHERE idx = 8000"},
		{HALF, "UPDATE entry SET job = 'x' WHERE idx = 6250"},
		{UINT64_MAX, "UPDATE checkpoint SET root = zeroblob(32) WHERE size = 6250"},
		{HALF - 1, "UPDATE entry SET hashes = zeroblob(length(hashes)) WHERE idx = 6249"},
		{HALF - 2, "DELETE FROM entry WHERE idx = 6248"},
		{4095, "UPDATE entry SET hashes = CAST(substr(hashes, 1, 32) || zeroblob(length(hashes) - 32) AS BLOB) WHERE idx = 4095"},
		{UINT64_MAX, "UPDATE checkpoint SET note = 'x' WHERE size = 100"},
		{0, "DELETE FROM entry WHERE idx = 0"}};
	struct scratch *s = *state;
	char sql[512];
	fill_in_parts(s);
	scratch_close(s);
	for (size_t i = 0; i < COUNT_OF(tampers); i++) {
		snprintf(sql, sizeof(sql), TRIGGERS "%s", tampers[i].sql);
		scratch_sql(s, sql, NULL, 0);
		struct audit_report report = verify_both(s, NULL, NULL);
		assert_false(report.fits);
		if (report.first_bad != tampers[i].first_bad)
			fail_msg("%s: %s", tampers[i].sql, report.why);
	}
}

static void a_checkpoint_from_outside_is_held_against_the_share_that_it_is_in(void **state)
{
	static const uint64_t sizes[] = {0, 1, 100, HALF - 1, HALF, HALF + 1, 9000, ENTRIES, ENTRIES + 7};
	struct scratch *s = *state;
	struct merkle_hash wrong = {{1}};
	fill_in_parts(s);
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		struct audit_report report = verify_both(s, &sizes[i], &wrong);
		assert_false(report.fits);
		assert_int_equal(report.first_bad, sizes[i] > ENTRIES ? ENTRIES : UINT64_MAX);
	}
}

static void what_a_checkpoint_from_outside_proved_in_one_share_is_known_in_the_next(void **state)
{
	struct scratch *s = *state;
	uint64_t size;
	struct merkle_hash root;
	fill(s, 5000);
	OK(audit_head(s->l, &size, &root, &e));
	fill(s, 4000);
	fill(s, ENTRIES - 9000);
	scratch_close(s);
	scratch_sql(s, TRIGGERS "DELETE FROM checkpoint WHERE size = 5000; UPDATE checkpoint SET root = zeroblob(32) WHERE size = 9000",
		    NULL, 0);
	assert_non_null(strstr(verify_both(s, &size, &root).why, "an entry from 5000 on"));
}

static void a_missing_tail_is_found_by_its_checkpoint(void **state)
{
	struct scratch *s = *state;
	fill_in_parts(s);
	scratch_close(s);
	scratch_sql(s, TRIGGERS "DELETE FROM entry WHERE idx >= 12400", NULL, 0);
	assert_int_equal(verify_both(s, NULL, NULL).first_bad, 12400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_whole_log_fits_in_shares, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(the_first_misfit_of_all_shares_is_named, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(a_checkpoint_from_outside_is_held_against_the_share_that_it_is_in, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(what_a_checkpoint_from_outside_proved_in_one_share_is_known_in_the_next, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(a_missing_tail_is_found_by_its_checkpoint, scratch_setup, scratch_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
