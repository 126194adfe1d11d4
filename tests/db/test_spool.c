/* SPDX-License-Identifier: Apache-2.0 */
#include "db/spool.h"
#include "tests/db/scratch.h"

#include <stdio.h>
#include <string.h>

static const char *const both[] = {"folder", "http"};

static int64_t put(struct scratch *s, unsigned n, const char *unit, int64_t time_ms, size_t adapters)
{
	AUTO(spool_event) struct spool_event ev = {.time_ms = time_ms, .type = "unit.result"};
	snprintf(ev.id, sizeof(ev.id), "id-%u", n);
	snprintf(ev.unit, sizeof(ev.unit), "%s", unit);
	OK(bytes_printf(&ev.body, &e, "{\"n\":%u}", n));
	OK(ledger_begin(s->l, &e));
	OK(spool_put(s->l, &ev, both, adapters, &e));
	OK(ledger_commit(s->l, &e));
	return ev.number;
}

static bool add(void *ctx, const struct spool_event *ev, uint32_t tries)
{
	char *text = ctx;
	snprintf(text + strlen(text), 64, "%.8s/%u ", ev->id, tries);
	return true;
}

static const char *due(struct scratch *s, const char *adapter, int64_t now_ms)
{
	static char text[512];
	text[0] = '\0';
	OK(spool_scan(s->l, adapter, now_ms, 100, add, text, &e));
	return text;
}

static void settle(struct scratch *s, const char *adapter, int64_t number, enum spool_end end, int64_t due_ms)
{
	const struct err why = {.code = E_MES, .what = "away"};
	OK(ledger_begin(s->l, &e));
	OK(spool_settle(s->l, adapter, number, end, due_ms, &why, &e));
	OK(ledger_commit(s->l, &e));
}

static void each_adapter_gets_each_event_and_settles_it_alone(void **state)
{
	struct scratch *s = *state;
	int64_t one = put(s, 1, "A", 10, 2);
	assert_string_equal(due(s, "folder", 10), "id-1/0 ");
	settle(s, "folder", one, SPOOL_DONE, 0);
	assert_string_equal(due(s, "folder", 10), "");
	assert_string_equal(due(s, "http", 10), "id-1/0 ");
}

static void events_of_one_unit_come_in_order_and_others_do_not_wait_for_them(void **state)
{
	struct scratch *s = *state;
	int64_t one = put(s, 1, "A", 10, 1);
	put(s, 2, "A", 11, 1);
	put(s, 3, "B", 12, 1);
	assert_string_equal(due(s, "folder", 20), "id-1/0 id-3/0 ");
	settle(s, "folder", one, SPOOL_LATER, 100);
	assert_string_equal(due(s, "folder", 99), "id-3/0 ");
	assert_string_equal(due(s, "folder", 100), "id-1/1 id-3/0 ");
	settle(s, "folder", one, SPOOL_DONE, 0);
	assert_string_equal(due(s, "folder", 100), "id-2/0 id-3/0 ");
}

static void what_is_aside_holds_nobody_back_until_it_waits_again(void **state)
{
	struct scratch *s = *state;
	struct spool_counts n;
	int64_t one = put(s, 1, "A", 10, 1);
	put(s, 2, "A", 11, 1);
	settle(s, "folder", one, SPOOL_ASIDE, 0);
	assert_string_equal(due(s, "folder", 20), "id-2/0 ");
	OK(spool_count(s->l, "folder", &n, &e));
	assert_int_equal(n.waiting, 1);
	assert_int_equal(n.aside, 1);
	assert_int_equal(n.oldest_ms, 11);
	OK(ledger_begin(s->l, &e));
	OK(spool_again(s->l, "folder", 30, &e));
	OK(ledger_commit(s->l, &e));
	assert_string_equal(due(s, "folder", 30), "id-1/1 ");
}

static void old_events_go_once_nobody_needs_them(void **state)
{
	struct scratch *s = *state;
	char out[64];
	int64_t one = put(s, 1, "A", 10, 1);
	put(s, 2, "B", 11, 1);
	settle(s, "folder", one, SPOOL_DONE, 0);
	put(s, 3, "C", 12 + SPOOL_KEEP_MS, 1);
	scratch_sql(s, "SELECT group_concat(id) FROM event", out, sizeof(out));
	assert_string_equal(out, "id-2,id-3\n");
}

static void event_is_there_if_and_only_if_its_transaction_was(void **state)
{
	struct scratch *s = *state;
	AUTO(spool_event) struct spool_event ev = {.id = "x", .type = "t"};
	OK(bytes_add_text(&ev.body, "{}", &e));
	OK(ledger_begin(s->l, &e));
	OK(spool_put(s->l, &ev, both, 2, &e));
	ledger_rollback(s->l);
	assert_string_equal(due(s, "http", 10), "");
	put(s, 1, "A", 10, 2);
	scratch_reopen(s);
	assert_string_equal(due(s, "http", 10), "id-1/0 ");
}

static void event_of_no_adapter_is_not_kept(void **state)
{
	struct scratch *s = *state;
	char out[64];
	put(s, 1, "A", 10, 0);
	scratch_sql(s, "SELECT count(*) FROM event", out, sizeof(out));
	assert_string_equal(out, "0\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_adapter_gets_each_event_and_settles_it_alone, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(events_of_one_unit_come_in_order_and_others_do_not_wait_for_them, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(what_is_aside_holds_nobody_back_until_it_waits_again, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(old_events_go_once_nobody_needs_them, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(event_is_there_if_and_only_if_its_transaction_was, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(event_of_no_adapter_is_not_kept, scratch_setup, scratch_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
