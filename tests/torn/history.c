/* SPDX-License-Identifier: Apache-2.0 */
#include "history.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SECTOR 512

enum kind { OP_WRITE, OP_RESIZE, OP_SYNC, OP_NAME, OP_RENAME, OP_REMOVE };

struct content {
	uint8_t *data;
	size_t len, room;
};

/* An inode, by its number in `files`. Directories are files without content. */
struct file {
	ino_t ino;
	mode_t mode;
	char *dir;	/* of a directory: its path below the watched one, "" itself */
	bool lies;	/* its syncs count for nothing */
	struct content base;	/* when the recording began */
};

struct op {
	enum kind kind;
	size_t file;
	off_t at;
	size_t len;
	uint8_t *data;
	char *path, *to;	/* below the watched directory */
};

struct promise {
	uint64_t what;
	size_t at;	/* operations before it */
};

struct name {
	char path[256];
	size_t file;
};

/* What is durable before operation `at`, and which operations are not. */
struct disk {
	size_t at;
	struct content *content;	/* of each file */
	struct name *name;
	size_t name_count;
	size_t *open;	/* operations that are not durable, in order */
	size_t open_count;
};

struct torn {
	char *dir;
	struct file *file;
	size_t file_count;
	struct op *op;
	size_t op_count;
	struct promise *promise;
	size_t promise_count;
	struct name *base;	/* names when the recording began */
	size_t base_count;
	char lie[64];
	struct disk disk;
};

static void *grown(void *list, size_t count, size_t size)
{
	/* Doubled at each power of two. */
	if (count & (count - 1))
		return list;
	void *more = realloc(list, (count ? 2 * count : 1) * size);
	assert(more);
	return more;
}

static void content_reach(struct content *c, size_t len)
{
	if (len > c->room) {
		c->room = 2 * len;
		c->data = realloc(c->data, c->room);
		assert(c->data);
	}
	if (len > c->len) {
		memset(c->data + c->len, 0, len - c->len);
		c->len = len;
	}
}

static void content_copy(struct content *to, const struct content *from)
{
	to->len = 0;
	content_reach(to, from->len);
	if (from->len)
		memcpy(to->data, from->data, from->len);
}

/* ---- recording ---- */

static const char *below(const struct torn *t, const char *path)
{
	size_t len = strlen(t->dir);
	if (strncmp(path, t->dir, len) != 0 || (path[len] && path[len] != '/'))
		return NULL;
	return path[len] ? path + len + 1 : path + len;
}

static size_t add_file(struct torn *t, ino_t ino, mode_t mode, const char *dir)
{
	t->file = grown(t->file, t->file_count, sizeof(*t->file));
	t->file[t->file_count] = (struct file){.ino = ino, .mode = mode & 07777, .dir = dir ? strdup(dir) : NULL};
	return t->file_count++;
}

static struct op *add_op(struct torn *t, enum kind kind, size_t file)
{
	t->op = grown(t->op, t->op_count, sizeof(*t->op));
	t->op[t->op_count] = (struct op){.kind = kind, .file = file};
	return &t->op[t->op_count++];
}

static bool find_file(const struct torn *t, int fd, size_t *ret)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return false;
	/* The newest first: numbers of inodes come again. */
	for (size_t i = t->file_count; i-- > 0;)
		if (t->file[i].ino == st.st_ino) {
			*ret = i;
			return true;
		}
	return false;
}

static void read_base(struct file *f, const char *path)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		abort();
	content_reach(&f->base, (size_t)st.st_size);
	if (read(fd, f->base.data, f->base.len) != (ssize_t)f->base.len)
		abort();
	close(fd);
}

static void scan(struct torn *t, const char *relative)
{
	char path[PATH_MAX], inner[256];
	struct stat st;
	struct dirent *entry;
	snprintf(path, sizeof(path), "%s/%s", t->dir, relative);
	DIR *dir = opendir(path);
	if (!dir || fstat(dirfd(dir), &st) < 0)
		abort();
	size_t self = add_file(t, st.st_ino, st.st_mode, relative);
	if (*relative) {
		t->base = grown(t->base, t->base_count, sizeof(*t->base));
		snprintf(t->base[t->base_count].path, sizeof(t->base->path), "%s", relative);
		t->base[t->base_count++].file = self;
	}
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(inner, sizeof(inner), "%s%s%.150s", relative, *relative ? "/" : "", entry->d_name);
		snprintf(path, sizeof(path), "%s/%s", t->dir, inner);
		if (lstat(path, &st) < 0)
			abort();
		if (S_ISDIR(st.st_mode)) {
			scan(t, inner);
			continue;
		}
		t->base = grown(t->base, t->base_count, sizeof(*t->base));
		snprintf(t->base[t->base_count].path, sizeof(t->base->path), "%s", inner);
		t->base[t->base_count++].file = add_file(t, st.st_ino, st.st_mode, NULL);
		if (S_ISREG(st.st_mode))
			read_base(&t->file[t->file_count - 1], path);
	}
	closedir(dir);
}

struct torn *history_new(const char *dir)
{
	struct torn *t = calloc(1, sizeof(*t));
	assert(t);
	t->dir = strdup(dir);
	scan(t, "");
	return t;
}

void history_promise(struct torn *t, uint64_t what)
{
	t->promise = grown(t->promise, t->promise_count, sizeof(*t->promise));
	t->promise[t->promise_count++] = (struct promise){what, t->op_count};
}

void history_make(struct torn *t, int fd, const char *path, mode_t mode)
{
	struct stat st;
	const char *name = below(t, path);
	if (name && fstat(fd, &st) == 0)
		add_op(t, OP_NAME, add_file(t, st.st_ino, mode, NULL))->path = strdup(name);
}

void history_mkdir(struct torn *t, const char *path, const char *none)
{
	(void)none;
	struct stat st;
	const char *name = below(t, path);
	if (name && stat(path, &st) == 0)
		add_op(t, OP_NAME, add_file(t, st.st_ino, st.st_mode, name))->path = strdup(name);
}

void history_write(struct torn *t, int fd, off_t at, const void *data, size_t len)
{
	size_t file;
	if (!find_file(t, fd, &file))
		return;
	struct op *op = add_op(t, OP_WRITE, file);
	op->at = at;
	op->len = len;
	op->data = malloc(len);
	assert(op->data);
	memcpy(op->data, data, len);
}

void history_resize(struct torn *t, int fd, off_t size)
{
	size_t file;
	if (find_file(t, fd, &file))
		add_op(t, OP_RESIZE, file)->at = size;
}

bool history_sync(struct torn *t, int fd)
{
	size_t file;
	if (!find_file(t, fd, &file))
		return false;
	add_op(t, OP_SYNC, file);
	return true;
}

static void two_names(struct torn *t, enum kind kind, const char *from, const char *to)
{
	struct stat st;
	const char *was = below(t, from), *is = below(t, to);
	assert(!was == !is);	/* nothing is moved into the watched directory or out of it */
	if (!is || stat(to, &st) < 0)
		return;
	for (size_t i = t->file_count; i-- > 0;)
		if (t->file[i].ino == st.st_ino) {
			struct op *op = add_op(t, kind, i);
			op->path = strdup(kind == OP_NAME ? is : was);
			op->to = strdup(is);
			return;
		}
}

void history_rename(struct torn *t, const char *from, const char *to)
{
	two_names(t, OP_RENAME, from, to);
}

void history_link(struct torn *t, const char *from, const char *to)
{
	two_names(t, OP_NAME, from, to);
}

void history_remove(struct torn *t, const char *path, const char *none)
{
	(void)none;
	const char *name = below(t, path);
	if (name)
		add_op(t, OP_REMOVE, 0)->path = strdup(name);
}

/* ---- asking ---- */

size_t torn_count(const struct torn *t)
{
	return t->op_count;
}

size_t torn_syncs(const struct torn *t)
{
	size_t count = 0;
	for (size_t i = 0; i < t->op_count; i++)
		count += t->op[i].kind == OP_SYNC;
	return count;
}

bool torn_is_sync(const struct torn *t, size_t at)
{
	return at < t->op_count && t->op[at].kind == OP_SYNC;
}

/* True if a name that ends in `end` was ever given to the file. */
static bool is_called(const struct torn *t, size_t file, const char *end)
{
	size_t len = strlen(end);
	const char *path;
	for (size_t i = 0; i < t->op_count; i++) {
		path = t->op[i].to ? t->op[i].to : t->op[i].path;
		if (path && t->op[i].kind != OP_REMOVE && t->op[i].file == file && strlen(path) >= len && !strcmp(path + strlen(path) - len, end))
			return true;
	}
	for (size_t i = 0; i < t->base_count; i++) {
		path = t->base[i].path;
		if (t->base[i].file == file && strlen(path) >= len && !strcmp(path + strlen(path) - len, end))
			return true;
	}
	return false;
}

size_t torn_writes(const struct torn *t, const char *name, size_t from, size_t to)
{
	size_t count = 0;
	for (size_t i = from; i < to && i < t->op_count; i++)
		count += t->op[i].kind == OP_WRITE && is_called(t, t->op[i].file, name);
	return count;
}

uint64_t torn_promised(const struct torn *t, size_t at)
{
	uint64_t what = 0;
	for (size_t i = 0; i < t->promise_count && t->promise[i].at <= at; i++)
		what = t->promise[i].what;
	return what;
}

size_t torn_first(const struct torn *t, uint64_t what)
{
	for (size_t i = 0; i < t->promise_count; i++)
		if (t->promise[i].what == what)
			return t->promise[i].at;
	return t->op_count;
}

/* ---- what is durable ---- */

static void apply_name(struct name **list, size_t *count, const struct op *op)
{
	for (size_t i = 0; i < *count;) {
		bool gone = !strcmp((*list)[i].path, op->path) || (op->to && !strcmp((*list)[i].path, op->to));
		if (gone)
			(*list)[i] = (*list)[--*count];
		else
			i++;
	}
	if (op->kind == OP_REMOVE)
		return;
	struct name *more = realloc(*list, (*count + 1) * sizeof(**list));
	assert(more);
	*list = more;
	snprintf(more[*count].path, sizeof(more->path), "%s", op->to ? op->to : op->path);
	more[(*count)++].file = op->file;
}

static void apply_content(struct content *c, const struct op *op)
{
	if (op->kind == OP_WRITE) {
		content_reach(c, (size_t)op->at + op->len);
		memcpy(c->data + op->at, op->data, op->len);
	} else {
		c->len = c->len < (size_t)op->at ? c->len : (size_t)op->at;
		content_reach(c, (size_t)op->at);
	}
}

static bool is_name(const struct op *op)
{
	return op->kind >= OP_NAME;
}

static bool is_in(const char *path, const char *dir)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;
	return strlen(dir) == len && !strncmp(path, dir, len);
}

/* Whether this sync makes that operation durable. */
static bool covers(const struct torn *t, const struct op *sync, const struct op *op)
{
	const char *dir = t->file[sync->file].dir;
	if (is_name(op))
		return dir && is_in(op->to ? op->to : op->path, dir);
	return op->file == sync->file;
}

static void know_liars(struct torn *t)
{
	for (size_t i = 0; i < t->file_count; i++)
		t->file[i].lies = t->lie[0] && is_called(t, i, t->lie);
}

static void disk_sync(struct torn *t, const struct op *sync)
{
	struct disk *d = &t->disk;
	size_t left = 0;
	if (t->file[sync->file].lies)
		return;
	for (size_t i = 0; i < d->open_count; i++) {
		const struct op *op = &t->op[d->open[i]];
		if (!covers(t, sync, op))
			d->open[left++] = d->open[i];
		else if (is_name(op))
			apply_name(&d->name, &d->name_count, op);
		else
			apply_content(&d->content[op->file], op);
	}
	d->open_count = left;
}

static void disk_fini(struct torn *t)
{
	for (size_t i = 0; t->disk.content && i < t->file_count; i++)
		free(t->disk.content[i].data);
	free(t->disk.content);
	free(t->disk.name);
	free(t->disk.open);
	t->disk = (struct disk){0};
}

static void disk_reset(struct torn *t)
{
	disk_fini(t);
	t->disk.content = calloc(t->file_count, sizeof(*t->disk.content));
	t->disk.name = malloc((t->base_count + 1) * sizeof(*t->disk.name));
	t->disk.open = malloc((t->op_count + 1) * sizeof(*t->disk.open));
	assert(t->disk.content && t->disk.name && t->disk.open);
	for (size_t i = 0; i < t->file_count; i++)
		content_copy(&t->disk.content[i], &t->file[i].base);
	for (size_t i = 0; i < t->base_count; i++)
		t->disk.name[i] = t->base[i];
	t->disk.name_count = t->base_count;
}

/* Going on from where it stands is what makes a walk over all operations cheap. */
static void disk_reach(struct torn *t, size_t at)
{
	if (!t->disk.content || at < t->disk.at)
		disk_reset(t);
	for (; t->disk.at < at; t->disk.at++) {
		if (t->op[t->disk.at].kind == OP_SYNC)
			disk_sync(t, &t->op[t->disk.at]);
		else
			t->disk.open[t->disk.open_count++] = t->disk.at;
	}
}

void torn_lie(struct torn *t, const char *name)
{
	snprintf(t->lie, sizeof(t->lie), "%s", name);
	know_liars(t);
	disk_fini(t);
}

/* ---- what may be there after the cut ---- */

/* SplitMix64: every choice is a function of the seed and of what is chosen about. */
static uint64_t mix(uint64_t n)
{
	n += 0x9e3779b97f4a7c15u;
	n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9u;
	n = (n ^ n >> 27) * 0x94d049bb133111ebu;
	return n ^ n >> 31;
}

static uint64_t chance(uint64_t seed, uint64_t which, uint64_t part)
{
	return mix(mix(mix(seed) ^ which) ^ part);
}

/* How many of `count` open operations this part (a sector, or the size) has seen. Every fourth seed writes in order: all parts have
 * seen the same. */
static size_t seen(uint64_t seed, uint64_t which, uint64_t part, size_t count)
{
	if (seed < 2)
		return seed ? count : 0;
	uint64_t h = chance(seed, which, seed % 4 == 2 ? 0 : part);
	if (seed % 4 != 2 && h % 3 < 2)
		return h % 3 ? count : 0;
	return (size_t)((h >> 8) % (count + 1));
}

static void junk(uint8_t *out, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(mix(seed + i / 8) >> (i % 8 * 8));
}

struct torn_file {
	struct content *content;
	size_t durable;	/* its length without what is open */
	uint64_t seed, which;
	size_t count;	/* open operations of this file */
};

/* The `nth` open operation of a file, sector by sector. */
static void tear_write(struct torn_file *f, const struct op *op, size_t nth)
{
	content_reach(f->content, (size_t)op->at + op->len);
	for (size_t done = 0; done < op->len;) {
		size_t at = (size_t)op->at + done, part = SECTOR - at % SECTOR;
		if (part > op->len - done)
			part = op->len - done;
		if (nth < seen(f->seed, f->which, at / SECTOR, f->count))
			memcpy(f->content->data + at, op->data + done, part);
		else if (at >= f->durable && f->seed % 3 == 2)
			junk(f->content->data + at, part, f->seed + at);
		done += part;
	}
}

static void tear_file(const struct torn *t, size_t file, uint64_t seed, struct content *ret)
{
	const struct disk *d = &t->disk;
	content_copy(ret, &d->content[file]);
	struct torn_file f = {.content = ret, .durable = ret->len, .seed = seed, .which = file};
	for (size_t i = 0; i < d->open_count; i++)
		f.count += t->op[d->open[i]].file == file && !is_name(&t->op[d->open[i]]);
	size_t size = ret->len, sized = seen(seed, file, UINT64_MAX, f.count), nth = 0;
	for (size_t i = 0; i < d->open_count; i++) {
		const struct op *op = &t->op[d->open[i]];
		if (op->file != file || is_name(op))
			continue;
		if (op->kind == OP_WRITE)
			tear_write(&f, op, nth);
		if (nth++ < sized)
			size = op->kind == OP_RESIZE ? (size_t)op->at : (size_t)op->at + op->len > size ? (size_t)op->at + op->len : size;
	}
	content_reach(ret, size);
	ret->len = size;
}

static bool is_there(const struct name *list, size_t count, const char *path)
{
	const char *slash = strrchr(path, '/');
	for (size_t i = 0; slash && i < count; i++)
		if (strlen(list[i].path) == (size_t)(slash - path) && !strncmp(list[i].path, path, (size_t)(slash - path)))
			return is_there(list, count, list[i].path);
	return !slash;
}

static void write_file(const struct torn *t, const struct name *n, uint64_t seed, const char *path)
{
	struct content c = {0};
	const char *end = strrchr(n->path, '-');
	tear_file(t, n->file, seed, &c);
	if (end && !strcmp(end, "-shm"))
		junk(c.data, c.len, seed);
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, t->file[n->file].mode | 0600);
	for (size_t done = 0; fd >= 0 && done < c.len;) {
		ssize_t written = syscall(SYS_write, fd, c.data + done, c.len - done);
		if (written <= 0)
			abort();
		done += (size_t)written;
	}
	if (fd < 0 || close(fd) < 0)
		abort();
	free(c.data);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->path, ((const struct name *)b)->path);
}

void torn_build(struct torn *t, size_t at, uint64_t seed, const char *to)
{
	disk_reach(t, at);
	const struct disk *d = &t->disk;
	size_t count = d->name_count, names = 0, nth = 0;
	struct name *list = malloc((count + 1) * sizeof(*list));
	assert(list);
	memcpy(list, d->name, count * sizeof(*list));
	for (size_t i = 0; i < d->open_count; i++)
		names += is_name(&t->op[d->open[i]]);
	for (size_t i = 0; i < d->open_count; i++)
		if (is_name(&t->op[d->open[i]]) && nth++ < seen(seed, UINT64_MAX, d->open[i], names))
			apply_name(&list, &count, &t->op[d->open[i]]);
	torn_remove(to);
	if (syscall(SYS_mkdirat, AT_FDCWD, to, 0750) < 0)
		abort();
	qsort(list, count, sizeof(*list), by_path);	/* a directory before what is in it */
	for (size_t i = 0; i < count; i++) {
		char path[PATH_MAX];
		snprintf(path, sizeof(path), "%s/%s", to, list[i].path);
		if (!is_there(list, count, list[i].path))
			continue;
		if (t->file[list[i].file].dir)
			(void)syscall(SYS_mkdirat, AT_FDCWD, path, 0750);
		else
			write_file(t, &list[i], seed, path);
	}
	free(list);
}

void torn_remove(const char *dir)
{
	char path[PATH_MAX];
	struct dirent *entry;
	struct stat st;
	DIR *d = opendir(dir);
	while (d && (entry = readdir(d))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
			torn_remove(path);
		else
			(void)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
	}
	if (d) {
		closedir(d);
		(void)syscall(SYS_unlinkat, AT_FDCWD, dir, AT_REMOVEDIR);
	}
}

void torn_free(struct torn *t)
{
	if (!t)
		return;
	disk_fini(t);
	for (size_t i = 0; i < t->op_count; i++) {
		free(t->op[i].data);
		free(t->op[i].path);
		free(t->op[i].to);
	}
	for (size_t i = 0; i < t->file_count; i++) {
		free(t->file[i].base.data);
		free(t->file[i].dir);
	}
	free(t->op);
	free(t->file);
	free(t->promise);
	free(t->base);
	free(t->dir);
	free(t);
}
