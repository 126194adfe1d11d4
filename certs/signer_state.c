/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/signer_state.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

static const uint8_t magic[8] = {'S', 'T', 'N', 'S', 'I', 'G', 'N', '1'};

static void put64(uint8_t *out, uint64_t n)
{
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)(n >> (56 - 8 * i));
}

static uint64_t get64(const uint8_t *in)
{
	uint64_t n = 0;
	for (int i = 0; i < 8; i++)
		n = n << 8 | in[i];
	return n;
}

/* A slot: magic 8, sequence 8, head size 8, root 32, signed count 8, zeros, SHA-256 over all before
 * it in the last 32. */
enum { AT_SEQUENCE = 8, AT_SIZE = 16, AT_ROOT = 24, AT_COUNT = 56, AT_SUM = SIGNER_SLOT_SIZE - SHA256_SIZE };

static void slot_fill(uint8_t slot[static SIGNER_SLOT_SIZE], uint64_t sequence, const struct signer_memory *m)
{
	memset(slot, 0, SIGNER_SLOT_SIZE);
	memcpy(slot, magic, sizeof(magic));
	put64(slot + AT_SEQUENCE, sequence);
	put64(slot + AT_SIZE, m->head_size);
	memcpy(slot + AT_ROOT, m->head_root.h, MERKLE_HASH);
	put64(slot + AT_COUNT, m->signed_count);
	sha256_of(slot, AT_SUM, slot + AT_SUM);
}

static bool slot_is_whole(const uint8_t slot[static SIGNER_SLOT_SIZE])
{
	uint8_t sum[SHA256_SIZE];
	sha256_of(slot, AT_SUM, sum);
	return !memcmp(slot, magic, sizeof(magic)) && !memcmp(slot + AT_SUM, sum, sizeof(sum));
}

static off_t slot_at(uint64_t sequence)
{
	return (off_t)(sequence % 2) * SIGNER_SLOT_APART;
}

static bool slot_write(int fd, uint64_t sequence, const struct signer_memory *m)
{
	uint8_t slot[SIGNER_SLOT_SIZE];
	slot_fill(slot, sequence, m);
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
static bool file_is_made(const char *path, struct err *e)
{
	static const struct signer_memory nothing;
	char tmp[PATH_MAX];
	if (snprintf(tmp, sizeof(tmp), "%s.%d.tmp", path, (int)getpid()) >= (int)sizeof(tmp))
		return err_set(e, E_SIGNER_STATE, "the path is too long");
	AUTO_FD int fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(e, E_SIGNER_STATE, "making %s", tmp);
	bool ok = slot_write(fd, 0, &nothing) && slot_write(fd, 1, &nothing) && fsync(fd) == 0 &&
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
		uint8_t slot[SIGNER_SLOT_SIZE];
		if (pread(s->fd, slot, sizeof(slot), slot_at(i)) != (ssize_t)sizeof(slot) || !slot_is_whole(slot))
			continue;
		uint64_t sequence = get64(slot + AT_SEQUENCE);
		if (sequence % 2 != i || (found && sequence <= s->sequence))
			continue;
		s->sequence = sequence;
		s->now.head_size = get64(slot + AT_SIZE);
		memcpy(s->now.head_root.h, slot + AT_ROOT, MERKLE_HASH);
		s->now.signed_count = get64(slot + AT_COUNT);
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

bool signer_state_open(struct signer_state *s, const char *path, struct err *e)
{
	*s = (struct signer_state){.fd = -1};
	if (access(path, F_OK) < 0 && errno == ENOENT && !file_is_made(path, e))
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
	*s = (struct signer_state){.fd = -1};
}

bool signer_state_write(struct signer_state *s, const struct signer_memory *memory, struct err *e)
{
	if (s->broken)
		return err_set(e, E_SIGNER_STATE, "an earlier write failed; the signer must be started again");
	if (!slot_write(s->fd, s->sequence + 1, memory)) {
		s->broken = true;
		return err_errno(e, E_SIGNER_STATE, "writing the state");
	}
	s->sequence++;
	s->now = *memory;
	return true;
}
