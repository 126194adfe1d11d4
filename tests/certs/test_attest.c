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

/* What stands where 34 bytes of name or 32 of nonce should, but begins as they do. */
static void names_and_nonces_that_only_begin_as_they_should_are_refused(void **state)
{
	TPMS_ATTEST honest, a;
	TPM2B_NAME *const names[] = {&a.qualifiedSigner, &a.attested.certify.name, &a.attested.certify.qualifiedName};
	uint8_t forged[ATTEST_MAX];
	size_t offset = 0, len = 0;
	assert_int_equal(Tss2_MU_TPMS_ATTEST_Unmarshal(bench.attest, bench.len, &offset, &honest), 0);
	for (size_t i = 0; i <= COUNT_OF(names); i++)
		for (int more = -1; more <= 1; more += 2) {
			a = honest;
			if (i < COUNT_OF(names))
				names[i]->size = (uint16_t)(names[i]->size + more);
			else
				a.extraData.size = (uint16_t)(a.extraData.size + more);
			len = 0;
			assert_int_equal(Tss2_MU_TPMS_ATTEST_Marshal(&a, forged, sizeof(forged), &len), 0);
			CHECK_FAILS(signed_proves(forged, len), E_CERTIFY, bench.e);
		}
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
		CHECK_OK(parse[k](areas[k]->data, areas[k]->len, &p, &bench.e), bench.e);	/* nothing of this passes for the next */
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

/* ---- well-formed keys of other templates ---- */

static void change_name_alg(TPMT_PUBLIC *p)
{
	p->nameAlg = TPM2_ALG_SHA384;
}

static void change_curve(TPMT_PUBLIC *p)
{
	p->parameters.eccDetail.curveID = TPM2_ECC_NIST_P384;
	p->unique.ecc.x.size = p->unique.ecc.y.size = 48;
}

static void add_symmetric(TPMT_PUBLIC *p)
{
	p->parameters.eccDetail.symmetric = (TPMT_SYM_DEF_OBJECT){TPM2_ALG_AES, {.aes = 128}, {.aes = TPM2_ALG_CFB}};
}

static void add_kdf(TPMT_PUBLIC *p)
{
	p->parameters.eccDetail.kdf.scheme = TPM2_ALG_KDF1_SP800_108;
	p->parameters.eccDetail.kdf.details.kdf1_sp800_108.hashAlg = TPM2_ALG_SHA256;
}

static void set_scheme(TPMT_PUBLIC *p, uint16_t scheme, uint16_t hash)
{
	p->parameters.eccDetail.scheme.scheme = scheme;
	p->parameters.eccDetail.scheme.details.ecdsa.hashAlg = hash;
}

static void scheme_null(TPMT_PUBLIC *p)
{
	set_scheme(p, TPM2_ALG_NULL, 0);
}

static void scheme_ecdsa(TPMT_PUBLIC *p)
{
	set_scheme(p, TPM2_ALG_ECDSA, TPM2_ALG_SHA256);
}

static void scheme_ecdsa_sha384(TPMT_PUBLIC *p)
{
	set_scheme(p, TPM2_ALG_ECDSA, TPM2_ALG_SHA384);
}

static void scheme_schnorr(TPMT_PUBLIC *p)
{
	set_scheme(p, TPM2_ALG_ECSCHNORR, TPM2_ALG_SHA256);
}

static void add_policy(TPMT_PUBLIC *p)
{
	p->authPolicy.size = 32;
}

static void become_rsa(TPMT_PUBLIC *p)
{
	uint16_t scheme = p->parameters.eccDetail.scheme.scheme;
	p->type = TPM2_ALG_RSA;
	p->parameters.rsaDetail = (TPMS_RSA_PARMS){
		.symmetric.algorithm = TPM2_ALG_NULL,
		.scheme = {scheme == TPM2_ALG_NULL ? TPM2_ALG_NULL : TPM2_ALG_RSASSA, {.rsassa.hashAlg = TPM2_ALG_SHA256}},
		.keyBits = 2048,
	};
	memset(&p->unique, 0xc3, sizeof(p->unique));
	p->unique.rsa.size = 256;
}

static void move_off_the_curve(TPMT_PUBLIC *p)
{
	p->unique.ecc.y.buffer[31] ^= 1;
}

/* Each of these differs from an honest key in one thing, and a TPM could show it. */
static void key_of_another_template_is_refused(void **state)
{
	static const struct {
		const char *what;
		void (*change)(TPMT_PUBLIC *p);
		enum err_code ak, leaf;	/* E_NONE: an honest key of this kind */
	} rows[] = {
		{"names by SHA-384", change_name_alg, E_CERTIFY, E_CERTIFY},
		{"P-384", change_curve, E_CERTIFY, E_CERTIFY},
		{"a symmetric algorithm", add_symmetric, E_CERTIFY, E_CERTIFY},
		{"a key derivation", add_kdf, E_CERTIFY, E_CERTIFY},
		{"no scheme", scheme_null, E_CERTIFY, E_NONE},
		{"ECDSA", scheme_ecdsa, E_NONE, E_CERTIFY},
		{"ECDSA with SHA-384", scheme_ecdsa_sha384, E_CERTIFY, E_CERTIFY},
		{"ECSCHNORR", scheme_schnorr, E_CERTIFY, E_CERTIFY},
		{"a policy", add_policy, E_NONE, E_CERTIFY},
		{"RSA", become_rsa, E_CERTIFY, E_CERTIFY},
		{"a point off the curve", move_off_the_curve, E_KEY_WEAK, E_KEY_WEAK},
	};
	const struct bytes *areas[] = {&bench.ak_public, &bench.leaf_public};
	parse_function *const parse[] = {attest_ak_parse, attest_leaf_parse};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t k = 0; k < 2; k++) {
			AUTO(bytes) struct bytes area = {0};
			TPM2B_PUBLIC p = {0};
			struct tpm2_public parsed;
			size_t offset = 0;
			enum err_code expected = k ? rows[i].leaf : rows[i].ak;
			assert_int_equal(Tss2_MU_TPM2B_PUBLIC_Unmarshal(areas[k]->data, areas[k]->len, &offset, &p), 0);
			rows[i].change(&p.publicArea);
			soft_marshal(&p, &area);
			bool taken = parse[k](area.data, area.len, &parsed, &bench.e);
			if (taken != (expected == E_NONE) || bench.e.code != expected)
				fail_msg("%s, key %zu: %s %s", rows[i].what, k, err_row(bench.e.code)->name, bench.e.what);
			err_clear(&bench.e);
		}
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
		cmocka_unit_test(names_and_nonces_that_only_begin_as_they_should_are_refused),
		cmocka_unit_test(signature_truncated_or_with_trailing_bytes_is_refused),
		cmocka_unit_test(signature_by_another_key_is_refused),
		cmocka_unit_test(public_area_with_any_bit_flipped_proves_nothing),
		cmocka_unit_test(public_area_cut_at_any_length_or_with_trailing_bytes_is_refused),
		cmocka_unit_test(every_other_attribute_is_refused),
		cmocka_unit_test(key_of_another_template_is_refused),
	};
	return cmocka_run_group_tests(tests, open_bench, close_bench);
}
