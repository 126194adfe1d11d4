/* SPDX-License-Identifier: Apache-2.0 */
/* Our template of a leaf against the X509 functions of libcrypto, who write the same certificate from objects: for every order that is
 * taken the part that is signed must be the same, byte for byte, and what is signed must be read and verified by them. What is refused
 * is refused for one of the reasons that stand here, which are found again without our code.
 *
 * An input is an order, field after field: CA, serial number, time, days, what the profile adds, kind of key and its numbers, id. */
#include "certs/issue.h"
#include "certs/ossl.h"
#include "scratch.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define DAY_S (24 * 60 * 60 * (int64_t)1)
#define ID_ROOM 67	/* two more than fit, and the end */
#define TIME_FROM_S ((int64_t)-631152000)	/* 1950-01-01, where UTCTime begins */

/* ---- numbers out of the input; zeros where it ends ---- */

static uint64_t take(struct span *in, size_t count)
{
	uint64_t value = 0;
	while (count--) {
		value = value << 8 | (in->len ? *(const uint8_t *)in->data : 0);
		if (in->len)
			*in = (struct span){(const uint8_t *)in->data + 1, in->len - 1};
	}
	return value;
}

static void take_bytes(struct span *in, uint8_t *ret, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ret[i] = (uint8_t)take(in, 1);
}

/* ---- the authorities ---- */

static const struct ca_row {
	bool rsa;
	const char *organisation, *name;
	const char *from, *to;
	size_t key_id;		/* bytes of its subjectKeyIdentifier; 0: it has none */
} ca_rows[] = {
	{false, "Acme", "Acme Line CA", "20200101000000Z", "20491231235959Z", 20},
	{false, NULL, "Pr\xc3\xa4zision", "19500101000000Z", "99991231235959Z", 0},
	{true, "Acme Sensors and Instruments Manufacturing Incorporated", "RSA", "20491231000000Z", "20500102000000Z", 64},
};

static struct ca {
	X509 *x;
	EVP_PKEY *pkey;		/* of an RSA CA only the public half, since no number is known that would sign */
	EVP_PKEY_CTX *signing;
	struct keystore store;
	struct issuer issuer;
	int64_t from_s, to_s;
} cas[COUNT_OF(ca_rows)];

static bool ca_signs(void *state, const uint8_t digest[static SHA256_SIZE], struct keystore_signature *ret, struct err *e)
{
	const struct ca *ca = state;
	ret->len = sizeof(ret->data);
	return EVP_PKEY_sign(ca->signing, ret->data, &ret->len, digest, SHA256_SIZE) > 0 || ossl_err(e, E_SIGN, "signing");
}

static const struct keystore_ops ca_ops = {.name = "fuzz", .sign = ca_signs};

static EVP_PKEY *pkey_of(const char *kind, int selection, OSSL_PARAM *params)
{
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
	EVP_PKEY *pkey = NULL;
	must(ctx && EVP_PKEY_fromdata_init(ctx) > 0);
	if (EVP_PKEY_fromdata(ctx, &pkey, selection, params) <= 0)
		pkey = NULL;
	ERR_clear_error();
	return pkey;
}

static EVP_PKEY *p256_of(const uint8_t *point, const BIGNUM *secret)
{
	uint8_t native[32] = {0};
	must(!secret || BN_bn2nativepad(secret, native, sizeof(native)) == sizeof(native));
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char[]){"prime256v1"}, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)point, 65),
		secret ? OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, native, sizeof(native)) : OSSL_PARAM_construct_end(),
		OSSL_PARAM_construct_end(),
	};
	return pkey_of("EC", secret ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params);
}

static EVP_PKEY *rsa_of(const uint8_t *modulus, size_t len, uint32_t exponent)
{
	uint8_t native[512];
	AUTO(bn) BIGNUM *n = BN_bin2bn(modulus, (int)len, NULL);
	must(n && len <= sizeof(native) && BN_bn2nativepad(n, native, (int)len) >= 0);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, native, len),
		OSSL_PARAM_construct_uint32(OSSL_PKEY_PARAM_RSA_E, &exponent),
		OSSL_PARAM_construct_end(),
	};
	return pkey_of("RSA", EVP_PKEY_PUBLIC_KEY, params);
}

/* The point that belongs to a secret number. */
static void point_of(const BIGNUM *secret, uint8_t ret[static 65])
{
	AUTO(ec_group) EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	AUTO(ec_point) EC_POINT *point = EC_POINT_new(group);
	must(EC_POINT_mul(group, point, secret, NULL, NULL, NULL) == 1);
	must(EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, ret, 65, NULL) == 65);
}

static EVP_PKEY *p256_pair(unsigned secret)
{
	uint8_t point[65];
	AUTO(bn) BIGNUM *d = BN_new();
	must(d && BN_set_word(d, secret) == 1);
	point_of(d, point);
	return p256_of(point, d);
}

static int64_t seconds_of(const char *text)
{
	struct tm tm;
	ASN1_TIME *time = ASN1_TIME_new();
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	int days, seconds;
	must(time && epoch && ASN1_TIME_set_string(time, text) == 1 && ASN1_TIME_to_tm(time, &tm) == 1);
	must(ASN1_TIME_diff(&days, &seconds, epoch, time) == 1);
	ASN1_TIME_free(time);
	ASN1_TIME_free(epoch);
	return days * DAY_S + seconds;
}

static void add_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	must(extension && X509_add_ext(x, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

static void add_name(X509_NAME *name, int nid, const char *value)
{
	must(!value || X509_NAME_add_entry_by_NID(name, nid, V_ASN1_UTF8STRING, (const uint8_t *)value, -1, -1, 0) == 1);
}

static void add_ca_extensions(X509 *x, size_t key_id)
{
	uint8_t id[64];
	ASN1_OCTET_STRING *ski = ASN1_OCTET_STRING_new();
	memset(id, 0xa5, sizeof(id));
	add_extension(x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
	add_extension(x, NID_key_usage, "critical,keyCertSign,cRLSign");
	must(ski && ASN1_OCTET_STRING_set(ski, id, (int)key_id) == 1);
	must(!key_id || X509_add1_ext_i2d(x, NID_subject_key_identifier, ski, 0, 0) == 1);
	ASN1_OCTET_STRING_free(ski);
}

static X509 *ca_certificate(const struct ca_row *row, EVP_PKEY *pkey, EVP_PKEY *signer)
{
	X509 *x = X509_new();
	must(x && X509_set_version(x, X509_VERSION_3) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(x), 7) == 1);
	add_name(X509_get_subject_name(x), NID_organizationName, row->organisation);
	add_name(X509_get_subject_name(x), NID_commonName, row->name);
	must(X509_set_issuer_name(x, X509_get_subject_name(x)) == 1 && X509_set_pubkey(x, pkey) == 1);
	must(ASN1_TIME_set_string_X509(X509_getm_notBefore(x), row->from) == 1);
	must(ASN1_TIME_set_string_X509(X509_getm_notAfter(x), row->to) == 1);
	add_ca_extensions(x, row->key_id);
	must(X509_sign(x, signer, EVP_sha256()) > 0);
	return x;
}

static EVP_PKEY *some_rsa(void)
{
	uint8_t modulus[256];
	for (size_t i = 0; i < sizeof(modulus); i++)
		modulus[i] = (uint8_t)(0x81 + 2 * i);
	return rsa_of(modulus, sizeof(modulus), 65537);
}

static void ca_make(struct ca *ca, const struct ca_row *row)
{
	uint8_t *der = NULL;
	struct err e = {0};
	EVP_PKEY *signer = p256_pair(3);
	ca->pkey = row->rsa ? some_rsa() : p256_pair(3);
	ca->x = ca_certificate(row, ca->pkey, signer);
	ca->from_s = seconds_of(row->from);
	ca->to_s = seconds_of(row->to);
	ca->signing = EVP_PKEY_CTX_new_from_pkey(NULL, signer, NULL);
	must(ca->signing && EVP_PKEY_sign_init(ca->signing) > 0);
	EVP_PKEY_free(signer);	/* the context holds it */
	ca->store = (struct keystore){.ops = &ca_ops, .state = ca};
	int len = i2d_X509(ca->x, &der);
	must(len > 0 && ossl_key_public(ca->pkey, &ca->store.key, &e) && issuer_init(&ca->issuer, der, (size_t)len, &ca->store, &e));
	OPENSSL_free(der);
}

static void cas_free(void)
{
	for (size_t i = 0; i < COUNT_OF(cas); i++) {
		issuer_fini(&cas[i].issuer);
		EVP_PKEY_CTX_free(cas[i].signing);
		EVP_PKEY_free(cas[i].pkey);
		X509_free(cas[i].x);
	}
}

static const struct ca *ca_of(size_t number)
{
	if (!cas[0].x) {
		for (size_t i = 0; i < COUNT_OF(cas); i++)
			ca_make(&cas[i], &ca_rows[i]);
		atexit(cas_free);
	}
	return &cas[number % COUNT_OF(cas)];
}

/* ---- an order, and why it may be refused ---- */

struct order {
	const struct ca *ca;
	struct key_public key;
	EVP_PKEY *pkey;		/* the same; NULL where libcrypto has no such key */
	uint8_t serial[INTENT_SERIAL];
	int64_t now_ms;
	uint32_t days;
	struct leaf_form form;
	char id[ID_ROOM];
};

static const char inside_id[] = "abcdefghijklmnopqrstuvwxyz0123456789-._:";
static const char inside_name[] = "Acme & Sons, Sensor-Works (7)";

enum { KEY_OF_SECRET, KEY_OF_NUMBERS, KEY_OF_MODULUS, KEY_OF_NOTHING };

/* Of any 32 bytes but zeros and the order itself there is a point. */
static void take_secret(struct span *in, struct key_public *ret)
{
	uint8_t bytes[32], point[65];
	take_bytes(in, bytes, sizeof(bytes));
	AUTO(bn) BIGNUM *d = BN_bin2bn(bytes, sizeof(bytes), NULL);
	must(d && (!BN_is_zero(d) || BN_one(d)));
	point_of(d, point);
	memcpy(ret->x, point + 1, 32);
	memcpy(ret->y, point + 33, 32);
	ret->kind = KEY_P256;
}

static void take_numbers(struct span *in, struct key_public *ret)
{
	take_bytes(in, ret->x, sizeof(ret->x));
	take_bytes(in, ret->y, sizeof(ret->y));
	ret->kind = KEY_P256;
}

static void take_modulus(struct span *in, struct key_public *ret)
{
	static const uint32_t bits[] = {2048, 3072, 4096, 1024, 2049, 4104, 0, 8};
	uint64_t which = take(in, 1);
	ret->kind = KEY_RSA;
	ret->rsa_bits = bits[which % COUNT_OF(bits)];
	ret->rsa_exponent = (uint32_t)take(in, 4);
	size_t len = ret->rsa_bits / 8 < sizeof(ret->rsa_modulus) ? ret->rsa_bits / 8 : sizeof(ret->rsa_modulus);
	uint8_t first = (uint8_t)take(in, 1), last = (uint8_t)take(in, 1);
	for (size_t i = 0; i < len; i++)
		ret->rsa_modulus[i] = (uint8_t)(first + i * last);
	if (len) {
		ret->rsa_modulus[0] = first;
		ret->rsa_modulus[len - 1] = last;
	}
}

static EVP_PKEY *pkey_of_numbers(const struct key_public *key)
{
	uint8_t point[65] = {4};
	if (key->kind == KEY_RSA)
		return key->rsa_bits % 8 || key->rsa_bits < 2048 || key->rsa_bits > 4096 ?
		       NULL : rsa_of(key->rsa_modulus, key->rsa_bits / 8, key->rsa_exponent);
	memcpy(point + 1, key->x, 32);
	memcpy(point + 33, key->y, 32);
	return key->kind == KEY_P256 ? p256_of(point, NULL) : NULL;
}

static void take_key(struct span *in, struct key_public *ret)
{
	switch (take(in, 1) % 4) {
	case KEY_OF_SECRET:
		take_secret(in, ret);
		break;
	case KEY_OF_NUMBERS:
		take_numbers(in, ret);
		break;
	case KEY_OF_MODULUS:
		take_modulus(in, ret);
		break;
	default:
		ret->kind = (uint32_t)take(in, 4);
	}
}

/* Bytes as they come, or each made a character that is good, so that most orders are not refused for a text alone. */
static void take_text(struct span *in, const char *good, char *ret, size_t room)
{
	bool raw = take(in, 1) % 2;
	size_t len = take(in, 1) % room;
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = (uint8_t)take(in, 1);
		ret[i] = (char)(raw || (byte && strchr(good, byte)) ? byte : (uint8_t)good[byte % strlen(good)]);
	}
}

static void take_form(struct span *in, struct leaf_form *ret)
{
	uint64_t what = take(in, 1);
	ret->server = what & 1;
	ret->dns_name = what & 2;
	if (what & 4)
		take_text(in, inside_name, ret->organization, sizeof(ret->organization));
	if (what & 8)
		take_text(in, inside_name, ret->unit, sizeof(ret->unit));
}

/* 5 bytes of seconds from 1950 go far beyond the year 9999. */
static void take_order(struct span *in, struct order *o)
{
	o->ca = ca_of(take(in, 1));
	take_bytes(in, o->serial, sizeof(o->serial));
	o->now_ms = (TIME_FROM_S + (int64_t)take(in, 5)) * 1000 + (int64_t)(take(in, 2) % 1000);
	o->days = (uint32_t)take(in, 4);
	take_form(in, &o->form);
	take_key(in, &o->key);
	take_text(in, inside_id, o->id, sizeof(o->id));
	o->pkey = pkey_of_numbers(&o->key);
}

static bool id_is_good(const char *id)
{
	size_t len = strlen(id);
	const char *ends = "abcdefghijklmnopqrstuvwxyz0123456789";
	return len >= 1 && len <= 64 && strspn(id, inside_id) == len && strspn(id, ends) >= 1 && strspn(id + len - 1, ends) == 1;
}

static bool name_is_good(const char *name)
{
	size_t len = strlen(name);
	for (size_t i = 0; i < len; i++)
		if (name[i] < 0x20 || name[i] > 0x7e)
			return false;
	return !len || (name[0] != ' ' && name[len - 1] != ' ');
}

/* With dots around it, a hyphen or a dot never follows or precedes a dot; and there are no other characters. */
static bool dns_name_is_good(const char *id)
{
	char dotted[ID_ROOM + 2];
	snprintf(dotted, sizeof(dotted), ".%s.", id);
	return !strpbrk(id, "_:") && !strstr(dotted, "..") && !strstr(dotted, ".-") && !strstr(dotted, "-.") && strcspn(id, ".") < 64;
}

static bool time_is_good(const struct order *o)
{
	return o->now_ms >= o->ca->from_s * 1000 && o->now_ms < o->ca->to_s * 1000 && o->days > 0 &&
	       o->now_ms + (int64_t)o->days * DAY_S * 1000 <= o->ca->to_s * 1000;
}

static bool key_is_good(const struct order *o)
{
	if (!o->pkey || o->key.kind == KEY_P256)
		return o->pkey != NULL;
	AUTO(bn) BIGNUM *n = NULL;
	return EVP_PKEY_get_bn_param(o->pkey, OSSL_PKEY_PARAM_RSA_N, &n) == 1 && BN_is_odd(n) && BN_num_bits(n) == (int)o->key.rsa_bits &&
	       o->key.rsa_exponent >= 65537 && o->key.rsa_exponent % 2;
}

static bool serial_is_good(const struct order *o)
{
	AUTO(bn) BIGNUM *n = BN_bin2bn(o->serial, sizeof(o->serial), NULL);
	return !BN_is_zero(n) && BN_num_bits(n) < 128;
}

static enum err_code reason_of(const struct order *o)
{
	if (!id_is_good(o->id))
		return E_ID_INVALID;
	if ((o->form.server && !o->form.dns_name) || !name_is_good(o->form.organization) || !name_is_good(o->form.unit))
		return E_PROFILE;
	if (o->form.dns_name && !dns_name_is_good(o->id))
		return E_ID_INVALID;
	if (!time_is_good(o))
		return E_CA_EXPIRED;
	if (!serial_is_good(o))
		return E_SIGN;
	return key_is_good(o) ? E_NONE : E_KEY_WEAK;
}

/* ---- the same leaf by libcrypto ---- */

/* RFC 7093, section 2, method 1. */
static ASN1_OCTET_STRING *key_id_of(const X509 *x)
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
	must(id && X509_pubkey_digest(x, EVP_sha256(), hash, NULL) == 1 && ASN1_OCTET_STRING_set(id, hash, 20) == 1);
	return id;
}

static void add_key_ids(X509 *leaf, X509 *ca)
{
	const ASN1_OCTET_STRING *above = X509_get0_subject_key_id(ca);
	ASN1_OCTET_STRING *own = key_id_of(leaf);
	AUTHORITY_KEYID *authority = AUTHORITY_KEYID_new();
	must(authority && X509_add1_ext_i2d(leaf, NID_subject_key_identifier, own, 0, 0) == 1);
	authority->keyid = above ? ASN1_OCTET_STRING_dup(above) : key_id_of(ca);
	must(X509_add1_ext_i2d(leaf, NID_authority_key_identifier, authority, 0, 0) == 1);
	AUTHORITY_KEYID_free(authority);
	ASN1_OCTET_STRING_free(own);
}

static void set_algorithm(X509 *leaf, bool rsa)
{
	X509_ALGOR *algorithm = (X509_ALGOR *)(uintptr_t)X509_get0_tbs_sigalg(leaf);
	must(X509_ALGOR_set0(algorithm, OBJ_nid2obj(rsa ? NID_sha256WithRSAEncryption : NID_ecdsa_with_SHA256),
			     rsa ? V_ASN1_NULL : V_ASN1_UNDEF, NULL) == 1);
}

static void set_times(X509 *leaf, const struct order *o)
{
	int64_t now_s = o->now_ms >= 0 ? o->now_ms / 1000 : -((-o->now_ms + 999) / 1000);
	int64_t from_s = now_s - ISSUE_BACKDATE_MS / 1000 < o->ca->from_s ? o->ca->from_s : now_s - ISSUE_BACKDATE_MS / 1000;
	must(ASN1_TIME_set(X509_getm_notBefore(leaf), from_s) && ASN1_TIME_set(X509_getm_notAfter(leaf), now_s + o->days * DAY_S));
}

static void add_subject(X509 *leaf, const struct order *o)
{
	X509_NAME *name = X509_get_subject_name(leaf);
	add_name(name, NID_organizationName, o->form.organization[0] ? o->form.organization : NULL);
	add_name(name, NID_organizationalUnitName, o->form.unit[0] ? o->form.unit : NULL);
	add_name(name, NID_commonName, o->id);
}

static void add_alternative(X509 *leaf, const struct order *o)
{
	char value[ID_ROOM + 4];
	snprintf(value, sizeof(value), "DNS:%s", o->id);
	if (o->form.dns_name)
		add_extension(leaf, NID_subject_alt_name, value);
}

static X509 *leaf_of(const struct order *o)
{
	X509 *leaf = X509_new();
	AUTO(bn) BIGNUM *serial = BN_bin2bn(o->serial, sizeof(o->serial), NULL);
	must(leaf && serial && X509_set_version(leaf, X509_VERSION_3) == 1 && BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(leaf)));
	must(X509_set_issuer_name(leaf, X509_get_subject_name(o->ca->x)) == 1 && X509_set_pubkey(leaf, o->pkey) == 1);
	set_algorithm(leaf, o->ca->store.key.kind == KEY_RSA);
	set_times(leaf, o);
	add_subject(leaf, o);
	add_extension(leaf, NID_basic_constraints, "critical,CA:FALSE");
	add_extension(leaf, NID_key_usage, "critical,digitalSignature");
	add_extension(leaf, NID_ext_key_usage, o->form.server ? "clientAuth,serverAuth" : "clientAuth");
	add_alternative(leaf, o);
	add_key_ids(leaf, o->ca->x);
	return leaf;
}

static void is_the_same(const struct order *o, const struct tbs *tbs)
{
	uint8_t *theirs = NULL;
	X509 *leaf = leaf_of(o);
	int len = i2d_re_X509_tbs(leaf, &theirs);
	must(len > 0 && (size_t)len == tbs->len && !memcmp(theirs, tbs->data, tbs->len));
	OPENSSL_free(theirs);
	X509_free(leaf);
}

static void is_signed(const struct order *o, const struct tbs *tbs)
{
	uint8_t der[ISSUE_CERT_MAX];
	const uint8_t *end = der;
	size_t len;
	struct err e = {0};
	must(issue_sign(&o->ca->issuer, tbs, der, &len, &e));
	X509 *x = d2i_X509(NULL, &end, (long)len);
	must(x && end == der + len && X509_verify(x, o->ca->pkey) == 1 && EVP_PKEY_eq(X509_get0_pubkey(x), o->pkey) == 1);
	X509_free(x);
}

static void compare(const struct order *o)
{
	static struct tbs tbs;
	struct err e = {0};
	const struct leaf_order order = {.id = o->id, .key = &o->key, .serial = o->serial, .validity_days = o->days,
					 .form = &o->form};
	bool built = issue_build(&o->ca->issuer, &order, o->now_ms, &tbs, &e);
	must(e.code == reason_of(o));
	must(built == (e.code == E_NONE));
	if (!built)
		return;
	is_the_same(o, &tbs);
	if (o->ca->store.key.kind == KEY_P256)
		is_signed(o, &tbs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span in = {data, len};
	struct order o = {0};
	take_order(&in, &o);
	compare(&o);
	EVP_PKEY_free(o.pkey);
	must(!ERR_peek_error());	/* what libcrypto had to say was heard */
	return 0;
}
