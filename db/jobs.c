/* SPDX-License-Identifier: Apache-2.0 */
#include "db/jobs.h"
#include "db/store.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* The columns of a job in two lists, of which statements, parameters and reading are made: those with an index, and the others. */
#define KEY_COLUMNS(X, AND) \
	X(id, TEXT) AND X(serial, TEXT) AND X(ek_spki_sha256, BLOB) AND X(leaf_spki_sha256, BLOB) AND \
	X(registration_id, TEXT) AND X(cert_serial, BLOB) AND X(verdict, VERDICT)
#define PLAIN_COLUMNS(X, AND) \
	X(slot, TEXT) AND X(driver, TEXT) AND X(profile, TEXT) AND X(order, TEXT) AND X(model, TEXT) AND X(revision, TEXT) AND \
	X(stage, TEXT) AND X(error, TEXT) AND X(error_what, TEXT) AND X(ek_sha256, BLOB) AND \
	X(intent_index, INT) AND X(leaf, BYTES) AND X(bundle_sha256, BLOB) AND X(hub, TEXT) AND X(device_id, TEXT) AND \
	X(closed, INT) AND X(permitted, INT) AND X(started_ms, INT) AND X(updated_ms, INT) AND X(visits, INT)
/* In this order, which is that of the parameters of every statement. */
#define JOB_COLUMNS(X, AND) PLAIN_COLUMNS(X, AND) AND KEY_COLUMNS(X, AND)

enum kind { TEXT, VERDICT, BLOB, BYTES, INT };
struct column {
	const char *name;
	enum kind kind;
	size_t at, size;
};

#define COMMA ,
#define COLUMN(member, kind) {#member, kind, offsetof(struct job_row, member), sizeof(((struct job_row *)0)->member)}
static const struct column columns[] = {PLAIN_COLUMNS(COLUMN, COMMA), KEY_COLUMNS(COLUMN, COMMA)};

#define NAME(member, kind) "\"" #member "\""
#define MARK(member, kind) "?"
#define TAKE(member, kind) "\"" #member "\" = excluded.\"" #member "\""
#define SET(member, kind) "\"" #member "\" = ?"
#define SAME(member, kind) "\"" #member "\" IS ?"
#define JOB_NAMES JOB_COLUMNS(NAME, ", ")
#define SELECT_JOB "SELECT " JOB_NAMES " FROM job "

static const char *const verdicts[] = {"", "PASS", "BUILT", "HOLD", "FAIL"};

const char *verdict_name(enum job_verdict verdict)
{
	assert((size_t)verdict < COUNT_OF(verdicts));
	return verdicts[verdict];
}

void job_row_fini(struct job_row *row)
{
	if (!row)
		return;
	bytes_fini(&row->leaf);
	*row = (struct job_row){0};
}

void job_row_forget_identity(struct job_row *row, int64_t now_ms)
{
	row->stage[0] = row->order[0] = row->error[0] = row->error_what[0] = row->registration_id[0] = '\0';
	row->hub[0] = row->device_id[0] = '\0';
	row->verdict = VERDICT_NONE;
	memset(row->cert_serial, 0, sizeof(row->cert_serial));
	memset(row->bundle_sha256, 0, sizeof(row->bundle_sha256));
	bytes_fini(&row->leaf);
	row->intent_index = -1;
	row->permitted = row->closed = 0;
	row->updated_ms = now_ms;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	uint8_t any = 0;
	for (size_t i = 0; i < len; i++)
		any |= p[i];
	return !any;
}

static int64_t get_int(const void *member, size_t size)
{
	switch (size) {
	case sizeof(uint8_t):
		return *(const uint8_t *)member;
	case sizeof(uint32_t):
		return *(const uint32_t *)member;
	default:
		return *(const int64_t *)member;
	}
}

static bool set_int(void *member, size_t size, int64_t value)
{
	if (size == sizeof(int64_t))
		*(int64_t *)member = value;
	else if (size == sizeof(uint32_t) && value >= 0 && value <= UINT32_MAX)
		*(uint32_t *)member = (uint32_t)value;
	else if (size == sizeof(uint8_t) && value >= 0 && value <= UINT8_MAX)
		*(uint8_t *)member = (uint8_t)value;
	else
		return false;
	return true;
}

/* What is not known stays NULL. */
static void bind_column(struct query *q, int at, const struct column *c, const struct job_row *row)
{
	const uint8_t *member = (const uint8_t *)row + c->at;
	switch (c->kind) {
	case TEXT:
		if (*member)
			query_text(q, at, (const char *)member);
		break;
	case VERDICT:
		if (row->verdict != VERDICT_NONE)
			query_text(q, at, verdict_name(row->verdict));
		break;
	case BLOB:
		if (!is_zero(member, c->size))
			query_blob(q, at, member, c->size);
		break;
	case BYTES:
		if (row->leaf.len)
			query_blob(q, at, row->leaf.data, row->leaf.len);
		break;
	case INT:
		query_int(q, at, get_int(member, c->size));
		break;
	}
}

bool verdict_named(const char *name, enum job_verdict *ret)
{
	for (size_t i = 1; i < COUNT_OF(verdicts); i++) {
		if (strcmp(verdicts[i], name))
			continue;
		*ret = (enum job_verdict)i;
		return true;
	}
	return false;
}

static bool column_fits(sqlite3_stmt *stmt, int at, const struct column *c, struct job_row *row)
{
	uint8_t *member = (uint8_t *)row + c->at;
	const void *data = sqlite3_column_blob(stmt, at);
	size_t len = (size_t)sqlite3_column_bytes(stmt, at);
	switch (c->kind) {
	case TEXT:
		if (len < c->size)
			memcpy(member, data, len);
		return len < c->size;
	case VERDICT:
		return verdict_named((const char *)sqlite3_column_text(stmt, at), &row->verdict);
	case BLOB:
		if (len == c->size)
			memcpy(member, data, len);
		return len == c->size;
	default:
		return set_int(member, c->size, sqlite3_column_int64(stmt, at));
	}
}

/* Reads the row that the query stands on into a zeroed *ret. */
static bool read_row(struct query *q, struct job_row *ret, struct err *e)
{
	*ret = (struct job_row){0};
	for (size_t i = 0; i < COUNT_OF(columns); i++) {
		const struct column *c = &columns[i];
		int at = (int)i;
		if (sqlite3_column_type(q->stmt, at) == SQLITE_NULL)
			continue;
		if (c->kind == BYTES) {
			if (!bytes_set(&ret->leaf, sqlite3_column_blob(q->stmt, at), (size_t)sqlite3_column_bytes(q->stmt, at), e))
				return false;
		} else if (!column_fits(q->stmt, at, c, ret)) {
			job_row_fini(ret);
			return err_set(e, E_DB_CORRUPT, "a job's %s is not in its form", c->name);
		}
	}
	return true;
}

/* The four by which a unit is known, and how to find who has one already. */
static const struct identity {
	const char *column, *title, *find;
	enum job_key key;
} identities[] = {
	{"job.serial", "serial number", SELECT_JOB "WHERE serial = ?", JOB_BY_SERIAL},
	{"job.ek_spki_sha256", "endorsement key", SELECT_JOB "WHERE ek_spki_sha256 = ?", JOB_BY_EK},
	{"job.leaf_spki_sha256", "leaf key", SELECT_JOB "WHERE leaf_spki_sha256 = ?", JOB_BY_LEAF},
	{"job.registration_id", "registration id", SELECT_JOB "WHERE registration_id = ?", JOB_BY_REGISTRATION},
	{"job.id", "job id", SELECT_JOB "WHERE id = ?", JOB_BY_ID},
};

static const struct identity *identity_of(enum job_key key)
{
	for (size_t i = 0; i < COUNT_OF(identities); i++)
		if (identities[i].key == key)
			return &identities[i];
	assert(!"a key of enum job_key");
	return NULL;
}

bool jobs_find(struct ledger *l, enum job_key by, const void *value, struct job_row *ret, bool *ret_found, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	*ret_found = false;
	if (!reading_open(l, &r, e) || !query_open(l, identity_of(by)->find, &q, e))
		return false;
	if (by == JOB_BY_EK || by == JOB_BY_LEAF)
		query_blob(&q, 1, value, SHA256_SIZE);
	else
		query_text(&q, 1, value);
	bool row = false;
	if (!query_next(&q, &row, e))
		return false;
	if (row && !read_row(&q, ret, e))
		return false;
	*ret_found = row;
	return true;
}

static const void *identity_value(const struct job_row *row, enum job_key key)
{
	switch (key) {
	case JOB_BY_SERIAL:
		return row->serial;
	case JOB_BY_EK:
		return row->ek_spki_sha256;
	case JOB_BY_LEAF:
		return row->leaf_spki_sha256;
	case JOB_BY_REGISTRATION:
		return row->registration_id;
	default:
		return row->id;
	}
}

/* Which constraint a refused row broke. SQLite names it only in its text, "UNIQUE constraint failed: job.serial". */
static const struct identity *broken_identity(const char *text)
{
	const char *column = strrchr(text, ' ');
	for (size_t i = 0; column && i < COUNT_OF(identities); i++)
		if (identities[i].key != JOB_BY_ID && !strcmp(column + 1, identities[i].column))
			return &identities[i];
	return NULL;
}

/* A unit is set aside with this text in hand: it must lead to the other one. */
static bool say_clone(struct ledger *l, const struct job_row *row, const struct identity *broken, struct err *e)
{
	bool found = false;
	AUTO(job_row) struct job_row other = {0};
	if (!jobs_find(l, broken->key, identity_value(row, broken->key), &other, &found, e))
		return false;
	return err_set(e, E_CLONE, "this %s belongs to unit %s already (job %s)", broken->title,
		       other.serial[0] ? other.serial : "without serial number", other.id);
}

static void bind_row(struct query *q, const struct job_row *row)
{
	for (size_t i = 0; i < COUNT_OF(columns); i++)
		bind_column(q, (int)i + 1, &columns[i], row);
}

/* What most puts are: the job is there and nothing that has an index changes. Then its row is all that is written;
 * SQLite would rewrite the indexes too if their columns were named in SET, which makes a commit several pages longer. */
static bool update_plain(struct ledger *l, const struct job_row *row, bool *ret_done, struct err *e)
{
	AUTO(query) struct query q = {0};
	if (!query_open(l, "UPDATE job SET " PLAIN_COLUMNS(SET, ", ") " WHERE " KEY_COLUMNS(SAME, " AND "), &q, e))
		return false;
	bind_row(&q, row);
	if (!query_run(&q, e))
		return false;
	*ret_done = sqlite3_changes(l->db) > 0;
	return true;
}

bool jobs_put(struct ledger *l, const struct job_row *row, struct err *e)
{
	bool done = false;
	struct err refused = {0};
	AUTO(query) struct query q = {0};
	assert(store_in_transaction(l) && row->id[0]);
	if (!update_plain(l, row, &done, e))
		return err_in(e, "job %s", row->id);
	if (done)
		return true;
	if (!query_open(l, "INSERT INTO job (" JOB_NAMES ") VALUES (" JOB_COLUMNS(MARK, ", ") ") "
			"ON CONFLICT (id) DO UPDATE SET " JOB_COLUMNS(TAKE, ", "), &q, e))
		return false;
	bind_row(&q, row);
	if (query_run(&q, &refused))
		return true;
	const struct identity *broken = refused.native == SQLITE_CONSTRAINT_UNIQUE ? broken_identity(refused.what) : NULL;
	if (!broken)
		return err_native(e, refused.code, refused.native, "job %s: %s", row->id, refused.what);
	return say_clone(l, row, broken, e);
}

static bool walk(struct query *q, jobs_each *each, void *ctx, struct err *e)
{
	for (bool more = true; more;) {
		AUTO(job_row) struct job_row row = {0};
		if (!query_next(q, &more, e) || (more && !read_row(q, &row, e)))
			return false;
		more = more && each(ctx, &row);
	}
	return true;
}

bool jobs_scan(struct ledger *l, jobs_each *each, void *ctx, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	return reading_open(l, &r, e) && query_open(l, SELECT_JOB "ORDER BY number", &q, e) && walk(&q, each, ctx, e);
}

bool jobs_behind(struct ledger *l, const char *id, uint32_t most, jobs_each *each, void *ctx, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	if (!reading_open(l, &r, e) ||
	    !query_open(l, SELECT_JOB "WHERE number > ifnull((SELECT number FROM job WHERE id = ?), 0) ORDER BY number LIMIT ?", &q, e))
		return false;
	query_text(&q, 1, id);
	query_int(&q, 2, most);
	return walk(&q, each, ctx, e);
}

bool jobs_count(struct ledger *l, struct job_counts *ret, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	*ret = (struct job_counts){0};
	uint64_t *const places[] = {&ret->open, &ret->pass, &ret->built, &ret->hold, &ret->fail};
	if (!reading_open(l, &r, e) || !query_open(l, "SELECT verdict, count(*) FROM job GROUP BY verdict", &q, e))
		return false;
	for (;;) {
		bool row = false;
		enum job_verdict verdict = VERDICT_NONE;
		if (!query_next(&q, &row, e))
			return false;
		if (!row)
			return true;
		const char *name = (const char *)sqlite3_column_text(q.stmt, 0);
		if (name && *name && !verdict_named(name, &verdict))
			return err_set(e, E_DB_CORRUPT, "a job's verdict is not in its form");
		*places[verdict] = (uint64_t)sqlite3_column_int64(q.stmt, 1);
	}
}

bool jobs_keep_trace(struct ledger *l, const char *job, const char *what, const char *where, const char *name, int64_t time_ms,
		     struct err *e)
{
	AUTO(query) struct query q = {0};
	assert(store_in_transaction(l));
	/* A rehearsal that is done again leaves the same thing. */
	if (!query_open(l, "INSERT INTO trace (job, what, place, name, time_ms) VALUES (?, ?, ?, ?, ?) "
			"ON CONFLICT (job, what, place, name) DO NOTHING", &q, e))
		return false;
	query_text(&q, 1, job);
	query_text(&q, 2, what);
	query_text(&q, 3, where);
	query_text(&q, 4, name);
	query_int(&q, 5, time_ms);
	return query_run(&q, e);
}

bool jobs_drop_trace(struct ledger *l, const char *job, const char *what, const char *where, const char *name, struct err *e)
{
	AUTO(query) struct query q = {0};
	assert(store_in_transaction(l));
	if (!query_open(l, "DELETE FROM trace WHERE job = ? AND what = ? AND place = ? AND name = ?", &q, e))
		return false;
	query_text(&q, 1, job);
	query_text(&q, 2, what);
	query_text(&q, 3, where);
	query_text(&q, 4, name);
	return query_run(&q, e);
}

bool traces_scan(struct ledger *l, traces_each *each, void *ctx, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	if (!reading_open(l, &r, e) || !query_open(l, "SELECT job, what, place, name, time_ms FROM trace ORDER BY id", &q, e))
		return false;
	for (;;) {
		bool row = false;
		if (!query_next(&q, &row, e))
			return false;
		if (!row || !each(ctx, (const char *)sqlite3_column_text(q.stmt, 0), (const char *)sqlite3_column_text(q.stmt, 1),
				  (const char *)sqlite3_column_text(q.stmt, 2), (const char *)sqlite3_column_text(q.stmt, 3),
				  sqlite3_column_int64(q.stmt, 4)))
			return true;
	}
}
