/* SPDX-License-Identifier: Apache-2.0 */
/* What makes an attestation false. The attestation key is one whose private half this test has, so that every forgery here is
 * properly signed: only the judge's reading of it can refuse it. */
#include "certs/attest.h"
#include "tests/certs/check.h"
#include "tests/certs/soft_tpm.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <tss2/tss2_mu.h>

#define ATTEST_MAX 256
/* magic, type, signer, extra data; then clock, counts, safe and firmware version, of which nothing is claimed */
#define CLOCK_AT (4 + 2 + 36 + 34)
#define NAME_AT (CLOCK_AT + 17 + 8)

static struct {
	EVP_PKEY *key;
	struct bytes ak_public, leaf_public;
	struct tpm2_public ak, leaf;
	uint8_t nonce[32];
	uint8_t attest[ATTEST_MAX];	/* an honest one */
	size_t len;
	struct err e;
} bench;

static EVP_PKEY *make_key(TPM2B_PUBLIC template, struct bytes *ret)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIGNUM *x = NULL, *y = NULL;
	assert_true(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &x) &&
		    EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &y));
	template.publicArea.unique.ecc.x.size = template.publicArea.unique.ecc.y.size = 32;
	BN_bn2binpad(x, template.publicArea.unique.ecc.x.buffer, 32);
	BN_bn2binpad(y, template.publicArea.unique.ecc.y.buffer, 32);
	BN_free(x);
	BN_free(y);
	soft_marshal(&template, ret);
	return key;
}

static void put_name(TPM2B_NAME *n, const uint8_t name[static TPM2_NAME_SIZE])
{
	n->size = TPM2_NAME_SIZE;
	memcpy(n->name, name, TPM2_NAME_SIZE);
}

static int open_bench(void **state)
{
	bench.key = make_key(soft_template_ak(), &bench.ak_public);
	EVP_PKEY_free(make_key(soft_template_leaf(0), &bench.leaf_public));
	CHECK_OK(attest_ak_parse(bench.ak_public.data, bench.ak_public.len, &bench.ak, &bench.e), bench.e);
	CHECK_OK(attest_leaf_parse(bench.leaf_public.data, bench.leaf_public.len, &bench.leaf, &bench.e), bench.e);
	memset(bench.nonce, 0x5a, sizeof(bench.nonce));

	TPMS_ATTEST a = {.magic = TPM2_GENERATED_VALUE, .type = TPM2_ST_ATTEST_CERTIFY, .extraData.size = 32,
			 .clockInfo = {1, 2, 3, 1}, .firmwareVersion = 4};
	uint8_t place[TPM2_NAME_SIZE];
	memcpy(a.extraData.buffer, bench.nonce, 32);
	tpm2_qualified_name(HIERARCHY_ENDORSEMENT, bench.ak.name, place);
	put_name(&a.qualifiedSigner, place);
	put_name(&a.attested.certify.name, bench.leaf.name);
	tpm2_qualified_name(HIERARCHY_OWNER, bench.leaf.name, place);
	put_name(&a.attested.certify.qualifiedName, place);
	assert_int_equal(Tss2_MU_TPMS_ATTEST_Marshal(&a, bench.attest, sizeof(bench.attest), &bench.len), 0);
	return 0;
}

static int close_bench(void **state)
{
	EVP_PKEY_free(bench.key);
	bytes_fini(&bench.ak_public);
	bytes_fini(&bench.leaf_public);
	return 0;
}

static void sign(EVP_PKEY *key, const uint8_t *attest, size_t len, struct bytes *ret)
{
	uint8_t der[80], room[ATTEST_MAX];
	size_t der_len = sizeof(der), n = 0;
	TPMT_SIGNATURE s = {.sigAlg = TPM2_ALG_ECDSA};
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(EVP_DigestSign(ctx, der, &der_len, attest, len), 1);
	EVP_MD_CTX_free(ctx);
	const uint8_t *p = der;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)der_len);
	s.signature.ecdsa.hash = TPM2_ALG_SHA256;
	s.signature.ecdsa.signatureR.size = s.signature.ecdsa.signatureS.size = 32;
	BN_bn2binpad(ECDSA_SIG_get0_r(sig), s.signature.ecdsa.signatureR.buffer, 32);
	BN_bn2binpad(ECDSA_SIG_get0_s(sig), s.signature.ecdsa.signatureS.buffer, 32);
	ECDSA_SIG_free(sig);
	assert_int_equal(Tss2_MU_TPMT_SIGNATURE_Marshal(&s, room, sizeof(room), &n), 0);
	CHECK_OK(bytes_set(ret, room, n, &bench.e), bench.e);
}

static bool proves(const struct tpm2_public *ak, const struct tpm2_public *leaf, const uint8_t *attest, size_t len,
		   const struct bytes *sig)
{
	const struct span a = {attest, len}, s = {sig->data, sig->len};
	return attest_proves_leaf(ak, leaf, bench.nonce, &a, &s, &bench.e);
}

/* Whether the judge takes these bytes when the attestation key has signed them. */
static bool signed_proves(const uint8_t *attest, size_t len)
{
	AUTO(bytes) struct bytes sig = {0};
	uint8_t *exact = malloc(len + !len);	/* so that a sanitizer sees a read beyond */
	memcpy(exact, attest, len);
	sign(bench.key, exact, len, &sig);
	bool held = proves(&bench.ak, &bench.leaf, exact, len, &sig);
	free(exact);
	return held;
}

static void honest_attestation_proves_the_leaf(void **state)
{
	CHECK_OK(signed_proves(bench.attest, bench.len), bench.e);
}

static void attest_magic_forged(void **state)
{
	uint8_t forged[ATTEST_MAX];
	memcpy(forged, bench.attest, bench.len);
	memcpy(forged, "\xff\x54\x43\x48", 4);
	CHECK_FAILS(signed_proves(forged, bench.len), E_CERTIFY, bench.e);
}

static void attestation_of_another_type_is_refused(void **state)
{
	uint8_t forged[ATTEST_MAX];
	memcpy(forged, bench.attest, bench.len);
	forged[5] = 0x18;	/* a quote */
	CHECK_FAILS(signed_proves(forged, bench.len), E_CERTIFY, bench.e);
}

/* Signed anew after every flip: all that is judged must be as it should be to the last bit. */
static void every_flipped_bit_that_is_judged_is_refused_although_signed(void **state)
{
	unsigned passed = 0;
	for (size_t bit = 0; bit < bench.len * 8; bit++) {
		size_t at = bit / 8;
		bool judged = at < CLOCK_AT || at >= NAME_AT;
		bench.attest[at] ^= 1 << bit % 8;
		bool held = signed_proves(bench.attest, bench.len);
		bench.attest[at] ^= 1 << bit % 8;
		if (judged && (held || bench.e.code != E_CERTIFY))
			fail_msg("bit %zu: %s", bit, bench.e.what);
		passed += held;
		err_clear(&bench.e);
	}
	assert_int_equal(passed, 16 * 8 + 1 + 8 * 8);	/* clock and counts, safe (yes or no), firmware version */
}

static void flipped_bits_without_a_new_signature_are_refused(void **state)
{
	AUTO(bytes) struct bytes sig = {0};
	sign(bench.key, bench.attest, bench.len, &sig);
	for (size_t bit = 0; bit < bench.len * 8; bit++) {
		bench.attest[bit / 8] ^= 1 << bit % 8;
		CHECK_FAILS(proves(&bench.ak, &bench.leaf, bench.attest, bench.len, &sig), E_CERTIFY, bench.e);
		bench.attest[bit / 8] ^= 1 << bit % 8;
	}
	for (size_t bit = 0; bit < sig.len * 8; bit++) {
		sig.data[bit / 8] ^= 1 << bit % 8;
		CHECK_FAILS(proves(&bench.ak, &bench.leaf, bench.attest, bench.len, &sig), E_CERTIFY, bench.e);
		sig.data[bit / 8] ^= 1 << bit % 8;
	}
	CHECK_OK(proves(&bench.ak, &bench.leaf, bench.attest, bench.len, &sig), bench.e);
}

static void attestation_truncated_at_every_length_is_refused_although_signed(void **state)
{
	for (size_t len = 0; len < bench.len; len++)
		CHECK_FAILS(signed_proves(bench.attest, len), E_CERTIFY, bench.e);
}

static void trailing_bytes_are_refused_although_signed(void **state)
{
	for (size_t more = 1; more < 40; more++)
		CHECK_FAILS(signed_proves(bench.attest, bench.len + more), E_CERTIFY, bench.e);
}

static void signature_truncated_or_with_trailing_bytes_is_refused(void **state)
{
	AUTO(bytes) struct bytes sig = {0};
	sign(bench.key, bench.attest, bench.len, &sig);
	for (size_t len = 0; len < sig.len; len++) {
		uint8_t *exact = malloc(len + !len);
		memcpy(exact, sig.data, len);
		const struct bytes cut = {.data = exact, .len = len};
		CHECK_FAILS(proves(&bench.ak, &bench.leaf, bench.attest, bench.len, &cut), E_CERTIFY, bench.e);
		free(exact);
	}
	CHECK_OK(bytes_add(&sig, "", 1, &bench.e), bench.e);
	CHECK_FAILS(proves(&bench.ak, &bench.leaf, bench.attest, bench.len, &sig), E_CERTIFY, bench.e);
}

static void signature_by_another_key_is_refused(void **state)
{
	AUTO(bytes) struct bytes sig = {0};
	EVP_PKEY *other = EVP_EC_gen("P-256");
	sign(other, bench.attest, bench.len, &sig);
	EVP_PKEY_free(other);
	CHECK_FAILS(proves(&bench.ak, &bench.leaf, bench.attest, bench.len, &sig), E_CERTIFY, bench.e);
}

/* ---- public areas ---- */

typedef bool parse_function(const void *data, size_t len, struct tpm2_public *ret, struct err *e);

/* Some bits of an attestation key may differ (its policy, noDA), but then it is another key with another name. */
static void public_area_with_any_bit_flipped_proves_nothing(void **state)
{
	AUTO(bytes) struct bytes sig = {0};
	const struct bytes *areas[] = {&bench.ak_public, &bench.leaf_public};
	parse_function *const parse[] = {attest_ak_parse, attest_leaf_parse};
	struct tpm2_public p;
	sign(bench.key, bench.attest, bench.len, &sig);
	for (size_t k = 0; k < 2; k++)
		for (size_t bit = 0; bit < areas[k]->len * 8; bit++) {
			areas[k]->data[bit / 8] ^= 1 << bit % 8;
			if (parse[k](areas[k]->data, areas[k]->len, &p, &bench.e) &&
			    proves(k ? &bench.ak : &p, k ? &p : &bench.leaf, bench.attest, bench.len, &sig))
				fail_msg("key %zu is accepted with bit %zu flipped", k, bit);
			assert_true(bench.e.code == E_CERTIFY || bench.e.code == E_KEY_WEAK);
			err_clear(&bench.e);
			areas[k]->data[bit / 8] ^= 1 << bit % 8;
		}
}

static void public_area_cut_at_any_length_or_with_trailing_bytes_is_refused(void **state)
{
	const struct bytes *areas[] = {&bench.ak_public, &bench.leaf_public};
	parse_function *const parse[] = {attest_ak_parse, attest_leaf_parse};
	uint8_t longer[ATTEST_MAX] = {0};
	struct tpm2_public p;
	for (size_t k = 0; k < 2; k++) {
		for (size_t len = 0; len < areas[k]->len; len++) {
			uint8_t *exact = malloc(len + !len);
			memcpy(exact, areas[k]->data, len);
			CHECK_FAILS(parse[k](exact, len, &p, &bench.e), E_CERTIFY, bench.e);
			free(exact);
		}
		memcpy(longer, areas[k]->data, areas[k]->len);
		CHECK_FAILS(parse[k](longer, areas[k]->len + 1, &p, &bench.e), E_CERTIFY, bench.e);
	}
}

/* Attributes of a template, one of them changed: all of a leaf key's are fixed, of an attestation key two are free. */
static void every_other_attribute_is_refused(void **state)
{
	const uint32_t free_of_ak = ATTR_ADMIN_WITH_POLICY | ATTR_NO_DA;
	for (unsigned bit = 0; bit < 32; bit++) {
		AUTO(bytes) struct bytes ak = {0};
		AUTO(bytes) struct bytes leaf = {0};
		struct tpm2_public p;
		CHECK_OK(bytes_set(&ak, bench.ak_public.data, bench.ak_public.len, &bench.e), bench.e);
		CHECK_OK(bytes_set(&leaf, bench.leaf_public.data, bench.leaf_public.len, &bench.e), bench.e);
		ak.data[9 - bit / 8] ^= 1 << bit % 8;	/* behind size, type and name algorithm */
		leaf.data[9 - bit / 8] ^= 1 << bit % 8;
		CHECK_FAILS(attest_leaf_parse(leaf.data, leaf.len, &p, &bench.e), E_CERTIFY, bench.e);
		if (free_of_ak & 1u << bit)
			CHECK_OK(attest_ak_parse(ak.data, ak.len, &p, &bench.e), bench.e);
		else
			CHECK_FAILS(attest_ak_parse(ak.data, ak.len, &p, &bench.e), E_CERTIFY, bench.e);
	}
}

static void leaf_with_a_policy_or_a_scheme_is_refused(void **state)
{
	AUTO(bytes) struct bytes area = {0};
	TPM2B_PUBLIC p = soft_template_leaf(0);
	struct tpm2_public parsed;
	p.publicArea.authPolicy.size = 32;
	soft_marshal(&p, &area);
	CHECK_FAILS(attest_leaf_parse(area.data, area.len, &parsed, &bench.e), E_CERTIFY, bench.e);
	p = soft_template_leaf(0);
	p.publicArea.parameters.eccDetail.scheme.scheme = TPM2_ALG_ECDSA;
	p.publicArea.parameters.eccDetail.scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
	soft_marshal(&p, &area);
	CHECK_FAILS(attest_leaf_parse(area.data, area.len, &parsed, &bench.e), E_CERTIFY, bench.e);
}

static void point_off_the_curve_is_a_weak_key(void **state)
{
	AUTO(bytes) struct bytes area = {0};
	TPM2B_PUBLIC p = soft_template_leaf(7);	/* x of sevens, y of zeros */
	struct tpm2_public parsed;
	soft_marshal(&p, &area);
	CHECK_FAILS(attest_leaf_parse(area.data, area.len, &parsed, &bench.e), E_KEY_WEAK, bench.e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(honest_attestation_proves_the_leaf),
		cmocka_unit_test(attest_magic_forged),
		cmocka_unit_test(attestation_of_another_type_is_refused),
		cmocka_unit_test(every_flipped_bit_that_is_judged_is_refused_although_signed),
		cmocka_unit_test(flipped_bits_without_a_new_signature_are_refused),
		cmocka_unit_test(attestation_truncated_at_every_length_is_refused_although_signed),
		cmocka_unit_test(trailing_bytes_are_refused_although_signed),
		cmocka_unit_test(signature_truncated_or_with_trailing_bytes_is_refused),
		cmocka_unit_test(signature_by_another_key_is_refused),
		cmocka_unit_test(public_area_with_any_bit_flipped_proves_nothing),
		cmocka_unit_test(public_area_cut_at_any_length_or_with_trailing_bytes_is_refused),
		cmocka_unit_test(every_other_attribute_is_refused),
		cmocka_unit_test(leaf_with_a_policy_or_a_scheme_is_refused),
		cmocka_unit_test(point_off_the_curve_is_a_weak_key),
	};
	return cmocka_run_group_tests(tests, open_bench, close_bench);
}
