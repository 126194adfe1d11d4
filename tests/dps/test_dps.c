/* SPDX-License-Identifier: Apache-2.0 */
/* The service API against the emulated service. */
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

static int set_up(void **state)
{
	struct err e = {0};
	assert_ok(http_start(&e), &e);
	folder_make(&folder);
	pki_make(&folder);
	/* The service takes a certificate for one group only. */
	static const char *const more[] = {"line-2", "line-2b", "line-3", "line-3b", "line-4", "line-5"};
	for (size_t i = 0; i < COUNT_OF(more); i++)
		pki_authority(&folder, more[i], "root");
	write_text(folder_at(&folder, "rules.json"), "[]", 0644);
	const char *args[] = {"--verified-ca", folder_at(&folder, "root.pem"), "--rules",
			      folder_at(&folder, "rules.json"), NULL};
	emulator_start(&emulator, &folder, args);
	return 0;
}

static int tear_down(void **state)
{
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

static struct dps *client(const char *policy)
{
	struct dps *d = NULL;
	emulator_client(&emulator, policy, NULL, &d);
	return d;
}

static bool put(struct dps *d, const char *id, const char *certificate, const struct group *base, struct group *ret,
		struct err *e)
{
	AUTO(bytes) struct bytes pem = {0};
	pem_text(&folder, certificate, &pem);
	struct group_wanted w = {.id = id, .primary_pem = bytes_text(&pem)};
	return dps_put_group(d, &w, base, in_ms(5000), ret, e);
}

static void group_that_is_put_is_there_with_our_thumbprint(void **state)
{
	AUTO(group) struct group made = {0}, read = {0};
	AUTO(bytes) struct bytes der = {0};
	struct dps *d = client("line");
	struct err e = {0};
	uint8_t digest[SHA256_SIZE];
	bool found = true;

	assert_ok(dps_get_group(d, "g-1", in_ms(5000), &found, &read, &e), &e);
	assert_false(found);
	assert_ok(put(d, "g-1", "line", NULL, &made, &e), &e);
	assert_ok(dps_get_group(d, "g-1", in_ms(5000), &found, &read, &e), &e);
	assert_true(found && read.enabled && read.by_x509 && read.ca[0].has_info);
	assert_string_equal(read.etag, made.etag);
	pem_der(&folder, "line", &der);
	sha256_of(der.data, der.len, digest);
	assert_memory_equal(read.ca[0].sha256, digest, SHA256_SIZE);
	dps_close(d);
}

static void group_that_is_there_is_not_overwritten_by_making_it(void **state)
{
	AUTO(group) struct group made = {0}, again = {0};
	struct dps *d = client("line");
	struct err e = {0};
	assert_ok(put(d, "g-2", "line-2", NULL, &made, &e), &e);
	assert_fails(put(d, "g-2", "line-2b", NULL, &again, &e), &e, E_CONFLICT);
	assert_int_equal(e.native / 1000, 409);
	dps_close(d);
}

static void certificate_of_another_group_is_a_conflict(void **state)
{
	AUTO(group) struct group made = {0};
	struct dps *d = client("line");
	struct err e = {0};
	assert_fails(put(d, "g-6", "line", NULL, &made, &e), &e, E_CONFLICT);
	assert_non_null(strstr(e.what, "g-1"));
	dps_close(d);
}

static void group_is_replaced_only_as_it_was_read(void **state)
{
	AUTO(group) struct group first = {0}, second = {0}, third = {0};
	struct dps *d = client("line");
	struct err e = {0};
	assert_ok(put(d, "g-3", "line-3", NULL, &first, &e), &e);
	assert_ok(put(d, "g-3", "line-3b", &first, &second, &e), &e);
	assert_memory_not_equal(first.ca[0].sha256, second.ca[0].sha256, SHA256_SIZE);
	assert_fails(put(d, "g-3", "line-3", &first, &third, &e), &e, E_CONFLICT);
	assert_int_equal(e.native / 1000, 412);
	dps_close(d);
}

static void policy_without_the_right_is_refused(void **state)
{
	AUTO(group) struct group made = {0};
	struct dps *d = client("reader");
	struct err e = {0};
	assert_fails(put(d, "g-4", "line-4", NULL, &made, &e), &e, E_DPS_AUTH);
	dps_close(d);
}

static void without_credentials_nothing_is_sent(void **state)
{
	AUTO(group) struct group read = {0};
	struct dps *d = client(NULL);
	struct err e = {0};
	bool found = true;
	assert_fails(dps_get_group(d, "g", in_ms(5000), &found, &read, &e), &e, E_DPS_AUTH);
	dps_close(d);
}

static void registration_that_is_not_there_is_no_error(void **state)
{
	struct registration r;
	struct dps *d = client("provisioningserviceowner");
	struct err e = {0};
	bool found = true;
	assert_ok(dps_get_registration(d, "nobody", in_ms(5000), &found, &r, &e), &e);
	assert_false(found);
	assert_ok(dps_delete_registration(d, "nobody", in_ms(5000), &e), &e);
	dps_close(d);
}

static void each_fault_of_the_service_has_its_error(void **state)
{
	static const struct {
		const char *rule;
		enum err_code code;
	} rows[] = {
		{"[{\"do\":{\"status\":401}}]", E_DPS_AUTH},
		{"[{\"do\":{\"status\":409}}]", E_CONFLICT},
		{"[{\"do\":{\"status\":412}}]", E_CONFLICT},
		{"[{\"do\":{\"status\":429,\"retry_after\":7}}]", E_DPS_BUSY},
		{"[{\"do\":{\"status\":500}}]", E_DPS_BUSY},
		{"[{\"do\":{\"status\":503}}]", E_DPS_BUSY},
		{"[{\"do\":{\"cut_before\":\"close\"}}]", E_NET},
		{"[{\"do\":{\"cut_before\":\"reset\"}}]", E_NET},
		{"[{\"do\":{\"cut_after\":\"close\"}}]", E_NET},
		{"[{\"do\":{\"truncate_body\":true}}]", E_NET},
		{"[{\"do\":{\"latency_ms\":1500}}]", E_NET},
		{"[{\"do\":{\"clock_skew_s\":7200}}]", E_DPS_AUTH},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO(group) struct group g = {0};
		struct dps *d = client("line");
		struct err e = {0};
		bool found = true;
		emulator_rules(&emulator, rows[i].rule);
		assert_fails(dps_get_group(d, "g-1", in_ms(1000), &found, &g, &e), &e, rows[i].code);
		assert_false(found);
		dps_close(d);
	}
}

static void cut_behind_the_effect_leaves_what_was_asked(void **state)
{
	AUTO(group) struct group made = {0}, read = {0};
	struct dps *d = client("line");
	struct err e = {0};
	bool found = false;

	/* A kept connection, which libcurl would be tempted to replace by asking twice. */
	assert_ok(dps_get_group(d, "g-5", in_ms(5000), &found, &read, &e), &e);
	emulator_rules(&emulator, "[{\"match\":{\"method\":\"PUT\"},\"do\":{\"cut_after\":\"close\"}}]");
	assert_fails(put(d, "g-5", "line-5", NULL, &made, &e), &e, E_NET);
	err_clear(&e);
	emulator_rules(&emulator, "[]");
	assert_ok(dps_get_group(d, "g-5", in_ms(5000), &found, &read, &e), &e);
	assert_true(found);
	dps_close(d);
}

static struct dps *client_of_hostile(const struct hostile *h)
{
	struct dps *d = NULL;
	struct err e = {0};
	char endpoint[64], secret[200];

	snprintf(endpoint, sizeof(endpoint), "https://localhost:%d", hostile_port(h, "good"));
	write_text(folder_at(&folder, "token"), "abc", 0600);
	snprintf(secret, sizeof(secret), "file:%s", folder_at(&folder, "token"));
	struct dps_setup s = {.endpoint = endpoint, .id_scope = "0ne1", .auth = "bearer-token", .secret = secret,
			      .ca_file = hostile_ca(h)};
	assert_ok(dps_open(&s, &d, &e), &e);
	return d;
}

static void web_server_that_says_404_is_not_taken_for_dps(void **state)
{
	AUTO(group) struct group g = {0};
	struct hostile h = {0};
	struct err e = {0};
	bool found = true;

	hostile_start(&h);
	struct dps *d = client_of_hostile(&h);
	assert_fails(dps_get_group(d, "g-1", in_ms(5000), &found, &g, &e), &e, E_DPS_REFUSED);
	dps_close(d);
	hostile_stop(&h);
}

static void refused_token_is_told_with_how_wrong_the_clock_is(void **state)
{
	AUTO(json) json_t *entry = NULL;
	struct hostile h = {0};
	struct err e = {0};
	bool found = true;

	hostile_start(&h);
	struct dps *d = client_of_hostile(&h);
	assert_fails(dps_get_individual(d, "ten-minutes", in_ms(5000), &found, &entry, &e), &e, E_DPS_AUTH);
	const char *words = strstr(e.what, "this clock is ");
	assert_non_null(words);
	assert_in_range(atoi(words + strlen("this clock is ")), 598, 660);
	assert_non_null(strstr(words, " s ahead of the service's"));
	err_clear(&e);
	assert_fails(dps_get_individual(d, "right-clock", in_ms(5000), &found, &entry, &e), &e, E_DPS_AUTH);
	assert_null(strstr(e.what, "clock is"));
	dps_close(d);
	hostile_stop(&h);
}

static void answer_about_another_device_is_not_taken(void **state)
{
	static uint8_t text[] = "{}";
	const struct bytes body = {.data = text, .len = 2};
	AUTO(json) json_t *entry = NULL;
	struct hostile h = {0};
	struct err e = {0};
	bool found = true;

	hostile_start(&h);
	struct dps *d = client_of_hostile(&h);
	assert_fails(dps_get_individual(d, "liar", in_ms(5000), &found, &entry, &e), &e, E_DPS_ANSWER);
	assert_non_null(strstr(e.what, "somebody-else"));
	assert_null(entry);
	err_clear(&e);
	assert_fails(dps_create_individual(d, "liar", &body, in_ms(5000), &e), &e, E_DPS_ANSWER);
	dps_close(d);
	hostile_stop(&h);
}

/* Gives back its argument if all went well. */
static void *read_often(void *user)
{
	struct dps *d = user;
	struct err e = {0};
	for (int i = 0; i < 5 && !e.code; i++) {
		AUTO(group) struct group g = {0};
		bool found = false;
		if (!dps_get_group(d, "g-1", in_ms(10000), &found, &g, &e) || !found)
			return NULL;
	}
	return e.code ? NULL : d;
}

static void one_client_serves_many_threads(void **state)
{
	pthread_t threads[8];
	struct dps *d = client("line");
	for (size_t i = 0; i < COUNT_OF(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_often, d), 0);
	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		void *done = NULL;
		pthread_join(threads[i], &done);
		assert_ptr_equal(done, d);
	}
	dps_close(d);
}

static void every_mistake_of_the_setup_is_refused(void **state)
{
	static const struct {
		struct dps_setup setup;
		enum err_code code;
	} rows[] = {
		{{.endpoint = NULL, .id_scope = "0ne1"}, E_CONFIG},
		{{.endpoint = "http://a", .id_scope = "0ne1"}, E_CONFIG},
		{{.endpoint = "https://plant.azure-devices.net", .id_scope = "0ne1"}, E_CONFIG},
		{{.endpoint = "https://a", .id_scope = "0ne1", .in_flight = 65}, E_CONFIG},
		{{.endpoint = "https://a", .id_scope = NULL}, E_CONFIG},
		{{.endpoint = "https://a", .id_scope = "0ne/1"}, E_CONFIG},
		{{.endpoint = "https://a", .id_scope = "0ne1", .global_endpoint = "a"}, E_CONFIG},
		{{.endpoint = "https://a", .id_scope = "0ne1", .arm_endpoint = "a"}, E_CONFIG},
		{{.endpoint = "https://a", .id_scope = "0ne1", .arm_id = "subscriptions/x"}, E_CONFIG},
		{{.endpoint = "https://a", .id_scope = "0ne1", .arm_id = "/a/../b"}, E_CONFIG},
		{{.endpoint = "https://a", .id_scope = "0ne1", .arm_id = "/a?b"}, E_CONFIG},
		{{.endpoint = "https://a", .id_scope = "0ne1", .auth = "password"}, E_CONFIG},
		{{.endpoint = "https://a", .id_scope = "0ne1", .auth = "bearer-token"}, E_SECRET},
		{{.endpoint = "https://a", .id_scope = "0ne1", .proxy = "http://p", .proxy_secret = "file:/nowhere"},
		 E_SECRET},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct dps *d = NULL;
		struct err e = {0};
		assert_fails(dps_open(&rows[i].setup, &d, &e), &e, rows[i].code);
		assert_null(d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(group_that_is_put_is_there_with_our_thumbprint),
		cmocka_unit_test(group_that_is_there_is_not_overwritten_by_making_it),
		cmocka_unit_test(certificate_of_another_group_is_a_conflict),
		cmocka_unit_test(group_is_replaced_only_as_it_was_read),
		cmocka_unit_test(policy_without_the_right_is_refused),
		cmocka_unit_test(without_credentials_nothing_is_sent),
		cmocka_unit_test(registration_that_is_not_there_is_no_error),
		cmocka_unit_test_teardown(each_fault_of_the_service_has_its_error, no_rules),
		cmocka_unit_test_teardown(cut_behind_the_effect_leaves_what_was_asked, no_rules),
		cmocka_unit_test(web_server_that_says_404_is_not_taken_for_dps),
		cmocka_unit_test(refused_token_is_told_with_how_wrong_the_clock_is),
		cmocka_unit_test(answer_about_another_device_is_not_taken),
		cmocka_unit_test(one_client_serves_many_threads),
		cmocka_unit_test(every_mistake_of_the_setup_is_refused),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
