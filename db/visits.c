/* SPDX-License-Identifier: Apache-2.0 */
#include "db/visits.h"
#include "db/store.h"

#include <assert.h>
#include <string.h>

#define ROW_NAMES "number, lot, serial, job, slot, label, registration_id, verdict, code, person, visit, first, entry_from, " \
	"entry_to, begun_ms, ended_ms"
#define SELECT_VISIT "SELECT " ROW_NAMES " FROM visit "
enum {
	AT_NUMBER, AT_LOT, AT_SERIAL, AT_JOB, AT_SLOT, AT_LABEL, AT_ID, AT_VERDICT, AT_CODE, AT_PERSON, AT_VISIT,
	AT_FIRST, AT_FROM, AT_TO, AT_BEGUN, AT_ENDED
};

/* The first visit of a unit in a lot; one that did not say who it is is always that. */
static bool is_first(struct ledger *l, const struct visit_row *row, bool *ret, struct err *e)
{
	AUTO(query) struct query q = {0};
	bool found = false;
	*ret = true;
	if (!row->serial[0])
		return true;
	if (!query_open(l, "SELECT 1 FROM visit WHERE serial = ? AND lot = ? LIMIT 1", &q, e))
		return false;
	query_text(&q, 1, row->serial);
	query_text(&q, 2, row->lot);
	if (!query_next(&q, &found, e))
		return false;
	*ret = !found;
	return true;
}

bool visits_put(struct ledger *l, struct visit_row *row, struct err *e)
{
	AUTO(query) struct query q = {0};
	assert(store_in_transaction(l) && row->verdict != VERDICT_NONE);
	if (!is_first(l, row, &row->first, e) ||
	    !query_open(l, "INSERT INTO visit (lot, serial, job, slot, label, registration_id, verdict, code, person, visit, first, "
			"entry_from, entry_to, begun_ms, ended_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", &q, e))
		return false;
	const char *const texts[] = {row->lot, row->serial, row->job, row->slot, row->label, row->registration_id,
				     verdict_name(row->verdict), row->code, row->person, row->visit};
	for (int i = 0; i < (int)COUNT_OF(texts); i++)
		query_text(&q, AT_LOT + i, texts[i]);
	query_int(&q, AT_FIRST, row->first);
	query_int(&q, AT_FROM, row->entry_from);
	query_int(&q, AT_TO, row->entry_to);
	query_int(&q, AT_BEGUN, row->begun_ms);
	query_int(&q, AT_ENDED, row->ended_ms);
	if (!query_run(&q, e))
		return false;
	row->number = sqlite3_last_insert_rowid(l->db);
	return true;
}

static bool read_row(struct query *q, struct visit_row *ret, struct err *e)
{
	char verdict[8];
	ret->number = sqlite3_column_int64(q->stmt, AT_NUMBER);
	bool fits = query_take_text(q, AT_LOT, ret->lot, sizeof(ret->lot)) &&
		    query_take_text(q, AT_SERIAL, ret->serial, sizeof(ret->serial)) &&
		    query_take_text(q, AT_JOB, ret->job, sizeof(ret->job)) && query_take_text(q, AT_SLOT, ret->slot, sizeof(ret->slot)) &&
		    query_take_text(q, AT_LABEL, ret->label, sizeof(ret->label)) &&
		    query_take_text(q, AT_ID, ret->registration_id, sizeof(ret->registration_id)) &&
		    query_take_text(q, AT_VERDICT, verdict, sizeof(verdict)) && verdict_named(verdict, &ret->verdict) &&
		    query_take_text(q, AT_CODE, ret->code, sizeof(ret->code)) &&
		    query_take_text(q, AT_PERSON, ret->person, sizeof(ret->person)) &&
		    query_take_text(q, AT_VISIT, ret->visit, sizeof(ret->visit));
	ret->entry_from = sqlite3_column_int64(q->stmt, AT_FROM);
	ret->entry_to = sqlite3_column_int64(q->stmt, AT_TO);
	ret->first = sqlite3_column_int64(q->stmt, AT_FIRST) != 0;
	ret->begun_ms = sqlite3_column_int64(q->stmt, AT_BEGUN);
	ret->ended_ms = sqlite3_column_int64(q->stmt, AT_ENDED);
	return fits || err_set(e, E_DB_CORRUPT, "visit %lld is not in its form", (long long)ret->number);
}

static bool scan(struct query *q, visits_each *each, void *ctx, struct err *e)
{
	for (bool more = true; more;) {
		struct visit_row row = {0};
		if (!query_next(q, &more, e) || (more && !read_row(q, &row, e)))
			return false;
		more = more && each(ctx, &row);
	}
	return true;
}

bool visits_scan(struct ledger *l, const char *lot, int64_t after, uint32_t most, visits_each *each, void *ctx, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	if (!reading_open(l, &r, e))
		return false;
	bool ok = lot ? query_open(l, SELECT_VISIT "WHERE number > ? AND lot = ? AND lot <> '' ORDER BY number LIMIT ?", &q, e) :
		  query_open(l, SELECT_VISIT "WHERE number > ? ORDER BY number LIMIT ?", &q, e);
	if (!ok)
		return false;
	query_int(&q, 1, after);
	if (lot)
		query_text(&q, 2, lot);
	query_int(&q, lot ? 3 : 2, most);
	return scan(&q, each, ctx, e);
}

bool visits_of_unit(struct ledger *l, const char *serial, visits_each *each, void *ctx, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	if (!reading_open(l, &r, e) || !query_open(l, SELECT_VISIT "WHERE serial = ? ORDER BY number", &q, e))
		return false;
	query_text(&q, 1, serial);
	return scan(&q, each, ctx, e);
}
