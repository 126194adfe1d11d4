/* SPDX-License-Identifier: Apache-2.0 */
#include "station/base/clock.h"
#include "station/base/log.h"
#include "tests/base/check.h"

#include <stdio.h>
#include <string.h>

/* What reaches stderr while `speak` runs. */
static size_t overhear(void (*speak)(void), char *out, size_t room)
{
	int p[2], old = dup(STDERR_FILENO);
	assert_int_equal(pipe(p), 0);
	dup2(p[1], STDERR_FILENO);
	close(p[1]);
	speak();
	dup2(old, STDERR_FILENO);
	close(old);
	ssize_t n = read(p[0], out, room - 1);
	close(p[0]);
	assert_true(n >= 0);
	out[n] = '\0';
	return (size_t)n;
}

static void speak_plainly(void)
{
	struct err e = {0};
	log_setup("signer", LOG_LEVEL_WARN);
	log_debug("not %d", 1);
	log_info("not %d", 2);
	log_warn("said %d", 3);
	err_set(&e, E_USB_GONE, "port 1-4");
	log_err(LOG_LEVEL_ERROR, &e, "slot A1");
}

static void lines_have_time_level_and_name_and_the_least_level_holds(void **state)
{
	char text[2048], *second;
	overhear(speak_plainly, text, sizeof(text));
	assert_int_equal(text[10], 'T');
	assert_int_equal(text[23], 'Z');
	assert_int_equal(strncmp(text + 24, " warn signer: said 3\n", 21), 0);
	second = strchr(text, '\n') + 1;
	assert_string_equal(second + 24, " error signer: slot A1: E-USB-002 port 1-4\n");
}

static void speak_like_a_device(void)
{
	log_setup("line", LOG_LEVEL_DEBUG);
	log_info("serial %s", "\x1b[2J\r\nE-USB-001 \x7f\x01 \xc3\xa4");
}

static void a_devices_text_moves_no_cursor_and_makes_no_line(void **state)
{
	char text[2048];
	size_t n = overhear(speak_like_a_device, text, sizeof(text));
	assert_string_equal(text + 24, " info line: serial ?[2J??E-USB-001 ?? \xc3\xa4\n");
	assert_ptr_equal(strchr(text, '\n'), text + n - 1);
}

static void speak_at_length(void)
{
	char big[4000];
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	log_setup("line", LOG_LEVEL_DEBUG);
	log_info("%s", big);
}

static void a_long_line_is_cut_and_still_ends(void **state)
{
	char text[5000];
	size_t n = overhear(speak_at_length, text, sizeof(text));
	assert_true(n <= 1024 && n > 1000);
	assert_ptr_equal(strchr(text, '\n'), text + n - 1);
}

static void a_time_is_told_as_the_rfc_tells_it(void **state)
{
	char text[CLOCK_TEXT];
	clock_text(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00.000Z");
	clock_text(1795384165123, text);
	assert_string_equal(text, "2026-11-22T21:49:25.123Z");
	clock_text(-1, text);
	assert_string_equal(text, "1969-12-31T23:59:59.999Z");
}

static void what_is_left_is_never_negative(void **state)
{
	int64_t now = clock_steady_ms();
	assert_int_equal(clock_left_ms(now - 1000), 0);
	assert_int_equal(clock_left_ms(INT64_MIN), 0);
	assert_int_equal(clock_left_ms(INT64_MAX), INT32_MAX);
	assert_in_range(clock_left_ms(now + 10000), 9000, 10000);
}

static void sleeping_takes_its_time(void **state)
{
	int64_t start = clock_steady_ms();
	clock_sleep_ms(30);
	assert_in_range(clock_steady_ms() - start, 29, 2000);
	clock_sleep_ms(0);
	clock_sleep_ms(-5);
	assert_true(clock_wall_ms() > 1700000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_have_time_level_and_name_and_the_least_level_holds),
		cmocka_unit_test(a_devices_text_moves_no_cursor_and_makes_no_line),
		cmocka_unit_test(a_long_line_is_cut_and_still_ends),
		cmocka_unit_test(a_time_is_told_as_the_rfc_tells_it),
		cmocka_unit_test(what_is_left_is_never_negative),
		cmocka_unit_test(sleeping_takes_its_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
