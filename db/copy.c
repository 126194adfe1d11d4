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

static bool failed(sqlite3 *db, const char *path, struct err *e)
{
	int code = sqlite3_errcode(db) & 0xff;
	return err_native(e, code == SQLITE_FULL ? E_DB_FULL : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? E_DB_CORRUPT : E_DB,
			  sqlite3_extended_errcode(db), "copying %s: %s", path, sqlite3_errmsg(db));
}

static bool copy_pages(sqlite3 *from, sqlite3 *to, const char *path, struct err *e)
{
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
	if (!backup)
		return failed(to, path, e);
	(void)sqlite3_backup_step(backup, -1);
	return sqlite3_backup_finish(backup) == SQLITE_OK || failed(to, path, e);
}

static bool copy(const char *from, const char *to, struct err *e)
{
	sqlite3 *source = NULL, *target = NULL;
	AUTO_FD int made = open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, COPY_MODE);
	if (made < 0)
		return err_errno(e, E_FILE, "making %s", to);
	bool ok = (sqlite3_open_v2(from, &source, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK || failed(source, from, e)) &&
		  (sqlite3_open_v2(to, &target, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK || failed(target, to, e)) &&
		  copy_pages(source, target, from, e);
	sqlite3_close_v2(target);
	sqlite3_close_v2(source);
	return ok;
}

bool ledger_copy(const char *from, const char *to, struct err *e)
{
	AUTO_FD int lock = -1;
	if (!forget(to, e))
		return false;
	if (access(from, F_OK) < 0)
		return errno == ENOENT || err_errno(e, E_FILE, "looking for %s", from);
	return lock_writer(from, &lock, e) && copy(from, to, e);
}
