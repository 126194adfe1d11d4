/* SPDX-License-Identifier: Apache-2.0 */
/* Units without a TPM before the judge: a request made for this visit, and a key behind it that answers now. */
#include "certs/verifier.h"
#include "station/base/text.h"
#include "tests/certs/check.h"
#include "tests/certs/request.h"

#include <string.h>

static const struct verifier_policy policy;	/* no maker, no certificate: there is no endorsement key */

struct slot {
	struct verifier *judge;
	EVP_PKEY *key, *other;
	struct bytes csr;
	struct challenge asked;
	struct attest_verdict verdict;
	struct err e;
};

static int slot_open(void **state)
{
	struct slot *s = calloc(1, sizeof(*s));
	assert_non_null(s);
	CHECK_OK(verifier_new(&policy, &s->judge, &s->e), s->e);
	s->key = request_key_p256();
	s->other = request_key_p256();
	*state = s;
	return 0;
}

static int slot_close(void **state)
{
	struct slot *s = *state;
	verifier_free(s->judge);
	EVP_PKEY_free(s->key);
	EVP_PKEY_free(s->other);
	bytes_fini(&s->csr);
	free(s);
	return 0;
}

/* ---- the unit ---- */

static void give(struct slot *s, enum evidence_kind kind, const void *data, size_t len)
{
	CHECK_OK(verifier_take(s->judge, kind, data, len, &s->e), s->e);
}

/* A request for this nonce, or with another order's flaws. */
static void give_csr(struct slot *s, const struct request *order, const uint8_t nonce[static 32])
{
	struct request r = *order;
	char hex[65];
	hex_encode(nonce, 32, hex);
	r.key = r.key ? r.key : s->key;
	r.challenge = r.challenge ? r.challenge : hex;
	request_make(&r, &s->csr);
	give(s, EVIDENCE_CSR, s->csr.data, s->csr.len);
}

static void give_signature(struct slot *s, EVP_PKEY *key, const uint8_t digest[static 32])
{
	struct key_signature sig;
	request_sign(key, digest, &sig);
	give(s, EVIDENCE_SIGNATURE, &sig, sizeof(sig));
}

static void give_proof(struct slot *s, EVP_PKEY *key, const uint8_t nonce[static 32])
{
	uint8_t digest[SHA256_SIZE];
	proof_digest(nonce, digest);
	give_signature(s, key, digest);
}

/* ---- the line ---- */

static void ask(struct slot *s, enum challenge_about about)
{
	CHECK_OK(verifier_challenge(s->judge, about, &s->asked, &s->e), s->e);
}

static bool judge(struct slot *s)
{
	return verifier_judge_csr(s->judge, &s->verdict, &s->e);
}

static void is_refused(struct slot *s, enum err_code code)
{
	static const struct attest_verdict none;
	struct challenge c;
	CHECK_FAILS(judge(s), code, s->e);
	assert_memory_equal(&s->verdict, &none, sizeof(none));
	CHECK_FAILS(verifier_challenge(s->judge, CHALLENGE_KEY, &c, &s->e), E_VERIFIER, s->e);	/* nothing was judged */
}

static void prove(struct slot *s)
{
	ask(s, CHALLENGE_CSR);
	give_csr(s, &(struct request){0}, s->asked.nonce);
	give_proof(s, s->key, s->asked.nonce);
	CHECK_OK(judge(s), s->e);
}

/* ---- honest units ---- */

static void verdict_is_right(const struct slot *s)
{
	AUTO(bytes) struct bytes spki = {0};
	uint8_t hash[SHA256_SIZE];
	request_spki(s->key, POINT_PLAIN, false, &spki);
	sha256_of(spki.data, spki.len, hash);
	assert_memory_equal(s->verdict.spki_sha256, hash, sizeof(hash));
	assert_memory_equal(s->verdict.leaf.x, spki.data + spki.len - 64, 32);
	assert_memory_equal(s->verdict.leaf.y, spki.data + spki.len - 32, 32);
	sha256_of(s->asked.nonce, sizeof(s->asked.nonce), hash);
	assert_memory_equal(s->verdict.nonce_sha256, hash, sizeof(hash));
}

static void honest_unit_is_proved_by_its_request_and_its_key(void **state)
{
	struct slot *s = *state;
	struct key_signature sig;
	uint8_t digest[SHA256_SIZE], hash[SHA256_SIZE];
	ask(s, CHALLENGE_CSR);
	assert_int_equal(s->asked.about, CHALLENGE_CSR);
	assert_int_equal(s->asked.blob_len, 0);
	give_csr(s, &(struct request){0}, s->asked.nonce);
	proof_digest(s->asked.nonce, digest);
	request_sign(s->key, digest, &sig);
	give(s, EVIDENCE_SIGNATURE, &sig, sizeof(sig));
	CHECK_OK(judge(s), s->e);
	verdict_is_right(s);
	const struct span evidence[] = {{s->csr.data, s->csr.len}, {&sig, sizeof(sig)}};
	sha256(evidence, 2, hash);
	assert_memory_equal(s->verdict.evidence_sha256, hash, sizeof(hash));
}

static void key_in_any_encoding_gives_the_same_verdict(void **state)
{
	static const enum point_form forms[] = {POINT_COMPRESSED, POINT_PLAIN, POINT_HYBRID};
	struct slot *s = *state;
	for (size_t i = 0; i < 2 * COUNT_OF(forms); i++) {
		AUTO(bytes) struct bytes spki = {0};
		request_spki(s->key, forms[i / 2], i % 2, &spki);
		ask(s, CHALLENGE_CSR);
		give_csr(s, &(struct request){.spki = {spki.data, spki.len}}, s->asked.nonce);
		give_proof(s, s->key, s->asked.nonce);
		CHECK_OK(judge(s), s->e);
		verdict_is_right(s);
	}
}

/* Written out, so that another implementation finds here what it must sign. */
static void proof_is_the_hash_of_label_zero_and_nonce(void **state)
{
	uint8_t text[28 + 32], nonce[32], expected[SHA256_SIZE], got[SHA256_SIZE];
	for (size_t i = 0; i < sizeof(nonce); i++)
		nonce[i] = (uint8_t)i;
	memcpy(text, "enrollment station proof v1\0", 28);
	memcpy(text + 28, nonce, 32);
	sha256_of(text, sizeof(text), expected);
	proof_digest(nonce, got);
	assert_memory_equal(expected, got, sizeof(got));
}

/* ---- the request ---- */

static void csr_of_an_earlier_visit_is_refused(void **state)
{
	struct slot *s = *state;
	struct challenge first;
	ask(s, CHALLENGE_CSR);
	first = s->asked;
	give_csr(s, &(struct request){0}, first.nonce);
	give_proof(s, s->key, first.nonce);
	ask(s, CHALLENGE_CSR);
	assert_memory_not_equal(first.nonce, s->asked.nonce, sizeof(first.nonce));
	is_refused(s, E_CSR_NONCE);
	ask(s, CHALLENGE_CSR);	/* nor does a fresh signature beside it help */
	give_proof(s, s->key, s->asked.nonce);
	is_refused(s, E_CSR_NONCE);
}

static void csr_with_no_nonce_or_in_another_form_is_refused(void **state)
{
	struct slot *s = *state;
	for (int form = 0; form < 4; form++) {
		char hex[65];
		ask(s, CHALLENGE_CSR);
		hex_encode(s->asked.nonce, 32, hex);
		if (form == 1)
			hex[63] = '\0';
		if (form == 2)
			hex[0] = hex[0] == '0' ? '1' : '0';
		for (char *c = hex; form == 3 && *c; c++)
			*c = *c >= 'a' ? (char)(*c - 0x20) : *c;
		AUTO(bytes) struct bytes der = {0};
		request_make(&(struct request){.key = s->key, .challenge = form ? hex : NULL}, &der);
		give(s, EVIDENCE_CSR, der.data, der.len);
		give_proof(s, s->key, s->asked.nonce);
		if (form == 3 && !strpbrk(hex, "ABCDEF"))
			continue;	/* a nonce of digits only has no other case */
		is_refused(s, E_CSR_NONCE);
	}
}

static void csr_with_swapped_key_is_refused(void **state)
{
	struct slot *s = *state;
	ask(s, CHALLENGE_CSR);
	give_csr(s, &(struct request){.signer = s->other}, s->asked.nonce);
	give_proof(s, s->key, s->asked.nonce);
	is_refused(s, E_CSR);
}

static void csr_for_an_rsa_key_is_refused(void **state)
{
	struct slot *s = *state;
	EVP_PKEY *rsa = request_key_rsa(2048, 65537);
	ask(s, CHALLENGE_CSR);
	give_csr(s, &(struct request){.key = rsa}, s->asked.nonce);
	give_proof(s, s->key, s->asked.nonce);
	is_refused(s, E_KEY_WEAK);
	EVP_PKEY_free(rsa);
}

static void unit_that_sends_no_request_is_refused(void **state)
{
	struct slot *s = *state;
	ask(s, CHALLENGE_CSR);
	give_proof(s, s->key, s->asked.nonce);
	is_refused(s, E_CSR);
	ask(s, CHALLENGE_CSR);
	give(s, EVIDENCE_CSR, "junk", 4);
	is_refused(s, E_CSR);
}

/* ---- the key behind it ---- */

/* Whoever has seen a request can send it again: it is no secret. Only the key can answer. */
static void request_without_a_key_that_answers_is_refused(void **state)
{
	struct slot *s = *state;
	ask(s, CHALLENGE_CSR);
	give_csr(s, &(struct request){0}, s->asked.nonce);
	is_refused(s, E_KEY_SILENT);
	ask(s, CHALLENGE_CSR);
	give_csr(s, &(struct request){0}, s->asked.nonce);
	give_proof(s, s->other, s->asked.nonce);
	is_refused(s, E_KEY_SILENT);
}

static void signature_over_the_bare_nonce_is_refused(void **state)
{
	struct slot *s = *state;
	ask(s, CHALLENGE_CSR);
	give_csr(s, &(struct request){0}, s->asked.nonce);
	give_signature(s, s->key, s->asked.nonce);
	is_refused(s, E_KEY_SILENT);
}

static void signature_of_another_length_or_with_a_bit_flipped_is_refused(void **state)
{
	struct slot *s = *state;
	uint8_t sent[sizeof(struct key_signature) + 1] = {0}, digest[SHA256_SIZE];
	for (size_t i = 0; i < 18; i++) {
		struct key_signature sig;
		size_t len = i < 2 ? sizeof(sig) - 1 + 2 * i : sizeof(sig);
		ask(s, CHALLENGE_CSR);
		give_csr(s, &(struct request){0}, s->asked.nonce);
		proof_digest(s->asked.nonce, digest);
		request_sign(s->key, digest, &sig);
		memcpy(sent, &sig, sizeof(sig));
		if (i >= 2)
			sent[4 * (i - 2)] ^= (uint8_t)(1 << i % 8);
		give(s, EVIDENCE_SIGNATURE, sent, len);
		is_refused(s, E_KEY_SILENT);
	}
}

/* ---- order ---- */

static void challenge_is_used_up_by_one_answer(void **state)
{
	struct slot *s = *state;
	is_refused(s, E_VERIFIER);	/* before any */
	prove(s);
	is_refused(s, E_VERIFIER);	/* the same answer again */
	ask(s, CHALLENGE_CSR);
	is_refused(s, E_CSR_NONCE);	/* that was the one answer */
	give_csr(s, &(struct request){0}, s->asked.nonce);
	give_proof(s, s->key, s->asked.nonce);
	is_refused(s, E_VERIFIER);
}

static void challenges_of_one_kind_answer_no_other(void **state)
{
	struct slot *s = *state;
	struct challenge c;
	prove(s);
	ask(s, CHALLENGE_KEY);
	give_csr(s, &(struct request){0}, s->asked.nonce);
	give_proof(s, s->key, s->asked.nonce);
	is_refused(s, E_VERIFIER);
	ask(s, CHALLENGE_CSR);
	CHECK_FAILS(verifier_judge_attestation(s->judge, &s->verdict, &s->e), E_CHALLENGE, s->e);
	ask(s, CHALLENGE_CSR);	/* void once another was asked for */
	give_csr(s, &(struct request){0}, s->asked.nonce);
	give_proof(s, s->key, s->asked.nonce);
	CHECK_FAILS(verifier_challenge(s->judge, CHALLENGE_AK, &c, &s->e), E_VERIFIER, s->e);
	is_refused(s, E_VERIFIER);
}

/* ---- what was installed ---- */

static bool install(struct slot *s, bool closed)
{
	uint8_t hash[SHA256_SIZE];
	give(s, EVIDENCE_BUNDLE, "bundle", 6);
	sha256_of("bundle", 6, hash);
	return verifier_judge_install(s->judge, hash, closed, &s->e);
}

static void installed_bundle_and_living_key_are_accepted(void **state)
{
	struct slot *s = *state;
	prove(s);
	ask(s, CHALLENGE_KEY);
	give_proof(s, s->key, s->asked.nonce);
	CHECK_OK(install(s, false), s->e);
	CHECK_FAILS(install(s, false), E_KEY_SILENT, s->e);	/* used up */
}

static void key_beside_the_bundle_signs_with_the_label_and_is_the_judged_one(void **state)
{
	struct slot *s = *state;
	prove(s);
	ask(s, CHALLENGE_KEY);
	give_signature(s, s->key, s->asked.nonce);	/* as a unit with a TPM would */
	CHECK_FAILS(install(s, false), E_KEY_SILENT, s->e);
	ask(s, CHALLENGE_KEY);
	give_proof(s, s->other, s->asked.nonce);
	CHECK_FAILS(install(s, false), E_KEY_SILENT, s->e);
	ask(s, CHALLENGE_CSR);	/* the nonce of another kind of challenge */
	give_proof(s, s->key, s->asked.nonce);
	CHECK_FAILS(install(s, false), E_KEY_SILENT, s->e);
}

static void install_before_the_request_was_judged_is_refused(void **state)
{
	struct slot *s = *state;
	CHECK_FAILS(install(s, true), E_VERIFIER, s->e);
	prove(s);
	ask(s, CHALLENGE_CSR);
	give_csr(s, &(struct request){.signer = s->other}, s->asked.nonce);
	is_refused(s, E_CSR);	/* and what was judged before is not judged any more */
	CHECK_FAILS(install(s, true), E_VERIFIER, s->e);
}

#define T(name) cmocka_unit_test_setup_teardown(name, slot_open, slot_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(honest_unit_is_proved_by_its_request_and_its_key),
		T(key_in_any_encoding_gives_the_same_verdict),
		T(proof_is_the_hash_of_label_zero_and_nonce),
		T(csr_of_an_earlier_visit_is_refused),
		T(csr_with_no_nonce_or_in_another_form_is_refused),
		T(csr_with_swapped_key_is_refused),
		T(csr_for_an_rsa_key_is_refused),
		T(unit_that_sends_no_request_is_refused),
		T(request_without_a_key_that_answers_is_refused),
		T(signature_over_the_bare_nonce_is_refused),
		T(signature_of_another_length_or_with_a_bit_flipped_is_refused),
		T(challenge_is_used_up_by_one_answer),
		T(challenges_of_one_kind_answer_no_other),
		T(installed_bundle_and_living_key_are_accepted),
		T(key_beside_the_bundle_signs_with_the_label_and_is_the_judged_one),
		T(install_before_the_request_was_judged_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
