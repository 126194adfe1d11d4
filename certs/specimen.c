/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/specimen.h"
#include "certs/ca.h"
#include "certs/ossl.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <string.h>

static bool sign(void *state, const uint8_t digest[static SHA256_SIZE], struct keystore_signature *ret, struct err *e)
{
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(state, NULL);
	ret->len = sizeof(ret->data);
	return (ctx && EVP_PKEY_sign_init(ctx) > 0 && EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) > 0 &&
		EVP_PKEY_sign(ctx, ret->data, &ret->len, digest, SHA256_SIZE) > 0) ||
	       ossl_err(e, E_SIGN, "signing");
}

static const struct keystore_ops moment = {.name = "moment", .sign = sign};

/* The CA as its certificate has it, but for its key. */
static bool stand_in(const struct bytes *der, struct keystore *key, EVP_PKEY **ret_pkey, struct issuer *ret, struct err *e)
{
	AUTO(x509) X509 *x = NULL;
	struct cert_facts facts;
	const uint8_t *subject = NULL;
	size_t len = 0;
	if (!ossl_x509(der->data, der->len, E_CA_FILE, &x, e) || !cert_look(der->data, der->len, &facts, e))
		return false;
	if (!facts.is_ca)
		return err_set(e, E_CA_FILE, "%s is no CA", facts.subject);
	bool rsa = EVP_PKEY_is_a(X509_get0_pubkey(x), "RSA");
	*ret_pkey = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
	if (!*ret_pkey || !ossl_key_public(*ret_pkey, &key->key, e) || !X509_NAME_get0_der(X509_get_subject_name(x),
											   &subject, &len))
		return ossl_err(e, E_NOMEM, "a key");
	key->ops = &moment;
	key->state = *ret_pkey;
	*ret = (struct issuer){.key = key, .key_id_len = KEY_ID_SIZE};
	ret->not_before_ms = facts.not_before_ms;
	ret->not_after_ms = facts.not_after_ms;
	const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(x);
	key_id(&key->key, ret->key_id);
	if (ski && ASN1_STRING_length(ski) > 0 && (size_t)ASN1_STRING_length(ski) <= sizeof(ret->key_id)) {
		ret->key_id_len = (size_t)ASN1_STRING_length(ski);
		memcpy(ret->key_id, ASN1_STRING_get0_data(ski), ret->key_id_len);
	}
	return bytes_set(&ret->subject, subject, len, e);
}

static bool issue(const struct issuer *ca, const struct leaf_order *order, int64_t now_ms, struct bytes *ret, struct err *e)
{
	uint8_t der[ISSUE_CERT_MAX];
	struct tbs tbs;
	size_t len;
	return issue_build(ca, order, now_ms, &tbs, e) && issue_sign(ca, &tbs, der, &len, e) && bytes_set(ret, der, len, e);
}

bool specimen_make(const struct bytes *ca, const char *id, uint32_t validity_days, const struct leaf_form *form, int64_t now_ms,
		   struct bytes *ret, struct err *e)
{
	static const uint8_t serial[INTENT_SERIAL] = {0x40, [INTENT_SERIAL - 1] = 1};
	AUTO(pkey) EVP_PKEY *above = NULL;
	AUTO(pkey) EVP_PKEY *own = EVP_EC_gen("P-256");
	AUTO(issuer) struct issuer issuer = {0};
	struct keystore key = {0};
	struct key_public device;
	if (!own || !ossl_key_public(own, &device, e))
		return ossl_err(e, E_NOMEM, "a key");
	const struct leaf_order order = {id, &device, serial, validity_days, form};
	return stand_in(ca, &key, &above, &issuer, e) && issue(&issuer, &order, now_ms, ret, e);
}
