/* SPDX-License-Identifier: Apache-2.0 */
#include "station/base/merkle.h"

#include <assert.h>
#include <string.h>

void merkle_leaf(const void *entry, size_t len, struct merkle_hash *ret)
{
	sha256((const struct span[]){{"\x00", 1}, {entry, len}}, 2, ret->h);
}

void merkle_node(const struct merkle_hash *left, const struct merkle_hash *right, struct merkle_hash *ret)
{
	sha256((const struct span[]){{"\x01", 1}, {left->h, MERKLE_HASH}, {right->h, MERKLE_HASH}}, 3, ret->h);
}

static bool hash_equal(const struct merkle_hash *a, const struct merkle_hash *b)
{
	return !memcmp(a->h, b->h, MERKLE_HASH);
}

bool merkle_append(struct merkle_edge *edge, const struct merkle_hash *leaf, merkle_done *done, void *ctx, struct err *e)
{
	assert(edge->size < (uint64_t)1 << 63);
	struct merkle_hash h = *leaf;
	uint64_t index = edge->size;
	unsigned peaks = (unsigned)__builtin_popcountll(edge->size);
	for (unsigned level = 0;; level++, index >>= 1) {
		if (done && !done(ctx, level, index, &h, e))
			return false;
		if (!(index & 1))
			break;
		merkle_node(&edge->peak[--peaks], &h, &h);
	}
	edge->peak[peaks] = h;
	edge->size++;
	return true;
}

/* Joins neighbouring subtrees, the largest first: the right ones are joined first. */
static void join(const struct merkle_hash *peak, unsigned count, struct merkle_hash *ret)
{
	*ret = peak[--count];
	while (count)
		merkle_node(&peak[--count], ret, ret);
}

void merkle_root(const struct merkle_edge *edge, struct merkle_hash *ret)
{
	if (edge->size == 0)
		sha256_of("", 0, ret->h);
	else
		join(edge->peak, (unsigned)__builtin_popcountll(edge->size), ret);
}

/* The largest power of two below n, as its exponent; n > 1. */
static unsigned split_level(uint64_t n)
{
	return 63 - (unsigned)__builtin_clzll(n - 1);
}

/* MTH(D[from:to]), where from is a multiple of every power of two up to to - from: the perfect subtrees of the range, joined. */
static bool range_root(uint64_t from, uint64_t to, merkle_read *read, void *ctx, struct merkle_hash *ret, struct err *e)
{
	struct merkle_hash peak[64];
	unsigned count = 0;
	while (from < to) {
		unsigned level = 63 - (unsigned)__builtin_clzll(to - from);
		if (!read(ctx, level, from >> level, &peak[count++], e))
			return false;
		from += (uint64_t)1 << level;
	}
	join(peak, count, ret);
	return true;
}

static void reverse(struct merkle_proof *p)
{
	for (uint32_t i = 0; i < p->count / 2; i++) {
		struct merkle_hash h = p->hash[i];
		p->hash[i] = p->hash[p->count - 1 - i];
		p->hash[p->count - 1 - i] = h;
	}
}

/* Walks from the root of [0, size) down to where `at` is alone or `until` is reached, and notes every neighbour on the way:
 * PATH and SUBPROOF of the RFC are this same walk, written from the root, so that the proof is reversed in the end.
 * *ret_from is where the range begins at which it stopped. */
static bool walk_down(uint64_t at, uint64_t until, uint64_t size, merkle_read *read, void *ctx, struct merkle_proof *ret,
		      uint64_t *ret_from, struct err *e)
{
	uint64_t from = 0, to = size;
	while (to - from > 1 && to != until) {
		uint64_t middle = from + ((uint64_t)1 << split_level(to - from));
		bool left = at < middle;
		struct merkle_hash *neighbour = &ret->hash[ret->count++];
		if (!range_root(left ? middle : from, left ? to : middle, read, ctx, neighbour, e))
			return false;
		if (left)
			to = middle;
		else
			from = middle;
	}
	*ret_from = from;
	return true;
}

bool merkle_prove_inclusion(uint64_t index, uint64_t size, merkle_read *read, void *ctx, struct merkle_proof *ret,
			    struct err *e)
{
	uint64_t from;
	assert(index < size && size <= (uint64_t)1 << 63);
	ret->count = 0;
	if (!walk_down(index, 0, size, read, ctx, ret, &from, e))
		return false;
	reverse(ret);
	return true;
}

bool merkle_prove_consistency(uint64_t old, uint64_t size, merkle_read *read, void *ctx, struct merkle_proof *ret,
			      struct err *e)
{
	uint64_t from;
	assert(old <= size && size <= (uint64_t)1 << 63);
	ret->count = 0;
	if (old == 0 || old == size)
		return true;
	if (!walk_down(old - 1, old, size, read, ctx, ret, &from, e))
		return false;
	/* The last leaf's range ends where the old tree ends; if it is the whole old tree, the checker has its root already. */
	if (from > 0 && !range_root(from, old, read, ctx, &ret->hash[ret->count++], e))
		return false;
	reverse(ret);
	return true;
}

/* One step up in both trees (RFC 9162, 2.1.3.2 and 2.1.4.2): past the levels where the node has no right neighbour. */
static void step_up(uint64_t *node, uint64_t *last)
{
	while (!(*node & 1) && *node) {
		*node >>= 1;
		*last >>= 1;
	}
	*node >>= 1;
	*last >>= 1;
}

bool merkle_includes(const struct merkle_hash *leaf, uint64_t index, uint64_t size, const struct merkle_proof *proof,
		     const struct merkle_hash *root)
{
	if (index >= size || proof->count > MERKLE_PROOF_MAX)
		return false;
	uint64_t node = index, last = size - 1;
	struct merkle_hash h = *leaf;
	for (uint32_t i = 0; i < proof->count; i++) {
		if (last == 0)
			return false;
		if (node & 1 || node == last) {
			merkle_node(&proof->hash[i], &h, &h);
			step_up(&node, &last);
		} else {
			merkle_node(&h, &proof->hash[i], &h);
			node >>= 1;
			last >>= 1;
		}
	}
	return last == 0 && hash_equal(&h, root);
}

bool merkle_extends(uint64_t old, const struct merkle_hash *old_root, uint64_t size, const struct merkle_hash *root,
		    const struct merkle_proof *proof)
{
	if (old > size || proof->count > MERKLE_PROOF_MAX)
		return false;
	if (old == size)
		return proof->count == 0 && hash_equal(old_root, root);
	if (old == 0)
		return proof->count == 0;
	uint64_t node = old - 1, last = size - 1;
	while (node & 1) {
		node >>= 1;
		last >>= 1;
	}
	/* node is 0 where the old tree is perfect: then its root, which we know, is where both walks begin. */
	uint32_t i = node ? 1 : 0;
	if (node && proof->count == 0)
		return false;
	struct merkle_hash old_h = node ? proof->hash[0] : *old_root, h = old_h;
	for (; i < proof->count; i++) {
		if (last == 0)
			return false;
		if (node & 1 || node == last) {
			merkle_node(&proof->hash[i], &old_h, &old_h);
			merkle_node(&proof->hash[i], &h, &h);
			step_up(&node, &last);
		} else {
			merkle_node(&h, &proof->hash[i], &h);
			node >>= 1;
			last >>= 1;
		}
	}
	return last == 0 && hash_equal(&old_h, old_root) && hash_equal(&h, root);
}
