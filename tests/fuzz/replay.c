/* SPDX-License-Identifier: Apache-2.0 */
/* main of a fuzz target without libFuzzer: replays a corpus as an ordinary test.
 *
 *   TARGET [--flips N] [--mutations N] FILE…
 *
 * Each file is fed whole, cut at every length and with every bit flipped (with --flips: N of them, evenly
 * spread); then inputs are made of it by a few changes each, from a seed that never changes. When the target ends the process,
 * it is said of which input, and the same input comes at the next run. */
#include "station/base/bytes.h"
#include "station/base/file.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHANGES_MAX 6
#define INPUT_MAX ((size_t)64 << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Of a sanitizer, where one is linked. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static struct {
	const char *file, *what;
	size_t number;
	uint64_t random;
} now;

struct amount {
	size_t flips, mutations;
};

static void say_where(void)
{
	dprintf(STDERR_FILENO, "replay: %s, %s %zu\n", now.file, now.what, now.number);
}

static void on_abort(int number)
{
	say_where();
	_exit(EXIT_FAILURE);
}

/* In memory of its own size, so that a sanitizer sees a read beyond. */
static void feed(const uint8_t *data, size_t len, const char *what, size_t number)
{
	uint8_t *exact = malloc(len + !len);
	if (!exact)
		abort();
	if (len)
		memcpy(exact, data, len);
	now.what = what;
	now.number = number;
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
}

static void feed_damaged(struct bytes *b, size_t flips)
{
	size_t bits = b->len * 8, step = bits / (flips + 1) + 1;
	for (size_t len = 0; len <= b->len; len += step)
		feed(b->data, len, "cut at", len);
	feed(b->data, b->len, "whole", b->len);
	for (size_t bit = 0; bit < bits; bit += step) {
		b->data[bit / 8] ^= 1 << bit % 8;
		feed(b->data, b->len, "flipped bit", bit);
		b->data[bit / 8] ^= 1 << bit % 8;
	}
}

/* xorshift64: Marsaglia, "Xorshift RNGs", 2003. */
static size_t below(size_t n)
{
	now.random ^= now.random << 13;
	now.random ^= now.random >> 7;
	now.random ^= now.random << 17;
	return n ? now.random % n : 0;
}

/* Numbers where lengths and counts go wrong. */
static void put_edge(uint8_t *at, size_t left)
{
	static const uint32_t edges[] = {0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff};
	uint32_t v = edges[below(COUNT_OF(edges))];
	size_t size = (size_t)1 << below(3);
	for (size_t i = 0; i < size && i < left; i++)
		at[i] = (uint8_t)(v >> 8 * (size - 1 - i));
}

/* Takes out a piece at `at`, or puts in one of the other file, or one of its own. */
static size_t resize(uint8_t *data, size_t len, size_t at, const struct bytes *other)
{
	size_t n = below(below(2) ? 8 : 512) + 1;
	if (below(3) == 0) {
		n = n > len - at ? len - at : n;
		memmove(data + at, data + at + n, len - at - n);
		return len - n;
	}
	const struct bytes own = {.data = data, .len = len};
	const struct bytes *source = below(2) ? other : &own;
	size_t from = below(source->len);
	uint8_t piece[512];
	n = n > source->len - from ? source->len - from : n;
	if (len + n > INPUT_MAX)
		return len;
	if (n)
		memcpy(piece, source->data + from, n);
	memmove(data + at + n, data + at, len - at);
	memcpy(data + at, piece, n);
	return len + n;
}

static size_t change(uint8_t *data, size_t len, const struct bytes *other)
{
	size_t at = below(len);
	if (len && below(4) == 0)
		data[at] = (uint8_t)below(256);
	else if (len && below(2))
		put_edge(data + at, len - at);
	else
		return resize(data, len, at, other);
	return len;
}

static void feed_mutated(const struct bytes *b, const struct bytes *other, size_t count)
{
	static uint8_t data[INPUT_MAX];
	now.random = 0x9e3779b97f4a7c15;
	for (size_t i = 0; i < count && b->len <= sizeof(data); i++) {
		size_t len = b->len;
		if (len)
			memcpy(data, b->data, len);
		for (size_t n = below(CHANGES_MAX) + 1; n; n--)
			len = change(data, len, other);
		feed(data, len, "mutation", i);
	}
}

static bool replay(char **files, int count, const struct amount *a)
{
	for (int i = 0; i < count; i++) {
		AUTO(bytes) struct bytes b = {0}, other = {0};
		struct err e = {0};
		if (!file_read(files[i], &b, &e) || !file_read(files[(i + 1) % count], &other, &e)) {
			fprintf(stderr, "%s: %s\n", files[i], e.what);
			return false;
		}
		now.file = files[i];
		feed_damaged(&b, a->flips);
		feed_mutated(&b, &other, a->mutations);
	}
	return count > 0;
}

int main(int argc, char **argv)
{
	struct amount a = {.flips = SIZE_MAX - 1, .mutations = 1000};
	int first = 1;
	for (; first + 1 < argc && !strncmp(argv[first], "--", 2); first += 2) {
		size_t *which = !strcmp(argv[first], "--flips") ? &a.flips : &a.mutations;
		*which = strtoul(argv[first + 1], NULL, 10);
	}
	signal(SIGABRT, on_abort);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(say_where);
	return replay(argv + first, argc - first, &a) ? EXIT_SUCCESS : EXIT_FAILURE;
}
