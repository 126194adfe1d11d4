/* SPDX-License-Identifier: Apache-2.0 */
/* A device's registration by mutual TLS against the emulated service; the key is behind the callback that a TPM would answer. */
#include "harness.h"

#include "station/base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct folder folder;
static struct emulator emulator;
static struct dps *dps;

static int set_up(void **state)
{
	struct err e = {0};
	char group[200];

	assert_ok(http_start(&e), &e);
	folder_make(&folder);
	pki_make(&folder);
	pki_leaf(&folder, "unit-1", "unit-1", "line");
	pki_leaf(&folder, "odd", "odd", "stranger");
	write_text(folder_at(&folder, "rules.json"), "[]", 0644);
	snprintf(group, sizeof(group), "line=%s", folder_at(&folder, "line.pem"));
	const char *args[] = {"--verified-ca", folder_at(&folder, "root.pem"), "--group", group, "--rules",
			      folder_at(&folder, "rules.json"), "--polls", "0", NULL};
	emulator_start(&emulator, &folder, args);
	emulator_client(&emulator, "provisioningserviceowner", NULL, &dps);
	return 0;
}

static int tear_down(void **state)
{
	dps_close(dps);
	emulator_stop(&emulator);
	folder_remove(&folder);
	http_stop();
	return 0;
}

static int no_rules(void **state)
{
	emulator_rules(&emulator, "[]");
	return 0;
}

static bool registers(const char *name, const char *id, const char *chain, int ms, struct runtime_result *ret, struct err *e)
{
	struct device d;
	device_make(&d, &folder, name, chain);
	bool ok = runtime_register(dps, id, &d.identity, in_ms(ms), ret, e);
	device_fini(&d);
	return ok;
}

static void device_is_assigned_to_a_hub_by_its_own_key(void **state)
{
	struct runtime_result r;
	struct registration kept;
	struct device d;
	struct err e = {0};
	bool found = false;

	device_make(&d, &folder, "unit-1", "line");
	assert_ok(runtime_register(dps, "unit-1", &d.identity, in_ms(20000), &r, &e), &e);
	assert_string_equal(r.state.status, "assigned");
	assert_string_equal(r.state.device_id, "unit-1");
	assert_non_null(strstr(r.state.hub, ".azure-devices.net"));
	assert_true(*r.operation_id && r.requests >= 2);
	/* One handshake for the whole talk. */
	assert_int_equal(d.signatures, 1);
	device_fini(&d);
	assert_ok(dps_get_registration(dps, "unit-1", in_ms(5000), &found, &kept, &e), &e);
	assert_true(found);
	assert_string_equal(kept.hub, r.state.hub);
	assert_string_equal(kept.device_id, "unit-1");
	assert_ok(dps_delete_registration(dps, "unit-1", in_ms(5000), &e), &e);
	assert_ok(dps_get_registration(dps, "unit-1", in_ms(5000), &found, &kept, &e), &e);
	assert_false(found);
}

static void service_saw_the_certificate_of_this_device(void **state)
{
	AUTO(bytes) struct bytes leaf = {0};
	struct runtime_result r;
	struct err e = {0};
	uint8_t digest[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1];
	size_t i, seen = 0;
	json_t *row;

	assert_ok(registers("unit-1", "unit-1", "line root", 20000, &r, &e), &e);
	pem_der(&folder, "unit-1", &leaf);
	sha256_of(leaf.data, leaf.len, digest);
	for (i = 0; i < SHA256_SIZE; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	AUTO(json) json_t *record = emulator_record(&emulator);
	json_array_foreach(record, i, row) {
		AUTO_FREE char *text = json_dumps(row, 0);
		seen += strcasestr(text, hex) && strstr(text, "/registrations/unit-1/register");
	}
	assert_true(seen >= 1);
}

static void chain_that_ends_nowhere_is_refused_with_the_services_code(void **state)
{
	static const struct {
		const char *name, *id, *chain;
	} rows[] = {
		{"odd", "odd", "stranger"},	/* a root that is not verified there */
		{"unit-1", "unit-1", ""},	/* the intermediate is missing */
		{"unit-1", "unit-2", "line"},	/* the common name is another */
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct runtime_result r;
		struct err e = {0};
		assert_fails(registers(rows[i].name, rows[i].id, rows[i].chain, 20000, &r, &e), &e, E_REHEARSAL);
		assert_int_equal(e.native / 1000, 401);
		assert_int_equal(r.state.error_code, e.native);
		assert_int_not_equal(strlen(r.state.error_message), 0);
	}
}

static void failure_told_later_is_a_failure_all_the_same(void **state)
{
	struct runtime_result r;
	struct err e = {0};
	emulator_rules(&emulator, "[{\"do\":{\"async_failure\":true}}]");
	assert_fails(registers("odd", "odd", "stranger", 20000, &r, &e), &e, E_REHEARSAL);
	assert_int_equal(e.native, 401002);
	assert_int_equal(r.state.error_code, 401002);
	assert_string_equal(r.state.status, "failed");
}

static void key_that_is_silent_says_so_itself(void **state)
{
	struct runtime_result r;
	struct device d;
	struct err e = {0};
	device_make(&d, &folder, "unit-1", "line");
	d.refuses = true;
	assert_fails(runtime_register(dps, "unit-1", &d.identity, in_ms(20000), &r, &e), &e, E_KEY_SILENT);
	/* It is this unit's trouble, and makes no other one wait. */
	assert_int_equal(pacer_left_ms(dps_device_pacer(dps)), 0);
	device_fini(&d);
}

static void service_that_asks_for_patience_is_asked_again(void **state)
{
	struct runtime_result r;
	struct err e = {0};
	int64_t start = clock_steady_ms();
	emulator_rules(&emulator, "[{\"match\":{\"method\":\"PUT\",\"nth\":1},\"do\":{\"status\":429,\"retry_after\":1}}]");
	assert_ok(registers("unit-1", "unit-1", "line", 20000, &r, &e), &e);
	assert_true(clock_steady_ms() - start >= 1000);
	assert_true(r.requests >= 3);
	assert_int_equal(r.retry_after_ms, -1);
}

static void patience_beyond_the_deadline_is_given_back(void **state)
{
	struct runtime_result r;
	struct err e = {0};
	int64_t start = clock_steady_ms();
	emulator_rules(&emulator, "[{\"match\":{\"method\":\"PUT\"},\"do\":{\"status\":429,\"retry_after\":30}}]");
	assert_fails(registers("unit-1", "unit-1", "line", 3000, &r, &e), &e, E_DPS_BUSY);
	assert_int_equal(r.retry_after_ms, 30000);
	assert_true(clock_steady_ms() - start < 2000);
}

static void trouble_of_the_service_without_a_time_is_given_back_at_once(void **state)
{
	struct runtime_result r;
	struct err e = {0};
	emulator_rules(&emulator, "[{\"match\":{\"method\":\"PUT\"},\"do\":{\"status\":500}}]");
	assert_fails(registers("unit-1", "unit-1", "line", 10000, &r, &e), &e, E_DPS_BUSY);
	assert_int_equal(r.requests, 1);
	assert_int_equal(r.retry_after_ms, -1);
}

static void undecided_at_the_deadline_is_the_network(void **state)
{
	struct runtime_result r;
	struct err e = {0};
	int64_t start = clock_steady_ms();
	emulator_rules(&emulator, "[{\"do\":{\"polls\":100}}]");
	assert_fails(registers("unit-1", "unit-1", "line", 2500, &r, &e), &e, E_NET);
	assert_true(clock_steady_ms() - start < 3500);
	assert_true(*r.operation_id);
}

static void cut_before_or_behind_the_effect_is_the_network_and_the_next_try_succeeds(void **state)
{
	static const char *const rules[] = {
		"[{\"match\":{\"method\":\"PUT\"},\"do\":{\"cut_before\":\"close\"}}]",
		"[{\"match\":{\"method\":\"PUT\"},\"do\":{\"cut_before\":\"reset\"}}]",
		"[{\"match\":{\"method\":\"PUT\"},\"do\":{\"cut_after\":\"close\"}}]",
		"[{\"match\":{\"method\":\"PUT\"},\"do\":{\"truncate_body\":true}}]",
	};
	for (size_t i = 0; i < COUNT_OF(rules); i++) {
		struct runtime_result r;
		struct err e = {0};
		emulator_rules(&emulator, rules[i]);
		assert_fails(registers("unit-1", "unit-1", "line", 1000, &r, &e), &e, E_NET);
		emulator_rules(&emulator, "[]");
		err_clear(&e);
		assert_ok(registers("unit-1", "unit-1", "line", 20000, &r, &e), &e);
		assert_string_equal(r.state.device_id, "unit-1");
	}
}

/* In an outage a unit ends at once, whatever the units before it met; only a busy service makes the next one wait. */
static void lost_answer_holds_back_nobody_and_a_busy_service_everybody(void **state)
{
	struct runtime_result r;
	struct dps *d = dps;
	struct err e = {0};
	emulator_client(&emulator, "provisioningserviceowner", NULL, &dps);
	emulator_rules(&emulator, "[{\"match\":{\"method\":\"PUT\"},\"do\":{\"cut_before\":\"close\"}}]");
	for (int i = 0; i < 8; i++) {
		err_clear(&e);
		assert_fails(registers("unit-1", "unit-1", "line", 10000, &r, &e), &e, E_NET);
		assert_int_equal(pacer_left_ms(dps_device_pacer(dps)), 0);
	}
	emulator_rules(&emulator, "[{\"match\":{\"method\":\"PUT\"},\"do\":{\"status\":429}}]");
	err_clear(&e);
	int64_t start = clock_steady_ms();
	assert_fails(registers("unit-1", "unit-1", "line", 10000, &r, &e), &e, E_DPS_BUSY);
	assert_int_equal(r.requests, 1);
	/* Half a second at least, unless this machine was slower than that. */
	assert_true(pacer_left_ms(dps_device_pacer(dps)) > 0 || clock_steady_ms() - start > 400);
	/* Who has less time than is left hears it at once, and nothing is sent. */
	assert_ok((err_clear(&e), pacer_enter(dps_device_pacer(dps), 1, in_ms(10000), &e)), &e);
	pacer_done(dps_device_pacer(dps), PACER_BUSY, 60000);
	assert_fails(registers("unit-1", "unit-1", "line", 10000, &r, &e), &e, E_DPS_BUSY);
	assert_int_equal(r.requests, 0);
	assert_in_range(r.retry_after_ms, 1, 68000);
	dps_close(dps);
	dps = d;
}

static void answer_that_comes_too_late_is_the_network(void **state)
{
	struct runtime_result r;
	struct err e = {0};
	emulator_rules(&emulator, "[{\"match\":{\"method\":\"PUT\"},\"do\":{\"latency_ms\":1000}}]");
	assert_fails(registers("unit-1", "unit-1", "line", 500, &r, &e), &e, E_NET);
	/* The late request still takes effect; it must not disturb the test that comes next. */
	clock_sleep_ms(1000);
}

struct slot {
	pthread_t thread;
	char name[16];
	struct device device;
	struct runtime_result result;
	struct err err;
	bool ok;
};

static void *rehearse(void *user)
{
	struct slot *s = user;
	s->ok = runtime_register(dps, s->name, &s->device.identity, in_ms(30000), &s->result, &s->err);
	return NULL;
}

static void many_slots_rehearse_at_once_each_as_itself(void **state)
{
	static struct slot slots[8];
	for (size_t i = 0; i < COUNT_OF(slots); i++) {
		snprintf(slots[i].name, sizeof(slots[i].name), "slot-%zu", i);
		pki_leaf(&folder, slots[i].name, slots[i].name, "line");
		device_make(&slots[i].device, &folder, slots[i].name, "line");
	}
	for (size_t i = 0; i < COUNT_OF(slots); i++)
		assert_int_equal(pthread_create(&slots[i].thread, NULL, rehearse, &slots[i]), 0);
	for (size_t i = 0; i < COUNT_OF(slots); i++)
		pthread_join(slots[i].thread, NULL);
	for (size_t i = 0; i < COUNT_OF(slots); i++) {
		assert_ok(slots[i].ok, &slots[i].err);
		assert_string_equal(slots[i].result.state.device_id, slots[i].name);
		assert_int_equal(slots[i].device.signatures, 1);
		device_fini(&slots[i].device);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(device_is_assigned_to_a_hub_by_its_own_key),
		cmocka_unit_test(service_saw_the_certificate_of_this_device),
		cmocka_unit_test(chain_that_ends_nowhere_is_refused_with_the_services_code),
		cmocka_unit_test_teardown(failure_told_later_is_a_failure_all_the_same, no_rules),
		cmocka_unit_test(key_that_is_silent_says_so_itself),
		cmocka_unit_test_teardown(service_that_asks_for_patience_is_asked_again, no_rules),
		cmocka_unit_test_teardown(patience_beyond_the_deadline_is_given_back, no_rules),
		cmocka_unit_test_teardown(trouble_of_the_service_without_a_time_is_given_back_at_once, no_rules),
		cmocka_unit_test_teardown(undecided_at_the_deadline_is_the_network, no_rules),
		cmocka_unit_test_teardown(cut_before_or_behind_the_effect_is_the_network_and_the_next_try_succeeds, no_rules),
		cmocka_unit_test_teardown(lost_answer_holds_back_nobody_and_a_busy_service_everybody, no_rules),
		cmocka_unit_test_teardown(answer_that_comes_too_late_is_the_network, no_rules),
		cmocka_unit_test(many_slots_rehearse_at_once_each_as_itself),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
