/* SPDX-License-Identifier: Apache-2.0 */
/* Endorsement keys and certificates read per second from 8 software TPMs at once, one thread each, against the best number of
 * threads in the same run: does the door to the TPM stand in its own way when many slots use it? Arguments: 8 sockets of swtpm.
 *
 * Each read is judged by its bytes: what a TPM gives must be what it gave first. */
#include "drivers/tpm.h"
#include "station/base/clock.h"
#include "tests/bench/bench.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <tss2/tss2_tcti_swtpm.h>

#define TPMS 8
#define READS 2400	/* in one turn, shared among its threads */
#define ROUNDS 9
#define FLOOR 0.95

struct reader {
	TSS2_TCTI_CONTEXT *tcti;
	struct tpm tpm;
	struct tpm_public ek;	/* as it was first */
	struct bytes cert;
	unsigned reads;
	struct err err;
};

static bool read_both(struct tpm *tpm, struct tpm_public *ek, struct bytes *cert, struct err *e)
{
	tpm_begin(tpm, clock_steady_ms() + 5000);
	return tpm_read_public(tpm, TPM_EK_HANDLE, ek, e) && tpm_read_nv(tpm, TPM_EK_CERT_INDEX, cert, e);
}

static bool reader_open(struct reader *r, const char *socket, struct err *e)
{
	size_t size = 0;
	char conf[256];
	snprintf(conf, sizeof(conf), "path=%s", socket);
	TSS2_RC rc = Tss2_Tcti_Swtpm_Init(NULL, &size, conf);
	r->tcti = rc == TSS2_RC_SUCCESS ? calloc(1, size) : NULL;
	if (!r->tcti || Tss2_Tcti_Swtpm_Init(r->tcti, &size, conf) != TSS2_RC_SUCCESS)
		return err_set(e, E_TPM, "no swtpm at %s", socket);
	if (!tpm_open(&r->tpm, r->tcti, NULL, clock_steady_ms() + 5000, e) || !read_both(&r->tpm, &r->ek, &r->cert, e))
		return err_in(e, "%s", socket);
	return (r->ek.len && r->cert.len) || err_set(e, E_EK_MISSING, "%s", socket);
}

static void reader_close(struct reader *r)
{
	tpm_close(&r->tpm);
	if (r->tcti)
		Tss2_Tcti_Finalize(r->tcti);
	free(r->tcti);
	bytes_fini(&r->cert);
}

static void *reader_run(void *ctx)
{
	struct reader *r = ctx;
	struct tpm_public ek;
	AUTO(bytes) struct bytes cert = {.max = EVIDENCE_MAX};
	for (unsigned i = 0; i < r->reads; i++) {
		bytes_clear(&cert);
		if (!read_both(&r->tpm, &ek, &cert, &r->err))
			return NULL;
		if (ek.len != r->ek.len || memcmp(ek.data, r->ek.data, ek.len) != 0 || !bytes_equal(&cert, &r->cert)) {
			err_set(&r->err, E_TPM_GARBAGE, "another EK than before");
			return NULL;
		}
	}
	return NULL;
}

/* Reads per second with n threads; 0 on failure. */
static double turn(struct reader *readers, unsigned n)
{
	pthread_t threads[TPMS];
	bool ok = true;
	uint64_t before_ns = bench_now_ns();
	for (unsigned i = 0; i < n; i++) {
		readers[i].reads = READS / n;
		if (pthread_create(&threads[i], NULL, reader_run, &readers[i]) != 0)
			exit(1);
	}
	for (unsigned i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	uint64_t took_ns = bench_now_ns() - before_ns;
	for (unsigned i = 0; i < n; i++) {
		if (readers[i].err.code != E_NONE)
			fprintf(stderr, "%s\n", readers[i].err.what);
		ok = ok && readers[i].err.code == E_NONE;
	}
	return ok ? READS * 1e9 / (double)took_ns : 0;
}

static bool measure(struct reader *readers, bool json)
{
	static const unsigned parallel[] = {1, 2, 4, TPMS};
	double rates[COUNT_OF(parallel)][ROUNDS], best = 0, all = 0;
	char against[64] = "";
	for (unsigned round = 0; round < ROUNDS; round++)
		for (size_t k = 0; k < COUNT_OF(parallel); k++)
			if ((rates[k][round] = turn(readers, parallel[k])) <= 0)
				return false;
	for (size_t k = 0; k < COUNT_OF(parallel); k++) {
		all = bench_median(rates[k], ROUNDS);
		if (all <= best)
			continue;
		best = all;
		snprintf(against, sizeof(against), "best of 1, 2, 4, 8 threads: %u", parallel[k]);
	}
	const struct bench b = {"drivers.ek_8", all, "EKs/s", against, best, FLOOR};
	return bench_print(&b, json);
}

int main(int argc, char **argv)
{
	static struct reader readers[TPMS];
	struct err e = {0};
	bool ok = true;
	unsigned count = 0;
	for (int i = 1; i < argc && ok && count < TPMS; i++)
		if (argv[i][0] != '-')
			ok = reader_open(&readers[count++], argv[i], &e);
	if (ok && count < TPMS)
		ok = err_set(&e, E_TPM, "%u sockets of swtpm, not %d", count, TPMS);
	if (!ok)
		fprintf(stderr, "%s\n", e.what);
	ok = ok && measure(readers, bench_wants_json(argc, argv));
	for (unsigned i = 0; i < count; i++)
		reader_close(&readers[i]);
	return ok ? 0 : 1;
}
