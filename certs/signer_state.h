/* SPDX-License-Identifier: Apache-2.0 */
/* What the signer remembers: the newest tree head that it accepted, and what it counted (count.h says how).
 *
 * A file of two slots. Every change goes to the slot that holds the older state, and is on disk (fdatasync) before the
 * function returns, so a power cut leaves the old state or the new one. The slots are 4096 bytes apart, so that no disk
 * sector holds both. The newest whole slot counts; a file without one is refused, and so is a second signer on one file
 * (flock). A slot ends in an HMAC under a key of the signer's, so that what is edited is no whole slot. A file of the
 * first version (a head and a number, without HMAC) is read, and written anew with the next change. */
#ifndef CERTS_SIGNER_STATE_H
#define CERTS_SIGNER_STATE_H

#include "station/base/merkle.h"

#define SIGNER_SLOT_SIZE 3072
#define SIGNER_SLOT_APART 4096
#define SIGNER_KEY 32	/* bytes of the HMAC's key */
#define SIGNER_ORDERS 32	/* orders that are counted at one time */
#define SIGNER_RECENT 16	/* identities that were counted last */
#define COUNT_MARK 16	/* bytes of an identity's mark */

/* What was counted of an order. Identities are counted one by one (`used`), and may be up to `leased`, which is what the anchor was
 * stepped for. */
struct counted_order {
	uint8_t id[16];	/* of its number; zeros: this row is free */
	int64_t until_ms;
	uint32_t used, leased;
	uint32_t replaced, replace_leased;
	int64_t made_ms;	/* of the newest terms that something was counted under */
};

struct counted_mark {
	uint64_t index;	/* of the intent in the log */
	uint8_t mark[COUNT_MARK];	/* zeros: none */
};

enum signer_flag {
	SIGNER_STEPPING = 1,	/* the anchor is being stepped: it may stand at `anchor` or one further */
	SIGNER_CLOSED = 2,	/* nothing is leased beyond what is used */
};

struct signer_memory {
	uint64_t head_size;
	struct merkle_hash head_root;
	uint64_t signed_count;	/* identities in its life */
	uint64_t anchor;	/* the anchor's number that this memory belongs to; 0: to none */
	uint32_t flags;		/* of enum signer_flag */
	int64_t begun_ms;	/* orders made before are void; 0: none are */
	int64_t latest_ms;	/* the latest wall clock at which something was counted */
	int64_t dropped_until_ms;	/* orders up to this end were forgotten, and are not taken again */
	struct counted_order order[SIGNER_ORDERS];
	struct counted_mark recent[SIGNER_RECENT];	/* at signed_count % SIGNER_RECENT */
};

struct signer_state {
	int fd;			/* -1 while closed */
	uint64_t sequence;
	bool broken;		/* a write failed: what is on disk is unknown, so nothing more is signed */
	uint8_t key[SIGNER_KEY];
	struct signer_memory now;
};

/* Opens the file, or makes it with an empty memory. E_SIGNER_STATE. */
WARN_UNUSED bool signer_state_open(struct signer_state *s, const char *path, const uint8_t key[static SIGNER_KEY], struct err *e);
void signer_state_close(struct signer_state *s);

/* Remembers; s->now is the new memory if it succeeds. Opens nothing. E_SIGNER_STATE. */
WARN_UNUSED bool signer_state_write(struct signer_state *s, const struct signer_memory *memory, struct err *e);

#endif
