/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/db/scratch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct audit_report verify(struct scratch *s, const uint64_t *size, const struct merkle_hash *root)
{
	struct audit_report report;
	OK(audit_verify(s->l, size, root, &report, &e));
	return report;
}

static void expect_misfit(struct scratch *s, uint64_t first_bad, const char *words)
{
	struct audit_report report = verify(s, NULL, NULL);
	assert_false(report.fits);
	assert_int_equal(report.first_bad, first_bad);
	if (!strstr(report.why, words))
		fail_msg("\"%s\" does not speak of \"%s\"", report.why, words);
}

/* What someone with the file in hands does first. */
#define DROP_TRIGGERS "DROP TRIGGER entry_is_never_changed; DROP TRIGGER entry_is_never_removed; DROP TRIGGER entry_is_never_replaced; " \
	"DROP TRIGGER checkpoint_is_never_changed; DROP TRIGGER checkpoint_is_never_removed; " \
	"DROP TRIGGER checkpoint_is_never_replaced; "

struct rehash {
	struct scratch *s;
	struct merkle_edge edge;
};

static bool store_hash(void *ctx, unsigned level, uint64_t index, const struct merkle_hash *hash, struct err *e)
{
	char *sql = ctx;
	for (size_t i = 0; i < MERKLE_HASH; i++)
		sprintf(sql + strlen(sql), "%02x", hash->h[i]);
	return true;
}

static bool rehash_entry(void *ctx, uint64_t index, const char *type, const char *job, const void *entry, size_t len)
{
	struct rehash *r = ctx;
	struct merkle_hash leaf;
	char sql[4096] = "UPDATE entry SET hashes = x'";
	merkle_leaf(entry, len, &leaf);
	OK(merkle_append(&r->edge, &leaf, store_hash, sql, &e));
	sprintf(sql + strlen(sql), "' WHERE idx = %" PRIu64, index);
	scratch_sql(r->s, sql, NULL, 0);
	return true;
}

/* Makes the whole tree anew over what the entries say now: everything that can be done without the signer's key. */
static void rehash_all(struct scratch *s)
{
	struct ledger *reader = NULL;
	struct rehash r = {.s = s};
	OK(ledger_open_reader(s->path, &reader, &e));
	OK(audit_scan(reader, 0, UINT64_MAX, rehash_entry, &r, &e));
	ledger_close(reader);
}

static bool keep_entry(void *ctx, uint64_t index, const char *type, const char *job, const void *entry, size_t len)
{
	struct bytes *b = ctx;
	OK(bytes_printf(b, &e, "%d %s %s %.*s\n", (int)index, type, job, (int)len, (const char *)entry));
	return index < 2;
}

static void an_entry_is_canonical_json_of_its_parts(void **state)
{
	struct scratch *s = *state;
	AUTO(bytes) struct bytes seen = {0};
	uint64_t index;
	json_t *body = json_pack("{s:i, s:s, s:[i]}", "z", 1, "a", "\xe2\x82\xac\"", "m", 2);
	OK(ledger_begin(s->l, &e));
	OK(audit_append(s->l, "first", "", NULL, -1, &index, &e));
	OK(audit_append(s->l, "second", "0123", body, 1700000000123, &index, &e));
	static const char ready[] = "{\"body\":{},\"job\":\"0123\",\"time\":5,\"type\":\"sign.intent\",\"v\":1}";
	OK(audit_append_entry(s->l, "sign.intent", "0123", ready, strlen(ready), 5, &index, &e));
	assert_int_equal(index, 2);
	OK(audit_append(s->l, "fourth", "", NULL, 1, &index, &e));
	OK(ledger_commit(s->l, &e));
	OK(audit_scan(s->l, 0, 10, keep_entry, &seen, &e));
	assert_string_equal(bytes_text(&seen),
		"0 first  {\"body\":{},\"job\":\"\",\"time\":-1,\"type\":\"first\",\"v\":1}\n"
		"1 second 0123 {\"body\":{\"a\":\"\xe2\x82\xac\\\"\",\"m\":[2],\"z\":1},\"job\":\"0123\",\"time\":1700000000123,"
		"\"type\":\"second\",\"v\":1}\n"
		"2 sign.intent 0123 {\"body\":{},\"job\":\"0123\",\"time\":5,\"type\":\"sign.intent\",\"v\":1}\n");
	json_decref(body);
	assert_true(verify(s, NULL, NULL).fits);
}

static void an_entry_that_is_not_what_stands_beside_it_is_refused(void **state)
{
	struct scratch *s = *state;
	uint64_t index, size;
	struct merkle_hash root;
	static const char ready[] = "{\"body\":{},\"job\":\"0123\",\"time\":5,\"type\":\"sign.intent\",\"v\":1}";
	AUTO_FREE char *big = calloc(1, AUDIT_ENTRY_MAX + 1);
	OK(ledger_begin(s->l, &e));
	REFUSED(E_TEXT, audit_append_entry(s->l, "sign.intent", "0124", ready, strlen(ready), 5, &index, &e));
	REFUSED(E_TEXT, audit_append_entry(s->l, "sign", "0123", ready, strlen(ready), 5, &index, &e));
	REFUSED(E_TEXT, audit_append_entry(s->l, "sign.intent", "0123", ready, strlen(ready), 6, &index, &e));
	REFUSED(E_TEXT, audit_append_entry(s->l, "sign.intent", "0123", ready, 3, 5, &index, &e));
	REFUSED(E_TEXT, audit_append_entry(s->l, "x", "", big, AUDIT_ENTRY_MAX + 1, 5, &index, &e));
	REFUSED(E_TEXT, audit_append(s->l, "ty\"pe", "", NULL, 5, &index, &e));
	REFUSED(E_TEXT, audit_append(s->l, "type", "job\n", NULL, 5, &index, &e));
	OK(ledger_commit(s->l, &e));
	OK(audit_head(s->l, &size, &root, &e));
	assert_int_equal(size, 0);
}

static void an_entry_of_the_greatest_length_is_kept(void **state)
{
	struct scratch *s = *state;
	uint64_t index;
	AUTO_FREE char *big = malloc(AUDIT_ENTRY_MAX + 1);
	static const char tail[] = "\",\"job\":\"\",\"time\":5,\"type\":\"t\",\"v\":1}";
	assert_non_null(big);
	memset(big, 'x', AUDIT_ENTRY_MAX);
	memcpy(big, "{\"body\":\"", 9);
	memcpy(big + AUDIT_ENTRY_MAX - strlen(tail), tail, strlen(tail));
	OK(ledger_begin(s->l, &e));
	OK(audit_append_entry(s->l, "t", "", big, AUDIT_ENTRY_MAX, 5, &index, &e));
	OK(ledger_commit(s->l, &e));
	assert_true(verify(s, NULL, NULL).fits);
}

/* The tree of the ledger against one built in memory from the same entries; every proof by the checker that the signer uses. */
static void every_proof_of_the_ledger_convinces_the_checker(void **state)
{
	enum { N = 37 };
	struct scratch *s = *state;
	struct merkle_hash leaf[N], root[N + 1];
	struct merkle_edge edge = {0};
	struct merkle_proof proof;
	merkle_root(&edge, &root[0]);
	scratch_append(s, N);
	for (unsigned i = 0; i < N; i++) {
		char text[128];
		snprintf(text, sizeof(text), "{\"body\":{\"number\":%u},\"job\":\"j\",\"time\":%u,\"type\":\"test.entry\",\"v\":1}", i, 1000 + i);
		merkle_leaf(text, strlen(text), &leaf[i]);
		OK(merkle_append(&edge, &leaf[i], NULL, NULL, &e));
		merkle_root(&edge, &root[i + 1]);
	}
	for (uint64_t size = 1; size <= N; size++)
		for (uint64_t i = 0; i < size; i++) {
			OK(audit_prove_inclusion(s->l, i, size, &proof, &e));
			assert_true(merkle_includes(&leaf[i], i, size, &proof, &root[size]));
			OK(audit_prove_consistency(s->l, i, size, &proof, &e));
			assert_true(merkle_extends(i, &root[i], size, &root[size], &proof));
		}
	REFUSED(E_AUDIT, audit_prove_inclusion(s->l, 5, 5, &proof, &e));
	REFUSED(E_AUDIT, audit_prove_inclusion(s->l, 5, N + 1, &proof, &e));
	REFUSED(E_AUDIT, audit_prove_consistency(s->l, 5, N + 1, &proof, &e));
	REFUSED(E_AUDIT, audit_prove_consistency(s->l, 6, 5, &proof, &e));
}

static void the_head_survives_reopening_and_a_reader_sees_the_same(void **state)
{
	struct scratch *s = *state;
	uint64_t size, again;
	struct merkle_hash root, same;
	struct ledger *reader = NULL;
	for (unsigned i = 0; i < 12; i++) {
		scratch_append(s, i % 3);
		OK(audit_head(s->l, &size, &root, &e));
		scratch_reopen(s);
		OK(audit_head(s->l, &again, &same, &e));
		assert_int_equal(size, again);
		assert_memory_equal(&root, &same, sizeof(root));
		OK(ledger_open_reader(s->path, &reader, &e));
		OK(audit_head(reader, &again, &same, &e));
		ledger_close(reader);
		assert_int_equal(size, again);
		assert_memory_equal(&root, &same, sizeof(root));
	}
}

static void what_is_rolled_back_was_never_in_the_tree(void **state)
{
	struct scratch *s = *state;
	uint64_t size, again, index;
	struct merkle_hash root, same;
	scratch_append(s, 5);
	OK(audit_head(s->l, &size, &root, &e));
	OK(ledger_begin(s->l, &e));
	for (unsigned i = 0; i < 9; i++)
		OK(audit_append(s->l, "lost", "", NULL, 1, &index, &e));
	OK(audit_head(s->l, &again, &same, &e));
	assert_int_equal(again, 14);
	ledger_rollback(s->l);
	OK(audit_head(s->l, &again, &same, &e));
	assert_int_equal(again, size);
	assert_memory_equal(&root, &same, sizeof(root));
	scratch_append(s, 3);
	assert_int_equal(verify(s, NULL, NULL).entries, 8);
	assert_true(verify(s, NULL, NULL).fits);
}

static void a_whole_log_fits(void **state)
{
	struct scratch *s = *state;
	uint64_t size;
	struct merkle_hash root;
	assert_true(verify(s, NULL, NULL).fits);
	scratch_checkpoint(s);	/* of the empty log */
	for (unsigned i = 0; i < 20; i++) {
		scratch_append(s, 1);
		if (i % 4 == 0)
			scratch_checkpoint(s);
	}
	scratch_checkpoint(s);
	OK(audit_head(s->l, &size, &root, &e));
	struct audit_report report = verify(s, &size, &root);
	assert_true(report.fits);
	assert_int_equal(report.entries, 20);
	assert_int_equal(report.checkpoints, 7);
	assert_memory_equal(&report.root, &root, sizeof(root));
}

static void a_naive_edit_is_refused_by_the_file_itself(void **state)
{
	static const char *const edits[] = {
		"UPDATE entry SET entry = x'00' WHERE idx = 3",
		"DELETE FROM entry WHERE idx = 9",
		"REPLACE INTO entry SELECT idx, 0, type, job, hashes, entry, NULL FROM entry WHERE idx = 9",
		"DELETE FROM checkpoint",
		"UPDATE checkpoint SET note = ''",
		"REPLACE INTO checkpoint SELECT id, 1, root, note, 0 FROM checkpoint",
	};
	struct scratch *s = *state;
	char sql[256], answer[256];
	scratch_append(s, 10);
	scratch_checkpoint(s);
	for (size_t i = 0; i < COUNT_OF(edits); i++) {
		snprintf(sql, sizeof(sql), "%s; SELECT 'done';", edits[i]);
		scratch_sql(s, sql, answer, sizeof(answer));
		assert_null(strstr(answer, "done"));
	}
	assert_true(verify(s, NULL, NULL).fits);
}

static void an_edited_entry_is_named(void **state)
{
	struct scratch *s = *state;
	scratch_append(s, 20);
	scratch_checkpoint(s);
	scratch_sql(s, DROP_TRIGGERS "UPDATE entry SET entry = CAST(replace(CAST(entry AS TEXT), '13', '14') AS BLOB) WHERE idx = 13", NULL, 0);
	expect_misfit(s, 13, "stored hash");
}

static void the_first_of_two_edited_entries_is_named(void **state)
{
	struct scratch *s = *state;
	scratch_append(s, 20);
	scratch_sql(s, DROP_TRIGGERS "UPDATE entry SET entry = x'00' WHERE idx IN (7, 3)", NULL, 0);
	expect_misfit(s, 3, "stored hash");
}

static void an_edited_hash_is_named(void **state)
{
	struct scratch *s = *state;
	scratch_append(s, 20);
	scratch_sql(s, DROP_TRIGGERS "UPDATE entry SET hashes = CAST(zeroblob(32) || substr(hashes, 33) AS BLOB) WHERE idx = 11", NULL, 0);
	expect_misfit(s, 11, "stored hash");
}

static void an_edited_node_of_the_tree_is_named(void **state)
{
	struct scratch *s = *state;
	scratch_append(s, 20);
	scratch_sql(s, DROP_TRIGGERS "UPDATE entry SET hashes = CAST(substr(hashes, 1, 64) || zeroblob(64) AS BLOB) WHERE idx = 7", NULL, 0);
	expect_misfit(s, 7, "nodes");
	scratch_sql(s, "UPDATE entry SET hashes = substr(hashes, 1, 64) WHERE idx = 7", NULL, 0);
	expect_misfit(s, 7, "nodes");
}

static void an_edit_beside_the_entry_is_named(void **state)
{
	struct scratch *s = *state;
	scratch_append(s, 20);
	scratch_sql(s, DROP_TRIGGERS "UPDATE entry SET job = 'other' WHERE idx = 17", NULL, 0);
	expect_misfit(s, 17, "beside");
	scratch_sql(s, "UPDATE entry SET time_ms = 1 WHERE idx = 16", NULL, 0);
	expect_misfit(s, 16, "beside");
	scratch_sql(s, "UPDATE entry SET type = 'test' WHERE idx = 15", NULL, 0);
	expect_misfit(s, 15, "beside");
}

static void a_removed_entry_is_named(void **state)
{
	struct scratch *s = *state;
	scratch_append(s, 20);
	scratch_sql(s, DROP_TRIGGERS "DELETE FROM entry WHERE idx = 4", NULL, 0);
	expect_misfit(s, 4, "missing");
	scratch_sql(s, "DELETE FROM entry WHERE idx = 0", NULL, 0);
	expect_misfit(s, 0, "missing");
}

static void a_log_shorter_than_a_kept_checkpoint_is_found(void **state)
{
	struct scratch *s = *state;
	scratch_append(s, 20);
	scratch_checkpoint(s);
	scratch_sql(s, DROP_TRIGGERS "DELETE FROM entry WHERE idx >= 15", NULL, 0);
	expect_misfit(s, 15, "checkpoint of size 20");
}

static void an_edited_checkpoint_is_found(void **state)
{
	struct scratch *s = *state;
	scratch_append(s, 4);
	scratch_checkpoint(s);
	scratch_append(s, 4);
	scratch_checkpoint(s);
	scratch_sql(s, DROP_TRIGGERS "UPDATE checkpoint SET note = 'another/log' || substr(note, 10) WHERE size = 8", NULL, 0);
	expect_misfit(s, UINT64_MAX, "note of something else");
	scratch_sql(s, "UPDATE checkpoint SET root = zeroblob(32) WHERE size = 8", NULL, 0);
	expect_misfit(s, UINT64_MAX, "size 8 has another root: an entry from 4 on");
}

static void a_rehashed_log_does_not_fit_its_kept_checkpoints(void **state)
{
	struct scratch *s = *state;
	scratch_append(s, 6);
	scratch_checkpoint(s);
	scratch_append(s, 6);
	scratch_checkpoint(s);
	scratch_close(s);
	scratch_sql(s, DROP_TRIGGERS "UPDATE entry SET entry = CAST(replace(CAST(entry AS TEXT), ':8}', ':9}') AS BLOB) WHERE idx = 8", NULL, 0);
	rehash_all(s);
	scratch_reopen(s);
	expect_misfit(s, UINT64_MAX, "size 12 has another root: an entry from 6 on");
}

/* Promise 7: nothing inside of the file tells; only the checkpoint that left does. */
static void a_log_rehashed_without_a_trace_is_found_by_an_outside_checkpoint(void **state)
{
	struct scratch *s = *state;
	uint64_t size;
	struct merkle_hash root;
	scratch_append(s, 12);
	scratch_checkpoint(s);
	OK(audit_head(s->l, &size, &root, &e));
	scratch_append(s, 7);
	scratch_checkpoint(s);
	scratch_close(s);
	scratch_sql(s, DROP_TRIGGERS "DELETE FROM checkpoint; UPDATE entry SET entry = CAST(replace(CAST(entry AS TEXT), ':8}', ':9}') AS BLOB) "
		    "WHERE idx = 8", NULL, 0);
	rehash_all(s);
	scratch_reopen(s);
	assert_true(verify(s, NULL, NULL).fits);
	struct audit_report report = verify(s, &size, &root);
	assert_false(report.fits);
	assert_non_null(strstr(report.why, "outside checkpoint of size 12 has another root"));
}

static void a_shortened_log_is_found_by_an_outside_checkpoint(void **state)
{
	struct scratch *s = *state;
	uint64_t size;
	struct merkle_hash root;
	scratch_append(s, 12);
	OK(audit_head(s->l, &size, &root, &e));
	scratch_close(s);
	scratch_sql(s, DROP_TRIGGERS "DELETE FROM entry WHERE idx >= 10", NULL, 0);
	scratch_reopen(s);
	assert_true(verify(s, NULL, NULL).fits);
	struct audit_report report = verify(s, &size, &root);
	assert_false(report.fits);
	assert_int_equal(report.first_bad, 10);
	assert_int_equal(report.entries, 10);
}

static void a_checkpoint_that_is_not_of_this_log_is_not_kept(void **state)
{
	struct scratch *s = *state;
	uint64_t size;
	struct merkle_hash root, other = {{0}};
	scratch_append(s, 3);
	OK(audit_head(s->l, &size, &root, &e));
	OK(ledger_begin(s->l, &e));
	REFUSED(E_AUDIT, audit_keep_checkpoint(s->l, 4, &root, "x", 1, &e));
	REFUSED(E_AUDIT, audit_keep_checkpoint(s->l, 3, &other, "x", 1, &e));
	REFUSED(E_AUDIT, audit_keep_checkpoint(s->l, 3, &root, ORIGIN "\n3\nAAAA\n", 1, &e));
	ledger_rollback(s->l);
}

static void the_newest_checkpoint_is_given(void **state)
{
	struct scratch *s = *state;
	AUTO(bytes) struct bytes note = {0};
	OK(bytes_add_text(&note, "old", &e));
	OK(audit_last_checkpoint(s->l, &note, &e));
	assert_int_equal(note.len, 0);
	scratch_append(s, 2);
	scratch_checkpoint(s);
	scratch_append(s, 7);
	scratch_checkpoint(s);
	OK(audit_last_checkpoint(s->l, &note, &e));
	assert_int_equal(strncmp(bytes_text(&note), ORIGIN "\n9\n", strlen(ORIGIN) + 3), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_entry_is_canonical_json_of_its_parts),
		TEST(an_entry_that_is_not_what_stands_beside_it_is_refused),
		TEST(an_entry_of_the_greatest_length_is_kept),
		TEST(every_proof_of_the_ledger_convinces_the_checker),
		TEST(the_head_survives_reopening_and_a_reader_sees_the_same),
		TEST(what_is_rolled_back_was_never_in_the_tree),
		TEST(a_whole_log_fits),
		TEST(a_naive_edit_is_refused_by_the_file_itself),
		TEST(an_edited_entry_is_named),
		TEST(the_first_of_two_edited_entries_is_named),
		TEST(an_edited_hash_is_named),
		TEST(an_edited_node_of_the_tree_is_named),
		TEST(an_edit_beside_the_entry_is_named),
		TEST(a_removed_entry_is_named),
		TEST(a_log_shorter_than_a_kept_checkpoint_is_found),
		TEST(an_edited_checkpoint_is_found),
		TEST(a_rehashed_log_does_not_fit_its_kept_checkpoints),
		TEST(a_log_rehashed_without_a_trace_is_found_by_an_outside_checkpoint),
		TEST(a_shortened_log_is_found_by_an_outside_checkpoint),
		TEST(a_checkpoint_that_is_not_of_this_log_is_not_kept),
		TEST(the_newest_checkpoint_is_given),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
