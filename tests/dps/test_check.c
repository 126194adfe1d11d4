/* SPDX-License-Identifier: Apache-2.0 */
/* The walk of check-cloud and the claims of preflight, against the emulated service and against hostile.py. */
#include "harness.h"

#include "station/dps/arm.h"
#include "station/dps/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct folder folder;
static struct emulator emulator;
static struct hostile hostile;
static struct bytes ours[2];	/* line, root */

static int set_up(void **state)
{
	struct err e = {0};
	char group[200];
	assert_ok(http_start(&e), &e);
	folder_make(&folder);
	pki_make(&folder);
	pem_der(&folder, "line", &ours[0]);
	pem_der(&folder, "root", &ours[1]);
	write_text(folder_at(&folder, "rules.json"), "[]", 0644);
	snprintf(group, sizeof(group), "line=%s", folder_at(&folder, "line.pem"));
	const char *args[] = {"--verified-ca", folder_at(&folder, "root.pem"), "--group", group, "--rules",
			      folder_at(&folder, "rules.json"), NULL};
	emulator_start(&emulator, &folder, args);
	hostile_start(&hostile);
	return 0;
}

static int tear_down(void **state)
{
	hostile_stop(&hostile);
	emulator_stop(&emulator);
	folder_remove(&folder);
	http_stop();
	bytes_fini(&ours[0]);
	bytes_fini(&ours[1]);
	return 0;
}

static int no_rules(void **state)
{
	emulator_rules(&emulator, "[]");
	return 0;
}

static struct dps *client(const char *policy, const char *arm_role)
{
	struct dps *d = NULL;
	emulator_client(&emulator, policy, arm_role, &d);
	return d;
}

/* ---- the walk ---- */

struct rows {
	char names[128];	/* "name+ tcp+ tls-" */
	char text[4096];
};

static void note(void *ctx, const struct check_row *row)
{
	struct rows *r = ctx;
	size_t n = strlen(r->names), m = strlen(r->text);
	snprintf(r->names + n, sizeof(r->names) - n, "%s%s%s", n ? " " : "", row->name, row->ok ? "+" : "-");
	snprintf(r->text + m, sizeof(r->text) - m, "%s\n", row->text);
}

/* The walk's rows, of which the text is left in *ret_rows, if given. */
static void walk_for(struct dps *d, const struct check_wanted *wanted, const char *names, enum err_code want, struct rows *ret_rows)
{
	struct rows rows = {0};
	struct err e = {0};
	bool ok = check_cloud(d, wanted, in_ms(5000), note, &rows, &e);
	assert_string_equal(rows.names, names);
	assert_int_equal(e.code, want);
	assert_int_equal(ok, want == E_NONE);
	assert_null(strstr(rows.text, "SharedAccess"));
	dps_close(d);
	if (ret_rows)
		*ret_rows = rows;
}

static void walk_is(struct dps *d, const char *group, const char *names, enum err_code want)
{
	struct check_wanted wanted = {.group = {group}, .group_count = 1};
	walk_for(d, &wanted, names, want, NULL);
}

static void good_way_says_every_hop(void **state)
{
	walk_is(client("line", NULL), "line", "name+ tcp+ tls+ clock+ token+ right+", E_NONE);
}

static void group_that_is_not_there_yet_proves_the_right_too(void **state)
{
	walk_is(client("line", NULL), "nothing", "name+ tcp+ tls+ clock+ token+ right+", E_NONE);
}

static void every_profiles_group_is_read(void **state)
{
	struct check_wanted wanted = {.group = {"line", "nothing", "line"}, .group_count = 3};
	struct rows rows;
	walk_for(client("line", NULL), &wanted, "name+ tcp+ tls+ clock+ token+ right+ right+ right+", E_NONE, &rows);
	assert_non_null(strstr(rows.text, "may read group line\nmay read groups; there is no group nothing\nmay read group line\n"));
}

static void entries_of_their_own_need_reading_and_writing(void **state)
{
	struct check_wanted wanted = {.individual = true}, both = {.group = {"line"}, .group_count = 1, .individual = true};
	struct rows rows;
	walk_for(client("line", NULL), &wanted, "name+ tcp+ tls+ clock+ token+ right+ right+", E_NONE, &rows);
	assert_non_null(strstr(rows.text, "may read individual enrollments\nmay write individual enrollments\n"));
	walk_for(client("line", NULL), &both, "name+ tcp+ tls+ clock+ token+ right+ right+ right+", E_NONE, NULL);
	walk_for(client("reader", NULL), &both, "name+ tcp+ tls+ clock+ token+ right+ right+ right-", E_DPS_AUTH, &rows);
}

/* The question is a removal, and must remove nothing whatever is there. */
static void asking_for_the_right_to_write_changes_nothing(void **state)
{
	struct check_wanted wanted = {.individual = true};
	AUTO(bytes) struct bytes leaf = {0}, body = {0};
	AUTO(json) json_t *entry = NULL;
	struct dps *d = client("line", NULL);
	struct err e = {0};
	bool found = false;
	leaf_quick("station-check", &leaf);
	struct individual_wanted w = {.registration_id = "station-check", .leaf = &leaf};
	assert_ok(individual_body(&w, &body, &e), &e);
	assert_ok(dps_create_individual(d, "station-check", &body, in_ms(5000), &e), &e);
	walk_for(client("line", NULL), &wanted, "name+ tcp+ tls+ clock+ token+ right+ right+", E_NONE, NULL);
	assert_ok(dps_get_individual(d, "station-check", in_ms(5000), &found, &entry, &e), &e);
	assert_true(found);
	dps_close(d);
}

static void right_that_is_missing_does_not_end_the_walk(void **state)
{
	struct check_wanted both = {.group = {"line"}, .group_count = 1, .individual = true};
	emulator_rules(&emulator, "[{\"match\":{\"path\":\"/enrollments/\",\"method\":\"GET\"},\"do\":{\"status\":403}}]");
	walk_for(client("line", NULL), &both, "name+ tcp+ tls+ clock+ token+ right+ right- right+", E_DPS_AUTH, NULL);
	emulator_rules(&emulator, "[{\"match\":{\"method\":\"DELETE\"},\"do\":{\"status\":500}}]");
	walk_for(client("line", NULL), &both, "name+ tcp+ tls+ clock+ token+ right+ right+ answer-", E_DPS_BUSY, NULL);
	emulator_rules(&emulator, "[{\"match\":{\"method\":\"DELETE\"},\"do\":{\"cut_before\":\"close\"}}]");
	walk_for(client("line", NULL), &both, "name+ tcp+ tls+ clock+ token+ right+ right+ answer-", E_NET, NULL);
}

static void token_that_is_refused_is_the_last_row(void **state)
{
	emulator_rules(&emulator, "[{\"do\":{\"status\":401}}]");
	walk_is(client("line", NULL), "line", "name+ tcp+ tls+ clock+ token-", E_DPS_AUTH);
}

static void right_that_is_missing_is_told_from_the_token(void **state)
{
	emulator_rules(&emulator, "[{\"do\":{\"status\":403}}]");
	walk_is(client("line", NULL), "line", "name+ tcp+ tls+ clock+ token+ right-", E_DPS_AUTH);
}

static void service_in_trouble_is_said_behind_the_way_to_it(void **state)
{
	emulator_rules(&emulator, "[{\"do\":{\"status\":503}}]");
	walk_is(client("line", NULL), "line", "name+ tcp+ tls+ clock+ answer-", E_DPS_BUSY);
}

static void missing_credentials_stop_before_the_way(void **state)
{
	walk_is(client(NULL, NULL), "line", "token-", E_DPS_AUTH);
}

static struct dps *client_of(const char *endpoint, const char *ca_file, const char *proxy)
{
	struct dps *d = NULL;
	struct err e = {0};
	char secret[200];
	write_text(folder_at(&folder, "token"), "abc", 0600);
	snprintf(secret, sizeof(secret), "file:%s", folder_at(&folder, "token"));
	struct dps_setup s = {.endpoint = endpoint, .id_scope = "0ne1", .auth = "bearer-token", .secret = secret,
			      .ca_file = ca_file, .proxy = proxy};
	assert_ok(dps_open(&s, &d, &e), &e);
	return d;
}

static const char *local(char out[static 64], const char *scheme, const char *port)
{
	snprintf(out, 64, "%s://localhost:%d", scheme, hostile_port(&hostile, port));
	return out;
}

static void walk_stops_at_the_hop_that_breaks(void **state)
{
	char url[64];
	walk_is(client_of("https://no-such-host.invalid", NULL, NULL), "g", "name-", E_NET);
	walk_is(client_of("https://127.0.0.1:9", NULL, NULL), "g", "name+ tcp-", E_NET);
	walk_is(client_of(local(url, "https", "untrusted"), hostile_ca(&hostile), NULL), "g", "name+ tcp+ tls-", E_TLS);
	walk_is(client_of(local(url, "https", "expired"), hostile_ca(&hostile), NULL), "g", "name+ tcp+ tls-", E_TLS);
	walk_is(client_of(local(url, "https", "cut"), hostile_ca(&hostile), NULL), "g", "name+ tcp+ tls-", E_NET);
}

static void proxy_that_refuses_is_the_hop(void **state)
{
	char url[64], proxy[64];
	walk_is(client_of(local(url, "https", "good"), hostile_ca(&hostile), local(proxy, "http", "proxy")), "g",
		"name+ proxy-", E_PROXY);
	walk_is(client_of(local(url, "https", "good"), hostile_ca(&hostile), "http://127.0.0.1:9"), "g",
		"name+ proxy-", E_NET);
}

static void clock_that_is_wrong_is_said(void **state)
{
	char url[64];
	walk_is(client_of(local(url, "https", "good"), hostile_ca(&hostile), NULL), "wrong-clock",
		"name+ tcp+ tls+ clock- answer-", E_CLOCK);
}

/* ---- the claims ---- */

static const struct check_chain chain = {.ca = ours, .count = 2};

static bool group_holds_us(struct dps *d, const char *id, const struct check_chain *c, struct err *e)
{
	return check_group(d, id, c, in_ms(5000), NULL, e);
}

static void group_with_our_line_ca_is_right(void **state)
{
	AUTO(group) struct group g = {0};
	struct dps *d = client("line", NULL);
	struct err e = {0};
	assert_ok(check_group(d, "line", &chain, in_ms(5000), &g, &e), &e);
	assert_string_equal(g.id, "line");
	dps_close(d);
}

static void group_that_is_missing_or_holds_another_ca_stops_the_line(void **state)
{
	AUTO(bytes) struct bytes stranger = {0};
	struct check_chain theirs = {.ca = &stranger, .count = 1};
	struct dps *d = client("line", NULL);
	struct err e = {0};
	assert_fails(group_holds_us(d, "nothing", &chain, &e), &e, E_GROUP);
	err_clear(&e);
	pem_der(&folder, "stranger", &stranger);
	assert_fails(group_holds_us(d, "line", &theirs, &e), &e, E_GROUP);
	dps_close(d);
}

/* Puts a group as the service's own JSON says it, past our own builder. */
static void put_raw(const char *id, const char *rest)
{
	AUTO(http_response) struct http_response r = {0};
	AUTO(bytes) struct bytes body = {0};
	struct dps *d = client("provisioningserviceowner", NULL);
	struct err e = {0};
	char path[128];
	snprintf(path, sizeof(path), "/enrollmentGroups/%s?api-version=" DPS_API_VERSION, id);
	assert_ok(bytes_printf(&body, &e, "{\"enrollmentGroupId\":\"%s\",%s}", id, rest), &e);
	struct dps_call call = {.method = "PUT", .path = path, .body = bytes_text(&body), .body_len = body.len,
				.deadline_ms = in_ms(5000)};
	assert_ok(dps_send(d, &call, &r, &e), &e);
	if (r.status != 200)
		fail_msg("the group %s was refused: %s", id, bytes_text(&r.body));
	dps_close(d);
}

/* The name under which the service stores our root. */
static void root_name(char ret[static CA_NAME_MAX])
{
	struct arm_certificate list[ARM_CERTIFICATES_MAX];
	struct dps *d = client(NULL, "reader");
	struct err e = {0};
	size_t count = 0;
	assert_ok(arm_list_certificates(d, in_ms(5000), list, COUNT_OF(list), &count, &e), &e);
	assert_true(count >= 1);
	strcpy(ret, list[0].name);
	dps_close(d);
}

static void reference_to_a_stored_ca_is_resolved(void **state)
{
	struct check_chain line_only = {.ca = ours, .count = 1};
	struct dps *d = client("line", "reader"), *blind = client("line", NULL);
	struct err e = {0};
	char name[CA_NAME_MAX], rest[512];
	root_name(name);
	snprintf(rest, sizeof(rest), "\"attestation\":{\"type\":\"x509\",\"x509\":{\"caReferences\":{\"primary\":\"%s\"}}}", name);
	put_raw("by-reference", rest);
	assert_ok(group_holds_us(d, "by-reference", &chain, &e), &e);
	assert_fails(group_holds_us(d, "by-reference", &line_only, &e), &e, E_GROUP);
	err_clear(&e);
	assert_fails(group_holds_us(blind, "by-reference", &chain, &e), &e, E_CONFIG);
	dps_close(d);
	dps_close(blind);
}

static void disabled_group_stops_the_line(void **state)
{
	AUTO(json) json_t *text = NULL;
	AUTO(bytes) struct bytes pem = {0}, rest = {0}, quoted = {0};
	struct dps *d = client("line", NULL);
	struct err e = {0};
	pki_authority(&folder, "other", "root");
	pem_text(&folder, "other", &pem);
	text = json_string(bytes_text(&pem));
	assert_ok(json_canonical(text, &quoted, &e), &e);
	assert_ok(bytes_printf(&rest, &e, "\"provisioningStatus\":\"disabled\",\"attestation\":{\"type\":\"x509\",\"x509\":"
			       "{\"signingCertificates\":{\"primary\":{\"certificate\":%s}}}}", bytes_text(&quoted)), &e);
	put_raw("off", bytes_text(&rest));
	assert_fails(group_holds_us(d, "off", &chain, &e), &e, E_GROUP);
	assert_non_null(strstr(e.what, "disabled"));
	dps_close(d);
}

static void root_that_is_verified_there_is_enough(void **state)
{
	struct dps *d = client(NULL, "reader");
	struct err e = {0};
	assert_ok(check_ca_verified(d, &chain, in_ms(5000), &e), &e);
	dps_close(d);
}

static void ca_that_is_absent_or_unproved_stops_the_line(void **state)
{
	AUTO(bytes) struct bytes stranger = {0}, pem = {0};
	struct check_chain theirs = {.ca = &stranger, .count = 1};
	struct arm_certificate c;
	struct dps *d = client(NULL, "contributor"), *blind = client("line", NULL);
	struct err e = {0};
	pem_der(&folder, "stranger", &stranger);
	assert_fails(check_ca_verified(d, &theirs, in_ms(5000), &e), &e, E_CA_UNVERIFIED);
	assert_non_null(strstr(e.what, "none"));
	err_clear(&e);
	pem_text(&folder, "stranger", &pem);
	assert_ok(arm_put_certificate(d, "stranger", bytes_text(&pem), NULL, in_ms(5000), &c, &e), &e);
	assert_fails(check_ca_verified(d, &theirs, in_ms(5000), &e), &e, E_CA_UNVERIFIED);
	assert_non_null(strstr(e.what, "not verified"));
	err_clear(&e);
	assert_fails(check_ca_verified(blind, &chain, in_ms(5000), &e), &e, E_CA_UNVERIFIED);
	dps_close(d);
	dps_close(blind);
}

static void allocation_that_depends_on_the_place_needs_a_yes(void **state)
{
	static const struct {
		const char *allocation;
		int hubs;
		bool fine, blind_fine;
	} rows[] = {
		{"hashed", 0, true, true}, {"static", 2, true, true}, {"geoLatency", 0, false, false},
		{"geoLatency", 1, true, true}, {"geoLatency", 2, false, false}, {"custom", 1, false, false},
		{"", 0, true, false},	/* the instance's own, which is Hashed */
	};
	struct dps *d = client("line", "reader"), *blind = client("line", NULL);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct group g = {.id = "g", .hub_count = rows[i].hubs};
		struct err e = {0};
		strcpy(g.allocation, rows[i].allocation);
		assert_int_equal(check_allocation(d, &g, in_ms(5000), &e), rows[i].fine);
		assert_int_equal(e.code, rows[i].fine ? E_NONE : E_ALLOCATION);
		err_clear(&e);
		assert_int_equal(check_allocation(blind, &g, in_ms(5000), &e), rows[i].blind_fine);
	}
	dps_close(d);
	dps_close(blind);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_way_says_every_hop),
		cmocka_unit_test(group_that_is_not_there_yet_proves_the_right_too),
		cmocka_unit_test(every_profiles_group_is_read),
		cmocka_unit_test(entries_of_their_own_need_reading_and_writing),
		cmocka_unit_test(asking_for_the_right_to_write_changes_nothing),
		cmocka_unit_test_teardown(right_that_is_missing_does_not_end_the_walk, no_rules),
		cmocka_unit_test_teardown(token_that_is_refused_is_the_last_row, no_rules),
		cmocka_unit_test_teardown(right_that_is_missing_is_told_from_the_token, no_rules),
		cmocka_unit_test_teardown(service_in_trouble_is_said_behind_the_way_to_it, no_rules),
		cmocka_unit_test(missing_credentials_stop_before_the_way),
		cmocka_unit_test(walk_stops_at_the_hop_that_breaks),
		cmocka_unit_test(proxy_that_refuses_is_the_hop),
		cmocka_unit_test(clock_that_is_wrong_is_said),
		cmocka_unit_test(group_with_our_line_ca_is_right),
		cmocka_unit_test(group_that_is_missing_or_holds_another_ca_stops_the_line),
		cmocka_unit_test(reference_to_a_stored_ca_is_resolved),
		cmocka_unit_test(disabled_group_stops_the_line),
		cmocka_unit_test(root_that_is_verified_there_is_enough),
		cmocka_unit_test(ca_that_is_absent_or_unproved_stops_the_line),
		cmocka_unit_test(allocation_that_depends_on_the_place_needs_a_yes),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
