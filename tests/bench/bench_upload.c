/* SPDX-License-Identifier: Apache-2.0 */
/* How fast what waits goes up, against the emulated service:
 *	upload.bulk_0ms, upload.bulk_50ms	the uplink as it is (bulks of ten, several in flight, every answer written into the ledger) against
 *						the same client that creates one after another and writes nothing down, in turns, at 0 and at
 *						50 ms until each answer
 *	upload.rss	resident at most when SHORT were up, against that when LONG more were, or FULL with --full
 *	upload.throttled	the uplink at its own share of 90 % and with 1 % faults, against what the throttle allows in that time
 *
 * bench_upload PLAIN SLOW THROTTLED OPERATIONS: three directories with endpoint, ca and connection (file names), and what the
 * last one's throttle allows per minute; run_bench_upload.py makes them. */
#include "db/outbox.h"
#include "station/base/clock.h"
#include "station/base/file.h"
#include "station/uplink.h"
#include "tests/bench/bench.h"
#include "tests/station/filler.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define ROUNDS 5
#define BULK_ROWS 400
#define SINGLE_ROWS 40
#define SHORT 3000	/* what fills SQLite's cache */
#define LONG 9000
#define FULL 60000
#define IN_FLIGHT 8
#define UNPACED 100000000u
/* 34 on a two-core virtual machine that others used too; eight bulks of ten in flight could be 80, but the emulator is one thread. */
#define FLOOR_50MS 20
#define ORIGIN "bench.example/station"

struct site {
	char endpoint[256], ca[PATH_MAX], connection[PATH_MAX];
	struct dps *dps;
};

static bool site_open(struct site *s, const char *dir, uint32_t per_minute, struct err *e)
{
	char path[PATH_MAX];
	AUTO(bytes) struct bytes endpoint = {0};
	snprintf(path, sizeof(path), "%.3000s/endpoint", dir);
	snprintf(s->ca, sizeof(s->ca), "%.3000s/ca", dir);
	snprintf(s->connection, sizeof(s->connection), "file:%.3000s/connection", dir);
	if (!file_read(path, &endpoint, e))
		return false;
	snprintf(s->endpoint, sizeof(s->endpoint), "%s", bytes_text(&endpoint));
	const struct dps_setup setup = {.endpoint = s->endpoint, .global_endpoint = s->endpoint, .id_scope = "0ne00000000",
					.auth = "connection-string", .secret = s->connection, .any_host = true, .ca_file = s->ca,
					.per_minute = per_minute, .in_flight = IN_FLIGHT};
	return dps_open(&setup, &s->dps, e);
}

/* ---- a ledger whose outbox is full ---- */

struct box {
	char dir[64], path[96];
	struct ledger *ledger;
};

static bool box_open(struct box *b, unsigned rows, struct err *e)
{
	static unsigned boxes;
	char prefix[32];
	snprintf(prefix, sizeof(prefix), "b%d-%u-", (int)getpid(), ++boxes);
	snprintf(b->dir, sizeof(b->dir), "bench-upload-XXXXXX");
	if (!mkdtemp(b->dir))
		return err_errno(e, E_FILE, "%s", b->dir);
	snprintf(b->path, sizeof(b->path), "%s/ledger.db", b->dir);
	const struct filler f = {.prefix = prefix, .count = rows, .first = 1};
	return filler_fill(b->path, ORIGIN, &f, e) && ledger_open(b->path, ORIGIN, &b->ledger, e);
}

static void box_close(struct box *b)
{
	static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
	char name[128];
	ledger_close(b->ledger);
	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		snprintf(name, sizeof(name), "%s%s", b->path, ends[i]);
		unlink(name);
	}
	rmdir(b->dir);
}

/* ---- the two ways ---- */

/* Rows per second. */
static bool drain(struct site *s, unsigned rows, double *ret, struct err *e)
{
	struct box b = {0};
	struct outbox_counts counts = {0};
	bool ok = box_open(&b, rows, e);
	uint64_t began = bench_now_ns();
	ok = ok && uplink_drain(b.ledger, s->dps, IN_FLIGHT, NULL, NULL, e);
	*ret = rows * 1e9 / (double)(bench_now_ns() - began);
	ok = ok && outbox_count(b.ledger, &counts, e) &&
	     (counts.sent == rows || err_set(e, E_DPS_ANSWER, "%llu of %u arrived", (unsigned long long)counts.sent, rows));
	box_close(&b);
	return ok;
}

struct singles {
	struct site *site;
	struct err e;
};

static bool create_one(void *ctx, const struct outbox_row *row)
{
	struct singles *s = ctx;
	return dps_create_individual(s->site->dps, row->registration_id, &row->body, clock_steady_ms() + 30000, &s->e);
}

static bool one_by_one(struct site *s, unsigned rows, double *ret, struct err *e)
{
	struct box b = {0};
	struct singles singles = {.site = s};
	int64_t after = 0;
	bool ok = box_open(&b, rows, e);
	uint64_t began = bench_now_ns();
	ok = ok && outbox_scan(b.ledger, OUTBOX_WAITING, &after, rows, create_one, &singles, e);
	*ret = rows * 1e9 / (double)(bench_now_ns() - began);
	box_close(&b);
	return ok && (singles.e.code == E_NONE || err_set(e, singles.e.code, "%s", singles.e.what));
}

static bool compare(struct site *s, const char *name, double floor, bool json, bool *ret_good, struct err *e)
{
	double bulk[ROUNDS], single[ROUNDS], warm;
	if (!one_by_one(s, 1, &warm, e))
		return false;
	for (size_t i = 0; i < ROUNDS; i++)
		if (!drain(s, BULK_ROWS, &bulk[i], e) || !one_by_one(s, SINGLE_ROWS, &single[i], e))
			return err_in(e, "%s", name);
	const struct bench b = {name, bench_median(bulk, ROUNDS), "units/s", "one after another, no ledger", bench_median(single, ROUNDS),
				floor};
	*ret_good &= bench_print(&b, json);
	return true;
}

static double most_mib(void)
{
	struct rusage used;
	getrusage(RUSAGE_SELF, &used);
	return (double)used.ru_maxrss / 1024;
}

static bool memory(struct site *s, unsigned rows, bool json, bool *ret_good, struct err *e)
{
	double rate = 0;
	char against[64];
	if (!drain(s, SHORT, &rate, e))
		return err_in(e, "upload.rss");
	double before = most_mib();
	if (!drain(s, rows, &rate, e))
		return err_in(e, "upload.rss");
	snprintf(against, sizeof(against), "when %u are up", rows);
	*ret_good &= bench_print(&(struct bench){"upload.rss", before, "MiB of 3000", against, most_mib(), 0.91}, json);
	return true;
}

static bool throttled(struct site *s, unsigned per_minute, bool json, bool *ret_good, struct err *e)
{
	double rate = 0;
	if (!drain(s, per_minute, &rate, e))
		return err_in(e, "upload.throttled");
	*ret_good &= bench_print(&(struct bench){"upload.throttled", rate, "units/s", "the throttle", per_minute / 60.0, 0.95}, json);
	return true;
}

int main(int argc, char **argv)
{
	struct site site[3] = {0};
	struct err e = {0};
	bool json = bench_wants_json(argc, argv), good = true;
	unsigned rows = argc > 5 && !strcmp(argv[argc - 1], "--full") ? FULL : LONG;
	if (argc < 5) {
		fprintf(stderr, "bench_upload PLAIN SLOW THROTTLED OPERATIONS\n");
		return 2;
	}
	unsigned per_minute = (unsigned)strtoul(argv[4], NULL, 10);
	bool ok = http_start(&e) && site_open(&site[0], argv[1], UNPACED, &e) && site_open(&site[1], argv[2], UNPACED, &e) &&
		  site_open(&site[2], argv[3], per_minute / 10 * 9, &e) && compare(&site[0], "upload.bulk_0ms", 0, json, &good, &e) &&
		  memory(&site[0], rows, json, &good, &e) && compare(&site[1], "upload.bulk_50ms", FLOOR_50MS, json, &good, &e) &&
		  throttled(&site[2], per_minute, json, &good, &e);
	for (size_t i = 0; i < COUNT_OF(site); i++)
		dps_close(site[i].dps);
	http_stop();
	if (!ok)
		fprintf(stderr, "bench_upload: %s %s\n", err_row(e.code)->code, e.what);
	return ok && good ? 0 : ok ? 1 : 2;
}
