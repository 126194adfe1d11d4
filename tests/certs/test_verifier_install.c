/* SPDX-License-Identifier: Apache-2.0 */
/* The last claim: what was read back is what was installed, and the key beside it signs. */
#include "tests/certs/check.h"
#include "tests/certs/slot.h"

#include <string.h>

static void installed_bundle_and_living_key_are_accepted(void **state)
{
	struct slot *s = *state;
	uint8_t hash[SHA256_SIZE];
	slot_prove_leaf(s);
	CHECK_OK(slot_ask(s, CHALLENGE_KEY), s->e);
	assert_int_equal(s->asked.blob_len, 0);
	slot_give_bundle(s, SLOT_BUNDLE_LEN, hash);
	slot_give_signature(s, &s->leaf, s->asked.nonce);
	CHECK_OK(verifier_judge_install(s->judge, hash, false, &s->e), s->e);
	CHECK_FAILS(verifier_judge_install(s->judge, hash, false, &s->e), E_KEY_SILENT, s->e);	/* used up */
	slot_give_bundle(s, SLOT_BUNDLE_LEN, hash);
	CHECK_OK(verifier_judge_install(s->judge, hash, true, &s->e), s->e);	/* a closed unit signs no more */
	CHECK_FAILS(verifier_judge_install(s->judge, hash, true, &s->e), E_READ_BACK, s->e);	/* read anew each time */
}

static void bundle_of_other_bytes_is_refused(void **state)
{
	struct slot *s = *state;
	uint8_t hash[SHA256_SIZE];
	slot_prove_leaf(s);
	for (size_t len = 0; len < SLOT_BUNDLE_LEN; len++) {
		CHECK_OK(slot_ask(s, CHALLENGE_KEY), s->e);
		slot_give_bundle(s, len, hash);
		slot_give_signature(s, &s->leaf, s->asked.nonce);
		CHECK_FAILS(verifier_judge_install(s->judge, hash, false, &s->e), E_READ_BACK, s->e);
	}
}

static void signature_by_another_key_or_over_an_old_nonce_is_refused(void **state)
{
	struct slot *s = *state;
	const TPM2B_PUBLIC template = soft_template_leaf(6);
	struct soft_key other = {0};
	struct challenge first;
	uint8_t hash[SHA256_SIZE];
	soft_tpm_primary(&s->tpm, ESYS_TR_RH_OWNER, &template, &other);
	slot_prove_leaf(s);
	CHECK_OK(slot_ask(s, CHALLENGE_KEY), s->e);
	first = s->asked;
	slot_give_bundle(s, SLOT_BUNDLE_LEN, hash);
	slot_give_signature(s, &other, s->asked.nonce);
	CHECK_FAILS(verifier_judge_install(s->judge, hash, false, &s->e), E_KEY_SILENT, s->e);
	CHECK_OK(slot_ask(s, CHALLENGE_KEY), s->e);
	slot_give_bundle(s, SLOT_BUNDLE_LEN, hash);
	slot_give_signature(s, &s->leaf, first.nonce);
	CHECK_FAILS(verifier_judge_install(s->judge, hash, false, &s->e), E_KEY_SILENT, s->e);
	CHECK_OK(slot_ask(s, CHALLENGE_KEY), s->e);
	slot_give_bundle(s, SLOT_BUNDLE_LEN, hash);
	CHECK_FAILS(verifier_judge_install(s->judge, hash, false, &s->e), E_KEY_SILENT, s->e);
	soft_key_fini(&other);
}

static void signature_of_another_length_is_refused(void **state)
{
	struct slot *s = *state;
	uint8_t sent[sizeof(struct key_signature) + 1] = {0}, hash[SHA256_SIZE];
	struct key_signature sig;
	slot_prove_leaf(s);
	for (size_t len = sizeof(sig) - 1; len <= sizeof(sig) + 1; len++) {
		CHECK_OK(slot_ask(s, CHALLENGE_KEY), s->e);
		soft_tpm_sign(&s->tpm, &s->leaf, s->asked.nonce, &sig);
		memcpy(sent, &sig, sizeof(sig));
		slot_give_bundle(s, SLOT_BUNDLE_LEN, hash);
		CHECK_OK(verifier_take(s->judge, EVIDENCE_SIGNATURE, sent, len, &s->e), s->e);
		if (len == sizeof(sig))
			CHECK_OK(verifier_judge_install(s->judge, hash, false, &s->e), s->e);
		else
			CHECK_FAILS(verifier_judge_install(s->judge, hash, false, &s->e), E_KEY_SILENT, s->e);
	}
}

static void signature_with_any_bit_flipped_is_refused(void **state)
{
	struct slot *s = *state;
	struct key_signature sig;
	uint8_t hash[SHA256_SIZE];
	slot_prove_leaf(s);
	for (size_t bit = 0; bit < sizeof(sig) * 8; bit++) {
		CHECK_OK(slot_ask(s, CHALLENGE_KEY), s->e);
		soft_tpm_sign(&s->tpm, &s->leaf, s->asked.nonce, &sig);
		((uint8_t *)&sig)[bit / 8] ^= 1 << bit % 8;
		slot_give_bundle(s, SLOT_BUNDLE_LEN, hash);
		CHECK_OK(verifier_take(s->judge, EVIDENCE_SIGNATURE, &sig, sizeof(sig), &s->e), s->e);
		CHECK_FAILS(verifier_judge_install(s->judge, hash, false, &s->e), E_KEY_SILENT, s->e);
	}
}

/* An AK's challenge also has a nonce, and a leaf key signs whatever it is given: that answers no challenge to the key. */
static void signature_over_the_nonce_of_another_kind_of_challenge_is_refused(void **state)
{
	struct slot *s = *state;
	uint8_t hash[SHA256_SIZE];
	slot_prove_leaf(s);
	CHECK_OK(slot_ask(s, CHALLENGE_AK), s->e);
	slot_give_bundle(s, SLOT_BUNDLE_LEN, hash);
	slot_give_signature(s, &s->leaf, s->asked.nonce);
	CHECK_FAILS(verifier_judge_install(s->judge, hash, false, &s->e), E_KEY_SILENT, s->e);
}

static void nothing_read_back_is_no_bundle_even_if_nothing_is_expected(void **state)
{
	struct slot *s = *state;
	uint8_t hash[SHA256_SIZE];
	slot_prove_leaf(s);
	sha256_of("", 0, hash);
	CHECK_FAILS(verifier_judge_install(s->judge, hash, true, &s->e), E_READ_BACK, s->e);
}

#define T(name) cmocka_unit_test_setup_teardown(name, slot_open, slot_close)

int main(int argc, char **argv)
{
	slot_plant(argc, argv);
	const struct CMUnitTest tests[] = {
		T(installed_bundle_and_living_key_are_accepted),
		T(bundle_of_other_bytes_is_refused),
		T(signature_by_another_key_or_over_an_old_nonce_is_refused),
		T(signature_of_another_length_is_refused),
		T(signature_with_any_bit_flipped_is_refused),
		T(signature_over_the_nonce_of_another_kind_of_challenge_is_refused),
		T(nothing_read_back_is_no_bundle_even_if_nothing_is_expected),
	};
	return cmocka_run_group_tests(tests, slot_plant_open, slot_plant_close);
}
