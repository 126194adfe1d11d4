/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/p256.h"

#include <openssl/core_names.h>

#include <pthread.h>

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

bool p256_holds(const uint8_t point[static P256_POINT], struct err *e)
{
	p256_warm();
	AUTO(ec_point) EC_POINT *p = group ? EC_POINT_new(group) : NULL;
	if (!p)
		return ossl_err(e, E_NOMEM, "curve P-256");
	if (!EC_POINT_oct2point(group, p, point, P256_POINT, NULL))
		return ossl_err(e, E_KEY_WEAK, "the point is not on the curve P-256");
	return true;
}

bool p256_pkey(const uint8_t point[static P256_POINT], EVP_PKEY **ret, struct err *e)
{
	p256_warm();
	AUTO(pkey) EVP_PKEY *copy = model ? EVP_PKEY_dup(model) : NULL;
	if (!copy)
		return ossl_err(e, E_NOMEM, "curve P-256");
	if (EVP_PKEY_set1_encoded_public_key(copy, point, P256_POINT) <= 0)
		return ossl_err(e, E_KEY_WEAK, "the numbers are no P-256 key");
	*ret = copy;
	copy = NULL;
	return true;
}
