/* SPDX-License-Identifier: Apache-2.0 */
/* DPS's TPM attestation: the storage root key in the leaf key's place, proved to be in the TPM by a credential. And the two
 * public areas that go to the service, made again from the judged numbers, which must be what the TPM itself shows. */
#include "certs/tpm_identity.h"
#include "tests/certs/check.h"
#include "tests/certs/slot.h"

#include <string.h>

static int storage_open(void **state)
{
	const TPM2B_PUBLIC srk = soft_template_srk();
	slot_open(state);
	struct slot *s = *state;
	s->policy.storage_key = true;
	soft_key_fini(&s->leaf);
	soft_tpm_primary(&s->tpm, ESYS_TR_RH_OWNER, &srk, &s->leaf);
	return 0;
}

static void prove_storage_key(struct slot *s)
{
	slot_begin(s, CHALLENGE_LEAF);
	slot_give_secret(s);
	CHECK_OK(slot_judge(s), s->e);
}

static void storage_key_is_proved_by_a_credential(void **state)
{
	struct slot *s = *state;
	uint8_t hash[SHA256_SIZE];
	prove_storage_key(s);
	assert_int_equal(s->verdict.leaf.kind, KEY_RSA);
	assert_memory_equal(s->verdict.leaf.rsa_modulus, s->leaf.public_area.data + s->leaf.public_area.len - 256, 256);
	CHECK_OK(key_spki_sha256(&s->verdict.leaf, hash, &s->e), s->e);
	assert_memory_equal(s->verdict.spki_sha256, hash, sizeof(hash));
}

static void public_areas_made_from_judged_numbers_are_those_of_the_tpm(void **state)
{
	struct slot *s = *state;
	AUTO(bytes) struct bytes made = {0};
	prove_storage_key(s);
	CHECK_OK(tpm_identity_ek(&s->ek_verdict.key, &made, &s->e), s->e);
	assert_int_equal(made.len, 316);
	assert_true(bytes_equal(&made, &s->ek.public_area));
	CHECK_OK(tpm_identity_srk(&s->verdict.leaf, &made, &s->e), s->e);
	assert_int_equal(made.len, 284);
	assert_true(bytes_equal(&made, &s->leaf.public_area));
}

static void keys_of_another_kind_have_no_such_area(void **state)
{
	struct slot *s = *state;
	AUTO(bytes) struct bytes made = {0};
	prove_storage_key(s);
	struct key_public key = s->ek_verdict.key;
	key.rsa_bits = 3072;
	CHECK_FAILS(tpm_identity_ek(&key, &made, &s->e), E_EK_KIND, s->e);
	key = s->ek_verdict.key;
	key.rsa_exponent = 65539;
	CHECK_FAILS(tpm_identity_srk(&key, &made, &s->e), E_EK_KIND, s->e);
	key.kind = KEY_P256;
	CHECK_FAILS(tpm_identity_ek(&key, &made, &s->e), E_EK_KIND, s->e);
}

static void storage_key_of_another_tpm_does_not_answer(void **state)
{
	struct slot *s = *state;
	const TPM2B_PUBLIC srk = soft_template_srk();
	struct soft_tpm other = {0};
	struct soft_key mine = s->leaf;
	const uint8_t guess[32] = {0};
	s->leaf = (struct soft_key){0};
	soft_tpm_start(&other, "GOOD0002");
	soft_tpm_primary(&other, ESYS_TR_RH_OWNER, &srk, &s->leaf);
	soft_tpm_stop(&other);
	slot_begin(s, CHALLENGE_LEAF);
	assert_false(soft_tpm_activate(&s->tpm, &mine, &s->ek, &s->asked, &s->secret));
	CHECK_OK(verifier_take(s->judge, EVIDENCE_SECRET, guess, sizeof(guess), &s->e), s->e);
	CHECK_FAILS(slot_judge(s), E_CHALLENGE, s->e);
	assert_true(slot_verdict_is_empty(s));
	soft_key_fini(&mine);
}

/* What stands before the modulus: sizes, algorithms, attributes, policy. */
static void storage_key_with_any_bit_of_its_template_changed_is_refused(void **state)
{
	struct slot *s = *state;
	struct bytes *area = &s->leaf.public_area;
	slot_give_keys(s);
	CHECK_OK(slot_judge_ek(s), s->e);
	CHECK_OK(slot_ask(s, CHALLENGE_LEAF), s->e);
	for (size_t bit = 0; bit < 8 * (area->len - 256); bit++) {
		area->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		slot_give(s, EVIDENCE_LEAF_PUBLIC, area);
		CHECK_FAILS(slot_ask(s, CHALLENGE_LEAF), E_CERTIFY, s->e);
		area->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	area->data[23] = area->data[25] = 1;	/* 65537 written out, where the template says 0: the same key under another name */
	slot_give(s, EVIDENCE_LEAF_PUBLIC, area);
	CHECK_FAILS(slot_ask(s, CHALLENGE_LEAF), E_CERTIFY, s->e);
	area->data[23] = area->data[25] = 0;
	area->data[area->len - 1] ^= 1;	/* an even modulus */
	slot_give(s, EVIDENCE_LEAF_PUBLIC, area);
	CHECK_FAILS(slot_ask(s, CHALLENGE_LEAF), E_KEY_WEAK, s->e);
}

static void leaf_key_and_endorsement_key_are_no_storage_key(void **state)
{
	struct slot *s = *state;
	const TPM2B_PUBLIC leaf = soft_template_leaf(1);
	slot_give_keys(s);
	CHECK_OK(slot_judge_ek(s), s->e);
	slot_give(s, EVIDENCE_LEAF_PUBLIC, &s->ek.public_area);
	CHECK_FAILS(slot_ask(s, CHALLENGE_LEAF), E_CERTIFY, s->e);
	soft_key_fini(&s->leaf);
	soft_tpm_primary(&s->tpm, ESYS_TR_RH_OWNER, &leaf, &s->leaf);
	slot_give_keys(s);
	CHECK_FAILS(slot_ask(s, CHALLENGE_LEAF), E_CERTIFY, s->e);
}

static void storage_key_in_the_place_of_a_leaf_key_is_refused(void **state)
{
	struct slot *s = *state;
	s->policy.storage_key = false;
	slot_give_keys(s);
	CHECK_OK(slot_judge_ek(s), s->e);
	CHECK_FAILS(slot_ask(s, CHALLENGE_LEAF), E_CERTIFY, s->e);
}

static void only_the_storage_key_is_asked_about(void **state)
{
	struct slot *s = *state;
	prove_storage_key(s);
	CHECK_FAILS(slot_ask(s, CHALLENGE_AK), E_VERIFIER, s->e);
	CHECK_FAILS(slot_ask(s, CHALLENGE_KEY), E_VERIFIER, s->e);
	CHECK_FAILS(slot_ask(s, CHALLENGE_CSR), E_VERIFIER, s->e);
}

static void installation_is_judged_by_the_bundle_alone(void **state)
{
	struct slot *s = *state;
	uint8_t hash[SHA256_SIZE];
	slot_give_bundle(s, SLOT_BUNDLE_LEN, hash);
	CHECK_FAILS(verifier_judge_install(s->judge, hash, true, &s->e), E_VERIFIER, s->e);
	prove_storage_key(s);
	slot_give_bundle(s, SLOT_BUNDLE_LEN, hash);
	CHECK_FAILS(verifier_judge_install(s->judge, hash, false, &s->e), E_KEY_SILENT, s->e);	/* nothing signs */
	slot_give_bundle(s, SLOT_BUNDLE_LEN, hash);
	CHECK_OK(verifier_judge_install(s->judge, hash, true, &s->e), s->e);
	slot_give_bundle(s, SLOT_BUNDLE_LEN - 1, hash);
	CHECK_FAILS(verifier_judge_install(s->judge, hash, true, &s->e), E_READ_BACK, s->e);
}

#define T(name) cmocka_unit_test_setup_teardown(name, storage_open, slot_close)

int main(int argc, char **argv)
{
	slot_plant(argc, argv);
	const struct CMUnitTest tests[] = {
		T(storage_key_is_proved_by_a_credential),
		T(public_areas_made_from_judged_numbers_are_those_of_the_tpm),
		T(keys_of_another_kind_have_no_such_area),
		T(storage_key_of_another_tpm_does_not_answer),
		T(storage_key_with_any_bit_of_its_template_changed_is_refused),
		T(leaf_key_and_endorsement_key_are_no_storage_key),
		T(storage_key_in_the_place_of_a_leaf_key_is_refused),
		T(only_the_storage_key_is_asked_about),
		T(installation_is_judged_by_the_bundle_alone),
	};
	return cmocka_run_group_tests(tests, slot_plant_open, slot_plant_close);
}
