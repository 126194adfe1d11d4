/* SPDX-License-Identifier: Apache-2.0 */
#include "file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool path_of(char path[PATH_MAX], const char *dir, const char *name, const char *suffix, struct why *w)
{
	int n = snprintf(path, PATH_MAX, "%s/%s%s", dir, name, suffix);
	if (n < 0 || n >= PATH_MAX)
		return why_set(w, "path too long: %s/%s", dir, name);
	return true;
}

static bool read_exactly(int fd, uint8_t *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = read(fd, data + at, len - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

bool file_read(const char *dir, const char *name, size_t max, uint8_t **ret_data, size_t *ret_len,
	struct why *w)
{
	char path[PATH_MAX];
	*ret_data = NULL;
	*ret_len = 0;
	if (!path_of(path, dir, name, "", w))
		return false;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? true : why_set(w, "%s: %s", path, strerror(errno));

	struct stat st;
	uint8_t *data = NULL;
	bool ok = fstat(fd, &st) == 0 && st.st_size >= 0 && (size_t)st.st_size <= max;
	if (ok)
		data = malloc((size_t)st.st_size + 1);
	ok = ok && data && read_exactly(fd, data, (size_t)st.st_size);
	close(fd);
	if (!ok) {
		free(data);
		return why_set(w, "%s: can't be read whole (at most %zu bytes)", path, max);
	}
	data[st.st_size] = 0;
	*ret_data = data;
	*ret_len = (size_t)st.st_size;
	return true;
}

static bool write_exactly(int fd, const uint8_t *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = write(fd, data + at, len - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

bool file_stage(const char *dir, const char *name, const void *data, size_t len, struct why *w)
{
	char path[PATH_MAX];
	if (!path_of(path, dir, name, ".tmp", w))
		return false;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return why_set(w, "%s: %s", path, strerror(errno));
	bool ok = write_exactly(fd, data, len) && fsync(fd) == 0;
	ok = close(fd) == 0 && ok;
	return ok ? true : why_set(w, "%s: can't be written", path);
}

bool file_swap(const char *dir, const char *name, struct why *w)
{
	char from[PATH_MAX], to[PATH_MAX];
	if (!path_of(from, dir, name, ".tmp", w) || !path_of(to, dir, name, "", w))
		return false;
	if (rename(from, to) != 0)
		return why_set(w, "%s: %s", to, strerror(errno));
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return why_set(w, "%s: %s", dir, strerror(errno));
	bool ok = fsync(fd) == 0;
	close(fd);
	return ok ? true : why_set(w, "%s: fsync failed", dir);
}

bool file_replace(const char *dir, const char *name, const void *data, size_t len, struct why *w)
{
	return file_stage(dir, name, data, len, w) && file_swap(dir, name, w);
}

void file_remove(const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct why ignored;
	if (path_of(path, dir, name, "", &ignored))
		unlink(path);
}
