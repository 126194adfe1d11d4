/* SPDX-License-Identifier: Apache-2.0 */
#include "db/revocations.h"
#include "tests/db/scratch.h"

#include <stdio.h>
#include <string.h>

static struct revocation row_of(unsigned job, uint8_t serial)
{
	struct revocation r = {.kind = REVOCATION_REVOKED, .reason = REASON_KEY_COMPROMISE, .time_ms = 1000 + serial, .cert_serial = {serial}};
	snprintf(r.job, sizeof(r.job), "%032x", job);
	snprintf(r.registration_id, sizeof(r.registration_id), "unit-%u", job);
	return r;
}

static void put_job(struct scratch *s, unsigned n)
{
	struct job_row job = {.intent_index = -1, .visits = 1};
	snprintf(job.id, sizeof(job.id), "%032x", n);
	OK(ledger_begin(s->l, &e));
	OK(jobs_put(s->l, &job, &e));
	OK(ledger_commit(s->l, &e));
}

static void add(struct scratch *s, struct revocation *r)
{
	OK(ledger_begin(s->l, &e));
	OK(revocations_add(s->l, r, &e));
	OK(ledger_commit(s->l, &e));
}

static void settle(struct scratch *s, const struct revocation *r)
{
	OK(ledger_begin(s->l, &e));
	OK(revocations_settle(s->l, r, &e));
	OK(ledger_commit(s->l, &e));
}

static bool count_one(void *ctx, const struct revocation *r)
{
	(void)r;
	++*(unsigned *)ctx;
	return true;
}

static unsigned count_of(struct scratch *s, enum revocations_which which)
{
	unsigned n = 0;
	int64_t after = 0;
	OK(revocations_scan(s->l, which, &after, 100, count_one, &n, &e));
	return n;
}

static void a_row_comes_back_as_it_was_written(void **state)
{
	struct scratch *s = *state;
	AUTO(revocation) struct revocation back = {0};
	bool found = false;
	put_job(s, 1);
	struct revocation r = row_of(1, 7);
	r.kind = REVOCATION_REPLACED;
	r.reason = REASON_SUPERSEDED;
	snprintf(r.hub, sizeof(r.hub), "a-hub");
	snprintf(r.first, sizeof(r.first), "P-1");
	OK(bytes_add_text(&r.leaf, "leaf", &e));
	OK(bytes_add_text(&r.entry, "{}", &e));
	add(s, &r);
	scratch_reopen(s);
	OK(revocations_find(s->l, r.cert_serial, &back, &found, &e));
	assert_true(found);
	assert_int_equal(back.number, r.number);
	assert_int_equal(back.kind, REVOCATION_REPLACED);
	assert_int_equal(back.reason, REASON_SUPERSEDED);
	assert_string_equal(back.hub, "a-hub");
	assert_string_equal(back.first, "P-1");
	assert_true(bytes_equal(&back.leaf, &r.leaf) && bytes_equal(&back.entry, &r.entry));
	assert_int_equal(back.next_intent, -1);
	assert_int_equal(back.time_ms, 1007);
	revocation_fini(&r);
}

static void the_newest_of_a_unit_decides(void **state)
{
	struct scratch *s = *state;
	AUTO(revocation) struct revocation back = {0};
	bool found = true;
	put_job(s, 1);
	put_job(s, 2);
	OK(revocations_of_job(s->l, row_of(1, 1).job, &back, &found, &e));
	assert_false(found);
	struct revocation old = row_of(1, 1), new = row_of(1, 2), other = row_of(2, 3);
	old.kind = REVOCATION_REPLACED;
	add(s, &old);
	add(s, &new);
	add(s, &other);
	OK(revocations_of_job(s->l, new.job, &back, &found, &e));
	assert_true(found);
	assert_int_equal(back.kind, REVOCATION_REVOKED);
	assert_int_equal(back.cert_serial[0], 2);
}

static void one_identity_is_revoked_once(void **state)
{
	struct scratch *s = *state;
	put_job(s, 1);
	struct revocation r = row_of(1, 1), again = row_of(1, 1);
	add(s, &r);
	OK(ledger_begin(s->l, &e));
	REFUSED(E_CONFLICT, revocations_add(s->l, &again, &e));
	ledger_rollback(s->l);
	assert_int_equal(count_of(s, REVOCATIONS_ALL), 1);
}

static void what_is_left_to_do_is_counted(void **state)
{
	struct scratch *s = *state;
	struct revocation_counts c;
	put_job(s, 1);
	put_job(s, 2);
	put_job(s, 3);
	struct revocation one = row_of(1, 1), two = row_of(2, 2), three = row_of(3, 3);
	add(s, &one);
	add(s, &two);
	add(s, &three);
	one.service_ms = 5;
	two.service_ms = two.hub_ms = 6;
	two.next_intent = 44;
	snprintf(two.next_order, sizeof(two.next_order), "WO-2");
	three.aside = true;
	settle(s, &one);
	settle(s, &two);
	settle(s, &three);
	OK(revocations_count(s->l, &c, &e));
	assert_int_equal(c.all, 3);
	assert_int_equal(c.to_tell, 0);
	assert_int_equal(c.aside, 1);
	assert_int_equal(c.hub_left, 1);
	assert_int_equal(count_of(s, REVOCATIONS_TO_TELL), 0);
	assert_int_equal(count_of(s, REVOCATIONS_OPEN), 2);
	assert_int_equal(count_of(s, REVOCATIONS_FOLLOWED), 1);
	three.aside = false;
	settle(s, &three);
	assert_int_equal(count_of(s, REVOCATIONS_TO_TELL), 1);
}

static void it_is_never_taken_back(void **state)
{
	struct scratch *s = *state;
	put_job(s, 1);
	struct revocation r = row_of(1, 1);
	add(s, &r);
	r.service_ms = 9;
	settle(s, &r);
	r.service_ms = 0;
	OK(ledger_begin(s->l, &e));
	REFUSED(E_DB, revocations_settle(s->l, &r, &e));
	ledger_rollback(s->l);
	assert_int_equal(count_of(s, REVOCATIONS_OPEN), 1);
}

static void reasons_are_those_of_the_standard(void **state)
{
	uint8_t reason = 99;
	(void)state;
	assert_true(revocation_reason_named("keyCompromise", &reason));
	assert_int_equal(reason, 1);
	assert_true(revocation_reason_named("cessationOfOperation", &reason));
	assert_int_equal(reason, 5);
	assert_false(revocation_reason_named("certificateHold", &reason));
	assert_null(revocation_reason_name(2));
	assert_null(revocation_reason_name(7));
	assert_null(revocation_reason_name(10));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_row_comes_back_as_it_was_written),
		TEST(the_newest_of_a_unit_decides),
		TEST(one_identity_is_revoked_once),
		TEST(what_is_left_to_do_is_counted),
		TEST(it_is_never_taken_back),
		cmocka_unit_test(reasons_are_those_of_the_standard),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
