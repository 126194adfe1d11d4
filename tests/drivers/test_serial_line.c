/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/serial_line.h"
#include "station/base/clock.h"
#include "station/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LONG_MS 5000

/* A device that says what the test wrote down, one entry for each request, and is silent when nothing is left. */
static struct {
	struct bytes says[16];
	size_t count, asked;
	struct bytes sent;	/* all that came from the host */
	struct bytes coming;
	size_t chunk;		/* bytes that come at once; 0: all */
	bool for_ever;		/* the last entry is said again and again */
} fake;

static bool fake_send(void *ctx, const void *data, size_t len, int64_t deadline_ms, struct err *e)
{
	size_t i = fake.asked++;
	assert_true(bytes_add(&fake.sent, data, len, e));
	return i >= fake.count || bytes_add(&fake.coming, fake.says[i].data, fake.says[i].len, e);
}

static bool fake_receive(void *ctx, void *data, size_t room, size_t *ret_len, int64_t deadline_ms, struct err *e)
{
	if (!fake.coming.len && fake.for_ever)
		assert_true(bytes_add(&fake.coming, fake.says[0].data, fake.says[0].len, e));
	if (!fake.coming.len) {
		clock_sleep_ms(1);
		return err_set(e, E_CHILD_SILENT, "nothing more is written down");
	}
	size_t len = fake.coming.len < room ? fake.coming.len : room;
	if (fake.chunk && len > fake.chunk)
		len = fake.chunk;
	memcpy(data, fake.coming.data, len);
	fake.coming.len -= len;
	memmove(fake.coming.data, fake.coming.data + len, fake.coming.len);
	*ret_len = len;
	return true;
}

static struct serial_line line;

static int begin(void **state)
{
	static const struct serial_wire wire = {NULL, fake_send, fake_receive};
	memset(&fake, 0, sizeof(fake));
	serial_line_init(&line, &wire, 0x04d1);
	return 0;
}

static int end(void **state)
{
	for (size_t i = 0; i < COUNT_OF(fake.says); i++)
		bytes_fini(&fake.says[i]);
	bytes_fini(&fake.sent);
	bytes_fini(&fake.coming);
	return 0;
}

static void says_raw(const char *text)
{
	struct err e = {0};
	assert_true(bytes_add_text(&fake.says[fake.count++], text, &e));
}

/* An answer to request `number`, with something before and behind it. */
static void says_around(const char *before, unsigned number, const char *text, const char *behind)
{
	char body[300];
	struct err e = {0};
	snprintf(body, sizeof(body), "%04x %s", number, text);
	assert_true(bytes_printf(&fake.says[fake.count++], &e, "%s<%s*%08x\n%s", before, body, serial_crc(body, strlen(body)), behind));
}

static void says(unsigned number, const char *text)
{
	says_around("", number, text, "");
}

static enum err_code asked(const char *request, const char **ret)
{
	struct err e = {0};
	bool ok = serial_ask(&line, ret, clock_steady_ms() + LONG_MS, &e, "%s", request);
	assert_int_equal(ok, e.code == E_NONE);
	return e.code;
}

static void answers(const char *wanted)
{
	const char *text = NULL;
	assert_int_equal(asked("get serial", &text), E_NONE);
	assert_string_equal(text, wanted);
}

static void request_and_answer_look_as_the_page_shows_them(void **state)
{
	says_raw("<04d2 ok AX-000123*41e703c6\r\n");
	answers("AX-000123");
	assert_string_equal(bytes_text(&fake.sent), "\n>04d2 get serial*b914eb76\n");
}

static void answer_may_come_byte_by_byte(void **state)
{
	says(0x04d2, "ok yes");
	fake.chunk = 1;
	answers("yes");
}

static void everything_else_on_the_line_is_skipped(void **state)
{
	says_around("\r\nboot <0> ok\n\xff\xfe\x01\n\n>04d2 get serial*b914eb76\nlog: ", 0x04d2, "ok found", "more\n");
	answers("found");
}

static void marker_in_the_noise_before_an_answer_does_not_hide_it(void **state)
{
	says_around("<04d2 ok no*00000000 <<04d2 <", 0x04d2, "ok found", "");
	answers("found");
}

static void answers_of_earlier_requests_are_not_taken(void **state)
{
	const char *text;
	says(0x04d2, "ok one");
	says_around("", 0x04d2, "ok one", "");
	assert_int_equal(asked("state", &text), E_NONE);
	says(0x04d3, "ok two");
	assert_int_equal(asked("state", &text), E_NONE);
	assert_string_equal(text, "two");
}

static void damaged_answer_is_asked_for_again_with_the_same_number(void **state)
{
	says_raw("<04d2 ok AX-000124*41e703c6\n");
	says(0x04d2, "ok AX-000123");
	answers("AX-000123");
	assert_string_equal(bytes_text(&fake.sent), "\n>04d2 get serial*b914eb76\n\n>04d2 get serial*b914eb76\n");
}

static void answer_with_any_character_changed_is_not_taken(void **state)
{
	static const char good[] = "<04d2 ok AX-000123*41e703c6";
	for (size_t at = 0; at + 1 < sizeof(good); at++) {
		char bad[sizeof(good) + 1];
		const char *text;
		struct err e = {0};
		memcpy(bad, good, sizeof(good));
		bad[at] ^= 4;
		strcat(bad, "\n");
		begin(NULL);
		says_raw(bad);
		assert_false(serial_ask(&line, &text, clock_steady_ms() + 5, &e, "get serial"));
		assert_int_equal(e.code, E_CHILD_SILENT);
		end(NULL);
	}
}

static void capital_digits_are_not_ours(void **state)
{
	says_raw("<04D2 ok x*41e703c6\n<04d2 ok AX-000123*41E703C6\n");
	says(0x04d2, "ok small");
	answers("small");
}

static void overlong_line_is_dropped_and_the_next_one_counts(void **state)
{
	char noise[2000];
	memset(noise, 'x', sizeof(noise));
	noise[sizeof(noise) - 2] = '\n';
	noise[sizeof(noise) - 1] = '\0';
	says_around(noise, 0x04d2, "ok found", "");
	answers("found");
}

/* An answer ends its line, also where the line is cut for being too long just behind it. */
static void answer_with_something_behind_it_in_its_line_is_not_taken(void **state)
{
	static const char answer[] = "<04d2 ok AX-000123*41e703c6";
	const size_t lengths[] = {sizeof(answer) - 1, SERIAL_LINE_MAX};
	for (size_t i = 0; i < COUNT_OF(lengths); i++) {
		char text[SERIAL_LINE_MAX + 16];
		begin(NULL);
		memset(text, 'n', sizeof(text));
		memcpy(text + lengths[i] - (sizeof(answer) - 1), answer, sizeof(answer) - 1);
		strcpy(text + lengths[i], "more\n");
		says_raw(text);
		says(0x04d2, "ok alone");
		answers("alone");
		end(NULL);
	}
}

static void longest_answer_is_taken_and_a_longer_one_is_not(void **state)
{
	char text[SERIAL_TEXT_MAX + 2];
	memset(text, 'y', sizeof(text));
	memcpy(text, "ok ", 3);
	text[SERIAL_TEXT_MAX + 1] = '\0';
	says(0x04d2, text);
	text[SERIAL_TEXT_MAX] = '\0';
	says(0x04d2, text);
	answers(text + 3);
	assert_int_equal(fake.asked, 2);
}

static void unprintable_answer_is_not_taken(void **state)
{
	says(0x04d2, "ok a\tb");
	says(0x04d2, "ok ab");
	answers("ab");
}

static void each_refusal_has_its_error(void **state)
{
	static const struct { const char *text; enum err_code code; } rows[] = {
		{"no hello", E_SERIAL_LINE}, {"no closed", E_UNIT_CLOSED}, {"no storage", E_UNIT_STORAGE}, {"no other", E_KEY_OTHER},
		{"no none", E_READ_BACK}, {"no key", E_KEY_SILENT}, {"no bad", E_SERIAL_LINE}, {"no whatever", E_SERIAL_LINE},
		{"no", E_SERIAL_LINE}, {"okay", E_SERIAL_LINE}, {"", E_SERIAL_LINE},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *text;
		begin(NULL);
		says(0x04d2, rows[i].text);
		assert_int_equal(asked("state", &text), rows[i].code);
		end(NULL);
	}
}

static void busy_is_asked_again_with_a_new_number(void **state)
{
	const char *text;
	says(0x04d2, "no busy");
	says(0x04d3, "no busy");
	says(0x04d4, "ok at last");
	assert_int_equal(asked("state", &text), E_NONE);
	assert_string_equal(text, "at last");
}

static void busy_until_the_deadline_is_busy(void **state)
{
	const char *text;
	struct err e = {0};
	says(0x04d2, "no busy");
	assert_false(serial_ask(&line, &text, clock_steady_ms() + 40, &e, "state"));
	assert_int_equal(e.code, E_UNIT_BUSY);
}

static void silence_is_asked_into_until_the_deadline(void **state)
{
	const char *text;
	struct err e = {0};
	assert_false(serial_ask(&line, &text, clock_steady_ms() + 200, &e, "state"));
	assert_int_equal(e.code, E_CHILD_SILENT);
	assert_true(fake.asked > 1);
}

static void noise_without_end_is_cut_off(void **state)
{
	const char *text;
	says_raw("\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n");
	fake.for_ever = true;
	assert_int_equal(asked("state", &text), E_SERIAL_LINE);
	assert_int_equal(asked("state", &text), E_SERIAL_LINE);
}

static void number_comes_round(void **state)
{
	const char *text;
	line.number = 0xffff;
	says(0x0000, "ok");
	assert_int_equal(asked("state", &text), E_NONE);
	assert_string_equal(text, "");
}

static void request_that_fits_no_line_is_not_sent(void **state)
{
	char much[SERIAL_TEXT_MAX + 2];
	const char *text;
	memset(much, 'z', sizeof(much));
	much[SERIAL_TEXT_MAX + 1] = '\0';
	assert_int_equal(asked(much, &text), E_SERIAL_LINE);
	assert_int_equal(fake.asked, 0);
	much[SERIAL_TEXT_MAX] = '\0';
	says(0x04d3, "ok");
	line.number = 0x04d2;
	assert_int_equal(asked(much, &text), E_NONE);
	assert_int_equal(fake.sent.len, 1 + SERIAL_LINE_MAX);
}

/* ---- long values ---- */

static void says_piece(unsigned number, const void *data, size_t len)
{
	AUTO(bytes) struct bytes text = {0};
	AUTO(bytes) struct bytes base64 = {0};
	struct err e = {0};
	assert_true(base64_encode(data, len, &base64, &e) && bytes_printf(&text, &e, "ok %s", bytes_text(&base64)));
	says(number, bytes_text(&text));
}

static enum err_code fetched(const uint8_t *value, size_t len, const uint8_t *hashed, struct bytes *ret)
{
	uint8_t hash[SHA256_SIZE];
	struct err e = {0};
	sha256_of(hashed, len, hash);
	bool ok = serial_fetch(&line, "csr", len, hash, ret, clock_steady_ms() + LONG_MS, &e);
	assert_int_equal(ok, e.code == E_NONE);
	return e.code;
}

static void long_value_comes_in_pieces(void **state)
{
	uint8_t value[2 * SERIAL_PIECE + 7];
	AUTO(bytes) struct bytes got = {0};
	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (uint8_t)(i * 7);
	says_piece(0x04d2, value, SERIAL_PIECE);
	says_piece(0x04d3, value + SERIAL_PIECE, SERIAL_PIECE);
	says_piece(0x04d4, value + 2 * SERIAL_PIECE, 7);
	assert_int_equal(fetched(value, sizeof(value), value, &got), E_NONE);
	assert_int_equal(got.len, sizeof(value));
	assert_memory_equal(got.data, value, sizeof(value));
	assert_non_null(strstr(bytes_text(&fake.sent), ">04d4 part csr 300*"));
}

static void value_of_another_hash_is_refused(void **state)
{
	static const uint8_t value[9] = {1}, other[9] = {2};
	AUTO(bytes) struct bytes got = {0};
	says_piece(0x04d2, value, sizeof(value));
	assert_int_equal(fetched(value, sizeof(value), other, &got), E_SERIAL_LINE);
}

static void piece_of_another_length_is_refused(void **state)
{
	static const uint8_t value[SERIAL_PIECE + 3] = {1};
	for (size_t len = 0; len <= 10; len += 5) {
		AUTO(bytes) struct bytes got = {0};
		begin(NULL);
		says_piece(0x04d2, value, len);
		assert_int_equal(fetched(value, 9, value, &got), E_SERIAL_LINE);
		end(NULL);
	}
}

static void piece_that_is_no_base64_is_refused(void **state)
{
	static const uint8_t value[9] = {1};
	AUTO(bytes) struct bytes got = {0};
	says(0x04d2, "ok AQAAAAAAAA A");
	assert_int_equal(fetched(value, sizeof(value), value, &got), E_SERIAL_LINE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(request_and_answer_look_as_the_page_shows_them),
		TEST(answer_may_come_byte_by_byte),
		TEST(everything_else_on_the_line_is_skipped),
		TEST(marker_in_the_noise_before_an_answer_does_not_hide_it),
		TEST(answers_of_earlier_requests_are_not_taken),
		TEST(damaged_answer_is_asked_for_again_with_the_same_number),
		TEST(answer_with_any_character_changed_is_not_taken),
		TEST(capital_digits_are_not_ours),
		TEST(overlong_line_is_dropped_and_the_next_one_counts),
		TEST(answer_with_something_behind_it_in_its_line_is_not_taken),
		TEST(longest_answer_is_taken_and_a_longer_one_is_not),
		TEST(unprintable_answer_is_not_taken),
		TEST(each_refusal_has_its_error),
		TEST(busy_is_asked_again_with_a_new_number),
		TEST(busy_until_the_deadline_is_busy),
		TEST(silence_is_asked_into_until_the_deadline),
		TEST(noise_without_end_is_cut_off),
		TEST(number_comes_round),
		TEST(request_that_fits_no_line_is_not_sent),
		TEST(long_value_comes_in_pieces),
		TEST(value_of_another_hash_is_refused),
		TEST(piece_of_another_length_is_refused),
		TEST(piece_that_is_no_base64_is_refused),
	};
	return cmocka_run_group_tests_name("serial_line", tests, NULL, NULL);
}
