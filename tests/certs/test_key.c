/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/key.h"
#include "certs/ossl.h"
#include "tests/certs/check.h"
#include "tests/certs/desk.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

#include <string.h>

static void make_rsa(struct key_public *ret, EVP_PKEY **ret_pkey)
{
	struct err e = {0};
	*ret_pkey = EVP_RSA_gen(2048);
	CHECK_OK(ossl_key_public(*ret_pkey, ret, &e), e);
}

/* libcrypto encodes the same key: an independent opinion on every byte. */
static void spki_is_what_libcrypto_writes(const struct key_public *key, EVP_PKEY *pkey)
{
	struct err e = {0};
	AUTO(bytes) struct bytes spki = {0};
	uint8_t *theirs = NULL;
	CHECK_OK(key_spki(key, &spki, &e), e);
	int len = i2d_PUBKEY(pkey, &theirs);
	assert_int_equal(len, spki.len);
	assert_memory_equal(theirs, spki.data, spki.len);
	OPENSSL_free(theirs);
}

static void spki_of_a_p256_key_is_standard(void **state)
{
	struct key_public key;
	AUTO(pkey) EVP_PKEY *pkey = NULL;
	key_make(&key, &pkey);
	spki_is_what_libcrypto_writes(&key, pkey);
}

static void spki_of_an_rsa_key_is_standard(void **state)
{
	struct key_public key;
	AUTO(pkey) EVP_PKEY *pkey = NULL;
	make_rsa(&key, &pkey);
	assert_int_equal(key.rsa_exponent, 65537);
	spki_is_what_libcrypto_writes(&key, pkey);
}

static void numbers_become_libcryptos_key_and_back(void **state)
{
	struct err e = {0};
	struct key_public key[2], back;
	EVP_PKEY *pkey[2] = {NULL, NULL};
	key_make(&key[0], &pkey[0]);
	make_rsa(&key[1], &pkey[1]);
	for (int i = 0; i < 2; i++) {
		AUTO(pkey) EVP_PKEY *again = NULL;
		CHECK_OK(ossl_pkey(&key[i], &again, &e), e);
		assert_int_equal(EVP_PKEY_eq(again, pkey[i]), 1);
		CHECK_OK(ossl_key_public(again, &back, &e), e);
		assert_memory_equal(&back, &key[i], sizeof(back));
		EVP_PKEY_free(pkey[i]);
	}
}

static void point_off_the_curve_is_refused(void **state)
{
	struct err e = {0};
	struct key_public key;
	AUTO(pkey) EVP_PKEY *pkey = NULL;
	key_make(&key, NULL);
	key.y[31] ^= 1;
	AUTO(bytes) struct bytes spki = {0};
	CHECK_FAILS(key_spki(&key, &spki, &e), E_KEY_WEAK, e);
	CHECK_FAILS(ossl_pkey(&key, &pkey, &e), E_KEY_WEAK, e);
	assert_int_equal(spki.len, 0);
}

static void coordinate_beyond_the_field_is_refused(void **state)
{
	struct err e = {0};
	struct key_public key = {.kind = KEY_P256};
	memset(key.x, 0xff, sizeof(key.x));
	CHECK_FAILS(key_is_sound(&key, &e), E_KEY_WEAK, e);
	memset(key.x, 0, sizeof(key.x));
	CHECK_FAILS(key_is_sound(&key, &e), E_KEY_WEAK, e);
}

static void weak_rsa_numbers_are_refused(void **state)
{
	struct err e = {0};
	struct key_public good, bad;
	AUTO(pkey) EVP_PKEY *pkey = NULL;
	make_rsa(&good, &pkey);
	CHECK_OK(key_is_sound(&good, &e), e);
	bad = good, bad.rsa_exponent = 3;
	CHECK_FAILS(key_is_sound(&bad, &e), E_KEY_WEAK, e);
	bad = good, bad.rsa_exponent = 65538;
	CHECK_FAILS(key_is_sound(&bad, &e), E_KEY_WEAK, e);
	bad = good, bad.rsa_exponent = 0;
	CHECK_FAILS(key_is_sound(&bad, &e), E_KEY_WEAK, e);
	bad = good, bad.rsa_modulus[255] &= 0xfe;
	CHECK_FAILS(key_is_sound(&bad, &e), E_KEY_WEAK, e);
	bad = good, bad.rsa_modulus[0] &= 0x7f;
	CHECK_FAILS(key_is_sound(&bad, &e), E_KEY_WEAK, e);
	bad = good, bad.rsa_bits = 1024;
	CHECK_FAILS(key_is_sound(&bad, &e), E_KEY_WEAK, e);
	bad = good, bad.rsa_bits = 1u << 20;
	CHECK_FAILS(key_is_sound(&bad, &e), E_KEY_WEAK, e);
	bad = good, bad.kind = 7;
	CHECK_FAILS(key_is_sound(&bad, &e), E_KEY_WEAK, e);
}

static void other_curves_are_refused(void **state)
{
	struct err e = {0};
	struct key_public key;
	AUTO(pkey) EVP_PKEY *p384 = EVP_EC_gen("P-384");
	AUTO(pkey) EVP_PKEY *k256 = EVP_EC_gen("secp256k1");
	AUTO(pkey) EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	CHECK_FAILS(ossl_key_public(p384, &key, &e), E_KEY_WEAK, e);
	CHECK_FAILS(ossl_key_public(k256, &key, &e), E_KEY_WEAK, e);
	CHECK_FAILS(ossl_key_public(ed, &key, &e), E_KEY_WEAK, e);
}

static void sign_digest(EVP_PKEY *pkey, const uint8_t *digest, struct key_signature *ret)
{
	uint8_t der[80];
	const uint8_t *p = der;
	size_t len = sizeof(der);
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
	assert_true(EVP_PKEY_sign_init(ctx) > 0 && EVP_PKEY_sign(ctx, der, &len, digest, 32) > 0);
	AUTO(ecdsa_sig) ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)len);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), ret->r, 32), 32);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(sig), ret->s, 32), 32);
}

static void signature_holds_for_its_key_and_digest_only(void **state)
{
	struct key_public key, other;
	struct key_signature sig, bad;
	uint8_t digest[32] = {1, 2, 3}, another[32] = {1, 2, 4};
	AUTO(pkey) EVP_PKEY *pkey = NULL;
	key_make(&key, &pkey);
	key_make(&other, NULL);
	for (int i = 0; i < 32; i++) {	/* often enough for numbers with leading zeros and top bits */
		digest[31] = (uint8_t)i;
		sign_digest(pkey, digest, &sig);
		assert_true(key_signed(&key, digest, &sig));
		assert_false(key_signed(&other, digest, &sig));
		assert_false(key_signed(&key, another, &sig));
	}
	for (size_t i = 0; i < sizeof(sig); i++) {
		bad = sig;
		((uint8_t *)&bad)[i] ^= 0x10;
		assert_false(key_signed(&key, digest, &bad));
	}
	memset(&bad, 0, sizeof(bad));
	assert_false(key_signed(&key, digest, &bad));
}

/* Right, another's, off the curve, right: whatever came before, the key of this call decides. */
static void kept_checker_remembers_nothing_of_the_keys_before(void **state)
{
	AUTO(key_checker) struct key_checker checker = {0};
	struct key_public key[4], off, rsa = {.kind = KEY_RSA};
	struct key_signature sig[4];
	uint8_t digest[32] = {9};
	for (size_t i = 0; i < COUNT_OF(key); i++) {
		AUTO(pkey) EVP_PKEY *pkey = NULL;
		key_make(&key[i], &pkey);
		sign_digest(pkey, digest, &sig[i]);
	}
	for (size_t i = 0; i < 4 * COUNT_OF(key); i++) {
		size_t a = i % COUNT_OF(key), b = (i + 1 + i / COUNT_OF(key) % 3) % COUNT_OF(key);
		off = key[a];
		off.y[31] ^= 1;
		assert_true(key_checker_signed(&checker, &key[a], digest, &sig[a]));
		assert_false(key_checker_signed(&checker, &key[a], digest, &sig[b]));
		assert_false(key_checker_signed(&checker, &key[b], digest, &sig[a]));
		assert_false(key_checker_signed(&checker, &off, digest, &sig[a]));
		assert_false(key_checker_signed(&checker, &rsa, digest, &sig[a]));
		assert_true(key_checker_signed(&checker, &key[b], digest, &sig[b]));
	}
	assert_int_equal(ERR_peek_error(), 0);
	key_checker_fini(&checker);
	key_checker_fini(&checker);
	assert_true(key_checker_signed(&checker, &key[0], digest, &sig[0]));
}

static void key_id_is_160_bits_of_sha256_of_the_point(void **state)
{
	struct key_public key;
	uint8_t point[65] = {4}, hash[32], id[KEY_ID_SIZE];
	key_make(&key, NULL);
	memcpy(point + 1, key.x, 32);
	memcpy(point + 33, key.y, 32);
	EVP_Digest(point, sizeof(point), hash, NULL, EVP_sha256(), NULL);
	key_id(&key, id);
	assert_memory_equal(id, hash, sizeof(id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spki_of_a_p256_key_is_standard),
		cmocka_unit_test(spki_of_an_rsa_key_is_standard),
		cmocka_unit_test(numbers_become_libcryptos_key_and_back),
		cmocka_unit_test(point_off_the_curve_is_refused),
		cmocka_unit_test(coordinate_beyond_the_field_is_refused),
		cmocka_unit_test(weak_rsa_numbers_are_refused),
		cmocka_unit_test(other_curves_are_refused),
		cmocka_unit_test(signature_holds_for_its_key_and_digest_only),
		cmocka_unit_test(kept_checker_remembers_nothing_of_the_keys_before),
		cmocka_unit_test(key_id_is_160_bits_of_sha256_of_the_point),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
