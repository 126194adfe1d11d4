/* SPDX-License-Identifier: Apache-2.0 */
#include "db/store.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static bool is_no_room(int number)
{
	return number == ENOSPC || number == EDQUOT || number == EFBIG;
}

static enum err_code code_of(struct ledger *l, int rc)
{
	switch (rc & 0xff) {
	case SQLITE_FULL:
		return E_DB_FULL;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		/* Only ENOSPC in the middle of a write is SQLITE_FULL; a quota, a limit, or a -shm that cannot grow is an I/O error. */
		return is_no_room(sqlite3_system_errno(l->db)) ? E_DB_FULL : E_DB;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return E_DB_LOCKED;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return E_DB_CORRUPT;
	case SQLITE_NOMEM:
		return E_NOMEM;
	default:
		return E_DB;
	}
}

bool store_fail(struct ledger *l, int rc, const char *doing, struct err *e)
{
	err_native(e, code_of(l, rc), sqlite3_extended_errcode(l->db), "%s: %s", doing, sqlite3_errmsg(l->db));
	if (l->in_transaction && sqlite3_get_autocommit(l->db))
		l->group.undone_by = *e;
	return false;
}

bool store_exec(struct ledger *l, const char *sql, struct err *e)
{
	int rc = sqlite3_exec(l->db, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK || store_fail(l, rc, sql, e);
}

bool store_is_owner(struct ledger *l)
{
	return atomic_load(&l->owner) == (uintptr_t)pthread_self();
}

bool store_in_transaction(struct ledger *l)
{
	return store_is_owner(l) && l->in_transaction;
}

void store_take(struct ledger *l)
{
	pthread_mutex_lock(&l->mutex);
	atomic_store(&l->owner, (uintptr_t)pthread_self());
}

void store_give(struct ledger *l)
{
	atomic_store(&l->owner, 0);
	pthread_mutex_unlock(&l->mutex);
}

static struct statement *statement_slot(struct ledger *l, const char *sql)
{
	for (size_t i = 0; i < STORE_STATEMENTS; i++)
		if (!l->statement[i].sql || l->statement[i].sql == sql)
			return &l->statement[i];
	return NULL;
}

/* Takes from the cache what may be of any kind. */
static bool take_statement(struct ledger *l, const char *sql, struct query *q, struct err *e)
{
	struct statement *s = statement_slot(l, sql);
	assert(store_is_owner(l) && s);
	if (!s->sql) {
		int rc = sqlite3_prepare_v3(l->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->stmt, NULL);
		if (rc != SQLITE_OK)
			return store_fail(l, rc, sql, e);
		s->sql = sql;
	}
	assert(!sqlite3_stmt_busy(s->stmt));
	q->l = l;
	q->stmt = s->stmt;
	return true;
}

bool store_run(struct ledger *l, const char *sql, struct err *e)
{
	AUTO(query) struct query q = {0};
	return take_statement(l, sql, &q, e) && query_run(&q, e);
}

bool reading_open(struct ledger *l, struct reading *r, struct err *e)
{
	if (store_is_owner(l))
		return true;
	store_take(l);
	transaction_settle(l);
	if (!store_run(l, "BEGIN", e)) {
		store_give(l);
		return false;
	}
	r->l = l;
	return true;
}

void reading_fini(struct reading *r)
{
	if (!r->l)
		return;
	/* An error may have ended the transaction already. */
	if (!sqlite3_get_autocommit(r->l->db))
		sqlite3_exec(r->l->db, "ROLLBACK", NULL, NULL, NULL);
	store_give(r->l);
	r->l = NULL;
}

bool query_open(struct ledger *l, const char *sql, struct query *q, struct err *e)
{
	if (!take_statement(l, sql, q, e))
		return false;
	if (sqlite3_stmt_readonly(q->stmt))
		return true;
	assert(l->in_transaction);
	/* Without this, what follows an error that undid the transaction would be committed alone. */
	return transaction_is_open(l, e);
}

void query_fini(struct query *q)
{
	if (!q->stmt)
		return;
	sqlite3_reset(q->stmt);
	sqlite3_clear_bindings(q->stmt);
	*q = (struct query){0};
}

/* Lent values are not copied, so that binding them cannot fail but for a wrong number. */
static void bound(int rc)
{
	assert(rc == SQLITE_OK);
	(void)rc;
}

void query_int(struct query *q, int at, int64_t value)
{
	bound(sqlite3_bind_int64(q->stmt, at, value));
}

void query_text(struct query *q, int at, const char *value)
{
	bound(sqlite3_bind_text(q->stmt, at, value, -1, SQLITE_STATIC));
}

void query_blob(struct query *q, int at, const void *value, size_t len)
{
	bound(sqlite3_bind_blob64(q->stmt, at, len ? value : "", len, SQLITE_STATIC));
}

bool query_take_text(struct query *q, int at, char *out, size_t room)
{
	size_t len = (size_t)sqlite3_column_bytes(q->stmt, at);
	const char *text = (const char *)sqlite3_column_text(q->stmt, at);
	if (!text || len >= room)
		return false;
	memcpy(out, text, len + 1);
	return true;
}

bool query_take_blob(struct query *q, int at, void *out, size_t size)
{
	const void *data = sqlite3_column_blob(q->stmt, at);
	if (!data || (size_t)sqlite3_column_bytes(q->stmt, at) != size)
		return false;
	memcpy(out, data, size);
	return true;
}

bool query_next(struct query *q, bool *ret_row, struct err *e)
{
	int rc = sqlite3_step(q->stmt);
	*ret_row = rc == SQLITE_ROW;
	return rc == SQLITE_ROW || rc == SQLITE_DONE || store_fail(q->l, rc, "the ledger", e);
}

bool query_run(struct query *q, struct err *e)
{
	bool row;
	return query_next(q, &row, e);
}
