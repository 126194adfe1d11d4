/* SPDX-License-Identifier: Apache-2.0 */
/* The line's half of the conversation with its judge, when the device has taken the judge over: this test is the judge gone bad. */
#include "certs/verifier.h"
#include "station/base/clock.h"
#include "station/base/wire.h"
#include "tests/certs/check.h"

#include <string.h>
#include <sys/wait.h>

static int64_t soon(void)
{
	return clock_steady_ms() + 10000;
}

static int exit_code(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void texts_of_a_judge_gone_bad_end(void **state)
{
	struct ek_verdict sent, got;
	struct err e = {0};
	static struct wire_msg m;
	int pair[2];
	CHECK_OK(wire_pair(pair, &e), e);
	memset(&sent, 'A', sizeof(sent));
	pid_t bad = fork();
	if (!bad)
		_exit(wire_recv(pair[1], &m, soon(), &e) && wire_send(pair[1], m.type, &sent, sizeof(sent), soon(), &e) ? 0 : 1);
	CHECK_OK(verifier_client_judge_ek(pair[0], soon(), &got, &e), e);
	assert_int_equal(exit_code(bad), 0);
	assert_int_equal(strlen(got.manufacturer), sizeof(got.manufacturer) - 1);
	assert_int_equal(strlen(got.model), sizeof(got.model) - 1);
	assert_int_equal(strlen(got.version), sizeof(got.version) - 1);
	assert_int_equal(strlen(got.template_name), sizeof(got.template_name) - 1);
	close(pair[0]);
	close(pair[1]);
}

/* One that stops the line at once, and one that does so when the tries are used up. */
static void judge_gone_bad_cannot_stop_the_line_with_its_error(void **state)
{
	static const struct {
		enum err_code said;
		const char *heard;
	} rows[] = {
		{E_AUDIT, "the judge's process: E-DB-006 a?[2J"},
		{E_USB_OPEN, "the judge's process: E-USB-004 a?[2J"},
	};
	static struct wire_msg m;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct err said = {.code = rows[i].said, .what = "a\x1b[2J"}, e = {0};
		int pair[2];
		CHECK_OK(wire_pair(pair, &e), e);
		pid_t bad = fork();
		if (!bad)
			_exit(wire_recv(pair[1], &m, soon(), &e) && wire_send_err(pair[1], &said, soon(), &e) ? 0 : 1);
		assert_false(verifier_client_challenge(pair[0], soon(), CHALLENGE_AK, &e));
		assert_int_equal(exit_code(bad), 0);
		assert_int_equal(e.code, E_VERIFIER);
		assert_string_equal(e.what, rows[i].heard);
		close(pair[0]);
		close(pair[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_of_a_judge_gone_bad_end),
		cmocka_unit_test(judge_gone_bad_cannot_stop_the_line_with_its_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
