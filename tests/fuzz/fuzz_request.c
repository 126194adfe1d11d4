/* SPDX-License-Identifier: Apache-2.0 */
/* Certificate requests whose signature holds whatever was changed in them, so that two readers must judge them by their form: ours, and
 * X509_REQ of libcrypto. An input is a number for the signature's algorithm, and a CertificationRequestInfo for the public key whose
 * private key is 1; the target signs it. With the number's top bit the rest is no DER but a way to write it, in which a change spoils no
 * length around it: a constructed value is its tag, what is in it, and a zero; any other its tag, a byte of length, and its content.
 *
 * What ours takes, libcrypto takes as well, with the same key, name and challenge password. What only ours refuses is of a kind that
 * stands here. A checker that is kept from one request to the next says the same as one that is made for each. */
#include "certs/csr.h"
#include "certs/der.h"
#include "certs/der_read.h"
#include "certs/ossl.h"
#include "scratch.h"

#include <openssl/core_names.h>
#include <openssl/err.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define REQUEST_MAX (CSR_MAX + 1024)

/* ---- signing ---- */

static struct {
	EVP_PKEY *pkey;
	struct key_checker checker;
} kept;

static void kept_free(void)
{
	EVP_PKEY_free(kept.pkey);
	key_checker_fini(&kept.checker);
}

static EVP_PKEY *key_of_one(void)
{
	uint8_t one[32] = {1}, point[65];	/* native order: the least byte first */
	AUTO(ec_group) EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *pkey = NULL;
	must(EC_POINT_point2oct(group, EC_GROUP_get0_generator(group), POINT_CONVERSION_UNCOMPRESSED, point, sizeof(point), NULL));
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char[]){"prime256v1"}, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
		OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, one, sizeof(one)),
		OSSL_PARAM_construct_end(),
	};
	must(EVP_PKEY_fromdata_init(ctx) > 0 && EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params) > 0);
	return pkey;
}

static EVP_PKEY *signing_key(void)
{
	if (!kept.pkey) {
		kept.pkey = key_of_one();
		atexit(kept_free);
	}
	return kept.pkey;
}

static const struct algorithm {
	const char *digest;
	size_t len;
	uint8_t der[14];
} algorithms[] = {
	{"SHA256", 12, {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02}},
	{"SHA384", 12, {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03}},
	{"SHA512", 12, {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04}},
	{"SHA1", 11, {0x30, 0x09, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01}},
	{"SHA224", 12, {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x01}},
	{"SHA256", 14, {0x30, 0x0c, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02, 0x05, 0x00}},	/* with NULL */
	{"SHA384", 12, {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02}},	/* says another */
};

static uint8_t take(struct span *in)
{
	uint8_t byte = *(const uint8_t *)in->data;
	*in = (struct span){(const uint8_t *)in->data + 1, in->len - 1};
	return byte;
}

static void write_values(struct span in, struct der *d)
{
	size_t open[20], depth = 0;
	while (in.len) {
		uint8_t tag = take(&in);
		if (!tag && depth)
			der_close(d, open[--depth]);
		else if (tag & 0x20 && depth < COUNT_OF(open))
			open[depth++] = der_open(d, tag);
		else if (in.len) {
			size_t len = take(&in);
			len = len < in.len ? len : in.len;
			der_put(d, tag, in.data, len);
			in = (struct span){(const uint8_t *)in.data + len, in.len - len};
		}
	}
	while (depth)
		der_close(d, open[--depth]);
}

static void request_make(const struct algorithm *a, const uint8_t *info, size_t len, struct der *d)
{
	uint8_t signature[80];
	size_t signature_len = sizeof(signature);
	AUTO(md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	must(EVP_DigestSignInit_ex(ctx, NULL, a->digest, NULL, NULL, signing_key(), NULL) == 1);
	must(EVP_DigestSign(ctx, signature, &signature_len, info, len) == 1);
	size_t whole = der_open(d, DER_SEQUENCE);
	der_raw(d, info, len);
	der_raw(d, a->der, a->len);
	size_t bits = der_open_bits(d);
	der_raw(d, signature, signature_len);
	der_close(d, bits);
	der_close(d, whole);
}

/* ---- what libcrypto sees ---- */

/* NULL unless it takes all of it, and the signature. */
static X509_REQ *theirs_of(const struct der *d)
{
	const uint8_t *end = d->data;
	X509_REQ *q = d2i_X509_REQ(NULL, &end, (long)d->len);
	EVP_PKEY *pkey = q ? X509_REQ_get0_pubkey(q) : NULL;
	bool taken = pkey && end == d->data + d->len && X509_REQ_verify(q, pkey) == 1;
	ERR_clear_error();
	if (taken)
		return q;
	X509_REQ_free(q);
	return NULL;
}

/* The first common name that begins a set of names and says anything. */
static void common_name_of(const X509_REQ *q, char ret[static 65])
{
	const X509_NAME *name = X509_REQ_get_subject_name(q);
	int set = -1;
	memset(ret, 0, 65);
	for (int i = 0; i < X509_NAME_entry_count(name) && !ret[0]; i++) {
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
		const ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);
		bool begins = X509_NAME_ENTRY_set(entry) != set;
		set = X509_NAME_ENTRY_set(entry);
		if (!begins || OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)) != NID_commonName)
			continue;
		for (int at = 0; at < ASN1_STRING_length(value) && at < 64; at++) {
			uint8_t byte = ASN1_STRING_get0_data(value)[at];
			ret[at] = byte >= 0x20 && byte < 0x7f ? (char)byte : '?';
		}
	}
}

static void password_of(X509_REQ *q, char ret[static CSR_CHALLENGE_ROOM])
{
	int at = X509_REQ_get_attr_by_NID(q, NID_pkcs9_challengePassword, -1);
	memset(ret, 0, CSR_CHALLENGE_ROOM);
	if (at < 0)
		return;
	const ASN1_TYPE *value = X509_ATTRIBUTE_get0_type(X509_REQ_get_attr(q, at), 0);
	must(value && ASN1_STRING_length(value->value.asn1_string) < CSR_CHALLENGE_ROOM);
	memcpy(ret, ASN1_STRING_get0_data(value->value.asn1_string), (size_t)ASN1_STRING_length(value->value.asn1_string));
}

static void is_the_same(const struct csr *csr, X509_REQ *theirs)
{
	char name[65], password[CSR_CHALLENGE_ROOM];
	AUTO(pkey) EVP_PKEY *ours = NULL;
	struct err e = {0};
	must(ossl_pkey(&csr->key, &ours, &e) && EVP_PKEY_eq(X509_REQ_get0_pubkey(theirs), ours) == 1);
	common_name_of(theirs, name);
	must(!strcmp(name, csr->common_name));
	password_of(theirs, password);
	must(!strcmp(password, csr->challenge));
}

/* ---- what only ours refuses ---- */

static bool too_long(X509_REQ *q, const struct der *d)
{
	return d->len > CSR_MAX;
}

static bool not_der_all_the_way_down(X509_REQ *q, const struct der *d)
{
	return !der_is_canonical(d->data, d->len, DER_SEQUENCE);
}

/* The same fields, written by libcrypto, give other bytes. */
static bool not_as_it_would_be_written(X509_REQ *q, const struct der *d)
{
	uint8_t *again = NULL;
	struct span in = {d->data, d->len}, whole, info;
	int len = i2d_re_X509_REQ_tbs(q, &again);
	must(len > 0 && der_read(&in, DER_SEQUENCE, &whole) && der_read_whole(&whole, DER_SEQUENCE, &info));
	bool differs = !der_is(&info, again, (size_t)len);
	OPENSSL_free(again);
	return differs;
}

static void split(const struct der *d, struct span *ret_subject, struct span *ret_spki)
{
	struct span in = {d->data, d->len}, whole, info, version;
	must(der_read(&in, DER_SEQUENCE, &whole) && der_read(&whole, DER_SEQUENCE, &info) && der_read(&info, DER_INTEGER, &version) &&
	     der_read(&info, DER_SEQUENCE, ret_subject) && der_read(&info, DER_SEQUENCE, ret_spki));
}

static bool with_a_name_of_nothing(X509_REQ *q, const struct der *d)
{
	struct span subject, spki, set;
	split(d, &subject, &spki);
	while (subject.len) {
		must(der_read(&subject, DER_SET, &set));
		if (!set.len)
			return true;
	}
	return false;
}

/* Whose last byte would not be one. */
static bool with_a_key_of_odd_bits(X509_REQ *q, const struct der *d)
{
	struct span subject, spki, algorithm, bits;
	split(d, &subject, &spki);
	must(der_read(&spki, DER_SEQUENCE, &algorithm) && der_read(&spki, DER_BIT_STRING, &bits));
	return bits.len && *(const uint8_t *)bits.data != 0;
}

static bool of_another_version(X509_REQ *q, const struct der *d)
{
	return X509_REQ_get_version(q) != X509_REQ_VERSION_1;
}

static bool without_the_field_of_attributes(X509_REQ *q, const struct der *d)
{
	return X509_REQ_get_attr_count(q) < 0;
}

static bool signed_otherwise(X509_REQ *q, const struct der *d)
{
	const X509_ALGOR *algorithm;
	int parameters;
	X509_REQ_get0_signature(q, NULL, &algorithm);
	X509_ALGOR_get0(NULL, &parameters, NULL, algorithm);
	int nid = X509_REQ_get_signature_nid(q);
	return parameters != V_ASN1_UNDEF ||
	       (nid != NID_ecdsa_with_SHA256 && nid != NID_ecdsa_with_SHA384 && nid != NID_ecdsa_with_SHA512);
}

static bool on_a_curve_by_parameters(X509_REQ *q, const struct der *d)
{
	int by_parameters = 0;
	(void)EVP_PKEY_get_int_param(X509_REQ_get0_pubkey(q), OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &by_parameters);
	return by_parameters != 0;
}

static bool password_is_text(X509_ATTRIBUTE *attribute)
{
	const ASN1_TYPE *value = X509_ATTRIBUTE_count(attribute) == 1 ? X509_ATTRIBUTE_get0_type(attribute, 0) : NULL;
	if (!value || (value->type != V_ASN1_UTF8STRING && value->type != V_ASN1_PRINTABLESTRING))
		return false;
	int len = ASN1_STRING_length(value->value.asn1_string);
	for (int i = 0; i < len; i++) {
		uint8_t byte = ASN1_STRING_get0_data(value->value.asn1_string)[i];
		if (byte < 0x20 || byte > 0x7e)
			return false;
	}
	return len >= 1 && len < (int)CSR_CHALLENGE_ROOM;
}

static bool with_other_than_one_password(X509_REQ *q, const struct der *d)
{
	int at = X509_REQ_get_attr_by_NID(q, NID_pkcs9_challengePassword, -1);
	return at >= 0 && (!password_is_text(X509_REQ_get_attr(q, at)) ||
			   X509_REQ_get_attr_by_NID(q, NID_pkcs9_challengePassword, at) >= 0);
}

static bool with_a_name_in_other_strings(X509_REQ *q, const struct der *d)
{
	const X509_NAME *name = X509_REQ_get_subject_name(q);
	for (int i = 0; i < X509_NAME_entry_count(name); i++) {
		int type = ASN1_STRING_type(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i)));
		if (type != V_ASN1_UTF8STRING && type != V_ASN1_PRINTABLESTRING && type != V_ASN1_IA5STRING && type != V_ASN1_T61STRING &&
		    type != V_ASN1_NUMERICSTRING)
			return true;
	}
	return false;
}

typedef bool refusal(X509_REQ *q, const struct der *d);

static bool refusal_is_known(X509_REQ *q, const struct der *d)
{
	static refusal *const kinds[] = {
		too_long, not_der_all_the_way_down, not_as_it_would_be_written, of_another_version, with_a_name_of_nothing,
		with_a_name_in_other_strings, with_a_key_of_odd_bits, on_a_curve_by_parameters, without_the_field_of_attributes,
		with_other_than_one_password, signed_otherwise,
	};
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (kinds[i](q, d))
			return true;
	return false;
}

/* ---- both ---- */

static void compare(const struct der *d)
{
	struct csr csr, again;
	struct err e = {0}, same = {0};
	bool taken = csr_parse(d->data, d->len, &csr, &e);
	must(taken == (e.code == E_NONE) && taken == csr_parse_with(&kept.checker, d->data, d->len, &again, &same) && e.code == same.code);
	must(!taken || (!memcmp(&csr.key, &again.key, sizeof(csr.key)) && !strcmp(csr.common_name, again.common_name) &&
			!strcmp(csr.challenge, again.challenge)));
	must(taken || e.code == E_CSR || e.code == E_KEY_WEAK);
	must(!ERR_peek_error());	/* what libcrypto had to say was heard */
	X509_REQ *theirs = theirs_of(d);
	must(theirs || !taken);
	if (taken)
		is_the_same(&csr, theirs);
	must(taken || !theirs || refusal_is_known(theirs, d));
	X509_REQ_free(theirs);
	ERR_clear_error();	/* of the questions about theirs, such as for a version that is no number of theirs */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t room[REQUEST_MAX], info_room[REQUEST_MAX];
	struct der d = DER_IN(room), info = DER_IN(info_room);
	if (!len || len > CSR_MAX + 256)
		return 0;
	if (data[0] & 0x80)
		write_values((struct span){data + 1, len - 1}, &info);
	else
		der_raw(&info, data + 1, len - 1);
	request_make(&algorithms[(data[0] & 0x7f) % COUNT_OF(algorithms)], info.data, info.len, &d);
	if (der_whole(&d) && der_whole(&info))
		compare(&d);
	return 0;
}
