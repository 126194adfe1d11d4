/* SPDX-License-Identifier: Apache-2.0 */
#include "soft_tpm.h"

#include "certs/hmac.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MODULUS 256

/* ---- the public areas ---- */

static void modulus_of(EVP_PKEY *key, uint8_t ret[static MODULUS])
{
	BIGNUM *n = NULL;
	assert_int_equal(EVP_PKEY_get_bn_param(key, "n", &n), 1);
	assert_int_equal(BN_bn2binpad(n, ret, MODULUS), MODULUS);
	BN_free(n);
}

/* RSA-2048, SHA-256, AES-128-CFB, no scheme, exponent 65537. */
static void public_make(EVP_PKEY *key, const uint8_t *head, size_t head_len, struct bytes *ret)
{
	static const uint8_t parameters[] = {0x00, 0x06, 0x00, 0x80, 0x00, 0x43, 0x00, 0x10, 0x08, 0x00, 0, 0, 0, 0, 0x01, 0x00};
	uint8_t area[512];
	struct err e = {0};
	size_t len = 2;

	memcpy(area + len, head, head_len);
	len += head_len;
	memcpy(area + len, parameters, sizeof(parameters));
	len += sizeof(parameters);
	modulus_of(key, area + len);
	len += MODULUS;
	area[0] = (uint8_t)((len - 2) >> 8);
	area[1] = (uint8_t)(len - 2);
	assert_true(bytes_set(ret, area, len, &e));
}

static void name_of(const struct bytes *public, uint8_t ret[static 34])
{
	ret[0] = 0x00;
	ret[1] = 0x0b;
	sha256_of(public->data + 2, public->len - 2, ret + 2);
}

/* ---- what a TPM computes ---- */

/* SP800-108 in counter mode; at most one round is ever needed. */
static void kdfa(const uint8_t *key, size_t key_len, const char *label, const uint8_t *context, size_t context_len, uint32_t bits,
		 uint8_t ret[static SHA256_SIZE])
{
	uint8_t text[128] = {0, 0, 0, 1};
	size_t len = 4, n = strlen(label) + 1;
	memcpy(text + len, label, n);
	len += n;
	if (context_len)
		memcpy(text + len, context, context_len);
	len += context_len;
	for (int shift = 24; shift >= 0; shift -= 8)
		text[len++] = (uint8_t)(bits >> shift);
	hmac_sha256(key, key_len, text, len, ret);
}

static void cfb_decrypt(const uint8_t key[static 16], uint8_t *data, size_t len)
{
	static const uint8_t iv[16];
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int done = 0;
	assert_int_equal(EVP_DecryptInit_ex(c, EVP_aes_128_cfb128(), NULL, key, iv), 1);
	assert_int_equal(EVP_DecryptUpdate(c, data, &done, data, (int)len), 1);
	assert_int_equal((size_t)done, len);
	EVP_CIPHER_CTX_free(c);
}

struct span_in {
	const uint8_t *data;
	size_t len;
};

/* A TPM2B off the front. */
static bool take(struct span_in *in, struct span_in *ret)
{
	if (in->len < 2)
		return false;
	size_t n = (size_t)in->data[0] << 8 | in->data[1];
	if (n > in->len - 2)
		return false;
	*ret = (struct span_in){in->data + 2, n};
	in->data += 2 + n;
	in->len -= 2 + n;
	return true;
}

static bool oaep_decrypt(EVP_PKEY *key, struct span_in in, const char *label, uint8_t seed[static 32])
{
	size_t label_len = strlen(label) + 1, len = MODULUS;
	uint8_t out[MODULUS];
	void *copy = OPENSSL_memdup(label, label_len);
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);
	bool ok = EVP_PKEY_decrypt_init(c) == 1 && EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_OAEP_PADDING) == 1
		  && EVP_PKEY_CTX_set_rsa_oaep_md(c, EVP_sha256()) == 1 && EVP_PKEY_CTX_set_rsa_mgf1_md(c, EVP_sha256()) == 1
		  && EVP_PKEY_CTX_set0_rsa_oaep_label(c, copy, (int)label_len) == 1
		  && EVP_PKEY_decrypt(c, out, &len, in.data, in.len) == 1 && len == 32;
	EVP_PKEY_CTX_free(c);
	if (ok)
		memcpy(seed, out, 32);
	return ok;
}

/* Outer wrapping (part 1, 24.4): integrity over what is encrypted and a name, then the encryption. ret gets the plain text. */
static bool unwrap(const uint8_t seed[static 32], struct span_in in, const uint8_t name[static 34], struct bytes *ret)
{
	uint8_t mac_key[SHA256_SIZE], key[SHA256_SIZE], mac[SHA256_SIZE], covered[1024];
	struct span_in integrity;
	struct err e = {0};

	if (!take(&in, &integrity) || integrity.len != SHA256_SIZE || in.len + 34 > sizeof(covered))
		return false;
	kdfa(seed, 32, "INTEGRITY", NULL, 0, 256, mac_key);
	memcpy(covered, in.data, in.len);
	memcpy(covered + in.len, name, 34);
	hmac_sha256(mac_key, SHA256_SIZE, covered, in.len + 34, mac);
	if (memcmp(mac, integrity.data, SHA256_SIZE))
		return false;
	kdfa(seed, 32, "STORAGE", name, 34, 128, key);
	if (!bytes_set(ret, in.data, in.len, &e))
		return false;
	cfb_decrypt(key, ret->data, ret->len);
	return true;
}

/* ---- the blob ---- */

struct parts {
	struct span_in id_object, id_secret, private_area, private_secret, public_area, uri;
};

static bool activate_credential(const struct soft_tpm *t, const struct parts *p, uint8_t inner_key[static 16])
{
	AUTO(bytes) struct bytes plain = {0};
	uint8_t seed[32], name[34];
	struct span_in in, key;

	name_of(&t->srk, name);
	if (!oaep_decrypt(t->ek_key, p->id_secret, "IDENTITY", seed) || !unwrap(seed, p->id_object, name, &plain))
		return false;
	in = (struct span_in){plain.data, plain.len};
	if (!take(&in, &key) || in.len || key.len != 16)
		return false;
	memcpy(inner_key, key.data, 16);
	return true;
}

static bool is_hmac_key(const struct span_in *public, struct span_in *ret_unique)
{
	static const uint8_t head[] = {0x00, 0x08, 0x00, 0x0b, 0x00, 0x04, 0x00, 0x40, 0x00, 0x00, 0x00, 0x05, 0x00, 0x0b};
	if (public->len < sizeof(head) || memcmp(public->data, head, sizeof(head)))
		return false;
	struct span_in rest = {public->data + sizeof(head), public->len - sizeof(head)};
	return take(&rest, ret_unique) && !rest.len && ret_unique->len == SHA256_SIZE;
}

static bool sensitive_take(struct span_in sensitive, struct span_in unique, struct bytes *ret)
{
	struct span_in auth, seed, key;
	uint8_t digest[SHA256_SIZE];
	struct err e = {0};
	if (sensitive.len < 2 || sensitive.data[0] != 0x00 || sensitive.data[1] != 0x08)
		return false;
	sensitive.data += 2;
	sensitive.len -= 2;
	if (!take(&sensitive, &auth) || auth.len || !take(&sensitive, &seed) || !take(&sensitive, &key) || sensitive.len)
		return false;
	sha256((const struct span[]){{seed.data, seed.len}, {key.data, key.len}}, 2, digest);
	return !memcmp(digest, unique.data, SHA256_SIZE) && bytes_set(ret, key.data, key.len, &e);
}

static bool import_duplicate(const struct soft_tpm *t, const struct parts *p, const uint8_t inner_key[static 16], struct bytes *ret)
{
	AUTO(bytes) struct bytes plain = {0};
	uint8_t seed[32], name[34] = {0x00, 0x0b}, digest[SHA256_SIZE];
	struct span_in in, integrity, whole, sensitive, unique;

	sha256_of(p->public_area.data, p->public_area.len, name + 2);
	if (!is_hmac_key(&p->public_area, &unique) || !oaep_decrypt(t->srk_key, p->private_secret, "DUPLICATE", seed)
	    || !unwrap(seed, p->private_area, name, &plain))
		return false;
	cfb_decrypt(inner_key, plain.data, plain.len);
	in = (struct span_in){plain.data, plain.len};
	if (!take(&in, &integrity) || integrity.len != SHA256_SIZE)
		return false;
	whole = in;
	sha256((const struct span[]){{whole.data, whole.len}, {name, sizeof(name)}}, 2, digest);
	return !memcmp(digest, integrity.data, SHA256_SIZE) && take(&in, &sensitive) && !in.len
	       && sensitive_take(sensitive, unique, ret);
}

static bool import(void *ctx, const void *blob, size_t len, struct err *e)
{
	struct soft_tpm *t = ctx;
	struct span_in in = {blob, len};
	struct parts p;
	uint8_t inner_key[16];

	if (!take(&in, &p.id_object) || !take(&in, &p.id_secret) || !take(&in, &p.private_area) || !take(&in, &p.private_secret)
	    || !take(&in, &p.public_area) || !take(&in, &p.uri) || in.len)
		return err_set(e, E_TPM, "the blob is not of its six parts");
	if (!activate_credential(t, &p, inner_key))
		return err_set(e, E_TPM, "the credential is not for this TPM");
	if (!import_duplicate(t, &p, inner_key, &t->hmac_key))
		return err_set(e, E_TPM, "the key is not for this TPM");
	return t->imports++ ? true : bytes_set(&t->first_key, t->hmac_key.data, t->hmac_key.len, e);
}

static bool sign(void *ctx, const void *text, size_t len, uint8_t ret[static SHA256_SIZE], struct err *e)
{
	struct soft_tpm *t = ctx;
	if (!t->imports)
		return err_set(e, E_TPM, "there is no key to sign with");
	hmac_sha256(t->hmac_key.data, t->hmac_key.len, text, len, ret);
	t->signatures++;
	return true;
}

void soft_tpm_make(struct soft_tpm *t)
{
	static const uint8_t ek_head[] = {
		0x00, 0x01, 0x00, 0x0b, 0x00, 0x03, 0x00, 0xb2, 0x00, 0x20, 0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc,
		0x8d, 0x46, 0xa5, 0xd7, 0x24, 0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
	};
	static const uint8_t srk_head[] = {0x00, 0x01, 0x00, 0x0b, 0x00, 0x03, 0x04, 0x72, 0x00, 0x00};

	memset(t, 0, sizeof(*t));
	t->ek_key = EVP_RSA_gen(2048);
	t->srk_key = EVP_RSA_gen(2048);
	assert_true(t->ek_key && t->srk_key);
	public_make(t->ek_key, ek_head, sizeof(ek_head), &t->ek);
	public_make(t->srk_key, srk_head, sizeof(srk_head), &t->srk);
	assert_int_equal(t->ek.len, 316);
	assert_int_equal(t->srk.len, 284);
	t->hmac_key.secret = t->first_key.secret = true;
	t->runtime = (struct runtime_tpm){.ek = &t->ek, .srk = &t->srk, .import = import, .sign = sign, .ctx = t};
}

void soft_tpm_fini(struct soft_tpm *t)
{
	EVP_PKEY_free(t->ek_key);
	EVP_PKEY_free(t->srk_key);
	bytes_fini(&t->ek);
	bytes_fini(&t->srk);
	bytes_fini(&t->hmac_key);
	bytes_fini(&t->first_key);
	memset(t, 0, sizeof(*t));
}
