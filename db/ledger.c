/* SPDX-License-Identifier: Apache-2.0 */
#include "db/ledger.h"
#include "db/schema.h"
#include "db/store.h"
#include "station/base/text.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define APPLICATION_ID 0x454e524c	/* "ENRL": what `file` sees in the header */
#define READER_PATIENCE_MS 5000
#define WAL_FRAMES 1200	/* a little more than the automatic checkpoint lets it become */

/* The file is the station's; a group may be given the right to read it. */
#define LEDGER_MODE 0640

static bool lock_file(int fd, const char *name, struct err *e)
{
	return flock(fd, LOCK_EX | LOCK_NB) == 0 || err_errno(e, errno == EWOULDBLOCK ? E_DB_LOCKED : E_DB, "locking %s", name);
}

/* A WAL is shared memory, and two machines do not share any; locks of most network file systems are a promise at best. */
static bool file_system_keeps_locks(int fd, const char *name, struct err *e)
{
	static const uint32_t remote[] = {0x6969 /* NFS */, 0x517b /* SMB */, 0xff534d42 /* CIFS */, 0xfe534d42 /* SMB 2 */,
					  0x5346414f /* AFS */, 0x00c36400 /* Ceph */, 0x0bd00bd0 /* Lustre */, 0x01161970 /* GFS 2 */,
					  0x7461636f /* OCFS 2 */};
	struct statfs fs;
	if (fstatfs(fd, &fs) < 0)
		return err_errno(e, E_DB, "%s", name);
	for (size_t i = 0; i < COUNT_OF(remote); i++)
		if ((uint32_t)fs.f_type == remote[i])
			return err_set(e, E_DB, "%s is on a network file system (%#x), where two stations could write one ledger", name, remote[i]);
	return true;
}

/* One writing process: a lock on a file beside the ledger, not SQLite's locking_mode=EXCLUSIVE, which would shut
 * readers out. The kernel drops it when the process ends, however it ends. The file itself stays: removing it would let
 * two writers lock two files. */
static bool lock_writer(struct ledger *l, const char *path, struct err *e)
{
	char name[PATH_MAX];
	if (snprintf(name, sizeof(name), "%s.lock", path) >= (int)sizeof(name))
		return err_set(e, E_DB, "path too long: %.64s…", path);
	l->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, LEDGER_MODE);
	if (l->lock_fd < 0)
		return err_errno(e, errno == ENOSPC ? E_DB_FULL : E_DB, "opening %s", name);
	return file_system_keeps_locks(l->lock_fd, name, e) && lock_file(l->lock_fd, name, e);
}

/* The lock beside the ledger is found by its directory; under another name of the same file, a hard link, there would be
 * another. So the file itself is locked too, by flock, which SQLite does not use. Its descriptor is closed after
 * SQLite's own: closing one drops the POSIX locks that this process has on the file. */
static bool lock_itself(struct ledger *l, const char *path, struct err *e)
{
	l->file_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (l->file_fd < 0)
		return err_errno(e, E_DB, "opening %s", path);
	return lock_file(l->file_fd, path, e);
}

/* SQLite would make the file for everybody's eyes; -wal and -shm take its mode. Only a new file is opened here: closing
 * a descriptor of an old one would drop the POSIX locks of another connection of this process. */
static bool make_file(const char *path, struct err *e)
{
	AUTO_FD int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, LEDGER_MODE);
	return fd >= 0 || errno == EEXIST || err_errno(e, errno == ENOSPC ? E_DB_FULL : E_DB, "making %s", path);
}

static bool connect(struct ledger *l, const char *path, int flags, struct err *e)
{
	/* No mutex inside SQLite: ours is held by whoever uses the connection. */
	int rc = sqlite3_open_v2(path, &l->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	if (rc != SQLITE_OK && !l->db)
		return err_set(e, E_NOMEM, "opening %s", path);
	if (rc != SQLITE_OK)
		return store_fail(l, rc, path, e);
	sqlite3_busy_timeout(l->db, READER_PATIENCE_MS);
	sqlite3_db_config(l->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	return store_exec(l, "PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON", e);
}

/* SQLite answers the mode that it is in, which need not be the one asked for. */
static bool set_wal(struct ledger *l, struct err *e)
{
	static const char sql[] = "PRAGMA journal_mode = WAL";
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(l->db, sql, -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	bool ok = rc == SQLITE_ROW || store_fail(l, rc, sql, e);
	if (ok && sqlite3_stricmp((const char *)sqlite3_column_text(stmt, 0), "wal"))
		ok = err_set(e, E_DB, "this file system cannot hold a WAL");
	sqlite3_finalize(stmt);
	return ok;
}

static bool pragma_int(struct ledger *l, const char *sql, int64_t *ret, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(l->db, sql, -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int64(stmt, 0);
	bool ok = rc == SQLITE_ROW || store_fail(l, rc, sql, e);
	sqlite3_finalize(stmt);
	return ok;
}

/* Whose file this is, and of which version: 0 for a new one. */
static bool read_version(struct ledger *l, int64_t *ret, struct err *e)
{
	int64_t application = 0;
	if (!pragma_int(l, "PRAGMA user_version", ret, e) || !pragma_int(l, "PRAGMA application_id", &application, e))
		return false;
	if (*ret != 0 && application != APPLICATION_ID)
		return err_set(e, E_DB_CORRUPT, "this is some other program's database");
	if (*ret > schema_version)
		return err_set(e, E_DB_NEWER, "schema %lld, this station knows up to %d", (long long)*ret, schema_version);
	return *ret >= 0 || err_set(e, E_DB_CORRUPT, "schema %lld", (long long)*ret);
}

static bool walk_one(struct ledger *l, const struct migration *m, struct err *e)
{
	char stamp[96];
	snprintf(stamp, sizeof(stamp), "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID, m->version);
	return ledger_begin(l, e) &&
	       ((store_exec(l, m->sql, e) && store_exec(l, stamp, e)) || (ledger_rollback(l), false)) && ledger_commit(l, e);
}

/* Each version in a transaction of its own, with its number. */
static bool walk_forward(struct ledger *l, struct err *e)
{
	int64_t version = 0;
	if (!read_version(l, &version, e))
		return false;
	for (; version < schema_version; version++)
		if (!walk_one(l, &schema[version], e))
			return err_in(e, "%s", schema[version].name);
	return true;
}

/* A commit costs half as much where the WAL's blocks are on disk already. So it is grown before the first unit comes:
 * more than fits into the cache is written in a transaction, which SQLite therefore spills into the WAL, and rolled
 * back. Only SQLite itself ever writes the file, by its own rules, so there is nothing to prove about a crash here:
 * frames without a commit count for nothing. */
static bool grow_wal(struct ledger *l, const char *path, struct err *e)
{
	char name[PATH_MAX], fill[192];
	struct stat st;
	int64_t page = 0;
	if (!pragma_int(l, "PRAGMA page_size", &page, e))
		return false;
	snprintf(name, sizeof(name), "%s-wal", path);
	if (stat(name, &st) == 0 && st.st_size >= WAL_FRAMES * page)
		return true;
	snprintf(fill, sizeof(fill), "CREATE TABLE spill (x); WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n "
		 "LIMIT %d) INSERT INTO spill SELECT zeroblob(%d) FROM n", WAL_FRAMES, (int)page - 100);
	if (!store_exec(l, "PRAGMA cache_size = 10", e) || !ledger_begin(l, e))
		return false;
	bool ok = store_exec(l, fill, e);
	ledger_rollback(l);
	return ok && store_exec(l, "PRAGMA cache_size = -4000", e);
}

static bool read_origin(struct ledger *l, struct err *e)
{
	bool row = false;
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	if (!reading_open(l, &r, e) || !query_open(l, "SELECT value FROM meta WHERE name = 'origin'", &q, e) ||
	    !query_next(&q, &row, e))
		return false;
	if (!row)
		return err_set(e, E_DB_CORRUPT, "the ledger has no name");
	const char *origin = (const char *)sqlite3_column_text(q.stmt, 0);
	return TEXT_COPY(l->origin, origin ? origin : "", e) || err_in(e, "the ledger's name");
}

/* Gives the name at birth and counts the openings: a first durable commit, so that a disk that takes none is known
 * before a unit comes. */
static bool write_meta(struct ledger *l, const char *origin, struct err *e)
{
	AUTO(query) struct query name = {0}, count = {0};
	if (!query_open(l, "INSERT INTO meta VALUES ('origin', ?) ON CONFLICT DO NOTHING", &name, e))
		return false;
	query_text(&name, 1, origin);
	return query_run(&name, e) &&
	       query_open(l, "INSERT INTO meta VALUES ('openings', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1",
			  &count, e) && query_run(&count, e);
}

static bool settle(struct ledger *l, const char *origin, struct err *e)
{
	if (!ledger_begin(l, e))
		return false;
	if (!write_meta(l, origin, e)) {
		ledger_rollback(l);
		return false;
	}
	if (!ledger_commit(l, e) || !read_origin(l, e))
		return false;
	if (strcmp(l->origin, origin))
		return err_set(e, E_DB_CORRUPT, "this is the ledger of \"%.80s\", not of \"%.80s\"", l->origin, origin);
	AUTO(reading) struct reading r = {0};
	uint64_t size = 0;
	return reading_open(l, &r, e) && audit_stored_size(l, &size, e) && audit_load_edge(l, size, &l->edge, e);
}

static struct ledger *ledger_new(bool writer)
{
	struct ledger *l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->lock_fd = l->file_fd = -1;
	l->writer = writer;
	pthread_mutex_init(&l->mutex, NULL);
	return l;
}

static bool open_writer(struct ledger *l, const char *path, const char *origin, struct err *e)
{
	/* Pages of 2 KiB: half of what a commit has to write and sum up with SQLite's usual 4 KiB. Fixed at birth. */
	return lock_writer(l, path, e) && make_file(path, e) && lock_itself(l, path, e) && connect(l, path, SQLITE_OPEN_READWRITE, e) &&
	       store_exec(l, "PRAGMA page_size = 2048", e) && set_wal(l, e) &&
	       store_exec(l, "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 1000", e) && walk_forward(l, e) &&
	       grow_wal(l, path, e) && settle(l, origin, e);
}

bool ledger_open(const char *path, const char *origin, struct ledger **ret, struct err *e)
{
	if (!*origin || strlen(origin) >= ORIGIN_MAX || !text_is_printable(origin, strlen(origin)))
		return err_set(e, E_TEXT, "the log's name is 1 to %d printable characters", ORIGIN_MAX - 1);
	struct ledger *l = ledger_new(true);
	if (!l)
		return err_set(e, E_NOMEM, "%s", path);
	if (!open_writer(l, path, origin, e)) {
		ledger_close(l);
		return err_in(e, "ledger %s", path);
	}
	*ret = l;
	return true;
}

static bool open_reader(struct ledger *l, const char *path, struct err *e)
{
	int64_t version = 0;
	if (!connect(l, path, SQLITE_OPEN_READONLY, e) || !read_version(l, &version, e))
		return false;
	if (version < schema_version)
		return err_set(e, E_DB, "schema %lld; the line must open it first", (long long)version);
	return read_origin(l, e);
}

bool ledger_open_reader(const char *path, struct ledger **ret, struct err *e)
{
	struct ledger *l = ledger_new(false);
	if (!l)
		return err_set(e, E_NOMEM, "%s", path);
	if (!open_reader(l, path, e)) {
		ledger_close(l);
		return err_in(e, "ledger %s", path);
	}
	*ret = l;
	return true;
}

bool ledger_check(struct ledger *l, struct err *e)
{
	bool row = false;
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	if (!reading_open(l, &r, e) || !query_open(l, "PRAGMA integrity_check(1)", &q, e) || !query_next(&q, &row, e))
		return false;
	const char *found = row ? (const char *)sqlite3_column_text(q.stmt, 0) : NULL;
	return (found && !strcmp(found, "ok")) || err_set(e, E_DB_CORRUPT, "%s", found ? found : "no answer");
}

void ledger_close(struct ledger *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < STORE_STATEMENTS; i++)
		sqlite3_finalize(l->statement[i].stmt);
	/* The last one to close writes the WAL back; a failure leaves it for the next opening. */
	sqlite3_close_v2(l->db);
	pthread_mutex_destroy(&l->mutex);
	if (l->file_fd >= 0)
		close(l->file_fd);
	if (l->lock_fd >= 0)
		close(l->lock_fd);
	free(l);
}

bool ledger_remember(struct ledger *l, const char *name, const char *value, struct err *e)
{
	AUTO(query) struct query q = {0};
	assert(store_in_transaction(l));
	if (!query_open(l, "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", &q, e))
		return false;
	query_text(&q, 1, name);
	query_text(&q, 2, value);
	return query_run(&q, e);
}

bool ledger_recall(struct ledger *l, const char *name, struct bytes *ret, struct err *e)
{
	bool row = false;
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	bytes_clear(ret);
	if (!reading_open(l, &r, e) || !query_open(l, "SELECT value FROM meta WHERE name = ?", &q, e))
		return false;
	query_text(&q, 1, name);
	if (!query_next(&q, &row, e))
		return false;
	return !row || bytes_set(ret, sqlite3_column_blob(q.stmt, 0), (size_t)sqlite3_column_bytes(q.stmt, 0), e);
}

const char *ledger_origin(const struct ledger *l)
{
	return l->origin;
}
