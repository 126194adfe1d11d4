/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/certs/request.h"
#include "certs/der.h"
#include "tests/certs/check.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

static void add(struct bytes *to, const void *data, size_t len)
{
	struct err e = {0};
	CHECK_OK(bytes_add(to, data, len, &e), e);
}

static struct span span_of(const struct bytes *b)
{
	return (struct span){b->data ? b->data : (const uint8_t *)"", b->len};
}

void request_der(struct bytes *to, uint8_t tag, const struct span *parts, size_t count)
{
	size_t len = 0;
	for (size_t i = 0; i < count; i++)
		len += parts[i].len;
	uint8_t head[4] = {tag, (uint8_t)len, (uint8_t)len, (uint8_t)len};
	size_t n = 2;
	if (len >= 0x80) {
		n = len > 0xff ? 4 : 3;
		head[1] = n == 4 ? 0x82 : 0x81;
		head[2] = n == 4 ? (uint8_t)(len >> 8) : (uint8_t)len;
	}
	assert_true(len <= 0xffff);
	add(to, head, n);
	for (size_t i = 0; i < count; i++)
		if (parts[i].len)
			add(to, parts[i].data, parts[i].len);
}

static void add_oid(struct bytes *to, const char *text)
{
	ASN1_OBJECT *oid = OBJ_txt2obj(text, 1);
	assert_non_null(oid);
	const struct span content = {OBJ_get0_data(oid), OBJ_length(oid)};
	request_der(to, DER_OID, &content, 1);
	ASN1_OBJECT_free(oid);
}

void request_attribute(struct bytes *to, const char *oid, uint8_t tag, const void *text, size_t len)
{
	AUTO(bytes) struct bytes id = {0}, value = {0}, values = {0};
	const struct span content = {text, len};
	add_oid(&id, oid);
	request_der(&value, tag, &content, 1);
	const struct span one = span_of(&value);
	request_der(&values, DER_SET, &one, 1);
	const struct span parts[] = {span_of(&id), span_of(&values)};
	request_der(to, DER_SEQUENCE, parts, 2);
}

/* ---- keys ---- */

EVP_PKEY *request_key_p256(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	assert_non_null(key);
	return key;
}

EVP_PKEY *request_key_rsa(unsigned bits, unsigned exponent)
{
	EVP_PKEY *key = NULL;
	BIGNUM *e = BN_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
	assert_true(BN_set_word(e, exponent) && EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)bits) == 1 &&
		    EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e) == 1 && EVP_PKEY_generate(ctx, &key) == 1);
	EVP_PKEY_CTX_free(ctx);
	BN_free(e);
	return key;
}

void request_spki(EVP_PKEY *key, enum point_form form, bool explicit_curve, struct bytes *ret)
{
	static const char *const names[] = {[POINT_COMPRESSED] = "compressed", [POINT_PLAIN] = "uncompressed", [POINT_HYBRID] = "hybrid"};
	uint8_t *der = NULL;
	struct err e = {0};
	EVP_PKEY *copy = EVP_PKEY_dup(key);
	if (EVP_PKEY_is_a(copy, "EC"))
		assert_true(EVP_PKEY_set_utf8_string_param(copy, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, names[form]) &&
			    EVP_PKEY_set_utf8_string_param(copy, OSSL_PKEY_PARAM_EC_ENCODING,
							   explicit_curve ? "explicit" : "named_curve"));
	int len = i2d_PUBKEY(copy, &der);
	assert_true(len > 0);
	CHECK_OK(bytes_set(ret, der, (size_t)len, &e), e);
	OPENSSL_free(der);
	EVP_PKEY_free(copy);
}

void request_sign(EVP_PKEY *key, const uint8_t digest[static SHA256_SIZE], struct key_signature *ret)
{
	uint8_t room[80];
	const uint8_t *p = room;
	size_t len = sizeof(room);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	assert_true(EVP_PKEY_sign_init(ctx) == 1 && EVP_PKEY_sign(ctx, room, &len, digest, SHA256_SIZE) == 1);
	EVP_PKEY_CTX_free(ctx);
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)len);
	assert_true(BN_bn2binpad(ECDSA_SIG_get0_r(sig), ret->r, 32) == 32 && BN_bn2binpad(ECDSA_SIG_get0_s(sig), ret->s, 32) == 32);
	ECDSA_SIG_free(sig);
}

/* ---- the request ---- */

static void add_algorithm(struct bytes *to, bool rsa, const char *digest)
{
	AUTO(bytes) struct bytes oid = {0};
	int nid = NID_undef;
	assert_true(OBJ_find_sigid_by_algs(&nid, OBJ_txt2nid(digest), rsa ? NID_rsaEncryption : NID_X9_62_id_ecPublicKey));
	char text[64];
	OBJ_obj2txt(text, sizeof(text), OBJ_nid2obj(nid), 1);
	add_oid(&oid, text);
	const struct span parts[] = {span_of(&oid), {"\5\0", rsa ? 2 : 0}};
	request_der(to, DER_SEQUENCE, parts, 2);
}

static void add_info(const struct request *r, struct bytes *to)
{
	AUTO(bytes) struct bytes version = {0}, subject = {0}, spki = {0}, challenge = {0}, attributes = {0};
	const struct span number = {&r->version, 1};
	request_der(&version, DER_INTEGER, &number, 1);
	request_der(&subject, DER_SEQUENCE, NULL, 0);
	request_spki(r->key, POINT_PLAIN, false, &spki);
	if (r->challenge)
		request_attribute(&challenge, "1.2.840.113549.1.9.7", DER_UTF8, r->challenge, strlen(r->challenge));
	const struct span content = r->attributes.data ? r->attributes : span_of(&challenge);
	request_der(&attributes, DER_CONTEXT_OF, &content, 1);
	const struct span parts[] = {
		span_of(&version), r->subject.data ? r->subject : span_of(&subject), r->spki.data ? r->spki : span_of(&spki),
		span_of(&attributes), r->more,
	};
	request_der(to, DER_SEQUENCE, parts, COUNT_OF(parts));
}

void request_make(const struct request *r, struct bytes *ret)
{
	AUTO(bytes) struct bytes info = {0}, algorithm = {0}, signature = {0};
	EVP_PKEY *signer = r->signer ? r->signer : r->key;
	const char *digest = r->digest ? r->digest : "SHA256";
	uint8_t room[2048];
	size_t len = sizeof(room);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	add_info(r, &info);
	add_algorithm(&algorithm, EVP_PKEY_is_a(signer, "RSA"), digest);
	assert_true(EVP_DigestSignInit_ex(ctx, NULL, digest, NULL, NULL, signer, NULL) == 1 &&
		    EVP_DigestSign(ctx, room, &len, info.data, info.len) == 1);
	EVP_MD_CTX_free(ctx);
	const struct span bits[] = {{"", 1}, {room, len}};
	request_der(&signature, DER_BIT_STRING, bits, 2);
	const struct span parts[] = {span_of(&info), r->algorithm.data ? r->algorithm : span_of(&algorithm), span_of(&signature)};
	bytes_clear(ret);
	request_der(ret, DER_SEQUENCE, parts, COUNT_OF(parts));
}
