/* SPDX-License-Identifier: Apache-2.0 */
#include "station/base/text.h"
#include "tests/base/check.h"

#include <string.h>

static void hexadecimal_goes_there_and_back(void **state)
{
	uint8_t all[256], back[256];
	char text[513];
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)i;
	hex_encode(all, sizeof(all), text);
	assert_memory_equal(text, "000102030405060708090a0b0c0d0e0f10", 34);
	OK(hex_decode(text, back, sizeof(back), &e));
	assert_memory_equal(all, back, sizeof(all));
	OK(hex_decode("fF", back, 1, &e));
	assert_int_equal(back[0], 0xff);
}

static void what_is_no_hexadecimal_is_refused(void **state)
{
	uint8_t out[4];
	static const char *const wrong[] = {"", "0", "000", "00000", "0g", "g0", " 0", "0x", "-1", "00 00"};
	for (size_t i = 0; i < COUNT_OF(wrong); i++)
		REFUSED(E_TEXT, hex_decode(wrong[i], out, wrong[i][0] && !wrong[i][1] ? 0 : 1, &e));
}

/* RFC 4648, section 10. */
static const char *const base64_vectors[][2] = {
	{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"},
};

static void base64_is_that_of_the_rfc(void **state)
{
	for (size_t i = 0; i < COUNT_OF(base64_vectors); i++) {
		const char *plain = base64_vectors[i][0], *coded = base64_vectors[i][1];
		AUTO(bytes) struct bytes there = {0}, back = {0};
		OK(base64_encode(plain, strlen(plain), &there, &e));
		assert_string_equal(bytes_text(&there), coded);
		OK(base64_decode(coded, strlen(coded), &back, &e));
		assert_string_equal(bytes_text(&back), plain);
	}
	uint8_t high[3] = {0xfb, 0xff, 0xfe};
	AUTO(bytes) struct bytes there = {0};
	OK(base64_encode(high, 3, &there, &e));
	assert_string_equal(bytes_text(&there), "+//+");
}

static void what_is_no_canonical_base64_is_refused(void **state)
{
	static const char *const wrong[] = {"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm8=Zm8=", "====", "Z===", "=Zg=", "Zm 9", "Zm9v\n",
					    "Zm9-", "Zm9_", "Zg=v"};
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		AUTO(bytes) struct bytes out = {0};
		REFUSED(E_TEXT, base64_decode(wrong[i], strlen(wrong[i]), &out, &e));
	}
	AUTO(bytes) struct bytes out = {.max = 2};
	REFUSED(E_TEXT, base64_decode("Zm9v", 4, &out, &e));
	REFUSED(E_TEXT, base64_decode("Zm\0v", 4, &out, &e));
}

/* RFC 4648, section 10, lower case and without padding. */
static void base32_is_that_of_the_rfc(void **state)
{
	static const char *const vectors[][2] = {
		{"", ""}, {"f", "my"}, {"fo", "mzxq"}, {"foo", "mzxw6"}, {"foob", "mzxw6yq"}, {"fooba", "mzxw6ytb"}, {"foobar", "mzxw6ytboi"},
	};
	for (size_t i = 0; i < COUNT_OF(vectors); i++) {
		char out[16];
		base32_encode(vectors[i][0], strlen(vectors[i][0]), out);
		assert_string_equal(out, vectors[i][1]);
	}
	uint8_t hash[32];
	char out[(32 * 8 + 4) / 5 + 1];
	memset(hash, 0xff, sizeof(hash));
	base32_encode(hash, sizeof(hash), out);
	assert_int_equal(strlen(out), 52);
	assert_int_equal(out[51], 'q');
}

static void text_is_copied_whole_or_not(void **state)
{
	char out[4] = "old";
	OK(TEXT_COPY(out, "new", &e));
	assert_string_equal(out, "new");
	REFUSED(E_TEXT, TEXT_COPY(out, "four", &e));
	assert_string_equal(out, "new");
	OK(TEXT_COPY(out, "", &e));
	assert_string_equal(out, "");
}

static void printable_is_ascii_between_space_and_tilde(void **state)
{
	assert_true(text_is_printable(" ~aZ0", 5));
	assert_true(text_is_printable("", 0));
	for (int c = 0; c < 256; c++) {
		char one = (char)c;
		assert_int_equal(text_is_printable(&one, 1), c >= 0x20 && c < 0x7f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hexadecimal_goes_there_and_back),
		cmocka_unit_test(what_is_no_hexadecimal_is_refused),
		cmocka_unit_test(base64_is_that_of_the_rfc),
		cmocka_unit_test(what_is_no_canonical_base64_is_refused),
		cmocka_unit_test(base32_is_that_of_the_rfc),
		cmocka_unit_test(text_is_copied_whole_or_not),
		cmocka_unit_test(printable_is_ascii_between_space_and_tilde),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
