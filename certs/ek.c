/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/ek.h"
#include "certs/ossl.h"
#include "station/base/text.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <string.h>

#define OID_EK_CERTIFICATE "2.23.133.8.1"	/* tcg-kp-EKCertificate */

static bool is_of_template(const struct tpm2_public *ek, const char **ret_name, struct err *e)
{
	if (ek->name_alg != ALG_SHA256)
		return err_set(e, E_EK_TEMPLATE, "name algorithm %04x", ek->name_alg);
	if (ek->attributes != TPM2_EK_ATTRIBUTES)
		return err_set(e, E_EK_TEMPLATE, "attributes %08x", ek->attributes);
	if (ek->policy_len != sizeof(tpm2_policy_a) || memcmp(ek->policy, tpm2_policy_a, sizeof(tpm2_policy_a)) != 0)
		return err_set(e, E_EK_TEMPLATE, "policy is not PolicyA");
	if (ek->symmetric != ALG_AES || ek->symmetric_bits != 128 || ek->symmetric_mode != ALG_CFB || ek->scheme != ALG_NULL)
		return err_set(e, E_EK_TEMPLATE, "symmetric algorithm or scheme");
	if (ek->key.kind == KEY_RSA && ek->key.rsa_bits == 2048 && ek->key.rsa_exponent == 65537)
		*ret_name = "L-1";
	else if (ek->key.kind == KEY_P256 && ek->kdf == ALG_NULL)
		*ret_name = "L-2";
	else
		return err_set(e, E_EK_TEMPLATE, "neither RSA-2048 nor P-256");
	return true;
}

bool ek_parse(const void *data, size_t len, struct ek *ret, struct err *e)
{
	struct tpm2_public p;
	if (!tpm2_public_parse(data, len, E_EK_TEMPLATE, &p, e) || !is_of_template(&p, &ret->template_name, e))
		return false;
	sha256_of(data, len, ret->sha256);
	ret->key = p.key;
	return key_spki_sha256(&p.key, ret->spki_sha256, e);
}

/* ---- the certificate ---- */

OSSL_AUTO(eku, EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free)
OSSL_AUTO(general_names, GENERAL_NAMES, GENERAL_NAMES_free)

static bool is_padding(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != 0x00 && p[i] != 0xff)
			return false;
	return true;
}

/* The certificate in front, which must be DER and not merely readable: written again it is the same bytes. */
static bool parse_padded(const uint8_t *data, size_t len, X509 **ret, size_t *ret_len, struct err *e)
{
	const uint8_t *end = data;
	uint8_t *again = NULL;
	*ret = len <= INT32_MAX ? d2i_X509(NULL, &end, (long)len) : NULL;
	if (!*ret)
		return ossl_err(e, E_EK_CERT_BAD, "not a certificate");
	*ret_len = (size_t)(end - data);
	if (!is_padding(end, len - *ret_len))
		return err_set(e, E_EK_CERT_BAD, "bytes behind the certificate");
	int again_len = i2d_X509(*ret, &again);
	bool same = again_len >= 0 && (size_t)again_len == *ret_len && memcmp(again, data, *ret_len) == 0;
	OPENSSL_free(again);
	return same || err_set(e, E_EK_CERT_BAD, "the certificate is not DER");
}

static bool names_key(X509 *x, const struct key_public *ek, struct err *e)
{
	AUTO(pkey) EVP_PKEY *ours = NULL;
	EVP_PKEY *named = X509_get0_pubkey(x);
	if (!named)
		return ossl_err(e, E_EK_CERT_BAD, "the certificate's key cannot be read");
	if (!ossl_pkey(ek, &ours, e))
		return false;
	if (EVP_PKEY_eq(named, ours) != 1)
		return ossl_err(e, E_EK_MISMATCH, "the certificate is of another key");
	return true;
}

static bool object_is(const ASN1_OBJECT *object, const char *oid)
{
	char text[64];
	int len = OBJ_obj2txt(text, sizeof(text), object, 1);
	return len > 0 && (size_t)len < sizeof(text) && strcmp(text, oid) == 0;
}

static bool has_ek_usage(X509 *x)
{
	AUTO(eku) EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
	for (int i = 0; usages && i < sk_ASN1_OBJECT_num(usages); i++)
		if (object_is(sk_ASN1_OBJECT_value(usages, i), OID_EK_CERTIFICATE))
			return true;
	return false;
}

/* RSA keys encipher, ECC keys agree. libcrypto says that all is allowed where the extension is missing, and nothing where
 * extensions are malformed or stand there twice. */
static bool usage_fits(X509 *x, const struct key_public *ek)
{
	return X509_get_key_usage(x) & (ek->kind == KEY_RSA ? KU_KEY_ENCIPHERMENT : KU_KEY_AGREEMENT);
}

static bool is_endorsement(X509 *x, const struct key_public *ek, struct err *e)
{
	if (X509_get_extension_flags(x) & EXFLAG_CA)	/* X509_check_ca would pass over one that may not sign certificates */
		return err_set(e, E_EK_CERT_BAD, "the certificate is a CA's");
	if (!has_ek_usage(x))
		return ossl_err(e, E_EK_CERT_BAD, "no extended key usage " OID_EK_CERTIFICATE);
	if (!usage_fits(x, ek))
		return ossl_err(e, E_EK_CERT_BAD, "key usage %08x", X509_get_key_usage(x));
	return true;
}

/* Copies the attribute where the name has it. */
static bool copy_attribute(const X509_NAME *name, const char *oid, char *ret, size_t room, struct err *e)
{
	for (int i = 0; i < X509_NAME_entry_count(name); i++) {
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
		if (!object_is(X509_NAME_ENTRY_get_object(entry), oid))
			continue;
		const ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);
		const char *text = (const char *)ASN1_STRING_get0_data(value);
		size_t len = (size_t)ASN1_STRING_length(value);
		if (len >= room || !text_is_printable(text, len))
			return err_set(e, E_EK_CERT_BAD, "attribute %s of %zu bytes", oid, len);
		memcpy(ret, text, len);
		ret[len] = '\0';
		return true;
	}
	return true;
}

static bool copy_attributes(const X509_NAME *name, struct ek_cert *ret, struct err *e)
{
	return copy_attribute(name, "2.23.133.2.1", ret->manufacturer, sizeof(ret->manufacturer), e) &&
	       copy_attribute(name, "2.23.133.2.2", ret->model, sizeof(ret->model), e) &&
	       copy_attribute(name, "2.23.133.2.3", ret->version, sizeof(ret->version), e);
}

/* 3.2.9: a directory name among the subject's alternative names; older certificates have it in the subject. */
static bool read_maker(X509 *x, struct ek_cert *ret, struct err *e)
{
	AUTO(general_names) GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type == GEN_DIRNAME && !copy_attributes(name->d.directoryName, ret, e))
			return false;
	}
	if (!ret->manufacturer[0] && !copy_attributes(X509_get_subject_name(x), ret, e))
		return false;
	return ret->manufacturer[0] || ossl_err(e, E_EK_CERT_BAD, "no TPM manufacturer");
}

static bool judge(const void *data, size_t len, const struct key_public *ek, const struct chain *makers, struct ek_cert *ret,
		  struct err *e)
{
	AUTO(x509) X509 *x = NULL;
	size_t used = 0;
	if (!parse_padded(data, len, &x, &used, e) || !names_key(x, ek, e) || !is_endorsement(x, ek, e))
		return false;
	if (makers && (!chain_holds(makers, x, e) || !read_maker(x, ret, e)))
		return false;
	sha256_of(data, used, ret->sha256);
	return true;
}

bool ek_cert_judge(const void *data, size_t len, const struct key_public *ek, const struct chain *makers, struct ek_cert *ret,
		   struct err *e)
{
	memset(ret, 0, sizeof(*ret));
	bool held = judge(data, len, ek, makers, ret, e);
	ERR_clear_error();	/* of extensions that libcrypto could not read, and nobody asked about */
	return held || err_in(e, "endorsement certificate");
}
