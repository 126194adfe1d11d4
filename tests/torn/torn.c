/* SPDX-License-Identifier: Apache-2.0 */
/* The calls that a program makes, and what is kept of them. What a disk makes of it is in history.c.
 *
 * TORN_FAIL="call:name:number:error" in the environment lets a call fail from its nth time on, for files whose path ends in `name`:
 * call is write, sync, read or truncate; number counts from 1; error is a number of errno. A file named by TORN_ARMED must exist for
 * it to count, so that a test can let a program start first. TORN_FILE_SYSTEM=NUMBER is the type that every file system has. */
/* Both names of each call are defined here. */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE

#include "history.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct torn *recording;
static atomic_bool watching, quieted;

static struct {
	bool known;
	char call[16], name[64];
	unsigned long from;
	int number;
	const char *armed;
	unsigned long seen;
} fault;

static void know_fault(void)
{
	const char *text = getenv("TORN_FAIL");
	fault.known = true;
	if (text && sscanf(text, "%15[^:]:%63[^:]:%lu:%d", fault.call, fault.name, &fault.from, &fault.number) != 4)
		abort();
	fault.armed = getenv("TORN_ARMED");
}

static bool ends_in(const char *path, const char *name)
{
	size_t path_len = strlen(path), len = strlen(name);
	return path_len >= len && !strcmp(path + path_len - len, name);
}

static bool path_of(int fd, char path[PATH_MAX])
{
	char link[64];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, PATH_MAX - 1);
	path[n > 0 ? n : 0] = 0;
	return n > 0;
}

/* True if this call is to fail; errno says how. */
static bool fails(const char *call, int fd)
{
	char path[PATH_MAX];
	int before = errno;
	if (!fault.known)
		know_fault();
	if (!fault.number || strcmp(call, fault.call) != 0)
		return false;
	bool mine = path_of(fd, path) && ends_in(path, fault.name) && (!fault.armed || !syscall(SYS_access, fault.armed, F_OK));
	errno = before;
	if (!mine || ++fault.seen < fault.from)
		return false;
	errno = fault.number;
	return true;
}

/* The operation is recorded with its result: what failed did not happen. */
static struct torn *record_lock(void)
{
	if (!atomic_load(&watching))
		return NULL;
	pthread_mutex_lock(&mutex);
	if (recording)
		return recording;
	pthread_mutex_unlock(&mutex);
	return NULL;
}

static void record_unlock(void)
{
	pthread_mutex_unlock(&mutex);
}

void torn_begin(const char *dir)
{
	pthread_mutex_lock(&mutex);
	recording = history_new(dir);
	atomic_store(&watching, true);
	pthread_mutex_unlock(&mutex);
}

void torn_promise(uint64_t what)
{
	struct torn *t = record_lock();
	if (!t)
		return;
	history_promise(t, what);
	record_unlock();
}

struct torn *torn_end(void)
{
	pthread_mutex_lock(&mutex);
	struct torn *t = recording;
	recording = NULL;
	atomic_store(&watching, false);
	pthread_mutex_unlock(&mutex);
	return t;
}

void torn_quiet(bool quiet)
{
	atomic_store(&quieted, quiet);
}

/* ---- what programs call ---- */

static ssize_t note_write(int fd, const void *data, ssize_t n, off_t at)
{
	struct torn *t = n > 0 ? record_lock() : NULL;
	if (t) {
		history_write(t, fd, at, data, (size_t)n);
		record_unlock();
	}
	return n;
}

ssize_t pwrite64(int fd, const void *data, size_t len, off_t at)
{
	if (fails("write", fd))
		return -1;
	return note_write(fd, data, syscall(SYS_pwrite64, fd, data, len, at), at);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	return pwrite64(fd, data, len, at);
}

ssize_t write(int fd, const void *data, size_t len)
{
	if (fails("write", fd))
		return -1;
	off_t at = atomic_load(&watching) ? lseek(fd, 0, SEEK_CUR) : 0;
	return note_write(fd, data, syscall(SYS_write, fd, data, len), at);
}

ssize_t pread64(int fd, void *data, size_t len, off_t at)
{
	return fails("read", fd) ? -1 : syscall(SYS_pread64, fd, data, len, at);
}

ssize_t pread(int fd, void *data, size_t len, off_t at)
{
	return pread64(fd, data, len, at);
}

int ftruncate64(int fd, off_t size)
{
	if (fails("truncate", fd))
		return -1;
	int rc = (int)syscall(SYS_ftruncate, fd, size);
	struct torn *t = rc == 0 ? record_lock() : NULL;
	if (t) {
		history_resize(t, fd, size);
		record_unlock();
	}
	return rc;
}

int ftruncate(int fd, off_t size)
{
	return ftruncate64(fd, size);
}

static int sync_by(long call, int fd)
{
	struct torn *t = record_lock();
	if (fails("sync", fd)) {
		if (t)
			record_unlock();
		return -1;
	}
	if (t) {
		bool ours = history_sync(t, fd);
		record_unlock();
		if (ours)
			return 0;
	}
	return atomic_load(&quieted) ? 0 : (int)syscall(call, fd);
}

int fsync(int fd)
{
	return sync_by(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return sync_by(SYS_fdatasync, fd);
}

int fstatfs64(int fd, struct statfs64 *ret)
{
	const char *type = getenv("TORN_FILE_SYSTEM");
	int rc = (int)syscall(SYS_fstatfs, fd, ret);
	if (rc == 0 && type)
		ret->f_type = strtol(type, NULL, 0);
	return rc;
}

static int open_as(const char *path, int flags, mode_t mode)
{
	struct torn *t = flags & (O_CREAT | O_TRUNC) ? record_lock() : NULL;
	bool was = t && syscall(SYS_access, path, F_OK) == 0;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_LARGEFILE, mode);
	if (!t)
		return fd;
	if (fd >= 0 && !was && flags & O_CREAT)
		history_make(t, fd, path, mode);
	else if (fd >= 0 && flags & O_TRUNC)
		history_resize(t, fd, 0);
	record_unlock();
	return fd;
}

int open64(const char *path, int flags, ...)
{
	va_list ap;
	va_start(ap, flags);
	mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return open_as(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
	va_list ap;
	va_start(ap, flags);
	mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return open_as(path, flags, mode);
}

/* A change of names, done by `call` unless it failed. */
static int name_changed(int rc, void (*note)(struct torn *, const char *, const char *), const char *from, const char *to)
{
	int why = errno;
	struct torn *t = rc == 0 ? record_lock() : NULL;
	if (t) {
		note(t, from, to);
		record_unlock();
	}
	errno = why;
	return rc;
}

int rename(const char *from, const char *to)
{
	return name_changed((int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to), history_rename, from, to);
}

int link(const char *from, const char *to)
{
	return name_changed((int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0), history_link, from, to);
}

int unlink(const char *path)
{
	return name_changed((int)syscall(SYS_unlinkat, AT_FDCWD, path, 0), history_remove, path, NULL);
}

int mkdir(const char *path, mode_t mode)
{
	return name_changed((int)syscall(SYS_mkdirat, AT_FDCWD, path, mode), history_mkdir, path, NULL);
}
