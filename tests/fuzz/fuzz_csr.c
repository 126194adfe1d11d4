/* SPDX-License-Identifier: Apache-2.0 */
/* Certificate requests and public keys as strangers encode them, and the files in which people keep them. The first byte says which reader
 * gets the rest.
 *
 * What is taken must be one key: written in our one form and read again it is the same, and libcrypto, whose reader is another one, sees
 * the same key and, in a request, a signature by it. */
#include "certs/ca.h"
#include "certs/csr.h"
#include "certs/der.h"
#include "certs/der_read.h"
#include "certs/ossl.h"
#include "certs/spki.h"
#include "station/base/text.h"

#include <openssl/err.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool what)
{
	if (!what)
		abort();
}

static void key_is_one(const struct key_public *key)
{
	AUTO(bytes) struct bytes spki = {0};
	struct key_public again;
	struct err e = {0};
	must(key_is_sound(key, &e) && key_spki(key, &spki, &e) && spki_parse(spki.data, spki.len, E_CSR, &again, &e));
	must(!memcmp(key, &again, sizeof(again)));
}

static void libcrypto_sees(EVP_PKEY *theirs, const struct key_public *key)
{
	AUTO(pkey) EVP_PKEY *ours = NULL;
	struct err e = {0};
	must(theirs && ossl_pkey(key, &ours, &e) && EVP_PKEY_eq(theirs, ours) == 1);
}

static void read_spki(const uint8_t *data, size_t len)
{
	const uint8_t *end = data;
	struct key_public key;
	struct err e = {0};
	bool taken = spki_parse(data, len, E_CSR, &key, &e);
	must(taken ? e.code == E_NONE : e.code == E_CSR || e.code == E_KEY_WEAK);
	if (!taken)
		return;
	AUTO(pkey) EVP_PKEY *theirs = d2i_PUBKEY(NULL, &end, (long)len);
	must(end == data + len);
	libcrypto_sees(theirs, &key);
	key_is_one(&key);
}

static void read_csr(const uint8_t *data, size_t len)
{
	const uint8_t *end = data;
	struct csr csr;
	struct err e = {0};
	bool taken = csr_parse(data, len, &csr, &e);
	must(taken ? e.code == E_NONE : e.code == E_CSR || e.code == E_KEY_WEAK);
	if (!taken)
		return;
	must(der_is_canonical(data, len, DER_SEQUENCE) && text_is_printable(csr.challenge, strnlen(csr.challenge, sizeof(csr.challenge))));
	must(memchr(csr.common_name, '\0', sizeof(csr.common_name)) && text_is_printable(csr.common_name, strlen(csr.common_name)));
	X509_REQ *theirs = d2i_X509_REQ(NULL, &end, (long)len);
	must(theirs && end == data + len && X509_REQ_verify(theirs, X509_REQ_get0_pubkey(theirs)) == 1);
	libcrypto_sees(X509_REQ_get0_pubkey(theirs), &csr.key);
	X509_REQ_free(theirs);
	key_is_one(&csr.key);
}

static void read_csr_file(const uint8_t *data, size_t len)
{
	AUTO(bytes) struct bytes der = {0};
	struct err e = {0};
	bool taken = csr_from_file(data, len, &der, &e);
	must(taken ? e.code == E_NONE && der.len > 0 : e.code == E_CSR);
	if (taken)
		read_csr(der.data, der.len);
}

static void read_cert_file(const uint8_t *data, size_t len)
{
	char name[CERT_NAME_ROOM];
	struct err e = {0};
	bool taken = cert_common_name(data, len, name, &e);
	must(taken ? e.code == E_NONE && memchr(name, '\0', sizeof(name)) : e.code == E_TEXT || e.code == E_ID_INVALID);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const readers[])(const uint8_t *, size_t) = {read_csr, read_spki, read_csr_file, read_cert_file};
	if (len)
		readers[data[0] % COUNT_OF(readers)](data + 1, len - 1);
	must(!ERR_peek_error());	/* what libcrypto had to say was heard */
	return 0;
}
