/* SPDX-License-Identifier: Apache-2.0 */
#include "cert.h"

#include "util.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static X509 *read_pem(const char *text, size_t n)
{
	BIO *in = must(BIO_new_mem_buf(text, (int)n));
	X509 *cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
	BIO_free(in);
	ERR_clear_error();
	return cert;
}

X509 *cert_read(const char *text)
{
	if (strstr(text, "-----BEGIN"))
		return read_pem(text, strlen(text));
	size_t n = 0;
	uint8_t *bytes = base64_bytes(text, &n);
	if (!bytes)
		return NULL;
	const uint8_t *at = bytes;
	X509 *cert = n && bytes[0] == '-' ? read_pem((const char *)bytes, n) : d2i_X509(NULL, &at, (long)n);
	if (cert && bytes[0] != '-' && at != bytes + n) {
		X509_free(cert);
		cert = NULL;
	}
	free(bytes);
	ERR_clear_error();
	return cert;
}

char *cert_base64(const X509 *cert)
{
	uint8_t *der = NULL;
	int n = i2d_X509(cert, &der);
	char *t = base64_of(must(n > 0 ? der : NULL), (size_t)n);
	OPENSSL_free(der);
	return t;
}

static char *thumbprint(const X509 *cert, const EVP_MD *md)
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	must(X509_digest(cert, md, hash, &n) == 1 ? hash : NULL);
	return hex_of(hash, n);
}

char *cert_sha1(const X509 *cert)
{
	return thumbprint(cert, EVP_sha1());
}

char *cert_sha256(const X509 *cert)
{
	return thumbprint(cert, EVP_sha256());
}

char *cert_common_name(const X509 *cert)
{
	X509_NAME *name = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0)
		return NULL;
	uint8_t *utf8 = NULL;
	int n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
	if (n < 0 || memchr(utf8, '\0', (size_t)n)) {
		OPENSSL_free(utf8);
		return NULL;
	}
	char *t = text_copy((char *)utf8, (size_t)n);
	OPENSSL_free(utf8);
	return t;
}

static char *name_text(X509_NAME *name)
{
	BIO *out = must(BIO_new(BIO_s_mem()));
	unsigned long how = (XN_FLAG_RFC2253 & ~XN_FLAG_SEP_MASK) | XN_FLAG_SEP_CPLUS_SPC;
	X509_NAME_print_ex(out, name, 0, how & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
	char *bytes = NULL;
	long n = BIO_get_mem_data(out, &bytes);
	char *t = text_copy(n > 0 ? bytes : "", n > 0 ? (size_t)n : 0);
	BIO_free(out);
	text_clean(t);
	return t;
}

char *cert_subject(const X509 *cert)
{
	return name_text(X509_get_subject_name(cert));
}

static int64_t asn1_ms(const ASN1_TIME *t)
{
	struct tm tm = {0};
	return ASN1_TIME_to_tm(t, &tm) ? (int64_t)timegm(&tm) * 1000 : 0;
}

int64_t cert_expiry_ms(const X509 *cert)
{
	return asn1_ms(X509_get0_notAfter(cert));
}

static char *serial_text(const X509 *cert)
{
	BIGNUM *bn = must(ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL));
	char *hex = must(BN_bn2hex(bn));
	char *t = text_of("%s", hex);
	OPENSSL_free(hex);
	BN_free(bn);
	return t;
}

json_t *cert_info(const X509 *cert)
{
	AUTO_TEXT subject = cert_subject(cert);
	AUTO_TEXT issuer = name_text(X509_get_issuer_name(cert));
	AUTO_TEXT sha1 = cert_sha1(cert);
	AUTO_TEXT sha256 = cert_sha256(cert);
	AUTO_TEXT from = time_text(asn1_ms(X509_get0_notBefore(cert)));
	AUTO_TEXT until = time_text(asn1_ms(X509_get0_notAfter(cert)));
	AUTO_TEXT serial = serial_text(cert);
	return must(json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i}",
		"subjectName", subject, "sha1Thumbprint", sha1, "sha256Thumbprint", sha256,
		"issuerName", issuer, "notBeforeUtc", from, "notAfterUtc", until,
		"serialNumber", serial, "version", (int)X509_get_version(cert) + 1));
}

bool cert_is_in_force(const X509 *cert)
{
	return X509_cmp_current_time(X509_get0_notBefore(cert)) < 0 &&
		X509_cmp_current_time(X509_get0_notAfter(cert)) > 0;
}

bool cert_is_signed_by(X509 *cert, X509 *ca)
{
	bool named = X509_NAME_cmp(X509_get_issuer_name(cert), X509_get_subject_name(ca)) == 0;
	bool ok = named && X509_verify(cert, X509_get0_pubkey(ca)) == 1;
	ERR_clear_error();
	return ok;
}

STACK_OF(X509) *cert_chain(STACK_OF(X509) *sent, STACK_OF(X509) *anchors, const char **ret_why)
{
	X509_STORE *trust = must(X509_STORE_new());
	for (int i = 0; i < sk_X509_num(anchors); i++)
		X509_STORE_add_cert(trust, sk_X509_value(anchors, i));
	X509_STORE_CTX *ctx = must(X509_STORE_CTX_new());
	must(X509_STORE_CTX_init(ctx, trust, sk_X509_value(sent, 0), sent) ? ctx : NULL);
	X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_PARTIAL_CHAIN);
	X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT);
	STACK_OF(X509) *chain = NULL;
	if (X509_verify_cert(ctx) == 1)
		chain = X509_STORE_CTX_get1_chain(ctx);
	else
		*ret_why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(trust);
	ERR_clear_error();
	return chain;
}
