/* SPDX-License-Identifier: Apache-2.0 */
/* What a batch needs of memory, however long it is: from each of so many requests a leaf is issued and written into the audit log, a
 * thousand in a transaction, in a process of its own.
 *	batch.rss	resident at most with 10,000, against that with N; 1 where it does not grow at all
 *	batch.leaves	leaves per second of the processor with N, log included, against a raw verification and a raw signature each
 *
 * bench_memory [--json] [--full | --leaves N] [--dir DIR]: N is 100,000, with --full 1,000,000. */
#include "certs/ca.h"
#include "certs/csr.h"
#include "certs/issue.h"
#include "certs/ossl.h"
#include "db/audit.h"
#include "station/base/text.h"
#include "tests/bench/bench.h"

#include <openssl/rand.h>
#include <openssl/x509.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SMALL 10000
#define LARGE 100000
#define FULL 1000000
#define AT_ONCE 1000
#define REQUESTS 64
#define FLOOR_RSS 0.91	/* a tenth more at most */

struct batch {
	char dir[200], ledger[256];
	struct bytes request[REQUESTS];
	struct bytes chain[2];
	struct keystore store;
	struct issuer ca;
	struct key_checker checker;
};

/* ---- a CA and requests ---- */

static bool open_ca(struct batch *b, struct err *e)
{
	char passphrase[300], path[256];
	size_t count;
	snprintf(path, sizeof(path), "%s/passphrase", b->dir);
	snprintf(passphrase, sizeof(passphrase), "file:%s", path);
	FILE *f = fopen(path, "w");
	if (!f || fputs("bench\n", f) < 0 || fclose(f) != 0 || chmod(path, 0600) < 0)
		return err_errno(e, E_FILE, "%s", path);
	const struct ca_init init = {b->dir, "Bench", "bench.example/station", passphrase, 3650};
	if (!ca_init(&init, e))
		return false;
	snprintf(path, sizeof(path), "%s/chain.pem", b->dir);
	if (!cert_read_pem_file(path, b->chain, COUNT_OF(b->chain), &count, e))
		return false;
	snprintf(path, sizeof(path), "%s/line.key", b->dir);
	return keystore_open_file(path, passphrase, &b->store, e) &&
	       issuer_init(&b->ca, b->chain[0].data, b->chain[0].len, &b->store, e);
}

static bool make_request(struct bytes *ret, struct err *e)
{
	uint8_t *der = NULL;
	AUTO(pkey) EVP_PKEY *key = EVP_EC_gen("P-256");
	X509_REQ *request = X509_REQ_new();
	int len = key && request && X509_REQ_set_pubkey(request, key) == 1 && X509_REQ_sign(request, key, EVP_sha256()) > 0
			  ? i2d_X509_REQ(request, &der) : -1;
	bool ok = len > 0 ? bytes_set(ret, der, (size_t)len, e) : ossl_err(e, E_CSR, "making a request");
	OPENSSL_free(der);
	X509_REQ_free(request);
	return ok;
}

/* ---- the batch ---- */

static bool issue_one(struct batch *b, struct ledger *l, uint64_t n, struct err *e)
{
	struct csr csr;
	struct tbs tbs;
	uint8_t serial[INTENT_SERIAL], der[ISSUE_CERT_MAX], hash[SHA256_SIZE];
	char id[32], hex[2 * SHA256_SIZE + 1];
	size_t len;
	uint64_t index;
	const struct bytes *request = &b->request[n % REQUESTS];
	int64_t now_ms = (int64_t)time(NULL) * 1000;
	if (!csr_parse_with(&b->checker, request->data, request->len, &csr, e))
		return false;
	if (RAND_bytes(serial, sizeof(serial)) != 1)
		return err_set(e, E_SIGN, "random numbers");
	serial[0] = (uint8_t)((serial[0] & 0x7f) | 1);
	snprintf(id, sizeof(id), "unit-%08llu", (unsigned long long)n);
	const struct leaf_order order = {.id = id, .key = &csr.key, .serial = serial, .validity_days = 365};
	if (!issue_build(&b->ca, &order, now_ms, &tbs, e) || !issue_sign(&b->ca, &tbs, der, &len, e))
		return false;
	sha256_of(der, len, hash);
	hex_encode(hash, sizeof(hash), hex);
	json_t *body = json_pack("{s:s, s:s}", "certificate_sha256", hex, "id", id);
	bool ok = body ? audit_append(l, "batch.leaf", "", body, now_ms, &index, e) : err_set(e, E_NOMEM, "audit entry");
	json_decref(body);
	return ok;
}

static bool issue_many(struct batch *b, struct ledger *l, uint64_t from, uint64_t count, struct err *e)
{
	if (!ledger_begin(l, e))
		return false;
	bool ok = true;
	for (uint64_t i = 0; ok && i < count; i++)
		ok = issue_one(b, l, from + i, e);
	if (ok)
		return ledger_commit(l, e);
	ledger_rollback(l);
	return false;
}

static void remove_ledger(const struct batch *b)
{
	static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
	char name[300];
	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		snprintf(name, sizeof(name), "%s%s", b->ledger, ends[i]);
		unlink(name);
	}
}

/* The child's. */
static int issue_all(struct batch *b, uint64_t leaves)
{
	struct ledger *l = NULL;
	struct err e = {0};
	bool ok = ledger_open(b->ledger, "bench.example/station", &l, &e);
	for (uint64_t n = 0; ok && n < leaves; n += AT_ONCE)
		ok = issue_many(b, l, n, AT_ONCE, &e);
	ledger_close(l);
	if (!ok)
		fprintf(stderr, "bench_memory: %s %s\n", err_row(e.code)->code, e.what);
	return ok ? 0 : 2;
}

static bool run(struct batch *b, uint64_t leaves, struct rusage *ret, struct err *e)
{
	int status = 0;
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		_exit(issue_all(b, leaves));
	if (pid < 0 || wait4(pid, &status, 0, ret) != pid)
		return err_errno(e, E_FILE, "a process");
	remove_ledger(b);
	return status == 0 || err_set(e, E_SIGN, "the batch of %llu failed", (unsigned long long)leaves);
}

/* ---- the limit ---- */

static double cpu_s(const struct rusage *r)
{
	return (double)r->ru_utime.tv_sec + (double)r->ru_stime.tv_sec + ((double)r->ru_utime.tv_usec + (double)r->ru_stime.tv_usec) / 1e6;
}

/* Raw verifications and signatures per second of the processor. */
static bool run_raw(double *ret, struct err *e)
{
	uint8_t digest[SHA256_SIZE] = {1}, signature[80];
	size_t len = sizeof(signature), made_len;
	AUTO(pkey) EVP_PKEY *key = EVP_EC_gen("P-256");
	AUTO(pkey_ctx) EVP_PKEY_CTX *sign = key ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL) : NULL;
	AUTO(pkey_ctx) EVP_PKEY_CTX *verify = key ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL) : NULL;
	bool ok = sign && verify && EVP_PKEY_sign_init(sign) == 1 && EVP_PKEY_verify_init(verify) == 1 &&
		  EVP_PKEY_sign(sign, signature, &len, digest, sizeof(digest)) == 1;
	struct rusage before, after;
	getrusage(RUSAGE_SELF, &before);
	for (int i = 0; ok && i < SMALL; i++) {
		uint8_t made[sizeof(signature)];
		made_len = sizeof(made);
		ok = EVP_PKEY_verify(verify, signature, len, digest, sizeof(digest)) == 1 &&
		     EVP_PKEY_sign(sign, made, &made_len, digest, sizeof(digest)) == 1;
	}
	getrusage(RUSAGE_SELF, &after);
	*ret = SMALL / (cpu_s(&after) - cpu_s(&before));
	return ok || ossl_err(e, E_SIGN, "raw verification and signature");
}

static bool measure(struct batch *b, uint64_t leaves, bool json, bool *good, struct err *e)
{
	struct rusage small, large;
	double before, after;
	if (!run(b, SMALL, &small, e) || !run_raw(&before, e) || !run(b, leaves, &large, e) || !run_raw(&after, e))
		return false;
	char against[64];
	snprintf(against, sizeof(against), "a batch of %llu", (unsigned long long)leaves);
	*good &= bench_print(&(struct bench){"batch.rss", (double)small.ru_maxrss / 1024, "MiB of 10000", against, (double)large.ru_maxrss / 1024,
					     FLOOR_RSS}, json);
	*good &= bench_print(&(struct bench){"batch.leaves", (double)leaves / cpu_s(&large), "leaves/cpu-s", "raw P-256 verify + sign",
					     (before + after) / 2, 0}, json);
	return true;
}

static void close_batch(struct batch *b)
{
	static const char *const files[] = {"root.key", "root.pem", "line.key", "line.pem", "chain.pem", "log.key", "log.vkey", "passphrase"};
	char path[300];
	issuer_fini(&b->ca);
	key_checker_fini(&b->checker);
	keystore_close(&b->store);
	bytes_fini(&b->chain[0]);
	bytes_fini(&b->chain[1]);
	for (size_t i = 0; i < REQUESTS; i++)
		bytes_fini(&b->request[i]);
	remove_ledger(b);
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", b->dir, files[i]);
		unlink(path);
	}
	rmdir(b->dir);
}

int main(int argc, char **argv)
{
	struct batch b = {0};
	struct err e = {0};
	const char *where = ".";
	uint64_t leaves = LARGE;
	bool good = true;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--full"))
			leaves = FULL;
		else if (!strcmp(argv[i], "--leaves") && i + 1 < argc)
			leaves = strtoull(argv[++i], NULL, 10) / AT_ONCE * AT_ONCE;
		else if (!strcmp(argv[i], "--dir") && i + 1 < argc)
			where = argv[++i];
	}
	snprintf(b.dir, sizeof(b.dir), "%.150s/bench-memory-XXXXXX", where);
	if (!mkdtemp(b.dir)) {
		fprintf(stderr, "bench_memory: no directory %s\n", b.dir);
		return 2;
	}
	snprintf(b.ledger, sizeof(b.ledger), "%s/ledger.db", b.dir);
	bool ok = open_ca(&b, &e);
	for (size_t i = 0; ok && i < REQUESTS; i++)
		ok = make_request(&b.request[i], &e);
	ok = ok && measure(&b, leaves, bench_wants_json(argc, argv), &good, &e);
	if (e.code)
		fprintf(stderr, "bench_memory: %s %s\n", err_row(e.code)->code, e.what);
	close_batch(&b);
	return !ok ? 2 : good ? 0 : 1;
}
