/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/ca_request.h"
#include "certs/der.h"
#include "certs/issue.h"
#include "certs/ossl.h"
#include "station/base/text.h"

#include <openssl/pem.h>

#include <string.h>

#define NAME_MOST 64
#define REQUEST_MAX 2048

static const uint8_t oid_common_name[] = {0x55, 0x04, 0x03};
static const uint8_t oid_extension_request[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e};	/* RFC 2985, 5.4.2 */
static const uint8_t extensions[] = {
	0x30, 0x12, 0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x08, 0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01,
	0x00,	/* basicConstraints, critical: CA, pathlen 0 */
	0x30, 0x0e, 0x06, 0x03, 0x55, 0x1d, 0x0f, 0x01, 0x01, 0xff, 0x04, 0x04, 0x03, 0x02, 0x01,
	0x06,	/* keyUsage, critical: keyCertSign, cRLSign */
};

static void put_subject(struct der *d, const char *name)
{
	size_t whole = der_open(d, DER_SEQUENCE), rdn = der_open(d, DER_SET), pair = der_open(d, DER_SEQUENCE);
	der_put(d, DER_OID, oid_common_name, sizeof(oid_common_name));
	der_put(d, DER_UTF8, name, strlen(name));
	der_close(d, pair);
	der_close(d, rdn);
	der_close(d, whole);
}

static void put_attributes(struct der *d)
{
	size_t field = der_open(d, DER_CONTEXT_OF + 0), attribute = der_open(d, DER_SEQUENCE);
	der_put(d, DER_OID, oid_extension_request, sizeof(oid_extension_request));
	size_t values = der_open(d, DER_SET), list = der_open(d, DER_SEQUENCE);
	der_raw(d, extensions, sizeof(extensions));
	der_close(d, list);
	der_close(d, values);
	der_close(d, attribute);
	der_close(d, field);
}

/* CertificationRequestInfo: what is signed. */
static bool put_info(struct der *d, const struct keystore *key, const char *name, struct err *e)
{
	AUTO(bytes) struct bytes spki = {0};
	if (!key_spki(&key->key, &spki, e))
		return false;
	size_t whole = der_open(d, DER_SEQUENCE);
	der_put(d, DER_INTEGER, "\0", 1);	/* version 1 */
	put_subject(d, name);
	der_raw(d, spki.data, spki.len);
	put_attributes(d);
	der_close(d, whole);
	return der_whole(d) || err_set(e, E_SIGN, "a request of more than %zu bytes", d->room);
}

static bool to_pem(const struct der *d, struct bytes *ret, struct err *e)
{
	AUTO(bio) BIO *out = BIO_new(BIO_s_mem());
	char *text = NULL;
	if (!out || !PEM_write_bio(out, PEM_STRING_X509_REQ, "", d->data, (long)d->len))
		return ossl_err(e, E_NOMEM, "PEM");
	long n = BIO_get_mem_data(out, &text);
	return bytes_add(ret, text, (size_t)n, e);
}

bool ca_request(const struct keystore *key, const char *common_name, struct bytes *ret, struct err *e)
{
	uint8_t info_room[REQUEST_MAX], room[REQUEST_MAX], digest[SHA256_SIZE];
	struct der info = DER_IN(info_room), d = DER_IN(room);
	struct keystore_signature signature;
	size_t len = strlen(common_name);
	if (!len || len > NAME_MOST || !text_is_printable(common_name, len))
		return err_set(e, E_CA_FILE, "a CA's name has 1 to %d printable characters", NAME_MOST);
	if (!put_info(&info, key, common_name, e))
		return false;
	sha256_of(info.data, info.len, digest);
	if (!keystore_sign(key, digest, &signature, e))
		return false;
	size_t whole = der_open(&d, DER_SEQUENCE);
	der_raw(&d, info.data, info.len);
	issue_put_algorithm(&d, &key->key);
	size_t bits = der_open_bits(&d);
	der_raw(&d, signature.data, signature.len);
	der_close(&d, bits);
	der_close(&d, whole);
	return (der_whole(&d) || err_set(e, E_SIGN, "a request of more than %d bytes", REQUEST_MAX)) && to_pem(&d, ret, e);
}
