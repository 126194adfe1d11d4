/* SPDX-License-Identifier: Apache-2.0 */
#include "db/outbox.h"
#include "db/store.h"
#include "station/base/text.h"

#include <assert.h>
#include <string.h>

#define ROW_NAMES "number, job, registration_id, state, tries, error, error_what, queued_ms, settled_ms, withdrawn, body"
#define SELECT_ROW "SELECT " ROW_NAMES " FROM outbox "
enum { AT_NUMBER, AT_JOB, AT_ID, AT_STATE, AT_TRIES, AT_ERROR, AT_WHAT, AT_QUEUED, AT_SETTLED, AT_WITHDRAWN, AT_BODY };

static const char *const states[] = {
	[OUTBOX_WAITING] = "waiting", [OUTBOX_SENT] = "sent", [OUTBOX_ASIDE] = "aside", [OUTBOX_WITHDRAWN] = "withdrawn",
};

const char *outbox_state_name(enum outbox_state state)
{
	assert((size_t)state < COUNT_OF(states));
	return states[state];
}

void outbox_row_fini(struct outbox_row *row)
{
	if (!row)
		return;
	bytes_fini(&row->body);
	*row = (struct outbox_row){0};
}

static bool state_of(const char *name, enum outbox_state *ret)
{
	for (size_t i = 0; name && i < COUNT_OF(states); i++) {
		if (strcmp(states[i], name) != 0)
			continue;
		*ret = (enum outbox_state)i;
		return true;
	}
	return false;
}

/* Reads the row that the query stands on into a zeroed *ret. */
static bool read_row(struct query *q, struct outbox_row *ret, struct err *e)
{
	int64_t tries = sqlite3_column_int64(q->stmt, AT_TRIES);
	size_t len = (size_t)sqlite3_column_bytes(q->stmt, AT_BODY);
	bool fits = query_take_text(q, AT_JOB, ret->job, sizeof(ret->job)) &&
		    query_take_text(q, AT_ID, ret->registration_id, sizeof(ret->registration_id)) &&
		    state_of((const char *)sqlite3_column_text(q->stmt, AT_STATE), &ret->state) &&
		    query_take_text(q, AT_ERROR, ret->error, sizeof(ret->error)) &&
		    query_take_text(q, AT_WHAT, ret->error_what, sizeof(ret->error_what)) && tries >= 0 && tries <= UINT32_MAX &&
		    len <= OUTBOX_BODY_MAX;
	if (!fits)
		return err_set(e, E_DB_CORRUPT, "outbox row %lld is not in its form",
			       (long long)sqlite3_column_int64(q->stmt, AT_NUMBER));
	if (sqlite3_column_int64(q->stmt, AT_WITHDRAWN))
		ret->state = OUTBOX_WITHDRAWN;
	ret->tries = (uint32_t)tries;
	ret->queued_ms = sqlite3_column_int64(q->stmt, AT_QUEUED);
	ret->settled_ms = sqlite3_column_int64(q->stmt, AT_SETTLED);
	ret->body.max = OUTBOX_BODY_MAX;
	return bytes_set(&ret->body, sqlite3_column_blob(q->stmt, AT_BODY), len, e);
}

bool outbox_find(struct ledger *l, const char *job, struct outbox_row *ret, bool *ret_found, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	*ret_found = false;
	*ret = (struct outbox_row){0};
	if (!reading_open(l, &r, e) || !query_open(l, SELECT_ROW "WHERE job = ?", &q, e))
		return false;
	query_text(&q, 1, job);
	bool row = false;
	if (!query_next(&q, &row, e) || (row && !read_row(&q, ret, e)))
		return false;
	*ret_found = row;
	return true;
}

static bool insert(struct ledger *l, const struct outbox_row *row, struct err *e)
{
	AUTO(query) struct query q = {0};
	if (!query_open(l, "INSERT INTO outbox (job, registration_id, state, tries, error, error_what, queued_ms, settled_ms, body) "
			"VALUES (?, ?, 'waiting', 0, '', '', ?, 0, ?)", &q, e))
		return false;
	query_text(&q, 1, row->job);
	query_text(&q, 2, row->registration_id);
	query_int(&q, 3, row->queued_ms);
	query_blob(&q, 4, row->body.data, row->body.len);
	return query_run(&q, e);
}

/* The row keeps its place in the order; its age begins anew. */
static bool wait_again(struct ledger *l, const struct outbox_row *row, struct err *e)
{
	AUTO(query) struct query q = {0};
	if (!query_open(l, "UPDATE outbox SET registration_id = ?, state = 'waiting', tries = 0, error = '', error_what = '', "
			"queued_ms = ?, settled_ms = 0, withdrawn = 0, body = ? WHERE job = ?", &q, e))
		return false;
	query_text(&q, 1, row->registration_id);
	query_int(&q, 2, row->queued_ms);
	query_blob(&q, 3, row->body.data, row->body.len);
	query_text(&q, 4, row->job);
	return query_run(&q, e);
}

bool outbox_put(struct ledger *l, const struct outbox_row *row, bool *ret_new, struct err *e)
{
	bool found = false;
	AUTO(outbox_row) struct outbox_row old = {0};
	assert(store_in_transaction(l) && row->job[0]);
	*ret_new = false;
	if (row->body.len == 0 || row->body.len > OUTBOX_BODY_MAX)
		return err_set(e, E_DB, "an enrollment of %zu bytes; 1 to %u fit", row->body.len, OUTBOX_BODY_MAX);
	if (!outbox_find(l, row->job, &old, &found, e))
		return false;
	bool same = found && bytes_equal(&old.body, &row->body) && !strcmp(old.registration_id, row->registration_id);
	if (same && old.state != OUTBOX_ASIDE && old.state != OUTBOX_WITHDRAWN)
		return true;
	if (found && old.state == OUTBOX_SENT)
		return err_set(e, E_CONFLICT, "%s was enrolled otherwise by this station", old.registration_id);
	*ret_new = true;
	return found ? wait_again(l, row, e) : insert(l, row, e);
}

bool outbox_settle(struct ledger *l, const struct outbox_row *row, bool *ret_done, struct err *e)
{
	AUTO(query) struct query q = {0};
	assert(store_in_transaction(l));
	if (!query_open(l, "UPDATE outbox SET state = ?, tries = ?, error = ?, error_what = ?, settled_ms = ? "
			"WHERE job = ? AND state = 'waiting' AND body = ?", &q, e))
		return false;
	query_text(&q, 1, outbox_state_name(row->state));
	query_int(&q, 2, row->tries);
	query_text(&q, 3, row->error);
	query_text(&q, 4, row->error_what);
	query_int(&q, 5, row->settled_ms);
	query_text(&q, 6, row->job);
	query_blob(&q, 7, row->body.data, row->body.len);
	if (!query_run(&q, e))
		return err_in(e, "outbox row of %s", row->registration_id);
	*ret_done = sqlite3_changes(l->db) > 0;
	return true;
}

bool outbox_withdraw(struct ledger *l, const char *job, int64_t time_ms, struct err *e)
{
	AUTO(query) struct query q = {0};
	assert(store_in_transaction(l));
	if (!query_open(l, "UPDATE outbox SET state = 'sent', withdrawn = 1, error = '', error_what = '', settled_ms = ? WHERE job = ?",
			&q, e))
		return false;
	query_int(&q, 1, time_ms);
	query_text(&q, 2, job);
	return query_run(&q, e);
}

bool outbox_scan(struct ledger *l, enum outbox_state state, int64_t *after, uint32_t most, outbox_each *each, void *ctx,
		 struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	if (!reading_open(l, &r, e) ||
	    !query_open(l, SELECT_ROW "WHERE state = ? AND withdrawn = ? AND number > ? ORDER BY number LIMIT ?", &q, e))
		return false;
	bool withdrawn = state == OUTBOX_WITHDRAWN;
	query_text(&q, 1, outbox_state_name(withdrawn ? OUTBOX_SENT : state));
	query_int(&q, 2, withdrawn);
	query_int(&q, 3, *after);
	query_int(&q, 4, most);
	for (bool more = true; more;) {
		AUTO(outbox_row) struct outbox_row row = {0};
		if (!query_next(&q, &more, e) || (more && !read_row(&q, &row, e)))
			return false;
		if (!more)
			break;
		*after = sqlite3_column_int64(q.stmt, AT_NUMBER);
		more = each(ctx, &row);
	}
	return true;
}

/* Rows are never removed, so the greatest number is their count: those that were sent need not be counted one by one. */
bool outbox_count(struct ledger *l, struct outbox_counts *ret, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	bool row = false;
	*ret = (struct outbox_counts){0};
	if (!reading_open(l, &r, e) ||
	    !query_open(l, "SELECT (SELECT count(*) FROM outbox WHERE state = 'waiting'), "
			"(SELECT count(*) FROM outbox WHERE state = 'aside'), (SELECT ifnull(max(number), 0) FROM outbox), "
			"(SELECT ifnull(min(queued_ms), 0) FROM outbox WHERE state = 'waiting'), "
			"(SELECT count(*) FROM outbox WHERE withdrawn = 1)", &q, e) ||
	    !query_next(&q, &row, e))
		return false;
	ret->waiting = (uint64_t)sqlite3_column_int64(q.stmt, 0);
	ret->aside = (uint64_t)sqlite3_column_int64(q.stmt, 1);
	ret->withdrawn = (uint64_t)sqlite3_column_int64(q.stmt, 4);
	ret->sent = (uint64_t)sqlite3_column_int64(q.stmt, 2) - ret->waiting - ret->aside - ret->withdrawn;
	ret->oldest_ms = sqlite3_column_int64(q.stmt, 3);
	return true;
}
