/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/lint.h"
#include "certs/ossl.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <string.h>

#define SERIAL_LEAST 8	/* octets: 64 bits of chance (CA/B BR 7.1) */
#define SERIAL_MOST 20
#define NAME_MOST 64	/* ub-common-name, and what a certificate of DPS can hold */

/* A certificate on the bench: as bytes and as libcrypto read it. */
struct specimen {
	const uint8_t *der;
	size_t len;
	X509 *x;
};

static bool is_version_3(const struct specimen *s)
{
	return X509_get_version(s->x) == X509_VERSION_3;
}

static bool serial_number_is_sound(const struct specimen *s)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(s->x);
	int len = ASN1_STRING_length(serial);
	return ASN1_STRING_type(serial) == V_ASN1_INTEGER && len >= SERIAL_LEAST && len <= SERIAL_MOST;
}

static bool algorithms_agree(const struct specimen *s)
{
	const X509_ALGOR *outer = NULL, *inner = X509_get0_tbs_sigalg(s->x);
	X509_get0_signature(NULL, &outer, s->x);
	int nid = X509_get_signature_nid(s->x);
	return outer && inner && X509_ALGOR_cmp(outer, inner) == 0 &&
	       (nid == NID_ecdsa_with_SHA256 || nid == NID_ecdsa_with_SHA384 || nid == NID_sha256WithRSAEncryption ||
		nid == NID_sha384WithRSAEncryption);
}

static bool issuer_is_named(const struct specimen *s)
{
	return X509_NAME_entry_count(X509_get_issuer_name(s->x)) > 0;
}

/* UTCTime until 2049, then GeneralizedTime; to the second, in Zulu. */
static bool time_is_written_right(const ASN1_TIME *t)
{
	struct tm tm;
	const char *text = (const char *)ASN1_STRING_get0_data(t);
	int len = ASN1_STRING_length(t);
	if (!ASN1_TIME_to_tm(t, &tm) || len < 1 || text[len - 1] != 'Z')
		return false;
	return tm.tm_year < 150 ? ASN1_STRING_type(t) == V_ASN1_UTCTIME && len == 13
				: ASN1_STRING_type(t) == V_ASN1_GENERALIZEDTIME && len == 15;
}

static bool validity_is_sound(const struct specimen *s)
{
	const ASN1_TIME *from = X509_get0_notBefore(s->x), *to = X509_get0_notAfter(s->x);
	return time_is_written_right(from) && time_is_written_right(to) && ASN1_TIME_compare(from, to) < 0;
}

static bool is_id_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr("-._:", c);
}

static bool subject_is_one_id(const struct specimen *s)
{
	const X509_NAME *name = X509_get_subject_name(s->x);
	int last = X509_NAME_entry_count(name) - 1;
	for (int i = 0; i < last; i++) {
		int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(X509_NAME_get_entry(name, i)));
		if (nid != NID_organizationName && nid != NID_organizationalUnitName)
			return false;
	}
	if (last < 0 || last > 2)
		return false;
	const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, last);
	const ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);
	const char *text = (const char *)ASN1_STRING_get0_data(value);
	int len = ASN1_STRING_length(value), type = ASN1_STRING_type(value);
	if (OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)) != NID_commonName || len < 1 || len > NAME_MOST ||
	    (type != V_ASN1_UTF8STRING && type != V_ASN1_PRINTABLESTRING))
		return false;
	for (int i = 0; i < len; i++)
		if (!text[i] || !is_id_character(text[i]))
			return false;
	return true;
}

static bool is_critical(const struct specimen *s, int nid)
{
	int at = X509_get_ext_by_NID(s->x, nid, -1);
	return at >= 0 && X509_EXTENSION_get_critical(X509_get_ext(s->x, at));
}

static bool is_no_ca(const struct specimen *s)
{
	return is_critical(s, NID_basic_constraints) && !(X509_get_extension_flags(s->x) & EXFLAG_CA);
}

static bool usage_is_signing(const struct specimen *s)
{
	uint32_t usage = X509_get_key_usage(s->x);
	return is_critical(s, NID_key_usage) && usage & KU_DIGITAL_SIGNATURE && !(usage & (KU_KEY_CERT_SIGN | KU_CRL_SIGN));
}

static bool purpose_is_client(const struct specimen *s)
{
	return X509_get_extension_flags(s->x) & EXFLAG_XKUSAGE && X509_get_extended_key_usage(s->x) & XKU_SSL_CLIENT;
}

static bool names_are_its_own(const struct specimen *s)
{
	char common[NAME_MOST + 1] = "";
	GENERAL_NAMES *names = X509_get_ext_d2i(s->x, NID_subject_alt_name, NULL, NULL);
	bool server = X509_get_extension_flags(s->x) & EXFLAG_XKUSAGE && X509_get_extended_key_usage(s->x) & XKU_SSL_SERVER;
	if (!names)
		return !server && X509_get_ext_by_NID(s->x, NID_subject_alt_name, -1) < 0;
	const GENERAL_NAME *name = sk_GENERAL_NAME_num(names) == 1 ? sk_GENERAL_NAME_value(names, 0) : NULL;
	int len = X509_NAME_get_text_by_NID(X509_get_subject_name(s->x), NID_commonName, common, sizeof(common));
	bool own = name && name->type == GEN_DNS && ASN1_STRING_length(name->d.dNSName) == len &&
		   !memcmp(ASN1_STRING_get0_data(name->d.dNSName), common, (size_t)len);
	GENERAL_NAMES_free(names);
	return own;
}

static bool key_identifiers_are_there(const struct specimen *s)
{
	return X509_get0_subject_key_id(s->x) && X509_get0_authority_key_id(s->x);
}

static bool extensions_are_known_and_single(const struct specimen *s)
{
	for (int i = 0; i < X509_get_ext_count(s->x); i++) {
		X509_EXTENSION *ext = X509_get_ext(s->x, i);
		const ASN1_OBJECT *oid = X509_EXTENSION_get_object(ext);
		if (X509_get_ext_by_OBJ(s->x, oid, i) >= 0)
			return false;
		if (X509_EXTENSION_get_critical(ext) && !X509_supported_extension(ext))
			return false;
	}
	return !(X509_get_extension_flags(s->x) & EXFLAG_INVALID);
}

static bool key_is_taken(const struct specimen *s)
{
	struct key_public key;
	struct err weak = {0};
	return ossl_key_public(X509_get0_pubkey(s->x), &key, &weak) && key_is_sound(&key, &weak);
}

/* What is signed, written anew from what was read, is the same bytes. */
static bool is_der(const struct specimen *s)
{
	const size_t head = 4;	/* of the outer SEQUENCE, which is longer than 255 bytes */
	uint8_t *again = NULL;
	AUTO(x509) X509 *copy = X509_dup(s->x);
	int len = copy ? i2d_re_X509_tbs(copy, &again) : -1;
	bool same = len > 0 && s->len > head + (size_t)len && s->der[1] == 0x82 && !memcmp(again, s->der + head, (size_t)len);
	OPENSSL_free(again);
	return same;
}

static const struct {
	struct lint_rule rule;
	bool (*holds)(const struct specimen *s);
} rules[] = {
	{{"version", "RFC 5280, 4.1.2.1", "version 3"}, is_version_3},
	{{"serial-number", "RFC 5280, 4.1.2.2", "positive, 8 to 20 octets"}, serial_number_is_sound},
	{{"algorithm", "RFC 5280, 4.1.1.2", "the same in both places, with SHA-256 or SHA-384"}, algorithms_agree},
	{{"issuer", "RFC 5280, 4.1.2.4", "not empty"}, issuer_is_named},
	{{"validity", "RFC 5280, 4.1.2.5", "in order; UTCTime until 2049, then GeneralizedTime"}, validity_is_sound},
	{{"subject", "DPS: registration id",
	  "one common name that is a registration id of 1 to 64 characters; at most O and OU before it"},
	 subject_is_one_id},
	{{"no-ca", "RFC 5280, 4.2.1.9", "basicConstraints, critical, no CA"}, is_no_ca},
	{{"key-usage", "RFC 5280, 4.2.1.3", "critical, digitalSignature, and not for certificates or CRLs"}, usage_is_signing},
	{{"purpose", "RFC 5280, 4.2.1.12", "clientAuth"}, purpose_is_client},
	{{"names", "RFC 5280, 4.2.1.6; RFC 9525", "one DNS name, the common name, or none; serverAuth only with it"},
	 names_are_its_own},
	{{"key-identifiers", "RFC 5280, 4.2.1.1 and 4.2.1.2", "of subject and authority"}, key_identifiers_are_there},
	{{"extensions", "RFC 5280, 4.2", "each once, none critical that is not known"}, extensions_are_known_and_single},
	{{"key", "DPS: certificates", "P-256, or RSA of 2048 to 4096 bits"}, key_is_taken},
	{{"der", "X.690, 10 and 11", "the one encoding"}, is_der},
};

const struct lint_rule *lint_rule_at(size_t i)
{
	return i < COUNT_OF(rules) ? &rules[i].rule : NULL;
}

bool lint_leaf(const void *der, size_t len, lint_told *told, void *ctx, size_t *ret_broken, struct err *e)
{
	AUTO(x509) X509 *x = NULL;
	if (!ossl_x509(der, len, E_CA_FILE, &x, e))
		return false;
	const struct specimen s = {der, len, x};
	*ret_broken = 0;
	for (size_t i = 0; i < COUNT_OF(rules); i++) {
		if (rules[i].holds(&s))
			continue;
		(*ret_broken)++;
		told(ctx, &rules[i].rule);
	}
	ERR_clear_error();
	return true;
}
