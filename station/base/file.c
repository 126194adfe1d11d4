/* SPDX-License-Identifier: Apache-2.0 */
#include "station/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool read_all(int fd, const char *path, struct bytes *ret, struct err *e)
{
	uint8_t part[4096];
	for (;;) {
		ssize_t n = read(fd, part, sizeof(part));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, E_FILE, "reading %s", path);
		if (n == 0)
			return true;
		bool ok = bytes_add(ret, part, (size_t)n, e);
		if (ret->secret)
			wipe(part, sizeof(part));
		if (!ok)
			return err_in(e, "%s", path);
	}
}

bool file_read(const char *path, struct bytes *ret, struct err *e)
{
	/* O_NONBLOCK: a fifo must not make the station wait for someone to write into it. */
	AUTO_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	if (fd < 0)
		return err_errno(e, E_FILE, "opening %s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, E_FILE, "%s is not a regular file", path);
	return read_all(fd, path, ret, e);
}

bool file_sync_directory_of(const char *path, struct err *e)
{
	char copy[PATH_MAX];
	snprintf(copy, sizeof(copy), "%s", path);
	AUTO_FD int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return err_errno(e, E_FILE, "syncing the directory of %s", path);
	return true;
}

static bool write_all(int fd, const uint8_t *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

bool file_write_atomic(const char *path, const void *data, size_t len, mode_t mode, struct err *e)
{
	char tmp[PATH_MAX];
	if (snprintf(tmp, sizeof(tmp), "%s.%d.tmp", path, (int)getpid()) >= (int)sizeof(tmp))
		return err_set(e, E_FILE, "path too long: %.64s…", path);
	AUTO_FD int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd < 0)
		return err_errno(e, E_FILE, "creating %s", tmp);
	if (!write_all(fd, data, len) || fsync(fd) < 0 || rename(tmp, path) < 0) {
		err_errno(e, E_FILE, "writing %s", path);
		unlink(tmp);
		return false;
	}
	return file_sync_directory_of(path, e);
}

bool file_make_directory(const char *path, mode_t mode, struct err *e)
{
	if (mkdir(path, mode) == 0)
		return file_sync_directory_of(path, e);
	return errno == EEXIST || err_errno(e, E_FILE, "making %s", path);
}

bool secret_is_reference(const char *text)
{
	return (!strncmp(text, "file:", 5) && text[5]) ||
	       (!strncmp(text, "credential:", 11) && text[11] && !strchr(text + 11, '/'));
}

static bool secret_path(const char *reference, char *path, size_t room, struct err *e)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	if (!secret_is_reference(reference))
		return err_set(e, E_SECRET, "a secret is given as file:PATH or credential:NAME");
	bool named = !strncmp(reference, "credential:", 11);
	if (named && !dir)
		return err_set(e, E_SECRET, "%s: $CREDENTIALS_DIRECTORY is not set", reference);
	int n = named ? snprintf(path, room, "%s/%s", dir, reference + 11) : snprintf(path, room, "%s", reference + 5);
	return n < (int)room || err_set(e, E_SECRET, "path too long");
}

bool secret_read(const char *reference, struct bytes *ret, struct err *e)
{
	char path[PATH_MAX];
	struct stat st;
	if (!secret_path(reference, path, sizeof(path), e))
		return false;
	AUTO_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, E_SECRET, "%s", path);
	if (!S_ISREG(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0))
		return err_set(e, E_SECRET, "%s is not a regular file of this user", path);
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return err_set(e, E_SECRET, "%s is readable by others (mode %04o, must be 0600)", path, st.st_mode & 07777u);
	struct err cause = {0};
	ret->secret = true;
	if (!read_all(fd, path, ret, &cause))
		return err_native(e, E_SECRET, cause.native, "%s", cause.what);
	if (ret->len && ret->data[ret->len - 1] == '\n')
		ret->data[--ret->len] = 0;
	return ret->len > 0 || err_set(e, E_SECRET, "%s is empty", path);
}
