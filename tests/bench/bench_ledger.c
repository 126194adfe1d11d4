/* SPDX-License-Identifier: Apache-2.0 */
/* One durable step of a job (an audit entry and the job's row in a transaction of their own) against what the disk can do at best: one
 * write of 4 KiB into a file that has its blocks already, and fdatasync. Both in one directory, in turns of 20, so that the disk's mood hits both.
 *
 * Two figures, each the median over rounds with a fresh ledger: the first 1000 steps after opening, and the 3000 after them, when
 * the WAL has gone round several times. `--dir DIR` chooses the disk (default: the working directory). */
#include "db/audit.h"
#include "db/jobs.h"
#include "tests/bench/bench.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define ROUNDS 7
#define TURN 20
#define FIRST 1000
#define LATER 3000
#define RAW_SIZE (4 << 20)
/* Measured 0.64 to 0.71, the middle 0.66, on a two-core virtual machine where writing and syncing took 85 to
 * 130 microseconds. A step takes some 50 more: about 23 of the processor (half of its instructions SQLite's),
 * 6 for five writes instead of one, 6 for six locks of the -shm, 3 for checkpoints, and 15 because the two or
 * three pages that 2.65 frames touch are synced instead of one. A bare loop of SQLite (one insert and one update
 * of a blob, same settings) came to 0.77 to 0.80, in turns with this. */
#define FLOOR_FIRST 0.65
#define FLOOR_LATER 0.65

struct pace {
	uint64_t own_ns, raw_ns;
	unsigned steps;
};

struct round {
	char dir[256];
	struct ledger *l;
	int raw;
	off_t raw_at;
	struct job_row row;
	json_t *body;
};

static bool step_ledger(struct round *r, struct err *e)
{
	uint64_t index;
	r->row.updated_ms++;
	if (!ledger_begin(r->l, e))
		return false;
	if (!jobs_put(r->l, &r->row, e) ||
	    !audit_append(r->l, "stage.done", r->row.id, r->body, r->row.updated_ms, &index, e)) {
		ledger_rollback(r->l);
		return false;
	}
	return ledger_commit(r->l, e);
}

static bool step_raw(struct round *r, struct err *e)
{
	static const char block[4096] = "step";
	r->raw_at = (r->raw_at + (off_t)sizeof(block)) % RAW_SIZE;
	if (pwrite(r->raw, block, sizeof(block), r->raw_at) != sizeof(block) || fdatasync(r->raw) < 0)
		return err_errno(e, E_FILE, "raw write");
	return true;
}

static bool run_turns(struct round *r, unsigned steps, struct pace *p, struct err *e)
{
	for (unsigned done = 0; done < steps; done += TURN) {
		uint64_t a = bench_now_ns();
		for (unsigned i = 0; i < TURN; i++)
			if (!step_ledger(r, e))
				return false;
		uint64_t b = bench_now_ns();
		for (unsigned i = 0; i < TURN; i++)
			if (!step_raw(r, e))
				return false;
		p->own_ns += b - a;
		p->raw_ns += bench_now_ns() - b;
		p->steps += TURN;
	}
	return true;
}

static bool open_raw(struct round *r, struct err *e)
{
	char name[300], block[4096] = "";
	snprintf(name, sizeof(name), "%s/raw", r->dir);
	r->raw = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	for (off_t at = 0; r->raw >= 0 && at < RAW_SIZE; at += (off_t)sizeof(block))
		if (pwrite(r->raw, block, sizeof(block), at) != sizeof(block))
			return err_errno(e, E_FILE, "%s", name);
	return (r->raw >= 0 && fsync(r->raw) == 0) || err_errno(e, E_FILE, "%s", name);
}

static bool open_round(struct round *r, const char *where, struct err *e)
{
	char name[300];
	snprintf(r->dir, sizeof(r->dir), "%s/bench-ledger-XXXXXX", where);
	if (!mkdtemp(r->dir))
		return err_errno(e, E_FILE, "%s", r->dir);
	snprintf(name, sizeof(name), "%s/ledger.db", r->dir);
	r->row = (struct job_row){.id = "0123456789abcdef0123456789abcdef", .slot = "A1", .driver = "tpm_bridge", .profile = "valve",
				  .serial = "SN-000001", .model = "V-2", .revision = "C", .stage = "attest", .intent_index = 12,
				  .registration_id = "reg", .ek_spki_sha256 = "ek", .leaf_spki_sha256 = "leaf"};
	r->body = json_pack("{s:s, s:i, s:s}", "stage", "attest", "ms", 123, "evidence",
			    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	return open_raw(r, e) && ledger_open(name, "bench.example/station", &r->l, e);
}

static void close_round(struct round *r)
{
	static const char *const files[] = {"raw", "ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.lock"};
	char name[300];
	ledger_close(r->l);
	json_decref(r->body);
	if (r->raw >= 0)
		close(r->raw);
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		snprintf(name, sizeof(name), "%s/%s", r->dir, files[i]);
		unlink(name);
	}
	rmdir(r->dir);
}

static bool measure(const char *where, struct pace *first, struct pace *later, struct err *e)
{
	struct round r = {.raw = -1};
	bool ok = open_round(&r, where, e) && run_turns(&r, FIRST, first, e) && run_turns(&r, LATER, later, e);
	close_round(&r);
	return ok;
}

static double per_second(uint64_t ns, unsigned steps)
{
	return steps * 1e9 / (double)ns;
}

/* Prints the round whose ratio is the median, so that own and limit are of the same minute. */
static bool print_median(const char *name, const struct pace *p, double floor, bool json)
{
	double ratio[ROUNDS];
	const struct pace *middle = p;
	for (size_t i = 0; i < ROUNDS; i++)
		ratio[i] = (double)p[i].raw_ns / (double)p[i].own_ns;
	double median = bench_median(ratio, ROUNDS);
	for (size_t i = 0; i < ROUNDS; i++)
		if ((double)p[i].raw_ns / (double)p[i].own_ns == median)
			middle = &p[i];
	return bench_print(&(struct bench){name, per_second(middle->own_ns, middle->steps), "commits/s", "pwrite 4 KiB + fdatasync",
					   per_second(middle->raw_ns, middle->steps), floor}, json);
}

int main(int argc, char **argv)
{
	struct pace first[ROUNDS] = {0}, later[ROUNDS] = {0};
	struct err e = {0};
	const char *where = ".";
	for (int i = 1; i + 1 < argc; i++)
		if (!strcmp(argv[i], "--dir"))
			where = argv[i + 1];
	for (size_t i = 0; i < ROUNDS; i++) {
		if (!measure(where, &first[i], &later[i], &e)) {
			fprintf(stderr, "bench_ledger: %s %s\n", err_row(e.code)->code, e.what);
			return 2;
		}
	}
	bool json = bench_wants_json(argc, argv);
	bool ok = print_median("ledger.first_1000", first, FLOOR_FIRST, json);
	return print_median("ledger.warm", later, FLOOR_LATER, json) && ok ? 0 : 1;
}
