/* SPDX-License-Identifier: Apache-2.0 */
#include "db/lots.h"
#include "tests/db/scratch.h"

#include <stdio.h>
#include <string.h>

static struct lot_row lot_of(const char *id, uint32_t count)
{
	struct lot_row row = {.count = count, .opened_ms = 1000};
	snprintf(row.id, sizeof(row.id), "%s", id);
	snprintf(row.product, sizeof(row.product), "gateway");
	snprintf(row.profile, sizeof(row.profile), "demo");
	snprintf(row.opened_by, sizeof(row.opened_by), "p-000001");
	memset(row.order_sha256, id[0], sizeof(row.order_sha256));
	OK(bytes_add_text(&row.order, "{}", &e));
	return row;
}

static bool put_lot(struct scratch *s, const struct lot_row *row, struct err *why)
{
	OK(ledger_begin(s->l, &e));
	if (!lots_put(s->l, row, why)) {
		ledger_rollback(s->l);
		return false;
	}
	OK(ledger_commit(s->l, &e));
	return true;
}

static void put_job(struct scratch *s, unsigned n)
{
	struct job_row job = {.intent_index = -1, .visits = 1};
	snprintf(job.id, sizeof(job.id), "%032x", n);
	OK(ledger_begin(s->l, &e));
	OK(jobs_put(s->l, &job, &e));
	OK(ledger_commit(s->l, &e));
}

static enum err_code take(struct scratch *s, const char *lot, unsigned n)
{
	struct err why = {0};
	char job[JOB_ID];
	snprintf(job, sizeof(job), "%032x", n);
	OK(ledger_begin(s->l, &e));
	if (!lots_take_place(s->l, lot, job, &why))
		ledger_rollback(s->l);
	else
		OK(ledger_commit(s->l, &e));
	return why.code;
}

static void lot_comes_back_as_it_was_and_only_its_life_changes(void **state)
{
	struct scratch *s = *state;
	struct err why = {0};
	bool found = false;
	AUTO(lot_row) struct lot_row row = lot_of("A-1", 3), got = {0};
	assert_true(put_lot(s, &row, &why));
	row.state = LOT_CLOSED;
	row.closed_ms = 2000;
	snprintf(row.closed_by, sizeof(row.closed_by), "p-000002");
	snprintf(row.product, sizeof(row.product), "another");	/* is not taken */
	assert_true(put_lot(s, &row, &why));
	OK(lots_find(s->l, "A-1", &got, &found, &e));
	assert_true(found);
	assert_int_equal(got.state, LOT_CLOSED);
	assert_int_equal(got.count, 3);
	assert_int_equal(got.closed_ms, 2000);
	assert_string_equal(got.product, "gateway");
	assert_string_equal(got.closed_by, "p-000002");
	assert_string_equal(bytes_text(&got.order), "{}");
	row.order_sha256[0] ^= 1;
	assert_false(put_lot(s, &row, &why));
	assert_int_equal(why.code, E_LOT_OTHER);
	lot_row_fini(&got);
	OK(lots_find(s->l, "A-2", &got, &found, &e));
	assert_false(found);
}

static void places_are_counted_once_per_unit_and_no_further_than_the_order(void **state)
{
	struct scratch *s = *state;
	struct err why = {0};
	uint64_t taken = 0;
	AUTO(lot_row) struct lot_row row = lot_of("A-1", 2);
	assert_true(put_lot(s, &row, &why));
	for (unsigned n = 1; n <= 3; n++)
		put_job(s, n);
	assert_int_equal(take(s, "A-1", 1), E_NONE);
	assert_int_equal(take(s, "A-1", 2), E_NONE);
	assert_int_equal(take(s, "A-1", 1), E_NONE);
	assert_int_equal(take(s, "A-1", 3), E_LOT_FULL);
	OK(lots_taken(s->l, "A-1", &taken, &e));
	assert_int_equal(taken, 2);
}

static bool count_job(void *ctx, const struct job_row *row)
{
	*(unsigned *)ctx = *(unsigned *)ctx * 10 + (unsigned)strtoul(row->id, NULL, 16);
	return true;
}

static void place_that_is_given_up_is_free_and_its_unit_stays_on_record(void **state)
{
	struct scratch *s = *state;
	struct err why = {0};
	char job[JOB_ID];
	unsigned jobs = 0;
	bool has = true;
	AUTO(lot_row) struct lot_row one = lot_of("A-1", 1), other = lot_of("B-1", 1);
	assert_true(put_lot(s, &one, &why) && put_lot(s, &other, &why));
	for (unsigned n = 1; n <= 2; n++)
		put_job(s, n);
	assert_int_equal(take(s, "A-1", 1), E_NONE);
	snprintf(job, sizeof(job), "%032x", 1);
	OK(ledger_begin(s->l, &e));
	OK(lots_give_up_place(s->l, "A-1", job, &e));
	OK(ledger_commit(s->l, &e));
	OK(lots_has_place(s->l, "A-1", job, &has, &e));
	assert_false(has);
	assert_int_equal(take(s, "B-1", 1), E_NONE);
	assert_int_equal(take(s, "A-1", 2), E_NONE);
	OK(lots_jobs(s->l, "A-1", count_job, &jobs, &e));
	assert_int_equal(jobs, 12);
}

static void unit_has_one_place_at_a_time(void **state)
{
	struct scratch *s = *state;
	struct err why = {0};
	AUTO(lot_row) struct lot_row one = lot_of("A-1", 1), other = lot_of("B-1", 1);
	assert_true(put_lot(s, &one, &why) && put_lot(s, &other, &why));
	put_job(s, 1);
	assert_int_equal(take(s, "A-1", 1), E_NONE);
	assert_int_equal(take(s, "B-1", 1), E_DB);
}

static bool keep_id(void *ctx, const struct lot_row *row)
{
	char *ids = ctx;
	size_t n = strlen(ids);
	ids[n] = row->id[0];
	ids[n + 1] = '\0';
	return true;
}

static void newest_lot_comes_first(void **state)
{
	struct scratch *s = *state;
	struct err why = {0};
	char ids[32] = "";
	for (int i = 0; i < 3; i++) {
		AUTO(lot_row) struct lot_row row = lot_of((const char *[]){"A", "B", "C"}[i], 1);
		assert_true(put_lot(s, &row, &why));
	}
	OK(lots_scan(s->l, 2, keep_id, ids, &e));
	assert_string_equal(ids, "CB");
}

static void state_of_a_lot_is_known_without_its_order(void **state)
{
	struct scratch *s = *state;
	struct err why = {0};
	enum lot_state now = LOT_OPEN;
	bool found = true;
	AUTO(lot_row) struct lot_row row = lot_of("A-1", 1);
	row.state = LOT_REVERTING;
	assert_true(put_lot(s, &row, &why));
	OK(lots_state(s->l, "A-1", &now, &found, &e));
	assert_true(found);
	assert_int_equal(now, LOT_REVERTING);
	OK(lots_state(s->l, "A-2", &now, &found, &e));
	assert_false(found);
}

static void unit_has_one_block_until_it_is_dropped(void **state)
{
	struct scratch *s = *state;
	struct lot_block block = {.registration_id = "unit-1"}, got = {0};
	bool found = true;
	char job[JOB_ID];
	put_job(s, 1);
	snprintf(job, sizeof(job), "%032x", 1);
	OK(lots_find_block(s->l, job, &got, &found, &e));
	assert_false(found);
	OK(bytes_set(&block.leaf, "leaf", 4, &e));
	OK(ledger_begin(s->l, &e));
	OK(lots_put_block(s->l, job, &block, 7, &e));
	REFUSED(E_DB, lots_put_block(s->l, job, &block, 7, &e));
	ledger_rollback(s->l);
	OK(ledger_begin(s->l, &e));
	OK(lots_put_block(s->l, job, &block, 7, &e));
	OK(ledger_commit(s->l, &e));
	OK(lots_find_block(s->l, job, &got, &found, &e));
	assert_true(found && bytes_equal(&got.leaf, &block.leaf));
	assert_string_equal(got.registration_id, "unit-1");
	bytes_fini(&got.leaf);
	OK(ledger_begin(s->l, &e));
	OK(lots_drop_block(s->l, job, &e));
	OK(ledger_commit(s->l, &e));
	OK(lots_find_block(s->l, job, &got, &found, &e));
	assert_false(found);
	bytes_fini(&block.leaf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lot_comes_back_as_it_was_and_only_its_life_changes, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(places_are_counted_once_per_unit_and_no_further_than_the_order, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(place_that_is_given_up_is_free_and_its_unit_stays_on_record, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(unit_has_one_place_at_a_time, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(newest_lot_comes_first, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(state_of_a_lot_is_known_without_its_order, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(unit_has_one_block_until_it_is_dropped, scratch_setup, scratch_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
