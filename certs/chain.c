/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/chain.h"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#define AUTH_LEVEL 2	/* 112 bits: RSA from 2048, no SHA-1 */
#define DEPTH_MAX 6

struct chain {
	X509_STORE *roots;
	STACK_OF(X509) *intermediates;
};

static bool add_root(struct chain *c, const struct bytes *der, struct err *e)
{
	AUTO(x509) X509 *x = NULL;
	if (!ossl_x509(der->data, der->len, E_CONFIG, &x, e))
		return false;
	if (!X509_STORE_add_cert(c->roots, x))
		return ossl_err(e, E_NOMEM, "adding a root");
	return true;
}

static bool add_intermediate(struct chain *c, const struct bytes *der, struct err *e)
{
	X509 *x = NULL;
	if (!ossl_x509(der->data, der->len, E_CONFIG, &x, e))
		return false;
	if (!sk_X509_push(c->intermediates, x)) {
		X509_free(x);
		return ossl_err(e, E_NOMEM, "adding an intermediate");
	}
	return true;
}

static bool fill(struct chain *c, const struct bytes *roots, size_t root_count, const struct bytes *intermediates,
		 size_t intermediate_count, struct err *e)
{
	for (size_t i = 0; i < root_count; i++)
		if (!add_root(c, &roots[i], e))
			return err_in(e, "accepted TPM root %zu", i + 1);
	for (size_t i = 0; i < intermediate_count; i++)
		if (!add_intermediate(c, &intermediates[i], e))
			return err_in(e, "TPM intermediate %zu", i + 1);
	return true;
}

bool chain_new(const struct bytes *roots, size_t root_count, const struct bytes *intermediates, size_t intermediate_count,
	       struct chain **ret, struct err *e)
{
	struct chain *c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(e, E_NOMEM, "chain");
	c->roots = X509_STORE_new();
	c->intermediates = sk_X509_new_null();
	bool filled = c->roots && c->intermediates ? fill(c, roots, root_count, intermediates, intermediate_count, e)
						   : ossl_err(e, E_NOMEM, "certificate store");
	if (!filled) {
		chain_free(c);
		return false;
	}
	*ret = c;
	return true;
}

void chain_free(struct chain *c)
{
	if (!c)
		return;
	X509_STORE_free(c->roots);
	ossl_x509_stack_free(c->intermediates);
	free(c);
}

bool chain_holds(const struct chain *c, X509 *leaf, struct err *e)
{
	AUTO(x509_store_ctx) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	if (!ctx || !X509_STORE_CTX_init(ctx, c->roots, leaf, c->intermediates))
		return ossl_err(e, E_NOMEM, "verifying");
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);
	X509_VERIFY_PARAM_set_depth(param, DEPTH_MAX);
	if (!X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_ANY))
		return ossl_err(e, E_NOMEM, "verifying");
	if (X509_verify_cert(ctx) == 1)
		return true;
	int why = X509_STORE_CTX_get_error(ctx), depth = X509_STORE_CTX_get_error_depth(ctx);
	struct err ignored = {0};
	ossl_err(&ignored, E_EK_CHAIN, "verifying");	/* leaves libcrypto's queue empty */
	return err_native(e, E_EK_CHAIN, why, "at depth %d: %s", depth, X509_verify_cert_error_string(why));
}
