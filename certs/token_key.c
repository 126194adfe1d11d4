/* SPDX-License-Identifier: Apache-2.0 */
/* The issuing key on a token: found by its URI, and signing with it. */
#include "certs/der.h"
#include "certs/ossl.h"
#include "certs/token_inside.h"
#include "station/base/text.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

#include <stdlib.h>
#include <string.h>

#define FOUND_MAX 8

struct token_key {
	struct token *token;
	char uri[512];
	CK_OBJECT_HANDLE handle;
	unsigned session;	/* in which the handle was found */
	bool rsa;
	struct key_public key;
};

/* DigestInfo of SHA-256 (RFC 8017, 9.2, note 1), without the digest. */
static const uint8_t digest_info[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
				      0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};

/* ---- finding it ---- */

static bool find_one(struct token_key *k, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE *ret, CK_ULONG *ret_count, struct err *e)
{
	CK_ATTRIBUTE template[3] = {{CKA_CLASS, &class, sizeof(class)}};
	CK_OBJECT_HANDLE found[FOUND_MAX];
	CK_ULONG named = 0;
	P11KitUri *uri = NULL;
	if (!token_uri_attributes(k->uri, template + 1, &named, &uri, e))
		return false;
	bool ok = token_find(k->token, template, 1 + named, found, FOUND_MAX, ret_count, E_CA_FILE, e);
	p11_kit_uri_free(uri);
	if (ok && *ret_count)
		*ret = found[0];
	return ok;
}

static bool find_key(struct token_key *k, struct err *e)
{
	CK_ULONG count = 0;
	if (!find_one(k, CKO_PRIVATE_KEY, &k->handle, &count, e))
		return false;
	k->session = k->token->sessions;
	if (count > 1)
		return err_set(e, E_CA_FILE, "%lu private keys fit the URI", count);
	return count || err_set(e, E_CA_FILE, "no private key on the token fits the URI");
}

static bool get(struct token_key *k, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, void *out, CK_ULONG room, CK_ULONG *ret_len,
		struct err *e)
{
	CK_ATTRIBUTE a = {type, out, room};
	CK_RV rv = k->token->p11->C_GetAttributeValue(k->token->session, object, &a, 1);
	if (rv != CKR_OK)
		return token_fail(rv, E_CA_FILE, "reading the key's public half", e);
	if (a.ulValueLen > room)	/* also CK_UNAVAILABLE_INFORMATION */
		return err_set(e, E_CA_FILE, "the token does not tell the key's public half, or too much of it");
	*ret_len = a.ulValueLen;
	return true;
}

/* CKA_EC_POINT is an uncompressed point, in an OCTET STRING as the standard says, or bare as some modules give it. */
static bool take_point(const uint8_t *p, CK_ULONG len, struct key_public *ret, struct err *e)
{
	if (len == 67 && p[0] == DER_OCTET_STRING && p[1] == 65) {
		p += 2;
		len -= 2;
	}
	if (len != 65 || p[0] != 0x04)
		return err_set(e, E_CA_FILE, "the key is not of P-256");
	ret->kind = KEY_P256;
	memcpy(ret->x, p + 1, sizeof(ret->x));
	memcpy(ret->y, p + 33, sizeof(ret->y));
	return true;
}

static bool read_point(struct token_key *k, struct key_public *ret, struct err *e)
{
	uint8_t point[160];
	CK_OBJECT_HANDLE public = 0;
	CK_ULONG count = 0, len = 0;
	if (!find_one(k, CKO_PUBLIC_KEY, &public, &count, e))
		return false;
	if (!count)
		return err_set(e, E_CA_FILE, "the public key is not on the token, beside the private one");
	return get(k, public, CKA_EC_POINT, point, sizeof(point), &len, e) && take_point(point, len, ret, e);
}

static bool read_modulus(struct token_key *k, struct key_public *ret, struct err *e)
{
	uint8_t modulus[sizeof(ret->rsa_modulus) + 8], exponent[8];
	CK_ULONG len = 0, exponent_len = 0;
	if (!get(k, k->handle, CKA_MODULUS, modulus, sizeof(modulus), &len, e) ||
	    !get(k, k->handle, CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent), &exponent_len, e))
		return false;
	const uint8_t *p = modulus;
	for (; len && !*p; len--)
		p++;
	if (len > sizeof(ret->rsa_modulus) || exponent_len > sizeof(exponent))
		return err_set(e, E_CA_FILE, "an RSA key of %lu bytes", len);
	ret->kind = KEY_RSA;
	ret->rsa_bits = (uint32_t)len * 8;
	memcpy(ret->rsa_modulus, p, len);
	uint64_t n = 0;
	for (CK_ULONG i = 0; i < exponent_len; i++)
		n = n << 8 | exponent[i];
	if (n > UINT32_MAX)
		return err_set(e, E_CA_FILE, "an RSA key with an exponent that is not taken");
	ret->rsa_exponent = (uint32_t)n;
	return true;
}

static bool read_public(struct token_key *k, struct key_public *ret, struct err *e)
{
	CK_KEY_TYPE type = 0;
	CK_BBOOL may_sign = CK_FALSE;
	CK_ULONG len;
	struct err weak = {0};
	if (!get(k, k->handle, CKA_KEY_TYPE, &type, sizeof(type), &len, e) ||
	    !get(k, k->handle, CKA_SIGN, &may_sign, sizeof(may_sign), &len, e))
		return false;
	if (!may_sign)
		return err_set(e, E_CA_FILE, "the key on the token may not sign");
	if (type != CKK_EC && type != CKK_RSA)
		return err_set(e, E_CA_FILE, "the key on the token is neither EC nor RSA");
	k->rsa = type == CKK_RSA;
	memset(ret, 0, sizeof(*ret));
	if (!(k->rsa ? read_modulus(k, ret, e) : read_point(k, ret, e)))
		return false;
	return key_is_sound(ret, &weak) || err_set(e, E_CA_FILE, "the key on the token: %s", weak.what);
}

/* ---- signing ---- */

static CK_RV sign_once(struct token_key *k, CK_BYTE *data, CK_ULONG len, CK_BYTE *out, CK_ULONG *out_len)
{
	CK_FUNCTION_LIST *p11 = k->token->p11;
	CK_MECHANISM mechanism = {k->rsa ? CKM_RSA_PKCS : CKM_ECDSA, NULL, 0};
	CK_RV rv = p11->C_SignInit(k->token->session, &mechanism, k->handle);
	return rv == CKR_OK ? p11->C_Sign(k->token->session, data, len, out, out_len) : rv;
}

/* r and s of 32 bytes each, as ECDSA-Sig-Value. */
static bool put_der(const uint8_t *raw, struct keystore_signature *ret, struct err *e)
{
	struct der d = {.data = ret->data, .room = sizeof(ret->data)};
	size_t whole = der_open(&d, DER_SEQUENCE);
	der_unsigned(&d, raw, 32);
	der_unsigned(&d, raw + 32, 32);
	der_close(&d, whole);
	ret->len = d.len;
	return der_whole(&d) || err_set(e, E_SIGN, "a signature of more than %zu bytes", sizeof(ret->data));
}

static bool rsa_signed(const struct key_public *key, const uint8_t digest[static SHA256_SIZE], const uint8_t *raw, size_t len)
{
	AUTO(pkey) EVP_PKEY *pkey = NULL;
	struct err ignored = {0};
	if (!ossl_pkey(key, &pkey, &ignored))
		return false;
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
	bool ok = ctx && EVP_PKEY_verify_init(ctx) > 0 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0 &&
		  EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) > 0 && EVP_PKEY_verify(ctx, raw, len, digest, SHA256_SIZE) == 1;
	ERR_clear_error();
	return ok;
}

/* A token that errs, or that was changed for another, signs nothing that anybody would take. */
static bool is_right(const struct token_key *k, const uint8_t digest[static SHA256_SIZE], const uint8_t *raw, CK_ULONG len,
		     struct err *e)
{
	struct key_signature sig;
	CK_ULONG wanted = k->rsa ? k->key.rsa_bits / 8 : sizeof(sig);
	if (len != wanted)
		return err_set(e, E_SIGN, "the token gave a signature of %lu bytes", len);
	if (k->rsa)
		return rsa_signed(&k->key, digest, raw, len) || err_set(e, E_SIGN, "the token's signature is not its key's");
	memcpy(sig.r, raw, sizeof(sig.r));
	memcpy(sig.s, raw + sizeof(sig.r), sizeof(sig.s));
	return key_signed(&k->key, digest, &sig) || err_set(e, E_SIGN, "the token's signature is not its key's");
}

static bool token_key_sign(void *state, const uint8_t digest[static SHA256_SIZE], struct keystore_signature *ret, struct err *e)
{
	struct token_key *k = state;
	uint8_t data[sizeof(digest_info) + SHA256_SIZE], raw[KEYSTORE_SIGNATURE_MAX];
	CK_ULONG len = k->rsa ? sizeof(data) : SHA256_SIZE, raw_len = sizeof(raw);
	memcpy(data, digest_info, sizeof(digest_info));
	memcpy(k->rsa ? data + sizeof(digest_info) : data, digest, SHA256_SIZE);
	/* The anchor may have opened another session: the handle could mean another object in it. */
	if (k->session != k->token->sessions && !find_key(k, e))
		return false;
	CK_RV rv = sign_once(k, data, len, raw, &raw_len);
	if (token_session_is_lost(rv)) {
		if (!token_session(k->token, e) || !find_key(k, e))
			return false;
		raw_len = sizeof(raw);
		rv = sign_once(k, data, len, raw, &raw_len);
	}
	if (rv != CKR_OK)
		return token_fail(rv, E_SIGN, "signing on the token", e);
	if (!is_right(k, digest, raw, raw_len, e))
		return false;
	if (!k->rsa)
		return put_der(raw, ret, e);
	memcpy(ret->data, raw, raw_len);
	ret->len = raw_len;
	return true;
}

static const struct keystore_ops token_ops = {.name = "token", .in_hardware = true, .sign = token_key_sign, .close = free};

bool keystore_open_token(struct token *t, const char *uri, struct keystore *ret, struct err *e)
{
	struct token_key *k = calloc(1, sizeof(*k));
	struct keystore store = {.ops = &token_ops, .state = k};
	if (!k)
		return err_set(e, E_NOMEM, "key on a token");
	k->token = t;
	if (!TEXT_COPY(k->uri, uri, e) || !find_key(k, e) || !read_public(k, &store.key, e)) {
		free(k);
		return false;
	}
	k->key = store.key;
	*ret = store;
	return true;
}
