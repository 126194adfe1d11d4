/* SPDX-License-Identifier: Apache-2.0 */
/* What a ledger's file guards by its form: unique columns, and triggers that let nothing be changed. A file from elsewhere may have
 * lost them, and still hold a log that verifies. */
#include "db/ledger.h"
#include "db/schema.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>

static const char all[] = "SELECT type || ' ' || name, ifnull(sql, '') FROM sqlite_master ORDER BY type, name";

/* A ledger of this version as it is when it is made. */
static bool make_model(int64_t version, sqlite3 **ret, struct err *e)
{
	bool ok = sqlite3_open_v2(":memory:", ret, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK;
	for (int64_t i = 0; ok && i < version; i++)
		ok = sqlite3_exec(*ret, schema[i].sql, NULL, NULL, NULL) == SQLITE_OK;
	return ok || err_set(e, E_DB, "a ledger in memory: %s", sqlite3_errmsg(*ret));
}

static bool version_of(sqlite3 *db, int64_t *ret, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	bool ok = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW;
	*ret = ok ? sqlite3_column_int64(stmt, 0) : 0;
	sqlite3_finalize(stmt);
	if (!ok)
		return err_set(e, E_DB_CORRUPT, "%s", sqlite3_errmsg(db));
	if (*ret > schema_version)
		return err_set(e, E_DB_NEWER, "schema %" PRId64 ", this station knows up to %d", *ret, schema_version);
	return *ret > 0 || err_set(e, E_DB_CORRUPT, "schema %" PRId64, *ret);
}

static const char *text_of(sqlite3_stmt *stmt, bool row, int column)
{
	const char *text = row ? (const char *)sqlite3_column_text(stmt, column) : NULL;
	return text ? text : "";
}

/* Both in the order of their names: the first that the other has not, or has otherwise. */
static bool compare(sqlite3_stmt *mine, sqlite3_stmt *model, struct err *e)
{
	for (;;) {
		int have = sqlite3_step(mine), want = sqlite3_step(model);
		if (have == SQLITE_DONE && want == SQLITE_DONE)
			return true;
		const char *name = text_of(mine, have == SQLITE_ROW, 0), *wanted = text_of(model, want == SQLITE_ROW, 0);
		if (have != want || strcmp(name, wanted) != 0)
			return err_set(e, E_DB_CORRUPT, "it has \"%.60s\" where a ledger has \"%.60s\"", name, wanted);
		if (strcmp(text_of(mine, true, 1), text_of(model, true, 1)) != 0)
			return err_set(e, E_DB_CORRUPT, "its %.60s is not a ledger's", name);
	}
}

static bool compare_all(sqlite3 *db, sqlite3 *model, struct err *e)
{
	sqlite3_stmt *mine = NULL, *wanted = NULL;
	bool ok = (sqlite3_prepare_v2(db, all, -1, &mine, NULL) == SQLITE_OK &&
		   sqlite3_prepare_v2(model, all, -1, &wanted, NULL) == SQLITE_OK) ||
		  err_set(e, E_DB_CORRUPT, "%s", sqlite3_errmsg(db));
	ok = ok && compare(mine, wanted, e);
	sqlite3_finalize(mine);
	sqlite3_finalize(wanted);
	return ok;
}

bool ledger_has_its_form(const char *path, struct err *e)
{
	sqlite3 *db = NULL, *model = NULL;
	int64_t version = 0;
	bool ok = (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK ||
		   err_set(e, E_DB, "opening it: %s", sqlite3_errmsg(db))) &&
		  version_of(db, &version, e) && make_model(version, &model, e) && compare_all(db, model, e);
	sqlite3_close_v2(model);
	sqlite3_close_v2(db);
	return ok || err_in(e, "%s", path);
}
