/* SPDX-License-Identifier: Apache-2.0 */
/* What a leaf costs beside its cryptography, like against like, in one process, in turns, by
 * processor time.
 *
 * certs.leaf: the device's signature checked (as the judge does, who is new for every unit) and a leaf
 * issued, against one raw verification and one raw signature of libcrypto's P-256 with contexts kept.
 * certs.leaf_request: of a batch of requests, one read whole and its signature checked, and the leaf
 * issued, against the same. certs.leaf_signer: only the signer's half, against the raw signature
 * alone. certs.leaf_rsa2048 and _rsa3072: as certs.leaf_request, under a CA of that kind. The signer's writes to disk are in none of them. */
#include "certs/ca.h"
#include "certs/csr.h"
#include "certs/issue.h"
#include "certs/ossl.h"
#include "tests/bench/bench.h"

#include <openssl/rand.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define ROUNDS 9
#define DAYS 365

struct round {
	int turn;		/* leaves per turn */
	struct keystore store;
	struct issuer ca;
	EVP_PKEY_CTX *verify;	/* of the device's key */
	struct key_public device;
	uint8_t digest[SHA256_SIZE];
	struct keystore_signature signature;	/* by the device, as DER and as numbers */
	struct key_signature numbers;
	uint8_t request[1024];	/* of the device */
	size_t request_len;
	struct key_checker checker;
	struct bytes chain[2];
};

static uint64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool sign_once(struct round *r, const struct key_public *key, const uint8_t *serial, int64_t now_ms, struct err *e)
{
	uint8_t der[ISSUE_CERT_MAX];
	struct tbs tbs;
	size_t len;
	const struct leaf_order order = {.id = "6rek5qncnygnkzflohxz4u6zlfly6ktm4klsc7xrbgvesqyllnfa", .key = key, .serial = serial,
					 .validity_days = DAYS};
	return issue_build(&r->ca, &order, now_ms, &tbs, e) && issue_sign(&r->ca, &tbs, der, &len, e);
}

static bool issue_once(struct round *r, const struct key_public *key, int64_t now_ms, struct err *e)
{
	uint8_t serial[INTENT_SERIAL];
	if (RAND_bytes(serial, sizeof(serial)) != 1)
		return err_set(e, E_SIGN, "random numbers");
	serial[0] = (uint8_t)((serial[0] & 0x7f) | 1);
	return sign_once(r, key, serial, now_ms, e);
}

static bool leaf_once(struct round *r, int64_t now_ms, struct err *e)
{
	if (!key_signed(&r->device, r->digest, &r->numbers))
		return err_set(e, E_SIGN, "the device's signature");
	return issue_once(r, &r->device, now_ms, e);
}

static bool request_once(struct round *r, int64_t now_ms, struct err *e)
{
	struct csr csr;
	return csr_parse_with(&r->checker, r->request, r->request_len, &csr, e) && issue_once(r, &csr.key, now_ms, e);
}

static bool signer_once(struct round *r, int64_t now_ms, struct err *e)
{
	static const uint8_t serial[INTENT_SERIAL] = {0x35, 0x17};	/* the line draws it */
	return sign_once(r, &r->device, serial, now_ms, e);
}

static bool raw_sign(struct round *r, int64_t now_ms, struct err *e)
{
	struct keystore_signature made;
	return keystore_sign(&r->store, r->digest, &made, e);
}

static bool raw_both(struct round *r, int64_t now_ms, struct err *e)
{
	if (EVP_PKEY_verify(r->verify, r->signature.data, r->signature.len, r->digest, sizeof(r->digest)) != 1)
		return err_set(e, E_SIGN, "raw verification");
	return raw_sign(r, now_ms, e);
}

typedef bool work(struct round *r, int64_t now_ms, struct err *e);

static bool per_second(struct round *r, work *once, double *ret, struct err *e)
{
	int64_t now_ms = (int64_t)time(NULL) * 1000;
	uint64_t start = cpu_ns();
	for (int i = 0; i < r->turn; i++)
		if (!once(r, now_ms, e))
			return false;
	*ret = r->turn * 1e9 / (double)(cpu_ns() - start);
	return true;
}

struct row {
	const char *name;
	work *own;
	const char *against;
	work *raw;
	double floor;
};

static bool measure(struct round *r, const struct row *row, bool json, struct err *e)
{
	double ours[ROUNDS], limit[ROUNDS];
	for (int i = -1; i < ROUNDS; i++) {	/* the first to get warm */
		int at = i < 0 ? 0 : i;
		if (!per_second(r, row->own, &ours[at], e) || !per_second(r, row->raw, &limit[at], e))
			return false;
	}
	const double medians[] = {bench_median(ours, ROUNDS), bench_median(limit, ROUNDS)};
	return bench_print(&(struct bench){row->name, medians[0], "leaves/cpu-s", row->against, medians[1], row->floor}, json);
}

static bool measure_p256(struct round *r, bool json, struct err *e)
{
	static const struct row rows[] = {
		{"certs.leaf", leaf_once, "raw P-256 verify + sign", raw_both, 0.85},
		{"certs.leaf_request", request_once, "raw P-256 verify + sign", raw_both, 0.90},
		{"certs.leaf_signer", signer_once, "raw P-256 sign", raw_sign, 0.80},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (!measure(r, &rows[i], json, e))
			return false;
	return true;
}

static bool open_ca(struct round *r, const char *dir, struct err *e)
{
	char passphrase[160], path[128];
	size_t count;
	snprintf(path, sizeof(path), "%s/passphrase", dir);
	snprintf(passphrase, sizeof(passphrase), "file:%s", path);
	FILE *f = fopen(path, "w");
	if (!f || fputs("bench\n", f) < 0 || fclose(f) != 0 || chmod(path, 0600) < 0)
		return err_errno(e, E_FILE, "%s", path);
	const struct ca_init init = {dir, "Bench", "bench.example/station", passphrase, 3650};
	if (!ca_init(&init, e))
		return false;
	snprintf(path, sizeof(path), "%s/chain.pem", dir);
	if (!cert_read_pem_file(path, r->chain, COUNT_OF(r->chain), &count, e))
		return false;
	snprintf(path, sizeof(path), "%s/line.key", dir);
	return keystore_open_file(path, passphrase, &r->store, e) &&
	       issuer_init(&r->ca, r->chain[0].data, r->chain[0].len, &r->store, e);
}

/* A CA of its own, self-signed, with an RSA key. */
static bool open_rsa_ca(struct round *r, const char *dir, int bits, struct err *e)
{
	char command[768], path[128], passphrase[160];
	size_t count;
	snprintf(command, sizeof(command), "cd %s && openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:%d -aes-256-cbc "
		 "-pass file:passphrase -out rsa.key 2>/dev/null && chmod 600 rsa.key && openssl req -x509 -key rsa.key -passin "
		 "file:passphrase -subj /CN=Bench -days 3650 -addext basicConstraints=critical,CA:true,pathlen:0 -addext "
		 "keyUsage=critical,keyCertSign -out rsa.pem", dir, bits);
	if (system(command) != 0)
		return err_set(e, E_CA_FILE, "making an RSA CA");
	snprintf(path, sizeof(path), "%s/rsa.pem", dir);
	snprintf(passphrase, sizeof(passphrase), "file:%s/passphrase", dir);
	bytes_fini(&r->chain[0]);
	if (!cert_read_pem_file(path, r->chain, 1, &count, e))
		return false;
	snprintf(path, sizeof(path), "%s/rsa.key", dir);
	issuer_fini(&r->ca);
	keystore_close(&r->store);
	return keystore_open_file(path, passphrase, &r->store, e) &&
	       issuer_init(&r->ca, r->chain[0].data, r->chain[0].len, &r->store, e);
}

/* The device signs once; its signature is what every round checks. */
static bool device_signs(struct round *r, EVP_PKEY *device, struct err *e)
{
	const uint8_t *p = r->signature.data;
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, device, NULL);
	r->signature.len = sizeof(r->signature.data);
	memset(r->digest, 0x5a, sizeof(r->digest));
	if (!ctx || EVP_PKEY_sign_init(ctx) <= 0 ||
	    EVP_PKEY_sign(ctx, r->signature.data, &r->signature.len, r->digest, sizeof(r->digest)) <= 0)
		return ossl_err(e, E_SIGN, "the device's signature");
	AUTO(ecdsa_sig) ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)r->signature.len);
	return (sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), r->numbers.r, 32) == 32 &&
		BN_bn2binpad(ECDSA_SIG_get0_s(sig), r->numbers.s, 32) == 32) || ossl_err(e, E_SIGN, "the device's signature");
}

/* With what a request usually says: a name and a challenge password. */
static bool device_asks(struct round *r, EVP_PKEY *device, struct err *e)
{
	uint8_t *end = r->request;
	const uint8_t name[] = "SER0001", nonce[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	X509_REQ *q = X509_REQ_new();
	bool ok = q && X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(q), NID_commonName, MBSTRING_ASC, name, -1, -1, 0) == 1 &&
		  X509_REQ_set_pubkey(q, device) == 1 &&
		  X509_REQ_add1_attr_by_NID(q, NID_pkcs9_challengePassword, MBSTRING_ASC, nonce, -1) == 1 &&
		  X509_REQ_sign(q, device, EVP_sha256()) > 0 && i2d_X509_REQ(q, NULL) <= (int)sizeof(r->request) &&
		  (r->request_len = (size_t)i2d_X509_REQ(q, &end)) > 0;
	X509_REQ_free(q);
	return ok || ossl_err(e, E_CSR, "the device's request");
}

static bool open_device(struct round *r, struct err *e)
{
	AUTO(pkey) EVP_PKEY *device = EVP_EC_gen("P-256");
	AUTO(pkey) EVP_PKEY *public = NULL;
	if (!device || !ossl_key_public(device, &r->device, e) || !ossl_pkey(&r->device, &public, e))
		return ossl_err(e, E_SIGN, "making keys");
	r->verify = EVP_PKEY_CTX_new_from_pkey(NULL, public, NULL);
	if (!r->verify || EVP_PKEY_verify_init(r->verify) <= 0)
		return ossl_err(e, E_SIGN, "verification");
	return device_signs(r, device, e) && device_asks(r, device, e);
}

static void remove_files(const char *dir)
{
	static const char *const files[] = {"root.key", "root.pem", "line.key", "line.pem", "chain.pem", "log.key", "log.vkey", "rsa.key", "rsa.pem",
					   "passphrase"};
	char path[128];
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/bench-issue-XXXXXX";
	struct round r = {.turn = 400};
	struct err e = {0};
	bool ok = mkdtemp(dir) != NULL;
	if (ok) {
		bool json = bench_wants_json(argc, argv);
		ok = open_ca(&r, dir, &e) && open_device(&r, &e) && measure_p256(&r, json, &e);
		r.turn = 100;
		const struct row rsa_2048 = {"certs.leaf_rsa2048", request_once, "raw P-256 verify + RSA-2048 sign", raw_both, 0.95};
		ok = ok && open_rsa_ca(&r, dir, 2048, &e) && measure(&r, &rsa_2048, json, &e);
		r.turn = 25;
		const struct row rsa_3072 = {"certs.leaf_rsa3072", request_once, "raw P-256 verify + RSA-3072 sign", raw_both, 0.98};
		ok = ok && open_rsa_ca(&r, dir, 3072, &e) && measure(&r, &rsa_3072, json, &e);
		remove_files(dir);
	}
	if (e.code)
		fprintf(stderr, "bench_issue: %s\n", e.what);
	key_checker_fini(&r.checker);
	EVP_PKEY_CTX_free(r.verify);
	issuer_fini(&r.ca);
	keystore_close(&r.store);
	bytes_fini(&r.chain[0]);
	bytes_fini(&r.chain[1]);
	return ok ? 0 : 1;
}
