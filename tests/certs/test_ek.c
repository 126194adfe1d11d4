/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/ek.h"
#include "station/base/text.h"
#include "tests/certs/check.h"
#include "tests/certs/maker.h"
#include "tests/certs/soft_tpm.h"

#include <string.h>

#include <openssl/rsa.h>
#include <tss2/tss2_mu.h>

/* A public example of an endorsement key and of the registration id that device clients derive from it. */
static const char golden_id[] = "6rek5qncnygnkzflohxz4u6zlfly6ktm4klsc7xrbgvesqyllnfa";
static const char golden_ek[] =
	"AToAAQALAAMAsgAgg3GXZ0SEs/gakMyNRqXXJP1S124GUgtk8qHaGzMUaaoABgCAAEMAEAgAAAAAAAEAopqgkUBwtpr1sCgV"
	"JcEZxsJtpmtOAt9K7SjGFe4hsp6DJ/dd2E5UFzBC+Jp8Fzqf5ukRBkqrAgIuAvHRsruIedk1uarJSLhbDpFLHxFd7iDNcYfr"
	"vdgVNT2T9zrvkh2y04WuRQg2D5qf0tZF82jeTjR/YJK7uWhaRwWOwZ3b1XD9l6wFOrwK/Ic0PEsjneFXQzL0n9uKyuHmHNz+"
	"wHppmOiMAabvnXXEin9ou7/iowY/+YhFm3j7atsVvxMI5HEM3Mq+W4imUuzPxVX7fZH+oWPKP5ofpWBTf+MdttGby1AjGnv8"
	"JE69JriOYoZG2/4qbsfv9M7a7NFrBlaW7Rt36w==";

/* An endorsement key of either kind, whose private half is not needed, its maker, and the judge's list of makers. */
struct shop {
	struct maker maker;
	struct chain *makers;
	EVP_PKEY *rsa, *p256;
	struct bytes rsa_public, p256_public;
	struct ek rsa_ek, p256_ek;
	struct bytes cert;
	struct err e;
};

static struct shop shop;

static int open_shop(void **state)
{
	maker_open(&shop.maker);
	CHECK_OK(chain_new(&shop.maker.root, 1, &shop.maker.issuing, 1, &shop.makers, &shop.e), shop.e);
	shop.rsa = EVP_RSA_gen(2048);
	shop.p256 = EVP_EC_gen("P-256");
	struct key_public rsa, p256;
	CHECK_OK(ossl_key_public(shop.rsa, &rsa, &shop.e), shop.e);
	CHECK_OK(ossl_key_public(shop.p256, &p256, &shop.e), shop.e);
	TPM2B_PUBLIC l1 = soft_template_ek_rsa(256), l2 = soft_template_ek_p256();
	memcpy(l1.publicArea.unique.rsa.buffer, rsa.rsa_modulus, 256);
	memcpy(l2.publicArea.unique.ecc.x.buffer, p256.x, 32);
	memcpy(l2.publicArea.unique.ecc.y.buffer, p256.y, 32);
	soft_marshal(&l1, &shop.rsa_public);
	soft_marshal(&l2, &shop.p256_public);
	CHECK_OK(ek_parse(shop.rsa_public.data, shop.rsa_public.len, &shop.rsa_ek, &shop.e), shop.e);
	CHECK_OK(ek_parse(shop.p256_public.data, shop.p256_public.len, &shop.p256_ek, &shop.e), shop.e);
	return 0;
}

static int close_shop(void **state)
{
	chain_free(shop.makers);
	maker_close(&shop.maker);
	EVP_PKEY_free(shop.rsa);
	EVP_PKEY_free(shop.p256);
	bytes_fini(&shop.rsa_public);
	bytes_fini(&shop.p256_public);
	bytes_fini(&shop.cert);
	return 0;
}

/* ---- templates ---- */

static void golden_ek_gives_the_registration_id_of_other_clients(void **state)
{
	AUTO(bytes) struct bytes public_area = {0};
	struct ek ek;
	char id[64];
	CHECK_OK(base64_decode(golden_ek, strlen(golden_ek), &public_area, &shop.e), shop.e);
	CHECK_OK(ek_parse(public_area.data, public_area.len, &ek, &shop.e), shop.e);
	base32_encode(ek.sha256, sizeof(ek.sha256), id);
	assert_string_equal(id, golden_id);
	assert_string_equal(ek.template_name, "L-1");
	assert_int_equal(ek.key.rsa_exponent, 65537);
}

static void both_templates_are_known_by_name(void **state)
{
	assert_string_equal(shop.rsa_ek.template_name, "L-1");
	assert_string_equal(shop.p256_ek.template_name, "L-2");
}

/* Everything before `unique` is the template: no bit of it may differ, but for the exponent's two spellings. */
static void every_other_template_is_refused(void **state)
{
	const struct bytes *keys[] = {&shop.rsa_public, &shop.p256_public};
	const size_t template_len[] = {shop.rsa_public.len - 256, shop.p256_public.len - 66};
	struct ek ek;
	for (size_t k = 0; k < 2; k++)
		for (size_t bit = 0; bit < template_len[k] * 8; bit++) {
			keys[k]->data[bit / 8] ^= 1 << bit % 8;
			CHECK_FAILS(ek_parse(keys[k]->data, keys[k]->len, &ek, &shop.e), E_EK_TEMPLATE, shop.e);
			keys[k]->data[bit / 8] ^= 1 << bit % 8;
		}
}

static void set_oaep(TPMT_PUBLIC *p)
{
	p->parameters.rsaDetail.scheme.scheme = TPM2_ALG_OAEP;
	p->parameters.rsaDetail.scheme.details.oaep.hashAlg = TPM2_ALG_SHA256;
}

static void shorten_rsa(TPMT_PUBLIC *p)
{
	p->parameters.rsaDetail.keyBits = 1024;
	p->unique.rsa.size = 128;
}

static void set_exponent(TPMT_PUBLIC *p)
{
	p->parameters.rsaDetail.exponent = 3;
}

static void set_curve(TPMT_PUBLIC *p)
{
	p->parameters.eccDetail.curveID = TPM2_ECC_NIST_P384;
	p->unique.ecc.x.size = p->unique.ecc.y.size = 48;
}

static void add_kdf(TPMT_PUBLIC *p)
{
	p->parameters.eccDetail.kdf.scheme = TPM2_ALG_KDF1_SP800_56A;
	p->parameters.eccDetail.kdf.details.kdf1_sp800_56a.hashAlg = TPM2_ALG_SHA256;
}

static void lengthen_policy(TPMT_PUBLIC *p)
{
	p->authPolicy.size = 48;
}

static void drop_policy(TPMT_PUBLIC *p)
{
	p->authPolicy.size = 0;
}

static void drop_symmetric(TPMT_PUBLIC *p)
{
	p->parameters.asymDetail.symmetric.algorithm = TPM2_ALG_NULL;
}

/* Changes that a flipped bit cannot make, because they change the length of what follows. */
static void well_formed_key_of_another_template_is_refused(void **state)
{
	static const struct {
		const char *what;
		void (*change)(TPMT_PUBLIC *p);
		bool of_rsa, of_p256;
	} rows[] = {
		{"OAEP", set_oaep, true, false},
		{"RSA-1024", shorten_rsa, true, false},
		{"exponent 3", set_exponent, true, false},
		{"P-384", set_curve, false, true},
		{"a key derivation", add_kdf, false, true},
		{"a policy that begins as PolicyA", lengthen_policy, true, true},
		{"no policy", drop_policy, true, true},
		{"no symmetric algorithm", drop_symmetric, true, true},
	};
	const struct bytes *keys[] = {&shop.rsa_public, &shop.p256_public};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t k = 0; k < 2; k++) {
			AUTO(bytes) struct bytes area = {0};
			TPM2B_PUBLIC p = {0};
			struct ek ek;
			size_t offset = 0;
			if (!(k ? rows[i].of_p256 : rows[i].of_rsa))
				continue;
			assert_int_equal(Tss2_MU_TPM2B_PUBLIC_Unmarshal(keys[k]->data, keys[k]->len, &offset, &p), 0);
			rows[i].change(&p.publicArea);
			soft_marshal(&p, &area);
			if (ek_parse(area.data, area.len, &ek, &shop.e) || shop.e.code != E_EK_TEMPLATE)
				fail_msg("%s, key %zu: %s %s", rows[i].what, k, err_row(shop.e.code)->name, shop.e.what);
			err_clear(&shop.e);
		}
}

static void ek_cut_at_any_length_or_with_trailing_bytes_is_refused(void **state)
{
	const struct bytes *keys[] = {&shop.rsa_public, &shop.p256_public};
	uint8_t longer[400] = {0};
	struct ek ek;
	for (size_t k = 0; k < 2; k++) {
		CHECK_OK(ek_parse(keys[k]->data, keys[k]->len, &ek, &shop.e), shop.e);	/* nothing of this passes for the next */
		for (size_t len = 0; len < keys[k]->len; len++) {
			uint8_t *exact = malloc(len + !len);	/* so that a sanitizer sees a read beyond */
			memcpy(exact, keys[k]->data, len);
			CHECK_FAILS(ek_parse(exact, len, &ek, &shop.e), E_EK_TEMPLATE, shop.e);
			free(exact);
		}
		memcpy(longer, keys[k]->data, keys[k]->len);
		CHECK_FAILS(ek_parse(longer, keys[k]->len + 1, &ek, &shop.e), E_EK_TEMPLATE, shop.e);
	}
}

static void weak_keys_are_refused(void **state)
{
	struct bytes *rsa = &shop.rsa_public, *p256 = &shop.p256_public;
	struct ek ek;
	rsa->data[rsa->len - 1] ^= 1;	/* even */
	CHECK_FAILS(ek_parse(rsa->data, rsa->len, &ek, &shop.e), E_KEY_WEAK, shop.e);
	rsa->data[rsa->len - 1] ^= 1;
	rsa->data[rsa->len - 256] ^= 0x80;	/* short */
	CHECK_FAILS(ek_parse(rsa->data, rsa->len, &ek, &shop.e), E_KEY_WEAK, shop.e);
	rsa->data[rsa->len - 256] ^= 0x80;
	p256->data[p256->len - 1] ^= 1;	/* off the curve */
	CHECK_FAILS(ek_parse(p256->data, p256->len, &ek, &shop.e), E_KEY_WEAK, shop.e);
	p256->data[p256->len - 1] ^= 1;
}

/* ---- certificates ---- */

static bool judge(const struct key_public *key, struct ek_cert *ret)
{
	return ek_cert_judge(shop.cert.data, shop.cert.len, key, shop.makers, ret, &shop.e);
}

static void honest_certificates_are_accepted(void **state)
{
	const struct order rsa = {0}, p256 = {.from_root = true, .maker_in_subject = true};
	struct ek_cert cert;
	uint8_t hash[SHA256_SIZE];
	maker_certify(&shop.maker, shop.rsa, &rsa, &shop.cert);
	CHECK_OK(judge(&shop.rsa_ek.key, &cert), shop.e);
	assert_string_equal(cert.manufacturer, "id:53494D00");
	assert_string_equal(cert.model, "sim");
	assert_string_equal(cert.version, "id:00010002");
	sha256_of(shop.cert.data, shop.cert.len, hash);
	assert_memory_equal(cert.sha256, hash, sizeof(hash));
	maker_certify(&shop.maker, shop.p256, &p256, &shop.cert);
	CHECK_OK(judge(&shop.p256_ek.key, &cert), shop.e);
	assert_string_equal(cert.manufacturer, "id:53494D00");
}

static void maker_is_found_among_other_names(void **state)
{
	const struct order o = {.other_names = true};
	struct ek_cert cert;
	maker_certify(&shop.maker, shop.rsa, &o, &shop.cert);
	CHECK_OK(judge(&shop.rsa_ek.key, &cert), shop.e);
	assert_string_equal(cert.manufacturer, "id:53494D00");
}

static void padding_behind_the_certificate_is_no_part_of_it(void **state)
{
	static const uint8_t zeros[100], ones[] = {0xff, 0xff, 0xff};
	const struct order o = {0};
	struct ek_cert bare, padded;
	maker_certify(&shop.maker, shop.rsa, &o, &shop.cert);
	CHECK_OK(judge(&shop.rsa_ek.key, &bare), shop.e);
	CHECK_OK(bytes_add(&shop.cert, zeros, sizeof(zeros), &shop.e), shop.e);
	CHECK_OK(bytes_add(&shop.cert, ones, sizeof(ones), &shop.e), shop.e);
	CHECK_OK(judge(&shop.rsa_ek.key, &padded), shop.e);
	assert_memory_equal(&bare, &padded, sizeof(bare));
	shop.cert.data[shop.cert.len - 1] = 0x30;
	CHECK_FAILS(judge(&shop.rsa_ek.key, &padded), E_EK_CERT_BAD, shop.e);
}

/* As an NV index is that the maker defined and never wrote. */
static void padding_alone_is_no_certificate(void **state)
{
	static const uint8_t zeros[1000];
	uint8_t ones[1000];
	struct ek_cert cert;
	memset(ones, 0xff, sizeof(ones));
	CHECK_OK(bytes_set(&shop.cert, zeros, sizeof(zeros), &shop.e), shop.e);
	CHECK_FAILS(judge(&shop.rsa_ek.key, &cert), E_EK_CERT_BAD, shop.e);
	CHECK_OK(bytes_set(&shop.cert, ones, sizeof(ones), &shop.e), shop.e);
	CHECK_FAILS(judge(&shop.rsa_ek.key, &cert), E_EK_CERT_BAD, shop.e);
}

static void flawed_certificates_are_refused_by_their_flaw(void **state)
{
	static const struct {
		const char *flaw;
		struct order order;
		enum err_code code;
	} rows[] = {
		{"no EK usage", {.no_ek_usage = true}, E_EK_CERT_BAD},
		{"another usage", {.extended_usage = "clientAuth,2.23.133.8.3"}, E_EK_CERT_BAD},
		{"a usage that begins as the right one", {.extended_usage = "2.23.133.8.1.1"}, E_EK_CERT_BAD},
		{"a CA", {.is_ca = true}, E_EK_CERT_BAD},
		{"a key that signs", {.key_usage = "critical,digitalSignature"}, E_EK_CERT_BAD},
		{"a key that agrees, which RSA cannot", {.key_usage = "critical,keyAgreement"}, E_EK_CERT_BAD},
		{"a key usage that stands there twice", {.usage_twice = true}, E_EK_CERT_BAD},
		{"no manufacturer", {.no_maker = true}, E_EK_CERT_BAD},
		{"a manufacturer with an escape", {.manufacturer = "id:\033[2J"}, E_EK_CERT_BAD},
		{"a long manufacturer", {.manufacturer = "id:0123456789abcdef"}, E_EK_CERT_BAD},
		{"a model with an escape", {.model = "\033[2J"}, E_EK_CERT_BAD},
		{"an unknown critical extension", {.unknown_critical = true}, E_EK_CHAIN},
		{"expired", {.from_days = -20, .until_days = -10}, E_EK_CHAIN},
		{"not valid yet", {.from_days = 10, .until_days = 20}, E_EK_CHAIN},
		{"signed with SHA-1", {.sha1 = true}, E_EK_CHAIN},
	};
	struct ek_cert cert;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		maker_certify(&shop.maker, shop.rsa, &rows[i].order, &shop.cert);
		if (judge(&shop.rsa_ek.key, &cert) || shop.e.code != rows[i].code)
			fail_msg("%s: %s %s", rows[i].flaw, err_row(shop.e.code)->name, shop.e.what);
		err_clear(&shop.e);
	}
}

static void certificate_of_another_key_is_a_mismatch(void **state)
{
	const struct order o = {0};
	struct ek_cert cert;
	maker_certify(&shop.maker, shop.p256, &o, &shop.cert);
	CHECK_FAILS(judge(&shop.rsa_ek.key, &cert), E_EK_MISMATCH, shop.e);
}

/* A profile that needs no chain takes a stranger's certificate, but not its word for who made the TPM. */
static void texts_that_nothing_vouches_for_stay_empty(void **state)
{
	const struct order o = {0};
	struct maker stranger;
	struct ek_cert cert;
	maker_open(&stranger);
	maker_certify(&stranger, shop.rsa, &o, &shop.cert);
	maker_close(&stranger);
	CHECK_FAILS(judge(&shop.rsa_ek.key, &cert), E_EK_CHAIN, shop.e);
	CHECK_OK(ek_cert_judge(shop.cert.data, shop.cert.len, &shop.rsa_ek.key, NULL, &cert, &shop.e), shop.e);
	assert_string_equal(cert.manufacturer, "");
}

static void certificate_with_any_bit_flipped_is_refused(void **state)
{
	const struct order o = {0};
	struct ek_cert cert;
	maker_certify(&shop.maker, shop.rsa, &o, &shop.cert);
	for (size_t bit = 0; bit < shop.cert.len * 8; bit++) {
		shop.cert.data[bit / 8] ^= 1 << bit % 8;
		if (judge(&shop.rsa_ek.key, &cert))
			fail_msg("accepted with bit %zu flipped", bit);
		err_clear(&shop.e);
		shop.cert.data[bit / 8] ^= 1 << bit % 8;
	}
	CHECK_OK(judge(&shop.rsa_ek.key, &cert), shop.e);
}

/* The same certificate with a length of three bytes for one that needs two: another string of bytes under the same signature. */
static void certificate_in_ber_that_is_not_der_is_refused(void **state)
{
	const struct order o = {0};
	struct bytes der = {0};
	struct ek_cert cert;
	maker_certify(&shop.maker, shop.rsa, &o, &der);
	assert_memory_equal(der.data, "\x30\x82", 2);
	CHECK_OK(bytes_set(&shop.cert, "\x30\x83\x00", 3, &shop.e), shop.e);
	CHECK_OK(bytes_add(&shop.cert, der.data + 2, der.len - 2, &shop.e), shop.e);
	CHECK_FAILS(judge(&shop.rsa_ek.key, &cert), E_EK_CERT_BAD, shop.e);
	bytes_fini(&der);
}

static void certificate_cut_at_any_length_is_refused(void **state)
{
	const struct order o = {0};
	struct ek_cert cert;
	maker_certify(&shop.maker, shop.rsa, &o, &shop.cert);
	for (size_t len = 0; len < shop.cert.len; len++) {
		uint8_t *exact = malloc(len + !len);
		memcpy(exact, shop.cert.data, len);
		CHECK_FAILS(ek_cert_judge(exact, len, &shop.rsa_ek.key, shop.makers, &cert, &shop.e), E_EK_CERT_BAD, shop.e);
		free(exact);
	}
}

static void ek_with_any_bit_flipped_does_not_pass_with_its_certificate(void **state)
{
	const struct order o = {0};
	struct bytes *p = &shop.rsa_public;
	struct ek_cert cert;
	struct ek ek;
	maker_certify(&shop.maker, shop.rsa, &o, &shop.cert);
	for (size_t bit = 0; bit < p->len * 8; bit++) {
		p->data[bit / 8] ^= 1 << bit % 8;
		if (ek_parse(p->data, p->len, &ek, &shop.e) && judge(&ek.key, &cert))
			fail_msg("accepted with bit %zu flipped", bit);
		err_clear(&shop.e);
		p->data[bit / 8] ^= 1 << bit % 8;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_ek_gives_the_registration_id_of_other_clients),
		cmocka_unit_test(both_templates_are_known_by_name),
		cmocka_unit_test(every_other_template_is_refused),
		cmocka_unit_test(well_formed_key_of_another_template_is_refused),
		cmocka_unit_test(ek_cut_at_any_length_or_with_trailing_bytes_is_refused),
		cmocka_unit_test(weak_keys_are_refused),
		cmocka_unit_test(honest_certificates_are_accepted),
		cmocka_unit_test(maker_is_found_among_other_names),
		cmocka_unit_test(padding_behind_the_certificate_is_no_part_of_it),
		cmocka_unit_test(padding_alone_is_no_certificate),
		cmocka_unit_test(flawed_certificates_are_refused_by_their_flaw),
		cmocka_unit_test(certificate_of_another_key_is_a_mismatch),
		cmocka_unit_test(texts_that_nothing_vouches_for_stay_empty),
		cmocka_unit_test(certificate_with_any_bit_flipped_is_refused),
		cmocka_unit_test(certificate_in_ber_that_is_not_der_is_refused),
		cmocka_unit_test(certificate_cut_at_any_length_is_refused),
		cmocka_unit_test(ek_with_any_bit_flipped_does_not_pass_with_its_certificate),
	};
	return cmocka_run_group_tests(tests, open_shop, close_shop);
}
