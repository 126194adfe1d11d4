/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/signer_state.h"
#include "certs/hmac.h"
#include "station/base/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

static const uint8_t magic_1[8] = {'S', 'T', 'N', 'S', 'I', 'G', 'N', '1'};
static const uint8_t magic[8] = {'S', 'T', 'N', 'S', 'I', 'G', 'N', '2'};

/* A slot: magic 8, sequence 8, the memory field by field, zeros, HMAC-SHA256 over all before it in the last 32. */
enum { AT_SEQUENCE = 8, AT_MEMORY = 16, AT_SUM = SIGNER_SLOT_SIZE - SHA256_SIZE };
/* Of the first version: head size, root, count, and a SHA-256. */
enum { SIZE_1 = 512, AT_SUM_1 = SIZE_1 - SHA256_SIZE };

/* One walk over the fields for writing and for reading, so that the two cannot disagree. */
struct cursor {
	uint8_t *at;
	bool writes;
};

static void walk_bytes(struct cursor *c, void *field, size_t len)
{
	if (c->writes)
		memcpy(c->at, field, len);
	else
		memcpy(field, c->at, len);
	c->at += len;
}

static void walk_64(struct cursor *c, uint64_t *n)
{
	uint64_t read = 0;
	for (int i = 0; i < 8; i++) {
		if (c->writes)
			c->at[i] = (uint8_t)(*n >> (56 - 8 * i));
		read = read << 8 | c->at[i];
	}
	*n = read;
	c->at += 8;
}

static void walk_time(struct cursor *c, int64_t *ms)
{
	uint64_t n = (uint64_t)*ms;
	walk_64(c, &n);
	*ms = (int64_t)n;
}

static void walk_32(struct cursor *c, uint32_t *n)
{
	uint64_t wide = *n;
	walk_64(c, &wide);
	*n = (uint32_t)wide;
}

static void walk_head(struct cursor *c, struct signer_memory *m)
{
	walk_64(c, &m->head_size);
	walk_bytes(c, m->head_root.h, MERKLE_HASH);
	walk_64(c, &m->signed_count);
}

static void walk_order(struct cursor *c, struct counted_order *o)
{
	walk_bytes(c, o->id, sizeof(o->id));
	walk_time(c, &o->until_ms);
	walk_32(c, &o->used);
	walk_32(c, &o->leased);
	walk_32(c, &o->replaced);
	walk_32(c, &o->replace_leased);
}

static void walk(struct cursor *c, struct signer_memory *m)
{
	walk_head(c, m);
	walk_64(c, &m->anchor);
	walk_32(c, &m->flags);
	walk_time(c, &m->begun_ms);
	walk_time(c, &m->latest_ms);
	walk_time(c, &m->dropped_until_ms);
	for (size_t i = 0; i < SIGNER_ORDERS; i++)
		walk_order(c, &m->order[i]);
	for (size_t i = 0; i < SIGNER_RECENT; i++) {
		walk_64(c, &m->recent[i].index);
		walk_bytes(c, m->recent[i].mark, COUNT_MARK);
	}
	/* At the end, where a slot that was written before they were kept has zeros. */
	for (size_t i = 0; i < SIGNER_ORDERS; i++)
		walk_time(c, &m->order[i].made_ms);
}

_Static_assert(AT_MEMORY + 96 + SIGNER_ORDERS * (56 + 8) + SIGNER_RECENT * 24 <= AT_SUM, "a memory fits its slot");

static void slot_sum(const uint8_t *slot, const uint8_t *key, uint8_t ret[static SHA256_SIZE])
{
	hmac_sha256(key, SIGNER_KEY, slot, AT_SUM, ret);
}

static void slot_fill(uint8_t slot[static SIGNER_SLOT_SIZE], uint64_t sequence, const uint8_t *key, const struct signer_memory *m)
{
	struct signer_memory copy = *m;
	struct cursor c = {slot + AT_SEQUENCE, true};
	memset(slot, 0, SIGNER_SLOT_SIZE);
	memcpy(slot, magic, sizeof(magic));
	walk_64(&c, &sequence);
	walk(&c, &copy);
	slot_sum(slot, key, slot + AT_SUM);
}

/* Reads a slot of either version; false if it is not whole. */
static bool slot_read(uint8_t slot[static SIGNER_SLOT_SIZE], const uint8_t *key, uint64_t *sequence, struct signer_memory *m)
{
	uint8_t sum[SHA256_SIZE];
	struct cursor c = {slot + AT_SEQUENCE, false};
	memset(m, 0, sizeof(*m));
	bool old = !memcmp(slot, magic_1, sizeof(magic_1));
	if (old)
		sha256_of(slot, AT_SUM_1, sum);
	else
		slot_sum(slot, key, sum);
	if ((!old && memcmp(slot, magic, sizeof(magic)) != 0) || memcmp(slot + (old ? AT_SUM_1 : AT_SUM), sum, sizeof(sum)) != 0)
		return false;
	walk_64(&c, sequence);
	if (old)
		walk_head(&c, m);
	else
		walk(&c, m);
	return true;
}

static off_t slot_at(uint64_t sequence)
{
	return (off_t)(sequence % 2) * SIGNER_SLOT_APART;
}

static bool slot_write(int fd, uint64_t sequence, const uint8_t *key, const struct signer_memory *m)
{
	uint8_t slot[SIGNER_SLOT_SIZE];
	slot_fill(slot, sequence, key, m);
	return pwrite(fd, slot, sizeof(slot), slot_at(sequence)) == (ssize_t)sizeof(slot) && fdatasync(fd) == 0;
}

static bool directory_sync(const char *path)
{
	char copy[PATH_MAX];
	snprintf(copy, sizeof(copy), "%s", path);
	AUTO_FD int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && fsync(fd) == 0;
}

/* Makes the file under another name, whole, and links it: it comes into being complete, and only if
 * nobody else made it. */
static bool file_is_made(const char *path, const uint8_t *key, struct err *e)
{
	static const struct signer_memory nothing;
	char tmp[PATH_MAX];
	if (snprintf(tmp, sizeof(tmp), "%s.%d.tmp", path, (int)getpid()) >= (int)sizeof(tmp))
		return err_set(e, E_SIGNER_STATE, "the path is too long");
	AUTO_FD int fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(e, E_SIGNER_STATE, "making %s", tmp);
	bool ok = slot_write(fd, 0, key, &nothing) && slot_write(fd, 1, key, &nothing) && fsync(fd) == 0 &&
		  (link(tmp, path) == 0 || errno == EEXIST) && directory_sync(path);
	if (!ok)
		err_errno(e, E_SIGNER_STATE, "making %s", path);
	unlink(tmp);
	return ok;
}

static bool memory_read(struct signer_state *s, const char *path, struct err *e)
{
	bool found = false;
	for (uint64_t i = 0; i < 2; i++) {
		uint8_t slot[SIGNER_SLOT_SIZE] = {0};
		struct signer_memory memory;
		uint64_t sequence;
		if (pread(s->fd, slot, sizeof(slot), slot_at(i)) < SIZE_1 || !slot_read(slot, s->key, &sequence, &memory))
			continue;
		if (sequence % 2 != i || (found && sequence <= s->sequence))
			continue;
		s->sequence = sequence;
		s->now = memory;
		found = true;
	}
	return found || err_set(e, E_SIGNER_STATE, "%s holds no whole state", path);
}

static bool file_is_mine(struct signer_state *s, const char *path, struct err *e)
{
	if (flock(s->fd, LOCK_EX | LOCK_NB) == 0)
		return true;
	if (errno == EWOULDBLOCK)
		return err_set(e, E_SIGNER_STATE, "another signer has %s open", path);
	return err_errno(e, E_SIGNER_STATE, "locking %s", path);
}

bool signer_state_open(struct signer_state *s, const char *path, const uint8_t key[static SIGNER_KEY], struct err *e)
{
	*s = (struct signer_state){.fd = -1};
	memcpy(s->key, key, SIGNER_KEY);
	if (access(path, F_OK) < 0 && errno == ENOENT && !file_is_made(path, key, e))
		return false;
	s->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (s->fd < 0)
		return err_errno(e, E_SIGNER_STATE, "opening %s", path);
	if (file_is_mine(s, path, e) && memory_read(s, path, e))
		return true;
	signer_state_close(s);
	return false;
}

void signer_state_close(struct signer_state *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	wipe(s, sizeof(*s));
	s->fd = -1;
}

bool signer_state_write(struct signer_state *s, const struct signer_memory *memory, struct err *e)
{
	if (s->broken)
		return err_set(e, E_SIGNER_STATE, "an earlier write failed; the signer must be started again");
	if (!slot_write(s->fd, s->sequence + 1, s->key, memory)) {
		s->broken = true;
		return err_errno(e, E_SIGNER_STATE, "writing the state");
	}
	s->sequence++;
	s->now = *memory;
	return true;
}
