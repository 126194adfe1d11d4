/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 6962 (section 2) Merkle trees as pure functions: leaf and node hashes, the append-only edge of a tree, and the
 * checking of inclusion and consistency proofs. The ledger builds trees and proofs with it, the signer checks them. */
#ifndef STATION_BASE_MERKLE_H
#define STATION_BASE_MERKLE_H

#include "station/base/err.h"
#include "station/base/sha256.h"

#define MERKLE_HASH SHA256_SIZE
#define MERKLE_PROOF_MAX 64	/* a proof of a tree of up to 2^63 leaves */

struct merkle_hash { uint8_t h[MERKLE_HASH]; };

/* Hashes of a proof, in the order of RFC 6962 (nearest to the leaf first). Fixed size: it crosses process borders. */
struct merkle_proof {
	uint32_t count;
	struct merkle_hash hash[MERKLE_PROOF_MAX];
};

/* The right edge of a tree: the roots of its perfect subtrees, the largest first. Enough to append and to give the root. */
struct merkle_edge {
	uint64_t size;
	struct merkle_hash peak[64];	/* popcount(size) of them are in use */
};

/* SHA-256(0x00 || entry). */
void merkle_leaf(const void *entry, size_t len, struct merkle_hash *ret);
/* SHA-256(0x01 || left || right). */
void merkle_node(const struct merkle_hash *left, const struct merkle_hash *right, struct merkle_hash *ret);

/* Appends a leaf hash. For every perfect subtree that this completes, calls done(ctx, level, index, hash), level 0 being the
 * leaf itself; done may be NULL and may fail, then the edge is unchanged and false is returned. */
typedef bool merkle_done(void *ctx, unsigned level, uint64_t index, const struct merkle_hash *hash, struct err *e);
WARN_UNUSED bool merkle_append(struct merkle_edge *edge, const struct merkle_hash *leaf, merkle_done *done, void *ctx,
			       struct err *e);

/* The root; of the empty tree SHA-256 of nothing. */
void merkle_root(const struct merkle_edge *edge, struct merkle_hash *ret);

/* Reads the hash of the perfect subtree `index` at `level`. */
typedef bool merkle_read(void *ctx, unsigned level, uint64_t index, struct merkle_hash *ret, struct err *e);

/* Builds the audit path of leaf `index` in the tree of `size` leaves (RFC 6962, 2.1.1), index < size. */
WARN_UNUSED bool merkle_prove_inclusion(uint64_t index, uint64_t size, merkle_read *read, void *ctx,
					struct merkle_proof *ret, struct err *e);
/* Builds the proof that the tree of `old` leaves is a prefix of that of `size` (2.1.2), old <= size; empty for old 0 or size. */
WARN_UNUSED bool merkle_prove_consistency(uint64_t old, uint64_t size, merkle_read *read, void *ctx,
					  struct merkle_proof *ret, struct err *e);

/* True if the proof shows that `leaf` is entry `index` of the tree with `size` leaves and root `root`. */
bool merkle_includes(const struct merkle_hash *leaf, uint64_t index, uint64_t size, const struct merkle_proof *proof,
		     const struct merkle_hash *root);
/* True if the proof shows that the tree (old, old_root) is a prefix of (size, root). Any tree extends the empty one. */
bool merkle_extends(uint64_t old, const struct merkle_hash *old_root, uint64_t size, const struct merkle_hash *root,
		    const struct merkle_proof *proof);

#endif
