/* SPDX-License-Identifier: Apache-2.0 */
/* The provider, in libcrypto's terms (provider-keymgmt(7), provider-signature(7)).
 *
 * A key object holds the public part as an ordinary key of the default provider, to which every
 * question about the public part is passed on, and a pointer to the caller's struct remote_key.
 * Traps that shaped it: exporting must refuse the private part, or libcrypto moves the key to the
 * default provider and signs with nothing; every fetch in here names the default provider, or it
 * finds us again; libssl initialises a signature twice and asks for its size first, and neither may
 * touch the device; without a one-shot digest_sign libcrypto would duplicate the context. */
#include "certs/remote_key.h"
#include "certs/der.h"
#include "certs/ossl.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>

#include <string.h>

#define PROVIDER "station"
#define PROPERTIES "provider=" PROVIDER
#define PARAM_REMOTE "remote-key"	/* octet pointer to the lent struct remote_key */
#define SIGNATURE_MAX 72		/* DER of two 256-bit numbers */

struct remote {
	EVP_PKEY *public;
	const struct remote_key *key;	/* lent; NULL in a key that has only its public part */
};

/* ---- key management ---- */

static void *remote_new(void *provider)
{
	return calloc(1, sizeof(struct remote));
}

static void remote_free(void *keydata)
{
	struct remote *r = keydata;
	if (!r)
		return;
	EVP_PKEY_free(r->public);
	free(r);
}

static int remote_has(const void *keydata, int selection)
{
	const struct remote *r = keydata;
	return r && r->public && (!(selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) || r->key);
}

static EVP_PKEY *public_from(const OSSL_PARAM params[])
{
	EVP_PKEY *pkey = NULL;
	OSSL_PARAM *own = OSSL_PARAM_dup(params);
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", "provider=default");
	if (own && ctx && EVP_PKEY_fromdata_init(ctx) > 0)
		(void)EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, own);
	OSSL_PARAM_free(own);
	return pkey;
}

static int remote_import(void *keydata, int selection, const OSSL_PARAM params[])
{
	struct remote *r = keydata;
	const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, PARAM_REMOTE);
	const void *key = NULL;
	size_t len = 0;
	if (p && (!OSSL_PARAM_get_octet_ptr(p, &key, &len) || len != sizeof(*r->key)))
		return 0;
	r->key = key;
	r->public = public_from(params);
	return r->public != NULL;
}

static const OSSL_PARAM *remote_import_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_octet_ptr(PARAM_REMOTE, NULL, 0),
		OSSL_PARAM_END,
	};
	return types;
}

static int remote_export(void *keydata, int selection, OSSL_CALLBACK *give, void *ctx)
{
	const struct remote *r = keydata;
	OSSL_PARAM *params = NULL;
	if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY || EVP_PKEY_todata(r->public, EVP_PKEY_PUBLIC_KEY, &params) <= 0)
		return 0;
	int ok = give(params, ctx);
	OSSL_PARAM_free(params);
	return ok;
}

static const OSSL_PARAM *remote_export_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_END,
	};
	return selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY ? NULL : types;
}

static int remote_get_params(void *keydata, OSSL_PARAM params[])
{
	const struct remote *r = keydata;
	return EVP_PKEY_get_params(r->public, params);
}

static const OSSL_PARAM *remote_gettable(void *provider)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
		OSSL_PARAM_END,
	};
	return types;
}

static int remote_match(const void *left, const void *right, int selection)
{
	const struct remote *a = left, *b = right;
	return EVP_PKEY_eq(a->public, b->public) == 1;
}

static const char *remote_operation(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

#define ROW(id, function) {id, (void (*)(void))(function)}

static const OSSL_DISPATCH keymgmt[] = {
	ROW(OSSL_FUNC_KEYMGMT_NEW, remote_new),
	ROW(OSSL_FUNC_KEYMGMT_FREE, remote_free),
	ROW(OSSL_FUNC_KEYMGMT_HAS, remote_has),
	ROW(OSSL_FUNC_KEYMGMT_IMPORT, remote_import),
	ROW(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, remote_import_types),
	ROW(OSSL_FUNC_KEYMGMT_EXPORT, remote_export),
	ROW(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, remote_export_types),
	ROW(OSSL_FUNC_KEYMGMT_GET_PARAMS, remote_get_params),
	ROW(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, remote_gettable),
	ROW(OSSL_FUNC_KEYMGMT_MATCH, remote_match),
	ROW(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, remote_operation),
	{0, NULL},
};

/* ---- signatures ---- */

struct signing {
	const struct remote_key *key;
};

static void *signing_new(void *provider, const char *properties)
{
	return calloc(1, sizeof(struct signing));
}

static void signing_free(void *ctx)
{
	free(ctx);
}

/* Names differ: "SHA256" from X.509, "SHA2-256" from libssl. */
static bool is_sha256(const char *name)
{
	EVP_MD *md = name ? EVP_MD_fetch(NULL, name, "provider=default") : NULL;
	bool same = md && EVP_MD_is_a(md, "SHA2-256");
	EVP_MD_free(md);
	return same;
}

static int signing_init(void *ctx, const char *digest, void *keydata, const OSSL_PARAM params[])
{
	struct signing *s = ctx;
	const struct remote *r = keydata;
	if (r)
		s->key = r->key;
	return s->key && is_sha256(digest);
}

static bool signature_encode(const struct key_signature *sig, uint8_t *ret, size_t room, size_t *ret_len)
{
	struct der d = {.data = ret, .room = room};
	size_t whole = der_open(&d, DER_SEQUENCE);
	der_unsigned(&d, sig->r, sizeof(sig->r));
	der_unsigned(&d, sig->s, sizeof(sig->s));
	der_close(&d, whole);
	*ret_len = d.len;
	return der_whole(&d);
}

static int signing_sign(void *ctx, uint8_t *sig, size_t *sig_len, size_t room, const uint8_t *text, size_t len)
{
	const struct remote_key *key = ((struct signing *)ctx)->key;
	uint8_t digest[SHA256_SIZE];
	struct key_signature numbers;
	struct err why = {0};
	if (!sig) {
		*sig_len = SIGNATURE_MAX;
		return 1;
	}
	sha256_of(text, len, digest);
	if (!key->sign(key->ctx, digest, &numbers, &why)) {
		if (key->cause && key->cause->code == E_NONE)
			*key->cause = why;
		return 0;
	}
	return signature_encode(&numbers, sig, room, sig_len);
}

/* The AlgorithmIdentifier that X.509 structures carry: ecdsa-with-SHA256 (RFC 5758, 3.2). */
static int signing_get_params(void *ctx, OSSL_PARAM params[])
{
	static const uint8_t algorithm[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
	OSSL_PARAM *p = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_ALGORITHM_ID);
	return !p || OSSL_PARAM_set_octet_string(p, algorithm, sizeof(algorithm));
}

static const OSSL_PARAM *signing_gettable(void *ctx, void *provider)
{
	static const OSSL_PARAM types[] = {OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, NULL, 0), OSSL_PARAM_END};
	return types;
}

static const OSSL_DISPATCH signature[] = {
	ROW(OSSL_FUNC_SIGNATURE_NEWCTX, signing_new),
	ROW(OSSL_FUNC_SIGNATURE_FREECTX, signing_free),
	ROW(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, signing_init),
	ROW(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, signing_sign),
	ROW(OSSL_FUNC_SIGNATURE_GET_CTX_PARAMS, signing_get_params),
	ROW(OSSL_FUNC_SIGNATURE_GETTABLE_CTX_PARAMS, signing_gettable),
	{0, NULL},
};

/* ---- the provider ---- */

static const OSSL_ALGORITHM *provider_query(void *provider, int operation, int *no_cache)
{
	static const OSSL_ALGORITHM keys[] = {{"EC:id-ecPublicKey", PROPERTIES, keymgmt, "EC key elsewhere"}, {NULL, NULL, NULL, NULL}};
	static const OSSL_ALGORITHM signatures[] = {{"ECDSA", PROPERTIES, signature, "ECDSA elsewhere"}, {NULL, NULL, NULL, NULL}};
	*no_cache = 0;
	return operation == OSSL_OP_KEYMGMT ? keys : operation == OSSL_OP_SIGNATURE ? signatures : NULL;
}

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *core, const OSSL_DISPATCH **ret, void **ret_ctx)
{
	static const OSSL_DISPATCH functions[] = {ROW(OSSL_FUNC_PROVIDER_QUERY_OPERATION, provider_query), {0, NULL}};
	*ret = functions;
	*ret_ctx = (void *)(uintptr_t)handle;
	return 1;
}

struct wanted {
	const char *name;
	OSSL_PROVIDER *found;
};

static int provider_is_wanted(OSSL_PROVIDER *provider, void *ctx)
{
	struct wanted *w = ctx;
	if (!strcmp(OSSL_PROVIDER_get0_name(provider), w->name))
		w->found = provider;
	return 1;
}

/* What was loaded for the life of the process is given back at its end, when libcrypto cleans up;
 * libcrypto itself knows where it is. */
static void providers_unload(void)
{
	struct wanted all[] = {{PROVIDER, NULL}, {"default", NULL}};
	for (size_t i = 0; i < COUNT_OF(all); i++)
		if (OSSL_PROVIDER_do_all(NULL, provider_is_wanted, &all[i]) && all[i].found)
			OSSL_PROVIDER_unload(all[i].found);
}

bool remote_key_load(struct err *e)
{
	if (OSSL_PROVIDER_available(NULL, PROVIDER))
		return true;
	/* loading one by name ends the implicit loading of the default one */
	if (!OSSL_PROVIDER_load(NULL, "default") || !OSSL_PROVIDER_add_builtin(NULL, PROVIDER, provider_init) ||
	    !OSSL_PROVIDER_load(NULL, PROVIDER) || !OPENSSL_atexit(providers_unload))
		return ossl_err(e, E_TLS, "loading the provider for keys elsewhere");
	return true;
}

/* ---- a TLS identity ---- */

static bool remote_pkey(const struct remote_key *key, EVP_PKEY **ret, struct err *e)
{
	char group[] = "prime256v1";
	uint8_t point[65] = {POINT_CONVERSION_UNCOMPRESSED};
	void *lent = (void *)(uintptr_t)key;
	memcpy(point + 1, key->key.x, 32);
	memcpy(point + 33, key->key.y, 32);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
		OSSL_PARAM_construct_octet_ptr(PARAM_REMOTE, &lent, sizeof(*key)),
		OSSL_PARAM_construct_end(),
	};
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", PROPERTIES);
	if (!ctx || EVP_PKEY_fromdata_init(ctx) <= 0 || EVP_PKEY_fromdata(ctx, ret, EVP_PKEY_KEYPAIR, params) <= 0)
		return ossl_err(e, E_TLS, "the key elsewhere cannot be used; is its provider loaded?");
	return true;
}

static bool add_chain(SSL_CTX *tls, const struct bytes *chain, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		AUTO(x509) X509 *x = NULL;
		if (!ossl_x509(chain[i].data, chain[i].len, E_TLS, &x, e))
			return err_in(e, "certificate %zu above the leaf", i + 1);
		if (!SSL_CTX_add1_chain_cert(tls, x))
			return ossl_err(e, E_TLS, "the chain cannot be used");
	}
	return true;
}

bool remote_key_use(void *ssl_ctx, const struct remote_key *key, const void *leaf, size_t leaf_len, const struct bytes *chain,
		    size_t chain_count, struct err *e)
{
	SSL_CTX *tls = ssl_ctx;
	AUTO(x509) X509 *x = NULL;
	AUTO(pkey) EVP_PKEY *pkey = NULL;
	if (key->key.kind != KEY_P256)
		return err_set(e, E_TLS, "the key elsewhere is not P-256");
	if (!ossl_x509(leaf, leaf_len, E_TLS, &x, e) || !remote_pkey(key, &pkey, e))
		return false;
	if (SSL_CTX_use_certificate(tls, x) != 1 || SSL_CTX_use_PrivateKey(tls, pkey) != 1 || SSL_CTX_check_private_key(tls) != 1)
		return ossl_err(e, E_TLS, "the leaf does not belong to the key elsewhere");
	if (!SSL_CTX_set1_client_sigalgs_list(tls, "ECDSA+SHA256"))
		return ossl_err(e, E_TLS, "signature algorithms");
	return add_chain(tls, chain, chain_count, e);
}
