/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/peer.h"

#include "certs/ossl.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

static void name_print(const X509_NAME *name, char *out, size_t room)
{
	AUTO(bio) BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	if (!bio || X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) < 0)
		return;
	long len = BIO_get_mem_data(bio, &text);
	snprintf(out, room, "%.*s", (int)len, text);
}

static void note(struct peer_seen *seen, X509_STORE_CTX *store)
{
	int code = X509_STORE_CTX_get_error(store);
	const X509 *own = X509_STORE_CTX_get0_cert(store);
	if (*seen->why)
		return;
	snprintf(seen->why, sizeof(seen->why), "%s", X509_verify_cert_error_string(code));
	seen->is_of_time = code == X509_V_ERR_CERT_NOT_YET_VALID || code == X509_V_ERR_CERT_HAS_EXPIRED;
	if (!own)
		return;
	name_print(X509_get_subject_name(own), seen->subject, sizeof(seen->subject));
	name_print(X509_get_issuer_name(own), seen->issuer, sizeof(seen->issuer));
}

/* OpenSSL's own judgement stands. */
static int look_on(int good, X509_STORE_CTX *store)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct peer_seen *seen = ssl ? SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)) : NULL;
	if (!good && seen)
		note(seen, store);
	return good;
}

void peer_watch(void *ssl_ctx, struct peer_seen *seen)
{
	memset(seen, 0, sizeof(*seen));
	SSL_CTX_set_app_data((SSL_CTX *)ssl_ctx, seen);
	SSL_CTX_set_verify(ssl_ctx, SSL_CTX_get_verify_mode(ssl_ctx), look_on);
}
