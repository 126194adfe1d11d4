/* SPDX-License-Identifier: Apache-2.0 */
/* The making half of certs/ca.h: a product root with a line CA beneath it and the log's key; and
 * the proof for DPS that one holds a CA's key. */
#include "certs/ca.h"
#include "certs/note_key.h"
#include "certs/ossl.h"
#include "certs/pem.h"
#include "station/base/clock.h"
#include "station/base/file.h"
#include "station/base/text.h"

#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LINE_DAYS_MAX 18250u	/* 50 years */
#define ROOT_DAYS_MORE 3650u
#define BACKDATE_S (5 * 60L)
#define NAME_MAX_LEN 50	/* with " Line CA" behind it within ub-common-name */

/* What differs between the certificates made here. */
struct recipe {
	const char *common_name;
	EVP_PKEY *key;		/* of the subject */
	const char *basic, *usage;	/* as libcrypto's extension text */
	X509 *issuer;		/* NULL: itself */
	EVP_PKEY *issuer_key;
	long days;
};

static bool set_serial(X509 *x, struct err *e)
{
	uint8_t raw[16];
	if (RAND_bytes(raw, sizeof(raw)) != 1)
		return ossl_err(e, E_SIGN, "serial number");
	raw[0] = (uint8_t)((raw[0] & 0x7f) | 0x40);
	AUTO(bn) BIGNUM *n = BN_bin2bn(raw, sizeof(raw), NULL);
	return (n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x))) || ossl_err(e, E_NOMEM, "serial number");
}

static bool set_names(X509 *x, const struct recipe *r, struct err *e)
{
	X509_NAME *subject = X509_get_subject_name(x);
	if (!X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, (const uint8_t *)r->common_name, -1, -1, 0) ||
	    !X509_set_issuer_name(x, r->issuer ? X509_get_subject_name(r->issuer) : subject))
		return ossl_err(e, E_CA_FILE, "the name \"%.64s\" does not fit a certificate", r->common_name);
	return true;
}

static bool add_extension(X509 *x, X509V3_CTX *ctx, int nid, const char *value, struct err *e)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, ctx, nid, value);
	bool ok = extension && X509_add_ext(x, extension, -1);
	X509_EXTENSION_free(extension);
	return ok || ossl_err(e, E_NOMEM, "extension %s", value);
}

static bool add_key_id(X509 *x, const EVP_PKEY *pkey, struct err *e)
{
	struct key_public key;
	uint8_t id[KEY_ID_SIZE];
	if (!ossl_key_public(pkey, &key, e))
		return false;
	key_id(&key, id);
	ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
	bool ok = octets && ASN1_OCTET_STRING_set(octets, id, sizeof(id)) &&
		  X509_add1_ext_i2d(x, NID_subject_key_identifier, octets, 0, X509V3_ADD_DEFAULT) == 1;
	ASN1_OCTET_STRING_free(octets);
	return ok || ossl_err(e, E_NOMEM, "subject key identifier");
}

static bool add_extensions(X509 *x, const struct recipe *r, struct err *e)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, r->issuer ? r->issuer : x, x, NULL, NULL, 0);
	return add_extension(x, &ctx, NID_basic_constraints, r->basic, e) && add_extension(x, &ctx, NID_key_usage, r->usage, e) &&
	       add_key_id(x, r->key, e) && add_extension(x, &ctx, NID_authority_key_identifier, "keyid:always", e);
}

static bool make_certificate(const struct recipe *r, X509 **ret, struct err *e)
{
	AUTO(x509) X509 *x = X509_new();
	if (!x || !X509_set_version(x, X509_VERSION_3) || !X509_gmtime_adj(X509_getm_notBefore(x), -BACKDATE_S) ||
	    !X509_time_adj_ex(X509_getm_notAfter(x), (int)r->days, 0, NULL) || !X509_set_pubkey(x, r->key))
		return ossl_err(e, E_NOMEM, "certificate");
	if (!set_serial(x, e) || !set_names(x, r, e) || !add_extensions(x, r, e))
		return false;
	if (!X509_sign(x, r->issuer_key, EVP_sha256()))
		return ossl_err(e, E_SIGN, "signing the certificate of %s", r->common_name);
	*ret = x;
	x = NULL;
	return true;
}

/* ---- ca_init ---- */

static const char *const made_files[] = {"root.key", "root.pem", "line.key", "line.pem", "chain.pem", "log.key", "log.vkey"};

static bool path_in(const char *dir, const char *file, char ret[PATH_MAX], struct err *e)
{
	if (snprintf(ret, PATH_MAX, "%s/%s", dir, file) >= PATH_MAX)
		return err_set(e, E_CA_FILE, "the path is too long");
	return true;
}

/* Nothing is made if anything is there already. */
static bool directory_is_free(const char *dir, struct err *e)
{
	char path[PATH_MAX];
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_errno(e, E_CA_FILE, "making %s", dir);
	for (size_t i = 0; i < COUNT_OF(made_files); i++) {
		if (!path_in(dir, made_files[i], path, e))
			return false;
		if (access(path, F_OK) == 0)
			return err_set(e, E_CA_FILE, "%s exists and is never overwritten", path);
	}
	return true;
}

static bool order_is_sane(const struct ca_init *init, struct err *e)
{
	size_t len = strlen(init->name);
	if (!len || len > NAME_MAX_LEN || !text_is_printable(init->name, len))
		return err_set(e, E_CA_FILE, "a product's name has 1 to %d printable characters", NAME_MAX_LEN);
	if (!init->line_days || init->line_days > LINE_DAYS_MAX)
		return err_set(e, E_CA_FILE, "a line CA lives 1 to %u days", LINE_DAYS_MAX);
	return true;
}

static bool pem_add(X509 *x, struct bytes *ret, struct err *e)
{
	uint8_t *der = NULL;
	int len = i2d_X509(x, &der);
	bool ok = len > 0 ? cert_to_pem(der, (size_t)len, ret, e) : ossl_err(e, E_NOMEM, "certificate");
	OPENSSL_free(der);
	return ok;
}

static bool write_certificates(const char *dir, const char *file, X509 *first, X509 *second, struct err *e)
{
	AUTO(bytes) struct bytes pem = {0};
	char path[PATH_MAX];
	return path_in(dir, file, path, e) && pem_add(first, &pem, e) && (!second || pem_add(second, &pem, e)) &&
	       pem_write_new(path, pem.data, pem.len, 0644, e);
}

static bool write_key(const struct ca_init *init, const char *file, EVP_PKEY *key, struct err *e)
{
	char path[PATH_MAX];
	return path_in(init->dir, file, path, e) && pem_write_key(path, init->passphrase, key, e);
}

static bool make_authorities(const struct ca_init *init, struct err *e)
{
	char root_name[80], line_name[80];
	AUTO(pkey) EVP_PKEY *root_key = EVP_EC_gen("P-256");
	AUTO(pkey) EVP_PKEY *line_key = EVP_EC_gen("P-256");
	AUTO(x509) X509 *root = NULL;
	AUTO(x509) X509 *line = NULL;
	if (!root_key || !line_key)
		return ossl_err(e, E_NOMEM, "making keys");
	snprintf(root_name, sizeof(root_name), "%s Root CA", init->name);
	snprintf(line_name, sizeof(line_name), "%s Line CA", init->name);
	const struct recipe of_root = {root_name, root_key, "critical,CA:TRUE,pathlen:1", "critical,keyCertSign,cRLSign", NULL,
				       root_key, (long)(init->line_days + ROOT_DAYS_MORE)};
	if (!make_certificate(&of_root, &root, e))
		return false;
	const struct recipe of_line = {line_name, line_key, "critical,CA:TRUE,pathlen:0", "critical,keyCertSign,cRLSign", root,
				       root_key, (long)init->line_days};
	return make_certificate(&of_line, &line, e) && write_key(init, "root.key", root_key, e) &&
	       write_certificates(init->dir, "root.pem", root, NULL, e) && write_key(init, "line.key", line_key, e) &&
	       write_certificates(init->dir, "line.pem", line, NULL, e) &&
	       write_certificates(init->dir, "chain.pem", line, root, e);
}

bool ca_make_key(const char *path, const char *passphrase, struct err *e)
{
	AUTO(pkey) EVP_PKEY *key = EVP_EC_gen("P-256");
	return (key || ossl_err(e, E_NOMEM, "making a key")) && pem_write_key(path, passphrase, key, e);
}

bool ca_make_log_key(const char *path, const char *vkey_path, const char *origin, const char *passphrase, struct err *e)
{
	AUTO(note_key) struct note_key key = {0};
	AUTO(bytes) struct bytes text = {0};
	return note_key_make(&key, origin, e) && pem_write_key(path, passphrase, key.pkey, e) &&
	       bytes_printf(&text, e, "%s\n", key.vkey) && pem_write_new(vkey_path, text.data, text.len, 0644, e);
}

static bool make_log_key(const struct ca_init *init, struct err *e)
{
	char path[PATH_MAX], vkey[PATH_MAX];
	return path_in(init->dir, "log.key", path, e) && path_in(init->dir, "log.vkey", vkey, e) &&
	       ca_make_log_key(path, vkey, init->log_origin, init->passphrase, e);
}

bool ca_init(const struct ca_init *init, struct err *e)
{
	AUTO(bytes) struct bytes secret = {.secret = true};
	if (!order_is_sane(init, e) || !secret_read(init->passphrase, &secret, e) || !directory_is_free(init->dir, e))
		return false;
	if (!make_log_key(init, e) || !make_authorities(init, e))
		return false;
	AUTO_FD int dir = open(init->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fsync(dir) < 0)
		return err_errno(e, E_CA_FILE, "syncing %s", init->dir);
	return true;
}

/* ---- ca_prove ---- */

static bool read_first(const char *path, X509 **ret, struct err *e)
{
	struct bytes certs[8] = {0};
	size_t count;
	if (!cert_read_pem_file(path, certs, COUNT_OF(certs), &count, e))
		return false;
	bool ok = ossl_x509(certs[0].data, certs[0].len, E_CA_FILE, ret, e);
	for (size_t i = 0; i < count; i++)
		bytes_fini(&certs[i]);
	return ok;
}

bool ca_prove(const char *ca_cert_path, const char *key_path, const char *passphrase, const char *code, struct bytes *ret_pem,
	      struct err *e)
{
	AUTO(x509) X509 *ca = NULL;
	AUTO(x509) X509 *proof = NULL;
	AUTO(pkey) EVP_PKEY *ca_key = NULL;
	AUTO(pkey) EVP_PKEY *own = EVP_EC_gen("P-256");
	size_t len = strlen(code);
	if (!len || len > 64 || !text_is_printable(code, len))
		return err_set(e, E_CA_FILE, "a verification code has 1 to 64 printable characters");
	if (!read_first(ca_cert_path, &ca, e) || !pem_read_key(key_path, passphrase, &ca_key, e))
		return false;
	if (!own || X509_check_private_key(ca, ca_key) != 1)
		return ossl_err(e, E_CA_FILE, "%s is not the key of %s", key_path, ca_cert_path);
	const struct recipe r = {code, own, "critical,CA:FALSE", "critical,digitalSignature", ca, ca_key, 1};
	return make_certificate(&r, &proof, e) && pem_add(proof, ret_pem, e);
}
