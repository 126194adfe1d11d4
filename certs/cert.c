/* SPDX-License-Identifier: Apache-2.0 */
/* The looking half of certs/ca.h: what stands in certificates and files, without any private key. */
#include "certs/ca.h"
#include "certs/ossl.h"
#include "certs/pem.h"
#include "station/base/file.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <string.h>
#include <time.h>

static bool time_ms(const ASN1_TIME *t, int64_t *ret, struct err *e)
{
	struct tm tm;
	if (!ASN1_TIME_to_tm(t, &tm))
		return ossl_err(e, E_CA_FILE, "a certificate's time cannot be read");
	*ret = (int64_t)timegm(&tm) * 1000;
	return true;
}

static bool look_at_common_name(X509_NAME *name, enum err_code code, char *ret, size_t room, struct err *e)
{
	int last = -1, at;
	while ((at = X509_NAME_get_index_by_NID(name, NID_commonName, last)) >= 0)
		last = at;
	if (last < 0)
		return true;
	unsigned char *text = NULL;
	int len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, last)));
	bool fits = len >= 0 && (size_t)len < room && !memchr(text, '\0', (size_t)len);
	if (fits)
		memcpy(ret, text, (size_t)len);
	OPENSSL_free(text);
	return fits || ossl_err(e, code, "a common name that is no text of at most %zu bytes", room - 1);
}

static bool look_at_subject(X509_NAME *name, struct cert_facts *ret, struct err *e)
{
	AUTO(bio) BIO *out = BIO_new(BIO_s_mem());
	char *text = NULL;
	if (!out || X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253) < 0)
		return ossl_err(e, E_CA_FILE, "a certificate's subject cannot be printed");
	long len = BIO_get_mem_data(out, &text);
	size_t kept = (size_t)len < sizeof(ret->subject) ? (size_t)len : sizeof(ret->subject) - 1;
	if (kept)
		memcpy(ret->subject, text, kept);
	return true;
}

bool cert_look(const void *der, size_t len, struct cert_facts *ret, struct err *e)
{
	AUTO(x509) X509 *x = NULL;
	memset(ret, 0, sizeof(*ret));
	if (!ossl_x509(der, len, E_CA_FILE, &x, e))
		return false;
	sha256_of(der, len, ret->sha256);
	if (!EVP_Digest(der, len, ret->sha1, NULL, EVP_sha1(), NULL))
		return ossl_err(e, E_CA_FILE, "thumbprint");
	if (!look_at_common_name(X509_get_subject_name(x), E_CA_FILE, ret->common_name, sizeof(ret->common_name), e) ||
	    !look_at_subject(X509_get_subject_name(x), ret, e) ||
	    !time_ms(X509_get0_notBefore(x), &ret->not_before_ms, e) || !time_ms(X509_get0_notAfter(x), &ret->not_after_ms, e))
		return false;
	ret->self_signed = X509_self_signed(x, 1) == 1;
	ret->is_ca = X509_check_ca(x) == 1;
	ERR_clear_error();	/* of a signature that was not its own */
	return true;
}

bool cert_common_name(const void *file, size_t len, char ret[static CERT_NAME_ROOM], struct err *e)
{
	static const char *const labels[] = {PEM_STRING_X509, PEM_STRING_X509_OLD, NULL};
	AUTO(bytes) struct bytes der = {0};
	AUTO(x509) X509 *x = NULL;
	memset(ret, 0, CERT_NAME_ROOM);
	return pem_first(file, len, labels, E_TEXT, &der, e) && ossl_x509(der.data, der.len, E_TEXT, &x, e) &&
	       look_at_common_name(X509_get_subject_name(x), E_ID_INVALID, ret, CERT_NAME_ROOM, e);
}

/* Reads one block; *ret_end at the end of the file. */
static bool read_block(BIO *in, const char *path, struct bytes *ret, bool *ret_end, struct err *e)
{
	char *name = NULL, *header = NULL;
	unsigned char *data = NULL;
	long len = 0;
	*ret_end = !PEM_read_bio(in, &name, &header, &data, &len);
	if (*ret_end) {
		bool clean = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
		if (!clean)
			return ossl_err(e, E_CA_FILE, "%s is not PEM", path);
		ERR_clear_error();
		return true;
	}
	struct cert_facts facts;
	bool ok = !strcmp(name, PEM_STRING_X509);
	if (!ok)
		err_set(e, E_CA_FILE, "%s holds something else than certificates: %.40s", path, name);
	ok = ok && cert_look(data, (size_t)len, &facts, e) && bytes_set(ret, data, (size_t)len, e);
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_clear_free(data, (size_t)len);
	return ok;
}

static bool read_blocks(const char *path, struct bytes *ret, size_t room, size_t *ret_count, struct err *e)
{
	AUTO(bytes) struct bytes file = {0};
	struct err why = {0};
	if (!file_read(path, &file, &why))
		return err_native(e, E_CA_FILE, why.native, "%s", why.what);
	AUTO(bio) BIO *in = BIO_new_mem_buf(file.data ? (const void *)file.data : "", (int)file.len);
	if (!in)
		return ossl_err(e, E_NOMEM, "%s", path);
	for (;;) {
		AUTO(bytes) struct bytes one = {0};
		bool end;
		if (!read_block(in, path, &one, &end, e))
			return err_in(e, "%s", path);
		if (end)
			return *ret_count > 0 || err_set(e, E_CA_FILE, "%s holds no certificate", path);
		if (*ret_count == room)
			return err_set(e, E_CA_FILE, "%s holds more than %zu certificates", path, room);
		ret[(*ret_count)++] = one;
		one = (struct bytes){0};
	}
}

bool cert_read_pem_file(const char *path, struct bytes *ret, size_t room, size_t *ret_count, struct err *e)
{
	*ret_count = 0;
	if (read_blocks(path, ret, room, ret_count, e))
		return true;
	for (size_t i = 0; i < *ret_count; i++)
		bytes_fini(&ret[i]);
	*ret_count = 0;
	return false;
}

bool cert_to_pem(const void *der, size_t len, struct bytes *ret, struct err *e)
{
	AUTO(x509) X509 *x = NULL;
	AUTO(bio) BIO *out = BIO_new(BIO_s_mem());
	char *text = NULL;
	if (!ossl_x509(der, len, E_CA_FILE, &x, e))
		return false;
	if (!out || !PEM_write_bio(out, PEM_STRING_X509, "", der, (long)len))
		return ossl_err(e, E_NOMEM, "PEM");
	long n = BIO_get_mem_data(out, &text);
	return bytes_add(ret, text, (size_t)n, e);
}

bool cert_key_is_readable(const char *path, bool *ret, struct err *e)
{
	AUTO(bytes) struct bytes file = {.secret = true};
	struct err why = {0};
	*ret = false;
	if (file_read(path, &file, &why)) {
		*ret = pem_has_private_key(&file);
		return true;
	}
	if (why.native == ENOENT || why.native == EACCES || why.native == ENOTDIR)
		return true;
	return err_native(e, E_CA_FILE, why.native, "%s", why.what);
}

static bool push_all(STACK_OF(X509) *stack, const struct bytes *chain, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		AUTO(x509) X509 *x = NULL;
		if (!ossl_x509(chain[i].data, chain[i].len, E_SIGN, &x, e))
			return err_in(e, "certificate %zu of the chain", i + 1);
		if (!sk_X509_push(stack, x))
			return err_set(e, E_NOMEM, "chain");
		x = NULL;
	}
	return true;
}

bool cert_chain_holds(const void *leaf, size_t leaf_len, const struct bytes *chain, size_t chain_count, const void *root,
		      size_t root_len, struct err *e)
{
	AUTO(x509) X509 *end = NULL;
	AUTO(x509) X509 *top = NULL;
	AUTO(x509_stack) STACK_OF(X509) *between = sk_X509_new_null();
	AUTO(x509_store) X509_STORE *store = X509_STORE_new();
	AUTO(x509_store_ctx) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	if (!ossl_x509(leaf, leaf_len, E_SIGN, &end, e) || !ossl_x509(root, root_len, E_SIGN, &top, e))
		return false;
	if (!between || !store || !ctx)
		return ossl_err(e, E_NOMEM, "verifying a chain");
	if (!push_all(between, chain, chain_count, e))
		return false;
	if (!X509_STORE_add_cert(store, top) || !X509_STORE_CTX_init(ctx, store, end, between) ||
	    !X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT))
		return ossl_err(e, E_SIGN, "verifying a chain");
	X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT);
	bool holds = X509_verify_cert(ctx) == 1;
	ERR_clear_error();
	int why = X509_STORE_CTX_get_error(ctx);
	return holds || err_native(e, E_SIGN, why, "the chain does not hold: %s", X509_verify_cert_error_string(why));
}

bool cert_is_for(const void *der, size_t len, const struct key_public *key, const char *common_name)
{
	AUTO(x509) X509 *x = NULL;
	AUTO(bytes) struct bytes here = {0}, there = {0};
	struct key_public own;
	struct cert_facts facts;
	struct err ignored = {0};
	return cert_look(der, len, &facts, &ignored) && !strcmp(facts.common_name, common_name) &&
	       ossl_x509(der, len, E_CA_FILE, &x, &ignored) && ossl_key_public(X509_get0_pubkey(x), &own, &ignored) &&
	       key_spki(&own, &there, &ignored) && key_spki(key, &here, &ignored) && bytes_equal(&here, &there);
}

bool cert_is_of(const struct bytes *leaf, const struct bytes *ca)
{
	AUTO(x509) X509 *below = NULL;
	AUTO(x509) X509 *above = NULL;
	struct err ignored = {0};
	return ossl_x509(leaf->data, leaf->len, E_CA_FILE, &below, &ignored) && ossl_x509(ca->data, ca->len, E_CA_FILE,
											  &above, &ignored) &&
	       X509_check_issued(above, below) == X509_V_OK;
}
