/* SPDX-License-Identifier: Apache-2.0 */
#include "db/visits.h"
#include "tests/db/scratch.h"

#include <stdio.h>
#include <string.h>

static struct visit_row visit(struct scratch *s, const char *lot, const char *serial, enum job_verdict verdict)
{
	struct visit_row row = {.verdict = verdict, .begun_ms = 1, .ended_ms = 2};
	snprintf(row.lot, sizeof(row.lot), "%s", lot);
	snprintf(row.serial, sizeof(row.serial), "%s", serial);
	snprintf(row.slot, sizeof(row.slot), "07");
	snprintf(row.person, sizeof(row.person), "p-000001");
	OK(ledger_begin(s->l, &e));
	OK(visits_put(s->l, &row, &e));
	OK(ledger_commit(s->l, &e));
	return row;
}

static void first_visit_is_per_unit_and_lot(void **state)
{
	struct scratch *s = *state;
	assert_true(visit(s, "A", "SN1", VERDICT_HOLD).first);
	assert_false(visit(s, "A", "SN1", VERDICT_PASS).first);
	assert_true(visit(s, "A", "SN2", VERDICT_PASS).first);
	assert_true(visit(s, "B", "SN1", VERDICT_PASS).first);
	assert_true(visit(s, "A", "", VERDICT_FAIL).first);
	assert_true(visit(s, "A", "", VERDICT_FAIL).first);
}

static bool add(void *ctx, const struct visit_row *row)
{
	char *text = ctx;
	snprintf(text + strlen(text), 64, "%lld%.8s%.8s%d ", (long long)row->number, row->lot, row->serial, row->verdict);
	return true;
}

static void results_come_in_order_behind_a_number_and_by_lot_and_unit(void **state)
{
	struct scratch *s = *state;
	char text[256] = "";
	visit(s, "A", "x", VERDICT_PASS);
	visit(s, "B", "y", VERDICT_FAIL);
	visit(s, "A", "y", VERDICT_HOLD);
	visit(s, "", "x", VERDICT_BUILT);
	OK(visits_scan(s->l, NULL, 1, 2, add, text, &e));
	assert_string_equal(text, "2By4 3Ay3 ");
	text[0] = '\0';
	OK(visits_scan(s->l, "A", 0, 100, add, text, &e));
	assert_string_equal(text, "1Ax1 3Ay3 ");
	text[0] = '\0';
	OK(visits_of_unit(s->l, "x", add, text, &e));
	assert_string_equal(text, "1Ax1 4x2 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(first_visit_is_per_unit_and_lot, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(results_come_in_order_behind_a_number_and_by_lot_and_unit, scratch_setup, scratch_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
