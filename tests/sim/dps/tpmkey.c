/* SPDX-License-Identifier: Apache-2.0 */
#include "tpmkey.h"

#include "util.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define ALG_RSA 0x0001
#define ALG_AES 0x0006
#define ALG_HMAC 0x0005
#define ALG_KEYEDHASH 0x0008
#define ALG_SHA256 0x000b
#define ALG_NULL 0x0010
#define ALG_CFB 0x0043
#define RESTRICTED 0x00010000u
#define DECRYPT 0x00020000u
#define SIGN 0x00040000u
#define HMAC_ATTRIBUTES 0x00040040u /* sign, userWithAuth; fixedTPM and fixedParent clear, as Import demands */
#define HASH SHA256_DIGEST_LENGTH
#define INNER_KEY 16
#define POLICY_MAX 64
/* The real service sends about this much after the five parts; no client reads it. */
#define LAST_PART 88
#define BLOB_MAX 2048

/* ---- reading ---- */

struct reader {
	const uint8_t *at, *end;
	bool failed;
};

static const uint8_t *take(struct reader *r, size_t n)
{
	if (r->failed || (size_t)(r->end - r->at) < n) {
		r->failed = true;
		return NULL;
	}
	r->at += n;
	return r->at - n;
}

static uint32_t number(struct reader *r, size_t n)
{
	const uint8_t *b = take(r, n);
	uint32_t v = 0;
	for (size_t i = 0; b && i < n; i++)
		v = v << 8 | b[i];
	return v;
}

static void name_of(const uint8_t *area, size_t n, uint8_t name[TPM_NAME])
{
	name[0] = 0;
	name[1] = ALG_SHA256;
	SHA256(area, n, name + 2);
}

/* TPMT_PUBLIC of a storage key; every field in its order (part 2, section 12.2.4). */
static bool read_area(struct reader *r, struct tpm_key *k)
{
	if (number(r, 2) != ALG_RSA || number(r, 2) != ALG_SHA256)
		return false;
	uint32_t attributes = number(r, 4);
	size_t policy = number(r, 2);
	if (policy > POLICY_MAX || !take(r, policy))
		return false;
	if ((attributes & (RESTRICTED | DECRYPT | SIGN)) != (RESTRICTED | DECRYPT))
		return false;
	if (number(r, 2) != ALG_AES || number(r, 2) != 8 * INNER_KEY || number(r, 2) != ALG_CFB)
		return false;
	if (number(r, 2) != ALG_NULL || number(r, 2) != 8 * TPM_MODULUS)
		return false;
	k->exponent = number(r, 4);
	k->exponent = k->exponent ? k->exponent : 65537;
	const uint8_t *modulus = number(r, 2) == TPM_MODULUS ? take(r, TPM_MODULUS) : NULL;
	if (!modulus || r->at != r->end || !(modulus[0] & 0x80) || !(modulus[TPM_MODULUS - 1] & 1))
		return false;
	memcpy(k->modulus, modulus, TPM_MODULUS);
	return k->exponent & 1;
}

bool tpm_key_read(struct tpm_key *k, const char *text)
{
	size_t n = 0;
	uint8_t *bytes = text ? base64_bytes(text, &n) : NULL;
	struct reader r = {bytes, bytes + n, !bytes};
	size_t size = number(&r, 2);
	bool ok = !r.failed && size == n - 2 && read_area(&r, k);
	if (ok)
		name_of(bytes + 2, size, k->name);
	free(bytes);
	return ok;
}

/* ---- writing ---- */

struct writer {
	uint8_t bytes[BLOB_MAX];
	size_t n;
};

static void put(struct writer *w, const void *bytes, size_t n)
{
	must(n <= sizeof w->bytes - w->n ? w : NULL);
	memcpy(w->bytes + w->n, bytes, n);
	w->n += n;
}

static void put_number(struct writer *w, uint32_t v, size_t n)
{
	uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
	put(w, b + 4 - n, n);
}

/* A TPM2B: size, then that many bytes. */
static void put_sized(struct writer *w, const void *bytes, size_t n)
{
	put_number(w, (uint32_t)n, 2);
	put(w, bytes, n);
}

/* ---- protection ---- */

/* KDFa with SHA-256 (part 1, section 11.4.10.2) of at most one block, which is all that is needed here. */
static void kdfa(const uint8_t seed[HASH], const char *label, const uint8_t *u, size_t u_len, uint8_t *out,
	size_t n)
{
	struct writer w = {0};
	uint8_t mac[HASH];
	put_number(&w, 1, 4);
	put(&w, label, strlen(label) + 1);
	put(&w, u, u_len);
	put_number(&w, (uint32_t)n * 8, 4);
	must(HMAC(EVP_sha256(), seed, HASH, w.bytes, w.n, mac, NULL));
	memcpy(out, mac, n);
}

/* AES-128-CFB with an IV of zeros, in place. */
static void cfb(const uint8_t key[INNER_KEY], uint8_t *bytes, size_t n)
{
	static const uint8_t iv[16];
	int len = 0;
	EVP_CIPHER_CTX *c = must(EVP_CIPHER_CTX_new());
	bool ok = EVP_EncryptInit_ex(c, EVP_aes_128_cfb128(), NULL, key, iv) &&
		EVP_EncryptUpdate(c, bytes, &len, bytes, (int)n) && (size_t)len == n;
	EVP_CIPHER_CTX_free(c);
	must(ok ? c : NULL);
}

static EVP_PKEY *public_key(const struct tpm_key *k)
{
	BIGNUM *n = must(BN_bin2bn(k->modulus, TPM_MODULUS, NULL));
	OSSL_PARAM_BLD *b = must(OSSL_PARAM_BLD_new());
	must(OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, n) &&
		OSSL_PARAM_BLD_push_ulong(b, OSSL_PKEY_PARAM_RSA_E, k->exponent) ? b : NULL);
	OSSL_PARAM *params = must(OSSL_PARAM_BLD_to_param(b));
	EVP_PKEY_CTX *c = must(EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL));
	EVP_PKEY *key = NULL;
	must(EVP_PKEY_fromdata_init(c) == 1 && EVP_PKEY_fromdata(c, &key, EVP_PKEY_PUBLIC_KEY, params) == 1
		? key : NULL);
	EVP_PKEY_CTX_free(c);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	BN_free(n);
	return key;
}

/* RSA-OAEP, SHA-256 twice; the label's terminating NUL belongs to it (part 1, annex B.4). */
static void put_oaep(struct writer *w, const struct tpm_key *k, const char *label, const uint8_t seed[HASH])
{
	uint8_t out[TPM_MODULUS];
	size_t n = sizeof out, label_len = strlen(label) + 1;
	EVP_PKEY *key = public_key(k);
	EVP_PKEY_CTX *c = must(EVP_PKEY_CTX_new(key, NULL));
	bool ok = EVP_PKEY_encrypt_init(c) == 1 &&
		EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_OAEP_PADDING) == 1 &&
		EVP_PKEY_CTX_set_rsa_oaep_md(c, EVP_sha256()) == 1 &&
		EVP_PKEY_CTX_set_rsa_mgf1_md(c, EVP_sha256()) == 1 &&
		EVP_PKEY_CTX_set0_rsa_oaep_label(c, must(OPENSSL_memdup(label, label_len)), (int)label_len) == 1 &&
		EVP_PKEY_encrypt(c, out, &n, seed, HASH) == 1;
	must(ok ? c : NULL);
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(key);
	put_sized(w, out, n);
}

/*
 * The outer wrap that both structures share: `inner` is encrypted under a key from the seed, and an HMAC
 * over it and the name binds the two (part 1, section 24.4). Appended sized: TPM2B digest, then the rest.
 */
static void put_protected(struct writer *w, const uint8_t seed[HASH], const uint8_t name[TPM_NAME],
	struct writer *inner)
{
	uint8_t key[INNER_KEY], mac_key[HASH], mac[HASH];
	kdfa(seed, "STORAGE", name, TPM_NAME, key, sizeof key);
	kdfa(seed, "INTEGRITY", NULL, 0, mac_key, sizeof mac_key);
	cfb(key, inner->bytes, inner->n);
	struct writer covered = *inner, whole = {0};
	put(&covered, name, TPM_NAME);
	must(HMAC(EVP_sha256(), mac_key, HASH, covered.bytes, covered.n, mac, NULL));
	put_sized(&whole, mac, HASH);
	put(&whole, inner->bytes, inner->n);
	put_sized(w, whole.bytes, whole.n);
}

/* TPMT_PUBLIC and TPM2B_SENSITIVE of an HMAC key. */
static void make_hmac_key(struct writer *area, struct writer *sensitive, const uint8_t *key, size_t n)
{
	uint8_t seed_value[HASH], unique[HASH];
	struct writer bound = {0}, inside = {0};
	random_fill(seed_value, sizeof seed_value);
	put(&bound, seed_value, HASH);
	put(&bound, key, n);
	SHA256(bound.bytes, bound.n, unique);
	put_number(area, ALG_KEYEDHASH, 2);
	put_number(area, ALG_SHA256, 2);
	put_number(area, HMAC_ATTRIBUTES, 4);
	put_sized(area, "", 0);
	put_number(area, ALG_HMAC, 2);
	put_number(area, ALG_SHA256, 2);
	put_sized(area, unique, HASH);
	put_number(&inside, ALG_KEYEDHASH, 2);
	put_sized(&inside, "", 0);
	put_sized(&inside, seed_value, HASH);
	put_sized(&inside, key, n);
	put_sized(sensitive, inside.bytes, inside.n);
}

/* The inner wrap of a duplicated object: its integrity in front, under the inner key (part 1, 23.3.2.2). */
static void wrap_inside(struct writer *out, const uint8_t inner_key[INNER_KEY], const struct writer *sensitive,
	const uint8_t name[TPM_NAME])
{
	uint8_t integrity[HASH];
	struct writer covered = *sensitive;
	put(&covered, name, TPM_NAME);
	SHA256(covered.bytes, covered.n, integrity);
	put_sized(out, integrity, HASH);
	put(out, sensitive->bytes, sensitive->n);
	cfb(inner_key, out->bytes, out->n);
}

char *tpm_key_wrap(const struct tpm_key *ek, const struct tpm_key *srk, const uint8_t *key, size_t n)
{
	uint8_t inner_key[INNER_KEY], seed[2][HASH], name[TPM_NAME], last[LAST_PART];
	struct writer area = {0}, sensitive = {0}, duplicate = {0}, secret = {0}, blob = {0};
	random_fill(inner_key, sizeof inner_key);
	random_fill(seed, sizeof seed);
	random_fill(last, sizeof last);
	make_hmac_key(&area, &sensitive, key, n);
	name_of(area.bytes, area.n, name);
	put_sized(&secret, inner_key, sizeof inner_key);
	put_protected(&blob, seed[0], srk->name, &secret);
	put_oaep(&blob, ek, "IDENTITY", seed[0]);
	wrap_inside(&duplicate, inner_key, &sensitive, name);
	put_protected(&blob, seed[1], name, &duplicate);
	put_oaep(&blob, srk, "DUPLICATE", seed[1]);
	put_sized(&blob, area.bytes, area.n);
	put_sized(&blob, last, sizeof last);
	return base64_of(blob.bytes, blob.n);
}
