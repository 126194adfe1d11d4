/* SPDX-License-Identifier: Apache-2.0 */
#include "station/witness.h"
#include "certs/cosign.h"
#include "certs/tlog_text.h"
#include "station/base/file.h"
#include "station/base/sha256.h"
#include "station/base/text.h"
#include "station/tiles.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define VKEY_MAX 1024

static bool path_of(const char *dir, const char *name, char out[static PATH_MAX], struct err *e)
{
	return snprintf(out, PATH_MAX, "%s/%s", dir, name) < PATH_MAX || err_set(e, E_FILE, "path too long: %.64s…", dir);
}

/* One at a time: what is compared is what is then replaced. */
static bool lock(const char *dir, int *ret, struct err *e)
{
	*ret = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return (*ret >= 0 && flock(*ret, LOCK_EX) == 0) || err_errno(e, E_FILE, "the witness's directory %s", dir);
}

/* ---- the witness's own key ---- */

bool witness_init(const char *dir, const char *name, const char *passphrase, struct bytes *ret_vkey, struct err *e)
{
	char key[PATH_MAX], vkey[PATH_MAX];
	AUTO(bytes) struct bytes line = {0};
	if (!path_of(dir, "witness.key", key, e) || !path_of(dir, "witness.vkey", vkey, e))
		return false;
	bytes_clear(ret_vkey);
	return file_make_directory(dir, 0700, e) && cosign_make_key(key, passphrase, name, ret_vkey, e) &&
	       bytes_printf(&line, e, "%s\n", bytes_text(ret_vkey)) && file_write_atomic(vkey, line.data, line.len, 0644, e);
}

static bool own_vkey(const char *dir, struct bytes *ret, struct err *e)
{
	char path[PATH_MAX];
	ret->max = VKEY_MAX;
	if (!path_of(dir, "witness.vkey", path, e) || !file_read(path, ret, e))
		return false;
	while (ret->len && ret->data[ret->len - 1] == '\n')
		ret->data[--ret->len] = 0;
	return true;
}

/* ---- what it remembers of a log ---- */

struct memory {
	char path[PATH_MAX];
	char vkey[VKEY_MAX];
	bool seen;
	struct checkpoint head;	/* with !seen only the origin, and the size 0 */
};

static bool memory_path(const char *dir, const char *origin, char out[static PATH_MAX], struct err *e)
{
	uint8_t hash[SHA256_SIZE];
	char name[2 * SHA256_SIZE + 1 + sizeof(".log")];
	sha256_of(origin, strlen(origin), hash);
	hex_encode(hash, sizeof(hash), name);
	memcpy(name + 2 * SHA256_SIZE, ".log", sizeof(".log"));
	return path_of(dir, name, out, e);
}

/* The first line is the log's key, the rest the head; it must be signed by both, the log and this witness. */
static bool memory_parse(const struct bytes *file, const char *own, struct memory *m, struct err *e)
{
	const char *text = bytes_text(file), *end = strchr(text, '\n');
	uint64_t when;
	struct err cause = {0};
	if (!end || end - text >= VKEY_MAX)
		return err_set(e, E_WITNESS_MEMORY, "%s has no verifier key", m->path);
	memcpy(m->vkey, text, (size_t)(end - text));
	size_t len = file->len - (size_t)(end + 1 - text);
	m->seen = len > 0;
	m->head = (struct checkpoint){0};
	bool ok = m->seen ? note_open_checkpoint(end + 1, len, m->vkey, &m->head, &cause) && cosign_is_on(end + 1, len, own, &when, &cause)
			  : note_vkey_name(m->vkey, m->head.origin, sizeof(m->head.origin), &cause);
	return ok || err_set(e, E_WITNESS_MEMORY, "%s: %s", m->path, cause.what);
}

static bool memory_read(const char *dir, const char *own, const char *origin, struct memory *ret, struct err *e)
{
	AUTO(bytes) struct bytes file = {.max = TLOG_TEXT_MAX};
	memset(ret, 0, sizeof(*ret));
	if (!memory_path(dir, origin, ret->path, e))
		return false;
	if (access(ret->path, F_OK) != 0)
		return err_set(e, E_WITNESS_LOG, "\"%s\" is not watched here", origin);
	return file_read(ret->path, &file, e) && memory_parse(&file, own, ret, e) &&
	       (!strcmp(ret->head.origin, origin) || err_set(e, E_WITNESS_MEMORY, "%s is of \"%s\"", ret->path, ret->head.origin));
}

static bool memory_write(const struct memory *m, const struct bytes *note, struct err *e)
{
	AUTO(bytes) struct bytes file = {.max = TLOG_TEXT_MAX};
	return bytes_printf(&file, e, "%s\n", m->vkey) && (!note || bytes_add(&file, note->data, note->len, e)) &&
	       file_write_atomic(m->path, file.data, file.len, 0644, e);
}

bool witness_watch(const char *dir, const char *vkey, struct err *e)
{
	AUTO_FD int fd = -1;
	struct memory m = {0};
	if (!note_vkey_name(vkey, m.head.origin, sizeof(m.head.origin), e) || !TEXT_COPY(m.vkey, vkey, e) || !lock(dir, &fd, e) ||
	    !memory_path(dir, m.head.origin, m.path, e))
		return false;
	if (access(m.path, F_OK) == 0)
		return err_set(e, E_WITNESS_LOG, "a log \"%s\" is watched here already", m.head.origin);
	return memory_write(&m, NULL, e);
}

static bool list_one(const char *dir, const char *name, const char *own, struct memory *m, struct err *e)
{
	AUTO(bytes) struct bytes file = {.max = TLOG_TEXT_MAX};
	memset(m, 0, sizeof(*m));
	return path_of(dir, name, m->path, e) && file_read(m->path, &file, e) && memory_parse(&file, own, m, e);
}

bool witness_list(const char *dir, witness_each *each, void *ctx, struct err *e)
{
	AUTO(bytes) struct bytes own = {0};
	struct dirent **names = NULL;
	struct memory m;
	if (!own_vkey(dir, &own, e))
		return false;
	int count = scandir(dir, &names, NULL, alphasort);
	if (count < 0)
		return err_errno(e, E_FILE, "the witness's directory %s", dir);
	bool ok = true, on = true;
	for (int i = 0; i < count; i++) {
		size_t len = strlen(names[i]->d_name);
		if (ok && on && len == 2 * SHA256_SIZE + 4 && !strcmp(names[i]->d_name + len - 4, ".log")) {
			ok = list_one(dir, names[i]->d_name, own.data ? bytes_text(&own) : "", &m, e);
			on = ok && each(ctx, &m.head, m.seen);
		}
		free(names[i]);
	}
	free(names);
	return ok;
}

/* ---- a log that is shown ---- */

/* Its checkpoint, and the proof from the head that is remembered. */
struct shown {
	const char *log;
	bool is_directory;
	struct bytes note;
	struct checkpoint claimed;	/* what the note says, before its signature was looked at */
	uint64_t old;	/* of a file: where its proof begins */
	struct merkle_proof path;
};

static bool shown_open(struct shown *s, struct err *e)
{
	struct stat st;
	AUTO(bytes) struct bytes text = {.max = TLOG_TEXT_MAX};
	AUTO(tlog_growth) struct tlog_growth growth = {0};
	char path[PATH_MAX];
	if (stat(s->log, &st) < 0)
		return err_errno(e, E_FILE, "%s", s->log);
	s->is_directory = S_ISDIR(st.st_mode);
	if (!path_of(s->log, "checkpoint", path, e) || !file_read(s->is_directory ? path : s->log, &text, e))
		return false;
	if (!s->is_directory && !tlog_growth_read(bytes_text(&text), text.len, &growth, e))
		return err_in(e, "%s", s->log);
	const struct bytes *note = s->is_directory ? &text : &growth.checkpoint;
	s->old = growth.old;
	s->path = growth.path;
	return bytes_set(&s->note, note->data, note->len, e) &&
	       note_read_checkpoint(bytes_text(&s->note), s->note.len, &s->claimed, e);
}

/* Tiles: they must be those of the checkpoint, and then they give the proof. */
static bool prove_by_tiles(struct shown *s, const struct checkpoint *head, uint64_t old, struct err *e)
{
	AUTO(tiles) struct tiles tiles = {.dir = s->log, .size = head->size};
	struct merkle_edge edge;
	struct merkle_hash root;
	if (!tiles_edge(&tiles, head->size, &edge, e))
		return false;
	merkle_root(&edge, &root);
	if (memcmp(&root, &head->root, sizeof(root)) != 0)
		return err_set(e, E_AUDIT, "the tiles in %s are not those of their checkpoint", s->log);
	return merkle_prove_consistency(old, head->size, tiles_read, &tiles, &s->path, e);
}

static bool extends(struct shown *s, const struct checkpoint *old, const struct checkpoint *head, struct err *e)
{
	unsigned long long from = old->size, to = head->size;
	if (to < from)
		return err_set(e, E_WITNESS_SHORT, "%llu entries, %llu were seen before", to, from);
	if (s->is_directory && !prove_by_tiles(s, head, old->size, e))
		return false;
	if (!s->is_directory && s->old != old->size)
		return err_set(e, E_WITNESS_OLD, "it begins at %" PRIu64 ", this witness stands at %llu", s->old, from);
	return merkle_extends(old->size, &old->root, head->size, &head->root, &s->path) ||
	       err_set(e, E_WITNESS_FORK, "its %llu entries do not begin with the %llu that were seen", to, from);
}

/* The log's key signed two heads of which one is not the other's beginning: that is kept. */
static void keep_evidence(const char *dir, const struct shown *s, const struct checkpoint *head)
{
	char name[80], root[17], path[PATH_MAX];
	struct err ignored = {0};
	hex_encode(head->root.h, 8, root);
	snprintf(name, sizeof(name), "refused-%" PRIu64 "-%s.checkpoint", head->size, root);
	if (!path_of(dir, name, path, &ignored) || !file_write_atomic(path, s->note.data, s->note.len, 0644, &ignored))
		return;	/* the refusal stands without it */
}

static bool take(const char *dir, const char *passphrase, struct shown *s, int64_t now_s, struct witness_step *ret,
		 struct bytes *ret_note, struct err *e)
{
	char key[PATH_MAX];
	AUTO(bytes) struct bytes own = {0};
	struct memory m;
	struct err cause = {0};
	if (!own_vkey(dir, &own, e) || !path_of(dir, "witness.key", key, e) ||
	    !memory_read(dir, bytes_text(&own), s->claimed.origin, &m, e))
		return false;
	if (!note_open_checkpoint(bytes_text(&s->note), s->note.len, m.vkey, &ret->head, &cause))
		return err_set(e, E_WITNESS_LOG, "%s", cause.what);
	ret->before = m.head.size;
	if (!extends(s, &m.head, &ret->head, e)) {
		if (e->code == E_WITNESS_SHORT || e->code == E_WITNESS_FORK)
			keep_evidence(dir, s, &ret->head);
		return false;
	}
	bytes_clear(ret_note);
	return cosign_note(key, passphrase, bytes_text(&own), bytes_text(&s->note), s->note.len, (uint64_t)now_s, ret_note, e) &&
	       memory_write(&m, ret_note, e);
}

bool witness_cosign(const char *dir, const char *passphrase, const char *log, int64_t now_s, struct witness_step *ret,
		    struct bytes *ret_note, struct err *e)
{
	AUTO_FD int fd = -1;
	struct shown *s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(e, E_NOMEM, "witness");
	s->log = log;
	bool ok = lock(dir, &fd, e) && shown_open(s, e) && take(dir, passphrase, s, now_s, ret, ret_note, e);
	bytes_fini(&s->note);
	free(s);
	return ok || err_in(e, "%s", log);
}
