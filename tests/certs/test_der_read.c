/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of DER at its edges. What it means for requests and keys is in test_csr.c and test_spki.c. */
#include "certs/der_read.h"
#include "certs/der.h"
#include "tests/certs/check.h"

#include <string.h>

static uint8_t room[0x20000];

/* What our writer writes, the reader reads: at every length where the form changes. */
static void values_of_every_length_come_back(void **state)
{
	static const size_t lengths[] = {0, 1, 0x7e, 0x7f, 0x80, 0x81, 0xff, 0x100, 0x101, 0xffff, 0x10000};
	for (size_t i = 0; i < COUNT_OF(lengths); i++) {
		static uint8_t content[0x10000];
		struct der d = DER_IN(room);
		struct span in, got, whole;
		memset(content, (int)i + 1, sizeof(content));
		der_put(&d, DER_OCTET_STRING, content, lengths[i]);
		der_put(&d, DER_INTEGER, "\1", 1);
		in = (struct span){d.data, d.len};
		assert_true(der_read_whole(&in, DER_OCTET_STRING, &whole));
		assert_ptr_equal(whole.data, d.data);
		assert_int_equal(whole.len, d.len - 3);
		assert_true(der_read(&whole, DER_OCTET_STRING, &got));
		assert_true(der_is(&got, content, lengths[i]));
		assert_int_equal(whole.len, 0);
		assert_true(der_read_unsigned(&in, &got) && der_is(&got, "\1", 1) && in.len == 0);
		assert_false(der_read(&in, DER_INTEGER, &got));
	}
}

static void lengths_in_any_but_the_shortest_form_are_refused(void **state)
{
	static const struct {
		const char *head;
		size_t len;	/* of it; zeros follow */
	} rows[] = {{"\x04\x80", 2}, {"\x04\x81\x00", 3}, {"\x04\x81\x7f", 3}, {"\x04\x82\x00\xff", 4}, {"\x04\x83\x00\xff\xff", 5},
		    {"\x04\x84\x00\x00\x01\x00", 6}, {"\x04\x84\x01\x00\x00\x00", 6}, {"\x04\xff", 2}, {"\x1f\x01\x00", 3}, {"\x00\x00", 2}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span in = {room, sizeof(room)}, got, kept = in;
		uint8_t tag;
		memset(room, 0, sizeof(room));
		memcpy(room, rows[i].head, rows[i].len);
		assert_false(der_read_any(&in, &tag, &got));
		assert_memory_equal(&in, &kept, sizeof(in));	/* nothing was taken */
	}
}

static void value_longer_than_what_is_there_is_refused(void **state)
{
	static const size_t lengths[] = {1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000};
	for (size_t i = 0; i < COUNT_OF(lengths); i++) {
		struct der d = DER_IN(room);
		struct span got;
		static uint8_t content[0x10000];
		der_put(&d, DER_OCTET_STRING, content, lengths[i]);
		for (size_t cut = 1; cut <= d.len && cut < 300; cut++) {
			struct span in = {d.data, d.len - cut};
			assert_false(der_read(&in, DER_OCTET_STRING, &got));
		}
	}
}

static void value_of_another_tag_is_refused_and_left(void **state)
{
	struct span in = {"\x04\x01\x61", 3}, got;
	assert_false(der_read(&in, DER_INTEGER, &got));
	assert_int_equal(in.len, 3);
	assert_true(der_read(&in, DER_OCTET_STRING, &got));
}

static void integers_that_are_negative_or_not_minimal_are_refused(void **state)
{
	static const struct {
		const char *der;
		size_t len;
		const char *value;	/* NULL: refused */
		size_t value_len;
	} rows[] = {
		{"\x02\x01\x00", 3, "", 0}, {"\x02\x01\x7f", 3, "\x7f", 1}, {"\x02\x02\x00\x80", 4, "\x80", 1},
		{"\x02\x03\x01\x00\x01", 5, "\x01\x00\x01", 3}, {"\x02\x01\x80", 3, NULL, 0}, {"\x02\x01\xff", 3, NULL, 0},
		{"\x02\x02\x00\x7f", 4, NULL, 0}, {"\x02\x02\x00\x00", 4, NULL, 0}, {"\x02\x02\xff\x80", 4, NULL, 0}, {"\x02\x00", 2, NULL, 0},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span in = {rows[i].der, rows[i].len}, got;
		assert_int_equal(der_read_unsigned(&in, &got), rows[i].value != NULL);
		if (rows[i].value)
			assert_true(der_is(&got, rows[i].value, rows[i].value_len));
	}
}

static void bit_strings_of_whole_bytes_only_are_taken(void **state)
{
	struct span whole = {"\x03\x02\x00\xa5", 4}, none = {"\x03\x01\x00", 3}, bits = {"\x03\x02\x04\xa0", 4}, empty = {"\x03\x00", 2}, got;
	assert_true(der_read_bits(&whole, &got) && der_is(&got, "\xa5", 1));
	assert_true(der_read_bits(&none, &got) && got.len == 0);
	assert_false(der_read_bits(&bits, &got));
	assert_false(der_read_bits(&empty, &got));
	assert_true(der_is_canonical("\x30\x04\x03\x02\x04\xa0", 6, DER_SEQUENCE));	/* which DER may have */
	assert_false(der_is_canonical("\x30\x04\x03\x02\x05\xb0", 6, DER_SEQUENCE));
	assert_false(der_is_canonical("\x30\x03\x03\x01\x04", 5, DER_SEQUENCE));
	assert_false(der_is_canonical("\x30\x04\x03\x02\x08\x00", 6, DER_SEQUENCE));
}

static void strings_are_of_whole_characters(void **state)
{
	assert_true(der_is_canonical("\x30\x04\x1e\x02\x00\x61", 6, DER_SEQUENCE));
	assert_false(der_is_canonical("\x30\x03\x1e\x01\x61", 5, DER_SEQUENCE));
	assert_true(der_is_canonical("\x30\x06\x1c\x04\x00\x00\x00\x61", 8, DER_SEQUENCE));
	assert_false(der_is_canonical("\x30\x04\x1c\x02\x00\x61", 6, DER_SEQUENCE));
	assert_true(der_is_canonical("\x30\x03\x0a\x01\x00", 5, DER_SEQUENCE));
	assert_false(der_is_canonical("\x30\x04\x0a\x02\x00\x01", 6, DER_SEQUENCE));
}

static void sixteen_levels_are_canonical_and_one_more_is_not(void **state)
{
	for (unsigned levels = 15; levels <= 18; levels++) {
		uint8_t nested[64];
		for (unsigned i = 0; i < levels; i++) {
			nested[2 * i] = DER_SEQUENCE;
			nested[2 * i + 1] = (uint8_t)(2 * (levels - 1 - i));
		}
		assert_int_equal(der_is_canonical(nested, 2 * levels, DER_SEQUENCE), levels <= 16);
	}
}

static void nothing_is_no_value(void **state)
{
	struct span in = {NULL, 0}, got;
	uint8_t tag;
	assert_false(der_read_any(&in, &tag, &got));
	assert_false(der_is_canonical(NULL, 0, DER_SEQUENCE));
	assert_false(der_is_canonical("\x30", 1, DER_SEQUENCE));
	assert_true(der_is_canonical("\x30\x00", 2, DER_SEQUENCE));
	assert_false(der_is_canonical("\x30\x00\x00", 3, DER_SEQUENCE));
	assert_false(der_is_canonical("\x31\x00", 2, DER_SEQUENCE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_of_every_length_come_back),
		cmocka_unit_test(lengths_in_any_but_the_shortest_form_are_refused),
		cmocka_unit_test(value_longer_than_what_is_there_is_refused),
		cmocka_unit_test(value_of_another_tag_is_refused_and_left),
		cmocka_unit_test(integers_that_are_negative_or_not_minimal_are_refused),
		cmocka_unit_test(bit_strings_of_whole_bytes_only_are_taken),
		cmocka_unit_test(strings_are_of_whole_characters),
		cmocka_unit_test(sixteen_levels_are_canonical_and_one_more_is_not),
		cmocka_unit_test(nothing_is_no_value),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
