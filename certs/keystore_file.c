/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/keystore.h"
#include "certs/pem.h"

#include <openssl/rsa.h>

#include <string.h>

struct file_key {
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *signing;	/* kept: making one for every signature costs as much as a tenth of the signature */
};

static bool file_sign(void *state, const uint8_t digest[static SHA256_SIZE], struct keystore_signature *ret, struct err *e)
{
	const struct file_key *f = state;
	ret->len = sizeof(ret->data);
	if (EVP_PKEY_sign(f->signing, ret->data, &ret->len, digest, SHA256_SIZE) <= 0)
		return ossl_err(e, E_SIGN, "signing with the key file");
	return true;
}

static void file_close(void *state)
{
	struct file_key *f = state;
	EVP_PKEY_CTX_free(f->signing);
	EVP_PKEY_free(f->pkey);
	free(f);
}

static const struct keystore_ops file_ops = {.name = "file", .sign = file_sign, .close = file_close};

static bool signing_starts(struct file_key *f, struct err *e)
{
	f->signing = EVP_PKEY_CTX_new_from_pkey(NULL, f->pkey, NULL);
	if (!f->signing || EVP_PKEY_sign_init(f->signing) <= 0 || EVP_PKEY_CTX_set_signature_md(f->signing, EVP_sha256()) <= 0)
		return ossl_err(e, E_CA_FILE, "the key cannot sign with SHA-256");
	if (EVP_PKEY_is_a(f->pkey, "RSA") && EVP_PKEY_CTX_set_rsa_padding(f->signing, RSA_PKCS1_PADDING) <= 0)
		return ossl_err(e, E_CA_FILE, "the key cannot sign as PKCS#1 v1.5");
	return true;
}

bool keystore_open_file(const char *path, const char *passphrase, struct keystore *ret, struct err *e)
{
	struct err weak = {0};
	struct file_key *f = calloc(1, sizeof(*f));
	struct keystore k = {.ops = &file_ops, .state = f};
	if (!f)
		return err_set(e, E_NOMEM, "key file");
	bool ok = pem_read_key(path, passphrase, &f->pkey, e);
	if (ok && !ossl_key_public(f->pkey, &k.key, &weak))
		ok = err_set(e, E_CA_FILE, "%s: %s", path, weak.what);
	if (!ok || !signing_starts(f, e)) {
		keystore_close(&k);
		return false;
	}
	*ret = k;
	return true;
}
