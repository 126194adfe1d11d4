/* SPDX-License-Identifier: Apache-2.0 */
/* The judge against real TPM software: whole ceremonies, and the attacks that it is there for. */
#include "certs/verifier.h"
#include "tests/certs/check.h"
#include "tests/certs/soft_tpm.h"

#include <assert.h>
#include <string.h>

#include <openssl/rand.h>

static struct {
	struct bytes root, issuing;
	const char *python, *manufacture;
} plant;

/* One slot: a judge, the unit before it, and the unit's keys. */
struct slot {
	struct verifier_policy policy;
	struct verifier *judge;
	struct soft_tpm tpm;
	struct soft_key ek, ak, leaf;
	struct bytes cert;
	struct bytes secret, attest, sig;
	struct challenge asked;
	struct ek_verdict ek_verdict;
	struct attest_verdict verdict;
	struct err e;
};

static int plant_open(void **state)
{
	soft_tpm_manufacture(plant.python, plant.manufacture);
	soft_tpm_vendor(&plant.root, &plant.issuing);
	return 0;
}

static int plant_close(void **state)
{
	bytes_fini(&plant.root);
	bytes_fini(&plant.issuing);
	soft_tpm_scrap();
	return 0;
}

static void slot_keys(struct slot *s, const TPM2B_PUBLIC *ak, const TPM2B_PUBLIC *leaf)
{
	soft_tpm_primary(&s->tpm, ESYS_TR_RH_ENDORSEMENT, ak, &s->ak);
	soft_tpm_primary(&s->tpm, ESYS_TR_RH_OWNER, leaf, &s->leaf);
}

static int slot_open(void **state)
{
	struct slot *s = calloc(1, sizeof(*s));
	const TPM2B_PUBLIC ak = soft_template_ak(), leaf = soft_template_leaf(1);
	assert_non_null(s);
	s->policy = (struct verifier_policy){&plant.root, 1, &plant.issuing, 1, true};
	CHECK_OK(verifier_new(&s->policy, &s->judge, &s->e), s->e);
	soft_tpm_start(&s->tpm, "GOOD0001");
	soft_tpm_ek(&s->tpm, &s->ek);
	soft_tpm_ek_cert(&s->tpm, &s->cert);
	slot_keys(s, &ak, &leaf);
	*state = s;
	return 0;
}

static int slot_close(void **state)
{
	struct slot *s = *state;
	verifier_free(s->judge);
	soft_tpm_stop(&s->tpm);
	soft_key_fini(&s->ek);
	soft_key_fini(&s->ak);
	soft_key_fini(&s->leaf);
	bytes_fini(&s->cert);
	bytes_fini(&s->secret);
	bytes_fini(&s->attest);
	bytes_fini(&s->sig);
	free(s);
	return 0;
}

/* ---- the steps of the ceremony ---- */

static void give(struct slot *s, enum evidence_kind kind, const struct bytes *b)
{
	CHECK_OK(verifier_take(s->judge, kind, b->data, b->len, &s->e), s->e);
}

static void give_keys(struct slot *s)
{
	give(s, EVIDENCE_EK_PUBLIC, &s->ek.public_area);
	give(s, EVIDENCE_EK_CERT, &s->cert);
	give(s, EVIDENCE_AK_PUBLIC, &s->ak.public_area);
	give(s, EVIDENCE_LEAF_PUBLIC, &s->leaf.public_area);
}

static bool judge_ek(struct slot *s)
{
	return verifier_judge_ek(s->judge, &s->ek_verdict, &s->e);
}

static bool ask(struct slot *s, enum challenge_about about)
{
	return verifier_challenge(s->judge, about, &s->asked, &s->e);
}

static bool judge(struct slot *s)
{
	return verifier_judge_attestation(s->judge, &s->verdict, &s->e);
}

static void begin(struct slot *s, enum challenge_about about)
{
	give_keys(s);
	CHECK_OK(judge_ek(s), s->e);
	CHECK_OK(ask(s, about), s->e);
}

static void give_secret(struct slot *s)
{
	const struct soft_key *named = s->asked.about == CHALLENGE_LEAF ? &s->leaf : &s->ak;
	assert_true(soft_tpm_activate(&s->tpm, named, &s->ek, &s->asked, &s->secret));
	give(s, EVIDENCE_SECRET, &s->secret);
}

static void give_attestation(struct slot *s)
{
	give(s, EVIDENCE_ATTEST, &s->attest);
	give(s, EVIDENCE_ATTEST_SIG, &s->sig);
}

static void certify(struct slot *s, const struct soft_key *object, const struct soft_key *signer)
{
	soft_tpm_certify(&s->tpm, object, signer, s->asked.nonce, &s->attest, &s->sig);
	give_attestation(s);
}

/* Everything up to the verdict. */
static void prove_leaf(struct slot *s)
{
	begin(s, CHALLENGE_AK);
	give_secret(s);
	certify(s, &s->leaf, &s->ak);
	CHECK_OK(judge(s), s->e);
}

static bool verdict_is_empty(const struct slot *s)
{
	static const struct attest_verdict none;
	return memcmp(&s->verdict, &none, sizeof(none)) == 0;
}

/* ---- honest units ---- */

static void honest_unit_is_proved(void **state)
{
	struct slot *s = *state;
	uint8_t hash[SHA256_SIZE];
	prove_leaf(s);
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
	begin(s, CHALLENGE_LEAF);
	give_secret(s);
	CHECK_OK(judge(s), s->e);
	assert_memory_equal(s->verdict.leaf.x, s->leaf.public_area.data + s->leaf.public_area.len - 66, 32);
	sha256_of(s->secret.data, s->secret.len, hash);
	sha256_of(hash, sizeof(hash), hash);
	assert_memory_equal(s->verdict.evidence_sha256, hash, sizeof(hash));
}

/* A policy that asks for no certificate, and a unit's endorsement key of this template. */
static void use_other_ek(struct slot *s, const TPM2B_PUBLIC *template, bool need_ek_cert)
{
	soft_key_fini(&s->ek);
	soft_tpm_primary(&s->tpm, ESYS_TR_RH_ENDORSEMENT, template, &s->ek);
	s->policy.need_ek_cert = need_ek_cert;
}

static void unit_with_p256_endorsement_key_is_proved(void **state)
{
	struct slot *s = *state;
	const TPM2B_PUBLIC l2 = soft_template_ek_p256();
	use_other_ek(s, &l2, false);
	bytes_clear(&s->cert);
	give(s, EVIDENCE_EK_PUBLIC, &s->ek.public_area);
	give(s, EVIDENCE_AK_PUBLIC, &s->ak.public_area);
	give(s, EVIDENCE_LEAF_PUBLIC, &s->leaf.public_area);
	CHECK_OK(judge_ek(s), s->e);
	assert_string_equal(s->ek_verdict.template_name, "L-2");
	assert_string_equal(s->ek_verdict.manufacturer, "");
	CHECK_OK(ask(s, CHALLENGE_AK), s->e);
	give_secret(s);
	certify(s, &s->leaf, &s->ak);
	CHECK_OK(judge(s), s->e);
}

/* ---- the endorsement key ---- */

static void certificate_of_another_ek_is_refused(void **state)
{
	struct slot *s = *state;
	struct soft_tpm other = {0};
	soft_tpm_start(&other, "GOOD0002");
	soft_tpm_ek_cert(&other, &s->cert);
	soft_tpm_stop(&other);
	give_keys(s);
	CHECK_FAILS(judge_ek(s), E_EK_MISMATCH, s->e);
	CHECK_FAILS(ask(s, CHALLENGE_AK), E_VERIFIER, s->e);
}

static void ek_with_empty_unique_does_not_match_the_makers_certificate(void **state)
{
	struct slot *s = *state;
	const TPM2B_PUBLIC empty = soft_template_ek_rsa(0);
	use_other_ek(s, &empty, true);
	give_keys(s);
	CHECK_FAILS(judge_ek(s), E_EK_MISMATCH, s->e);
	s->policy.need_ek_cert = false;	/* nor does a profile that needs no chain take a certificate of another key */
	CHECK_FAILS(judge_ek(s), E_EK_MISMATCH, s->e);
}

static void ek_of_the_tcg_template_is_the_one_that_the_maker_certified(void **state)
{
	struct slot *s = *state;
	const TPM2B_PUBLIC standard = soft_template_ek_rsa(256);
	use_other_ek(s, &standard, true);
	prove_leaf(s);
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
	give_keys(s);
	CHECK_FAILS(judge_ek(s), E_EK_CHAIN, s->e);
	CHECK_FAILS(ask(s, CHALLENGE_AK), E_VERIFIER, s->e);
}

static void unit_without_certificate_is_refused(void **state)
{
	struct slot *s = *state;
	CHECK_FAILS(judge_ek(s), E_EK_TEMPLATE, s->e);
	give(s, EVIDENCE_EK_PUBLIC, &s->ek.public_area);
	CHECK_FAILS(judge_ek(s), E_EK_CERT_MISSING, s->e);
}

static void signing_key_in_the_place_of_the_ek_is_refused(void **state)
{
	struct slot *s = *state;
	give(s, EVIDENCE_EK_PUBLIC, &s->leaf.public_area);
	give(s, EVIDENCE_EK_CERT, &s->cert);
	CHECK_FAILS(judge_ek(s), E_EK_TEMPLATE, s->e);
}

/* That the profile needs no certificate does not mean that anything passes for an endorsement key. */
static void profile_without_a_chain_still_asks_for_an_endorsement_key(void **state)
{
	struct slot *s = *state;
	s->policy.need_ek_cert = false;
	CHECK_FAILS(judge_ek(s), E_EK_TEMPLATE, s->e);
	give(s, EVIDENCE_EK_PUBLIC, &s->leaf.public_area);
	CHECK_FAILS(judge_ek(s), E_EK_TEMPLATE, s->e);
	CHECK_OK(verifier_take(s->judge, EVIDENCE_EK_PUBLIC, s->ek.public_area.data, s->ek.public_area.len - 1, &s->e), s->e);
	CHECK_FAILS(judge_ek(s), E_EK_TEMPLATE, s->e);
	give(s, EVIDENCE_AK_PUBLIC, &s->ak.public_area);
	CHECK_FAILS(ask(s, CHALLENGE_AK), E_VERIFIER, s->e);
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
	begin(s, CHALLENGE_AK);
	assert_false(soft_tpm_activate(&s->tpm, &s->ak, &mine, &s->asked, &s->secret));
	assert_int_equal(RAND_bytes(guess, sizeof(guess)), 1);
	CHECK_OK(verifier_take(s->judge, EVIDENCE_SECRET, guess, sizeof(guess), &s->e), s->e);
	certify(s, &s->leaf, &s->ak);
	CHECK_FAILS(judge(s), E_CHALLENGE, s->e);
	assert_true(verdict_is_empty(s));
	soft_key_fini(&mine);
}

static void ek_exchanged_after_its_judgement_changes_nothing(void **state)
{
	struct slot *s = *state;
	const TPM2B_PUBLIC empty = soft_template_ek_rsa(0);
	struct soft_key other = {0};
	soft_tpm_primary(&s->tpm, ESYS_TR_RH_ENDORSEMENT, &empty, &other);
	give_keys(s);
	CHECK_OK(judge_ek(s), s->e);
	give(s, EVIDENCE_EK_PUBLIC, &other.public_area);
	CHECK_OK(ask(s, CHALLENGE_AK), s->e);
	assert_false(soft_tpm_activate(&s->tpm, &s->ak, &other, &s->asked, &s->secret));
	give_secret(s);
	soft_key_fini(&other);
}

/* Or a unit could be challenged as one TPM, and its verdict stand beside the endorsement key of another. */
static void challenge_is_void_once_an_endorsement_key_is_judged_again(void **state)
{
	struct slot *s = *state;
	begin(s, CHALLENGE_AK);
	CHECK_OK(judge_ek(s), s->e);
	give_secret(s);
	certify(s, &s->leaf, &s->ak);
	CHECK_FAILS(judge(s), E_CHALLENGE, s->e);
}

/* ---- the credential ---- */

static void replayed_secret_is_refused(void **state)
{
	struct slot *s = *state;
	begin(s, CHALLENGE_AK);
	give_secret(s);
	CHECK_OK(ask(s, CHALLENGE_AK), s->e);
	give(s, EVIDENCE_SECRET, &s->secret);
	certify(s, &s->leaf, &s->ak);
	CHECK_FAILS(judge(s), E_CHALLENGE, s->e);
}

static void every_wrong_byte_of_the_secret_is_refused(void **state)
{
	struct slot *s = *state;
	give_keys(s);
	CHECK_OK(judge_ek(s), s->e);
	for (size_t i = 0; i < 32; i++) {
		CHECK_OK(ask(s, CHALLENGE_LEAF), s->e);
		assert_true(soft_tpm_activate(&s->tpm, &s->leaf, &s->ek, &s->asked, &s->secret));
		assert_int_equal(s->secret.len, 32);
		s->secret.data[i] ^= 0x80;
		give(s, EVIDENCE_SECRET, &s->secret);
		CHECK_FAILS(judge(s), E_CHALLENGE, s->e);
	}
}

static void secret_of_every_other_length_is_refused(void **state)
{
	struct slot *s = *state;
	give_keys(s);
	CHECK_OK(judge_ek(s), s->e);
	for (size_t len = 0; len < 40; len++) {
		uint8_t longer[40] = {0};
		CHECK_OK(ask(s, CHALLENGE_LEAF), s->e);
		assert_true(soft_tpm_activate(&s->tpm, &s->leaf, &s->ek, &s->asked, &s->secret));
		memcpy(longer, s->secret.data, 32);
		if (len)
			CHECK_OK(verifier_take(s->judge, EVIDENCE_SECRET, longer, len, &s->e), s->e);
		if (len == 32)
			CHECK_OK(judge(s), s->e);
		else
			CHECK_FAILS(judge(s), E_CHALLENGE, s->e);
	}
}

static void challenge_is_used_up_by_one_answer(void **state)
{
	struct slot *s = *state;
	prove_leaf(s);
	give(s, EVIDENCE_SECRET, &s->secret);
	give_attestation(s);
	CHECK_FAILS(judge(s), E_CHALLENGE, s->e);
	begin(s, CHALLENGE_AK);
	CHECK_FAILS(judge(s), E_CHALLENGE, s->e);	/* nothing was sent: that was the one answer */
	give_secret(s);
	certify(s, &s->leaf, &s->ak);
	CHECK_FAILS(judge(s), E_CHALLENGE, s->e);
}

static void challenge_is_void_once_another_was_asked_for_even_in_vain(void **state)
{
	struct slot *s = *state;
	struct challenge first;
	begin(s, CHALLENGE_AK);
	first = s->asked;
	CHECK_FAILS(ask(s, CHALLENGE_KEY), E_VERIFIER, s->e);
	s->asked = first;
	give_secret(s);
	certify(s, &s->leaf, &s->ak);
	CHECK_FAILS(judge(s), E_CHALLENGE, s->e);
}

static void challenges_never_repeat(void **state)
{
	struct slot *s = *state;
	struct challenge first;
	begin(s, CHALLENGE_AK);
	first = s->asked;
	CHECK_OK(ask(s, CHALLENGE_AK), s->e);
	assert_memory_not_equal(first.nonce, s->asked.nonce, sizeof(first.nonce));
	assert_memory_not_equal(first.blob, s->asked.blob, first.blob_len);
	assert_memory_not_equal(first.secret, s->asked.secret, first.secret_len);
}

static void credential_for_the_leaf_key_opens_for_no_other_key(void **state)
{
	struct slot *s = *state;
	begin(s, CHALLENGE_LEAF);
	assert_false(soft_tpm_activate(&s->tpm, &s->ak, &s->ek, &s->asked, &s->secret));
}

static void leaf_key_exchanged_after_its_challenge_is_not_proved(void **state)
{
	struct slot *s = *state;
	const TPM2B_PUBLIC template = soft_template_leaf(2);
	struct soft_key other = {0};
	begin(s, CHALLENGE_LEAF);
	give_secret(s);
	soft_tpm_primary(&s->tpm, ESYS_TR_RH_OWNER, &template, &other);
	give(s, EVIDENCE_LEAF_PUBLIC, &other.public_area);
	CHECK_OK(judge(s), s->e);
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
	give_keys(s);
	CHECK_OK(judge_ek(s), s->e);
	CHECK_OK(verifier_take(s->judge, EVIDENCE_SECRET, zeros, sizeof(zeros), &s->e), s->e);
	CHECK_FAILS(ask(s, CHALLENGE_AK), E_CERTIFY, s->e);
	CHECK_FAILS(judge(s), E_CHALLENGE, s->e);
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
	begin(s, CHALLENGE_AK);
	give_secret(s);
	certify(s, &s->leaf, &s->ak);
	CHECK_FAILS(judge(s), E_CERTIFY, s->e);
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
	begin(s, CHALLENGE_AK);
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
	begin(s, CHALLENGE_AK);
	give_secret(s);
	certify(s, &s->leaf, &s->ak);
	CHECK_FAILS(judge(s), E_CERTIFY, s->e);
	CHECK_FAILS(ask(s, CHALLENGE_LEAF), E_CERTIFY, s->e);

	for (size_t i = 0; i < 4; i++)
		truth.data[6 + i] = (uint8_t)(should >> (24 - 8 * i));	/* behind size, type and name algorithm */
	begin(s, CHALLENGE_AK);
	give_secret(s);
	certify(s, &s->leaf, &s->ak);
	CHECK_FAILS(judge(s), E_CERTIFY, s->e);
	CHECK_OK(ask(s, CHALLENGE_LEAF), s->e);
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
	begin(s, CHALLENGE_AK);
	give_secret(s);
	certify(s, &s->leaf, &s->ak);
	CHECK_FAILS(judge(s), E_CERTIFY, s->e);
}

static void attestation_of_another_key_is_refused(void **state)
{
	struct slot *s = *state;
	const TPM2B_PUBLIC template = soft_template_leaf(5);
	struct soft_key other = {0};
	soft_tpm_primary(&s->tpm, ESYS_TR_RH_OWNER, &template, &other);
	begin(s, CHALLENGE_AK);
	give_secret(s);
	certify(s, &other, &s->ak);
	CHECK_FAILS(judge(s), E_CERTIFY, s->e);
	assert_true(verdict_is_empty(s));
	soft_key_fini(&other);
}

/* A key that is in no TPM signs what it likes; here it is one of the TPM's that is not restricted. */
static void attestation_by_another_key_is_refused(void **state)
{
	struct slot *s = *state;
	begin(s, CHALLENGE_AK);
	give_secret(s);
	certify(s, &s->leaf, &s->leaf);
	CHECK_FAILS(judge(s), E_CERTIFY, s->e);
}

static void old_nonce_is_refused(void **state)
{
	struct slot *s = *state;
	prove_leaf(s);
	CHECK_OK(ask(s, CHALLENGE_AK), s->e);
	give_secret(s);
	give_attestation(s);
	CHECK_FAILS(judge(s), E_CERTIFY, s->e);
	assert_true(verdict_is_empty(s));	/* nothing of the one before stays */
}

static void attestation_sent_before_the_challenge_is_refused(void **state)
{
	struct slot *s = *state;
	begin(s, CHALLENGE_AK);
	give_secret(s);
	certify(s, &s->leaf, &s->ak);
	CHECK_OK(ask(s, CHALLENGE_AK), s->e);
	give_secret(s);
	CHECK_FAILS(judge(s), E_CERTIFY, s->e);
}

static void trailing_bytes_behind_attestation_or_signature_are_refused(void **state)
{
	struct slot *s = *state;
	for (int which = 0; which < 2; which++) {
		begin(s, CHALLENGE_AK);
		give_secret(s);
		soft_tpm_certify(&s->tpm, &s->leaf, &s->ak, s->asked.nonce, &s->attest, &s->sig);
		CHECK_OK(bytes_add(which ? &s->attest : &s->sig, "", 1, &s->e), s->e);
		give_attestation(s);
		CHECK_FAILS(judge(s), E_CERTIFY, s->e);
	}
}

/* ---- what was installed ---- */

static const uint8_t bundle[] = "leaf, chain, endpoint";

static void give_bundle(struct slot *s, size_t len, uint8_t ret_sha256[static SHA256_SIZE])
{
	CHECK_OK(verifier_take(s->judge, EVIDENCE_BUNDLE, bundle, len, &s->e), s->e);
	sha256_of(bundle, sizeof(bundle), ret_sha256);
}

static void give_signature(struct slot *s, const struct soft_key *key, const uint8_t nonce[static 32])
{
	struct key_signature sig;
	soft_tpm_sign(&s->tpm, key, nonce, &sig);
	CHECK_OK(verifier_take(s->judge, EVIDENCE_SIGNATURE, &sig, sizeof(sig), &s->e), s->e);
}

static void installed_bundle_and_living_key_are_accepted(void **state)
{
	struct slot *s = *state;
	uint8_t hash[SHA256_SIZE];
	prove_leaf(s);
	CHECK_OK(ask(s, CHALLENGE_KEY), s->e);
	assert_int_equal(s->asked.blob_len, 0);
	give_bundle(s, sizeof(bundle), hash);
	give_signature(s, &s->leaf, s->asked.nonce);
	CHECK_OK(verifier_judge_install(s->judge, hash, false, &s->e), s->e);
	CHECK_FAILS(verifier_judge_install(s->judge, hash, false, &s->e), E_KEY_SILENT, s->e);	/* used up */
	give_bundle(s, sizeof(bundle), hash);
	CHECK_OK(verifier_judge_install(s->judge, hash, true, &s->e), s->e);	/* a closed unit signs no more */
	CHECK_FAILS(verifier_judge_install(s->judge, hash, true, &s->e), E_READ_BACK, s->e);	/* read anew each time */
}

static void bundle_of_other_bytes_is_refused(void **state)
{
	struct slot *s = *state;
	uint8_t hash[SHA256_SIZE];
	prove_leaf(s);
	for (size_t len = 0; len < sizeof(bundle); len++) {
		CHECK_OK(ask(s, CHALLENGE_KEY), s->e);
		if (len)
			give_bundle(s, len, hash);
		else
			sha256_of(bundle, sizeof(bundle), hash);
		give_signature(s, &s->leaf, s->asked.nonce);
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
	prove_leaf(s);
	CHECK_OK(ask(s, CHALLENGE_KEY), s->e);
	first = s->asked;
	give_bundle(s, sizeof(bundle), hash);
	give_signature(s, &other, s->asked.nonce);
	CHECK_FAILS(verifier_judge_install(s->judge, hash, false, &s->e), E_KEY_SILENT, s->e);
	CHECK_OK(ask(s, CHALLENGE_KEY), s->e);
	give_bundle(s, sizeof(bundle), hash);
	give_signature(s, &s->leaf, first.nonce);
	CHECK_FAILS(verifier_judge_install(s->judge, hash, false, &s->e), E_KEY_SILENT, s->e);
	CHECK_OK(ask(s, CHALLENGE_KEY), s->e);
	give_bundle(s, sizeof(bundle), hash);
	CHECK_FAILS(verifier_judge_install(s->judge, hash, false, &s->e), E_KEY_SILENT, s->e);
	soft_key_fini(&other);
}

static void signature_of_another_length_is_refused(void **state)
{
	struct slot *s = *state;
	uint8_t sent[sizeof(struct key_signature) + 1] = {0}, hash[SHA256_SIZE];
	struct key_signature sig;
	prove_leaf(s);
	for (size_t len = sizeof(sig) - 1; len <= sizeof(sig) + 1; len++) {
		CHECK_OK(ask(s, CHALLENGE_KEY), s->e);
		soft_tpm_sign(&s->tpm, &s->leaf, s->asked.nonce, &sig);
		memcpy(sent, &sig, sizeof(sig));
		give_bundle(s, sizeof(bundle), hash);
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
	prove_leaf(s);
	for (size_t bit = 0; bit < sizeof(sig) * 8; bit++) {
		CHECK_OK(ask(s, CHALLENGE_KEY), s->e);
		soft_tpm_sign(&s->tpm, &s->leaf, s->asked.nonce, &sig);
		((uint8_t *)&sig)[bit / 8] ^= 1 << bit % 8;
		give_bundle(s, sizeof(bundle), hash);
		CHECK_OK(verifier_take(s->judge, EVIDENCE_SIGNATURE, &sig, sizeof(sig), &s->e), s->e);
		CHECK_FAILS(verifier_judge_install(s->judge, hash, false, &s->e), E_KEY_SILENT, s->e);
	}
}

/* An AK's challenge also has a nonce, and a leaf key signs whatever it is given: that answers no challenge to the key. */
static void signature_over_the_nonce_of_another_kind_of_challenge_is_refused(void **state)
{
	struct slot *s = *state;
	uint8_t hash[SHA256_SIZE];
	prove_leaf(s);
	CHECK_OK(ask(s, CHALLENGE_AK), s->e);
	give_bundle(s, sizeof(bundle), hash);
	give_signature(s, &s->leaf, s->asked.nonce);
	CHECK_FAILS(verifier_judge_install(s->judge, hash, false, &s->e), E_KEY_SILENT, s->e);
}

static void nothing_read_back_is_no_bundle_even_if_nothing_is_expected(void **state)
{
	struct slot *s = *state;
	uint8_t hash[SHA256_SIZE];
	prove_leaf(s);
	sha256_of("", 0, hash);
	CHECK_FAILS(verifier_judge_install(s->judge, hash, true, &s->e), E_READ_BACK, s->e);
}

/* ---- order ---- */

static void claims_are_judged_in_their_order_only(void **state)
{
	struct slot *s = *state;
	uint8_t hash[SHA256_SIZE];
	give_keys(s);
	CHECK_FAILS(ask(s, CHALLENGE_AK), E_VERIFIER, s->e);
	CHECK_FAILS(ask(s, CHALLENGE_LEAF), E_VERIFIER, s->e);
	CHECK_FAILS(ask(s, CHALLENGE_KEY), E_VERIFIER, s->e);
	CHECK_FAILS(ask(s, (enum challenge_about)9), E_VERIFIER, s->e);
	CHECK_FAILS(judge(s), E_CHALLENGE, s->e);
	give_bundle(s, sizeof(bundle), hash);
	CHECK_FAILS(verifier_judge_install(s->judge, hash, true, &s->e), E_VERIFIER, s->e);
	CHECK_OK(judge_ek(s), s->e);
	CHECK_FAILS(ask(s, CHALLENGE_KEY), E_VERIFIER, s->e);
	prove_leaf(s);
	CHECK_OK(ask(s, CHALLENGE_KEY), s->e);
	CHECK_FAILS(judge(s), E_CHALLENGE, s->e);	/* a signature is not asked for by this */
	CHECK_FAILS(ask(s, CHALLENGE_KEY), E_VERIFIER, s->e);	/* and what failed is not judged any more */
}

/* A challenge to the key has no secret, which must not be taken for a secret of zeros. */
static void secret_of_zeros_answers_no_challenge_to_the_key(void **state)
{
	struct slot *s = *state;
	const uint8_t zeros[32] = {0};
	prove_leaf(s);
	CHECK_OK(ask(s, CHALLENGE_KEY), s->e);
	CHECK_OK(verifier_take(s->judge, EVIDENCE_SECRET, zeros, sizeof(zeros), &s->e), s->e);
	certify(s, &s->leaf, &s->ak);
	CHECK_FAILS(judge(s), E_CHALLENGE, s->e);
}

/* Nor has a judge that has asked nothing a secret of zeros. */
static void secret_of_zeros_answers_no_challenge_that_was_never_made(void **state)
{
	struct slot *s = *state;
	const uint8_t zeros[32] = {0};
	give_keys(s);
	CHECK_OK(judge_ek(s), s->e);
	CHECK_OK(verifier_take(s->judge, EVIDENCE_SECRET, zeros, sizeof(zeros), &s->e), s->e);
	certify(s, &s->leaf, &s->ak);	/* over a nonce of zeros */
	CHECK_FAILS(judge(s), E_CHALLENGE, s->e);
}

static void another_endorsement_key_ends_what_was_proved(void **state)
{
	struct slot *s = *state;
	prove_leaf(s);
	CHECK_OK(verifier_take(s->judge, EVIDENCE_EK_PUBLIC, "x", 1, &s->e), s->e);
	CHECK_FAILS(judge_ek(s), E_EK_TEMPLATE, s->e);
	CHECK_FAILS(ask(s, CHALLENGE_KEY), E_VERIFIER, s->e);
	CHECK_FAILS(ask(s, CHALLENGE_AK), E_VERIFIER, s->e);
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
	assert(argc == 3);
	plant.python = argv[1];
	plant.manufacture = argv[2];
	const struct CMUnitTest tests[] = {
		T(honest_unit_is_proved),
		T(closed_unit_is_recognised_by_its_leaf_key_alone),
		T(unit_with_p256_endorsement_key_is_proved),
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
		T(installed_bundle_and_living_key_are_accepted),
		T(bundle_of_other_bytes_is_refused),
		T(signature_by_another_key_or_over_an_old_nonce_is_refused),
		T(signature_of_another_length_is_refused),
		T(signature_with_any_bit_flipped_is_refused),
		T(signature_over_the_nonce_of_another_kind_of_challenge_is_refused),
		T(nothing_read_back_is_no_bundle_even_if_nothing_is_expected),
		T(claims_are_judged_in_their_order_only),
		T(secret_of_zeros_answers_no_challenge_to_the_key),
		T(secret_of_zeros_answers_no_challenge_that_was_never_made),
		T(another_endorsement_key_ends_what_was_proved),
		T(evidence_of_unknown_kind_or_size_is_refused),
		T(policy_with_a_root_that_is_no_certificate_is_refused),
	};
	return cmocka_run_group_tests(tests, plant_open, plant_close);
}
