/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/warm.h"
#include "certs/p256.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>

/* A key made, a signature made and checked: fetches every algorithm on the way. */
static void sign_once(EVP_PKEY *key, const EVP_MD *md)
{
	static const uint8_t text[] = "warm";
	uint8_t signature[512];
	size_t len = sizeof(signature);
	AUTO(md_ctx) EVP_MD_CTX *sign = EVP_MD_CTX_new();
	AUTO(md_ctx) EVP_MD_CTX *verify = EVP_MD_CTX_new();
	if (key && sign && verify && EVP_DigestSignInit(sign, NULL, md, NULL, key) &&
	    EVP_DigestSign(sign, signature, &len, text, sizeof(text)) && EVP_DigestVerifyInit(verify, NULL, md, NULL, key))
		(void)EVP_DigestVerify(verify, signature, len, text, sizeof(text));
}

void certs_warm(void)
{
	uint8_t random[16];
	/* no configuration file: nobody adds a provider or engine to the station from outside */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_ADD_ALL_CIPHERS |
			    OPENSSL_INIT_ADD_ALL_DIGESTS, NULL);
	(void)RAND_bytes(random, sizeof(random));
	(void)RAND_priv_bytes(random, sizeof(random));
	p256_warm();
	AUTO(pkey) EVP_PKEY *p256 = EVP_EC_gen("P-256");
	AUTO(pkey) EVP_PKEY *ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	sign_once(p256, EVP_sha256());
	sign_once(ed25519, NULL);
	ERR_clear_error();
}
