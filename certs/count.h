/* SPDX-License-Identifier: Apache-2.0 */
/* The signer's count of identities, and its head of the log: one memory (signer_state.h), tied to an anchor where there
 * is one.
 *
 * An identity is an intent at its index of the log, under one CA's key. Who was counted is known for good: a mark under the
 * signer's key stands in signer.counted at that index, so the same intent again is free, and nobody else can make it so. What
 * was practised under a CA for training is not free under the one for production.
 *
 * With an anchor, identities are taken from leases: before the first of a lease the anchor is stepped, and the memory
 * says so. Opened again after anything but a clean end, what was leased counts as used, since the file might be an older
 * copy of this lease. A memory whose number the anchor has left behind is refused. So neither a restored nor an edited
 * file gives an identity back, and a crash costs at most a lease. */
#ifndef CERTS_COUNT_H
#define CERTS_COUNT_H

#include "certs/anchor.h"
#include "certs/order_note.h"
#include "certs/signer_state.h"

struct count {
	struct signer_state state;
	const struct anchor *anchor;	/* lent; .ops NULL: none */
	uint32_t lease;
	int marks_fd;			/* signer.counted */
	uint8_t issuer[SHA256_SIZE];
};

struct count_setup {
	const char *state_path;		/* signer.counted lies beside it */
	const struct anchor *anchor;
	uint32_t lease;
	uint8_t key[SIGNER_KEY];
	uint8_t issuer[SHA256_SIZE];	/* the issuing CA's public key: what was counted under another is not known */
};

/* Without an anchor the memory is made if it is absent; with one count_begin makes it, and from then on it is nothing without its
 * anchor. E_SIGNER_STATE, E_ANCHOR, E_TOKEN_GONE. */
WARN_UNUSED bool count_open(struct count *c, const struct count_setup *setup, struct err *e);
/* Gives back what is leased and not used. What fails here is found at the next opening. */
void count_close(struct count *c);

/* Ties a memory to the anchor, for the first time or after a person moved an old one away: a new one, or one that has
 * known no anchor and keeps its head. Orders made before now_ms are void. E_SIGNER_STATE if there is one that is tied;
 * E_ANCHOR, E_TOKEN_GONE. */
WARN_UNUSED bool count_begin(const struct count_setup *setup, int64_t now_ms, struct err *e);

/* The intent whose leaf hash stands at this index of the log, in the tree (size, root). */
struct counting {
	uint64_t index;
	struct merkle_hash leaf;
	uint64_t head_size;
	struct merkle_hash head_root;
	int64_t now_ms;
	const struct order_terms *order;	/* NULL: no order limits it */
	bool replaces;				/* draws on the order's own allowance for that */
};
bool count_knows(const struct count *c, const struct counting *what);
/* Counts it unless it is known, and adopts the head: on disk when this returns. E_RECEIPT (an index beyond 2^36), E_ORDER_SPENT,
 * E_DB_FULL, E_ORDER_TERMS (as many orders as there is room for), E_SIGNER_STATE, E_TOKEN_GONE, E_ANCHOR. */
WARN_UNUSED bool count_identity(struct count *c, const struct counting *what, struct err *e);
/* Only adopts a head. E_SIGNER_STATE. */
WARN_UNUSED bool count_head(struct count *c, uint64_t size, const struct merkle_hash *root, struct err *e);

/* True if an order with these terms can still be one of this memory's: made after it was begun, not before those of its number
 * that something was counted under, and not forgotten already. E_ORDER_TERMS. */
WARN_UNUSED bool count_takes_order(const struct count *c, const struct order_terms *terms, struct err *e);
/* What was counted of it; zeros for one that is new. */
void count_of_order(const struct count *c, const struct order_terms *terms, uint32_t *ret_used, uint32_t *ret_replaced);

#endif
