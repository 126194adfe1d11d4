/* SPDX-License-Identifier: Apache-2.0 */
#include "db/archive.h"
#include "db/audit.h"
#include "db/visits.h"
#include "station/base/file.h"
#include "tests/db/scratch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LATER 1000

struct lots {
	struct scratch *s;
	char path[96];
};

static void name_job(unsigned n, char out[JOB_ID])
{
	snprintf(out, JOB_ID, "%032x", n + 1);
}

static void put_lot(struct scratch *s, const char *id, enum lot_state state)
{
	struct lot_row lot = {.product = "p", .profile = "sensor", .count = 9, .opened_ms = 1, .state = state};
	snprintf(lot.id, sizeof(lot.id), "%s", id);
	OK(bytes_set(&lot.order, "{}", 2, &e));
	OK(ledger_begin(s->l, &e));
	OK(lots_put(s->l, &lot, &e));
	OK(ledger_commit(s->l, &e));
	lot_row_fini(&lot);
}

static void append(struct scratch *s, const char *type, const char *job)
{
	uint64_t index;
	json_t *body = json_pack("{s:s}", "of", job);
	OK(audit_append(s->l, type, job, body, LATER, &index, &e));
	json_decref(body);
}

/* A unit of that lot: a visit before its key was read, entries and an intent; `placed` says whether it got as far as a place. */
static void put_unit(struct scratch *s, const char *lot, unsigned n, bool placed)
{
	struct job_row row = {.intent_index = -1, .started_ms = 1};
	struct visit_row visit = {.begun_ms = 1, .ended_ms = 2, .verdict = placed ? VERDICT_PASS : VERDICT_FAIL, .slot = "01"};
	name_job(n, row.id);
	snprintf(row.serial, sizeof(row.serial), "SN-%u", n);
	snprintf(visit.lot, sizeof(visit.lot), "%s", lot);
	snprintf(visit.serial, sizeof(visit.serial), "%s", row.serial);
	snprintf(visit.visit, sizeof(visit.visit), "%032x", n + 0x1000);
	OK(ledger_begin(s->l, &e));
	append(s, "visit", visit.visit);
	if (placed) {
		snprintf(visit.job, sizeof(visit.job), "%s", row.id);
		OK(jobs_put(s->l, &row, &e));
		OK(lots_take_place(s->l, lot, row.id, &e));
		append(s, "sign.intent", row.id);
		append(s, "stage.done", row.id);
		append(s, "verdict", row.id);
	}
	OK(visits_put(s->l, &visit, &e));
	OK(ledger_commit(s->l, &e));
}

/* Two closed lots and an open one, their units in turn, and a checkpoint over all. */
static int lots_setup(void **state)
{
	static struct lots lots;
	void *scratch = NULL;
	if (scratch_setup(&scratch) != 0)
		return -1;
	lots.s = scratch;
	snprintf(lots.path, sizeof(lots.path), "%s/archive", lots.s->dir);
	put_lot(lots.s, "L-1", LOT_OPEN);
	put_lot(lots.s, "L-2", LOT_OPEN);
	put_lot(lots.s, "L-3", LOT_OPEN);
	for (unsigned n = 0; n < 9; n++) {
		char lot[8];
		snprintf(lot, sizeof(lot), "L-%u", n % 3 + 1);
		put_unit(lots.s, lot, n, n != 3);
	}
	put_lot(lots.s, "L-1", LOT_CLOSED);
	put_lot(lots.s, "L-2", LOT_REVERTED);
	scratch_checkpoint(lots.s);
	*state = &lots;
	return 0;
}

static int lots_teardown(void **state)
{
	struct lots *lots = *state;
	void *scratch = lots->s;
	unlink(lots->path);
	return scratch_teardown(&scratch);
}

/* Archives as the verb does. */
static void archive(struct lots *k, const char *lot, struct archive_row *row)
{
	OK(archive_write(k->s->l, lot, k->path, LATER, row, &e));
	OK(ledger_begin(k->s->l, &e));
	OK(archive_let_go(k->s->l, row, &e));
	OK(ledger_commit(k->s->l, &e));
	OK(archive_compact(k->s->l, &e));
}

static void expect_fits(struct scratch *s, uint64_t archived)
{
	struct audit_report report;
	OK(ledger_check(s->l, &e));
	OK(audit_verify(s->l, NULL, NULL, &report, &e));
	if (!report.fits)
		fail_msg("%s", report.why);
	assert_int_equal(report.archived, archived);
}

static void the_bodies_of_a_closed_lot_leave_and_the_log_verifies_as_before(void **state)
{
	struct lots *k = *state;
	struct archive_row row, again;
	struct merkle_hash before, after;
	uint64_t size;
	char answer[64];
	OK(audit_head(k->s->l, &size, &before, &e));
	expect_fits(k->s, 0);
	archive(k, "L-1", &row);
	/* Three visits, one of a unit that got no place; of the two others a stage and a verdict. */
	assert_int_equal(row.entries, 3 + 2 * 2);
	assert_string_equal(row.lot, "L-1");
	scratch_reopen(k->s);
	OK(audit_head(k->s->l, &size, &after, &e));
	assert_memory_equal(&before, &after, sizeof(before));
	expect_fits(k->s, row.entries);
	OK(archive_fits(k->s->l, k->path, &again, &e));
	assert_memory_equal(row.sha256, again.sha256, SHA256_SIZE);
	/* Intents stay, and so does all of the open lot and of the other one. */
	scratch_sql(k->s, "SELECT count(*) FROM entry WHERE type = 'sign.intent' AND length(entry) = 0; "
		    "SELECT count(*) FROM entry WHERE length(entry) = 0", answer, sizeof(answer));
	assert_string_equal(answer, "0\n7\n");
	scratch_append(k->s, 20);
	scratch_checkpoint(k->s);
	expect_fits(k->s, row.entries);
}

static void only_a_lot_that_is_done_with_is_archived_and_once(void **state)
{
	struct lots *k = *state;
	struct archive_row row;
	REFUSED(E_LOT_STATE, archive_write(k->s->l, "L-3", k->path, LATER, &row, &e));
	REFUSED(E_LOT_STATE, archive_write(k->s->l, "L-9", k->path, LATER, &row, &e));
	assert_int_equal(access(k->path, F_OK), -1);
	archive(k, "L-2", &row);
	REFUSED(E_LOT_STATE, archive_write(k->s->l, "L-2", k->path, LATER, &row, &e));
	REFUSED(E_FILE, archive_write(k->s->l, "L-1", k->path, LATER, &row, &e));
}

static void a_unit_that_is_in_an_open_lot_too_keeps_its_entries(void **state)
{
	struct lots *k = *state;
	struct archive_row row;
	char job[JOB_ID];
	name_job(1, job);
	OK(ledger_begin(k->s->l, &e));
	OK(lots_give_up_place(k->s->l, "L-2", job, &e));
	OK(lots_take_place(k->s->l, "L-3", job, &e));
	OK(ledger_commit(k->s->l, &e));
	archive(k, "L-2", &row);
	assert_int_equal(row.entries, 3 + 2 * 2);	/* its visit before it was known is of L-2 alone */
}

static void entries_that_no_checkpoint_covers_stay(void **state)
{
	struct lots *k = *state;
	struct archive_row row;
	put_lot(k->s, "L-1", LOT_OPEN);
	put_unit(k->s, "L-1", 20, true);
	put_lot(k->s, "L-1", LOT_CLOSED);
	REFUSED(E_LOT_STATE, archive_write(k->s->l, "L-1", k->path, LATER, &row, &e));
	scratch_checkpoint(k->s);
	archive(k, "L-1", &row);
	expect_fits(k->s, row.entries);
}

/* ---- against intent ---- */

static void every_changed_byte_of_an_archive_is_found(void **state)
{
	struct lots *k = *state;
	struct archive_row row;
	AUTO(bytes) struct bytes file = {0};
	archive(k, "L-1", &row);
	OK(file_read(k->path, &file, &e));
	for (size_t i = 0; i < file.len; i += 7) {
		file.data[i] ^= 1;
		OK(file_write_atomic(k->path, file.data, file.len, 0600, &e));
		REFUSED(E_AUDIT, archive_fits(k->s->l, k->path, &row, &e));
		file.data[i] ^= 1;
	}
	OK(file_write_atomic(k->path, file.data, file.len, 0600, &e));
	OK(archive_fits(k->s->l, k->path, &row, &e));
}

static void a_line_that_lacks_or_comes_twice_is_found(void **state)
{
	struct lots *k = *state;
	struct archive_row row;
	AUTO(bytes) struct bytes file = {0};
	archive(k, "L-1", &row);
	OK(file_read(k->path, &file, &e));
	const char *text = bytes_text(&file), *last = strrchr(text, '\n');
	while (last[-1] != '\n')
		last--;
	OK(file_write_atomic(k->path, text, (size_t)(last - text), 0600, &e));
	REFUSED(E_AUDIT, archive_fits(k->s->l, k->path, &row, &e));
	AUTO(bytes) struct bytes longer = {0};
	OK(bytes_add(&longer, text, file.len, &e) && bytes_add_text(&longer, last, &e));
	OK(file_write_atomic(k->path, longer.data, longer.len, 0600, &e));
	REFUSED(E_AUDIT, archive_fits(k->s->l, k->path, &row, &e));
	OK(file_write_atomic(k->path, text, file.len - 1, 0600, &e));
	REFUSED(E_AUDIT, archive_fits(k->s->l, k->path, &row, &e));
}

static void a_body_that_no_archive_has_is_missed(void **state)
{
	static const char *const edits[] = {
		"UPDATE entry SET entry = x'' WHERE idx = 5",
		"UPDATE entry SET entry = x'', archive = 1 WHERE idx = 5",
		"UPDATE entry SET archive = NULL WHERE idx = 0",
		"UPDATE entry SET entry = x'7b7d' WHERE idx = 0",
		"UPDATE entry SET hashes = zeroblob(length(hashes)) WHERE idx = 0",
		"DELETE FROM archive",
	};
	for (size_t i = 0; i < COUNT_OF(edits); i++) {
		struct lots *k = *state;
		struct archive_row row;
		struct audit_report report;
		char sql[256];
		archive(k, "L-1", &row);
		scratch_close(k->s);
		snprintf(sql, sizeof(sql), "DROP TRIGGER entry_is_never_changed; DROP TRIGGER archive_is_never_removed; PRAGMA foreign_keys = OFF; %s",
			 edits[i]);
		scratch_sql(k->s, sql, NULL, 0);
		OK(ledger_open(k->s->path, ORIGIN, &k->s->l, &e));
		OK(audit_verify(k->s->l, NULL, NULL, &report, &e));
		if (report.fits)
			fail_msg("%s is not found", edits[i]);
		lots_teardown(state);
		assert_int_equal(lots_setup(state), 0);
	}
}

static void an_archived_entry_is_not_touched_again(void **state)
{
	static const char *const edits[] = {
		"UPDATE entry SET entry = x'00' WHERE idx = 0",
		"UPDATE entry SET archive = NULL WHERE idx = 0",
		"UPDATE entry SET entry = x'' WHERE idx = 5",
		"UPDATE entry SET entry = x'', archive = 1, type = 'x' WHERE idx = 5",
		"DELETE FROM archive",
		"UPDATE archive SET entries = 1",
	};
	struct lots *k = *state;
	struct archive_row row;
	char sql[256], answer[256];
	archive(k, "L-1", &row);
	for (size_t i = 0; i < COUNT_OF(edits); i++) {
		snprintf(sql, sizeof(sql), "%s; SELECT 'done';", edits[i]);
		scratch_sql(k->s, sql, answer, sizeof(answer));
		assert_string_equal(answer, "");
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, lots_setup, lots_teardown)
	const struct CMUnitTest tests[] = {
		T(the_bodies_of_a_closed_lot_leave_and_the_log_verifies_as_before),
		T(only_a_lot_that_is_done_with_is_archived_and_once),
		T(a_unit_that_is_in_an_open_lot_too_keeps_its_entries),
		T(entries_that_no_checkpoint_covers_stay),
		T(every_changed_byte_of_an_archive_is_found),
		T(a_line_that_lacks_or_comes_twice_is_found),
		T(a_body_that_no_archive_has_is_missed),
		T(an_archived_entry_is_not_touched_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
