/* SPDX-License-Identifier: Apache-2.0 */
#include "station/regid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct regid_facts facts = {"SN-0042", "Sensor_2", (const uint8_t *)"0123456789abcdef0123456789abcdef"};

static enum err_code code_of(const char *template, char *out)
{
	struct err e = {0};
	return regid_from_template(template, &facts, out, &e) ? E_NONE : e.code;
}

static void template_fields_are_filled_and_lowered(void **state)
{
	char id[REGID_ROOM];
	(void)state;
	assert_int_equal(code_of("Acme.{model}:{serial}", id), E_NONE);
	assert_string_equal(id, "acme.sensor_2:sn-0042");
	assert_int_equal(code_of("{ek}", id), E_NONE);
	assert_int_equal(strlen(id), REGID_HASH_LEN);
}

static void unknown_field_is_refused(void **state)
{
	char id[REGID_ROOM];
	(void)state;
	assert_int_equal(code_of("{mac}", id), E_ID_INVALID);
	assert_int_equal(code_of("{serial", id), E_ID_INVALID);
}

static void id_longer_than_a_common_name_is_refused(void **state)
{
	char id[REGID_ROOM];
	(void)state;
	assert_int_equal(code_of("{ek}-{serial}-xxx", id), E_NONE);	/* exactly 64 */
	assert_int_equal(strlen(id), REGID_MAX);
	assert_int_equal(code_of("{ek}-{serial}-xxxx", id), E_ID_INVALID);
}

static void rules_of_dps_hold_at_the_edges(void **state)
{
	static const struct { const char *id; bool valid; } rows[] = {
		{"a", true}, {"", false}, {"-a", false}, {"a-", false}, {"a.b", true}, {"A", false}, {"a b", false}, {"a/b", false},
		{"a\x80", false}, {"0:_.-9", true}, {"a.", false},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct err e = {0};
		assert_int_equal(regid_is_valid(rows[i].id, &e), rows[i].valid);
		assert_int_equal(e.code, rows[i].valid ? E_NONE : E_ID_INVALID);
	}
}

static void device_id_keeps_its_case_and_the_rules_of_the_hub(void **state)
{
	static const struct { const char *template, *id; } rows[] = {
		{"Acme@{serial}", "Acme@AX-7"}, {"{id}", "unit-7"}, {"{model}.{id}", "M1.unit-7"}, {"{serial}-.+%_#*?!(),:=@$'", "AX-7-.+%_#*?!(),:=@$'"},
		{"{serial}/1", NULL}, {"{serial} 1", NULL}, {"{name}", NULL}, {"{serial", NULL}, {"", NULL}, {"{serial}\x80", NULL},
	};
	const struct regid_facts unit = {.serial = "AX-7", .model = "M1", .id = "unit-7"};
	char id[DEVICE_ID_ROOM], fits[DEVICE_ID_ROOM], long_one[DEVICE_ID_ROOM + 1];
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct err e = {0};
		assert_int_equal(regid_device_id(rows[i].template, &unit, id, &e), rows[i].id != NULL);
		assert_int_equal(e.code, rows[i].id ? E_NONE : E_ID_INVALID);
		if (rows[i].id)
			assert_string_equal(id, rows[i].id);
	}
	struct err e = {0};
	memset(fits, 'x', DEVICE_ID_MAX);
	memset(long_one, 'x', DEVICE_ID_MAX + 1);
	fits[DEVICE_ID_MAX] = long_one[DEVICE_ID_MAX + 1] = '\0';
	assert_true(regid_device_id(fits, &unit, id, &e));
	assert_false(regid_device_id(long_one, &unit, id, &e));
	assert_int_equal(e.code, E_ID_INVALID);
}

static void registration_id_cannot_name_itself(void **state)
{
	char id[REGID_ROOM];
	(void)state;
	assert_int_equal(code_of("{id}-{serial}", id), E_ID_INVALID);
}

static void hash_becomes_52_characters(void **state)
{
	uint8_t hash[SHA256_SIZE] = {0};
	char id[REGID_ROOM];
	(void)state;
	regid_from_hash(hash, id);
	assert_int_equal(strlen(id), REGID_HASH_LEN);
	assert_int_equal(strspn(id, "a"), REGID_HASH_LEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(template_fields_are_filled_and_lowered),
		cmocka_unit_test(unknown_field_is_refused),
		cmocka_unit_test(id_longer_than_a_common_name_is_refused),
		cmocka_unit_test(rules_of_dps_hold_at_the_edges),
		cmocka_unit_test(device_id_keeps_its_case_and_the_rules_of_the_hub),
		cmocka_unit_test(registration_id_cannot_name_itself),
		cmocka_unit_test(hash_becomes_52_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
