/* SPDX-License-Identifier: Apache-2.0 */
/* The readers against the marshalling of another library (tpm2-tss). What a reader must refuse bit by bit is in test_ek and
 * test_attest, beside the claims. */
#include "certs/tpm2.h"
#include "tests/certs/check.h"
#include "tests/certs/soft_tpm.h"

#include <string.h>

#include <tss2/tss2_mu.h>

static bool parse(const TPM2B_PUBLIC *p, enum err_code refusal, struct tpm2_public *ret, struct err *e)
{
	AUTO(bytes) struct bytes b = {0};
	soft_marshal(p, &b);
	return tpm2_public_parse(b.data, b.len, refusal, ret, e);
}

static void rsa_key_is_read_field_by_field(void **state)
{
	TPM2B_PUBLIC p = soft_template_ek_rsa(256);
	struct tpm2_public got;
	struct err e = {0};
	memset(p.publicArea.unique.rsa.buffer, 0xc3, 256);
	CHECK_OK(parse(&p, E_CERTIFY, &got, &e), e);
	assert_int_equal(got.type, ALG_RSA);
	assert_int_equal(got.name_alg, ALG_SHA256);
	assert_int_equal(got.attributes, 0x000300b2);
	assert_int_equal(got.policy_len, 32);
	assert_memory_equal(got.policy, p.publicArea.authPolicy.buffer, 32);
	assert_int_equal(got.symmetric, ALG_AES);
	assert_int_equal(got.symmetric_bits, 128);
	assert_int_equal(got.symmetric_mode, ALG_CFB);
	assert_int_equal(got.scheme, ALG_NULL);
	assert_int_equal(got.key.kind, KEY_RSA);
	assert_int_equal(got.key.rsa_bits, 2048);
	assert_memory_equal(got.key.rsa_modulus, p.publicArea.unique.rsa.buffer, 256);
}

static void exponent_zero_is_65537(void **state)
{
	TPM2B_PUBLIC p = soft_template_ek_rsa(256);
	struct tpm2_public got;
	struct err e = {0};
	CHECK_OK(parse(&p, E_CERTIFY, &got, &e), e);
	assert_int_equal(got.key.rsa_exponent, 65537);
	p.publicArea.parameters.rsaDetail.exponent = 0x10003;
	CHECK_OK(parse(&p, E_CERTIFY, &got, &e), e);
	assert_int_equal(got.key.rsa_exponent, 0x10003);
}

static void modulus_of_another_size_than_announced_is_refused(void **state)
{
	TPM2B_PUBLIC p = soft_template_ek_rsa(256);
	struct tpm2_public got;
	struct err e = {0};
	for (uint16_t len = 0; len < 256; len++) {
		p.publicArea.unique.rsa.size = len;
		CHECK_FAILS(parse(&p, E_CERTIFY, &got, &e), E_CERTIFY, e);
	}
	p.publicArea.unique.rsa.size = p.publicArea.parameters.rsaDetail.keyBits = 0;
	CHECK_FAILS(parse(&p, E_CERTIFY, &got, &e), E_CERTIFY, e);
}

static void leading_zeros_that_a_tpm_left_out_are_put_back(void **state)
{
	TPM2B_PUBLIC p = soft_template_leaf(9);
	struct tpm2_public got;
	struct err e = {0};
	p.publicArea.unique.ecc.x.size = 31;
	CHECK_OK(parse(&p, E_CERTIFY, &got, &e), e);
	assert_int_equal(got.key.x[0], 0);
	assert_int_equal(got.key.x[1], 9);
	assert_int_equal(got.key.x[31], 9);
	p.publicArea.unique.ecc.x.size = 0;
	CHECK_FAILS(parse(&p, E_CERTIFY, &got, &e), E_CERTIFY, e);
	p.publicArea.unique.ecc.x.size = 33;
	CHECK_FAILS(parse(&p, E_CERTIFY, &got, &e), E_CERTIFY, e);
}

static void key_on_another_curve_is_read_and_is_no_key_of_ours(void **state)
{
	TPM2B_PUBLIC p = soft_template_leaf(9);
	struct tpm2_public got;
	struct err e = {0};
	p.publicArea.parameters.eccDetail.curveID = TPM2_ECC_NIST_P384;
	p.publicArea.unique.ecc.x.size = p.publicArea.unique.ecc.y.size = 48;
	CHECK_OK(parse(&p, E_CERTIFY, &got, &e), e);
	assert_int_equal(got.key.kind, KEY_NONE);
	assert_int_equal(got.curve, TPM2_ECC_NIST_P384);
}

static void key_with_a_derivation_is_read_to_its_point(void **state)
{
	TPM2B_PUBLIC p = soft_template_leaf(9);
	struct tpm2_public got;
	struct err e = {0};
	p.publicArea.parameters.eccDetail.kdf.scheme = TPM2_ALG_KDF1_SP800_108;
	p.publicArea.parameters.eccDetail.kdf.details.kdf1_sp800_108.hashAlg = TPM2_ALG_SHA256;
	CHECK_OK(parse(&p, E_CERTIFY, &got, &e), e);
	assert_int_equal(got.kdf, TPM2_ALG_KDF1_SP800_108);
	assert_memory_equal(got.key.x, p.publicArea.unique.ecc.x.buffer, 32);
}

/* Whether something follows an unknown scheme, and what, nobody here can know. */
static void unknown_scheme_is_refused(void **state)
{
	AUTO(bytes) struct bytes b = {0};
	TPM2B_PUBLIC p = soft_template_ak();
	struct tpm2_public got;
	struct err e = {0};
	p.publicArea.unique.ecc.x.size = p.publicArea.unique.ecc.y.size = 32;
	soft_marshal(&p, &b);
	CHECK_OK(tpm2_public_parse(b.data, b.len, E_CERTIFY, &got, &e), e);
	assert_int_equal(b.data[15], TPM2_ALG_ECDSA & 0xff);	/* behind an empty policy and no symmetric algorithm */
	b.data[15] = 0x7f;
	CHECK_FAILS(tpm2_public_parse(b.data, b.len, E_CERTIFY, &got, &e), E_CERTIFY, e);
}

/* Of another name algorithm there is none, rather than a wrong one. */
static void name_is_of_keys_with_sha256_names_only(void **state)
{
	static const uint8_t none[TPM2_NAME_SIZE];
	AUTO(bytes) struct bytes b = {0};
	TPM2B_PUBLIC p = soft_template_leaf(9);
	uint8_t name[TPM2_NAME_SIZE] = {0x00, 0x0b};
	struct tpm2_public got;
	struct err e = {0};
	soft_marshal(&p, &b);
	sha256_of(b.data + 2, b.len - 2, name + 2);
	CHECK_OK(parse(&p, E_CERTIFY, &got, &e), e);
	assert_memory_equal(got.name, name, sizeof(name));
	p.publicArea.nameAlg = TPM2_ALG_SHA384;
	CHECK_OK(parse(&p, E_CERTIFY, &got, &e), e);
	assert_memory_equal(got.name, none, sizeof(none));
}

static void symmetric_keys_are_refused_under_the_code_of_the_claim(void **state)
{
	TPM2B_PUBLIC p = {.publicArea = {.type = TPM2_ALG_KEYEDHASH, .nameAlg = TPM2_ALG_SHA256}};
	struct tpm2_public got;
	struct err e = {0};
	p.publicArea.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL;
	CHECK_FAILS(parse(&p, E_CERTIFY, &got, &e), E_CERTIFY, e);
	CHECK_FAILS(parse(&p, E_EK_TEMPLATE, &got, &e), E_EK_TEMPLATE, e);
}

static void certification_is_read_field_by_field(void **state)
{
	TPMS_ATTEST a = {.magic = TPM2_GENERATED_VALUE, .type = TPM2_ST_ATTEST_CERTIFY, .qualifiedSigner = {34, {1}},
			 .extraData = {20, {2}}, .attested.certify = {{34, {3}}, {50, {4}}}};
	uint8_t room[512];
	size_t len = 0;
	struct tpm2_certify got;
	struct err e = {0};
	assert_int_equal(Tss2_MU_TPMS_ATTEST_Marshal(&a, room, sizeof(room), &len), 0);
	CHECK_OK(tpm2_certify_parse(room, len, E_CERTIFY, &got, &e), e);
	assert_int_equal(got.signer.len, 34);
	assert_int_equal(got.signer.data[0], 1);
	assert_int_equal(got.extra_len, 20);
	assert_int_equal(got.extra[0], 2);
	assert_int_equal(got.name.len, 34);
	assert_int_equal(got.name.data[0], 3);
	assert_int_equal(got.qualified_name.len, 50);
	assert_int_equal(got.qualified_name.data[0], 4);
}

static void signature_of_another_algorithm_is_refused(void **state)
{
	TPMT_SIGNATURE s = {.sigAlg = TPM2_ALG_ECDSA, .signature.ecdsa = {TPM2_ALG_SHA256, {31, {7}}, {32, {8}}}};
	uint8_t room[512];
	size_t len = 0;
	struct key_signature got;
	struct err e = {0};
	assert_int_equal(Tss2_MU_TPMT_SIGNATURE_Marshal(&s, room, sizeof(room), &len), 0);
	CHECK_OK(tpm2_signature_parse(room, len, E_CERTIFY, &got, &e), e);
	assert_int_equal(got.r[0], 0);
	assert_int_equal(got.r[1], 7);
	assert_int_equal(got.s[0], 8);
	room[1] = TPM2_ALG_ECDAA & 0xff;
	CHECK_FAILS(tpm2_signature_parse(room, len, E_CERTIFY, &got, &e), E_CERTIFY, e);
	room[1] = TPM2_ALG_ECDSA & 0xff;
	room[3] = TPM2_ALG_SHA1 & 0xff;
	CHECK_FAILS(tpm2_signature_parse(room, len, E_CERTIFY, &got, &e), E_CERTIFY, e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rsa_key_is_read_field_by_field),
		cmocka_unit_test(exponent_zero_is_65537),
		cmocka_unit_test(modulus_of_another_size_than_announced_is_refused),
		cmocka_unit_test(leading_zeros_that_a_tpm_left_out_are_put_back),
		cmocka_unit_test(key_on_another_curve_is_read_and_is_no_key_of_ours),
		cmocka_unit_test(key_with_a_derivation_is_read_to_its_point),
		cmocka_unit_test(unknown_scheme_is_refused),
		cmocka_unit_test(name_is_of_keys_with_sha256_names_only),
		cmocka_unit_test(symmetric_keys_are_refused_under_the_code_of_the_claim),
		cmocka_unit_test(certification_is_read_field_by_field),
		cmocka_unit_test(signature_of_another_algorithm_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
