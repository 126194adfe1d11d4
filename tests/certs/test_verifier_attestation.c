/* SPDX-License-Identifier: Apache-2.0 */
/* The second and third claim: this TPM holds the endorsement key, and the leaf key lives in it. */
#include "tests/certs/check.h"
#include "tests/certs/slot.h"

#include <string.h>

/* ---- the credential ---- */

static void replayed_secret_is_refused(void **state)
{
	struct slot *s = *state;
	slot_begin(s, CHALLENGE_AK);
	slot_give_secret(s);
	CHECK_OK(slot_ask(s, CHALLENGE_AK), s->e);
	slot_give(s, EVIDENCE_SECRET, &s->secret);
	slot_certify(s, &s->leaf, &s->ak);
	CHECK_FAILS(slot_judge(s), E_CHALLENGE, s->e);
}

static void every_wrong_byte_of_the_secret_is_refused(void **state)
{
	struct slot *s = *state;
	slot_give_keys(s);
	CHECK_OK(slot_judge_ek(s), s->e);
	for (size_t i = 0; i < 32; i++) {
		CHECK_OK(slot_ask(s, CHALLENGE_LEAF), s->e);
		assert_true(soft_tpm_activate(&s->tpm, &s->leaf, &s->ek, &s->asked, &s->secret));
		assert_int_equal(s->secret.len, 32);
		s->secret.data[i] ^= 0x80;
		slot_give(s, EVIDENCE_SECRET, &s->secret);
		CHECK_FAILS(slot_judge(s), E_CHALLENGE, s->e);
	}
}

static void secret_of_every_other_length_is_refused(void **state)
{
	struct slot *s = *state;
	slot_give_keys(s);
	CHECK_OK(slot_judge_ek(s), s->e);
	for (size_t len = 0; len < 40; len++) {
		uint8_t longer[40] = {0};
		CHECK_OK(slot_ask(s, CHALLENGE_LEAF), s->e);
		assert_true(soft_tpm_activate(&s->tpm, &s->leaf, &s->ek, &s->asked, &s->secret));
		memcpy(longer, s->secret.data, 32);
		if (len)
			CHECK_OK(verifier_take(s->judge, EVIDENCE_SECRET, longer, len, &s->e), s->e);
		if (len == 32)
			CHECK_OK(slot_judge(s), s->e);
		else
			CHECK_FAILS(slot_judge(s), E_CHALLENGE, s->e);
	}
}

static void challenge_is_used_up_by_one_answer(void **state)
{
	struct slot *s = *state;
	slot_prove_leaf(s);
	slot_give(s, EVIDENCE_SECRET, &s->secret);
	slot_give_attestation(s);
	CHECK_FAILS(slot_judge(s), E_CHALLENGE, s->e);
	slot_begin(s, CHALLENGE_AK);
	CHECK_FAILS(slot_judge(s), E_CHALLENGE, s->e);	/* nothing was sent: that was the one answer */
	slot_give_secret(s);
	slot_certify(s, &s->leaf, &s->ak);
	CHECK_FAILS(slot_judge(s), E_CHALLENGE, s->e);
}

static void challenge_is_void_once_another_was_asked_for_even_in_vain(void **state)
{
	struct slot *s = *state;
	struct challenge first;
	slot_begin(s, CHALLENGE_AK);
	first = s->asked;
	CHECK_FAILS(slot_ask(s, CHALLENGE_KEY), E_VERIFIER, s->e);
	s->asked = first;
	slot_give_secret(s);
	slot_certify(s, &s->leaf, &s->ak);
	CHECK_FAILS(slot_judge(s), E_CHALLENGE, s->e);
}

static void challenges_never_repeat(void **state)
{
	struct slot *s = *state;
	struct challenge first;
	slot_begin(s, CHALLENGE_AK);
	first = s->asked;
	CHECK_OK(slot_ask(s, CHALLENGE_AK), s->e);
	assert_memory_not_equal(first.nonce, s->asked.nonce, sizeof(first.nonce));
	assert_memory_not_equal(first.blob, s->asked.blob, first.blob_len);
	assert_memory_not_equal(first.secret, s->asked.secret, first.secret_len);
}

static void credential_for_the_leaf_key_opens_for_no_other_key(void **state)
{
	struct slot *s = *state;
	slot_begin(s, CHALLENGE_LEAF);
	assert_false(soft_tpm_activate(&s->tpm, &s->ak, &s->ek, &s->asked, &s->secret));
}

static void leaf_key_exchanged_after_its_challenge_is_not_proved(void **state)
{
	struct slot *s = *state;
	const TPM2B_PUBLIC template = soft_template_leaf(2);
	struct soft_key other = {0};
	slot_begin(s, CHALLENGE_LEAF);
	slot_give_secret(s);
	soft_tpm_primary(&s->tpm, ESYS_TR_RH_OWNER, &template, &other);
	slot_give(s, EVIDENCE_LEAF_PUBLIC, &other.public_area);
	CHECK_OK(slot_judge(s), s->e);
	assert_memory_equal(s->verdict.leaf.x, s->leaf.public_area.data + s->leaf.public_area.len - 66, 32);
	soft_key_fini(&other);
}

/* ---- the attestation key ---- */

/* A challenge that was refused has no answer, and in particular not a secret of zeros. */
static void ak_is_refused(struct slot *s, const TPM2B_PUBLIC *template)
{
	const uint8_t zeros[32] = {0};
	soft_key_fini(&s->ak);
	soft_tpm_primary(&s->tpm, ESYS_TR_RH_ENDORSEMENT, template, &s->ak);
	slot_give_keys(s);
	CHECK_OK(slot_judge_ek(s), s->e);
	CHECK_OK(verifier_take(s->judge, EVIDENCE_SECRET, zeros, sizeof(zeros), &s->e), s->e);
	CHECK_FAILS(slot_ask(s, CHALLENGE_AK), E_CERTIFY, s->e);
	CHECK_FAILS(slot_judge(s), E_CHALLENGE, s->e);
}

static void ak_not_restricted_is_refused(void **state)
{
	TPM2B_PUBLIC template = soft_template_ak();
	template.publicArea.objectAttributes &= ~(TPMA_OBJECT)TPMA_OBJECT_RESTRICTED;
	ak_is_refused(*state, &template);
}

static void ak_not_fixed_to_its_tpm_is_refused(void **state)
{
	TPM2B_PUBLIC template = soft_template_ak();
	template.publicArea.objectAttributes &= ~(TPMA_OBJECT)(TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT);
	ak_is_refused(*state, &template);
}

static void ak_of_the_owner_hierarchy_is_refused(void **state)
{
	struct slot *s = *state;
	const TPM2B_PUBLIC template = soft_template_ak();
	soft_key_fini(&s->ak);
	soft_tpm_primary(&s->tpm, ESYS_TR_RH_OWNER, &template, &s->ak);
	slot_begin(s, CHALLENGE_AK);
	slot_give_secret(s);
	slot_certify(s, &s->leaf, &s->ak);
	CHECK_FAILS(slot_judge(s), E_CERTIFY, s->e);
}

static void ak_of_another_tpm_is_refused(void **state)
{
	struct slot *s = *state;
	const TPM2B_PUBLIC template = soft_template_ak();
	struct soft_tpm other = {0};
	struct soft_key mine = s->ak;
	s->ak = (struct soft_key){0};
	soft_tpm_start(&other, "GOOD0002");
	soft_tpm_primary(&other, ESYS_TR_RH_ENDORSEMENT, &template, &s->ak);
	slot_begin(s, CHALLENGE_AK);
	assert_false(soft_tpm_activate(&s->tpm, &mine, &s->ek, &s->asked, &s->secret));
	soft_tpm_stop(&other);
	soft_key_fini(&mine);
}

/* ---- the leaf key ---- */

/* A leaf key whose public area the device shows as it is, or as it should be. */
static void leaf_is_refused_shown_truly_and_falsely(struct slot *s)
{
	struct bytes truth = s->leaf.public_area;
	uint32_t should = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
			  TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_SIGN_ENCRYPT;
	slot_begin(s, CHALLENGE_AK);
	slot_give_secret(s);
	slot_certify(s, &s->leaf, &s->ak);
	CHECK_FAILS(slot_judge(s), E_CERTIFY, s->e);
	CHECK_FAILS(slot_ask(s, CHALLENGE_LEAF), E_CERTIFY, s->e);

	for (size_t i = 0; i < 4; i++)
		truth.data[6 + i] = (uint8_t)(should >> (24 - 8 * i));	/* behind size, type and name algorithm */
	slot_begin(s, CHALLENGE_AK);
	slot_give_secret(s);
	slot_certify(s, &s->leaf, &s->ak);
	CHECK_FAILS(slot_judge(s), E_CERTIFY, s->e);
	CHECK_OK(slot_ask(s, CHALLENGE_LEAF), s->e);
	assert_false(soft_tpm_activate(&s->tpm, &s->leaf, &s->ek, &s->asked, &s->secret));
}

static void leaf_key_not_fixed_to_tpm_is_refused(void **state)
{
	struct slot *s = *state;
	TPM2B_PUBLIC template = soft_template_leaf(3);
	template.publicArea.objectAttributes &= ~(TPMA_OBJECT)(TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT);
	soft_key_fini(&s->leaf);
	soft_tpm_primary(&s->tpm, ESYS_TR_RH_OWNER, &template, &s->leaf);
	leaf_is_refused_shown_truly_and_falsely(s);
}

static void imported_leaf_is_refused(void **state)
{
	struct slot *s = *state;
	soft_key_fini(&s->leaf);
	soft_tpm_import(&s->tpm, &s->leaf);
	leaf_is_refused_shown_truly_and_falsely(s);
}

/* It would be gone when the TPM starts again. */
static void leaf_of_the_null_hierarchy_is_refused(void **state)
{
	struct slot *s = *state;
	const TPM2B_PUBLIC template = soft_template_leaf(4);
	soft_key_fini(&s->leaf);
	soft_tpm_primary(&s->tpm, ESYS_TR_RH_NULL, &template, &s->leaf);
	slot_begin(s, CHALLENGE_AK);
	slot_give_secret(s);
	slot_certify(s, &s->leaf, &s->ak);
	CHECK_FAILS(slot_judge(s), E_CERTIFY, s->e);
}

static void attestation_of_another_key_is_refused(void **state)
{
	struct slot *s = *state;
	const TPM2B_PUBLIC template = soft_template_leaf(5);
	struct soft_key other = {0};
	soft_tpm_primary(&s->tpm, ESYS_TR_RH_OWNER, &template, &other);
	slot_begin(s, CHALLENGE_AK);
	slot_give_secret(s);
	slot_certify(s, &other, &s->ak);
	CHECK_FAILS(slot_judge(s), E_CERTIFY, s->e);
	assert_true(slot_verdict_is_empty(s));
	soft_key_fini(&other);
}

/* A key that is in no TPM signs what it likes; here it is one of the TPM's that is not restricted. */
static void attestation_by_another_key_is_refused(void **state)
{
	struct slot *s = *state;
	slot_begin(s, CHALLENGE_AK);
	slot_give_secret(s);
	slot_certify(s, &s->leaf, &s->leaf);
	CHECK_FAILS(slot_judge(s), E_CERTIFY, s->e);
}

static void old_nonce_is_refused(void **state)
{
	struct slot *s = *state;
	slot_prove_leaf(s);
	CHECK_OK(slot_ask(s, CHALLENGE_AK), s->e);
	slot_give_secret(s);
	slot_give_attestation(s);
	CHECK_FAILS(slot_judge(s), E_CERTIFY, s->e);
	assert_true(slot_verdict_is_empty(s));	/* nothing of the one before stays */
}

static void attestation_sent_before_the_challenge_is_refused(void **state)
{
	struct slot *s = *state;
	slot_begin(s, CHALLENGE_AK);
	slot_give_secret(s);
	slot_certify(s, &s->leaf, &s->ak);
	CHECK_OK(slot_ask(s, CHALLENGE_AK), s->e);
	slot_give_secret(s);
	CHECK_FAILS(slot_judge(s), E_CERTIFY, s->e);
}

static void trailing_bytes_behind_attestation_or_signature_are_refused(void **state)
{
	struct slot *s = *state;
	for (int which = 0; which < 2; which++) {
		slot_begin(s, CHALLENGE_AK);
		slot_give_secret(s);
		soft_tpm_certify(&s->tpm, &s->leaf, &s->ak, s->asked.nonce, &s->attest, &s->sig);
		CHECK_OK(bytes_add(which ? &s->attest : &s->sig, "", 1, &s->e), s->e);
		slot_give_attestation(s);
		CHECK_FAILS(slot_judge(s), E_CERTIFY, s->e);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, slot_open, slot_close)

int main(int argc, char **argv)
{
	slot_plant(argc, argv);
	const struct CMUnitTest tests[] = {
		T(replayed_secret_is_refused),
		T(every_wrong_byte_of_the_secret_is_refused),
		T(secret_of_every_other_length_is_refused),
		T(challenge_is_used_up_by_one_answer),
		T(challenge_is_void_once_another_was_asked_for_even_in_vain),
		T(challenges_never_repeat),
		T(credential_for_the_leaf_key_opens_for_no_other_key),
		T(leaf_key_exchanged_after_its_challenge_is_not_proved),
		T(ak_not_restricted_is_refused),
		T(ak_not_fixed_to_its_tpm_is_refused),
		T(ak_of_the_owner_hierarchy_is_refused),
		T(ak_of_another_tpm_is_refused),
		T(leaf_key_not_fixed_to_tpm_is_refused),
		T(imported_leaf_is_refused),
		T(leaf_of_the_null_hierarchy_is_refused),
		T(attestation_of_another_key_is_refused),
		T(attestation_by_another_key_is_refused),
		T(old_nonce_is_refused),
		T(attestation_sent_before_the_challenge_is_refused),
		T(trailing_bytes_behind_attestation_or_signature_are_refused),
	};
	return cmocka_run_group_tests(tests, slot_plant_open, slot_plant_close);
}
