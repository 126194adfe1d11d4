/* SPDX-License-Identifier: Apache-2.0 */
#include "db/ledger.h"
#include "station/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_MODE 0640
#define COPY_PATIENCE_MS 1000	/* nobody holds a ledger against readers for longer than it takes to open or close it */

/* Nothing stays of an earlier copy: a WAL of another file would be taken for this one's. */
static bool forget(const char *path, struct err *e)
{
	static const char *const ends[] = {"", "-wal", "-shm"};
	char name[PATH_MAX];
	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		if (snprintf(name, sizeof(name), "%s%s", path, ends[i]) >= (int)sizeof(name))
			return err_set(e, E_FILE, "path too long: %.64s…", path);
		if (unlink(name) < 0 && errno != ENOENT)
			return err_errno(e, E_FILE, "removing %s", name);
	}
	return true;
}

static enum err_code meaning(int code)
{
	switch (code & 0xff) {
	case SQLITE_FULL:
		return E_DB_FULL;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return E_DB_CORRUPT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return E_DB_LOCKED;
	default:
		return E_DB;
	}
}

static bool failed(sqlite3 *db, const char *path, struct err *e)
{
	int code = sqlite3_extended_errcode(db);
	return err_native(e, meaning(code), code, "copying %s: %s", path, sqlite3_errmsg(db));
}

/* A copy that is one file, to be carried away: without a WAL. */
static bool settle_file(sqlite3 *db, const char *path, struct err *e)
{
	return sqlite3_exec(db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) == SQLITE_OK || failed(db, path, e);
}

/* The lock of its writer, for as long as the copy takes: a line that runs is not copied. */
static bool lock_writer(const char *path, int *ret, struct err *e)
{
	char name[PATH_MAX];
	if (snprintf(name, sizeof(name), "%s.lock", path) >= (int)sizeof(name))
		return err_set(e, E_FILE, "path too long: %.64s…", path);
	*ret = open(name, O_RDONLY | O_CLOEXEC);
	if (*ret < 0)
		return errno == ENOENT || err_errno(e, E_FILE, "opening %s", name);
	return flock(*ret, LOCK_EX | LOCK_NB) == 0 || err_errno(e, errno == EWOULDBLOCK ? E_DB_LOCKED : E_DB, "locking %s", name);
}

static bool copy_pages(sqlite3 *from, sqlite3 *to, const char *path, struct err *e)
{
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
	if (!backup)
		return failed(to, path, e);
	sqlite3_busy_timeout(from, COPY_PATIENCE_MS);
	/* The end says nothing of a step that was only kept waiting: all is copied, or nothing is. */
	int code = sqlite3_backup_step(backup, -1), end = sqlite3_backup_finish(backup);
	if (code == SQLITE_DONE)
		code = end;
	return code == SQLITE_OK || err_native(e, meaning(code), code, "copying %s: %s", path, sqlite3_errstr(code));
}

/* As one file, or as a ledger that is written on. */
static bool copy(const char *from, const char *to, bool one_file, struct err *e)
{
	sqlite3 *source = NULL, *target = NULL;
	AUTO_FD int made = open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, COPY_MODE);
	if (made < 0)
		return err_errno(e, E_FILE, "making %s", to);
	bool ok = (sqlite3_open_v2(from, &source, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK || failed(source, from, e)) &&
		  (sqlite3_open_v2(to, &target, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK || failed(target, to, e)) &&
		  copy_pages(source, target, from, e) && (!one_file || settle_file(target, to, e));
	sqlite3_close_v2(target);
	sqlite3_close_v2(source);
	return ok && (fsync(made) == 0 || err_errno(e, E_FILE, "syncing %s", to));
}

bool ledger_copy(const char *from, const char *to, struct err *e)
{
	AUTO_FD int lock = -1;
	if (!forget(to, e))
		return false;
	if (access(from, F_OK) < 0)
		return errno == ENOENT || err_errno(e, E_FILE, "looking for %s", from);
	return lock_writer(from, &lock, e) && copy(from, to, false, e);
}

bool ledger_backup(const char *from, const char *to, struct err *e)
{
	char part[PATH_MAX];
	if (snprintf(part, sizeof(part), "%s.part", to) >= (int)sizeof(part))
		return err_set(e, E_FILE, "path too long: %.64s…", to);
	if (access(to, F_OK) == 0)
		return err_set(e, E_FILE, "%s is there already", to);
	if (!forget(part, e) || !copy(from, part, true, e))
		return false;
	/* Only a whole copy ever has the name. */
	if (rename(part, to) < 0)
		return err_errno(e, E_FILE, "naming %s", to);
	return forget(part, e) && file_sync_directory_of(to, e);
}

/* ---- in the ledger's place ---- */

bool ledger_hold(const char *path, struct ledger_hold *ret, struct err *e)
{
	char name[PATH_MAX];
	*ret = (struct ledger_hold){-1, -1};
	if (snprintf(name, sizeof(name), "%s.lock", path) >= (int)sizeof(name))
		return err_set(e, E_FILE, "path too long: %.64s…", path);
	ret->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, COPY_MODE);
	ret->file_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (ret->lock_fd < 0 || (ret->file_fd < 0 && errno != ENOENT))
		return err_errno(e, E_FILE, "opening %s", path);
	if (flock(ret->lock_fd, LOCK_EX | LOCK_NB) == 0 && (ret->file_fd < 0 || flock(ret->file_fd, LOCK_EX | LOCK_NB) == 0))
		return true;
	return err_errno(e, errno == EWOULDBLOCK ? E_DB_LOCKED : E_DB, "locking %s", path);
}

void ledger_hold_fini(struct ledger_hold *hold)
{
	if (!hold)
		return;
	if (hold->file_fd >= 0)
		close(hold->file_fd);
	if (hold->lock_fd >= 0)
		close(hold->lock_fd);
	*hold = (struct ledger_hold){-1, -1};
}

/* The file under another name too; what is not there need not be kept. */
static bool keep_aside(const char *path, const char *end, const char *aside, struct err *e)
{
	char from[PATH_MAX], to[PATH_MAX];
	if (snprintf(from, sizeof(from), "%s%s", path, end) >= (int)sizeof(from) ||
	    snprintf(to, sizeof(to), "%s/ledger.db%s", aside, end) >= (int)sizeof(to))
		return err_set(e, E_FILE, "path too long: %.64s…", path);
	return link(from, to) == 0 || errno == ENOENT || err_errno(e, E_FILE, "keeping %s as %s", from, to);
}

static bool drop(const char *path, const char *end, struct err *e)
{
	char name[PATH_MAX];
	if (snprintf(name, sizeof(name), "%s%s", path, end) >= (int)sizeof(name))
		return err_set(e, E_FILE, "path too long: %.64s…", path);
	return unlink(name) == 0 || errno == ENOENT || err_errno(e, E_FILE, "removing %s", name);
}

/* The old WAL goes before the new file comes: another file's WAL would be taken for its own. */
bool ledger_put_in_place(const char *prepared, const char *path, const char *aside, struct err *e)
{
	char inside[PATH_MAX];
	if (snprintf(inside, sizeof(inside), "%s/ledger.db", aside) >= (int)sizeof(inside))
		return err_set(e, E_FILE, "path too long: %.64s…", aside);
	if (!file_make_directory(aside, 0750, e) || !keep_aside(path, "", aside, e) || !keep_aside(path, "-wal", aside, e) ||
	    !file_sync_directory_of(inside, e) || !drop(path, "-wal", e) || !drop(path, "-shm", e) || !file_sync_directory_of(path, e))
		return false;
	return (rename(prepared, path) == 0 || err_errno(e, E_FILE, "naming %s", path)) && drop(prepared, ".lock", e) &&
	       file_sync_directory_of(path, e);
}
