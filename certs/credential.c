/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/credential.h"
#include "certs/hmac.h"
#include "certs/ossl.h"

#include <openssl/rand.h>
#include <openssl/rsa.h>

#include <string.h>

#define SEED 32
#define AES_KEY 16

/* KDFa (Part 1, 11.4.10.2) with HMAC-SHA256 for at most one block. The label's NUL is part of it. */
static void kdfa(const uint8_t seed[static SEED], const char *label, const uint8_t *context, size_t context_len, uint32_t bits,
		 uint8_t ret[static SHA256_SIZE])
{
	uint8_t message[4 + 16 + TPM2_NAME_SIZE + 4];
	size_t n = 0, label_len = strlen(label) + 1;
	const uint8_t counter[4] = {0, 0, 0, 1};
	const uint8_t size[4] = {0, 0, (uint8_t)(bits >> 8), (uint8_t)bits};
	memcpy(message, counter, 4);
	n += 4;
	memcpy(message + n, label, label_len);
	n += label_len;
	if (context_len)
		memcpy(message + n, context, context_len);
	n += context_len;
	memcpy(message + n, size, 4);
	n += 4;
	hmac_sha256(seed, SEED, message, n, ret);
}

/* AES-128-CFB with a zero IV. */
static bool cfb(const uint8_t key[static AES_KEY], const uint8_t *in, size_t len, uint8_t *out, struct err *e)
{
	static const uint8_t iv[16];
	int n = 0;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool ok = ctx && EVP_EncryptInit_ex(ctx, EVP_aes_128_cfb128(), NULL, key, iv) == 1 &&
		  EVP_EncryptUpdate(ctx, out, &n, in, (int)len) == 1 && (size_t)n == len;
	EVP_CIPHER_CTX_free(ctx);
	return ok || ossl_err(e, E_VERIFIER, "AES-CFB");
}

/* The seed for an RSA key: random, by OAEP with SHA-256 and the label "IDENTITY" with its NUL. */
static bool seed_rsa(const struct key_public *ek, uint8_t seed[static SEED], struct challenge *ret, struct err *e)
{
	AUTO(pkey) EVP_PKEY *pkey = NULL;
	size_t len = sizeof(ret->secret);
	if (!ossl_pkey(ek, &pkey, e))
		return false;
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
	void *label = OPENSSL_memdup("IDENTITY", 9);	/* the context takes it */
	bool ok = ctx && label && RAND_bytes(seed, SEED) == 1 && EVP_PKEY_encrypt_init(ctx) == 1 &&
		  EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
		  EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) == 1 && EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) == 1;
	if (!ok || EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, label, 9) != 1) {
		OPENSSL_free(label);
		return ossl_err(e, E_VERIFIER, "RSA-OAEP");
	}
	if (EVP_PKEY_encrypt(ctx, ret->secret, &len, seed, SEED) != 1)
		return ossl_err(e, E_VERIFIER, "RSA-OAEP");
	ret->secret_len = (uint32_t)len;
	return true;
}

/* KDFe (Part 1, 11.4.10.3) for one block of SHA-256: the label's NUL is part of it. */
static void kdfe(const uint8_t z[static 32], const uint8_t u[static 32], const uint8_t v[static 32],
		 uint8_t ret[static SHA256_SIZE])
{
	static const uint8_t counter[4] = {0, 0, 0, 1};
	const struct span parts[] = {{counter, 4}, {z, 32}, {"IDENTITY", 9}, {u, 32}, {v, 32}};
	sha256(parts, COUNT_OF(parts), ret);
}

static bool agree(EVP_PKEY *mine, EVP_PKEY *theirs, uint8_t z[static 32], struct err *e)
{
	size_t len = 32;
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(mine, NULL);
	bool ok = ctx && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, theirs) == 1 &&
		  EVP_PKEY_derive(ctx, z, &len) == 1 && len == 32;
	return ok || ossl_err(e, E_VERIFIER, "ECDH");
}

/* The seed for a P-256 key: agreed with an ephemeral key, whose point is the encrypted secret (TPMS_ECC_POINT). */
static bool seed_p256(const struct key_public *ek, uint8_t seed[static SEED], struct challenge *ret, struct err *e)
{
	AUTO(pkey) EVP_PKEY *theirs = NULL;
	AUTO(pkey) EVP_PKEY *mine = EVP_EC_gen("P-256");
	struct key_public ephemeral;
	uint8_t z[32];
	if (!mine)
		return ossl_err(e, E_VERIFIER, "ephemeral key");
	if (!ossl_pkey(ek, &theirs, e) || !ossl_key_public(mine, &ephemeral, e) || !agree(mine, theirs, z, e))
		return false;
	kdfe(z, ephemeral.x, ek->x, seed);
	wipe(z, sizeof(z));
	uint8_t *p = ret->secret;
	const uint8_t *const coordinates[] = {ephemeral.x, ephemeral.y};
	for (size_t i = 0; i < COUNT_OF(coordinates); i++, p += 34) {
		p[0] = 0;
		p[1] = 32;
		memcpy(p + 2, coordinates[i], 32);
	}
	ret->secret_len = 68;
	return true;
}

bool credential_make(const struct key_public *ek, const uint8_t name[static TPM2_NAME_SIZE],
		     const uint8_t secret[static CREDENTIAL_SECRET], struct challenge *ret, struct err *e)
{
	uint8_t seed[SEED], aes[SHA256_SIZE], mac[SHA256_SIZE], plain[2 + CREDENTIAL_SECRET] = {0, CREDENTIAL_SECRET};
	uint8_t sealed[sizeof(plain) + TPM2_NAME_SIZE];
	bool ok = ek->kind == KEY_RSA ? seed_rsa(ek, seed, ret, e) : seed_p256(ek, seed, ret, e);
	if (!ok)
		return false;
	memcpy(plain + 2, secret, CREDENTIAL_SECRET);
	kdfa(seed, "STORAGE", name, TPM2_NAME_SIZE, 8 * AES_KEY, aes);
	kdfa(seed, "INTEGRITY", NULL, 0, 8 * SHA256_SIZE, mac);
	ok = cfb(aes, plain, sizeof(plain), sealed, e);
	memcpy(sealed + sizeof(plain), name, TPM2_NAME_SIZE);
	ret->blob[0] = 0;
	ret->blob[1] = SHA256_SIZE;
	hmac_sha256(mac, SHA256_SIZE, sealed, sizeof(sealed), ret->blob + 2);
	memcpy(ret->blob + 2 + SHA256_SIZE, sealed, sizeof(plain));
	ret->blob_len = 2 + SHA256_SIZE + sizeof(plain);
	wipe(seed, sizeof(seed));
	wipe(aes, sizeof(aes));
	wipe(mac, sizeof(mac));
	wipe(plain, sizeof(plain));
	return ok;
}
