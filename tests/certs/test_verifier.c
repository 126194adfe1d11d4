/* SPDX-License-Identifier: Apache-2.0 */
/* The judge against real TPM software: whole ceremonies, and the order of its claims. The attacks on each claim are in the files beside
 * this one. */
#include "certs/verifier.h"
#include "tests/certs/check.h"
#include "tests/certs/slot.h"

#include <string.h>

/* ---- honest units ---- */

static void honest_unit_is_proved(void **state)
{
	struct slot *s = *state;
	uint8_t hash[SHA256_SIZE];
	slot_prove_leaf(s);
	sha256_of(s->ek.public_area.data, s->ek.public_area.len, hash);
	assert_memory_equal(s->ek_verdict.ek_sha256, hash, sizeof(hash));
	sha256_of(s->cert.data, s->cert.len, hash);
	assert_memory_equal(s->ek_verdict.cert_sha256, hash, sizeof(hash));
	assert_string_equal(s->ek_verdict.template_name, "L-1");
	assert_string_equal(s->ek_verdict.manufacturer, "id:00001014");
	assert_string_equal(s->ek_verdict.model, "swtpm");
	assert_true(s->ek_verdict.version[0]);
	assert_int_equal(s->ek_verdict.key.kind, KEY_RSA);
	CHECK_OK(key_spki_sha256(&s->ek_verdict.key, hash, &s->e), s->e);
	assert_memory_equal(s->ek_verdict.spki_sha256, hash, sizeof(hash));
	/* unique is the end of a public area */
	assert_memory_equal(s->verdict.leaf.y, s->leaf.public_area.data + s->leaf.public_area.len - 32, 32);
	assert_memory_equal(s->verdict.leaf.x, s->leaf.public_area.data + s->leaf.public_area.len - 66, 32);
	CHECK_OK(key_spki_sha256(&s->verdict.leaf, hash, &s->e), s->e);
	assert_memory_equal(s->verdict.spki_sha256, hash, sizeof(hash));
	sha256_of(s->asked.nonce, sizeof(s->asked.nonce), hash);
	assert_memory_equal(s->verdict.nonce_sha256, hash, sizeof(hash));
	const struct span evidence[] = {{s->attest.data, s->attest.len}, {s->sig.data, s->sig.len}};
	sha256(evidence, 2, hash);
	assert_memory_equal(s->verdict.evidence_sha256, hash, sizeof(hash));
}

static void closed_unit_is_recognised_by_its_leaf_key_alone(void **state)
{
	struct slot *s = *state;
	uint8_t hash[SHA256_SIZE];
	slot_begin(s, CHALLENGE_LEAF);
	slot_give_secret(s);
	CHECK_OK(slot_judge(s), s->e);
	assert_memory_equal(s->verdict.leaf.x, s->leaf.public_area.data + s->leaf.public_area.len - 66, 32);
	sha256_of(s->secret.data, s->secret.len, hash);
	sha256_of(hash, sizeof(hash), hash);
	assert_memory_equal(s->verdict.evidence_sha256, hash, sizeof(hash));
}

static void unit_with_p256_endorsement_key_is_proved(void **state)
{
	struct slot *s = *state;
	const TPM2B_PUBLIC l2 = soft_template_ek_p256();
	slot_use_ek(s, &l2, false);
	bytes_clear(&s->cert);
	slot_give(s, EVIDENCE_EK_PUBLIC, &s->ek.public_area);
	slot_give(s, EVIDENCE_AK_PUBLIC, &s->ak.public_area);
	slot_give(s, EVIDENCE_LEAF_PUBLIC, &s->leaf.public_area);
	CHECK_OK(slot_judge_ek(s), s->e);
	assert_string_equal(s->ek_verdict.template_name, "L-2");
	assert_string_equal(s->ek_verdict.manufacturer, "");
	CHECK_OK(slot_ask(s, CHALLENGE_AK), s->e);
	slot_give_secret(s);
	slot_certify(s, &s->leaf, &s->ak);
	CHECK_OK(slot_judge(s), s->e);
}

/* ---- order ---- */

static void claims_are_judged_in_their_order_only(void **state)
{
	struct slot *s = *state;
	uint8_t hash[SHA256_SIZE];
	slot_give_keys(s);
	CHECK_FAILS(slot_ask(s, CHALLENGE_AK), E_VERIFIER, s->e);
	CHECK_FAILS(slot_ask(s, CHALLENGE_LEAF), E_VERIFIER, s->e);
	CHECK_FAILS(slot_ask(s, CHALLENGE_KEY), E_VERIFIER, s->e);
	CHECK_FAILS(slot_ask(s, (enum challenge_about)9), E_VERIFIER, s->e);
	CHECK_FAILS(slot_judge(s), E_CHALLENGE, s->e);
	slot_give_bundle(s, SLOT_BUNDLE_LEN, hash);
	CHECK_FAILS(verifier_judge_install(s->judge, hash, true, &s->e), E_VERIFIER, s->e);
	CHECK_OK(slot_judge_ek(s), s->e);
	CHECK_FAILS(slot_ask(s, CHALLENGE_KEY), E_VERIFIER, s->e);
	slot_prove_leaf(s);
	CHECK_OK(slot_ask(s, CHALLENGE_KEY), s->e);
	CHECK_FAILS(slot_judge(s), E_CHALLENGE, s->e);	/* a signature is not asked for by this */
	CHECK_FAILS(slot_ask(s, CHALLENGE_KEY), E_VERIFIER, s->e);	/* and what failed is not judged any more */
}

/* A challenge to the key has no secret, which must not be taken for a secret of zeros. */
static void secret_of_zeros_answers_no_challenge_to_the_key(void **state)
{
	struct slot *s = *state;
	const uint8_t zeros[32] = {0};
	slot_prove_leaf(s);
	CHECK_OK(slot_ask(s, CHALLENGE_KEY), s->e);
	CHECK_OK(verifier_take(s->judge, EVIDENCE_SECRET, zeros, sizeof(zeros), &s->e), s->e);
	slot_certify(s, &s->leaf, &s->ak);
	CHECK_FAILS(slot_judge(s), E_CHALLENGE, s->e);
}

/* Nor has a judge that has asked nothing a secret of zeros. */
static void secret_of_zeros_answers_no_challenge_that_was_never_made(void **state)
{
	struct slot *s = *state;
	const uint8_t zeros[32] = {0};
	slot_give_keys(s);
	CHECK_OK(slot_judge_ek(s), s->e);
	CHECK_OK(verifier_take(s->judge, EVIDENCE_SECRET, zeros, sizeof(zeros), &s->e), s->e);
	slot_certify(s, &s->leaf, &s->ak);	/* over a nonce of zeros */
	CHECK_FAILS(slot_judge(s), E_CHALLENGE, s->e);
}

static void another_endorsement_key_ends_what_was_proved(void **state)
{
	struct slot *s = *state;
	slot_prove_leaf(s);
	CHECK_OK(verifier_take(s->judge, EVIDENCE_EK_PUBLIC, "x", 1, &s->e), s->e);
	CHECK_FAILS(slot_judge_ek(s), E_EK_TEMPLATE, s->e);
	CHECK_FAILS(slot_ask(s, CHALLENGE_KEY), E_VERIFIER, s->e);
	CHECK_FAILS(slot_ask(s, CHALLENGE_AK), E_VERIFIER, s->e);
}

static void evidence_of_unknown_kind_or_size_is_refused(void **state)
{
	struct slot *s = *state;
	static const uint8_t large[EVIDENCE_MAX + 1];
	CHECK_FAILS(verifier_take(s->judge, 0, "x", 1, &s->e), E_VERIFIER, s->e);
	CHECK_FAILS(verifier_take(s->judge, EVIDENCE_KINDS, "x", 1, &s->e), E_VERIFIER, s->e);
	CHECK_FAILS(verifier_take(s->judge, EVIDENCE_BUNDLE, "", 0, &s->e), E_VERIFIER, s->e);
	CHECK_FAILS(verifier_take(s->judge, EVIDENCE_BUNDLE, large, sizeof(large), &s->e), E_VERIFIER, s->e);
	CHECK_OK(verifier_take(s->judge, EVIDENCE_BUNDLE, large, EVIDENCE_MAX, &s->e), s->e);
}

static void policy_with_a_root_that_is_no_certificate_is_refused(void **state)
{
	struct slot *s = *state;
	struct verifier *v = NULL;
	uint8_t junk[] = "junk";
	const struct bytes root = {.data = junk, .len = sizeof(junk)};
	const struct verifier_policy policy = {.roots = &root, .root_count = 1, .need_ek_cert = true};
	CHECK_FAILS(verifier_new(&policy, &v, &s->e), E_CONFIG, s->e);
	assert_null(v);
}

#define T(name) cmocka_unit_test_setup_teardown(name, slot_open, slot_close)

int main(int argc, char **argv)
{
	slot_plant(argc, argv);
	const struct CMUnitTest tests[] = {
		T(honest_unit_is_proved),
		T(closed_unit_is_recognised_by_its_leaf_key_alone),
		T(unit_with_p256_endorsement_key_is_proved),
		T(claims_are_judged_in_their_order_only),
		T(secret_of_zeros_answers_no_challenge_to_the_key),
		T(secret_of_zeros_answers_no_challenge_that_was_never_made),
		T(another_endorsement_key_ends_what_was_proved),
		T(evidence_of_unknown_kind_or_size_is_refused),
		T(policy_with_a_root_that_is_no_certificate_is_refused),
	};
	return cmocka_run_group_tests(tests, slot_plant_open, slot_plant_close);
}
