/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/intent.h"
#include "station/base/text.h"
#include "tests/certs/check.h"
#include "tests/certs/desk.h"

#include <string.h>

static void entry_is_canonical_json_of_the_fields(void **state)
{
	struct err e = {0};
	struct intent i;
	uint8_t spki[SHA256_SIZE];
	char key[65], serial[33], expected[512];
	AUTO(bytes) struct bytes entry = {0};
	intent_make(&i, "unit-1");
	i.time_ms = 1795384165123;
	CHECK_OK(key_spki_sha256(&i.key, spki, &e), e);
	hex_encode(spki, sizeof(spki), key);
	hex_encode(i.serial, sizeof(i.serial), serial);
	snprintf(expected, sizeof(expected),
		 "{\"body\":{\"id\":\"unit-1\",\"key\":\"%s\",\"order\":\"\",\"profile\":\"sensor\",\"serial\":\"%s\"},"
		 "\"job\":\"0123456789abcdef0123456789abcdef\",\"time\":1795384165123,\"type\":\"sign.intent\",\"v\":1}", key, serial);
	CHECK_OK(intent_entry(&i, &entry, &e), e);
	assert_string_equal(bytes_text(&entry), expected);
}

static bool entries_differ(const struct intent *a, const struct intent *b)
{
	struct err e = {0};
	AUTO(bytes) struct bytes left = {0}, right = {0};
	CHECK_OK(intent_entry(a, &left, &e), e);
	CHECK_OK(intent_entry(b, &right, &e), e);
	return !bytes_equal(&left, &right);
}

static void every_field_changes_the_entry(void **state)
{
	struct intent a, b;
	intent_make(&a, "unit-1");
	b = a;
	assert_false(entries_differ(&a, &b));
	b = a, b.job[0] = 'f';
	assert_true(entries_differ(&a, &b));
	b = a, b.registration_id[5] = '2';
	assert_true(entries_differ(&a, &b));
	b = a, strcpy(b.profile, "gateway");
	assert_true(entries_differ(&a, &b));
	b = a, strcpy(b.order, "po-7");
	assert_true(entries_differ(&a, &b));
	b = a, b.serial[15] ^= 1;
	assert_true(entries_differ(&a, &b));
	b = a, b.time_ms++;
	assert_true(entries_differ(&a, &b));
	b = a, key_make(&b.key, NULL);
	assert_true(entries_differ(&a, &b));
}

static void intent_of_a_permit_is_another_entry(void **state)
{
	struct err e = {0};
	struct intent leaf, permit;
	AUTO(bytes) struct bytes entry = {0};
	intent_make_permit(&permit, "unit-1");
	leaf = permit, leaf.kind = INTENT_LEAF;
	assert_true(entries_differ(&leaf, &permit));
	CHECK_OK(intent_entry(&permit, &entry, &e), e);
	assert_non_null(strstr(bytes_text(&entry), "\"profile\":\"tracker\""));
	assert_non_null(strstr(bytes_text(&entry), "\"type\":\"permit.intent\",\"v\":1}"));
}

static void intent_of_unknown_kind_is_refused(void **state)
{
	struct err e = {0};
	struct intent i;
	AUTO(bytes) struct bytes entry = {0};
	intent_make(&i, "unit-1");
	i.kind = INTENT_PERMIT + 1;
	CHECK_FAILS(intent_entry(&i, &entry, &e), E_TEXT, e);
	i.kind = UINT32_MAX;
	CHECK_FAILS(intent_entry(&i, &entry, &e), E_TEXT, e);
}

static void text_cannot_pretend_to_be_another_field(void **state)
{
	struct intent a, b;
	intent_make(&a, "unit-1");
	b = a;
	strcpy(b.order, "\",\"profile\":\"gateway");
	assert_true(entries_differ(&a, &b));
	struct err e = {0};
	AUTO(bytes) struct bytes entry = {0};
	CHECK_OK(intent_entry(&b, &entry, &e), e);
	assert_non_null(strstr(bytes_text(&entry), "\"order\":\"\\\",\\\"profile\\\":\\\"gateway\""));
}

static void text_without_end_is_refused(void **state)
{
	struct err e = {0};
	struct intent i;
	AUTO(bytes) struct bytes entry = {0};
	intent_make(&i, "unit-1");
	memset(i.order, 'x', sizeof(i.order));
	CHECK_FAILS(intent_entry(&i, &entry, &e), E_TEXT, e);
	intent_make(&i, "unit-1");
	strcpy(i.order, "\xff\xfe");
	CHECK_FAILS(intent_entry(&i, &entry, &e), E_TEXT, e);
	intent_make(&i, "unit-1");
	i.key.x[3] ^= 4;
	CHECK_FAILS(intent_entry(&i, &entry, &e), E_KEY_WEAK, e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entry_is_canonical_json_of_the_fields),
		cmocka_unit_test(every_field_changes_the_entry),
		cmocka_unit_test(intent_of_a_permit_is_another_entry),
		cmocka_unit_test(intent_of_unknown_kind_is_refused),
		cmocka_unit_test(text_cannot_pretend_to_be_another_field),
		cmocka_unit_test(text_without_end_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
