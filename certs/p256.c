/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/p256.h"

#include <openssl/core_names.h>

#include <pthread.h>
#include <string.h>

/* Constants that libcrypto has to make: set once, under the once, and only read from then on. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static EC_GROUP *group;
static EVP_PKEY *model;	/* some public key, to be copied: its group is what costs */

static void build(void)
{
	uint8_t generator[P256_POINT];
	char name[] = "prime256v1";
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	if (!group || !ctx || EC_POINT_point2oct(group, EC_GROUP_get0_generator(group), POINT_CONVERSION_UNCOMPRESSED, generator,
						 sizeof(generator), NULL) != sizeof(generator))
		return;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, generator, sizeof(generator)),
		OSSL_PARAM_construct_end(),
	};
	if (EVP_PKEY_fromdata_init(ctx) <= 0 || EVP_PKEY_fromdata(ctx, &model, EVP_PKEY_PUBLIC_KEY, params) <= 0)
		model = NULL;
}

void p256_warm(void)
{
	pthread_once(&once, build);
}

void p256_point(const struct key_public *key, uint8_t ret[static P256_POINT])
{
	ret[0] = POINT_CONVERSION_UNCOMPRESSED;
	memcpy(ret + 1, key->x, sizeof(key->x));
	memcpy(ret + 1 + sizeof(key->x), key->y, sizeof(key->y));
}

static bool point_read(const struct span *in, EC_POINT **ret, struct err *e)
{
	p256_warm();
	*ret = group ? EC_POINT_new(group) : NULL;
	if (!*ret)
		return ossl_err(e, E_NOMEM, "curve P-256");
	return EC_POINT_oct2point(group, *ret, in->data, in->len, NULL) ||
	       ossl_err(e, E_KEY_WEAK, "the point is not on the curve P-256");
}

bool p256_holds(const uint8_t point[static P256_POINT], struct err *e)
{
	AUTO(ec_point) EC_POINT *p = NULL;
	return point_read(&(struct span){point, P256_POINT}, &p, e);
}

bool p256_plain(const struct span *in, uint8_t ret[static P256_POINT], struct err *e)
{
	AUTO(ec_point) EC_POINT *p = NULL;
	if (!point_read(in, &p, e))
		return false;
	if (in->len == P256_POINT && *(const uint8_t *)in->data == POINT_CONVERSION_UNCOMPRESSED)
		memcpy(ret, in->data, P256_POINT);	/* coordinates below p, or it were not on the curve: the one form */
	else if (EC_POINT_point2oct(group, p, POINT_CONVERSION_UNCOMPRESSED, ret, P256_POINT, NULL) != P256_POINT)
		return ossl_err(e, E_KEY_WEAK, "the point at infinity");
	return true;
}

static bool pkey_copy(EVP_PKEY **ret, struct err *e)
{
	p256_warm();
	*ret = model ? EVP_PKEY_dup(model) : NULL;
	return *ret || ossl_err(e, E_NOMEM, "curve P-256");
}

static bool pkey_set(EVP_PKEY *pkey, const uint8_t point[static P256_POINT], struct err *e)
{
	return EVP_PKEY_set1_encoded_public_key(pkey, point, P256_POINT) > 0 ||
	       ossl_err(e, E_KEY_WEAK, "the numbers are no P-256 key");
}

bool p256_pkey(const uint8_t point[static P256_POINT], EVP_PKEY **ret, struct err *e)
{
	AUTO(pkey) EVP_PKEY *copy = NULL;
	if (!pkey_copy(&copy, e) || !pkey_set(copy, point, e))
		return false;
	*ret = copy;
	copy = NULL;
	return true;
}

/* ---- signatures ---- */

static bool checker_is_made(struct key_checker *c, struct err *e)
{
	if (c->ctx)
		return true;
	key_checker_fini(c);
	if (!pkey_copy(&c->pkey, e))
		return false;
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, c->pkey, NULL);
	if (!ctx || EVP_PKEY_verify_init(ctx) <= 0)
		return ossl_err(e, E_NOMEM, "checking a signature");
	c->ctx = ctx;
	ctx = NULL;
	return true;
}

void key_checker_fini(struct key_checker *c)
{
	if (!c)
		return;
	EVP_PKEY_CTX_free(c->ctx);
	EVP_PKEY_free(c->pkey);
	*c = (struct key_checker){0};
}

/* The context's key is the very object whose point is set here, so each check is by the key of its own call; one whose point is
 * refused goes no further. */
bool p256_signed(struct key_checker *c, const struct key_public *key, const uint8_t digest[static SHA256_SIZE],
		 const struct span *sig, enum err_code refused, struct err *e)
{
	uint8_t point[P256_POINT];
	p256_point(key, point);
	if (!checker_is_made(c, e) || !pkey_set(c->pkey, point, e))
		return false;
	return EVP_PKEY_verify(c->ctx, sig->data, sig->len, digest, SHA256_SIZE) == 1 || ossl_err(e, refused, "not signed by its own key");
}
