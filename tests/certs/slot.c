/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/certs/slot.h"
#include "tests/certs/check.h"

#include <string.h>

static struct {
	struct bytes root, issuing;
	const char *python, *manufacture;
} plant;

void slot_plant(int argc, char **argv)
{
	assert_int_equal(argc, 3);
	plant.python = argv[1];
	plant.manufacture = argv[2];
}

int slot_plant_open(void **state)
{
	soft_tpm_manufacture(plant.python, plant.manufacture);
	soft_tpm_vendor(&plant.root, &plant.issuing);
	return 0;
}

int slot_plant_close(void **state)
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

int slot_open(void **state)
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

int slot_close(void **state)
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

void slot_use_ek(struct slot *s, const TPM2B_PUBLIC *template, bool need_ek_cert)
{
	soft_key_fini(&s->ek);
	soft_tpm_primary(&s->tpm, ESYS_TR_RH_ENDORSEMENT, template, &s->ek);
	s->policy.need_ek_cert = need_ek_cert;
}

/* ---- the steps of the ceremony ---- */

void slot_give(struct slot *s, enum evidence_kind kind, const struct bytes *b)
{
	CHECK_OK(verifier_take(s->judge, kind, b->data, b->len, &s->e), s->e);
}

void slot_give_keys(struct slot *s)
{
	slot_give(s, EVIDENCE_EK_PUBLIC, &s->ek.public_area);
	slot_give(s, EVIDENCE_EK_CERT, &s->cert);
	slot_give(s, EVIDENCE_AK_PUBLIC, &s->ak.public_area);
	slot_give(s, EVIDENCE_LEAF_PUBLIC, &s->leaf.public_area);
}

bool slot_judge_ek(struct slot *s)
{
	return verifier_judge_ek(s->judge, &s->ek_verdict, &s->e);
}

bool slot_ask(struct slot *s, enum challenge_about about)
{
	return verifier_challenge(s->judge, about, &s->asked, &s->e);
}

bool slot_judge(struct slot *s)
{
	return verifier_judge_attestation(s->judge, &s->verdict, &s->e);
}

void slot_begin(struct slot *s, enum challenge_about about)
{
	slot_give_keys(s);
	CHECK_OK(slot_judge_ek(s), s->e);
	CHECK_OK(slot_ask(s, about), s->e);
}

void slot_give_secret(struct slot *s)
{
	const struct soft_key *named = s->asked.about == CHALLENGE_LEAF ? &s->leaf : &s->ak;
	assert_true(soft_tpm_activate(&s->tpm, named, &s->ek, &s->asked, &s->secret));
	slot_give(s, EVIDENCE_SECRET, &s->secret);
}

void slot_give_attestation(struct slot *s)
{
	slot_give(s, EVIDENCE_ATTEST, &s->attest);
	slot_give(s, EVIDENCE_ATTEST_SIG, &s->sig);
}

void slot_certify(struct slot *s, const struct soft_key *object, const struct soft_key *signer)
{
	soft_tpm_certify(&s->tpm, object, signer, s->asked.nonce, &s->attest, &s->sig);
	slot_give_attestation(s);
}

/* Everything up to the verdict. */
void slot_prove_leaf(struct slot *s)
{
	slot_begin(s, CHALLENGE_AK);
	slot_give_secret(s);
	slot_certify(s, &s->leaf, &s->ak);
	CHECK_OK(slot_judge(s), s->e);
}

bool slot_verdict_is_empty(const struct slot *s)
{
	static const struct attest_verdict none;
	return memcmp(&s->verdict, &none, sizeof(none)) == 0;
}

static const uint8_t bundle[SLOT_BUNDLE_LEN] = "leaf, chain, endpoint";

void slot_give_bundle(struct slot *s, size_t len, uint8_t ret_sha256[static SHA256_SIZE])
{
	if (len)
		CHECK_OK(verifier_take(s->judge, EVIDENCE_BUNDLE, bundle, len, &s->e), s->e);
	sha256_of(bundle, sizeof(bundle), ret_sha256);
}

void slot_give_signature(struct slot *s, const struct soft_key *key, const uint8_t digest[static 32])
{
	struct key_signature sig;
	soft_tpm_sign(&s->tpm, key, digest, &sig);
	CHECK_OK(verifier_take(s->judge, EVIDENCE_SIGNATURE, &sig, sizeof(sig), &s->e), s->e);
}
