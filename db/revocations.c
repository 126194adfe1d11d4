/* SPDX-License-Identifier: Apache-2.0 */
#include "db/revocations.h"
#include "db/store.h"

#include <assert.h>
#include <string.h>

#define LEAF_MAX ((size_t)16384)
#define ENTRY_MAX ((size_t)32768)
#define ROW_NAMES                                                                                                               \
	"number, job, kind, reason, \"order\", registration_id, cert_serial, leaf, entry, first, second, time_ms, hub, device_id, " \
	"entry_ms, service_ms, hub_ms, aside, error, error_what, next_order, next_intent"
#define SELECT_ROW "SELECT " ROW_NAMES " FROM revoked "
enum { AT_NUMBER, AT_JOB, AT_KIND, AT_REASON, AT_ORDER, AT_ID, AT_SERIAL, AT_LEAF, AT_ENTRY, AT_FIRST, AT_SECOND, AT_TIME, AT_HUB,
       AT_DEVICE, AT_ENTRY_MS, AT_SERVICE_MS, AT_HUB_MS, AT_ASIDE, AT_ERROR, AT_WHAT, AT_NEXT_ORDER, AT_NEXT_INTENT };

/* ---- names ---- */

static const char *const kinds[] = {
	[REVOCATION_REVOKED] = "revoked", [REVOCATION_REPLACED] = "replaced", [REVOCATION_REVERTED] = "reverted",
};

static const char *const reasons[] = {
	[REASON_UNSPECIFIED] = "unspecified",
	[REASON_KEY_COMPROMISE] = "keyCompromise",
	[REASON_AFFILIATION_CHANGED] = "affiliationChanged",
	[REASON_SUPERSEDED] = "superseded",
	[REASON_CESSATION] = "cessationOfOperation",
	[REASON_PRIVILEGE_WITHDRAWN] = "privilegeWithdrawn",
};

const char *revocation_kind_name(enum revocation_kind kind)
{
	assert((size_t)kind < COUNT_OF(kinds));
	return kinds[kind];
}

const char *revocation_reason_name(uint8_t reason)
{
	return reason < COUNT_OF(reasons) ? reasons[reason] : NULL;
}

bool revocation_reason_named(const char *name, uint8_t *ret)
{
	for (size_t i = 0; i < COUNT_OF(reasons); i++) {
		if (!reasons[i] || strcmp(reasons[i], name) != 0)
			continue;
		*ret = (uint8_t)i;
		return true;
	}
	return false;
}

void revocation_fini(struct revocation *r)
{
	if (!r)
		return;
	bytes_fini(&r->leaf);
	bytes_fini(&r->entry);
	*r = (struct revocation){0};
}

/* ---- reading ---- */

static bool read_kind(struct query *q, enum revocation_kind *ret)
{
	char name[16] = "";
	size_t i = 0;
	if (!query_take_text(q, AT_KIND, name, sizeof(name)))
		return false;
	while (i < COUNT_OF(kinds) && strcmp(kinds[i], name) != 0)
		i++;
	*ret = (enum revocation_kind)i;
	return i < COUNT_OF(kinds);
}

static bool read_blob(struct query *q, int at, size_t max, struct bytes *ret, struct err *e)
{
	size_t len = (size_t)sqlite3_column_bytes(q->stmt, at);
	ret->max = max;
	return len == 0 || bytes_set(ret, sqlite3_column_blob(q->stmt, at), len, e);
}

#define TAKE(at, field) query_take_text(q, at, ret->field, sizeof(ret->field))

/* Reads the row that the query stands on into a zeroed *ret. */
static bool read_row(struct query *q, struct revocation *ret, struct err *e)
{
	ret->number = sqlite3_column_int64(q->stmt, AT_NUMBER);
	ret->reason = (uint8_t)sqlite3_column_int64(q->stmt, AT_REASON);
	ret->time_ms = sqlite3_column_int64(q->stmt, AT_TIME);
	ret->entry_ms = sqlite3_column_int64(q->stmt, AT_ENTRY_MS);
	ret->service_ms = sqlite3_column_int64(q->stmt, AT_SERVICE_MS);
	ret->hub_ms = sqlite3_column_int64(q->stmt, AT_HUB_MS);
	ret->aside = sqlite3_column_int64(q->stmt, AT_ASIDE) != 0;
	ret->next_intent = sqlite3_column_int64(q->stmt, AT_NEXT_INTENT);
	bool fits = TAKE(AT_JOB, job) && read_kind(q, &ret->kind) && revocation_reason_name(ret->reason) && TAKE(AT_ORDER, order) &&
		    TAKE(AT_ID, registration_id) && query_take_blob(q, AT_SERIAL, ret->cert_serial, sizeof(ret->cert_serial)) &&
		    TAKE(AT_FIRST, first) && TAKE(AT_SECOND, second) && TAKE(AT_HUB, hub) && TAKE(AT_DEVICE, device_id) &&
		    TAKE(AT_ERROR, error) && TAKE(AT_WHAT, error_what) && TAKE(AT_NEXT_ORDER, next_order) &&
		    read_blob(q, AT_LEAF, LEAF_MAX, &ret->leaf, e) && read_blob(q, AT_ENTRY, ENTRY_MAX, &ret->entry, e);
	if (fits)
		return true;
	err_set(e, E_DB_CORRUPT, "revocation %lld is not in its form", (long long)ret->number);
	revocation_fini(ret);
	return false;
}

static bool find_one(struct query *q, struct revocation *ret, bool *ret_found, struct err *e)
{
	*ret_found = false;
	*ret = (struct revocation){0};
	bool row = false;
	if (!query_next(q, &row, e) || (row && !read_row(q, ret, e)))
		return false;
	*ret_found = row;
	return true;
}

bool revocations_of_job(struct ledger *l, const char *job, struct revocation *ret, bool *ret_found, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	if (!reading_open(l, &r, e) || !query_open(l, SELECT_ROW "WHERE job = ? ORDER BY number DESC LIMIT 1", &q, e))
		return false;
	query_text(&q, 1, job);
	return find_one(&q, ret, ret_found, e);
}

bool revocations_find(struct ledger *l, const uint8_t cert_serial[static CERT_SERIAL], struct revocation *ret, bool *ret_found,
		      struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	if (!reading_open(l, &r, e) || !query_open(l, SELECT_ROW "WHERE cert_serial = ?", &q, e))
		return false;
	query_blob(&q, 1, cert_serial, CERT_SERIAL);
	return find_one(&q, ret, ret_found, e);
}

#define PORTION "number > ? ORDER BY number LIMIT ?"
static const char *const selects[] = {
	[REVOCATIONS_ALL] = SELECT_ROW "WHERE " PORTION,
	[REVOCATIONS_TO_TELL] = SELECT_ROW "WHERE (service_ms = 0 OR hub_ms = 0) AND service_ms = 0 AND aside = 0 AND " PORTION,
	[REVOCATIONS_OPEN] = SELECT_ROW "WHERE (service_ms = 0 OR hub_ms = 0) AND " PORTION,
	[REVOCATIONS_FOLLOWED] = SELECT_ROW "WHERE next_intent >= 0 AND " PORTION,
};

bool revocations_scan(struct ledger *l, enum revocations_which which, int64_t *after, uint32_t most, revocations_each *each,
		      void *ctx,
		      struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	assert((size_t)which < COUNT_OF(selects));
	if (!reading_open(l, &r, e) || !query_open(l, selects[which], &q, e))
		return false;
	query_int(&q, 1, *after);
	query_int(&q, 2, most);
	for (bool more = true; more;) {
		AUTO(revocation) struct revocation row = {0};
		if (!query_next(&q, &more, e) || (more && !read_row(&q, &row, e)))
			return false;
		if (!more)
			break;
		*after = row.number;
		more = each(ctx, &row);
	}
	return true;
}

bool revocations_count(struct ledger *l, struct revocation_counts *ret, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	bool row = false;
	*ret = (struct revocation_counts){0};
	if (!reading_open(l, &r, e) ||
	    !query_open(l, "SELECT (SELECT ifnull(max(number), 0) FROM revoked), ifnull(sum(service_ms = 0 AND aside = 0), 0), "
			"ifnull(sum(aside), 0), ifnull(sum(service_ms <> 0 AND hub_ms = 0), 0) FROM revoked "
			"WHERE service_ms = 0 OR hub_ms = 0", &q, e) ||
	    !query_next(&q, &row, e))
		return false;
	ret->all = (uint64_t)sqlite3_column_int64(q.stmt, 0);
	ret->to_tell = (uint64_t)sqlite3_column_int64(q.stmt, 1);
	ret->aside = (uint64_t)sqlite3_column_int64(q.stmt, 2);
	ret->hub_left = (uint64_t)sqlite3_column_int64(q.stmt, 3);
	return true;
}

/* ---- writing ---- */

/* An empty blob is not NULL. */
static void put_blob(struct query *q, int at, const struct bytes *b)
{
	query_blob(q, at, b->len ? (const void *)b->data : "", b->len);
}

bool revocations_add(struct ledger *l, struct revocation *r, struct err *e)
{
	AUTO(query) struct query q = {0};
	AUTO(revocation) struct revocation old = {0};
	bool found = false;
	assert(store_in_transaction(l) && r->job[0] && revocation_reason_name(r->reason));
	if (!revocations_find(l, r->cert_serial, &old, &found, e))
		return false;
	if (found)
		return err_set(e, E_CONFLICT, "this identity was %s before", revocation_kind_name(old.kind));
	if (!query_open(l,
			"INSERT INTO revoked (job, kind, reason, \"order\", registration_id, cert_serial, leaf, entry, first, second, "
			"time_ms, hub, device_id, entry_ms, service_ms, hub_ms, aside, error, error_what, next_order, next_intent) "
			"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '', '', '', -1)", &q, e))
		return false;
	query_text(&q, 1, r->job);
	query_text(&q, 2, revocation_kind_name(r->kind));
	query_int(&q, 3, r->reason);
	query_text(&q, 4, r->order);
	query_text(&q, 5, r->registration_id);
	query_blob(&q, 6, r->cert_serial, CERT_SERIAL);
	put_blob(&q, 7, &r->leaf);
	put_blob(&q, 8, &r->entry);
	query_text(&q, 9, r->first);
	query_text(&q, 10, r->second);
	query_int(&q, 11, r->time_ms);
	query_text(&q, 12, r->hub);
	query_text(&q, 13, r->device_id);
	query_int(&q, 14, r->entry_ms);
	query_int(&q, 15, r->service_ms);
	query_int(&q, 16, r->hub_ms);
	if (!query_run(&q, e))
		return false;
	r->number = sqlite3_last_insert_rowid(l->db);
	r->next_intent = -1;
	return true;
}

bool revocations_settle(struct ledger *l, const struct revocation *r, struct err *e)
{
	AUTO(query) struct query q = {0};
	assert(store_in_transaction(l) && r->number > 0);
	if (!query_open(l,
			"UPDATE revoked SET hub = ?, device_id = ?, entry_ms = ?, service_ms = ?, hub_ms = ?, aside = ?, error = ?, error_what = ?, "
			"next_order = ?, next_intent = ? WHERE number = ?", &q, e))
		return false;
	query_text(&q, 1, r->hub);
	query_text(&q, 2, r->device_id);
	query_int(&q, 3, r->entry_ms);
	query_int(&q, 4, r->service_ms);
	query_int(&q, 5, r->hub_ms);
	query_int(&q, 6, r->aside);
	query_text(&q, 7, r->error);
	query_text(&q, 8, r->error_what);
	query_text(&q, 9, r->next_order);
	query_int(&q, 10, r->next_intent);
	query_int(&q, 11, r->number);
	return query_run(&q, e);
}
