/* SPDX-License-Identifier: Apache-2.0 */
#include "station/base/clock.h"
#include "station/base/wire.h"
#include "tests/base/check.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

static int64_t soon(void)
{
	return clock_steady_ms() + 1000;
}

static int pair(void **state)
{
	struct err e = {0};
	int *p = calloc(2, sizeof(int));
	*state = p;
	return p && wire_pair(p, &e) ? 0 : -1;
}

static int unpair(void **state)
{
	int *p = *state;
	for (int i = 0; i < 2; i++)
		if (p[i] >= 0)
			close(p[i]);
	free(p);
	return 0;
}

static void messages_keep_their_borders(void **state)
{
	int *p = *state;
	struct wire_msg m;
	static uint8_t big[WIRE_MAX];
	memset(big, 0xa5, sizeof(big));
	OK(wire_send(p[0], 1, "one", 3, soon(), &e));
	OK(wire_send(p[0], 2, NULL, 0, soon(), &e));
	OK(wire_send(p[0], 3, big, sizeof(big), soon(), &e));
	OK(wire_recv(p[1], &m, soon(), &e));
	assert_true(m.type == 1 && m.len == 3 && !memcmp(m.data, "one", 3));
	OK(wire_recv(p[1], &m, soon(), &e));
	assert_true(m.type == 2 && m.len == 0);
	OK(wire_recv(p[1], &m, soon(), &e));
	assert_true(m.type == 3 && m.len == WIRE_MAX);
	assert_memory_equal(m.data, big, sizeof(big));
}

static void a_message_that_is_too_long_is_not_sent(void **state)
{
	int *p = *state;
	static uint8_t big[WIRE_MAX + 1];
	int fds[WIRE_FDS_MAX + 1] = {0};
	REFUSED(E_WIRE, wire_send(p[0], 1, big, sizeof(big), soon(), &e));
	REFUSED(E_WIRE, wire_send_fds(p[0], 1, "", 0, fds, WIRE_FDS_MAX + 1, soon(), &e));
}

static void silence_ends_at_the_deadline(void **state)
{
	int *p = *state;
	struct wire_msg m;
	int64_t start = clock_steady_ms();
	REFUSED(E_CHILD_SILENT, wire_recv(p[1], &m, start + 60, &e));
	assert_in_range(clock_steady_ms() - start, 55, 2000);
	REFUSED(E_CHILD_SILENT, wire_recv(p[1], &m, start, &e));
}

static void a_reader_that_does_not_read_is_silent_too(void **state)
{
	int *p = *state;
	static uint8_t big[WIRE_MAX];
	struct err e = {0};
	int sent = 0;
	while (sent < 1000 && wire_send(p[0], 1, big, sizeof(big), clock_steady_ms() + 50, &e))
		sent++;
	assert_int_equal(e.code, E_CHILD_SILENT);
	assert_true(sent > 0);
}

static void the_end_of_the_other_is_seen_on_both_ways(void **state)
{
	int *p = *state;
	struct wire_msg m;
	OK(wire_send(p[1], 9, "last", 4, soon(), &e));
	close(p[1]);
	p[1] = -1;
	OK(wire_recv(p[0], &m, soon(), &e));
	assert_int_equal(m.type, 9);
	REFUSED(E_CHILD_LOST, wire_recv(p[0], &m, soon(), &e));
	REFUSED(E_CHILD_LOST, wire_send(p[0], 1, "x", 1, soon(), &e));
}

static void a_malformed_message_is_refused(void **state)
{
	int *p = *state;
	struct wire_msg m;
	uint32_t lie[3] = {1, 8, 0};
	assert_int_equal(send(p[0], lie, sizeof(lie), 0), sizeof(lie));
	REFUSED(E_WIRE, wire_recv(p[1], &m, soon(), &e));
	assert_int_equal(send(p[0], lie, 5, 0), 5);
	REFUSED(E_WIRE, wire_recv(p[1], &m, soon(), &e));
	static uint8_t huge[WIRE_MAX + 100];
	uint32_t len = WIRE_MAX + 92;
	memcpy(huge + 4, &len, sizeof(len));
	assert_int_equal(send(p[0], huge, sizeof(huge), 0), sizeof(huge));
	REFUSED(E_WIRE, wire_recv(p[1], &m, soon(), &e));
}

static int open_descriptors(void)
{
	int n = 0;
	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void descriptors_go_along_and_close_on_exec(void **state)
{
	int *p = *state, q[2], got[WIRE_FDS_MAX];
	size_t count = 0;
	char c = 0;
	struct wire_msg m;
	assert_int_equal(pipe(q), 0);
	OK(wire_send_fds(p[0], 7, "fd", 2, q, 2, soon(), &e));
	OK(wire_recv_fds(p[1], &m, got, &count, soon(), &e));
	assert_int_equal(count, 2);
	assert_true(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(got[1], "!", 1), 1);
	assert_int_equal(read(q[0], &c, 1), 1);
	for (int i = 0; i < 2; i++) {
		close(q[i]);
		close(got[i]);
	}
}

static void descriptors_that_nobody_asked_for_are_closed(void **state)
{
	int *p = *state;
	struct wire_msg m;
	int before = open_descriptors();
	int fds[WIRE_FDS_MAX] = {p[0], p[0], p[0], p[0]};
	OK(wire_send_fds(p[0], 7, "fd", 2, fds, WIRE_FDS_MAX, soon(), &e));
	OK(wire_recv(p[1], &m, soon(), &e));
	assert_int_equal(open_descriptors(), before);
	uint64_t number;
	OK(wire_send_fds(p[0], 7, "12345678", 8, fds, 2, soon(), &e));
	OK(wire_expect(p[1], 7, &number, sizeof(number), soon(), &e));
	assert_int_equal(open_descriptors(), before);
}

static void an_expected_message_has_its_type_and_size(void **state)
{
	int *p = *state;
	uint32_t number = 5, got = 0;
	OK(wire_send(p[0], 4, &number, sizeof(number), soon(), &e));
	OK(wire_expect(p[1], 4, &got, sizeof(got), soon(), &e));
	assert_int_equal(got, 5);
	OK(wire_send(p[0], 3, &number, sizeof(number), soon(), &e));
	REFUSED(E_WIRE, wire_expect(p[1], 4, &got, sizeof(got), soon(), &e));
	OK(wire_send(p[0], 4, &number, 3, soon(), &e));
	REFUSED(E_WIRE, wire_expect(p[1], 4, &got, sizeof(got), soon(), &e));
}

static void an_error_of_the_other_becomes_the_callers(void **state)
{
	int *p = *state;
	uint32_t got;
	struct err cause = {0}, said = {0};
	err_native(&cause, E_TPM, 0x9a2, "the TPM's own words");
	OK(wire_send_err(p[0], &cause, soon(), &e));
	assert_false(wire_expect(p[1], 4, &got, sizeof(got), soon(), &said));
	assert_int_equal(said.code, E_TPM);
	assert_int_equal(said.native, 0x9a2);
	assert_string_equal(said.what, cause.what);
	/* A hostile child's error: no end, no such code. */
	memset(cause.what, 'x', sizeof(cause.what));
	OK(wire_send_err(p[0], &cause, soon(), &e));
	REFUSED(E_TPM, wire_expect(p[1], 4, &got, sizeof(got), soon(), &e));
	cause.code = (enum err_code)9999;
	OK(wire_send_err(p[0], &cause, soon(), &e));
	REFUSED(E_WIRE, wire_expect(p[1], 4, &got, sizeof(got), soon(), &e));
	cause.code = E_NONE;
	OK(wire_send_err(p[0], &cause, soon(), &e));
	REFUSED(E_WIRE, wire_expect(p[1], 4, &got, sizeof(got), soon(), &e));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, pair, unpair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(messages_keep_their_borders),
		TEST(a_message_that_is_too_long_is_not_sent),
		TEST(silence_ends_at_the_deadline),
		TEST(a_reader_that_does_not_read_is_silent_too),
		TEST(the_end_of_the_other_is_seen_on_both_ways),
		TEST(a_malformed_message_is_refused),
		TEST(descriptors_go_along_and_close_on_exec),
		TEST(descriptors_that_nobody_asked_for_are_closed),
		TEST(an_expected_message_has_its_type_and_size),
		TEST(an_error_of_the_other_becomes_the_callers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
