/* SPDX-License-Identifier: Apache-2.0 */
/* What the signer remembers: the newest tree head that it accepted, and how many leaves it signed.
 *
 * A file of two slots. Every change goes to the slot that holds the older state, and is on disk
 * (fdatasync) before the function returns, so a power cut leaves the old state or the new one. The
 * slots are 4096 bytes apart, so that no disk sector holds both. The newest whole slot counts; a
 * file without one is refused, and so is a second signer on one file (flock). */
#ifndef CERTS_SIGNER_STATE_H
#define CERTS_SIGNER_STATE_H

#include "station/base/merkle.h"

#define SIGNER_SLOT_SIZE 512
#define SIGNER_SLOT_APART 4096

struct signer_memory {
	uint64_t head_size;
	struct merkle_hash head_root;
	uint64_t signed_count;
};

struct signer_state {
	int fd;			/* -1 while closed */
	uint64_t sequence;
	bool broken;		/* a write failed: what is on disk is unknown, so nothing more is signed */
	struct signer_memory now;
};

/* Opens the file, or makes it with an empty memory. E_SIGNER_STATE. */
WARN_UNUSED bool signer_state_open(struct signer_state *s, const char *path, struct err *e);
void signer_state_close(struct signer_state *s);

/* Remembers; s->now is the new memory if it succeeds. Opens nothing. E_SIGNER_STATE. */
WARN_UNUSED bool signer_state_write(struct signer_state *s, const struct signer_memory *memory, struct err *e);

#endif
