/* SPDX-License-Identifier: Apache-2.0 */
#include "station/bundle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static uint8_t leaf_der[] = {0x30, 0x01, 0x02}, ca_der[] = {0x30, 0x00};

static struct bundle_parts parts_with(const struct bytes *leaf, const struct bytes *chain, size_t count)
{
	return (struct bundle_parts){.leaf = leaf, .chain = chain, .chain_count = count, .id_scope = "0ne0001", .global_endpoint =
				     "https://g.example", .registration_id = "abc", .key_handle = 0x81000200};
}

static void fields_stand_in_the_order_of_the_contract(void **state)
{
	const struct bytes leaf = {.data = leaf_der, .len = sizeof(leaf_der)};
	const struct bytes chain[] = {{.data = ca_der, .len = 2}, {.data = ca_der, .len = 2}};
	const struct bundle_parts parts = parts_with(&leaf, chain, 2);
	static const char expected[] = "\x01\x00\x03\x30\x01\x02" "\x02\x00\x02\x30\x00" "\x02\x00\x02\x30\x00" "\x03\x00\x07" "0ne0001"
		"\x04\x00\x11" "https://g.example" "\x05\x00\x03" "abc" "\x06\x00\x04\x40\x00\x00\x01" "\x07\x00\x04\x81\x00\x02\x00"
		"\x08\x00\x00" "\x09\x00\x11" "handle:0x81000200";
	struct driver_bundle b;
	struct err e = {0};
	(void)state;
	assert_true(bundle_build(&parts, &b, &e));
	assert_int_equal(b.len, sizeof(expected) - 1);
	assert_memory_equal(b.data, expected, b.len);
}

static void unit_without_a_tpm_is_not_told_where_its_key_is(void **state)
{
	const struct bytes leaf = {.data = leaf_der, .len = sizeof(leaf_der)};
	struct bundle_parts parts = parts_with(&leaf, NULL, 0);
	static const char expected[] = "\x01\x00\x03\x30\x01\x02" "\x03\x00\x07" "0ne0001" "\x04\x00\x11" "https://g.example"
		"\x05\x00\x03" "abc";
	struct driver_bundle b;
	struct err e = {0};
	(void)state;
	parts.key_handle = 0;
	assert_true(bundle_build(&parts, &b, &e));
	assert_int_equal(b.len, sizeof(expected) - 1);
	assert_memory_equal(b.data, expected, b.len);
}

static void unit_that_registers_by_its_endorsement_key_gets_no_certificate(void **state)
{
	const struct bytes chain[] = {{.data = ca_der, .len = 2}};
	const struct bundle_parts parts = parts_with(NULL, chain, 1);
	static const char expected[] = "\x03\x00\x07" "0ne0001" "\x04\x00\x11" "https://g.example" "\x05\x00\x03" "abc"
		"\x0a\x00\x01\x01";
	struct driver_bundle b;
	struct err e = {0};
	(void)state;
	assert_true(bundle_build(&parts, &b, &e));
	assert_int_equal(b.len, sizeof(expected) - 1);
	assert_memory_equal(b.data, expected, b.len);
}

static void bundle_that_does_not_fit_is_refused(void **state)
{
	static uint8_t big[BUNDLE_MAX];
	const struct bytes leaf = {.data = big, .len = sizeof(big) - 40};
	const struct bundle_parts parts = parts_with(&leaf, NULL, 0);
	struct driver_bundle b;
	struct err e = {0};
	(void)state;
	assert_false(bundle_build(&parts, &b, &e));
	assert_int_equal(e.code, E_TEXT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_stand_in_the_order_of_the_contract),
		cmocka_unit_test(unit_without_a_tpm_is_not_told_where_its_key_is),
		cmocka_unit_test(unit_that_registers_by_its_endorsement_key_gets_no_certificate),
		cmocka_unit_test(bundle_that_does_not_fit_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
