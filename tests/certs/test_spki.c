/* SPDX-License-Identifier: Apache-2.0 */
/* One key, however it is encoded, is one key; and what only looks like one is none. */
#include "certs/spki.h"
#include "certs/der.h"
#include "tests/certs/check.h"
#include "tests/certs/request.h"

#include <string.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/x509.h>

static bool parse(const struct bytes *b, struct key_public *ret, struct err *e)
{
	return spki_parse(b->data, b->len, E_CSR, ret, e);
}

static void is_refused(const struct bytes *b, enum err_code code)
{
	struct key_public key;
	struct err e = {0};
	CHECK_FAILS(parse(b, &key, &e), code, e);
}

/* The one form that is hashed. */
static void canonical(const struct key_public *key, struct bytes *ret)
{
	struct err e = {0};
	bytes_clear(ret);
	CHECK_OK(key_spki(key, ret, &e), e);
}

static void encodings_of_one_p256_key_are_one_key(void **state)
{
	static const enum point_form forms[] = {POINT_COMPRESSED, POINT_PLAIN, POINT_HYBRID};
	for (unsigned n = 0; n < 16; n++) {	/* both parities of y come up */
		AUTO(bytes) struct bytes plain = {0}, other = {0}, one = {0};
		EVP_PKEY *key = request_key_p256();
		request_spki(key, POINT_PLAIN, false, &plain);
		for (size_t i = 0; i < 2 * COUNT_OF(forms); i++) {
			struct key_public read;
			struct err e = {0};
			request_spki(key, forms[i / 2], i % 2, &other);
			CHECK_OK(parse(&other, &read, &e), e);
			canonical(&read, &one);
			assert_true(bytes_equal(&one, &plain));
			assert_int_equal(bytes_equal(&other, &plain), forms[i / 2] == POINT_PLAIN && i % 2 == 0);
		}
		EVP_PKEY_free(key);
	}
}

/* ---- RSA ---- */

/* SubjectPublicKeyInfo of an RSA key with these bytes behind the algorithm's OID. */
static void rsa_spki(EVP_PKEY *key, const uint8_t *oid, size_t oid_len, const void *params, size_t params_len, struct bytes *ret)
{
	AUTO(bytes) struct bytes id = {0}, algorithm = {0}, bits = {0};
	uint8_t *numbers = NULL;
	int len = i2d_PublicKey(key, &numbers);
	const struct span content = {oid, oid_len}, of_key[] = {{"", 1}, {numbers, (size_t)len}};
	request_der(&id, DER_OID, &content, 1);
	const struct span of_algorithm[] = {{id.data, id.len}, {params, params_len}};
	request_der(&algorithm, DER_SEQUENCE, of_algorithm, 2);
	request_der(&bits, DER_BIT_STRING, of_key, 2);
	OPENSSL_free(numbers);
	const struct span parts[] = {{algorithm.data, algorithm.len}, {bits.data, bits.len}};
	bytes_clear(ret);
	request_der(ret, DER_SEQUENCE, parts, 2);
}

static const uint8_t rsa_encryption[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};
static const uint8_t rsassa_pss[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a};

static void rsa_key_with_null_or_absent_parameters_is_one_key(void **state)
{
	AUTO(bytes) struct bytes usual = {0}, bare = {0}, one = {0};
	EVP_PKEY *key = request_key_rsa(2048, 65537);
	struct key_public read;
	struct err e = {0};
	request_spki(key, POINT_PLAIN, false, &usual);
	CHECK_OK(parse(&usual, &read, &e), e);
	canonical(&read, &one);
	assert_true(bytes_equal(&one, &usual));
	rsa_spki(key, rsa_encryption, sizeof(rsa_encryption), "", 0, &bare);
	assert_int_equal(bare.len + 2, usual.len);
	CHECK_OK(parse(&bare, &read, &e), e);
	canonical(&read, &one);
	assert_true(bytes_equal(&one, &usual));
	rsa_spki(key, rsa_encryption, sizeof(rsa_encryption), "\x30\x00", 2, &bare);
	is_refused(&bare, E_KEY_WEAK);
	rsa_spki(key, rsa_encryption, sizeof(rsa_encryption), "\5\0\5\0", 4, &bare);
	is_refused(&bare, E_KEY_WEAK);
	rsa_spki(key, rsassa_pss, sizeof(rsassa_pss), "", 0, &bare);
	is_refused(&bare, E_KEY_WEAK);
	EVP_PKEY_free(key);
}

/* An RSA public key of any numbers, with more behind them or behind the sequence of them. */
static void odd_rsa_spki(const struct span *modulus, const struct span *exponent, const struct span *more, const struct span *behind,
			 struct bytes *ret)
{
	AUTO(bytes) struct bytes n = {0}, e = {0}, numbers = {0}, bits = {0};
	static const uint8_t algorithm[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
	request_der(&n, DER_INTEGER, modulus, 1);
	request_der(&e, DER_INTEGER, exponent, 1);
	const struct span all[] = {{n.data, n.len}, {e.data, e.len}, *more};
	request_der(&numbers, DER_SEQUENCE, all, 3);
	const struct span content[] = {{"", 1}, {numbers.data, numbers.len}, *behind};
	request_der(&bits, DER_BIT_STRING, content, 3);
	const struct span parts[] = {{algorithm, sizeof(algorithm)}, {bits.data, bits.len}};
	bytes_clear(ret);
	request_der(ret, DER_SEQUENCE, parts, 2);
}

static void numbers_spki(const struct span *modulus, const struct span *exponent, struct bytes *ret)
{
	static const struct span nothing = {"", 0};
	odd_rsa_spki(modulus, exponent, &nothing, &nothing, ret);
}

static void rsa_key_with_more_than_two_numbers_is_refused(void **state)
{
	static const struct span nothing = {"", 0}, third = {"\2\1\7", 3}, exponent = {"\1\0\1", 3};
	AUTO(bytes) struct bytes spki = {0};
	uint8_t modulus[257];
	const struct span n = {modulus, sizeof(modulus)};
	struct key_public key;
	struct err e = {0};
	memset(modulus, 0xd5, sizeof(modulus));
	modulus[0] = 0;
	odd_rsa_spki(&n, &exponent, &nothing, &nothing, &spki);
	CHECK_OK(parse(&spki, &key, &e), e);
	odd_rsa_spki(&n, &exponent, &third, &nothing, &spki);
	is_refused(&spki, E_KEY_WEAK);
	odd_rsa_spki(&n, &exponent, &nothing, &third, &spki);
	is_refused(&spki, E_KEY_WEAK);
}

static void weak_and_giant_rsa_numbers_are_refused(void **state)
{
	static uint8_t modulus[2049] = {0, 0xc0};
	static const struct {
		size_t modulus_len;	/* with the zero in front */
		const char *exponent;
		size_t exponent_len;
		bool taken;
	} rows[] = {
		{257, "\1\0\1", 3, true},
		{385, "\1\0\1", 3, true},
		{513, "\1\0\1", 3, true},
		{257, "\x7f\xff\xff\xff", 4, true},
		{257, "\0\xff\xff\xff\xff", 5, true},
		{129, "\1\0\1", 3, false},	/* 1024 bits */
		{514, "\1\0\1", 3, false},	/* 4104 bits */
		{2049, "\1\0\1", 3, false},	/* 16384 bits: nobody calculates with it */
		{257, "\0", 1, false},
		{257, "\1", 1, false},
		{257, "\3", 1, false},
		{257, "\1\0\2", 3, false},	/* even */
		{257, "\xff", 1, false},	/* negative */
		{257, "\1\0\0\0\1", 5, false},
		{257, "\1\0\1\0\1", 5, false},	/* whose end would do */
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO(bytes) struct bytes spki = {0};
		const struct span n = {modulus, rows[i].modulus_len}, x = {rows[i].exponent, rows[i].exponent_len};
		struct key_public key;
		struct err e = {0};
		memset(modulus + 2, 0x55, sizeof(modulus) - 2);
		numbers_spki(&n, &x, &spki);
		bool taken = parse(&spki, &key, &e);
		assert_int_equal(taken, rows[i].taken);
		assert_int_equal(e.code, taken ? E_NONE : E_KEY_WEAK);
		if (taken)
			assert_int_equal(key.rsa_bits, 8 * (rows[i].modulus_len - 1));
	}
}

static void rsa_modulus_that_does_not_fill_its_bytes_or_is_even_is_refused(void **state)
{
	AUTO(bytes) struct bytes spki = {0};
	uint8_t modulus[257];
	const struct span n = {modulus, 256}, whole = {modulus, 257}, exponent = {"\1\0\1", 3};
	memset(modulus, 0x55, sizeof(modulus));
	numbers_spki(&n, &exponent, &spki);	/* 2047 bits */
	is_refused(&spki, E_KEY_WEAK);
	modulus[0] = 0;
	modulus[1] = 0xc0;
	modulus[256] = 0x54;
	numbers_spki(&whole, &exponent, &spki);
	is_refused(&spki, E_KEY_WEAK);
	modulus[256] = 0x55;
	modulus[1] = 0x55;	/* a zero that is not needed */
	numbers_spki(&whole, &exponent, &spki);
	is_refused(&spki, E_KEY_WEAK);
}

/* ---- curves ---- */

static void other_kinds_of_key_are_refused(void **state)
{
	static const char *const curves[] = {"P-384", "P-521", "P-224", "secp256k1", "brainpoolP256r1"};
	for (size_t i = 0; i < COUNT_OF(curves); i++)
		for (int explicit_curve = 0; explicit_curve < 2; explicit_curve++) {
			AUTO(bytes) struct bytes spki = {0};
			EVP_PKEY *key = EVP_EC_gen(curves[i]);
			request_spki(key, POINT_PLAIN, explicit_curve, &spki);
			is_refused(&spki, E_KEY_WEAK);
			EVP_PKEY_free(key);
		}
	AUTO(bytes) struct bytes spki = {0};
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	request_spki(key, POINT_PLAIN, false, &spki);
	is_refused(&spki, E_KEY_WEAK);
	EVP_PKEY_free(key);
}

/* Explicit parameters of P-256 as an attacker may change them: generator, order and cofactor. NULL leaves what is right. */
static void explicit_spki(EVP_PKEY *key, const EC_POINT *generator, const BIGNUM *order, const BIGNUM *cofactor, struct bytes *ret)
{
	uint8_t *params = NULL, point[65];
	size_t len = 0;
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_GROUP_set_asn1_flag(group, OPENSSL_EC_EXPLICIT_CURVE);
	assert_true(EC_GROUP_set_generator(group, generator ? generator : EC_GROUP_get0_generator(group),
					   order ? order : EC_GROUP_get0_order(group),
					   cofactor ? cofactor : EC_GROUP_get0_cofactor(group)));
	int params_len = i2d_ECPKParameters(group, &params);
	assert_true(params_len > 0 && EVP_PKEY_get_octet_string_param(key, "pub", point, sizeof(point), &len));
	AUTO(bytes) struct bytes algorithm = {0}, bits = {0};
	static const uint8_t id[] = {0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
	const struct span of_algorithm[] = {{id, sizeof(id)}, {params, (size_t)params_len}}, of_key[] = {{"", 1}, {point, len}};
	request_der(&algorithm, DER_SEQUENCE, of_algorithm, 2);
	request_der(&bits, DER_BIT_STRING, of_key, 2);
	const struct span parts[] = {{algorithm.data, algorithm.len}, {bits.data, bits.len}};
	bytes_clear(ret);
	request_der(ret, DER_SEQUENCE, parts, 2);
	OPENSSL_free(params);
	EC_GROUP_free(group);
}

/* With a generator of one's choice, such as somebody's public point, the private key 1 belongs to that point. */
static void curve_with_a_generator_of_ones_choice_is_refused(void **state)
{
	AUTO(bytes) struct bytes spki = {0};
	EVP_PKEY *key = request_key_p256();
	struct key_public read;
	struct err e = {0};
	uint8_t point[65];
	size_t len = 0;
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *victim = EC_POINT_new(group);
	explicit_spki(key, NULL, NULL, NULL, &spki);
	CHECK_OK(parse(&spki, &read, &e), e);
	assert_true(EVP_PKEY_get_octet_string_param(key, "pub", point, sizeof(point), &len) &&
		    EC_POINT_oct2point(group, victim, point, len, NULL));
	explicit_spki(key, victim, NULL, NULL, &spki);
	is_refused(&spki, E_KEY_WEAK);
	EC_POINT_free(victim);
	EC_GROUP_free(group);
	EVP_PKEY_free(key);
}

/* The other point with its x: everybody's private key with another sign. */
static void curve_with_the_generators_mirror_image_is_refused(void **state)
{
	AUTO(bytes) struct bytes spki = {0};
	EVP_PKEY *key = request_key_p256();
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *mirrored = EC_POINT_dup(EC_GROUP_get0_generator(group), group);
	assert_true(EC_POINT_invert(group, mirrored, NULL));
	explicit_spki(key, mirrored, NULL, NULL, &spki);
	is_refused(&spki, E_KEY_WEAK);
	EC_POINT_free(mirrored);
	EC_GROUP_free(group);
	EVP_PKEY_free(key);
}

/* SubjectPublicKeyInfo of a key with its algorithm's parameters in other words. */
static void with_parameters(EVP_PKEY *key, const struct span *params, size_t count, struct bytes *ret)
{
	static const uint8_t id[] = {0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
	AUTO(bytes) struct bytes named = {0}, algorithm = {0}, all = {0};
	const struct span oid = {id, sizeof(id)};
	struct err e = {0};
	request_spki(key, POINT_PLAIN, false, &named);
	CHECK_OK(bytes_add(&all, oid.data, oid.len, &e), e);
	for (size_t i = 0; i < count; i++)
		CHECK_OK(bytes_add(&all, params[i].data, params[i].len, &e), e);
	const struct span content = {all.data, all.len};
	request_der(&algorithm, DER_SEQUENCE, &content, 1);
	const struct span parts[] = {{algorithm.data, algorithm.len}, {named.data + named.len - 68, 68}};
	bytes_clear(ret);
	request_der(ret, DER_SEQUENCE, parts, 2);
}

static void parameters_with_more_behind_them_are_refused(void **state)
{
	static const uint8_t prime256v1[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
	static const uint8_t hash[] = {0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01};
	AUTO(bytes) struct bytes spki = {0}, longer = {0};
	EVP_PKEY *key = request_key_p256();
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	uint8_t *params = NULL;
	struct key_public read;
	struct err e = {0};
	EC_GROUP_set_asn1_flag(group, OPENSSL_EC_EXPLICIT_CURVE);
	int len = i2d_ECPKParameters(group, &params);
	assert_true(len > 0x80 && params[1] == 0x81);
	const struct span inside[] = {{params + 3, (size_t)len - 3}, {hash, sizeof(hash)}};	/* version 3 would have it there */
	request_der(&longer, DER_SEQUENCE, inside, 2);
	const struct span named[] = {{prime256v1, sizeof(prime256v1)}, {"\5\0", 2}}, spelled[] = {{params, (size_t)len}, {"\5\0", 2}};
	const struct span hashed = {longer.data, longer.len}, null = {"\5\0", 2};
	with_parameters(key, named, 1, &spki);
	CHECK_OK(parse(&spki, &read, &e), e);
	with_parameters(key, named, 2, &spki);
	is_refused(&spki, E_KEY_WEAK);
	with_parameters(key, spelled, 1, &spki);
	CHECK_OK(parse(&spki, &read, &e), e);
	with_parameters(key, spelled, 2, &spki);
	is_refused(&spki, E_KEY_WEAK);
	with_parameters(key, &hashed, 1, &spki);
	is_refused(&spki, E_KEY_WEAK);
	with_parameters(key, &null, 1, &spki);	/* the CA's curve, whatever that is */
	is_refused(&spki, E_KEY_WEAK);
	with_parameters(key, NULL, 0, &spki);
	is_refused(&spki, E_KEY_WEAK);
	OPENSSL_free(params);
	EC_GROUP_free(group);
	EVP_PKEY_free(key);
}

static void curve_of_another_order_or_cofactor_is_refused(void **state)
{
	AUTO(bytes) struct bytes spki = {0};
	EVP_PKEY *key = request_key_p256();
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	BIGNUM *order = BN_dup(EC_GROUP_get0_order(group)), *two = BN_new();
	BN_set_word(two, 2);
	BN_sub_word(order, 2);
	explicit_spki(key, NULL, order, NULL, &spki);
	is_refused(&spki, E_KEY_WEAK);
	explicit_spki(key, NULL, NULL, two, &spki);
	is_refused(&spki, E_KEY_WEAK);
	BN_free(order);
	BN_free(two);
	EC_GROUP_free(group);
	EVP_PKEY_free(key);
}

/* Every number of the curve matters: with any bit of the parameters flipped it is another curve, or none. */
static void explicit_parameters_with_any_bit_flipped_are_refused(void **state)
{
	AUTO(bytes) struct bytes spki = {0};
	EVP_PKEY *key = request_key_p256();
	struct key_public read;
	struct err e = {0};
	request_spki(key, POINT_PLAIN, true, &spki);
	CHECK_OK(parse(&spki, &read, &e), e);
	const size_t point_at = spki.len - 65;
	for (size_t bit = 0; bit < 8 * point_at; bit++) {
		spki.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(parse(&spki, &read, &e));
		assert_true(e.code == E_KEY_WEAK || e.code == E_CSR);
		err_clear(&e);
		spki.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	EVP_PKEY_free(key);
}

/* ---- points ---- */

static void point_spki(const void *point, size_t len, struct bytes *ret)
{
	static const uint8_t algorithm[] = {0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
					    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
	AUTO(bytes) struct bytes bits = {0};
	const struct span content[] = {{"", 1}, {point, len}};
	request_der(&bits, DER_BIT_STRING, content, 2);
	const struct span parts[] = {{algorithm, sizeof(algorithm)}, {bits.data, bits.len}};
	bytes_clear(ret);
	request_der(ret, DER_SEQUENCE, parts, 2);
}

static void point_that_is_none_is_refused(void **state)
{
	AUTO(bytes) struct bytes spki = {0};
	EVP_PKEY *key = request_key_p256();
	uint8_t point[66] = {0};
	size_t len = 0;
	struct key_public read;
	struct err e = {0};
	assert_true(EVP_PKEY_get_octet_string_param(key, "pub", point, sizeof(point), &len));
	point_spki(point, len, &spki);
	CHECK_OK(parse(&spki, &read, &e), e);
	point_spki("\0", 1, &spki);	/* the point at infinity */
	is_refused(&spki, E_KEY_WEAK);
	point_spki("", 0, &spki);
	is_refused(&spki, E_KEY_WEAK);
	point_spki(point, 64, &spki);
	is_refused(&spki, E_KEY_WEAK);
	point_spki(point, 66, &spki);
	is_refused(&spki, E_KEY_WEAK);
	point[64] ^= 1;	/* not on the curve */
	point_spki(point, 65, &spki);
	is_refused(&spki, E_KEY_WEAK);
	point[64] ^= 1;
	point[0] = 0x06 | !(point[64] & 1);	/* a hybrid whose parity is not that of its y */
	point_spki(point, 65, &spki);
	is_refused(&spki, E_KEY_WEAK);
	point[0] = 0x05;
	point_spki(point, 65, &spki);
	is_refused(&spki, E_KEY_WEAK);
	memset(point + 1, 0xff, 32);	/* not a number of the field */
	point[0] = 0x02;
	point_spki(point, 33, &spki);
	is_refused(&spki, E_KEY_WEAK);
	EVP_PKEY_free(key);
}

/* ---- no SubjectPublicKeyInfo at all ---- */

static void bytes_that_are_no_key_are_refused_as_the_caller_says(void **state)
{
	AUTO(bytes) struct bytes spki = {0};
	EVP_PKEY *key = request_key_p256();
	struct key_public read;
	struct err e = {0};
	request_spki(key, POINT_PLAIN, false, &spki);
	for (size_t len = 0; len < spki.len; len++) {
		CHECK_FAILS(spki_parse(spki.data, len, E_CSR, &read, &e), E_CSR, e);
		CHECK_FAILS(spki_parse(spki.data, len, E_EK_CERT_BAD, &read, &e), E_EK_CERT_BAD, e);
	}
	CHECK_OK(bytes_add(&spki, "", 1, &e), e);
	is_refused(&spki, E_CSR);	/* a byte behind it */
	spki.len--;
	spki.data[25] = 1;	/* a bit unused */
	is_refused(&spki, E_CSR);
	AUTO(bytes) struct bytes more = {0};	/* a value behind the key, within */
	const struct span parts[] = {{spki.data + 2, spki.len - 2}, {"\5\0", 2}};
	spki.data[25] = 0;
	request_der(&more, DER_SEQUENCE, parts, 2);
	is_refused(&more, E_CSR);
	EVP_PKEY_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodings_of_one_p256_key_are_one_key),
		cmocka_unit_test(rsa_key_with_null_or_absent_parameters_is_one_key),
		cmocka_unit_test(rsa_key_with_more_than_two_numbers_is_refused),
		cmocka_unit_test(weak_and_giant_rsa_numbers_are_refused),
		cmocka_unit_test(rsa_modulus_that_does_not_fill_its_bytes_or_is_even_is_refused),
		cmocka_unit_test(other_kinds_of_key_are_refused),
		cmocka_unit_test(curve_with_a_generator_of_ones_choice_is_refused),
		cmocka_unit_test(curve_with_the_generators_mirror_image_is_refused),
		cmocka_unit_test(parameters_with_more_behind_them_are_refused),
		cmocka_unit_test(curve_of_another_order_or_cofactor_is_refused),
		cmocka_unit_test(explicit_parameters_with_any_bit_flipped_are_refused),
		cmocka_unit_test(point_that_is_none_is_refused),
		cmocka_unit_test(bytes_that_are_no_key_are_refused_as_the_caller_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
