/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/pem.h"
#include "certs/der.h"
#include "certs/der_read.h"
#include "station/base/file.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <fcntl.h>
#include <limits.h>
#include <string.h>

#define KEY_FILE_MAX 32768

/* What libcrypto asks when it meets an encrypted key. */
static int give_passphrase(char *out, int room, int writing, void *ctx)
{
	const struct bytes *secret = ctx;
	if (secret->len > (size_t)room)
		return -1;
	memcpy(out, secret->data, secret->len);
	return (int)secret->len;
}

static bool is_encrypted_pkcs8(const struct bytes *file)
{
	AUTO(bio) BIO *in = BIO_new_mem_buf(file->data, (int)file->len);
	char *name = NULL, *header = NULL;
	unsigned char *data = NULL;
	long len = 0;
	bool encrypted = in && PEM_read_bio(in, &name, &header, &data, &len) && !strcmp(name, PEM_STRING_PKCS8);
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_clear_free(data, (size_t)len);
	ERR_clear_error();
	return encrypted;
}

bool pem_read_key(const char *path, const char *passphrase, EVP_PKEY **ret, struct err *e)
{
	AUTO(bytes) struct bytes file = {.max = KEY_FILE_MAX, .secret = true}, secret = {.max = 1024, .secret = true};
	struct err why = {0};
	if (!file_read(path, &file, &why))
		return err_native(e, E_CA_FILE, why.native, "%s", why.what);
	if (!is_encrypted_pkcs8(&file))
		return err_set(e, E_CA_FILE, "%s is not an encrypted PKCS#8 key in PEM", path);
	if (!secret_read(passphrase, &secret, e))
		return err_in(e, "passphrase of %s", path);
	AUTO(bio) BIO *in = BIO_new_mem_buf(file.data, (int)file.len);
	EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, give_passphrase, &secret) : NULL;
	if (!key)
		return ossl_err(e, E_CA_FILE, "%s cannot be decrypted: wrong passphrase?", path);
	*ret = key;
	return true;
}

/* Takes the next block; false at the end. ret is filled if it has one of the labels. */
static bool next_block(BIO *in, const char *const *labels, struct bytes *ret, bool *ret_ok, struct err *e)
{
	char *name = NULL, *header = NULL;
	unsigned char *data = NULL;
	long len = 0;
	if (!PEM_read_bio(in, &name, &header, &data, &len))
		return false;
	while (*labels && strcmp(*labels, name) != 0)
		labels++;
	*ret_ok = !*labels || bytes_set(ret, data, (size_t)len, e);
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_clear_free(data, (size_t)len);
	return true;
}

bool pem_first(const void *data, size_t len, const char *const *labels, enum err_code code, struct bytes *ret, struct err *e)
{
	struct span in = {data, len}, whole;
	bool ok = true;
	if (der_read_whole(&in, DER_SEQUENCE, &whole))
		return bytes_set(ret, data, len, e);
	bytes_clear(ret);
	AUTO(bio) BIO *pem = len && len <= INT_MAX ? BIO_new_mem_buf(data, (int)len) : NULL;
	while (pem && ok && !ret->len && next_block(pem, labels, ret, &ok, e))
		continue;
	ERR_clear_error();
	if (ok && !ret->len)
		return err_set(e, code, "neither DER nor PEM with \"%s\"", labels[0]);
	return ok;
}

static bool write_all(int fd, const uint8_t *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);
		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return fsync(fd) == 0;
}

bool pem_write_new(const char *path, const void *data, size_t len, unsigned mode, struct err *e)
{
	AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
	if (fd < 0)
		return err_errno(e, E_CA_FILE, "making %s", path);
	if (!write_all(fd, data, len)) {
		err_errno(e, E_CA_FILE, "writing %s", path);
		unlink(path);
		return false;
	}
	return true;
}

bool pem_write_key(const char *path, const char *passphrase, EVP_PKEY *key, struct err *e)
{
	AUTO(bytes) struct bytes secret = {.max = 1024, .secret = true};
	AUTO(bio) BIO *out = BIO_new(BIO_s_secmem());
	char *data = NULL;
	if (!secret_read(passphrase, &secret, e))
		return false;
	if (!out || !PEM_write_bio_PKCS8PrivateKey(out, key, EVP_aes_256_cbc(), (const char *)secret.data, (int)secret.len, NULL, NULL))
		return ossl_err(e, E_CA_FILE, "encrypting %s", path);
	long len = BIO_get_mem_data(out, &data);
	return pem_write_new(path, data, (size_t)len, 0600, e);
}

static bool pem_names_key(const struct bytes *file)
{
	const char *end = " PRIVATE KEY-----", *lone = "-----BEGIN PRIVATE KEY-----";
	return memmem(file->data, file->len, end, strlen(end)) || memmem(file->data, file->len, lone, strlen(lone));
}

static bool der_is_key(const struct bytes *file)
{
	const uint8_t *p = file->data;
	AUTO(pkey) EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &p, (long)file->len);
	p = file->data;
	X509_SIG *encrypted = d2i_X509_SIG(NULL, &p, (long)file->len);
	bool found = key || encrypted;
	X509_SIG_free(encrypted);
	ERR_clear_error();
	return found;
}

bool pem_has_private_key(const struct bytes *file)
{
	return file->len && (pem_names_key(file) || der_is_key(file));
}
