/* SPDX-License-Identifier: Apache-2.0 */
/* Promise 5, at the disk: one history of a line, from the ledger's birth over four units to its end and a second start, and the power
 * cut at its operations, with whatever the disk may have made of it. Arguments: [EVERY [SEEDS]], every so many operations. */
#include "db/audit.h"
#include "station/base/file.h"
#include "tests/db/shop.h"
#include "tests/torn/torn.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define ROOTS 4096

static size_t every = 173;
static unsigned seeds = 2;

/* What happened, and the root of the log at each size. */
static struct {
	struct desk desk;
	struct shop shop;
	char disk[80], after[80];
	struct torn *history;
	uint64_t size;
	struct merkle_hash root[ROOTS];
} past;

struct tally {
	size_t cuts, lost, unfinished, refused, ahead, forgotten, doubled;
};

static bool drop_node(void *ctx, unsigned level, uint64_t index, const struct merkle_hash *hash, struct err *e)
{
	return true;
}

static bool keep_root(void *ctx, uint64_t index, const char *type, const char *job, const void *entry, size_t len)
{
	struct merkle_hash leaf;
	struct err e = {0};
	assert_true(index + 1 < ROOTS);
	merkle_leaf(entry, len, &leaf);
	assert_true(merkle_append(ctx, &leaf, drop_node, NULL, &e));
	past.size = index + 1;
	merkle_root(ctx, &past.root[index + 1]);
	return true;
}

/* A signer starts in no time where its keys' passphrase is not stretched. */
static void hurry_keys(const struct desk *d)
{
	const char *secret = strchr(d->passphrase, ':') + 1;
	const char *const keys[] = {d->key, d->log_key};
	for (size_t i = 0; i < COUNT_OF(keys); i++)
		assert_int_equal(desk_shell(NULL, 0, "openssl pkcs8 -topk8 -v2 aes-256-cbc -iter 1 -in '%s' -out '%s.new' -passin file:'%s' "
					    "-passout pass:\"$(cat '%s')\" && mv '%s.new' '%s'", keys[i], keys[i], secret, secret, keys[i], keys[i]), 0);
}

static int live(void **state)
{
	struct merkle_edge edge = {0};
	desk_open(&past.desk);
	hurry_keys(&past.desk);
	snprintf(past.disk, sizeof(past.disk), "%s/disk", past.desk.dir);
	snprintf(past.after, sizeof(past.after), "%s/after", past.desk.dir);
	assert_int_equal(mkdir(past.disk, 0700), 0);
	shop_at(&past.shop, &past.desk, past.disk);
	torn_begin(past.disk);
	shop_open(&past.shop);
	shop_unit(&past.shop, 0);
	shop_fill(&past.shop, 20, 26);
	shop_unit(&past.shop, 1);
	shop_unit(&past.shop, 2);
	shop_close(&past.shop);
	shop_open(&past.shop);
	shop_unit(&past.shop, 3);
	past.history = torn_end();
	merkle_root(&edge, &past.root[0]);
	OK(audit_scan(past.shop.l, 0, UINT64_MAX, keep_root, &edge, &e));
	shop_close(&past.shop);
	torn_quiet(true);
	return 0;
}

static int forget(void **state)
{
	torn_free(past.history);
	torn_remove(past.disk);
	torn_remove(past.after);
	desk_close(&past.desk);
	return 0;
}

static bool log_is_a_prefix(struct ledger *l, uint64_t *ret_size)
{
	struct merkle_hash root;
	OK(audit_head(l, ret_size, &root, &e));
	return *ret_size <= past.size && !memcmp(&root, &past.root[*ret_size], sizeof(root));
}

static bool log_fits(struct ledger *l)
{
	struct audit_report report;
	struct err e = {0};
	return ledger_check(l, &e) && audit_verify(l, NULL, NULL, &report, &e) && report.fits;
}

/* What the signer remembers against what it promised, and against what the ledger can prove. */
static void judge_signer(uint64_t promise, uint64_t size, struct tally *t)
{
	struct signer *signer = NULL;
	struct signer_info info;
	struct err e = {0};
	if (!signer_open(&past.shop.setup, &signer, &e)) {
		t->refused++;
		return;
	}
	signer_who(signer, &info);
	signer_close(signer);
	t->forgotten += info.signed_count < shop_counted(promise);
	t->ahead += info.head_size > size || (info.head_size && memcmp(&info.head_root, &past.root[info.head_size], sizeof(info.head_root)));
}

/* The line starts again, and each unit is plugged in once more. */
static void finish(struct tally *t)
{
	shop_open(&past.shop);
	for (unsigned n = 0; n < SHOP_UNITS; n++) {
		shop_agrees(&past.shop, n);
		shop_unit(&past.shop, n);
		shop_agrees(&past.shop, n);
		t->unfinished += !shop_is_finished_once(&past.shop, n);
	}
	t->unfinished += !log_fits(past.shop.l);
	t->doubled += shop_signed(&past.shop) != SHOP_UNITS;
	shop_close(&past.shop);
}

/* One cut, with one way of tearing. */
static void cut(size_t at, uint64_t seed, bool to_the_end, struct tally *t)
{
	struct ledger *l = NULL;
	struct err e = {0};
	char path[112];
	uint64_t promise = torn_promised(past.history, at), size = 0;
	torn_build(past.history, at, seed, past.after);
	shop_move(&past.shop, past.after);
	snprintf(path, sizeof(path), "%s/ledger.db", past.after);
	t->cuts++;
	if (!ledger_open(path, DESK_ORIGIN, &l, &e)) {
		t->refused++;
		return;
	}
	t->lost += !log_is_a_prefix(l, &size) || size < shop_entries(promise) || !log_fits(l);
	ledger_close(l);
	judge_signer(promise, size, t);
	if (to_the_end)
		finish(t);
}

static void show(const char *what, const struct tally *t)
{
	print_message("%s: %zu power cuts, at %zu operations with %zu syncs: %zu times an acknowledged entry was lost, %zu times a count; "
		      "signer ahead of the ledger %zu, not opened again %zu; units not finished after one re-plug %zu, counted twice %zu\n", what,
		      t->cuts, torn_count(past.history), torn_syncs(past.history), t->lost, t->forgotten, t->ahead, t->refused, t->unfinished,
		      t->doubled);
}

static void after_a_cut_at_any_operation_nothing_acknowledged_is_lost_and_a_replug_finishes(void **state)
{
	struct tally t = {0};
	for (size_t at = 0, turn = 0; at <= torn_count(past.history); at++) {
		/* Every sync is met, just before it counts: that is when most is open. */
		if (at % every && !torn_is_sync(past.history, at))
			continue;
		turn++;
		for (uint64_t seed = 0; seed < seeds; seed++)
			cut(at, seed < 2 && seeds > 2 ? seed : at + seed, every == 1 || turn % 8 == 0, &t);
	}
	show("torn", &t);
	assert_true(t.cuts >= torn_count(past.history) / every + torn_syncs(past.history));
	assert_int_equal(t.lost + t.forgotten + t.ahead + t.refused + t.unfinished + t.doubled, 0);
}

/* The harness can fail: a disk that says that it synced, and did not, is what no program withstands. */
static void liar(const char *name, struct tally *ret)
{
	*ret = (struct tally){0};
	torn_lie(past.history, name);
	for (size_t at = 0; at <= torn_count(past.history); at++)
		if (torn_is_sync(past.history, at) && at % 5 == 0)
			cut(at, at, false, ret);
	torn_lie(past.history, "");
	show(name, ret);
}

static void a_wal_that_is_not_synced_loses_acknowledged_entries(void **state)
{
	struct tally t;
	liar("ledger.db-wal", &t);
	assert_true(t.lost > 0 && t.ahead > 0);
}

static void a_signers_memory_that_is_not_synced_forgets(void **state)
{
	struct tally t;
	liar("signer.state", &t);
	assert_true(t.forgotten + t.refused > 0 && t.lost == 0);
}

/* What is held at each cut is held because the WAL is synced, and because the ledger is when it goes back into it. */
static void the_history_has_what_can_go_wrong(void **state)
{
	size_t born = torn_first(past.history, torn_promised(past.history, torn_count(past.history)));
	assert_true(torn_writes(past.history, "ledger.db", 0, born) > 100);
	assert_true(torn_writes(past.history, "ledger.db-wal", 0, born) > 1000);
	assert_true(torn_writes(past.history, "signer.state", 0, born) > SHOP_UNITS);
	assert_true(torn_syncs(past.history) > 50);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_history_has_what_can_go_wrong),
		cmocka_unit_test(after_a_cut_at_any_operation_nothing_acknowledged_is_lost_and_a_replug_finishes),
		cmocka_unit_test(a_wal_that_is_not_synced_loses_acknowledged_entries),
		cmocka_unit_test(a_signers_memory_that_is_not_synced_forgets),
	};
	if (argc > 1)
		every = strtoul(argv[1], NULL, 10);
	if (argc > 2)
		seeds = (unsigned)strtoul(argv[2], NULL, 10);
	return cmocka_run_group_tests(tests, live, forget);
}
