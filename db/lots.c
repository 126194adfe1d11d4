/* SPDX-License-Identifier: Apache-2.0 */
#include "db/lots.h"
#include "db/store.h"

#include <assert.h>
#include <string.h>

#define ORDER_TEXT_MAX ((size_t)16 << 20)
#define ROW_NAMES "id, product, profile, count, order_sha256, state, opened_by, closed_by, opened_ms, closed_ms, \"order\", scrap"
#define SELECT_LOT "SELECT " ROW_NAMES " FROM lot "
enum { AT_ID, AT_PRODUCT, AT_PROFILE, AT_COUNT, AT_SHA256, AT_STATE, AT_OPENED_BY, AT_CLOSED_BY, AT_OPENED, AT_CLOSED, AT_ORDER,
       AT_SCRAP };

static const char *const states[] = {
	[LOT_OPEN] = "open", [LOT_CLOSED] = "closed", [LOT_REVERTING] = "reverting", [LOT_REVERTED] = "reverted",
};

const char *lot_state_name(enum lot_state state)
{
	assert((size_t)state < COUNT_OF(states));
	return states[state];
}

void lot_row_fini(struct lot_row *row)
{
	if (!row)
		return;
	bytes_fini(&row->order);
	*row = (struct lot_row){0};
}

static bool state_of(struct query *q, int at, enum lot_state *ret)
{
	char name[16] = "";
	size_t i = 0;
	if (!query_take_text(q, at, name, sizeof(name)))
		return false;
	while (i < COUNT_OF(states) && strcmp(states[i], name) != 0)
		i++;
	*ret = (enum lot_state)i;
	return i < COUNT_OF(states);
}

/* Reads the row that the query stands on into a zeroed *ret. */
static bool read_row(struct query *q, struct lot_row *ret, struct err *e)
{
	int64_t count = sqlite3_column_int64(q->stmt, AT_COUNT);
	size_t len = (size_t)sqlite3_column_bytes(q->stmt, AT_ORDER);
	bool fits = query_take_text(q, AT_ID, ret->id, sizeof(ret->id)) &&
		    query_take_text(q, AT_PRODUCT, ret->product, sizeof(ret->product)) &&
		    query_take_text(q, AT_PROFILE, ret->profile, sizeof(ret->profile)) &&
		    query_take_blob(q, AT_SHA256, ret->order_sha256, sizeof(ret->order_sha256)) && state_of(q, AT_STATE, &ret->state) &&
		    query_take_text(q, AT_OPENED_BY, ret->opened_by, sizeof(ret->opened_by)) &&
		    query_take_text(q, AT_CLOSED_BY, ret->closed_by, sizeof(ret->closed_by)) && count > 0 && count <= UINT32_MAX &&
		    len <= ORDER_TEXT_MAX;
	if (!fits)
		return err_set(e, E_DB_CORRUPT, "lot \"%.64s\" is not in its form", ret->id);
	ret->count = (uint32_t)count;
	ret->scrap = (uint32_t)sqlite3_column_int64(q->stmt, AT_SCRAP);
	ret->opened_ms = sqlite3_column_int64(q->stmt, AT_OPENED);
	ret->closed_ms = sqlite3_column_int64(q->stmt, AT_CLOSED);
	ret->order.max = ORDER_TEXT_MAX;
	return bytes_set(&ret->order, sqlite3_column_blob(q->stmt, AT_ORDER), len, e);
}

bool lots_find(struct ledger *l, const char *id, struct lot_row *ret, bool *ret_found, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	bool row = false;
	*ret_found = false;
	*ret = (struct lot_row){0};
	if (!reading_open(l, &r, e) || !query_open(l, SELECT_LOT "WHERE id = ?", &q, e))
		return false;
	query_text(&q, 1, id);
	if (!query_next(&q, &row, e) || (row && !read_row(&q, ret, e)))
		return false;
	*ret_found = row;
	return true;
}

static bool insert(struct ledger *l, const struct lot_row *row, struct err *e)
{
	AUTO(query) struct query q = {0};
	if (!query_open(l, "INSERT INTO lot (" ROW_NAMES ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", &q, e))
		return false;
	query_text(&q, AT_ID + 1, row->id);
	query_text(&q, AT_PRODUCT + 1, row->product);
	query_text(&q, AT_PROFILE + 1, row->profile);
	query_int(&q, AT_COUNT + 1, row->count);
	query_blob(&q, AT_SHA256 + 1, row->order_sha256, sizeof(row->order_sha256));
	query_text(&q, AT_STATE + 1, lot_state_name(row->state));
	query_text(&q, AT_OPENED_BY + 1, row->opened_by);
	query_text(&q, AT_CLOSED_BY + 1, row->closed_by);
	query_int(&q, AT_OPENED + 1, row->opened_ms);
	query_int(&q, AT_CLOSED + 1, row->closed_ms);
	query_blob(&q, AT_ORDER + 1, row->order.data, row->order.len);
	query_int(&q, AT_SCRAP + 1, row->scrap);
	return query_run(&q, e);
}

/* What changes in a lot's life; its order is not part of that. */
static bool update(struct ledger *l, const struct lot_row *row, struct err *e)
{
	AUTO(query) struct query q = {0};
	if (!query_open(l, "UPDATE lot SET state = ?, opened_by = ?, closed_by = ?, opened_ms = ?, closed_ms = ?, scrap = ? WHERE id = ?",
			&q, e))
		return false;
	query_text(&q, 1, lot_state_name(row->state));
	query_text(&q, 2, row->opened_by);
	query_text(&q, 3, row->closed_by);
	query_int(&q, 4, row->opened_ms);
	query_int(&q, 5, row->closed_ms);
	query_int(&q, 6, row->scrap);
	query_text(&q, 7, row->id);
	return query_run(&q, e);
}

bool lots_put(struct ledger *l, const struct lot_row *row, struct err *e)
{
	AUTO(lot_row) struct lot_row old = {0};
	bool found = false;
	assert(store_in_transaction(l) && row->id[0]);
	if (!lots_find(l, row->id, &old, &found, e))
		return false;
	if (!found)
		return insert(l, row, e);
	if (memcmp(old.order_sha256, row->order_sha256, SHA256_SIZE) != 0)
		return err_set(e, E_LOT_OTHER, "the order of lot \"%s\"", row->id);
	return update(l, row, e);
}

bool lots_scan(struct ledger *l, uint32_t most, lots_each *each, void *ctx, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	if (!reading_open(l, &r, e) || !query_open(l, SELECT_LOT "ORDER BY number DESC LIMIT ?", &q, e))
		return false;
	query_int(&q, 1, most);
	for (bool more = true; more;) {
		AUTO(lot_row) struct lot_row row = {0};
		if (!query_next(&q, &more, e) || (more && !read_row(&q, &row, e)))
			return false;
		more = more && each(ctx, &row);
	}
	return true;
}

/* ---- places ---- */

static bool one_number(struct query *q, int64_t *ret, struct err *e)
{
	bool row = false;
	if (!query_next(q, &row, e))
		return false;
	*ret = row ? sqlite3_column_int64(q->stmt, 0) : 0;
	return true;
}

bool lots_taken(struct ledger *l, const char *id, uint64_t *ret, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	int64_t count = 0;
	if (!reading_open(l, &r, e) || !query_open(l, "SELECT count(*) FROM place WHERE lot = ? AND given_up = 0", &q, e))
		return false;
	query_text(&q, 1, id);
	if (!one_number(&q, &count, e))
		return false;
	*ret = (uint64_t)count;
	return true;
}

bool lots_has_place(struct ledger *l, const char *id, const char *job, bool *ret, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	int64_t count = 0;
	if (!reading_open(l, &r, e) ||
	    !query_open(l, "SELECT count(*) FROM place WHERE lot = ? AND job = ? AND given_up = 0", &q, e))
		return false;
	query_text(&q, 1, id);
	query_text(&q, 2, job);
	if (!one_number(&q, &count, e))
		return false;
	*ret = count > 0;
	return true;
}

bool lots_allowed(struct ledger *l, const char *id, uint64_t *ret, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	int64_t count = 0;
	if (!reading_open(l, &r, e) ||
	    !query_open(l, "SELECT count + min(scrap, (SELECT count(*) FROM place JOIN job ON job.id = place.job"
			" WHERE place.lot = lot.id AND place.given_up = 0 AND job.verdict = 'FAIL')) FROM lot WHERE id = ?", &q, e))
		return false;
	query_text(&q, 1, id);
	if (!one_number(&q, &count, e))
		return false;
	*ret = (uint64_t)count;
	return true;
}

bool lots_take_place(struct ledger *l, const char *id, const char *job, struct err *e)
{
	AUTO(query) struct query q = {0};
	bool has = false;
	uint64_t taken = 0, most = 0;
	assert(store_in_transaction(l));
	if (!lots_has_place(l, id, job, &has, e) || has)
		return has;
	if (!lots_taken(l, id, &taken, e) || !lots_allowed(l, id, &most, e))
		return false;
	if (taken >= most)
		return err_set(e, E_LOT_FULL, "lot \"%s\" allows %llu identities", id, (unsigned long long)most);
	/* A unit that gave its place up may take one of the same lot again. */
	if (!query_open(l, "INSERT INTO place (lot, job, given_up) VALUES (?, ?, 0) ON CONFLICT (lot, job) DO UPDATE SET given_up = 0",
			&q, e))
		return false;
	query_text(&q, 1, id);
	query_text(&q, 2, job);
	return query_run(&q, e);
}

bool lots_give_up_place(struct ledger *l, const char *id, const char *job, struct err *e)
{
	AUTO(query) struct query q = {0};
	assert(store_in_transaction(l));
	if (!query_open(l, "UPDATE place SET given_up = 1 WHERE lot = ? AND job = ?", &q, e))
		return false;
	query_text(&q, 1, id);
	query_text(&q, 2, job);
	return query_run(&q, e);
}

bool lots_jobs(struct ledger *l, const char *id, jobs_each *each, void *ctx, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	if (!reading_open(l, &r, e) || !query_open(l, "SELECT job FROM place WHERE lot = ? ORDER BY number", &q, e))
		return false;
	query_text(&q, 1, id);
	for (bool more = true; more;) {
		AUTO(job_row) struct job_row row = {0};
		char job[JOB_ID];
		bool found = false;
		if (!query_next(&q, &more, e))
			return false;
		if (!more)
			break;
		if (!query_take_text(&q, 0, job, sizeof(job)) || !jobs_find(l, JOB_BY_ID, job, &row, &found, e))
			return false;
		more = !found || each(ctx, &row);
	}
	return true;
}

/* ---- taking back ---- */

bool lots_state(struct ledger *l, const char *id, enum lot_state *ret, bool *ret_found, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	*ret_found = false;
	if (!reading_open(l, &r, e) || !query_open(l, "SELECT state FROM lot WHERE id = ?", &q, e))
		return false;
	query_text(&q, 1, id);
	if (!query_next(&q, ret_found, e))
		return false;
	return !*ret_found || state_of(&q, 0, ret) || err_set(e, E_DB_CORRUPT, "lot \"%.64s\" is not in its form", id);
}

bool lots_put_block(struct ledger *l, const char *job, const struct lot_block *block, int64_t time_ms, struct err *e)
{
	AUTO(query) struct query q = {0};
	assert(store_in_transaction(l));
	if (!query_open(l, "INSERT INTO block (job, registration_id, time_ms, leaf) VALUES (?, ?, ?, ?)", &q, e))
		return false;
	query_text(&q, 1, job);
	query_text(&q, 2, block->registration_id);
	query_int(&q, 3, time_ms);
	query_blob(&q, 4, block->leaf.data, block->leaf.len);
	return query_run(&q, e);
}

bool lots_drop_block(struct ledger *l, const char *job, struct err *e)
{
	AUTO(query) struct query q = {0};
	assert(store_in_transaction(l));
	if (!query_open(l, "DELETE FROM block WHERE job = ?", &q, e))
		return false;
	query_text(&q, 1, job);
	return query_run(&q, e);
}

bool lots_find_block(struct ledger *l, const char *job, struct lot_block *ret, bool *ret_found, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	*ret = (struct lot_block){0};
	*ret_found = false;
	if (!reading_open(l, &r, e) || !query_open(l, "SELECT registration_id, leaf FROM block WHERE job = ?", &q, e))
		return false;
	query_text(&q, 1, job);
	if (!query_next(&q, ret_found, e))
		return false;
	if (!*ret_found)
		return true;
	if (!query_take_text(&q, 0, ret->registration_id, sizeof(ret->registration_id)))
		return err_set(e, E_DB_CORRUPT, "the block of job %s is not in its form", job);
	return bytes_set(&ret->leaf, sqlite3_column_blob(q.stmt, 1), (size_t)sqlite3_column_bytes(q.stmt, 1), e);
}
