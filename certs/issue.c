/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/issue.h"
#include "certs/ca.h"
#include "certs/der.h"
#include "certs/ossl.h"
#include "station/base/text.h"

#include <openssl/x509v3.h>

#include <string.h>

#define DAY_MS (24 * 60 * 60 * (int64_t)1000)
#define ID_MAX 64	/* ub-common-name */

static const uint8_t ecdsa_with_sha256[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
static const uint8_t rsa_with_sha256[] = {
	0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00,
};
static const uint8_t oid_common_name[] = {0x55, 0x04, 0x03};
static const uint8_t oid_organization[] = {0x55, 0x04, 0x0a};
static const uint8_t oid_unit[] = {0x55, 0x04, 0x0b};
static const uint8_t oid_subject_alt_name[] = {0x55, 0x1d, 0x11};
static const uint8_t oid_subject_key_id[] = {0x55, 0x1d, 0x0e};
static const uint8_t oid_authority_key_id[] = {0x55, 0x1d, 0x23};

/* The extensions that are the same in every leaf. */
static const uint8_t same_extensions[] = {
	0x30, 0x0c, 0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x02, 0x30, 0x00,	/* basicConstraints, critical: {} */
	0x30, 0x0e, 0x06, 0x03, 0x55, 0x1d, 0x0f, 0x01, 0x01, 0xff, 0x04, 0x04, 0x03, 0x02, 0x07,
	0x80,	/* keyUsage, critical: digitalSignature */
};
static const uint8_t client_purpose[] = {
	0x30, 0x13, 0x06, 0x03, 0x55, 0x1d, 0x25, 0x04, 0x0c, 0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03,
	0x02,	/* extKeyUsage: id-kp-clientAuth */
};
static const uint8_t client_and_server_purpose[] = {
	0x30, 0x1d, 0x06, 0x03, 0x55, 0x1d, 0x25, 0x04, 0x16, 0x30, 0x14, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03,
	0x02, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01,	/* and id-kp-serverAuth */
};
static const struct leaf_form plain;

static bool take_subject(struct issuer *ca, X509 *x, struct err *e)
{
	const uint8_t *der = NULL;
	size_t len = 0;
	if (!X509_NAME_get0_der(X509_get_subject_name(x), &der, &len) || len <= 2)
		return ossl_err(e, E_CA_FILE, "the CA certificate has no subject");
	ca->subject.max = 1024;
	return bytes_set(&ca->subject, der, len, e);
}

static bool take_key_id(struct issuer *ca, X509 *x, struct err *e)
{
	const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(x);
	if (!ski) {
		key_id(&ca->key->key, ca->key_id);
		ca->key_id_len = KEY_ID_SIZE;
		return true;
	}
	ca->key_id_len = (size_t)ASN1_STRING_length(ski);
	if (!ca->key_id_len || ca->key_id_len > sizeof(ca->key_id))
		return err_set(e, E_CA_FILE, "a key identifier of %zu bytes in the CA certificate", ca->key_id_len);
	memcpy(ca->key_id, ASN1_STRING_get0_data(ski), ca->key_id_len);
	return true;
}

static bool may_issue(X509 *x, const struct key_public *store, struct err *e)
{
	struct key_public key;
	bool usage = X509_get_extension_flags(x) & EXFLAG_KUSAGE && X509_get_key_usage(x) & KU_KEY_CERT_SIGN;
	if (X509_check_ca(x) != 1 || !usage)
		return err_set(e, E_CA_FILE, "the first certificate of the chain is no CA that may sign certificates");
	if (!ossl_key_public(X509_get0_pubkey(x), &key, e) || memcmp(&key, store, sizeof(key)) != 0) {
		struct err other = {0};
		err_set(&other, E_CA_FILE, "the CA certificate does not belong to the CA key");
		*e = other;
		return false;
	}
	return true;
}

bool issuer_init(struct issuer *ca, const void *der, size_t len, struct keystore *key, struct err *e)
{
	AUTO(x509) X509 *x = NULL;
	struct cert_facts facts;
	memset(ca, 0, sizeof(*ca));
	ca->key = key;
	if (!ossl_x509(der, len, E_CA_FILE, &x, e) || !may_issue(x, &key->key, e) || !cert_look(der, len, &facts, e))
		return false;
	ca->may_sign_lists = (X509_get_key_usage(x) & KU_CRL_SIGN) != 0;
	ca->not_before_ms = facts.not_before_ms;
	ca->not_after_ms = facts.not_after_ms;
	if (take_subject(ca, x, e) && take_key_id(ca, x, e))
		return true;
	issuer_fini(ca);
	return false;
}

void issuer_fini(struct issuer *ca)
{
	if (!ca)
		return;
	bytes_fini(&ca->subject);
	memset(ca, 0, sizeof(*ca));
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool issue_id_is_valid(const char *id, struct err *e)
{
	size_t len = strnlen(id, ID_MAX + 1);
	if (!len || len > ID_MAX)
		return err_set(e, E_ID_INVALID, "an id has 1 to %d characters in a certificate", ID_MAX);
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(id[i]) && !strchr("-._:", id[i]))
			return err_set(e, E_ID_INVALID, "character %zu is none of a-z 0-9 - . _ :", i + 1);
	if (!is_alnum(id[0]) || !is_alnum(id[len - 1]))
		return err_set(e, E_ID_INVALID, "an id begins and ends with a letter or digit");
	return true;
}

static bool serial_is_valid(const uint8_t *serial)
{
	static const uint8_t zero[INTENT_SERIAL];
	return !(serial[0] & 0x80) && memcmp(serial, zero, sizeof(zero)) != 0;
}

static bool validity_of(const struct issuer *ca, uint32_t days, int64_t now_ms, int64_t *from_ms, int64_t *to_ms, struct err *e)
{
	if (now_ms < ca->not_before_ms || now_ms >= ca->not_after_ms)
		return err_set(e, E_CA_EXPIRED, "the CA's certificate is not valid now");
	if (!days || days * DAY_MS > ca->not_after_ms - now_ms)
		return err_set(e, E_CA_EXPIRED, "a leaf of %u days would outlive its CA", days);
	*from_ms = now_ms - ISSUE_BACKDATE_MS;
	if (*from_ms < ca->not_before_ms)
		*from_ms = ca->not_before_ms;
	*to_ms = now_ms + days * DAY_MS;
	return true;
}

void issue_put_algorithm(struct der *d, const struct key_public *key)
{
	if (key->kind == KEY_RSA)
		der_raw(d, rsa_with_sha256, sizeof(rsa_with_sha256));
	else
		der_raw(d, ecdsa_with_sha256, sizeof(ecdsa_with_sha256));
}

static void put_validity(struct der *d, int64_t from_ms, int64_t to_ms)
{
	size_t validity = der_open(d, DER_SEQUENCE);
	der_time(d, from_ms);
	der_time(d, to_ms);
	der_close(d, validity);
}

static void put_attribute(struct der *d, const uint8_t oid[static 3], const char *text)
{
	size_t rdn = der_open(d, DER_SET), pair = der_open(d, DER_SEQUENCE);
	der_put(d, DER_OID, oid, sizeof(oid_common_name));
	der_put(d, DER_UTF8, text, strlen(text));
	der_close(d, pair);
	der_close(d, rdn);
}

static void put_subject(struct der *d, const char *id, const struct leaf_form *form)
{
	size_t name = der_open(d, DER_SEQUENCE);
	if (form->organization[0])
		put_attribute(d, oid_organization, form->organization);
	if (form->unit[0])
		put_attribute(d, oid_unit, form->unit);
	put_attribute(d, oid_common_name, id);
	der_close(d, name);
}

static void put_dns_name(struct der *d, const char *id)
{
	size_t extension = der_open(d, DER_SEQUENCE);
	der_put(d, DER_OID, oid_subject_alt_name, sizeof(oid_subject_alt_name));
	size_t value = der_open(d, DER_OCTET_STRING), names = der_open(d, DER_SEQUENCE);
	der_put(d, DER_CONTEXT + 2, id, strlen(id));
	der_close(d, names);
	der_close(d, value);
	der_close(d, extension);
}

static void put_subject_key_id(struct der *d, const struct key_public *key)
{
	uint8_t id[KEY_ID_SIZE];
	key_id(key, id);
	size_t extension = der_open(d, DER_SEQUENCE);
	der_put(d, DER_OID, oid_subject_key_id, sizeof(oid_subject_key_id));
	size_t value = der_open(d, DER_OCTET_STRING);
	der_put(d, DER_OCTET_STRING, id, sizeof(id));
	der_close(d, value);
	der_close(d, extension);
}

void issue_put_authority_key_id(struct der *d, const struct issuer *ca)
{
	size_t extension = der_open(d, DER_SEQUENCE);
	der_put(d, DER_OID, oid_authority_key_id, sizeof(oid_authority_key_id));
	size_t value = der_open(d, DER_OCTET_STRING), fields = der_open(d, DER_SEQUENCE);
	der_put(d, DER_CONTEXT + 0, ca->key_id, ca->key_id_len);
	der_close(d, fields);
	der_close(d, value);
	der_close(d, extension);
}

static void put_extensions(struct der *d, const struct issuer *ca, const struct leaf_order *order, const struct leaf_form *form)
{
	size_t field = der_open(d, DER_CONTEXT_OF + 3), list = der_open(d, DER_SEQUENCE);
	der_raw(d, same_extensions, sizeof(same_extensions));
	if (form->server)
		der_raw(d, client_and_server_purpose, sizeof(client_and_server_purpose));
	else
		der_raw(d, client_purpose, sizeof(client_purpose));
	if (form->dns_name)
		put_dns_name(d, order->id);
	put_subject_key_id(d, order->key);
	issue_put_authority_key_id(d, ca);
	der_close(d, list);
	der_close(d, field);
}

static void put_version_3(struct der *d)
{
	size_t field = der_open(d, DER_CONTEXT_OF + 0);
	der_put(d, DER_INTEGER, "\x02", 1);
	der_close(d, field);
}

static bool name_is_valid(const char *name, const char *what, struct err *e)
{
	size_t len = strlen(name);
	return !len || (text_is_printable(name, len) && name[0] != ' ' && name[len - 1] != ' ') ||
	       err_set(e, E_PROFILE, "the %s has characters that are not printable ASCII, or blanks around it", what);
}

/* Labels of 1 to 63 letters, digits and hyphens, none of which begins or ends with a hyphen. */
static bool is_dns_name(const char *id)
{
	for (const char *label = id;;) {
		size_t len = strcspn(label, ".");
		if (len < 1 || len > 63 || label[0] == '-' || label[len - 1] == '-' ||
		    strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789-") < len)
			return false;
		if (!label[len])
			return true;
		label += len + 1;
	}
}

bool leaf_form_is_valid(const struct leaf_form *form, const char *id, struct err *e)
{
	if (form->server && !form->dns_name)
		return err_set(e, E_PROFILE, "a server's certificate needs its name as a DNS name");
	if (!name_is_valid(form->organization, "organization", e) || !name_is_valid(form->unit, "organizational unit", e))
		return false;
	return !id || !form->dns_name || is_dns_name(id) || err_set(e, E_ID_INVALID, "\"%s\" is no DNS name", id);
}

bool issue_build(const struct issuer *ca, const struct leaf_order *order, int64_t now_ms, struct tbs *ret, struct err *e)
{
	struct der d = DER_IN(ret->data);
	const struct leaf_form *form = order->form ? order->form : &plain;
	int64_t from_ms = 0, to_ms = 0;
	if (!issue_id_is_valid(order->id, e) || !leaf_form_is_valid(form, order->id, e) ||
	    !validity_of(ca, order->validity_days, now_ms, &from_ms, &to_ms, e))
		return false;
	if (!serial_is_valid(order->serial))
		return err_set(e, E_SIGN, "a serial number is positive and below 2^127");
	if (!key_is_sound(order->key, e))
		return false;
	size_t whole = der_open(&d, DER_SEQUENCE);
	put_version_3(&d);
	der_unsigned(&d, order->serial, INTENT_SERIAL);
	issue_put_algorithm(&d, &ca->key->key);
	der_raw(&d, ca->subject.data, ca->subject.len);
	put_validity(&d, from_ms, to_ms);
	put_subject(&d, order->id, form);
	key_put_spki(&d, order->key);
	put_extensions(&d, ca, order, form);
	der_close(&d, whole);
	ret->len = d.len;
	return der_whole(&d) || err_set(e, E_SIGN, "a certificate of more than %d bytes, or a time beyond 9999", ISSUE_TBS_MAX);
}

bool issue_sign(const struct issuer *ca, const struct tbs *tbs, uint8_t ret[static ISSUE_CERT_MAX], size_t *ret_len,
		struct err *e)
{
	uint8_t digest[SHA256_SIZE];
	struct keystore_signature signature;
	struct der d = {.data = ret, .room = ISSUE_CERT_MAX};
	sha256_of(tbs->data, tbs->len, digest);
	if (!keystore_sign(ca->key, digest, &signature, e))
		return false;
	size_t whole = der_open(&d, DER_SEQUENCE);
	der_raw(&d, tbs->data, tbs->len);
	issue_put_algorithm(&d, &ca->key->key);
	size_t bits = der_open_bits(&d);
	der_raw(&d, signature.data, signature.len);
	der_close(&d, bits);
	der_close(&d, whole);
	*ret_len = d.len;
	return der_whole(&d) || err_set(e, E_SIGN, "a certificate of more than %d bytes", ISSUE_CERT_MAX);
}
