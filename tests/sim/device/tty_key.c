/* SPDX-License-Identifier: Apache-2.0 */
#include "tty_key.h"

#include "file.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

static const char key_name[] = "key.pem";
static const char seed_mark[] = "seed: ";

bool tty_key_open(struct tty_key *k, const char *dir, struct why *w)
{
	uint8_t *text = NULL;
	size_t len = 0;

	memset(k, 0, sizeof *k);
	snprintf(k->dir, sizeof k->dir, "%s", dir);
	file_remove(dir, "key.pem.tmp");
	if (!file_read(dir, key_name, 4096, &text, &len, w))
		return false;
	if (!text)
		return true;
	BIO *bio = BIO_new_mem_buf(text, (int)len);
	k->key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
	bool ok = k->key && sscanf((const char *)text, "seed: %64s", k->seed) == 1;
	BIO_free(bio);
	free(text);
	return ok ? true : why_set(w, "%s/%s cannot be read", dir, key_name);
}

void tty_key_close(struct tty_key *k)
{
	EVP_PKEY_free(k->key);
	memset(k, 0, sizeof *k);
}

EVP_PKEY *tty_key_other(void)
{
	return EVP_EC_gen("P-256");
}

static bool key_write(const struct tty_key *k, EVP_PKEY *key, const char *seed, struct why *w)
{
	char *text;
	BIO *bio = BIO_new(BIO_s_mem());
	bool ok = bio && BIO_printf(bio, "%s%s\n", seed_mark, seed) > 0
		&& PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1;
	if (!ok)
		why_set(w, "the key cannot be written");
	long len = ok ? BIO_get_mem_data(bio, &text) : 0;
	ok = ok && file_replace(k->dir, key_name, text, (size_t)len, w);
	BIO_free(bio);
	return ok;
}

bool tty_key_make(struct tty_key *k, const char *seed, struct why *w)
{
	EVP_PKEY *key = tty_key_other();
	if (!key || !key_write(k, key, seed, w)) {
		EVP_PKEY_free(key);
		return key ? false : why_set(w, "no key");
	}
	EVP_PKEY_free(k->key);
	k->key = key;
	snprintf(k->seed, sizeof k->seed, "%s", seed);
	return true;
}

size_t tty_key_csr(EVP_PKEY *key, const char *name, const char *challenge, uint8_t to[TTY_CSR_MAX])
{
	int len = 0;
	X509_REQ *r = X509_REQ_new();
	X509_NAME *subject = X509_NAME_new();
	bool ok = r && subject
		&& X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC, (const uint8_t *)name, -1, -1, 0) == 1
		&& X509_REQ_set_subject_name(r, subject) == 1 && X509_REQ_set_pubkey(r, key) == 1
		&& X509_REQ_add1_attr_by_NID(r, NID_pkcs9_challengePassword, MBSTRING_ASC, (const uint8_t *)challenge, -1) == 1
		&& X509_REQ_sign(r, key, EVP_sha256()) > 0;
	if (ok && (len = i2d_X509_REQ(r, NULL)) > 0 && len <= TTY_CSR_MAX)
		len = i2d_X509_REQ(r, &to);
	else
		len = 0;
	X509_NAME_free(subject);
	X509_REQ_free(r);
	return (size_t)len;
}

bool tty_key_sign(EVP_PKEY *key, const uint8_t digest[32], uint8_t to[64])
{
	uint8_t der[80];
	const uint8_t *at = der;
	size_t len = sizeof der;
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);
	bool ok = c && EVP_PKEY_sign_init(c) == 1 && EVP_PKEY_sign(c, der, &len, digest, 32) == 1;
	ECDSA_SIG *s = ok ? d2i_ECDSA_SIG(NULL, &at, (long)len) : NULL;
	ok = s && BN_bn2binpad(ECDSA_SIG_get0_r(s), to, 32) == 32 && BN_bn2binpad(ECDSA_SIG_get0_s(s), to + 32, 32) == 32;
	ECDSA_SIG_free(s);
	EVP_PKEY_CTX_free(c);
	return ok;
}
