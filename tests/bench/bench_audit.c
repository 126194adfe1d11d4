/* SPDX-License-Identifier: Apache-2.0 */
/* Verifying a long audit log, against a bare scan of the same rows with SHA-256 over each entry, in turns, by the clock on the wall:
 *	audit.verify_1core	on one processor
 *	audit.verify_2cores	on two, where there are two; the bare scan has each half of the rows in a thread of its own
 *	audit.insert_grown	processor time of an insertion at the end of the log, against that of one at its beginning
 *
 * bench_audit [--json] [--full | --entries N] [--dir DIR]: N is 200,000, with --full 10,000,000, which takes some 4 GB of DIR. */
#include "db/audit.h"
#include "station/base/text.h"
#include "tests/bench/bench.h"

#include <pthread.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 5
#define ENTRIES 200000
#define FULL 10000000
#define AT_ONCE 1000	/* entries of one transaction */
#define KEEP_EVERY 50	/* transactions: then a head is kept */
#define TIME_MS 1700000000000
/* Verifying hashes each entry and, above it, a node; a bare scan does not do the latter. */
#define FLOOR_1CORE 0.5
#define FLOOR_2CORES 0.5

struct log {
	char dir[200], path[256];
	uint64_t entries;
	double first_ns, last_ns;	/* of the processor, per insertion, in the first and last tenth */
};

static double cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ---- a log ---- */

/* Some 230 bytes, as a stage's entry has them. */
static bool append_one(struct ledger *l, uint64_t n, struct err *e)
{
	uint64_t at;
	char evidence[65];
	snprintf(evidence, sizeof(evidence), "%064llx", (unsigned long long)(n * 0x9e3779b97f4a7c15u));
	json_t *body = json_pack("{s:s, s:I, s:s}", "stage", "attest", "ms", (json_int_t)(n % 1000), "evidence", evidence);
	bool ok = body && audit_append(l, "stage.done", "0123456789abcdef0123456789abcdef", body, TIME_MS + (int64_t)n, &at, e);
	json_decref(body);
	return ok;
}

static bool keep_head(struct ledger *l, struct err *e)
{
	uint64_t size;
	struct merkle_hash root;
	AUTO(bytes) struct bytes note = {0};
	return audit_head(l, &size, &root, e) && bytes_printf(&note, e, "bench.example/station\n%llu\n", (unsigned long long)size) &&
	       base64_encode(root.h, sizeof(root.h), &note, e) && bytes_add_text(&note, "\n", e) &&
	       audit_keep_checkpoint(l, size, &root, bytes_text(&note), TIME_MS, e);
}

static bool append_many(struct ledger *l, uint64_t from, bool keep, struct err *e)
{
	if (!ledger_begin(l, e))
		return false;
	bool ok = true;
	for (uint64_t i = 0; ok && i < AT_ONCE; i++)
		ok = append_one(l, from + i, e);
	if (ok && (!keep || keep_head(l, e)))
		return ledger_commit(l, e);
	ledger_rollback(l);
	return false;
}

static bool log_fill(struct log *g, struct err *e)
{
	struct ledger *l = NULL;
	bool ok = ledger_open(g->path, "bench.example/station", &l, e);
	uint64_t tenth = g->entries / 10;
	double begin = cpu_ns();
	for (uint64_t n = 0; ok && n < g->entries; n += AT_ONCE) {
		if (n == tenth)
			g->first_ns = (cpu_ns() - begin) / (double)tenth;
		if (n == g->entries - tenth)
			begin = cpu_ns();
		ok = append_many(l, n, n / AT_ONCE % KEEP_EVERY == KEEP_EVERY - 1, e);
	}
	g->last_ns = (cpu_ns() - begin) / (double)tenth;
	ledger_close(l);
	return ok;
}

/* ---- the two ways ---- */

static bool verify(struct log *g, double *ret_per_s, struct err *e)
{
	struct ledger *l = NULL;
	struct audit_report report = {0};
	uint64_t begin = bench_now_ns();
	bool ok = ledger_open_reader(g->path, &l, e) && audit_verify(l, NULL, NULL, &report, e);
	*ret_per_s = (double)g->entries * 1e9 / (double)(bench_now_ns() - begin);
	ledger_close(l);
	return ok && ((report.fits && report.entries == g->entries) || err_set(e, E_AUDIT, "the log does not fit: %s", report.why));
}

struct scan {
	const char *path;
	uint64_t from, to, rows;
	uint8_t sum[SHA256_SIZE];	/* over all hashes, so that none is idle */
};

static void *scan(void *arg)
{
	struct scan *s = arg;
	uint8_t hash[SHA256_SIZE];
	sqlite3 *db = NULL;
	sqlite3_stmt *stmt = NULL;
	if (sqlite3_open_v2(s->path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, "SELECT entry FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx", -1, &stmt, NULL) == SQLITE_OK) {
		sqlite3_busy_timeout(db, 5000);
		sqlite3_bind_int64(stmt, 1, (int64_t)s->from);
		sqlite3_bind_int64(stmt, 2, (int64_t)s->to);
		for (; sqlite3_step(stmt) == SQLITE_ROW; s->rows++) {
			const void *entry = sqlite3_column_blob(stmt, 0);
			sha256_of(entry, (size_t)sqlite3_column_bytes(stmt, 0), hash);
			for (size_t i = 0; i < sizeof(hash); i++)
				s->sum[i] ^= hash[i];
		}
	}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return NULL;
}

static bool bare(struct log *g, bool two, double *ret_per_s, struct err *e)
{
	uint64_t half = two ? g->entries / 2 : g->entries, begin = bench_now_ns();
	struct scan part[2] = {{.path = g->path, .to = half}, {.path = g->path, .from = half, .to = g->entries}};
	pthread_t thread;
	bool started = two && pthread_create(&thread, NULL, scan, &part[1]) == 0;
	scan(&part[0]);
	if (started)
		pthread_join(thread, NULL);
	*ret_per_s = (double)g->entries * 1e9 / (double)(bench_now_ns() - begin);
	return part[0].rows + part[1].rows == g->entries || err_set(e, E_DB, "the bare scan found other rows");
}

/* ---- comparison ---- */

/* The process may use the first `count` of the processors that it was given; false if there are fewer. */
static bool use_processors(const cpu_set_t *given, int count)
{
	cpu_set_t use;
	CPU_ZERO(&use);
	for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&use) < count; i++)
		if (CPU_ISSET(i, given))
			CPU_SET(i, &use);
	return CPU_COUNT(&use) == count && sched_setaffinity(0, sizeof(use), &use) == 0;
}

static bool compare(struct log *g, const char *name, bool two, double floor, bool json, bool *good, struct err *e)
{
	double own[ROUNDS], limit[ROUNDS];
	for (int i = 0; i < ROUNDS; i++)
		if (!bare(g, two, &limit[i], e) || !verify(g, &own[i], e))
			return false;
	*good &= bench_print(&(struct bench){name, bench_median(own, ROUNDS), "entries/s", two ? "scan + SHA-256, two threads" : "scan + SHA-256",
					     bench_median(limit, ROUNDS), floor}, json);
	return true;
}

static bool measure(struct log *g, bool json, bool *good, struct err *e)
{
	cpu_set_t given;
	if (!log_fill(g, e))
		return false;
	*good &= bench_print(&(struct bench){"audit.insert_grown", 1e9 / g->last_ns, "entries/cpu-s", "the log's first tenth", 1e9 / g->first_ns,
					     0}, json);
	sched_getaffinity(0, sizeof(given), &given);
	if (!use_processors(&given, 1) || !compare(g, "audit.verify_1core", false, FLOOR_1CORE, json, good, e))
		return false;
	return !use_processors(&given, 2) || compare(g, "audit.verify_2cores", true, FLOOR_2CORES, json, good, e);
}

static void log_remove(const struct log *g)
{
	static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
	char name[300];
	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		snprintf(name, sizeof(name), "%s%s", g->path, ends[i]);
		unlink(name);
	}
	rmdir(g->dir);
}

int main(int argc, char **argv)
{
	struct log g = {.entries = ENTRIES};
	struct err e = {0};
	const char *where = ".";
	bool good = true;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--full"))
			g.entries = FULL;
		else if (!strcmp(argv[i], "--entries") && i + 1 < argc)
			g.entries = strtoull(argv[++i], NULL, 10) / AT_ONCE * AT_ONCE;
		else if (!strcmp(argv[i], "--dir") && i + 1 < argc)
			where = argv[++i];
	}
	snprintf(g.dir, sizeof(g.dir), "%.150s/bench-audit-XXXXXX", where);
	if (g.entries < 10 * AT_ONCE || !mkdtemp(g.dir)) {
		fprintf(stderr, "bench_audit: too few entries, or no directory %s\n", g.dir);
		return 2;
	}
	snprintf(g.path, sizeof(g.path), "%s/ledger.db", g.dir);
	bool ok = measure(&g, bench_wants_json(argc, argv), &good, &e);
	if (!ok)
		fprintf(stderr, "bench_audit: %s %s\n", err_row(e.code)->code, e.what);
	log_remove(&g);
	return !ok ? 2 : good ? 0 : 1;
}
