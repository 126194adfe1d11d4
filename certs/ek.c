/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/ek.h"
#include "certs/ossl.h"
#include "station/base/text.h"

#include <openssl/x509v3.h>

#include <stdio.h>
#include <string.h>

/* PolicyA: PolicySecret(TPM_RH_ENDORSEMENT) with SHA-256. */
static const uint8_t policy_a[SHA256_SIZE] = {
	0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
	0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
};

#define EK_ATTRIBUTES \
	(ATTR_FIXED_TPM | ATTR_FIXED_PARENT | ATTR_SENSITIVE_DATA_ORIGIN | ATTR_ADMIN_WITH_POLICY | ATTR_RESTRICTED | ATTR_DECRYPT)

static bool is_of_template(const struct tpm2_public *ek, const char **ret_name, struct err *e)
{
	if (ek->name_alg != ALG_SHA256)
		return err_set(e, E_EK_TEMPLATE, "name algorithm %04x", ek->name_alg);
	if (ek->attributes != EK_ATTRIBUTES)
		return err_set(e, E_EK_TEMPLATE, "attributes %08x", ek->attributes);
	if (ek->policy_len != sizeof(policy_a) || memcmp(ek->policy, policy_a, sizeof(policy_a)) != 0)
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

static bool same_key(const struct key_public *a, const struct key_public *b)
{
	uint8_t x[SHA256_SIZE], y[SHA256_SIZE];
	struct err ignored = {0};
	return key_spki_sha256(a, x, &ignored) && key_spki_sha256(b, y, &ignored) && !memcmp(x, y, SHA256_SIZE);
}

/* tcg-kp-EKCertificate, 2.23.133.8.1. */
static bool is_for_an_ek(X509 *cert)
{
	EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(cert, NID_ext_key_usage, NULL, NULL);
	bool found = false;
	for (int i = 0; usages && i < sk_ASN1_OBJECT_num(usages); i++) {
		char oid[64] = "";
		OBJ_obj2txt(oid, sizeof(oid), sk_ASN1_OBJECT_value(usages, i), 1);
		found |= !strcmp(oid, "2.23.133.8.1");
	}
	EXTENDED_KEY_USAGE_free(usages);
	return found;
}

/* A TCG attribute of a directory name as printable text; "" if it is not there. */
static void attribute_text(const X509_NAME *name, const char *oid, char *out, size_t room)
{
	for (int i = 0; i < X509_NAME_entry_count(name); i++) {
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
		char found[64] = "";
		OBJ_obj2txt(found, sizeof(found), X509_NAME_ENTRY_get_object(entry), 1);
		if (strcmp(found, oid) != 0)
			continue;
		const ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);
		int len = ASN1_STRING_length(value);
		const char *text = (const char *)ASN1_STRING_get0_data(value);
		if (len > 0 && (size_t)len < room && text_is_printable(text, (size_t)len))
			snprintf(out, room, "%.*s", len, text);
	}
}

/* TPM manufacturer, model and version stand in the subject alternative name, as a directory name. */
static void read_maker(X509 *cert, struct ek_cert *ret)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type != GEN_DIRNAME)
			continue;
		attribute_text(name->d.directoryName, "2.23.133.2.1", ret->manufacturer, sizeof(ret->manufacturer));
		attribute_text(name->d.directoryName, "2.23.133.2.2", ret->model, sizeof(ret->model));
		attribute_text(name->d.directoryName, "2.23.133.2.3", ret->version, sizeof(ret->version));
	}
	GENERAL_NAMES_free(names);
}

bool ek_cert_judge(const void *data, size_t len, const struct key_public *ek, const struct chain *makers, struct ek_cert *ret,
		   struct err *e)
{
	const uint8_t *end = data;
	struct key_public certified;
	struct err ignored = {0};
	AUTO(x509) X509 *cert = d2i_X509(NULL, &end, (long)len);
	if (!cert)
		return ossl_err(e, E_EK_CERT_BAD, "endorsement certificate");
	sha256_of(data, (size_t)(end - (const uint8_t *)data), ret->sha256);
	if (!is_for_an_ek(cert))
		return err_set(e, E_EK_CERT_BAD, "extended key usage lacks tcg-kp-EKCertificate");
	EVP_PKEY *pkey = X509_get0_pubkey(cert);
	if (!pkey || !ossl_key_public(pkey, &certified, &ignored) || !same_key(&certified, ek)) {
		ossl_err(&ignored, E_EK_MISMATCH, "reading the certified key");	/* leaves libcrypto's queue empty */
		return err_set(e, E_EK_MISMATCH, "the certificate is of another key");
	}
	read_maker(cert, ret);
	return !makers || chain_holds(makers, cert, e);
}
