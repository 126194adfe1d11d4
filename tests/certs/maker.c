/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/certs/maker.h"
#include "tests/certs/check.h"

#include <string.h>

#include <openssl/ec.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#define DAY 86400L

static void add_text(X509_NAME *name, const char *oid, const char *text)
{
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	assert_true(X509_NAME_add_entry_by_OBJ(name, object, V_ASN1_UTF8STRING, (const unsigned char *)text, -1, -1, 0));
	ASN1_OBJECT_free(object);
}

static X509 *blank(EVP_PKEY *key, int from_days, int until_days)
{
	uint8_t serial[8];
	X509 *x = X509_new();
	assert_int_equal(RAND_bytes(serial, sizeof(serial)), 1);
	serial[0] = (serial[0] & 0x7f) | 1;
	BIGNUM *n = BN_bin2bn(serial, sizeof(serial), NULL);
	assert_true(X509_set_version(x, X509_VERSION_3) && X509_set_pubkey(x, key) &&
		    BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)));
	BN_free(n);
	X509_gmtime_adj(X509_getm_notBefore(x), from_days * DAY);
	X509_gmtime_adj(X509_getm_notAfter(x), until_days * DAY);
	return x;
}

static void extend(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	assert_non_null(extension);
	assert_true(X509_add_ext(x, extension, -1));
	X509_EXTENSION_free(extension);
}

static void finish(X509 *x, EVP_PKEY *key, const EVP_MD *md, struct bytes *ret)
{
	uint8_t *der = NULL;
	struct err e = {0};
	assert_true(X509_sign(x, key, md) > 0);
	int len = i2d_X509(x, &der);
	assert_true(len > 0);
	CHECK_OK(bytes_set(ret, der, (size_t)len, &e), e);
	OPENSSL_free(der);
	X509_free(x);
}

static void make_ca(const char *subject, const char *issuer, EVP_PKEY *key, EVP_PKEY *signer, const char *constraints,
		    struct bytes *ret)
{
	X509 *x = blank(key, -1, 3650);
	add_text(X509_get_subject_name(x), "2.5.4.3", subject);
	add_text(X509_get_issuer_name(x), "2.5.4.3", issuer);
	extend(x, NID_basic_constraints, constraints);
	extend(x, NID_key_usage, "critical,keyCertSign");
	finish(x, signer, EVP_sha256(), ret);
}

void maker_open(struct maker *m)
{
	memset(m, 0, sizeof(*m));
	m->root_key = EVP_EC_gen("P-256");
	m->issuing_key = EVP_EC_gen("P-256");
	make_ca("Maker root", "Maker root", m->root_key, m->root_key, "critical,CA:TRUE", &m->root);
	make_ca("Maker issuing", "Maker root", m->issuing_key, m->root_key, "critical,CA:TRUE,pathlen:0", &m->issuing);
}

void maker_spoil_issuing(struct maker *m)
{
	make_ca("Maker issuing", "Maker root", m->issuing_key, m->root_key, "critical,CA:FALSE", &m->issuing);
}

void maker_close(struct maker *m)
{
	EVP_PKEY_free(m->root_key);
	EVP_PKEY_free(m->issuing_key);
	bytes_fini(&m->root);
	bytes_fini(&m->issuing);
}

static void name_maker(X509_NAME *name, const struct order *o)
{
	add_text(name, "2.23.133.2.1", o->manufacturer ? o->manufacturer : "id:53494D00");
	add_text(name, "2.23.133.2.2", o->model ? o->model : "sim");
	add_text(name, "2.23.133.2.3", "id:00010002");
}

static void add_host(GENERAL_NAMES *names)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *host = ASN1_IA5STRING_new();
	assert_true(ASN1_STRING_set(host, "maker.example", -1));
	GENERAL_NAME_set0_value(name, GEN_DNS, host);
	assert_true(sk_GENERAL_NAME_push(names, name));
}

static void add_alternative_name(X509 *x, const struct order *o)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	if (o->other_names)
		add_host(names);
	GENERAL_NAME *name = GENERAL_NAME_new();
	X509_NAME *directory = X509_NAME_new();
	name_maker(directory, o);
	GENERAL_NAME_set0_value(name, GEN_DIRNAME, directory);
	assert_true(sk_GENERAL_NAME_push(names, name));
	assert_int_equal(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 1, 0), 1);
	GENERAL_NAMES_free(names);
}

static void add_unknown_critical(X509 *x)
{
	ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.4.1.99999.1", 1);
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	assert_true(ASN1_OCTET_STRING_set(value, (const unsigned char *)"\x05\x00", 2));
	X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, oid, 1, value);
	assert_true(X509_add_ext(x, extension, -1));
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(value);
	ASN1_OBJECT_free(oid);
}

void maker_certify(const struct maker *m, EVP_PKEY *ek, const struct order *o, struct bytes *ret)
{
	bool as_ordered = o->from_days || o->until_days;
	const char *usage = EVP_PKEY_is_a(ek, "RSA") ? "critical,keyEncipherment" : "critical,keyAgreement";
	X509 *x = blank(ek, as_ordered ? o->from_days : -1, as_ordered ? o->until_days : 3650);
	add_text(X509_get_issuer_name(x), "2.5.4.3", o->from_root ? "Maker root" : "Maker issuing");
	if (o->maker_in_subject)
		name_maker(X509_get_subject_name(x), o);
	else if (!o->no_maker)
		add_alternative_name(x, o);
	if (o->other_names)
		add_text(X509_get_subject_name(x), "2.23.133.2.1", "id:4C494152");
	extend(x, NID_basic_constraints, o->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	extend(x, NID_key_usage, o->key_usage ? o->key_usage : usage);
	if (o->usage_twice)
		extend(x, NID_key_usage, usage);
	if (!o->no_ek_usage)
		extend(x, NID_ext_key_usage, o->extended_usage ? o->extended_usage : "2.23.133.8.1");
	if (o->unknown_critical)
		add_unknown_critical(x);
	finish(x, o->from_root ? m->root_key : m->issuing_key, o->sha1 ? EVP_sha1() : EVP_sha256(), ret);
}
