/* SPDX-License-Identifier: Apache-2.0 */
/* Slots that each wait for their own step to be on disk, against one writer that writes 4 KiB and syncs, again and again, in turns:
 *	ledger.slots_16, _64	steps of so many slots in a second; each step is an audit entry and the job's row
 *	ledger.slots_16_p99, _64_p99	how many steps one waits for at the 99th percentile: raw writes in that time, against the number of
 *					slots, which it would be if each step had a sync of its own and nobody was overtaken
 *
 * bench_slots [--json] [--dir DIR] */
#include "db/audit.h"
#include "db/jobs.h"
#include "tests/bench/bench.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS 15	/* short ones, for a disk has moods */
#define SLOTS_MAX 64
#define STEPS 2048	/* of all slots together, per round */
#define RAW_STEPS 300
#define RAW_SIZE (4 << 20)

struct bench_dir {
	char dir[200], ledger[256], raw[256];
	struct ledger *l;
	int fd;
};

struct slot {
	struct ledger *l;
	unsigned steps;
	struct job_row row;
	double *waited_ns;
	struct err e;
	bool ok;
	pthread_t thread;
};

/* ---- one way ---- */

static bool step(struct slot *s, json_t *body)
{
	uint64_t index;
	s->row.updated_ms++;
	if (!ledger_begin(s->l, &s->e))
		return false;
	if (jobs_put(s->l, &s->row, &s->e) && audit_append(s->l, "stage.done", s->row.id, body, s->row.updated_ms, &index, &s->e))
		return ledger_commit(s->l, &s->e);
	ledger_rollback(s->l);
	return false;
}

static void *run_slot(void *arg)
{
	struct slot *s = arg;
	json_t *body = json_pack("{s:s, s:i, s:s}", "stage", "attest", "ms", 123, "evidence",
				 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	s->ok = body != NULL;
	for (unsigned i = 0; s->ok && i < s->steps; i++) {
		uint64_t begin = bench_now_ns();
		s->ok = step(s, body);
		s->waited_ns[i] = (double)(bench_now_ns() - begin);
	}
	json_decref(body);
	return NULL;
}

static void slot_init(struct slot *s, struct ledger *l, unsigned number, unsigned steps, double *waited_ns)
{
	*s = (struct slot){.l = l, .steps = steps, .waited_ns = waited_ns, .row = {.driver = "tpm_bridge", .profile = "valve",
			   .model = "V-2", .revision = "C", .stage = "attest", .intent_index = 12}};
	snprintf(s->row.id, sizeof(s->row.id), "%032x", number);
	snprintf(s->row.slot, sizeof(s->row.slot), "S%u", number);
	snprintf(s->row.serial, sizeof(s->row.serial), "SN-%06u", number);
	snprintf(s->row.registration_id, sizeof(s->row.registration_id), "reg-%u", number);
	memcpy(s->row.ek_spki_sha256, &number, sizeof(number));
	memcpy(s->row.leaf_spki_sha256, &number, sizeof(number));
}

/* Steps per second, and the 99th percentile of how long one took. */
static bool run_slots(struct bench_dir *d, unsigned count, double *ret_per_s, double *ret_p99_ns, struct err *e)
{
	static struct slot slot[SLOTS_MAX];
	static double waited_ns[STEPS];
	unsigned steps = STEPS / count, started = 0;
	bool ok = true;
	uint64_t begin = bench_now_ns();
	for (; ok && started < count; started += ok) {
		slot_init(&slot[started], d->l, started, steps, waited_ns + started * steps);
		ok = pthread_create(&slot[started].thread, NULL, run_slot, &slot[started]) == 0 || err_set(e, E_NOMEM, "a thread");
	}
	for (unsigned i = 0; i < started; i++) {
		pthread_join(slot[i].thread, NULL);
		if (!slot[i].ok && e->code == E_NONE)
			ok = err_set(e, slot[i].e.code ? slot[i].e.code : E_NOMEM, "%s", slot[i].e.what);
	}
	*ret_per_s = STEPS * 1e9 / (double)(bench_now_ns() - begin);
	bench_median(waited_ns, STEPS);	/* sorts */
	*ret_p99_ns = waited_ns[STEPS - STEPS / 100];
	return ok;
}

/* ---- the other ---- */

static bool open_raw(struct bench_dir *d, struct err *e)
{
	static const char block[4096];
	d->fd = open(d->raw, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	for (off_t at = 0; d->fd >= 0 && at < RAW_SIZE; at += (off_t)sizeof(block))
		if (pwrite(d->fd, block, sizeof(block), at) != sizeof(block))
			return err_errno(e, E_FILE, "%s", d->raw);
	return (d->fd >= 0 && fsync(d->fd) == 0) || err_errno(e, E_FILE, "%s", d->raw);
}

static bool run_raw(struct bench_dir *d, double *ret_per_s, struct err *e)
{
	static const char block[4096] = "step";
	uint64_t begin = bench_now_ns();
	for (off_t i = 0; i < RAW_STEPS; i++)
		if (pwrite(d->fd, block, sizeof(block), i * (off_t)sizeof(block) % RAW_SIZE) != sizeof(block) || fdatasync(d->fd) < 0)
			return err_errno(e, E_FILE, "raw write");
	*ret_per_s = RAW_STEPS * 1e9 / (double)(bench_now_ns() - begin);
	return true;
}

/* ---- comparison ---- */

static const struct row {
	unsigned slots;
	const char *name, *name_p99;
	double floor;
} rows[] = {
	{16, "ledger.slots_16", "ledger.slots_16_p99", 2.2},
	{64, "ledger.slots_64", "ledger.slots_64_p99", 2.6},
};

struct round {
	double own, raw;	/* per second */
	double in_p99;		/* raw writes in the 99th percentile of waiting */
};

static int by_ratio(const void *a, const void *b)
{
	const struct round *x = a, *y = b;
	double p = x->own / x->raw, q = y->own / y->raw;
	return (p > q) - (p < q);
}

static int by_waiting(const void *a, const void *b)
{
	const struct round *x = a, *y = b;
	return (x->in_p99 > y->in_p99) - (x->in_p99 < y->in_p99);
}

/* Prints the round in the middle, so that both its figures are of the same moment. */
static bool compare(struct bench_dir *d, const struct row *r, bool json, bool *good, struct err *e)
{
	struct round round[ROUNDS];
	const struct round *middle = &round[ROUNDS / 2];
	for (int i = 0; i < ROUNDS; i++) {
		double p99_ns = 0;
		if (!run_raw(d, &round[i].raw, e) || !run_slots(d, r->slots, &round[i].own, &p99_ns, e))
			return false;
		round[i].in_p99 = p99_ns * round[i].raw / 1e9;
	}
	qsort(round, ROUNDS, sizeof(round[0]), by_ratio);
	*good &= bench_print(&(struct bench){r->name, middle->own, "steps/s", "pwrite 4 KiB + fdatasync by one", middle->raw, r->floor}, json);
	qsort(round, ROUNDS, sizeof(round[0]), by_waiting);
	*good &= bench_print(&(struct bench){r->name_p99, r->slots, "slots", "raw writes in the 99th percentile of waiting", middle->in_p99, 0},
			     json);
	return true;
}

static void close_dir(struct bench_dir *d)
{
	static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
	char name[300];
	ledger_close(d->l);
	if (d->fd >= 0)
		close(d->fd);
	unlink(d->raw);
	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		snprintf(name, sizeof(name), "%s%s", d->ledger, ends[i]);
		unlink(name);
	}
	rmdir(d->dir);
}

int main(int argc, char **argv)
{
	struct bench_dir d = {.fd = -1};
	struct err e = {0};
	const char *where = ".";
	bool json = bench_wants_json(argc, argv), good = true;
	for (int i = 1; i + 1 < argc; i++)
		if (!strcmp(argv[i], "--dir"))
			where = argv[i + 1];
	snprintf(d.dir, sizeof(d.dir), "%.150s/bench-slots-XXXXXX", where);
	if (!mkdtemp(d.dir)) {
		fprintf(stderr, "bench_slots: no directory %s\n", d.dir);
		return 2;
	}
	snprintf(d.ledger, sizeof(d.ledger), "%s/ledger.db", d.dir);
	snprintf(d.raw, sizeof(d.raw), "%s/raw", d.dir);
	bool ok = open_raw(&d, &e) && ledger_open(d.ledger, "bench.example/station", &d.l, &e);
	for (size_t i = 0; ok && i < COUNT_OF(rows); i++)
		ok = compare(&d, &rows[i], json, &good, &e);
	if (!ok)
		fprintf(stderr, "bench_slots: %s %s\n", err_row(e.code)->code, e.what);
	close_dir(&d);
	return !ok ? 2 : good ? 0 : 1;
}
