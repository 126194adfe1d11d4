/* SPDX-License-Identifier: Apache-2.0 */
/* The count on its own, with a counter in this process as its anchor: what real anchors do is tested beside them. */
#include "certs/count.h"
#include "station/base/clock.h"
#include "tests/certs/check.h"
#include "tests/certs/desk.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DAY_MS (24 * 60 * 60 * (int64_t)1000)
#define NOW_MS 1795384165123

/* A counter that can be cut off before it grows, or right after. */
struct stone {
	uint64_t at;
	enum { GROWS, CUT_BEFORE, CUT_AFTER } mood;
};

static bool stone_read(void *state, uint64_t *ret, struct err *e)
{
	*ret = ((const struct stone *)state)->at;
	return true;
}

static bool stone_advance(void *state, uint64_t *ret, struct err *e)
{
	struct stone *s = state;
	if (s->mood != CUT_BEFORE)
		s->at++;
	*ret = s->at;
	return s->mood == GROWS || err_set(e, E_TOKEN_GONE, "cut off");
}

static const struct anchor_ops stone_ops = {.name = "stone", .read = stone_read, .advance = stone_advance};

struct bench {
	char dir[64];
	struct stone stone;
	struct anchor anchor;
	char path[128];
	struct count_setup setup;
	struct count count;
	bool open;
	struct order_terms order;
	uint64_t next;	/* index of the next intent */
};

static void bench_fill(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	strcpy(b->dir, "/tmp/station-count-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	snprintf(b->path, sizeof(b->path), "%s/signer.state", b->dir);
	b->stone.at = 41;	/* a TPM's counter does not begin at zero */
	b->anchor = (struct anchor){&stone_ops, &b->stone};
	b->setup = (struct count_setup){.state_path = b->path, .anchor = &b->anchor, .lease = 4, .key = {1, 2, 3}};
	b->order = (struct order_terms){.number = "WO-1", .count = 20, .scrap = 2, .replace = 3, .made_ms = NOW_MS, .from_ms = NOW_MS,
					.until_ms = NOW_MS + DAY_MS};
}

static int bench_open(void **state)
{
	static struct bench b;
	struct err e = {0};
	bench_fill(&b);
	CHECK_OK(count_begin(&b.setup, NOW_MS, &e), e);
	*state = &b;
	return 0;
}

static void kill_it(struct bench *b)
{
	if (!b->open)
		return;
	close(b->count.state.fd);
	close(b->count.marks_fd);
	b->open = false;
}

static int bench_close(void **state)
{
	struct bench *b = *state;
	kill_it(b);
	desk_shell(NULL, 0, "rm -rf '%s'", b->dir);
	return 0;
}

static bool start(struct bench *b, struct err *e)
{
	b->open = count_open(&b->count, &b->setup, e);
	return b->open;
}

static void end(struct bench *b)
{
	count_close(&b->count);
	b->open = false;
}

static struct counting intent_at(const struct bench *b, uint64_t index)
{
	struct counting what = {.index = index, .head_size = index + 1, .now_ms = NOW_MS, .order = &b->order};
	memset(what.leaf.h, (int)(index & 0xff), sizeof(what.leaf.h));
	return what;
}

static bool take(struct bench *b, bool replaces, struct err *e)
{
	struct counting what = intent_at(b, b->next);
	what.replaces = replaces;
	if (!count_identity(&b->count, &what, e))
		return false;
	b->next++;
	return true;
}

static unsigned take_all(struct bench *b, bool replaces)
{
	struct err e = {0};
	unsigned n = 0;
	while (take(b, replaces, &e))
		n++;
	assert_int_equal(e.code, E_ORDER_SPENT);
	return n;
}

static void order_stops_at_its_number_and_replacements_at_theirs(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	CHECK_OK(start(b, &e), e);
	assert_int_equal(take_all(b, false), 22);
	assert_int_equal(take_all(b, true), 3);
	b->order.count = 25;	/* amended */
	assert_int_equal(take_all(b, false), 5);
	b->order.count = 1;
	assert_int_equal(take_all(b, false), 0);
	strcpy(b->order.number, "WO-2");
	assert_int_equal(take_all(b, false), 3);
}

static void same_intent_is_free_for_ever(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	CHECK_OK(start(b, &e), e);
	assert_int_equal(take_all(b, false), 22);
	for (int round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < b->next; i++) {
			struct counting what = intent_at(b, i);
			assert_true(count_knows(&b->count, &what));
			CHECK_OK(count_identity(&b->count, &what, &e), e);
			what.leaf.h[3] ^= 1;	/* another intent at that index */
			assert_false(count_knows(&b->count, &what));
		}
		round ? kill_it(b) : end(b);
		CHECK_OK(start(b, &e), e);
	}
}

static void crash_forfeits_a_lease_at_most_and_a_clean_end_nothing(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	for (int i = 0; i < 6; i++) {
		CHECK_OK(start(b, &e), e);
		CHECK_OK(take(b, false, &e), e);
		end(b);
	}
	CHECK_OK(start(b, &e), e);
	CHECK_OK(take(b, false, &e), e);	/* the seventh, of a lease of four */
	kill_it(b);
	CHECK_OK(start(b, &e), e);
	assert_int_equal(take_all(b, false), 22 - 7 - 3);
}

static void mark_of_another_hand_is_none(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	char path[160];
	uint8_t zeros[4096] = {0};
	CHECK_OK(start(b, &e), e);
	assert_int_equal(take_all(b, false), 22);
	snprintf(path, sizeof(path), "%s/signer.counted", b->dir);
	int fd = open(path, O_RDWR);
	memset(zeros, 0xff, sizeof(zeros));
	assert_int_equal(pwrite(fd, zeros, sizeof(zeros), 0), sizeof(zeros));
	/* Nor is one of another index. */
	const struct counting other = intent_at(b, 30);
	assert_int_equal(pread(fd, zeros, COUNT_MARK, 16 * COUNT_MARK), COUNT_MARK);
	assert_int_equal(pwrite(fd, zeros, COUNT_MARK, 30 * COUNT_MARK), COUNT_MARK);
	close(fd);
	assert_false(count_knows(&b->count, &other));
	assert_int_equal(take_all(b, false), 0);
}

static void edited_memory_is_no_memory(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	uint8_t file[SIGNER_SLOT_APART + SIGNER_SLOT_SIZE];
	CHECK_OK(start(b, &e), e);
	CHECK_OK(take(b, false, &e), e);
	end(b);
	int fd = open(b->path, O_RDWR);
	assert_int_equal(pread(fd, file, sizeof(file), 0), sizeof(file));
	file[200] ^= 1;
	file[SIGNER_SLOT_APART + 200] ^= 1;
	assert_int_equal(pwrite(fd, file, sizeof(file), 0), sizeof(file));
	close(fd);
	assert_false(start(b, &e));
	assert_int_equal(e.code, E_SIGNER_STATE);
	err_clear(&e);
	b->setup.key[0] ^= 1;	/* a memory of another signer */
	unlink(b->path);
	CHECK_OK(count_begin(&b->setup, NOW_MS, &e), e);
	b->setup.key[0] ^= 1;
	assert_false(start(b, &e));
	assert_int_equal(e.code, E_SIGNER_STATE);
}

static void memory_is_begun_by_people_and_voids_older_orders(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	CHECK_FAILS(count_begin(&b->setup, NOW_MS, &e), E_SIGNER_STATE, e);
	unlink(b->path);
	assert_false(start(b, &e));
	assert_int_equal(e.code, E_ANCHOR);
	err_clear(&e);
	CHECK_OK(count_begin(&b->setup, NOW_MS + 1, &e), e);
	CHECK_OK(start(b, &e), e);
	CHECK_FAILS(count_takes_order(&b->count, &b->order, &e), E_ORDER_TERMS, e);
	b->order.made_ms = NOW_MS + 1;
	CHECK_OK(count_takes_order(&b->count, &b->order, &e), e);
}

static void only_orders_that_ended_are_forgotten_and_never_taken_again(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct order_terms first = b->order;
	CHECK_OK(start(b, &e), e);
	first.until_ms = b->order.until_ms = NOW_MS - 1;
	for (int i = 0; i < SIGNER_ORDERS; i++) {
		snprintf(b->order.number, sizeof(b->order.number), "WO-%d", i + 1);
		CHECK_OK(take(b, false, &e), e);
		b->order.until_ms = NOW_MS + DAY_MS;
	}
	CHECK_OK(count_takes_order(&b->count, &first, &e), e);
	strcpy(b->order.number, "one more");
	CHECK_OK(take(b, false, &e), e);
	CHECK_FAILS(count_takes_order(&b->count, &first, &e), E_ORDER_TERMS, e);
	strcpy(b->order.number, "one too many");
	assert_false(take(b, false, &e));
	assert_int_equal(e.code, E_ORDER_TERMS);
}

static void an_older_one_of_an_amended_order_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct order_terms generous = b->order;
	CHECK_OK(start(b, &e), e);
	CHECK_OK(take(b, false, &e), e);
	b->order.count = 10;
	b->order.made_ms++;
	CHECK_OK(count_takes_order(&b->count, &b->order, &e), e);
	CHECK_OK(take(b, false, &e), e);
	CHECK_FAILS(count_takes_order(&b->count, &generous, &e), E_ORDER_TERMS, e);
	end(b);
	CHECK_OK(start(b, &e), e);
	CHECK_FAILS(count_takes_order(&b->count, &generous, &e), E_ORDER_TERMS, e);
	CHECK_OK(count_takes_order(&b->count, &b->order, &e), e);
	assert_int_equal(take_all(b, false), 10 + 2 - 2);
}

/* What was given under a CA for training, without an order, is not known under the one for production. */
static void what_was_practised_is_not_free_in_production(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct counting practice = intent_at(b, b->next++);
	practice.order = NULL;
	CHECK_OK(start(b, &e), e);
	CHECK_OK(count_identity(&b->count, &practice, &e), e);
	assert_true(count_knows(&b->count, &practice));
	end(b);
	b->setup.issuer[0] ^= 1;
	CHECK_OK(start(b, &e), e);
	assert_false(count_knows(&b->count, &practice));
	end(b);
	b->setup.issuer[0] ^= 1;
	CHECK_OK(start(b, &e), e);
	assert_true(count_knows(&b->count, &practice));
}

static void memory_that_belongs_to_an_anchor_is_nothing_without_it(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	b->setup.anchor = NULL;
	CHECK_FAILS(start(b, &e), E_ANCHOR, e);
	b->setup.anchor = &b->anchor;
	CHECK_OK(start(b, &e), e);
	CHECK_OK(take(b, false, &e), e);
}

/* A mark that no file system would write, in the memory: the signer could never be opened again. */
static void index_beyond_all_logs_is_refused_before_it_is_remembered(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	CHECK_OK(start(b, &e), e);
	for (int bit = 37; bit < 64; bit++) {
		const struct counting far = intent_at(b, (uint64_t)1 << bit);
		CHECK_FAILS(count_identity(&b->count, &far, &e), E_RECEIPT, e);
	}
	const struct counting last = intent_at(b, (uint64_t)1 << 36);
	CHECK_OK(count_identity(&b->count, &last, &e), e);
	end(b);
	CHECK_OK(start(b, &e), e);
	assert_true(count_knows(&b->count, &last));
}

/* ---- whatever happens ---- */

#define COPIES 6

static void copy_files(const struct bench *b, const char *from, const char *to)
{
	(void)b;
	assert_int_equal(desk_shell(NULL, 0, "mkdir -p '%s' && cp -f '%s'/signer.* '%s'/", to, from, to), 0);
}

/* A spare with what the old line had: its files, with a lease that was not used up. Where the token moved with them, the rest of that
 * lease is forfeited, and who goes on with the old files elsewhere is left behind; with an anchor of its own they are worth nothing. */
static void a_spare_with_the_old_lines_files_gets_nothing_of_its_lease(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	char copy[96];
	uint32_t used, replaced;
	snprintf(copy, sizeof(copy), "%s/spare", b->dir);
	CHECK_OK(start(b, &e), e);
	CHECK_OK(take(b, false, &e), e);
	copy_files(b, b->dir, copy);
	kill_it(b);
	CHECK_OK(start(b, &e), e);
	count_of_order(&b->count, &b->order, &used, &replaced);
	assert_int_equal(used, b->setup.lease);
	CHECK_OK(take(b, false, &e), e);
	end(b);
	copy_files(b, copy, b->dir);
	CHECK_FAILS(start(b, &e), E_ANCHOR, e);
	struct stone own = {.at = 7};
	b->anchor.state = &own;
	CHECK_FAILS(start(b, &e), E_ANCHOR, e);
	assert_int_equal(desk_shell(NULL, 0, "cd '%s' && mkdir aside && mv signer.* aside/", b->dir), 0);
	CHECK_OK(count_begin(&b->setup, NOW_MS + 1, &e), e);
	CHECK_OK(start(b, &e), e);
	CHECK_FAILS(count_takes_order(&b->count, &b->order, &e), E_ORDER_TERMS, e);
}

/* One life: identities asked for, kills, clean ends, an anchor that is cut off, and an attacker who keeps copies of the files and puts
 * them back. Whatever he does, the order's number holds. */
static unsigned live(struct bench *b, unsigned steps)
{
	unsigned got = 0;
	char copy[96];
	for (unsigned i = 0; i < steps; i++) {
		struct err e = {0};
		int what = rand() % 16;
		b->stone.mood = rand() % 12 ? GROWS : rand() % 2 ? CUT_BEFORE : CUT_AFTER;
		snprintf(copy, sizeof(copy), "%s/copy-%d", b->dir, rand() % COPIES);
		if (what < 9 && b->open)
			got += take(b, false, &e);
		else if (what < 11)
			kill_it(b);
		else if (what == 11 && b->open)
			end(b);
		else if (what == 12)
			copy_files(b, b->dir, copy);
		else if (what == 13 && access(copy, F_OK) == 0) {
			kill_it(b);
			copy_files(b, copy, b->dir);
		}
		if (!b->open && rand() % 3)
			(void)start(b, &e);
	}
	return got;
}

static void whatever_is_cut_off_or_put_back_the_order_holds(void **state)
{
	unsigned most = 0;
	(void)state;
	for (unsigned seed = 1; seed <= 40; seed++) {
		struct bench b;
		void *at = &b;
		struct err e = {0};
		srand(seed);
		bench_fill(&b);
		b.setup.lease = seed % 5;	/* 0 is taken as 1 */
		CHECK_OK(count_begin(&b.setup, NOW_MS, &e), e);
		unsigned got = live(&b, 120);
		if (got > 22)
			fail_msg("seed %u: %u identities of 22", seed, got);
		most = got > most ? got : most;
		bench_close(&at);
	}
	assert_true(most > 11);	/* it was asked in earnest */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(order_stops_at_its_number_and_replacements_at_theirs, bench_open, bench_close),
		cmocka_unit_test_setup_teardown(same_intent_is_free_for_ever, bench_open, bench_close),
		cmocka_unit_test_setup_teardown(crash_forfeits_a_lease_at_most_and_a_clean_end_nothing, bench_open, bench_close),
		cmocka_unit_test_setup_teardown(mark_of_another_hand_is_none, bench_open, bench_close),
		cmocka_unit_test_setup_teardown(edited_memory_is_no_memory, bench_open, bench_close),
		cmocka_unit_test_setup_teardown(memory_is_begun_by_people_and_voids_older_orders, bench_open, bench_close),
		cmocka_unit_test_setup_teardown(only_orders_that_ended_are_forgotten_and_never_taken_again, bench_open, bench_close),
		cmocka_unit_test_setup_teardown(an_older_one_of_an_amended_order_is_refused, bench_open, bench_close),
		cmocka_unit_test_setup_teardown(what_was_practised_is_not_free_in_production, bench_open, bench_close),
		cmocka_unit_test_setup_teardown(memory_that_belongs_to_an_anchor_is_nothing_without_it, bench_open, bench_close),
		cmocka_unit_test_setup_teardown(index_beyond_all_logs_is_refused_before_it_is_remembered, bench_open, bench_close),
		cmocka_unit_test_setup_teardown(a_spare_with_the_old_lines_files_gets_nothing_of_its_lease, bench_open, bench_close),
		cmocka_unit_test(whatever_is_cut_off_or_put_back_the_order_holds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
