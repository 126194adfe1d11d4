/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device's power goes at every write, sync and rename of its storage, with what its flash may make of what was not synced: the key,
 * the bundle and the end of factory mode are each the old one or the new one, whole, and what was answered for is there.
 */
#include "store.h"
#include "tty_key.h"

#include "tests/torn/torn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#define SEEDS 8
#define OLD 7000
#define NEW 16000

/* What the device answered for, in this order. */
enum { NOTHING, KEY_OLD, BUNDLE_OLD, KEY_NEW, BUNDLE_NEW, CLOSED };

static struct {
	char dir[64], disk[80], after[80];
	struct torn *history;
} past;

static void commit(struct store *s, uint8_t fill, size_t len)
{
	static uint8_t data[BUNDLE_MAX];
	struct why why;
	memset(data, fill, sizeof data);
	assert_true(store_commit(s, data, len, CUT_NEVER, &why));
}

static int live(void **state)
{
	struct store s;
	struct tty_key key;
	struct why why;

	(void)state;
	snprintf(past.dir, sizeof past.dir, "/tmp/sim-power.XXXXXX");
	assert_non_null(mkdtemp(past.dir));
	snprintf(past.disk, sizeof past.disk, "%s/disk", past.dir);
	snprintf(past.after, sizeof past.after, "%s/after", past.dir);
	assert_int_equal(mkdir(past.disk, 0700), 0);
	torn_begin(past.disk);
	assert_true(store_open(&s, past.disk, &why) && tty_key_open(&key, past.disk, &why));
	assert_true(tty_key_make(&key, "old", &why));
	torn_promise(KEY_OLD);
	commit(&s, 1, OLD);
	torn_promise(BUNDLE_OLD);
	assert_true(tty_key_make(&key, "new", &why));
	torn_promise(KEY_NEW);
	commit(&s, 2, NEW);
	torn_promise(BUNDLE_NEW);
	assert_true(store_finish(&s, &why));
	torn_promise(CLOSED);
	past.history = torn_end();
	tty_key_close(&key);
	store_close(&s);
	torn_quiet(true);
	return 0;
}

static int forget(void **state)
{
	(void)state;
	torn_free(past.history);
	torn_remove(past.dir);
	return 0;
}

static bool is_filled(const struct store *s, uint8_t fill, size_t len)
{
	if (s->bundle_len != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (s->bundle[i] != fill)
			return false;
	return true;
}

/* 0 for nothing, 1 for the old one, 2 for the new one, -1 for neither. */
static int bundle_of(const struct store *s)
{
	return !s->bundle ? 0 : is_filled(s, 1, OLD) ? 1 : is_filled(s, 2, NEW) ? 2 : -1;
}

static int key_of(const struct tty_key *k)
{
	return !k->key ? 0 : !strcmp(k->seed, "old") ? 1 : !strcmp(k->seed, "new") ? 2 : -1;
}

/* The cut before operation `at`: how many of the three are not what they may be. */
static unsigned wrong_after(size_t at, uint64_t seed)
{
	struct store s;
	struct tty_key key;
	struct why why;
	uint64_t promised = torn_promised(past.history, at);

	torn_build(past.history, at, seed, past.after);
	if (!store_open(&s, past.after, &why))
		return 1;
	if (!tty_key_open(&key, past.after, &why)) {
		store_close(&s);
		return 1;
	}
	int bundle = bundle_of(&s), made = key_of(&key);
	unsigned wrong = made < (promised >= KEY_NEW ? 2 : promised >= KEY_OLD ? 1 : 0) || (made == 2 && promised < BUNDLE_OLD);
	wrong += bundle < (promised >= BUNDLE_NEW ? 2 : promised >= BUNDLE_OLD ? 1 : 0) || (bundle == 2 && promised < KEY_NEW);
	wrong += (promised >= CLOSED && !s.closed) || (s.closed && promised < BUNDLE_NEW);
	commit(&s, 2, NEW); /* it goes on */
	wrong += bundle_of(&s) != 2;
	tty_key_close(&key);
	store_close(&s);
	return wrong;
}

static unsigned cut_everywhere(void)
{
	unsigned cuts = 0, wrong = 0;
	for (size_t at = 0; at <= torn_count(past.history); at++)
		for (uint64_t seed = 0; seed < SEEDS; seed++, cuts++)
			wrong += wrong_after(at, seed) > 0;
	print_message("device: %u power cuts at %zu operations with %zu syncs, %u left something that may not be\n", cuts,
		torn_count(past.history), torn_syncs(past.history), wrong);
	return wrong;
}

static void whatever_the_flash_does_each_file_is_the_old_or_the_new_one(void **state)
{
	(void)state;
	assert_true(torn_syncs(past.history) >= 10);
	assert_int_equal(cut_everywhere(), 0);
}

static void a_flash_that_lies_about_its_syncs_is_found_out(void **state)
{
	static const char *const files[] = { "bundle.bin", "key.pem" };
	(void)state;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		torn_lie(past.history, files[i]);
		assert_true(cut_everywhere() > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_the_flash_does_each_file_is_the_old_or_the_new_one),
		cmocka_unit_test(a_flash_that_lies_about_its_syncs_is_found_out),
	};
	return cmocka_run_group_tests(tests, live, forget);
}
