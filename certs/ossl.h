/* SPDX-License-Identifier: Apache-2.0 */
/* Where libcrypto's ways end and ours begin: its error queue as struct err, its objects with scope
 * cleanup, and public keys between its form and ours. Only files of this room include this header. */
#ifndef CERTS_OSSL_H
#define CERTS_OSSL_H

#include "certs/key.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

/* Sets the error with the oldest entry of libcrypto's queue as its native number and reason, and
 * empties the queue. Returns false. */
bool ossl_err(struct err *e, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* A public key as libcrypto's object, the caller's to EVP_PKEY_free. The numbers are checked as
 * key_spki does. E_KEY_WEAK. */
WARN_UNUSED bool ossl_pkey(const struct key_public *key, EVP_PKEY **ret, struct err *e);

/* The numbers of a P-256 or RSA key of libcrypto's, checked the same way. Explicit curve parameters
 * are refused. E_KEY_WEAK. */
WARN_UNUSED bool ossl_key_public(const EVP_PKEY *pkey, struct key_public *ret, struct err *e);

/* Parses exactly one certificate of exactly `len` bytes, the caller's to X509_free; `code` if it is
 * none. */
WARN_UNUSED bool ossl_x509(const void *der, size_t len, enum err_code code, X509 **ret, struct err *e);

/* AUTO(x509) X509 *x = NULL; */
#define OSSL_AUTO(name, type, free_function) \
	static inline void name##_auto(type **x) { free_function(*x); }

static inline void ossl_x509_stack_free(STACK_OF(X509) *s)
{
	sk_X509_pop_free(s, X509_free);
}

OSSL_AUTO(bio, BIO, BIO_free_all)
OSSL_AUTO(bn, BIGNUM, BN_free)
OSSL_AUTO(bn_ctx, BN_CTX, BN_CTX_free)
OSSL_AUTO(ec_group, EC_GROUP, EC_GROUP_free)
OSSL_AUTO(ec_point, EC_POINT, EC_POINT_free)
OSSL_AUTO(ecdsa_sig, ECDSA_SIG, ECDSA_SIG_free)
OSSL_AUTO(md_ctx, EVP_MD_CTX, EVP_MD_CTX_free)
OSSL_AUTO(pkey, EVP_PKEY, EVP_PKEY_free)
OSSL_AUTO(pkey_ctx, EVP_PKEY_CTX, EVP_PKEY_CTX_free)
OSSL_AUTO(x509, X509, X509_free)
OSSL_AUTO(x509_stack, STACK_OF(X509), ossl_x509_stack_free)
OSSL_AUTO(x509_store, X509_STORE, X509_STORE_free)
OSSL_AUTO(x509_store_ctx, X509_STORE_CTX, X509_STORE_CTX_free)
OSSL_AUTO(x509_name, X509_NAME, X509_NAME_free)

#endif
