/* SPDX-License-Identifier: Apache-2.0 */
#include "db/spool.h"
#include "db/store.h"

#include <assert.h>
#include <string.h>

enum { AT_NUMBER, AT_ID, AT_TYPE, AT_UNIT, AT_TIME, AT_BODY, AT_TRIES };

void spool_event_fini(struct spool_event *ev)
{
	if (!ev)
		return;
	bytes_fini(&ev->body);
	*ev = (struct spool_event){0};
}

/* ---- putting ---- */

static bool insert_event(struct ledger *l, struct spool_event *ev, struct err *e)
{
	AUTO(query) struct query q = {0};
	if (!query_open(l, "INSERT INTO event (id, type, unit, time_ms, body) VALUES (?, ?, ?, ?, ?)", &q, e))
		return false;
	query_text(&q, 1, ev->id);
	query_text(&q, 2, ev->type);
	query_text(&q, 3, ev->unit);
	query_int(&q, 4, ev->time_ms);
	query_blob(&q, 5, ev->body.data, ev->body.len);
	if (!query_run(&q, e))
		return false;
	ev->number = sqlite3_last_insert_rowid(l->db);
	return true;
}

static bool insert_delivery(struct ledger *l, const struct spool_event *ev, const char *adapter, struct err *e)
{
	AUTO(query) struct query q = {0};
	if (!query_open(l, "INSERT INTO delivery (adapter, number, unit, state, tries, due_ms, queued_ms, code, what) "
			"VALUES (?, ?, ?, 'waiting', 0, 0, ?, '', '')", &q, e))
		return false;
	query_text(&q, 1, adapter);
	query_int(&q, 2, ev->number);
	query_text(&q, 3, ev->unit);
	query_int(&q, 4, ev->time_ms);
	return query_run(&q, e);
}

/* What nobody needs any more, and is old: a few at a time, so that no transaction grows by it. */
static bool remove_old(struct ledger *l, int64_t before_ms, struct err *e)
{
	AUTO(query) struct query q = {0};
	if (!query_open(l, "DELETE FROM event WHERE number IN (SELECT number FROM event WHERE time_ms < ? AND NOT EXISTS "
			"(SELECT 1 FROM delivery WHERE delivery.number = event.number) ORDER BY time_ms LIMIT 8)", &q, e))
		return false;
	query_int(&q, 1, before_ms);
	return query_run(&q, e);
}

bool spool_put(struct ledger *l, struct spool_event *ev, const char *const *adapters, size_t count, struct err *e)
{
	assert(store_in_transaction(l) && ev->id[0]);
	if (!count)
		return true;
	if (ev->body.len == 0 || ev->body.len > SPOOL_BODY_MAX)
		return err_set(e, E_TEXT, "an event has 1 to %u bytes", SPOOL_BODY_MAX);
	if (!insert_event(l, ev, e))
		return err_in(e, "event %s", ev->id);
	for (size_t i = 0; i < count; i++)
		if (!insert_delivery(l, ev, adapters[i], e))
			return err_in(e, "event %s for %s", ev->id, adapters[i]);
	return remove_old(l, ev->time_ms - SPOOL_KEEP_MS, e);
}

/* ---- delivering ---- */

static bool read_event(struct query *q, struct spool_event *ret, struct err *e)
{
	size_t len = (size_t)sqlite3_column_bytes(q->stmt, AT_BODY);
	ret->number = sqlite3_column_int64(q->stmt, AT_NUMBER);
	ret->time_ms = sqlite3_column_int64(q->stmt, AT_TIME);
	ret->body.max = SPOOL_BODY_MAX;
	bool fits = query_take_text(q, AT_ID, ret->id, sizeof(ret->id)) && query_take_text(q, AT_TYPE, ret->type, sizeof(ret->type)) &&
		    query_take_text(q, AT_UNIT, ret->unit, sizeof(ret->unit)) && len <= SPOOL_BODY_MAX;
	if (!fits)
		return err_set(e, E_DB_CORRUPT, "event %lld is not in its form", (long long)ret->number);
	return bytes_set(&ret->body, sqlite3_column_blob(q->stmt, AT_BODY), len, e);
}

static bool walk(struct query *q, spool_each *each, void *ctx, struct err *e)
{
	for (bool more = true; more;) {
		AUTO(spool_event) struct spool_event ev = {0};
		if (!query_next(q, &more, e) || (more && !read_event(q, &ev, e)))
			return false;
		more = more && each(ctx, &ev, (uint32_t)sqlite3_column_int64(q->stmt, AT_TRIES));
	}
	return true;
}

bool spool_scan(struct ledger *l, const char *adapter, int64_t now_ms, uint32_t most, spool_each *each, void *ctx, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	if (!reading_open(l, &r, e) ||
	    !query_open(l, "SELECT event.number, event.id, event.type, event.unit, event.time_ms, event.body, d.tries "
			"FROM delivery AS d JOIN event ON event.number = d.number "
			"WHERE d.adapter = ? AND d.state = 'waiting' AND d.due_ms <= ? AND NOT EXISTS "
			"(SELECT 1 FROM delivery AS o WHERE o.adapter = d.adapter AND o.unit = d.unit AND o.state = 'waiting' "
			"AND o.number < d.number) ORDER BY d.number LIMIT ?", &q, e))
		return false;
	query_text(&q, 1, adapter);
	query_int(&q, 2, now_ms);
	query_int(&q, 3, most);
	return walk(&q, each, ctx, e);
}

static bool remove_delivery(struct ledger *l, const char *adapter, int64_t number, struct err *e)
{
	AUTO(query) struct query q = {0};
	if (!query_open(l, "DELETE FROM delivery WHERE adapter = ? AND number = ?", &q, e))
		return false;
	query_text(&q, 1, adapter);
	query_int(&q, 2, number);
	return query_run(&q, e);
}

bool spool_settle(struct ledger *l, const char *adapter, int64_t number, enum spool_end end, int64_t due_ms, const struct err *why,
		  struct err *e)
{
	AUTO(query) struct query q = {0};
	assert(store_in_transaction(l));
	if (end == SPOOL_DONE)
		return remove_delivery(l, adapter, number, e);
	if (!query_open(l, "UPDATE delivery SET state = ?, tries = tries + 1, due_ms = ?, code = ?, what = ? "
			"WHERE adapter = ? AND number = ?", &q, e))
		return false;
	query_text(&q, 1, end == SPOOL_ASIDE ? "aside" : "waiting");
	query_int(&q, 2, due_ms);
	query_text(&q, 3, why ? err_row(why->code)->code : "");
	query_text(&q, 4, why ? why->what : "");
	query_text(&q, 5, adapter);
	query_int(&q, 6, number);
	return query_run(&q, e);
}

bool spool_again(struct ledger *l, const char *adapter, int64_t now_ms, struct err *e)
{
	AUTO(query) struct query q = {0};
	assert(store_in_transaction(l));
	if (!query_open(l, "UPDATE delivery SET state = 'waiting', due_ms = ? "
			"WHERE adapter = ? AND (state = 'aside' OR due_ms > ?)", &q, e))
		return false;
	query_int(&q, 1, now_ms);
	query_text(&q, 2, adapter);
	query_int(&q, 3, now_ms);
	return query_run(&q, e);
}

bool spool_count(struct ledger *l, const char *adapter, struct spool_counts *ret, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	bool row = false;
	*ret = (struct spool_counts){0};
	if (!reading_open(l, &r, e) ||
	    !query_open(l, "SELECT count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'aside'), "
			"ifnull(min(queued_ms) FILTER (WHERE state = 'waiting'), 0) FROM delivery WHERE adapter = ?", &q, e))
		return false;
	query_text(&q, 1, adapter);
	if (!query_next(&q, &row, e) || !row)
		return row;
	ret->waiting = (uint64_t)sqlite3_column_int64(q.stmt, 0);
	ret->aside = (uint64_t)sqlite3_column_int64(q.stmt, 1);
	ret->oldest_ms = sqlite3_column_int64(q.stmt, 2);
	return true;
}

bool spool_rows(struct ledger *l, uint32_t most, spool_row_each *each, void *ctx, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	if (!reading_open(l, &r, e) ||
	    !query_open(l, "SELECT adapter, unit, state, tries, queued_ms, code, what FROM delivery ORDER BY number LIMIT ?", &q, e))
		return false;
	query_int(&q, 1, most);
	for (;;) {
		bool row = false;
		struct spool_row out = {0};
		if (!query_next(&q, &row, e))
			return false;
		if (!row)
			return true;
		out.tries = (uint32_t)sqlite3_column_int64(q.stmt, 3);
		out.queued_ms = sqlite3_column_int64(q.stmt, 4);
		if (!query_take_text(&q, 0, out.adapter, sizeof(out.adapter)) || !query_take_text(&q, 1, out.unit, sizeof(out.unit)) ||
		    !query_take_text(&q, 2, out.state, sizeof(out.state)) || !query_take_text(&q, 5, out.code, sizeof(out.code)) ||
		    !query_take_text(&q, 6, out.what, sizeof(out.what)))
			return err_set(e, E_DB_CORRUPT, "a delivery is not in its form");
		if (!each(ctx, &out))
			return true;
	}
}
