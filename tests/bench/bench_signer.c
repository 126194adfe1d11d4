/* SPDX-License-Identifier: Apache-2.0 */
/* What a leaf costs that is asked of the signer's own process, by the clock on the wall.
 *
 * signer.asked: a leaf that was signed before is asked for again, which needs no write to disk, against the same question to a signer
 * in this process: what the way there and back costs. signer.leaf: a new leaf, each in turn with the least that it can take: its
 * memory's size written over and synced, and a raw signature. */
#include "certs/signer.h"
#include "certs/ossl.h"
#include "station/base/clock.h"
#include "station/base/wire.h"
#include "tests/bench/bench.h"
#include "tests/certs/desk.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 9
#define TURN 200	/* leaves asked for again, per round */
#define NEW 60		/* new leaves: the log in memory holds no more */
#define MEMORY 3072	/* of signer.state, one slot */
#define ANSWER_MS 20000

struct place {
	struct desk desk;
	struct fake_log log;
	struct leaf_request request;
	struct signer *signer;	/* in this process; else fd and pid */
	int fd;
	pid_t pid;
};

static bool ask(struct place *p, struct err *e)
{
	struct leaf_reply leaf;
	if (p->signer)
		return signer_leaf(p->signer, &p->request, clock_wall_ms(), &leaf, e);
	return signer_client_leaf(p->fd, clock_steady_ms() + ANSWER_MS, &p->request, &leaf, e);
}

/* The next entry of the log is an intent of its own. */
static void next_intent(struct place *p)
{
	uint64_t head = p->request.receipt.size;
	intent_make(&p->request.intent, "unit-1");
	log_receipt(&p->log, &p->request.intent, head, &p->request.receipt);
}

static bool place_open(struct place *p, bool child, struct err *e)
{
	struct signer_info info;
	int pair[2];
	desk_open(&p->desk);
	if (!child)
		return signer_open(&p->desk.setup, &p->signer, e);
	if (!wire_pair(pair, e))
		return false;
	p->pid = fork();
	if (!p->pid) {
		close(pair[0]);
		signer_child(pair[1], &p->desk.setup);
	}
	close(pair[1]);
	p->fd = pair[0];
	return p->pid > 0 && signer_client_ready(p->fd, clock_steady_ms() + ANSWER_MS, &info, e);
}

static void place_close(struct place *p)
{
	signer_close(p->signer);
	if (p->pid > 0) {
		close(p->fd);
		waitpid(p->pid, NULL, 0);
	}
	desk_close(&p->desk);
}

/* ---- asked again ---- */

static bool ask_again(struct place *p, double *ret, struct err *e)
{
	uint64_t start = bench_now_ns();
	for (int i = 0; i < TURN; i++)
		if (!ask(p, e))
			return false;
	*ret = TURN * 1e9 / (double)(bench_now_ns() - start);
	return true;
}

/* Signed once, and proved from there on. */
static bool is_known(struct place *p, struct err *e)
{
	next_intent(p);
	if (!ask(p, e))
		return false;
	log_prove(&p->log, p->request.receipt.index, p->request.receipt.size, &p->request.receipt);
	return true;
}

static bool measure_asked(struct place *child, struct place *here, bool json, struct err *e)
{
	double ours[ROUNDS], limit[ROUNDS];
	if (!is_known(child, e) || !is_known(here, e))
		return false;
	for (int i = -1; i < ROUNDS; i++) {	/* the first to get warm */
		int at = i < 0 ? 0 : i;
		if (!ask_again(child, &ours[at], e) || !ask_again(here, &limit[at], e))
			return false;
	}
	const double medians[] = {bench_median(ours, ROUNDS), bench_median(limit, ROUNDS)};
	return bench_print(&(struct bench){"signer.asked", medians[0], "leaves/s", "the same in this process", medians[1], 0}, json);
}

/* ---- a new one ---- */

struct least {
	int fd;
	EVP_PKEY_CTX *signing;
	off_t at;
};

static bool least_open(struct least *l, const struct desk *d, struct err *e)
{
	static const uint8_t nothing[2 * 4096];
	AUTO(pkey) EVP_PKEY *key = EVP_EC_gen("P-256");
	l->signing = key ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL) : NULL;
	l->fd = open(desk_path(d, "least"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (l->fd < 0 || pwrite(l->fd, nothing, sizeof(nothing), 0) != (ssize_t)sizeof(nothing) || fsync(l->fd) < 0)
		return err_errno(e, E_FILE, "the file that is synced");
	return (l->signing && EVP_PKEY_sign_init(l->signing) > 0) || ossl_err(e, E_SIGN, "a raw signature");
}

static bool least_once(struct least *l, struct err *e)
{
	uint8_t memory[MEMORY], signature[80], digest[SHA256_SIZE] = {1};
	size_t len = sizeof(signature);
	memset(memory, (int)len, sizeof(memory));
	l->at = 4096 - l->at;
	if (pwrite(l->fd, memory, sizeof(memory), l->at) != MEMORY || fdatasync(l->fd) < 0)
		return err_errno(e, E_FILE, "the file that is synced");
	return EVP_PKEY_sign(l->signing, signature, &len, digest, sizeof(digest)) > 0 || ossl_err(e, E_SIGN, "a raw signature");
}

static bool take_turns(struct place *p, struct least *l, double *ours, double *limit, struct err *e)
{
	for (int i = 0; i < NEW; i++) {
		next_intent(p);
		uint64_t start = bench_now_ns();
		if (!ask(p, e))
			return false;
		uint64_t between = bench_now_ns();
		if (!least_once(l, e))
			return false;
		ours[i] = (double)(between - start);
		limit[i] = (double)(bench_now_ns() - between);
	}
	return true;
}

static bool measure_new(struct place *p, bool json, struct err *e)
{
	double ours[NEW], limit[NEW];
	struct least l = {.fd = -1};
	bool ok = least_open(&l, &p->desk, e) && take_turns(p, &l, ours, limit, e);
	unlink(desk_path(&p->desk, "least"));
	EVP_PKEY_CTX_free(l.signing);
	close(l.fd);
	if (!ok)
		return false;
	const double medians[] = {1e9 / bench_median(ours, NEW), 1e9 / bench_median(limit, NEW)};
	return bench_print(&(struct bench){"signer.leaf", medians[0], "leaves/s", "pwrite 3 KiB + fdatasync + raw sign", medians[1], 0},
			   json);
}

int main(int argc, char **argv)
{
	static struct place child, here;
	struct err e = {0};
	bool json = bench_wants_json(argc, argv);
	bool ok = place_open(&child, true, &e) && place_open(&here, false, &e) && measure_asked(&child, &here, json, &e) &&
		  measure_new(&child, json, &e);
	place_close(&child);
	place_close(&here);
	if (e.code)
		fprintf(stderr, "bench_signer: %s\n", e.what);
	return ok ? 0 : 1;
}
