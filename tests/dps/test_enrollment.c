/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "station/dps/enrollment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define THUMB "00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff"

static void ids_follow_the_rules_of_the_service(void **state)
{
	static const char *const good[] = {"a", "line-1", "A.b_c:d", "0"};
	static const char *const bad[] = {"", "-a", "a-", "a b", "a/b", "\xc3\xa9", ".", "a%20"};
	char longest[130];

	for (size_t i = 0; i < COUNT_OF(good); i++)
		assert_true(enrollment_id_is_valid(good[i]));
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_false(enrollment_id_is_valid(bad[i]));
	memset(longest, 'a', sizeof(longest));
	longest[128] = '\0';
	assert_true(enrollment_id_is_valid(longest));
	longest[128] = 'a';
	longest[129] = '\0';
	assert_false(enrollment_id_is_valid(longest));
}

static void new_group_says_only_what_is_wanted(void **state)
{
	AUTO(bytes) struct bytes body = {0};
	struct err e = {0};
	struct group_wanted w = {.id = "line", .primary_pem = "PEM1", .secondary_pem = "PEM2"};
	assert_ok(group_body(&w, NULL, &body, &e), &e);
	assert_string_equal(bytes_text(&body),
			    "{\"attestation\":{\"type\":\"x509\",\"x509\":{\"signingCertificates\":{\"primary\":"
			    "{\"certificate\":\"PEM1\"},\"secondary\":{\"certificate\":\"PEM2\"}}}},"
			    "\"enrollmentGroupId\":\"line\",\"provisioningStatus\":\"enabled\"}");
}

static void group_may_name_its_ca_by_reference(void **state)
{
	AUTO(bytes) struct bytes body = {0};
	struct err e = {0};
	struct group_wanted w = {.id = "line", .primary_ca = "product-root", .allocation = "hashed"};
	assert_ok(group_body(&w, NULL, &body, &e), &e);
	assert_string_equal(bytes_text(&body),
			    "{\"allocationPolicy\":\"hashed\",\"attestation\":{\"type\":\"x509\",\"x509\":"
			    "{\"caReferences\":{\"primary\":\"product-root\"}}},\"enrollmentGroupId\":\"line\","
			    "\"provisioningStatus\":\"enabled\"}");
}

static void replaced_group_keeps_the_rest_but_never_echoes_info(void **state)
{
	AUTO(bytes) struct bytes body = {0};
	AUTO(json) json_t *base = json_pack(
		"{s:s, s:s, s:s, s:s, s:{s:{s:i}}, s:{s:s, s:{s:{s:{s:{s:s}}}}}}", "enrollmentGroupId", "line", "etag",
		"\"x\"", "createdDateTimeUtc", "2020-01-01T00:00:00Z", "provisioningStatus", "disabled", "initialTwin",
		"tags", "plant", 7, "attestation", "type", "x509", "x509", "signingCertificates", "primary", "info",
		"sha256Thumbprint", THUMB);
	struct err e = {0};
	struct group_wanted w = {.id = "line", .primary_pem = "PEM"};
	assert_ok(group_body(&w, base, &body, &e), &e);
	assert_string_equal(bytes_text(&body),
			    "{\"attestation\":{\"type\":\"x509\",\"x509\":{\"signingCertificates\":{\"primary\":"
			    "{\"certificate\":\"PEM\"}}}},\"enrollmentGroupId\":\"line\",\"initialTwin\":{\"tags\":"
			    "{\"plant\":7}},\"provisioningStatus\":\"enabled\"}");
	assert_string_equal(json_text_or(base, "etag", ""), "\"x\"");
}

static void group_without_certificate_or_id_is_not_sent(void **state)
{
	AUTO(bytes) struct bytes body = {0};
	struct err e = {0};
	struct group_wanted none = {.id = "line"}, bad_id = {.id = "a/b", .primary_pem = "PEM"};
	assert_fails(group_body(&none, NULL, &body, &e), &e, E_CONFIG);
	err_clear(&e);
	assert_fails(group_body(&bad_id, NULL, &body, &e), &e, E_CONFIG);
}

static bool parses(const char *text, struct group *g, struct err *e)
{
	return group_parse(text, strlen(text), g, e);
}

static void answer_of_the_service_is_read(void **state)
{
	AUTO(group) struct group g = {0};
	struct err e = {0};
	assert_ok(parses("{\"enrollmentGroupId\":\"line\",\"etag\":\"\\\"33\\\"\",\"provisioningStatus\":\"enabled\","
			 "\"attestation\":{\"type\":\"x509\",\"x509\":{\"signingCertificates\":{\"primary\":{\"info\":"
			 "{\"sha256Thumbprint\":\"" THUMB "\"}}},\"caReferences\":{\"secondary\":\"root-2\"}}},"
			 "\"allocationPolicy\":\"static\",\"iotHubs\":[\"h1.azure-devices.net\",\"h2\"]}", &g, &e), &e);
	assert_string_equal(g.id, "line");
	assert_string_equal(g.etag, "\"33\"");
	assert_true(g.enabled && g.by_x509 && g.ca[0].has_info && !g.ca[1].has_info);
	assert_true(g.ca[0].sha256[1] == 0x11 && g.ca[0].sha256[31] == 0xff);
	assert_string_equal(g.ca[1].reference, "root-2");
	assert_string_equal(g.allocation, "static");
	assert_int_equal(g.hub_count, 2);
	assert_string_equal(g.hub, "h1.azure-devices.net");
}

static void members_left_out_have_the_defaults_of_the_api(void **state)
{
	AUTO(group) struct group g = {0};
	struct err e = {0};
	assert_ok(parses("{\"enrollmentGroupId\":\"g\",\"attestation\":{\"type\":\"symmetricKey\"}}", &g, &e), &e);
	assert_true(g.enabled && !g.by_x509 && g.hub_count == 0 && !*g.allocation && !*g.etag);
	assert_ok(parses("{\"enrollmentGroupId\":\"g\",\"provisioningStatus\":\"disabled\"}", &g, &e), &e);
	assert_false(g.enabled);
}

static void answer_that_is_no_group_is_not_understood(void **state)
{
	static const char *const bad[] = {
		"", "[]", "{}", "{\"enrollmentGroupId\":7}", "{\"enrollmentGroupId\":\"a b\"}",
		"{\"enrollmentGroupId\":\"g\",\"etag\":1}", "{\"enrollmentGroupId\":\"g\",\"iotHubs\":\"h\"}",
		"{\"enrollmentGroupId\":\"g\",\"attestation\":{\"type\":\"x509\",\"x509\":{\"signingCertificates\":"
		"{\"primary\":{\"info\":{\"sha256Thumbprint\":\"0011\"}}}}}}",
	};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		AUTO(group) struct group g = {0};
		struct err e = {0};
		assert_fails(parses(bad[i], &g, &e), &e, E_DPS_ANSWER);
		assert_null(g.raw);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_follow_the_rules_of_the_service),
		cmocka_unit_test(new_group_says_only_what_is_wanted),
		cmocka_unit_test(group_may_name_its_ca_by_reference),
		cmocka_unit_test(replaced_group_keeps_the_rest_but_never_echoes_info),
		cmocka_unit_test(group_without_certificate_or_id_is_not_sent),
		cmocka_unit_test(answer_of_the_service_is_read),
		cmocka_unit_test(members_left_out_have_the_defaults_of_the_api),
		cmocka_unit_test(answer_that_is_no_group_is_not_understood),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
