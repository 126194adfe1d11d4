/* SPDX-License-Identifier: Apache-2.0 */
#include "station/base/merkle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define LEAVES 70

/* The tree's nodes as the edge reported them, level by level. */
struct tree {
	struct merkle_edge edge;
	struct merkle_hash node[8][128];
	unsigned have[8];
	struct merkle_hash leaf[LEAVES];
	struct merkle_hash root[LEAVES + 1];
};

/* RFC 6962, section 2.1, word for word: MTH(D[n]) = SHA-256(0x01 || MTH(D[0:k]) || MTH(D[k:n])). */
static void mth(const struct merkle_hash *leaf, uint64_t n, struct merkle_hash *ret)
{
	struct merkle_hash left, right;
	uint64_t k = 1;
	if (n == 0) {
		sha256_of("", 0, ret->h);
		return;
	}
	if (n == 1) {
		*ret = leaf[0];
		return;
	}
	while (k * 2 < n)
		k *= 2;
	mth(leaf, k, &left);
	mth(leaf + k, n - k, &right);
	uint8_t whole[1 + 2 * MERKLE_HASH] = {1};
	memcpy(whole + 1, left.h, MERKLE_HASH);
	memcpy(whole + 1 + MERKLE_HASH, right.h, MERKLE_HASH);
	sha256_of(whole, sizeof(whole), ret->h);
}

static bool note_node(void *ctx, unsigned level, uint64_t index, const struct merkle_hash *hash, struct err *e)
{
	struct tree *t = ctx;
	assert_true(level < 8 && index == t->have[level]);
	t->node[level][t->have[level]++] = *hash;
	return true;
}

static bool read_node(void *ctx, unsigned level, uint64_t index, struct merkle_hash *ret, struct err *e)
{
	struct tree *t = ctx;
	assert_true(level < 8 && index < t->have[level]);
	*ret = t->node[level][index];
	return true;
}

static int plant(void **state)
{
	struct tree *t = calloc(1, sizeof(*t));
	struct err e = {0};
	if (!t)
		return -1;
	merkle_root(&t->edge, &t->root[0]);
	for (unsigned i = 0; i < LEAVES; i++) {
		char entry[16];
		merkle_leaf(entry, (size_t)snprintf(entry, sizeof(entry), "entry %u", i), &t->leaf[i]);
		if (!merkle_append(&t->edge, &t->leaf[i], note_node, t, &e))
			return -1;
		merkle_root(&t->edge, &t->root[i + 1]);
	}
	*state = t;
	return 0;
}

static int fell(void **state)
{
	free(*state);
	return 0;
}

static void hex_is(const struct merkle_hash *hash, const char *hex)
{
	char text[2 * MERKLE_HASH + 1];
	for (size_t i = 0; i < MERKLE_HASH; i++)
		snprintf(text + 2 * i, 3, "%02x", hash->h[i]);
	assert_string_equal(text, hex);
}

static void known_answers_hold(void **state)
{
	struct merkle_edge empty = {0};
	struct merkle_hash h, zero;
	merkle_root(&empty, &h);
	hex_is(&h, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	merkle_leaf("", 0, &zero);	/* SHA-256 of one zero byte */
	hex_is(&zero, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
}

static void every_root_is_the_recursive_definition(void **state)
{
	struct tree *t = *state;
	for (unsigned n = 0; n <= LEAVES; n++) {
		struct merkle_hash root;
		mth(t->leaf, n, &root);
		assert_memory_equal(&root, &t->root[n], sizeof(root));
	}
}

static void every_completed_subtree_is_reported_once(void **state)
{
	struct tree *t = *state;
	for (unsigned level = 0; level < 8; level++) {
		assert_int_equal(t->have[level], LEAVES >> level);
		for (unsigned i = 0; i < t->have[level]; i++) {
			struct merkle_hash h;
			mth(t->leaf + (i << level), (uint64_t)1 << level, &h);
			assert_memory_equal(&h, &t->node[level][i], sizeof(h));
		}
	}
}

static bool refuse_third(void *ctx, unsigned level, uint64_t index, const struct merkle_hash *hash, struct err *e)
{
	return level < 2 || err_set(e, E_DB, "no");
}

static void an_append_that_cannot_be_stored_leaves_the_edge_unchanged(void **state)
{
	struct tree *t = *state;
	struct merkle_edge edge = {0}, before;
	struct err e = {0};
	for (unsigned i = 0; i < 3; i++)
		assert_true(merkle_append(&edge, &t->leaf[i], NULL, NULL, &e));
	before = edge;
	assert_false(merkle_append(&edge, &t->leaf[3], refuse_third, NULL, &e));
	assert_int_equal(e.code, E_DB);
	assert_memory_equal(&edge, &before, sizeof(edge));
}

/* RFC 6962, 2.1.1, word for word: PATH(m, D[n]). */
static void path(const struct merkle_hash *leaf, uint64_t m, uint64_t n, struct merkle_proof *p)
{
	uint64_t k = 1;
	if (n == 1)
		return;
	while (k * 2 < n)
		k *= 2;
	path(m < k ? leaf : leaf + k, m < k ? m : m - k, m < k ? k : n - k, p);
	mth(m < k ? leaf + k : leaf, m < k ? n - k : k, &p->hash[p->count++]);
}

/* 2.1.2: SUBPROOF(m, D[n], b). */
static void subproof(const struct merkle_hash *leaf, uint64_t m, uint64_t n, bool whole, struct merkle_proof *p)
{
	uint64_t k = 1;
	if (m == n) {
		if (!whole)
			mth(leaf, n, &p->hash[p->count++]);
		return;
	}
	while (k * 2 < n)
		k *= 2;
	if (m <= k) {
		subproof(leaf, m, k, whole, p);
		mth(leaf + k, n - k, &p->hash[p->count++]);
	} else {
		subproof(leaf + k, m - k, n - k, false, p);
		mth(leaf, k, &p->hash[p->count++]);
	}
}

static void expect_proof(const struct merkle_proof *got, const struct merkle_proof *want)
{
	assert_int_equal(got->count, want->count);
	assert_memory_equal(got->hash, want->hash, want->count * sizeof(want->hash[0]));
}

static void every_inclusion_proof_is_the_recursive_definition_and_convinces(void **state)
{
	struct tree *t = *state;
	struct err e = {0};
	for (uint64_t size = 1; size <= LEAVES; size++)
		for (uint64_t i = 0; i < size; i++) {
			struct merkle_proof proof, want = {0};
			assert_true(merkle_prove_inclusion(i, size, read_node, t, &proof, &e));
			path(t->leaf, i, size, &want);
			expect_proof(&proof, &want);
			assert_true(merkle_includes(&t->leaf[i], i, size, &proof, &t->root[size]));
		}
}

static void every_consistency_proof_is_the_recursive_definition_and_convinces(void **state)
{
	struct tree *t = *state;
	struct err e = {0};
	for (uint64_t size = 0; size <= LEAVES; size++)
		for (uint64_t old = 0; old <= size; old++) {
			struct merkle_proof proof, want = {0};
			assert_true(merkle_prove_consistency(old, size, read_node, t, &proof, &e));
			if (old > 0 && old < size)
				subproof(t->leaf, old, size, true, &want);
			expect_proof(&proof, &want);
			assert_true(merkle_extends(old, &t->root[old], size, &t->root[size], &proof));
		}
}

/* A proof with one bit changed, one hash less, one more, or two exchanged. */
static unsigned mutations(const struct merkle_proof *proof, struct merkle_proof *out)
{
	unsigned n = 0;
	for (uint32_t i = 0; i < proof->count; i++) {
		out[n] = *proof;
		out[n++].hash[i].h[i % MERKLE_HASH] ^= (uint8_t)(1 << i % 8);
	}
	out[n] = *proof;
	out[n].hash[out[n].count] = (struct merkle_hash){{1}};
	out[n++].count++;
	if (proof->count) {
		out[n] = *proof;
		out[n++].count--;
		out[n] = *proof;
		memmove(out[n].hash, out[n].hash + 1, (proof->count - 1) * sizeof(proof->hash[0]));
		out[n++].count--;
	}
	if (proof->count > 1) {
		out[n] = *proof;
		out[n].hash[0] = proof->hash[1];
		out[n++].hash[1] = proof->hash[0];
	}
	out[n] = *proof;
	out[n++].count = MERKLE_PROOF_MAX + 1;
	return n;
}

static void no_mutated_inclusion_proof_convinces(void **state)
{
	struct tree *t = *state;
	struct err e = {0};
	struct merkle_proof bad[16];
	for (uint64_t size = 1; size <= LEAVES; size++)
		for (uint64_t i = 0; i < size; i++) {
			struct merkle_proof proof;
			assert_true(merkle_prove_inclusion(i, size, read_node, t, &proof, &e));
			for (unsigned n = mutations(&proof, bad); n--;)
				assert_false(merkle_includes(&t->leaf[i], i, size, &bad[n], &t->root[size]));
			for (uint64_t other = 0; other <= LEAVES; other++) {
				if (other != i)
					assert_false(merkle_includes(&t->leaf[i], other, size, &proof, &t->root[size]));
				if (other != size)
					assert_false(merkle_includes(&t->leaf[i], i, size, &proof, &t->root[other]));
				if (other < LEAVES && other != i)
					assert_false(merkle_includes(&t->leaf[other], i, size, &proof, &t->root[size]));
			}
		}
}

static void no_mutated_consistency_proof_convinces(void **state)
{
	struct tree *t = *state;
	struct err e = {0};
	struct merkle_proof bad[16];
	for (uint64_t size = 1; size <= LEAVES; size++)
		for (uint64_t old = 1; old <= size; old++) {
			struct merkle_proof proof;
			assert_true(merkle_prove_consistency(old, size, read_node, t, &proof, &e));
			for (unsigned n = mutations(&proof, bad); n--;)
				assert_false(merkle_extends(old, &t->root[old], size, &t->root[size], &bad[n]));
			for (uint64_t other = 0; other <= LEAVES; other++) {
				if (other != old)
					assert_false(merkle_extends(old, &t->root[other], size, &t->root[size], &proof));
				if (other != size)
					assert_false(merkle_extends(old, &t->root[old], size, &t->root[other], &proof));
			}
			assert_false(merkle_extends(size + 1, &t->root[old], size, &t->root[size], &proof));
		}
}

static bool imagine_node(void *ctx, unsigned level, uint64_t index, struct merkle_hash *ret, struct err *e)
{
	memset(ret, (int)level, sizeof(*ret));
	return true;
}

static void proofs_of_the_greatest_tree_fit_into_their_room(void **state)
{
	struct err e = {0};
	struct merkle_proof proof;
	uint64_t size = (uint64_t)1 << 63;
	assert_true(merkle_prove_inclusion(0, size, imagine_node, NULL, &proof, &e));
	assert_int_equal(proof.count, 63);
	assert_true(merkle_prove_consistency(size - 1, size, imagine_node, NULL, &proof, &e));
	assert_int_equal(proof.count, 64);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, plant, fell)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(known_answers_hold),
		TEST(every_root_is_the_recursive_definition),
		TEST(every_completed_subtree_is_reported_once),
		TEST(an_append_that_cannot_be_stored_leaves_the_edge_unchanged),
		TEST(every_inclusion_proof_is_the_recursive_definition_and_convinces),
		TEST(every_consistency_proof_is_the_recursive_definition_and_convinces),
		TEST(no_mutated_inclusion_proof_convinces),
		TEST(no_mutated_consistency_proof_convinces),
		TEST(proofs_of_the_greatest_tree_fit_into_their_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
