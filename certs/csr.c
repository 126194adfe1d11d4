/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/csr.h"
#include "certs/der.h"
#include "certs/der_read.h"
#include "certs/p256.h"
#include "certs/pem.h"
#include "certs/spki.h"
#include "station/base/text.h"

#include <openssl/pem.h>

#include <string.h>

enum { DER_NUMERIC = 0x12, DER_PRINTABLE = 0x13, DER_T61 = 0x14, DER_IA5 = 0x16 };

static const uint8_t id_common_name[] = {0x55, 0x04, 0x03};
static const uint8_t id_challenge_password[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x07};

/* The parts of a CertificationRequest (RFC 2986, 4.2), lent from its bytes. */
struct parts {
	struct span info;	/* what is signed, with tag and length */
	struct span subject, spki, attributes;
	struct span algorithm, signature;
};

static bool split_info(struct span info, struct parts *ret)
{
	struct span body, version;
	return der_read(&info, DER_SEQUENCE, &body) && der_read_unsigned(&body, &version) && !version.len &&
	       der_read(&body, DER_SEQUENCE, &ret->subject) && der_read_whole(&body, DER_SEQUENCE, &ret->spki) &&
	       der_read(&body, DER_CONTEXT_OF, &ret->attributes) && !body.len;
}

static bool split(const void *der, size_t len, struct parts *ret, struct err *e)
{
	struct span in = {der, len}, whole;
	if (len > CSR_MAX)
		return err_set(e, E_CSR, "a certificate request of %zu bytes", len);
	if (!der_is_canonical(der, len, DER_SEQUENCE))
		return err_set(e, E_CSR, "the certificate request is not DER, or not all of it");
	if (!der_read(&in, DER_SEQUENCE, &whole) || !der_read_whole(&whole, DER_SEQUENCE, &ret->info) ||
	    !der_read(&whole, DER_SEQUENCE, &ret->algorithm) || !der_read_bits(&whole, &ret->signature) || whole.len ||
	    !split_info(ret->info, ret))
		return err_set(e, E_CSR, "no certificate request of PKCS#10");
	return true;
}

/* ---- subject and attributes ---- */

static bool is_utf8(const struct span *text)
{
	const uint8_t *p = text->data;
	unsigned long c;
	for (int left = (int)text->len, n; left; left -= n, p += n) {
		n = UTF8_getc(p, left, &c);
		if (n <= 0 || c > 0x10ffff || (c & ~0x7ffUL) == 0xd800)
			return false;
	}
	return true;
}

/* One attribute of a name, in the strings that names are made of today (X.520; those of two and four bytes a character are not). */
static bool read_name(struct span *set, struct span *ret_id, struct span *ret_value)
{
	struct span pair;
	uint8_t tag;
	if (!der_read(set, DER_SEQUENCE, &pair) || !der_read(&pair, DER_OID, ret_id) || !der_read_any(&pair, &tag, ret_value) || pair.len)
		return false;
	return tag == DER_UTF8 ? is_utf8(ret_value)
			       : tag == DER_PRINTABLE || tag == DER_IA5 || tag == DER_T61 || tag == DER_NUMERIC;
}

/* For messages: with '?' for what is not printable, cut where it is too long. */
static void keep_name(const struct span *value, char *ret, size_t room)
{
	for (size_t i = 0; i < value->len && i + 1 < room; i++) {
		char c = ((const char *)value->data)[i];
		ret[i] = c >= 0x20 && c <= 0x7e ? c : '?';
	}
}

/* A Name (RFC 5280, 4.1.2.4), of which the first common name that stands first in its set is kept. */
static bool read_subject(struct span subject, char *ret, size_t room)
{
	struct span set, id, value;
	while (subject.len) {
		if (!der_read(&subject, DER_SET, &set) || !read_name(&set, &id, &value))
			return false;
		if (!*ret && der_is(&id, id_common_name, sizeof(id_common_name)))
			keep_name(&value, ret, room);
		while (set.len)
			if (!read_name(&set, &id, &value))
				return false;
	}
	return true;
}

/* A DirectoryString, here of ASCII: the two forms in which libraries write one. */
static bool read_challenge(struct span values, char *ret, size_t room, struct err *e)
{
	struct span text;
	uint8_t tag;
	if (*ret)
		return err_set(e, E_CSR, "two challenge passwords");
	if (!der_read_any(&values, &tag, &text) || values.len || (tag != DER_UTF8 && tag != DER_PRINTABLE))
		return err_set(e, E_CSR, "a challenge password that is not one text");
	if (!text.len || text.len >= room || !text_is_printable(text.data, text.len))
		return err_set(e, E_CSR, "a challenge password of %zu bytes, or with others than ASCII", text.len);
	memcpy(ret, text.data, text.len);
	return true;
}

static bool read_attributes(struct span attributes, struct csr *ret, struct err *e)
{
	struct span attribute, id, values;
	while (attributes.len) {
		if (!der_read(&attributes, DER_SEQUENCE, &attribute) || !der_read(&attribute, DER_OID, &id) ||
		    !der_read(&attribute, DER_SET, &values) || attribute.len)
			return err_set(e, E_CSR, "an attribute that is none");
		if (der_is(&id, id_challenge_password, sizeof(id_challenge_password)) &&
		    !read_challenge(values, ret->challenge, sizeof(ret->challenge), e))
			return false;
	}
	return true;
}

/* ---- the signature ---- */

/* Signature algorithms (RFC 5758, 3.2; RFC 4055, 5): those of the key's kind, with SHA-256 or better.
 * The first is the usual one. */
static const struct algorithm {
	enum key_kind kind;
	const char *digest;
	size_t oid_len;
	uint8_t oid[9];
} algorithms[] = {
	{KEY_P256, "SHA256", 8, {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02}},
	{KEY_P256, "SHA384", 8, {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03}},
	{KEY_P256, "SHA512", 8, {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04}},
	{KEY_RSA, "SHA256", 9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b}},
	{KEY_RSA, "SHA384", 9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c}},
	{KEY_RSA, "SHA512", 9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d}},
};

static const struct algorithm *algorithm_find(struct span in, enum key_kind kind)
{
	struct span oid;
	if (!der_read(&in, DER_OID, &oid) || (in.len && (kind != KEY_RSA || !der_is(&in, "\5\0", 2))))
		return NULL;
	for (size_t i = 0; i < COUNT_OF(algorithms); i++)
		if (algorithms[i].kind == kind && der_is(&oid, algorithms[i].oid, algorithms[i].oid_len))
			return &algorithms[i];
	return NULL;
}

/* As nearly every request is: of libcrypto this needs the curve, and no objects made for the one key. */
static bool is_signed_p256(struct key_checker *c, const struct parts *p, const struct key_public *key, struct err *e)
{
	uint8_t digest[SHA256_SIZE];
	sha256_of(p->info.data, p->info.len, digest);
	return p256_signed(c, key, digest, &p->signature, E_CSR, e) || err_in(e, "the certificate request");
}

static bool is_signed_otherwise(const struct algorithm *algorithm, const struct parts *p, const struct key_public *key,
				struct err *e)
{
	AUTO(pkey) EVP_PKEY *pkey = NULL;
	AUTO(md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (!ossl_pkey(key, &pkey, e))
		return false;
	if (!ctx || EVP_DigestVerifyInit_ex(ctx, NULL, algorithm->digest, NULL, NULL, pkey, NULL) != 1)
		return ossl_err(e, E_NOMEM, "verifying");
	if (EVP_DigestVerify(ctx, p->signature.data, p->signature.len, p->info.data, p->info.len) != 1)
		return ossl_err(e, E_CSR, "the certificate request is not signed by its own key");
	return true;
}

static bool is_signed(struct key_checker *c, const struct parts *p, const struct key_public *key, struct err *e)
{
	const struct algorithm *algorithm = algorithm_find(p->algorithm, key->kind);
	if (!algorithm)
		return err_set(e, E_CSR, "not signed by an algorithm of its key's kind with SHA-256 or better");
	if (algorithm == algorithms)
		return is_signed_p256(c, p, key, e);
	return is_signed_otherwise(algorithm, p, key, e);
}

bool csr_parse_with(struct key_checker *c, const void *der, size_t len, struct csr *ret, struct err *e)
{
	struct parts parts;
	struct csr csr = {0};
	if (!split(der, len, &parts, e) || !spki_parse(parts.spki.data, parts.spki.len, E_CSR, &csr.key, e))
		return false;
	if (!read_subject(parts.subject, csr.common_name, sizeof(csr.common_name)))
		return err_set(e, E_CSR, "a subject that is no name");
	if (!read_attributes(parts.attributes, &csr, e) || !is_signed(c, &parts, &csr.key, e))
		return false;
	*ret = csr;
	return true;
}

bool csr_parse(const void *der, size_t len, struct csr *ret, struct err *e)
{
	AUTO(key_checker) struct key_checker once = {0};
	return csr_parse_with(&once, der, len, ret, e);
}

/* ---- files ---- */

bool csr_from_file(const void *data, size_t len, struct bytes *ret_der, struct err *e)
{
	static const char *const labels[] = {PEM_STRING_X509_REQ, PEM_STRING_X509_REQ_OLD, NULL};
	return pem_first(data, len, labels, E_CSR, ret_der, e) || err_in(e, "certificate request");
}
