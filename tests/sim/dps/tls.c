/* SPDX-License-Identifier: Apache-2.0 */
#include "tls.h"

#include "util.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEM_MAX 65536
#define DAY_S (24 * 3600L)

static const char server_names[] =
	"DNS:localhost, IP:127.0.0.1, IP:::1, DNS:*.azure-devices-provisioning.net, "
	"DNS:global.azure-devices-provisioning.net, DNS:*.azure-devices.net, DNS:management.azure.com";

static char *bio_text(BIO *take)
{
	char *bytes = NULL;
	long n = BIO_get_mem_data(take, &bytes);
	char *t = text_copy(bytes, (size_t)n);
	BIO_free(take);
	return t;
}

static char *cert_pem(X509 *cert)
{
	BIO *out = must(BIO_new(BIO_s_mem()));
	PEM_write_bio_X509(out, cert);
	return bio_text(out);
}

static char *key_pem(EVP_PKEY *key)
{
	BIO *out = must(BIO_new(BIO_s_mem()));
	PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
	return bio_text(out);
}

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	X509_EXTENSION *ext = must(X509V3_EXT_conf_nid(NULL, &ctx, nid, value));
	X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
}

static X509 *new_cert(const char *cn, EVP_PKEY *key, long days)
{
	uint8_t serial[16];
	random_fill(serial, sizeof serial);
	serial[0] &= 0x7f;
	X509 *cert = must(X509_new());
	BIGNUM *bn = must(BN_bin2bn(serial, sizeof serial, NULL));
	BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert));
	BN_free(bn);
	X509_set_version(cert, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(cert), -DAY_S);
	X509_gmtime_adj(X509_getm_notAfter(cert), days * DAY_S);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
		(const unsigned char *)cn, -1, -1, 0);
	X509_set_pubkey(cert, key);
	return cert;
}

static X509 *new_root(EVP_PKEY *key)
{
	X509 *root = new_cert("dps-emulator TLS root", key, 3650);
	X509_set_issuer_name(root, X509_get_subject_name(root));
	add_extension(root, root, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
	add_extension(root, root, NID_key_usage, "critical,keyCertSign");
	add_extension(root, root, NID_subject_key_identifier, "hash");
	must(X509_sign(root, key, EVP_sha256()) > 0 ? root : NULL);
	return root;
}

static X509 *new_server(EVP_PKEY *key, X509 *root, EVP_PKEY *root_key)
{
	X509 *cert = new_cert("localhost", key, 390);
	X509_set_issuer_name(cert, X509_get_subject_name(root));
	add_extension(cert, root, NID_basic_constraints, "critical,CA:FALSE");
	add_extension(cert, root, NID_key_usage, "critical,digitalSignature");
	add_extension(cert, root, NID_ext_key_usage, "serverAuth");
	add_extension(cert, root, NID_subject_alt_name, server_names);
	add_extension(cert, root, NID_subject_key_identifier, "hash");
	add_extension(cert, root, NID_authority_key_identifier, "keyid");
	must(X509_sign(cert, root_key, EVP_sha256()) > 0 ? cert : NULL);
	return cert;
}

static bool load_root(const char *dir, X509 **ret_root, EVP_PKEY **ret_key)
{
	AUTO_TEXT cert_path = text_of("%s/tls-root.pem", dir);
	AUTO_TEXT key_path = text_of("%s/tls-root.key", dir);
	AUTO_TEXT cert = file_read(cert_path, PEM_MAX, NULL);
	AUTO_TEXT key = file_read(key_path, PEM_MAX, NULL);
	if (!cert || !key)
		return false;
	BIO *in = must(BIO_new_mem_buf(cert, -1));
	*ret_root = PEM_read_bio_X509(in, NULL, NULL, NULL);
	BIO_free(in);
	in = must(BIO_new_mem_buf(key, -1));
	*ret_key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
	BIO_free(in);
	if (*ret_root && *ret_key && X509_check_private_key(*ret_root, *ret_key) == 1)
		return true;
	X509_free(*ret_root);
	EVP_PKEY_free(*ret_key);
	return false;
}

static bool make_root(const char *dir, X509 **ret_root, EVP_PKEY **ret_key)
{
	EVP_PKEY *key = must(EVP_EC_gen("P-256"));
	X509 *root = new_root(key);
	AUTO_TEXT cert_text = cert_pem(root);
	AUTO_TEXT key_text = key_pem(key);
	*ret_root = root;
	*ret_key = key;
	return file_write(dir, "tls-root.key", 0600, key_text, strlen(key_text)) &&
		file_write(dir, "tls-root.pem", 0644, cert_text, strlen(cert_text));
}

bool tls_identity_open(struct tls_identity *t, const char *dir)
{
	X509 *root = NULL;
	EVP_PKEY *root_key = NULL;
	bool ok = load_root(dir, &root, &root_key) || make_root(dir, &root, &root_key);
	EVP_PKEY *key = must(EVP_EC_gen("P-256"));
	X509 *server = new_server(key, root, root_key);
	t->cert_pem = cert_pem(server);
	t->key_pem = key_pem(key);
	X509_free(server);
	EVP_PKEY_free(key);
	X509_free(root);
	EVP_PKEY_free(root_key);
	return ok;
}

void tls_identity_close(struct tls_identity *t)
{
	free(t->cert_pem);
	free(t->key_pem);
	*t = (struct tls_identity){0};
}
