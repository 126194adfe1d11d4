/* SPDX-License-Identifier: Apache-2.0 */
/* One turn of issuing from certificate requests, by the processor's time: bench_peers DIR own|stock LEAVES
 *
 * A request is read, its signature checked, and a leaf built and signed for its key, DER in and DER out, by a CA that was loaded
 * once. own: as the station does it. stock: by the X509 functions of libcrypto, as a program would that takes them as they are.
 * DIR holds ca.pem, ca.key (encrypted with the file passphrase), requests 0.der to 99.der. Prints leaves per second of the
 * processor. run_bench_peers.py makes DIR, lets other programs take their turns, and compares. */
#include "certs/ca.h"
#include "certs/csr.h"
#include "certs/issue.h"
#include "certs/ossl.h"
#include "station/base/file.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REQUESTS 100
#define WARM 20
#define DAYS 365

struct turn {
	struct bytes request[REQUESTS];
	struct bytes ca_der;
	struct keystore store;
	struct issuer ca;
	struct key_checker checker;
	X509 *stock_ca;
	EVP_PKEY *stock_key;
};

static bool own_leaf(struct turn *t, const struct bytes *request, struct err *e)
{
	struct csr csr;
	struct tbs tbs;
	uint8_t serial[INTENT_SERIAL], der[ISSUE_CERT_MAX];
	size_t len;
	if (!csr_parse_with(&t->checker, request->data, request->len, &csr, e))
		return false;
	if (RAND_bytes(serial, sizeof(serial)) != 1)
		return err_set(e, E_SIGN, "random numbers");
	serial[0] = (uint8_t)((serial[0] & 0x7f) | 1);
	const struct leaf_order order = {.id = csr.common_name, .key = &csr.key, .serial = serial, .validity_days = DAYS};
	return issue_build(&t->ca, &order, (int64_t)time(NULL) * 1000, &tbs, e) && issue_sign(&t->ca, &tbs, der, &len, e);
}

static bool add_extensions(X509 *leaf, X509 *ca)
{
	static const struct { int nid; const char *value; } extensions[] = {
		{NID_basic_constraints, "critical,CA:FALSE"}, {NID_key_usage, "critical,digitalSignature"},
		{NID_ext_key_usage, "clientAuth"}, {NID_subject_key_identifier, "hash"}, {NID_authority_key_identifier, "keyid"}};
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, ca, leaf, NULL, NULL, 0);
	for (size_t i = 0; i < COUNT_OF(extensions); i++) {
		X509_EXTENSION *x = X509V3_EXT_conf_nid(NULL, &ctx, extensions[i].nid, extensions[i].value);
		bool ok = x && X509_add_ext(leaf, x, -1) == 1;
		X509_EXTENSION_free(x);
		if (!ok)
			return false;
	}
	return true;
}

static bool stock_fill(struct turn *t, X509 *leaf, X509_REQ *request)
{
	uint8_t serial[INTENT_SERIAL];
	BIGNUM *number = NULL;
	bool ok = RAND_bytes(serial, sizeof(serial)) == 1;
	serial[0] = (uint8_t)((serial[0] & 0x7f) | 1);
	ok = ok && (number = BN_bin2bn(serial, sizeof(serial), NULL)) != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(leaf)) &&
	     X509_set_version(leaf, X509_VERSION_3) == 1 && X509_set_subject_name(leaf, X509_REQ_get_subject_name(request)) == 1 &&
	     X509_set_issuer_name(leaf, X509_get_subject_name(t->stock_ca)) == 1 && X509_gmtime_adj(X509_getm_notBefore(leaf), 0) &&
	     X509_gmtime_adj(X509_getm_notAfter(leaf), DAYS * 86400L) && X509_set_pubkey(leaf, X509_REQ_get0_pubkey(request)) == 1 &&
	     add_extensions(leaf, t->stock_ca);
	BN_free(number);
	return ok;
}

static bool stock_leaf(struct turn *t, const struct bytes *request, struct err *e)
{
	const uint8_t *p = request->data;
	uint8_t *der = NULL;
	X509_REQ *csr = d2i_X509_REQ(NULL, &p, (long)request->len);
	X509 *leaf = X509_new();
	bool ok = csr && leaf && X509_REQ_verify(csr, X509_REQ_get0_pubkey(csr)) == 1 && stock_fill(t, leaf, csr) &&
		  X509_sign(leaf, t->stock_key, EVP_sha256()) > 0 && i2d_X509(leaf, &der) > 0;
	OPENSSL_free(der);
	X509_free(leaf);
	X509_REQ_free(csr);
	return ok || ossl_err(e, E_SIGN, "a leaf by the X509 functions");
}

static int give_passphrase(char *out, int room, int writing, void *path)
{
	(void)writing;
	AUTO(bytes) struct bytes text = {.secret = true};
	struct err ignored = {0};
	if (!file_read(path, &text, &ignored) || !text.len || text.len > (size_t)room)
		return -1;
	int len = (int)text.len - (text.data[text.len - 1] == '\n');
	memcpy(out, text.data, (size_t)len);
	return len;
}

static bool open_stock(struct turn *t, const char *dir, struct err *e)
{
	char key[PATH_MAX], passphrase[PATH_MAX];
	const uint8_t *p = t->ca_der.data;
	snprintf(key, sizeof(key), "%s/ca.key", dir);
	snprintf(passphrase, sizeof(passphrase), "%s/passphrase", dir);
	FILE *f = fopen(key, "r");
	if (!f)
		return err_errno(e, E_FILE, "%s", key);
	t->stock_key = PEM_read_PrivateKey(f, NULL, give_passphrase, passphrase);
	t->stock_ca = d2i_X509(NULL, &p, (long)t->ca_der.len);
	fclose(f);
	return (t->stock_key && t->stock_ca) || ossl_err(e, E_CA_FILE, "%s", key);
}

static bool open_own(struct turn *t, const char *dir, struct err *e)
{
	char key[PATH_MAX], passphrase[PATH_MAX];
	snprintf(key, sizeof(key), "%s/ca.key", dir);
	snprintf(passphrase, sizeof(passphrase), "file:%s/passphrase", dir);
	return keystore_open_file(key, passphrase, &t->store, e) && issuer_init(&t->ca, t->ca_der.data, t->ca_der.len, &t->store, e);
}

static bool open_turn(struct turn *t, const char *dir, struct err *e)
{
	char path[PATH_MAX];
	size_t count;
	for (int i = 0; i < REQUESTS; i++) {
		snprintf(path, sizeof(path), "%s/%d.der", dir, i);
		if (!file_read(path, &t->request[i], e))
			return false;
	}
	snprintf(path, sizeof(path), "%s/ca.pem", dir);
	return cert_read_pem_file(path, &t->ca_der, 1, &count, e) && open_own(t, dir, e) && open_stock(t, dir, e);
}

static uint64_t cpu_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool run(struct turn *t, bool own, int leaves, struct err *e)
{
	uint64_t begin = 0;
	for (int i = -WARM; i < leaves; i++) {
		if (i == 0)
			begin = cpu_ns();
		const struct bytes *request = &t->request[(i + WARM) % REQUESTS];
		if (!(own ? own_leaf(t, request, e) : stock_leaf(t, request, e)))
			return false;
	}
	printf("%.1f\n", leaves * 1e9 / (double)(cpu_ns() - begin));
	return true;
}

static void close_turn(struct turn *t)
{
	X509_free(t->stock_ca);
	EVP_PKEY_free(t->stock_key);
	key_checker_fini(&t->checker);
	issuer_fini(&t->ca);
	key_checker_fini(&t->checker);
	keystore_close(&t->store);
	bytes_fini(&t->ca_der);
	for (int i = 0; i < REQUESTS; i++)
		bytes_fini(&t->request[i]);
}

int main(int argc, char **argv)
{
	struct turn t = {0};
	struct err e = {0};
	if (argc != 4 || (strcmp(argv[2], "own") && strcmp(argv[2], "stock")) || atoi(argv[3]) < 1) {
		fprintf(stderr, "bench_peers DIR own|stock LEAVES\n");
		return 2;
	}
	bool ok = open_turn(&t, argv[1], &e) && run(&t, !strcmp(argv[2], "own"), atoi(argv[3]), &e);
	if (!ok)
		fprintf(stderr, "bench_peers: %s %s\n", err_row(e.code)->code, e.what);
	close_turn(&t);
	return ok ? 0 : 1;
}
