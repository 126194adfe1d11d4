/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/ossl.h"
#include "certs/p256.h"

#include <openssl/core_names.h>
#include <openssl/err.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool ossl_err(struct err *e, enum err_code code, const char *fmt, ...)
{
	unsigned long first = ERR_get_error();
	const char *reason = first ? ERR_reason_error_string(first) : NULL;
	char words[160];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	ERR_clear_error();
	return err_native(e, code, (int64_t)first, reason ? "%s: %s" : "%s", words, reason);
}

/* Whether the point is on the curve is found on the way. */
static bool pkey_p256(const struct key_public *key, EVP_PKEY **ret, struct err *e)
{
	uint8_t point[P256_POINT];
	p256_point(key, point);
	return p256_pkey(point, ret, e);
}

static bool pkey_rsa(const struct key_public *key, EVP_PKEY **ret, struct err *e)
{
	uint8_t native[512];
	uint32_t exponent = key->rsa_exponent;
	AUTO(bn) BIGNUM *n = BN_bin2bn(key->rsa_modulus, (int)(key->rsa_bits / 8), NULL);
	int len = n ? BN_bn2nativepad(n, native, (int)(key->rsa_bits / 8)) : -1;
	if (len < 0)
		return ossl_err(e, E_NOMEM, "RSA modulus");
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, native, (size_t)len),
		OSSL_PARAM_construct_uint32(OSSL_PKEY_PARAM_RSA_E, &exponent),
		OSSL_PARAM_construct_end(),
	};
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	if (!ctx || EVP_PKEY_fromdata_init(ctx) <= 0 || EVP_PKEY_fromdata(ctx, ret, EVP_PKEY_PUBLIC_KEY, params) <= 0)
		return ossl_err(e, E_KEY_WEAK, "the numbers are no RSA key");
	return true;
}

bool ossl_pkey(const struct key_public *key, EVP_PKEY **ret, struct err *e)
{
	if (key->kind == KEY_P256)
		return pkey_p256(key, ret, e);
	return key_is_sound(key, e) && pkey_rsa(key, ret, e);
}

/* One number of a key, as big-endian bytes of a fixed length. */
static bool number_of(const EVP_PKEY *pkey, const char *name, uint8_t *ret, size_t len, struct err *e)
{
	AUTO(bn) BIGNUM *n = NULL;
	if (!EVP_PKEY_get_bn_param(pkey, name, &n) || BN_bn2binpad(n, ret, (int)len) < 0)
		return ossl_err(e, E_KEY_WEAK, "the key has no fitting %s", name);
	return true;
}

static bool public_p256(const EVP_PKEY *pkey, struct key_public *ret, struct err *e)
{
	char group[32] = "";
	int explicit_curve = 0;
	(void)EVP_PKEY_get_int_param(pkey, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &explicit_curve);
	if (explicit_curve || !EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group), NULL) ||
	    strcmp(group, "prime256v1") != 0)
		return ossl_err(e, E_KEY_WEAK, "the key is not on the named curve P-256");
	ret->kind = KEY_P256;
	return number_of(pkey, OSSL_PKEY_PARAM_EC_PUB_X, ret->x, sizeof(ret->x), e) &&
	       number_of(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, ret->y, sizeof(ret->y), e);
}

static bool public_rsa(const EVP_PKEY *pkey, struct key_public *ret, struct err *e)
{
	int bits = EVP_PKEY_get_bits(pkey);
	uint8_t exponent[4] = {0};
	if (bits < 2048 || bits > 4096 || bits % 8)
		return err_set(e, E_KEY_WEAK, "an RSA key of %d bits", bits);
	if (!number_of(pkey, OSSL_PKEY_PARAM_RSA_E, exponent, sizeof(exponent), e))
		return false;
	ret->kind = KEY_RSA;
	ret->rsa_bits = (uint32_t)bits;
	ret->rsa_exponent = (uint32_t)exponent[0] << 24 | (uint32_t)exponent[1] << 16 | (uint32_t)exponent[2] << 8 | exponent[3];
	return number_of(pkey, OSSL_PKEY_PARAM_RSA_N, ret->rsa_modulus, (size_t)bits / 8, e);
}

bool ossl_key_public(const EVP_PKEY *pkey, struct key_public *ret, struct err *e)
{
	memset(ret, 0, sizeof(*ret));
	if (EVP_PKEY_is_a(pkey, "EC"))
		return public_p256(pkey, ret, e) && key_is_sound(ret, e);
	if (EVP_PKEY_is_a(pkey, "RSA"))
		return public_rsa(pkey, ret, e) && key_is_sound(ret, e);
	return err_set(e, E_KEY_WEAK, "a key neither P-256 nor RSA");
}

bool ossl_x509(const void *der, size_t len, enum err_code code, X509 **ret, struct err *e)
{
	const uint8_t *p = der;
	if (len > INT32_MAX)
		return err_set(e, code, "a certificate of %zu bytes", len);
	X509 *x = d2i_X509(NULL, &p, (long)len);
	if (!x)
		return ossl_err(e, code, "not a certificate");
	if (p != (const uint8_t *)der + len) {
		X509_free(x);
		return err_set(e, code, "bytes behind the certificate");
	}
	*ret = x;
	return true;
}
