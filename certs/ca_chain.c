/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/ca_chain.h"
#include "certs/ca.h"
#include "certs/ossl.h"
#include "station/base/clock.h"
#include "station/base/file.h"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <string.h>

#define FILE_MAX ((size_t)256 << 10)
#define SECURITY_BITS 128	/* SHA-256, P-256 */
#define RSA_SECURITY_BITS 112	/* RSA of 2048 bits */

void ca_chain_fini(struct ca_chain *c)
{
	for (size_t i = 0; i < c->count; i++)
		bytes_fini(&c->der[i]);
	c->count = 0;
}

bool ca_chain_read(const char *path, struct ca_chain *ret, struct err *e)
{
	AUTO(bytes) struct bytes text = {.max = FILE_MAX, .secret = true};
	if (!file_read(path, &text, e))
		return false;
	if (memmem(text.data, text.len, "PRIVATE KEY", strlen("PRIVATE KEY")))
		return err_set(e, E_CA_CHAIN, "%s holds a private key: destroy this copy", path);
	return cert_read_pem_file(path, ret->der, CA_CHAIN_MAX, &ret->count, e);
}

/* ---- what is wanted beyond a chain that holds ---- */

struct link {
	X509 *cert[CA_CHAIN_MAX];
	struct cert_facts facts[CA_CHAIN_MAX];
	size_t count;
};

static void link_fini(struct link *l)
{
	for (size_t i = 0; i < l->count; i++)
		X509_free(l->cert[i]);
}
AUTO_DEFINE(link, struct link)

static bool open_links(const struct ca_chain *chain, struct link *l, struct err *e)
{
	for (; l->count < chain->count; l->count++) {
		const struct bytes *der = &chain->der[l->count];
		if (!cert_look(der->data, der->len, &l->facts[l->count], e) ||
		    !ossl_x509(der->data, der->len, E_CA_FILE, &l->cert[l->count], e))
			return false;
	}
	return true;
}

static bool is_for_key(const struct link *l, const struct key_public *key, struct err *e)
{
	struct key_public own;
	struct err why = {0};
	return (ossl_key_public(X509_get0_pubkey(l->cert[0]), &own, &why) && !memcmp(&own, key, sizeof(own))) ||
	       err_set(e, E_CA_CHAIN, "%s is not the certificate of the key that [ca] names", l->facts[0].subject);
}

/* One CA of the chain, and how many CAs are below it. */
static bool may_be_above(const struct link *l, size_t i, struct err *e)
{
	X509 *x = l->cert[i];
	const char *name = l->facts[i].subject;
	long most = X509_get_pathlen(x);
	int bits = 0;
	if (X509_check_ca(x) != 1 || !(X509_get_key_usage(x) & KU_KEY_CERT_SIGN) || !(X509_get_extension_flags(x) & EXFLAG_KUSAGE))
		return err_set(e, E_CA_CHAIN, "%s is no CA that may sign certificates", name);
	if (most >= 0 && (size_t)most < i)
		return err_set(e, E_CA_CHAIN, "%s allows %ld CAs below it, and here are %zu", name, most, i);
	if (!X509_get_signature_info(x, NULL, NULL, &bits, NULL) || bits < SECURITY_BITS)
		return err_set(e, E_CA_CHAIN, "%s is not signed by SHA-256 or better", name);
	const EVP_PKEY *key = X509_get0_pubkey(x);
	int wanted = EVP_PKEY_is_a(key, "RSA") ? RSA_SECURITY_BITS : SECURITY_BITS;
	return EVP_PKEY_get_security_bits(key) >= wanted || err_set(e, E_CA_CHAIN,
											   "the key of %s is too short", name);
}

static bool is_nested(const struct link *l, size_t i, int64_t now_ms, struct err *e)
{
	const struct cert_facts *f = &l->facts[i];
	char when[CLOCK_TEXT];
	clock_text(f->not_after_ms, when);
	if (now_ms < f->not_before_ms || now_ms >= f->not_after_ms)
		return err_set(e, E_CA_CHAIN, "%s is not valid now; it ends at %s", f->subject, when);
	return i + 1 == l->count || f->not_after_ms <= l->facts[i + 1].not_after_ms ||
	       err_set(e, E_CA_CHAIN, "%s ends at %s, later than %s above it", f->subject, when, l->facts[i + 1].subject);
}

/* Signatures, names and every extension, by the library's own strict check, with the root as the only anchor. */
static bool holds(const struct link *l, struct err *e)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	STACK_OF(X509) *between = sk_X509_new_null();
	bool ok = store && ctx && between && X509_STORE_add_cert(store, l->cert[l->count - 1]);
	for (size_t i = 1; ok && i + 1 < l->count; i++)
		ok = sk_X509_push(between, l->cert[i]) > 0;
	ok = (ok && X509_STORE_CTX_init(ctx, store, l->cert[0], between)) || ossl_err(e, E_NOMEM, "chain");
	if (ok) {
		X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(ctx),
					    X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
		ok = X509_verify_cert(ctx) == 1 ||
		     err_set(e, E_CA_CHAIN, "%s", X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
	}
	sk_X509_free(between);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return ok;
}

bool ca_chain_judge(const struct ca_chain *chain, const struct key_public *key, int64_t now_ms, bool *ret_lists, struct err *e)
{
	AUTO(link) struct link l = {0};
	if (chain->count < 2)
		return err_set(e, E_CA_CHAIN, "the line's CA, those above it, and the root are wanted");
	if (!open_links(chain, &l, e) || !is_for_key(&l, key, e))
		return false;
	for (size_t i = 0; i < l.count; i++)
		if (!may_be_above(&l, i, e) || !is_nested(&l, i, now_ms, e))
			return false;
	if (!l.facts[l.count - 1].self_signed)
		return err_set(e, E_CA_CHAIN, "%s is no root: the chain must end with a self-signed certificate",
			       l.facts[l.count - 1].subject);
	for (size_t i = 0; i + 1 < l.count; i++)
		if (X509_check_issued(l.cert[i + 1], l.cert[i]) != X509_V_OK)
			return err_set(e, E_CA_CHAIN, "%s was not issued by %s, which is next", l.facts[i].subject,
				       l.facts[i + 1].subject);
	*ret_lists = (X509_get_key_usage(l.cert[0]) & KU_CRL_SIGN) != 0;
	return holds(&l, e);
}
