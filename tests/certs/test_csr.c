/* SPDX-License-Identifier: Apache-2.0 */
/* Requests: honest ones of our own making and of libcrypto's, and those that an attacker or a bad library would send. */
#include "certs/csr.h"
#include "certs/der.h"
#include "tests/certs/check.h"
#include "tests/certs/request.h"

#include <string.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define CHALLENGE_OID "1.2.840.113549.1.9.7"
#define UNSTRUCTURED_NAME_OID "1.2.840.113549.1.9.2"

static struct {
	EVP_PKEY *p256, *other, *rsa;
} keys;

static int keys_make(void **state)
{
	keys.p256 = request_key_p256();
	keys.other = request_key_p256();
	keys.rsa = request_key_rsa(2048, 65537);
	return 0;
}

static int keys_free(void **state)
{
	EVP_PKEY_free(keys.p256);
	EVP_PKEY_free(keys.other);
	EVP_PKEY_free(keys.rsa);
	return 0;
}

static bool parse(const struct bytes *b, struct csr *ret, struct err *e)
{
	return csr_parse(b->data, b->len, ret, e);
}

static void is_refused(const struct bytes *b, enum err_code code)
{
	struct csr csr = {0};
	const struct csr none = {0};
	struct err e = {0};
	CHECK_FAILS(parse(b, &csr, &e), code, e);
	assert_memory_equal(&csr, &none, sizeof(none));
}

static void order_is_refused(const struct request *r, enum err_code code)
{
	AUTO(bytes) struct bytes der = {0};
	request_make(r, &der);
	is_refused(&der, code);
}

static void is_read(const struct request *r, struct csr *ret)
{
	AUTO(bytes) struct bytes der = {0};
	struct err e = {0};
	request_make(r, &der);
	CHECK_OK(parse(&der, ret, &e), e);
}

static void key_is(const struct csr *csr, EVP_PKEY *key)
{
	AUTO(bytes) struct bytes expected = {0}, got = {0};
	struct err e = {0};
	request_spki(key, POINT_PLAIN, false, &expected);
	CHECK_OK(key_spki(&csr->key, &got, &e), e);
	assert_true(bytes_equal(&expected, &got));
}

/* ---- honest requests ---- */

/* With all that a library can put into one; none of it comes back but the key, the challenge and a name for messages. */
static void openssl_csr(EVP_PKEY *key, struct bytes *ret)
{
	struct err e = {0};
	uint8_t *der = NULL;
	X509_REQ *req = X509_REQ_new();
	X509_NAME *name = X509_REQ_get_subject_name(req);
	STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
	X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"Acme", -1, -1, 0);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)"Caf\xc3\xa9 1", -1, -1, 0);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)"second", -1, -1, 0);
	sk_X509_EXTENSION_push(extensions, X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE"));
	assert_true(X509_REQ_set_pubkey(req, key) && X509_REQ_add_extensions(req, extensions) &&
		    X509_REQ_add1_attr_by_NID(req, NID_pkcs9_challengePassword, MBSTRING_ASC, (const unsigned char *)"abc123", -1) &&
		    X509_REQ_sign(req, key, EVP_sha256()) > 0);
	int len = i2d_X509_REQ(req, &der);
	CHECK_OK(bytes_set(ret, der, (size_t)len, &e), e);
	OPENSSL_free(der);
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	X509_REQ_free(req);
}

static void request_of_a_common_library_is_read(void **state)
{
	EVP_PKEY *const all[] = {keys.p256, keys.rsa};
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		AUTO(bytes) struct bytes der = {0};
		struct csr csr;
		struct err e = {0};
		openssl_csr(all[i], &der);
		CHECK_OK(parse(&der, &csr, &e), e);
		key_is(&csr, all[i]);
		assert_string_equal(csr.challenge, "abc123");
		assert_string_equal(csr.common_name, "Caf?? 1");
	}
}

static void request_without_subject_and_attributes_is_read(void **state)
{
	struct csr csr;
	is_read(&(struct request){.key = keys.p256}, &csr);
	key_is(&csr, keys.p256);
	assert_string_equal(csr.challenge, "");
	assert_string_equal(csr.common_name, "");
}

static void signatures_with_sha256_or_better_are_taken(void **state)
{
	static const char *const digests[] = {"SHA256", "SHA384", "SHA512"};
	EVP_PKEY *const all[] = {keys.p256, keys.rsa};
	for (size_t i = 0; i < 2 * COUNT_OF(digests); i++) {
		struct csr csr;
		is_read(&(struct request){.key = all[i % 2], .digest = digests[i / 2]}, &csr);
		key_is(&csr, all[i % 2]);
	}
}

static void key_in_any_encoding_is_the_same_key(void **state)
{
	static const enum point_form forms[] = {POINT_COMPRESSED, POINT_PLAIN, POINT_HYBRID};
	for (size_t i = 0; i < 2 * COUNT_OF(forms); i++) {
		AUTO(bytes) struct bytes spki = {0};
		struct csr csr;
		request_spki(keys.p256, forms[i / 2], i % 2, &spki);
		is_read(&(struct request){.key = keys.p256, .spki = {spki.data, spki.len}}, &csr);
		key_is(&csr, keys.p256);
	}
}

static void challenge_of_64_characters_is_read_and_of_65_refused(void **state)
{
	static const char hex[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0";
	char exact[65] = {0};
	struct csr csr;
	memcpy(exact, hex, 64);
	is_read(&(struct request){.key = keys.p256, .challenge = exact}, &csr);
	assert_string_equal(csr.challenge, exact);
	order_is_refused(&(struct request){.key = keys.p256, .challenge = hex}, E_CSR);
}

/* A subject with one RDN, which should be a SET with SEQUENCE { 2.5.4.3, text } in it. */
static void subject_of(uint8_t rdn_tag, uint8_t text_tag, const char *text, size_t len, struct bytes *ret)
{
	static const uint8_t id[] = {0x06, 0x03, 0x55, 0x04, 0x03};
	AUTO(bytes) struct bytes value = {0}, pair = {0}, rdn = {0};
	const struct span content = {text, len};
	request_der(&value, text_tag, &content, 1);
	const struct span both[] = {{id, sizeof(id)}, {value.data, value.len}};
	request_der(&pair, DER_SEQUENCE, both, 2);
	const struct span one = {pair.data, pair.len};
	request_der(&rdn, rdn_tag, &one, 1);
	const struct span all = {rdn.data, rdn.len};
	bytes_clear(ret);
	request_der(ret, DER_SEQUENCE, &all, 1);
}

static void long_common_name_is_cut(void **state)
{
	AUTO(bytes) struct bytes subject = {0};
	char name[200], expected[65] = {0};
	struct csr csr;
	memset(name, 'n', sizeof(name));
	memset(expected, 'n', 64);
	subject_of(DER_SET, DER_UTF8, name, sizeof(name), &subject);
	is_read(&(struct request){.key = keys.p256, .subject = {subject.data, subject.len}}, &csr);
	assert_string_equal(csr.common_name, expected);
}

static void subject_that_is_no_name_is_refused(void **state)
{
	AUTO(bytes) struct bytes subject = {0};
	subject_of(DER_SEQUENCE, DER_UTF8, "n", 1, &subject);
	order_is_refused(&(struct request){.key = keys.p256, .subject = {subject.data, subject.len}}, E_CSR);
}

static void name_in_todays_strings_is_read_and_in_others_is_refused(void **state)
{
	static const struct row {
		uint8_t tag;
		const char *text, *expected;	/* NULL: refused */
	} rows[] = {
		{DER_UTF8, "unit-\xc3\xa4", "unit-??"}, {0x12, "17", "17"}, {0x13, "unit-1", "unit-1"}, {0x14, "unit-\xe4", "unit-?"},
		{0x16, "unit@a", "unit@a"},
		{DER_UTF8, "unit-\xe4", NULL}, {DER_UTF8, "\xc0\xaf", NULL}, {DER_UTF8, "\xed\xa0\x80", NULL},
		{DER_UTF8, "\xf4\x90\x80\x80", NULL}, {0x1e, "u1", NULL}, {0x1c, "unit", NULL}, {DER_INTEGER, "7", NULL},
		{DER_OCTET_STRING, "unit-1", NULL},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO(bytes) struct bytes subject = {0};
		struct csr csr;
		subject_of(DER_SET, rows[i].tag, rows[i].text, strlen(rows[i].text), &subject);
		const struct request request = {.key = keys.p256, .subject = {subject.data, subject.len}};
		if (rows[i].expected) {
			is_read(&request, &csr);
			assert_string_equal(csr.common_name, rows[i].expected);
		} else {
			order_is_refused(&request, E_CSR);
		}
	}
}

/* ---- whose key ---- */

static void csr_with_swapped_key_is_refused(void **state)
{
	order_is_refused(&(struct request){.key = keys.other, .signer = keys.p256}, E_CSR);
	order_is_refused(&(struct request){.key = keys.rsa, .signer = keys.p256}, E_CSR);
	order_is_refused(&(struct request){.key = keys.p256, .signer = keys.rsa}, E_CSR);
}

static void csr_with_any_bit_flipped_is_refused(void **state)
{
	AUTO(bytes) struct bytes der = {0};
	struct csr csr;
	struct err e = {0};
	request_make(&(struct request){.key = keys.p256, .challenge = "abc"}, &der);
	CHECK_OK(parse(&der, &csr, &e), e);
	for (size_t bit = 0; bit < 8 * der.len; bit++) {
		der.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(parse(&der, &csr, &e));
		assert_true(e.code == E_CSR || e.code == E_KEY_WEAK);
		err_clear(&e);
		der.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void csr_cut_anywhere_or_with_bytes_behind_is_refused(void **state)
{
	AUTO(bytes) struct bytes der = {0};
	struct csr csr;
	struct err e = {0};
	request_make(&(struct request){.key = keys.p256, .challenge = "abc"}, &der);
	for (size_t len = 0; len < der.len; len++)
		CHECK_FAILS(csr_parse(der.data, len, &csr, &e), E_CSR, e);
	CHECK_OK(bytes_add(&der, "", 1, &e), e);
	is_refused(&der, E_CSR);
}

/* What stands behind the signature is signed by nobody. */
static void csr_with_a_value_behind_its_signature_is_refused(void **state)
{
	AUTO(bytes) struct bytes der = {0}, more = {0};
	request_make(&(struct request){.key = keys.rsa}, &der);
	assert_int_equal(der.data[1], 0x82);
	const struct span parts[] = {{der.data + 4, der.len - 4}, {"\5\0", 2}};
	request_der(&more, DER_SEQUENCE, parts, 2);
	is_refused(&more, E_CSR);
}

static void csr_with_a_value_behind_its_attributes_or_in_one_is_refused(void **state)
{
	static const uint8_t longer[] = {0x30, 0x0a, 0x06, 0x02, 0x2a, 0x03, 0x31, 0x02, 0x05, 0x00, 0x05, 0x00};
	order_is_refused(&(struct request){.key = keys.p256, .more = {"\5\0", 2}}, E_CSR);
	order_is_refused(&(struct request){.key = keys.p256, .attributes = {longer, sizeof(longer)}}, E_CSR);
}

static void weak_signature_algorithms_are_refused(void **state)
{
	static const char *const digests[] = {"SHA1", "SHA224"};
	for (size_t i = 0; i < COUNT_OF(digests); i++) {
		order_is_refused(&(struct request){.key = keys.p256, .digest = digests[i]}, E_CSR);
		order_is_refused(&(struct request){.key = keys.rsa, .digest = digests[i]}, E_CSR);
	}
	order_is_refused(&(struct request){.key = keys.rsa, .digest = "MD5"}, E_CSR);
}

static void signature_that_names_another_algorithm_than_its_own_is_refused(void **state)
{
	static const uint8_t ecdsa_sha384[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03};
	static const uint8_t ecdsa_with_null[] = {0x30, 0x0c, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02, 0x05, 0x00};
	static const uint8_t rsa_bare[] = {0x30, 0x0b, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b};
	static const uint8_t rsa_with_more[] = {0x30, 0x0e, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x02, 0x01, 0x00};
	struct csr csr;
	order_is_refused(&(struct request){.key = keys.p256, .algorithm = {ecdsa_sha384, sizeof(ecdsa_sha384)}}, E_CSR);
	order_is_refused(&(struct request){.key = keys.p256, .algorithm = {ecdsa_with_null, sizeof(ecdsa_with_null)}}, E_CSR);
	order_is_refused(&(struct request){.key = keys.p256, .algorithm = {rsa_bare, sizeof(rsa_bare)}}, E_CSR);
	order_is_refused(&(struct request){.key = keys.rsa, .algorithm = {rsa_with_more, sizeof(rsa_with_more)}}, E_CSR);
	is_read(&(struct request){.key = keys.rsa, .algorithm = {rsa_bare, sizeof(rsa_bare)}}, &csr);	/* RFC 4055, 5: must be accepted */
}

static void weak_rsa_keys_are_refused(void **state)
{
	static const struct {
		unsigned bits, exponent;
	} rows[] = {{1024, 65537}, {2048, 3}, {2056, 17}, {2052, 65537}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		EVP_PKEY *weak = request_key_rsa(rows[i].bits, rows[i].exponent);
		order_is_refused(&(struct request){.key = weak}, E_KEY_WEAK);
		EVP_PKEY_free(weak);
	}
}

/* RSA with exponent 1 verifies a signature that anybody can write: the padded digest itself. A giant modulus costs the judge time. */
static void rsa_keys_of_exponent_1_or_a_giant_modulus_are_refused(void **state)
{
	static const struct {
		size_t modulus_len;
		const char *exponent;
		size_t exponent_len;
	} rows[] = {{256, "\1", 1}, {2048, "\1\0\1", 3}};
	static uint8_t modulus[2049];
	static const uint8_t algorithm[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
	memset(modulus + 1, 0xc5, sizeof(modulus) - 1);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO(bytes) struct bytes n = {0}, x = {0}, numbers = {0}, bits = {0}, spki = {0};
		const struct span modulus_of = {modulus, rows[i].modulus_len + 1}, exponent = {rows[i].exponent, rows[i].exponent_len};
		request_der(&n, DER_INTEGER, &modulus_of, 1);
		request_der(&x, DER_INTEGER, &exponent, 1);
		const struct span both[] = {{n.data, n.len}, {x.data, x.len}};
		request_der(&numbers, DER_SEQUENCE, both, 2);
		const struct span content[] = {{"", 1}, {numbers.data, numbers.len}};
		request_der(&bits, DER_BIT_STRING, content, 2);
		const struct span parts[] = {{algorithm, sizeof(algorithm)}, {bits.data, bits.len}};
		request_der(&spki, DER_SEQUENCE, parts, 2);
		order_is_refused(&(struct request){.key = keys.rsa, .spki = {spki.data, spki.len}}, E_KEY_WEAK);
	}
}

/* ---- attributes ---- */

static void attributes_are_refused(const struct bytes *attributes)
{
	order_is_refused(&(struct request){.key = keys.p256, .attributes = {attributes->data, attributes->len}}, E_CSR);
}

static void two_challenge_passwords_are_refused(void **state)
{
	AUTO(bytes) struct bytes attributes = {0};
	struct csr csr;
	request_attribute(&attributes, CHALLENGE_OID, DER_UTF8, "one", 3);
	is_read(&(struct request){.key = keys.p256, .attributes = {attributes.data, attributes.len}}, &csr);
	request_attribute(&attributes, CHALLENGE_OID, DER_UTF8, "one", 3);
	attributes_are_refused(&attributes);
}

static void challenge_with_two_values_or_none_is_refused(void **state)
{
	static const uint8_t two[] = {0x30, 0x13, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x07,
				      0x31, 0x06, 0x0c, 0x01, 'a', 0x0c, 0x01, 'b'};
	static const uint8_t none[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x07, 0x31, 0x00};
	order_is_refused(&(struct request){.key = keys.p256, .attributes = {two, sizeof(two)}}, E_CSR);
	order_is_refused(&(struct request){.key = keys.p256, .attributes = {none, sizeof(none)}}, E_CSR);
}

static void challenge_that_is_no_plain_text_is_refused(void **state)
{
	static const struct {
		uint8_t tag;
		const char *text;
		size_t len;
	} rows[] = {{DER_UTF8, "", 0}, {DER_UTF8, "a\0b", 3}, {DER_UTF8, "a\x1b[2J", 5}, {DER_UTF8, "\xc3\xa9", 2}, {0x1e, "\0a", 2},
		    {DER_OCTET_STRING, "abc", 3}, {0x14, "abc", 3}};
	struct csr csr;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO(bytes) struct bytes attributes = {0};
		request_attribute(&attributes, CHALLENGE_OID, rows[i].tag, rows[i].text, rows[i].len);
		attributes_are_refused(&attributes);
	}
	AUTO(bytes) struct bytes printable = {0};
	request_attribute(&printable, UNSTRUCTURED_NAME_OID, 0x16, "other", 5);	/* nobody's business */
	request_attribute(&printable, CHALLENGE_OID, 0x13, "abc", 3);
	is_read(&(struct request){.key = keys.p256, .attributes = {printable.data, printable.len}}, &csr);
	assert_string_equal(csr.challenge, "abc");
}

static void request_of_8_kib_is_read_and_one_byte_more_refused(void **state)
{
	static char filler[8000];
	AUTO(bytes) struct bytes der = {0}, der_longer = {0};
	struct csr csr;
	struct err e = {0};
	memset(filler, 'x', sizeof(filler));
	size_t len = 7000;
	do {
		AUTO(bytes) struct bytes attributes = {0};
		request_attribute(&attributes, UNSTRUCTURED_NAME_OID, DER_UTF8, filler, len);
		request_make(&(struct request){.key = keys.rsa, .attributes = {attributes.data, attributes.len}}, &der);
		len += CSR_MAX - der.len;	/* RSA's signature has a fixed length */
	} while (der.len != CSR_MAX);
	CHECK_OK(parse(&der, &csr, &e), e);
	AUTO(bytes) struct bytes attributes = {0};
	request_attribute(&attributes, UNSTRUCTURED_NAME_OID, DER_UTF8, filler, len + 1);
	request_make(&(struct request){.key = keys.rsa, .attributes = {attributes.data, attributes.len}}, &der_longer);
	assert_int_equal(der_longer.len, CSR_MAX + 1);
	is_refused(&der_longer, E_CSR);
}

/* ---- BER that is not DER, signed by the right key ---- */

static void request_of_another_version_is_refused(void **state)
{
	order_is_refused(&(struct request){.key = keys.p256, .version = 1}, E_CSR);
	order_is_refused(&(struct request){.key = keys.p256, .version = 0xff}, E_CSR);
}

static void non_canonical_encodings_inside_are_refused(void **state)
{
	static const struct {
		const char *what;
		const char *bytes;
		size_t len;
	} rows[] = {	/* the content of an attribute of ours: SEQUENCE { OID 1.2.3, SET { … } } */
		{"NULL, as it should be", "\x30\x08\x06\x02\x2a\x03\x31\x02\x05\x00", 10},
		{"indefinite length", "\x30\x80\x06\x02\x2a\x03\x31\x02\x05\x00\x00\x00", 12},
		{"length in a longer form", "\x30\x81\x08\x06\x02\x2a\x03\x31\x02\x05\x00", 11},
		{"length with a zero in front", "\x30\x82\x00\x08\x06\x02\x2a\x03\x31\x02\x05\x00", 12},
		{"boolean of 1", "\x30\x09\x06\x02\x2a\x03\x31\x03\x01\x01\x01", 11},
		{"integer with a zero in front", "\x30\x0a\x06\x02\x2a\x03\x31\x04\x02\x02\x00\x01", 12},
		{"integer without bytes", "\x30\x08\x06\x02\x2a\x03\x31\x02\x02\x00", 10},
		{"string in pieces", "\x30\x0b\x06\x02\x2a\x03\x31\x05\x24\x03\x04\x01\x61", 13},
		{"bits where none are", "\x30\x0a\x06\x02\x2a\x03\x31\x04\x03\x02\x04\x0f", 12},
		{"NULL with content", "\x30\x09\x06\x02\x2a\x03\x31\x03\x05\x01\x00", 11},
		{"identifier without its end", "\x30\x08\x06\x02\x2a\x83\x31\x02\x05\x00", 10},
		{"identifier with a zero in front", "\x30\x09\x06\x03\x2a\x80\x03\x31\x02\x05\x00", 11},
		{"tag of many bytes", "\x30\x0a\x06\x02\x2a\x03\x31\x04\x1f\x81\x01\x00", 12},
		{"end of contents", "\x30\x08\x06\x02\x2a\x03\x31\x02\x00\x00", 10},
		{"sequence as a string", "\x30\x08\x06\x02\x2a\x03\x31\x02\x10\x00", 10},
		{"longer than what holds it", "\x30\x08\x06\x02\x2a\x03\x31\x02\x05\x01", 10},
	};
	struct csr csr;
	is_read(&(struct request){.key = keys.p256, .attributes = {rows[0].bytes, rows[0].len}}, &csr);
	for (size_t i = 1; i < COUNT_OF(rows); i++) {
		print_message("%s\n", rows[i].what);
		order_is_refused(&(struct request){.key = keys.p256, .attributes = {rows[i].bytes, rows[i].len}}, E_CSR);
	}
}

static void nesting_without_end_is_refused(void **state)
{
	AUTO(bytes) struct bytes nested = {0};
	struct err e = {0};
	CHECK_OK(bytes_add(&nested, "\5\0", 2, &e), e);
	for (int i = 0; i < 1000; i++) {
		AUTO(bytes) struct bytes inner = nested;
		nested = (struct bytes){0};
		const struct span content = {inner.data, inner.len};
		request_der(&nested, DER_SEQUENCE, &content, 1);
	}
	attributes_are_refused(&nested);
}

/* ---- files ---- */

static void file_is(const void *data, size_t len, const struct bytes *der)
{
	AUTO(bytes) struct bytes got = {0};
	struct err e = {0};
	CHECK_OK(csr_from_file(data, len, &got, &e), e);
	assert_true(bytes_equal(&got, der));
}

static void pem_and_der_files_give_the_same_bytes(void **state)
{
	AUTO(bytes) struct bytes der = {0}, file = {0};
	struct err e = {0};
	char *pem = NULL;
	request_make(&(struct request){.key = keys.p256}, &der);
	file_is(der.data, der.len, &der);
	static const char *const labels[] = {PEM_STRING_X509_REQ, PEM_STRING_X509_REQ_OLD};
	for (size_t i = 0; i < COUNT_OF(labels); i++) {
		BIO *out = BIO_new(BIO_s_mem());
		assert_true(PEM_write_bio(out, labels[i], "", der.data, (long)der.len));
		long len = BIO_get_mem_data(out, &pem);
		file_is(pem, (size_t)len, &der);
		bytes_clear(&file);
		CHECK_OK(bytes_add_text(&file, "Certificate Request:\r\n  text of a tool\r\n", &e) && bytes_add(&file, pem, (size_t)len, &e), e);
		file_is(file.data, file.len, &der);
		BIO_free(out);
	}
}

static void file_that_holds_no_request_is_refused(void **state)
{
	AUTO(bytes) struct bytes got = {0};
	static const char *const files[] = {"", "hello\n", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
					    "-----BEGIN CERTIFICATE REQUEST-----\n!!!\n-----END CERTIFICATE REQUEST-----\n"};
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		struct err e = {0};
		CHECK_FAILS(csr_from_file(files[i], strlen(files[i]), &got, &e), E_CSR, e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_of_a_common_library_is_read),
		cmocka_unit_test(request_without_subject_and_attributes_is_read),
		cmocka_unit_test(signatures_with_sha256_or_better_are_taken),
		cmocka_unit_test(key_in_any_encoding_is_the_same_key),
		cmocka_unit_test(challenge_of_64_characters_is_read_and_of_65_refused),
		cmocka_unit_test(long_common_name_is_cut),
		cmocka_unit_test(subject_that_is_no_name_is_refused),
		cmocka_unit_test(name_in_todays_strings_is_read_and_in_others_is_refused),
		cmocka_unit_test(csr_with_swapped_key_is_refused),
		cmocka_unit_test(csr_with_any_bit_flipped_is_refused),
		cmocka_unit_test(csr_cut_anywhere_or_with_bytes_behind_is_refused),
		cmocka_unit_test(csr_with_a_value_behind_its_signature_is_refused),
		cmocka_unit_test(csr_with_a_value_behind_its_attributes_or_in_one_is_refused),
		cmocka_unit_test(weak_signature_algorithms_are_refused),
		cmocka_unit_test(signature_that_names_another_algorithm_than_its_own_is_refused),
		cmocka_unit_test(weak_rsa_keys_are_refused),
		cmocka_unit_test(rsa_keys_of_exponent_1_or_a_giant_modulus_are_refused),
		cmocka_unit_test(two_challenge_passwords_are_refused),
		cmocka_unit_test(challenge_with_two_values_or_none_is_refused),
		cmocka_unit_test(challenge_that_is_no_plain_text_is_refused),
		cmocka_unit_test(request_of_8_kib_is_read_and_one_byte_more_refused),
		cmocka_unit_test(request_of_another_version_is_refused),
		cmocka_unit_test(non_canonical_encodings_inside_are_refused),
		cmocka_unit_test(nesting_without_end_is_refused),
		cmocka_unit_test(pem_and_der_files_give_the_same_bytes),
		cmocka_unit_test(file_that_holds_no_request_is_refused),
	};
	return cmocka_run_group_tests(tests, keys_make, keys_free);
}
