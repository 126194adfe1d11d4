/* SPDX-License-Identifier: Apache-2.0 */
/* The first claim: whose endorsement key it is. */
#include "tests/certs/check.h"
#include "tests/certs/slot.h"

#include <openssl/rand.h>

static void certificate_of_another_ek_is_refused(void **state)
{
	struct slot *s = *state;
	struct soft_tpm other = {0};
	soft_tpm_start(&other, "GOOD0002");
	soft_tpm_ek_cert(&other, &s->cert);
	soft_tpm_stop(&other);
	slot_give_keys(s);
	CHECK_FAILS(slot_judge_ek(s), E_EK_MISMATCH, s->e);
	CHECK_FAILS(slot_ask(s, CHALLENGE_AK), E_VERIFIER, s->e);
}

static void ek_with_empty_unique_does_not_match_the_makers_certificate(void **state)
{
	struct slot *s = *state;
	const TPM2B_PUBLIC empty = soft_template_ek_rsa(0);
	slot_use_ek(s, &empty, true);
	slot_give_keys(s);
	CHECK_FAILS(slot_judge_ek(s), E_EK_MISMATCH, s->e);
	s->policy.need_ek_cert = false;	/* nor does a profile that needs no chain take a certificate of another key */
	CHECK_FAILS(slot_judge_ek(s), E_EK_MISMATCH, s->e);
}

static void ek_of_the_tcg_template_is_the_one_that_the_maker_certified(void **state)
{
	struct slot *s = *state;
	const TPM2B_PUBLIC standard = soft_template_ek_rsa(256);
	slot_use_ek(s, &standard, true);
	slot_prove_leaf(s);
}

static void rogue_vendor_root_is_refused(void **state)
{
	struct slot *s = *state;
	struct soft_tpm rogue = {0};
	soft_key_fini(&s->ek);
	soft_tpm_start(&rogue, "ROGUE0001");
	soft_tpm_ek(&rogue, &s->ek);
	soft_tpm_ek_cert(&rogue, &s->cert);
	soft_tpm_stop(&rogue);
	slot_give_keys(s);
	CHECK_FAILS(slot_judge_ek(s), E_EK_CHAIN, s->e);
	CHECK_FAILS(slot_ask(s, CHALLENGE_AK), E_VERIFIER, s->e);
}

static void unit_without_certificate_is_refused(void **state)
{
	struct slot *s = *state;
	CHECK_FAILS(slot_judge_ek(s), E_EK_TEMPLATE, s->e);
	slot_give(s, EVIDENCE_EK_PUBLIC, &s->ek.public_area);
	CHECK_FAILS(slot_judge_ek(s), E_EK_CERT_MISSING, s->e);
}

static void signing_key_in_the_place_of_the_ek_is_refused(void **state)
{
	struct slot *s = *state;
	slot_give(s, EVIDENCE_EK_PUBLIC, &s->leaf.public_area);
	slot_give(s, EVIDENCE_EK_CERT, &s->cert);
	CHECK_FAILS(slot_judge_ek(s), E_EK_TEMPLATE, s->e);
}

/* That the profile needs no certificate does not mean that anything passes for an endorsement key. */
static void profile_without_a_chain_still_asks_for_an_endorsement_key(void **state)
{
	struct slot *s = *state;
	s->policy.need_ek_cert = false;
	CHECK_FAILS(slot_judge_ek(s), E_EK_TEMPLATE, s->e);
	slot_give(s, EVIDENCE_EK_PUBLIC, &s->leaf.public_area);
	CHECK_FAILS(slot_judge_ek(s), E_EK_TEMPLATE, s->e);
	CHECK_OK(verifier_take(s->judge, EVIDENCE_EK_PUBLIC, s->ek.public_area.data, s->ek.public_area.len - 1, &s->e), s->e);
	CHECK_FAILS(slot_judge_ek(s), E_EK_TEMPLATE, s->e);
	slot_give(s, EVIDENCE_AK_PUBLIC, &s->ak.public_area);
	CHECK_FAILS(slot_ask(s, CHALLENGE_AK), E_VERIFIER, s->e);
}

/* The imitation shows the public key and certificate of a good TPM, which are no secrets. */
static void ek_of_another_tpm_is_refused(void **state)
{
	struct slot *s = *state;
	struct soft_tpm other = {0};
	struct soft_key mine = s->ek;
	uint8_t guess[32];
	s->ek = (struct soft_key){0};
	soft_tpm_start(&other, "GOOD0002");
	soft_tpm_ek(&other, &s->ek);
	soft_tpm_ek_cert(&other, &s->cert);
	soft_tpm_stop(&other);
	slot_begin(s, CHALLENGE_AK);
	assert_false(soft_tpm_activate(&s->tpm, &s->ak, &mine, &s->asked, &s->secret));
	assert_int_equal(RAND_bytes(guess, sizeof(guess)), 1);
	CHECK_OK(verifier_take(s->judge, EVIDENCE_SECRET, guess, sizeof(guess), &s->e), s->e);
	slot_certify(s, &s->leaf, &s->ak);
	CHECK_FAILS(slot_judge(s), E_CHALLENGE, s->e);
	assert_true(slot_verdict_is_empty(s));
	soft_key_fini(&mine);
}

static void ek_exchanged_after_its_judgement_changes_nothing(void **state)
{
	struct slot *s = *state;
	const TPM2B_PUBLIC empty = soft_template_ek_rsa(0);
	struct soft_key other = {0};
	soft_tpm_primary(&s->tpm, ESYS_TR_RH_ENDORSEMENT, &empty, &other);
	slot_give_keys(s);
	CHECK_OK(slot_judge_ek(s), s->e);
	slot_give(s, EVIDENCE_EK_PUBLIC, &other.public_area);
	CHECK_OK(slot_ask(s, CHALLENGE_AK), s->e);
	assert_false(soft_tpm_activate(&s->tpm, &s->ak, &other, &s->asked, &s->secret));
	slot_give_secret(s);
	soft_key_fini(&other);
}

/* Or a unit could be challenged as one TPM, and its verdict stand beside the endorsement key of another. */
static void challenge_is_void_once_an_endorsement_key_is_judged_again(void **state)
{
	struct slot *s = *state;
	slot_begin(s, CHALLENGE_AK);
	CHECK_OK(slot_judge_ek(s), s->e);
	slot_give_secret(s);
	slot_certify(s, &s->leaf, &s->ak);
	CHECK_FAILS(slot_judge(s), E_CHALLENGE, s->e);
}

#define T(name) cmocka_unit_test_setup_teardown(name, slot_open, slot_close)

int main(int argc, char **argv)
{
	slot_plant(argc, argv);
	const struct CMUnitTest tests[] = {
		T(certificate_of_another_ek_is_refused),
		T(ek_with_empty_unique_does_not_match_the_makers_certificate),
		T(ek_of_the_tcg_template_is_the_one_that_the_maker_certified),
		T(rogue_vendor_root_is_refused),
		T(unit_without_certificate_is_refused),
		T(signing_key_in_the_place_of_the_ek_is_refused),
		T(profile_without_a_chain_still_asks_for_an_endorsement_key),
		T(ek_of_another_tpm_is_refused),
		T(ek_exchanged_after_its_judgement_changes_nothing),
		T(challenge_is_void_once_an_endorsement_key_is_judged_again),
	};
	return cmocka_run_group_tests(tests, slot_plant_open, slot_plant_close);
}
