/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/signer_state.h"
#include "tests/certs/check.h"
#include "tests/certs/desk.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const uint8_t key[SIGNER_KEY] = {7};

static int open_desk(void **state)
{
	static struct desk d;
	desk_open(&d);
	*state = &d;
	return 0;
}

static int close_desk(void **state)
{
	desk_close(*state);
	return 0;
}

static void write_file(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_TRUNC);
	assert_true(fd >= 0 && pwrite(fd, data, len, 0) == (ssize_t)len && close(fd) == 0);
}

static size_t read_whole(const char *path, uint8_t *out, size_t room)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, out, room);
	assert_true(fd >= 0 && n > 0 && close(fd) == 0);
	return (size_t)n;
}

static void memory_is(const char *path, const struct signer_memory *a, const struct signer_memory *b)
{
	struct err e = {0};
	struct signer_state s;
	CHECK_OK(signer_state_open(&s, path, key, &e), e);
	if (memcmp(&s.now, a, sizeof(*a)) != 0)
		assert_memory_equal(&s.now, b, sizeof(*b));
	signer_state_close(&s);
}

/* Power goes while a slot is being written: after any number of its bytes the file tells the old
 * state or the new one. */
static void state_torn_at_any_byte_is_the_old_or_the_new_one(void **state)
{
	struct desk *d = *state;
	const char *path = desk_path(d, "torn.state");
	struct err e = {0};
	struct signer_state s;
	struct signer_memory memory[4] = {{0}};
	uint8_t before[8192], after[8192], torn[8192];
	CHECK_OK(signer_state_open(&s, path, key, &e), e);
	for (unsigned i = 1; i < COUNT_OF(memory); i++) {
		memory[i] = (struct signer_memory){i * 1000, {{(uint8_t)i}}, i};
		size_t len = read_whole(path, before, sizeof(before));
		CHECK_OK(signer_state_write(&s, &memory[i], &e), e);
		assert_int_equal(read_whole(path, after, sizeof(after)), len);
		size_t first = 0;
		while (before[first] == after[first])
			first++;
		size_t slot = first / SIGNER_SLOT_APART * SIGNER_SLOT_APART;
		assert_memory_equal(before + (SIGNER_SLOT_APART - slot), after + (SIGNER_SLOT_APART - slot), SIGNER_SLOT_SIZE);
		signer_state_close(&s);
		for (size_t cut = 0; cut <= SIGNER_SLOT_SIZE; cut++) {
			memcpy(torn, before, len);
			memcpy(torn + slot, after + slot, cut);
			write_file(path, torn, len);
			memory_is(path, &memory[i - 1], &memory[i]);
			memcpy(torn, after, len);	/* the sectors may also come the other way round */
			memcpy(torn + slot, before + slot, cut);
			write_file(path, torn, len);
			memory_is(path, &memory[i - 1], &memory[i]);
		}
		write_file(path, after, len);
		memory_is(path, &memory[i], &memory[i]);
		CHECK_OK(signer_state_open(&s, path, key, &e), e);
	}
	signer_state_close(&s);
}

static void state_without_a_whole_slot_is_refused(void **state)
{
	struct desk *d = *state;
	struct err e = {0};
	struct signer_state s;
	const char *path = desk_path(d, "bad.state");
	CHECK_OK(signer_state_open(&s, path, key, &e), e);
	signer_state_close(&s);
	uint8_t file[8192];
	size_t len = read_whole(path, file, sizeof(file));
	file[20] ^= 1;
	write_file(path, file, len);
	CHECK_OK(signer_state_open(&s, path, key, &e), e);	/* the other slot is whole */
	signer_state_close(&s);
	file[SIGNER_SLOT_APART + 20] ^= 1;
	write_file(path, file, len);
	CHECK_FAILS(signer_state_open(&s, path, key, &e), E_SIGNER_STATE, e);
	write_file(path, "", 0);	/* emptied, which is not the same as new */
	CHECK_FAILS(signer_state_open(&s, path, key, &e), E_SIGNER_STATE, e);
	CHECK_FAILS(signer_state_open(&s, "/nowhere/at/all", key, &e), E_SIGNER_STATE, e);
	assert_int_equal(s.fd, -1);
}

static void nothing_is_signed_when_the_state_cannot_be_written(void **state)
{
	struct desk *d = *state;
	struct err e = {0};
	struct signer_state s;
	const struct signer_memory memory = {1, {{1}}, 1};
	CHECK_OK(signer_state_open(&s, desk_path(d, "ro.state"), key, &e), e);
	int writable = s.fd;
	s.fd = open(desk_path(d, "ro.state"), O_RDONLY);
	CHECK_FAILS(signer_state_write(&s, &memory, &e), E_SIGNER_STATE, e);
	close(s.fd);
	s.fd = writable;
	CHECK_FAILS(signer_state_write(&s, &memory, &e), E_SIGNER_STATE, e);	/* what is on disk is unknown now */
	assert_int_equal(s.now.head_size, 0);
	signer_state_close(&s);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_desk, close_desk)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(state_torn_at_any_byte_is_the_old_or_the_new_one),
		T(state_without_a_whole_slot_is_refused),
		T(nothing_is_signed_when_the_state_cannot_be_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
