/* SPDX-License-Identifier: Apache-2.0 */
/* Individual enrollments: what is sent, and what of the service's answers is the same. */
#include "harness.h"

#include "station/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct bytes leaf = {.data = (uint8_t[]){0x30, 0x03, 0x02, 0x01, 0x05}, .len = 5};
static const struct bytes ek = {.data = (uint8_t[]){0x00, 0x03, 0x01, 0x02, 0xff}, .len = 5};
#define LEAF64 "MAMCAQU="
#define EK64 "AAMBAv8="
#define EK64_SHA256 "217b39f607e0654a18c2d76aaf59b537b689835346ef820ce30f5e504348dbb5"	/* of its bytes */

static json_t *json_of(const char *text)
{
	json_error_t why;
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, &why);
	if (!j)
		fail_msg("%s at %d of %s", why.text, why.position, text);
	return j;
}

/* ---- the body ---- */

static void enrollment_of_a_leaf_says_all_that_the_profile_says(void **state)
{
	AUTO(bytes) struct bytes body = {0};
	AUTO(json) json_t *twin = json_of("{\"tags\":{\"line\":\"7\"},\"properties\":{\"desired\":{\"rate\":5}}}");
	struct err e = {0};
	struct individual_wanted w = {.registration_id = "sn-1", .leaf = &leaf, .device_id = "SN-1", .hub = "a.azure-devices.net",
				      .allocation = "static", .twin = twin, .reprovision = REPROVISION_RESET, .edge = true};
	assert_ok(individual_body(&w, &body, &e), &e);
	assert_string_equal(bytes_text(&body),
			    "{\"allocationPolicy\":\"static\",\"attestation\":{\"type\":\"x509\",\"x509\":{\"clientCertificates\":"
			    "{\"primary\":{\"certificate\":\"" LEAF64 "\"}}}},\"capabilities\":{\"iotEdge\":true},\"deviceId\":"
			    "\"SN-1\",\"initialTwin\":{\"properties\":{\"desired\":{\"rate\":5}},\"tags\":{\"line\":\"7\"}},"
			    "\"iotHubs\":[\"a.azure-devices.net\"],\"provisioningStatus\":\"enabled\",\"registrationId\":\"sn-1\","
			    "\"reprovisionPolicy\":{\"migrateDeviceData\":false,\"updateHubAssignment\":true}}");
}

static void enrollment_of_a_tpm_leaves_to_the_service_what_nobody_said(void **state)
{
	AUTO(bytes) struct bytes body = {0};
	struct err e = {0};
	struct individual_wanted w = {.registration_id = "sn-1", .ek = &ek, .device_id = "", .reprovision = REPROVISION_NEVER};
	assert_ok(individual_body(&w, &body, &e), &e);
	assert_string_equal(bytes_text(&body),
			    "{\"attestation\":{\"tpm\":{\"endorsementKey\":\"" EK64 "\"},\"type\":\"tpm\"},\"capabilities\":"
			    "{\"iotEdge\":false},\"provisioningStatus\":\"enabled\",\"registrationId\":\"sn-1\","
			    "\"reprovisionPolicy\":{\"migrateDeviceData\":false,\"updateHubAssignment\":false}}");
}

static void id_that_the_service_would_refuse_is_refused_here(void **state)
{
	AUTO(bytes) struct bytes body = {0};
	struct err e = {0};
	struct individual_wanted w = {.registration_id = "a/b", .leaf = &leaf};
	assert_fails(individual_body(&w, &body, &e), &e, E_CONFIG);
	err_clear(&e);
	w.registration_id = "a";
	w.device_id = "\xff";
	assert_fails(individual_body(&w, &body, &e), &e, E_JSON);
}

/* ---- the comparison ---- */

#define X509(inner) "\"attestation\":{\"type\":\"x509\",\"x509\":{\"clientCertificates\":" inner "}}"
#define LEAF X509("{\"primary\":{\"certificate\":\"" LEAF64 "\"}}")
#define TPM "\"attestation\":{\"type\":\"tpm\",\"tpm\":{\"endorsementKey\":\"" EK64 "\"}}"
#define ID "\"registrationId\":\"sn-1\","

/* Compares, and gives the error's text and the list of differences. */
static enum err_code compare(const char *ours, const char *theirs, struct err *e, struct bytes *list)
{
	AUTO(json) json_t *a = json_of(ours);
	AUTO(json) json_t *b = json_of(theirs);
	err_clear(e);
	bytes_clear(list);
	bool same = individual_is_same(a, b, list, e);
	assert_int_equal(same, e->code == E_NONE);
	/* Who asks for no list is told the same. */
	struct err again = {0};
	assert_int_equal(individual_is_same(a, b, NULL, &again), same);
	assert_string_equal(again.what, e->what);
	return e->code;
}

static void what_means_the_same_is_the_same(void **state)
{
	static const struct {
		const char *ours, *theirs;
	} rows[] = {
		/* ids, and hosts, have no case */
		{"{" ID LEAF "}", "{\"registrationId\":\"SN-1\"," LEAF "}"},
		{"{" ID LEAF ",\"deviceId\":\"sn-1\"}", "{" ID LEAF "}"},
		{"{" ID LEAF "}", "{\"registrationId\":\"Sn-1\",\"deviceId\":\"sn-1\"," LEAF "}"},
		{"{" ID LEAF ",\"iotHubs\":[\"a.b\"]}", "{" ID LEAF ",\"iotHubHostName\":\"A.b\"}"},
		{"{" ID LEAF ",\"iotHubs\":[\"a.b\"]}", "{" ID LEAF ",\"iotHubHostName\":\"z.b\",\"iotHubs\":[\"A.B\"]}"},
		{"{" ID LEAF ",\"iotHubs\":[\"a.b\",\"c.d\"]}", "{" ID LEAF ",\"iotHubs\":[\"C.D\",\"A.B\"]}"},
		{"{" ID LEAF "}", "{" ID LEAF ",\"iotHubs\":[],\"iotHubHostName\":null}"},
		/* the certificate, however it is told */
		{"{" ID LEAF "}", "{" ID X509("{\"primary\":{\"certificate\":\"-----BEGIN CERTIFICATE-----\\nMAMC\\nAQU=\\n"
						"-----END CERTIFICATE-----\\n\"},\"secondary\":null}") "}"},
		{"{" ID LEAF "}", "{" ID X509("{\"primary\":{\"certificate\":\"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1BTUNBUVU9Ci0t"
						"LS0tRU5EIENFUlRJRklDQVRFLS0tLS0K\"}}") "}"},
		/* defaults, and what only the service says */
		{"{" ID LEAF "}", "{" ID LEAF ",\"allocationPolicy\":\"hashed\",\"capabilities\":{\"iotEdge\":false},"
				   "\"provisioningStatus\":\"enabled\",\"reprovisionPolicy\":{\"updateHubAssignment\":true,"
				   "\"migrateDeviceData\":true},\"etag\":\"\\\"1\\\"\",\"createdDateTimeUtc\":\"2026-01-01T00:00:00Z\","
				   "\"lastUpdatedDateTimeUtc\":\"2026-01-01T00:00:00Z\",\"registrationState\":{\"status\":\"assigned\"},"
				   "\"optionalDeviceInformation\":null,\"customAllocationDefinition\":null,\"newer\":[1]}"},
		{"{" ID LEAF "}", "{" ID LEAF ",\"initialTwin\":{\"tags\":null,\"properties\":{\"desired\":{}}}}"},
		{"{" ID LEAF "}", "{" ID LEAF ",\"initialTwin\":{\"tags\":{\"version\":1,\"count\":0,\"metadata\":{\"lastUpdated\":\"x\"}}}}"},
		{"{" ID LEAF ",\"initialTwin\":{\"properties\":{\"desired\":{\"a\":[1.0,{\"b\":2}]}}}}",
		 "{" ID LEAF ",\"initialTwin\":{\"properties\":{\"desired\":{\"version\":1,\"a\":[1,{\"b\":2.0}]}},\"tags\":{}}}"},
		{"{" ID LEAF ",\"initialTwin\":{\"tags\":{\"version\":3}}}", "{" ID LEAF ",\"initialTwin\":{\"tags\":{\"version\":3}}}"},
		/* the endorsement key by its bytes; the storage root key is not the device's name */
		{"{" ID TPM "}", "{" ID "\"attestation\":{\"type\":\"tpm\",\"tpm\":{\"endorsementKey\":\"AAMB\\nAv8=\",\"storageRootKey\":"
				  "\"AAAA\"},\"x509\":null}}"},
	};
	AUTO(bytes) struct bytes list = {0};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct err e = {0};
		if (compare(rows[i].ours, rows[i].theirs, &e, &list) != E_NONE)
			fail_msg("row %zu: %s", i, e.what);
		assert_int_equal(list.len, 0);
	}
}

static void thumbprint_stands_for_the_certificate(void **state)
{
	AUTO(bytes) struct bytes list = {0};
	uint8_t digest[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1], theirs[512];
	struct err e = {0};

	sha256_of(leaf.data, leaf.len, digest);
	hex_encode(digest, sizeof(digest), hex);
	for (char *c = hex; *c; c++)
		*c = (char)(*c >= 'a' ? *c - 32 : *c);
	snprintf(theirs, sizeof(theirs), "{" ID X509("{\"primary\":{\"info\":{\"sha256Thumbprint\":\"%s\"}}}") "}", hex);
	assert_int_equal(compare("{" ID LEAF "}", theirs, &e, &list), E_NONE);
	hex[7] ^= 1;
	snprintf(theirs, sizeof(theirs), "{" ID X509("{\"primary\":{\"info\":{\"sha256Thumbprint\":\"%s\"}}}") "}", hex);
	assert_int_equal(compare("{" ID LEAF "}", theirs, &e, &list), E_CONFLICT);
	snprintf(theirs, sizeof(theirs), "{" ID X509("{\"primary\":{\"certificate\":\"" LEAF64 "\",\"info\":{\"sha256Thumbprint\":\"%s\"}}}")
		 "}", hex);
	assert_int_equal(compare("{" ID LEAF "}", theirs, &e, &list), E_DPS_ANSWER);
}

static void difference_is_named_with_both_values(void **state)
{
	static const struct {
		const char *ours, *theirs, *text;
	} rows[] = {
		{"{" ID LEAF ",\"deviceId\":\"d\"}", "{\"registrationId\":\"sn-2\",\"deviceId\":\"d\"," LEAF "}", "registration id: sn-1 here, sn-2 there"},
		{"{" ID LEAF ",\"deviceId\":\"SN-1\"}", "{" ID LEAF "}", "device id: SN-1 here, sn-1 there"},
		{"{" ID LEAF "}", "{" ID LEAF ",\"deviceId\":\"SN-1\"}", "device id: sn-1 here, SN-1 there"},
		{"{" ID LEAF "}", "{" ID LEAF ",\"provisioningStatus\":\"disabled\"}", "status: enabled here, disabled there"},
		{"{" ID LEAF ",\"iotHubs\":[\"a.b\"]}", "{" ID LEAF ",\"iotHubs\":[\"c.d\"]}", "hub: a.b here, c.d there"},
		{"{" ID LEAF ",\"iotHubs\":[\"a.b\"]}", "{" ID LEAF "}", "hub: a.b here, any there"},
		{"{" ID LEAF "}", "{" ID LEAF ",\"iotHubHostName\":\"c.d\"}", "hub: any here, c.d there"},
		{"{" ID LEAF "}", "{" ID LEAF ",\"iotHubs\":[\"c.d\",\"a.b\"]}", "hub: any here, a.b, c.d there"},
		{"{" ID LEAF "}", "{" ID LEAF ",\"allocationPolicy\":\"geoLatency\"}", "allocation: hashed here, geolatency there"},
		{"{" ID LEAF "}", "{" ID LEAF ",\"customAllocationDefinition\":{\"webhookUrl\":\"https://f\"}}",
		 "allocation's webhook: none here, https://f there"},
		{"{" ID LEAF "}", "{" ID LEAF ",\"reprovisionPolicy\":{\"updateHubAssignment\":true,\"migrateDeviceData\":false}}",
		 "reprovision: migrate here, reset there"},
		{"{" ID LEAF "}", "{" ID LEAF ",\"reprovisionPolicy\":{\"updateHubAssignment\":false,\"migrateDeviceData\":false}}",
		 "reprovision: migrate here, never there"},
		{"{" ID LEAF ",\"capabilities\":{\"iotEdge\":true}}", "{" ID LEAF "}", "edge: yes here, no there"},
		{"{" ID LEAF ",\"initialTwin\":{\"tags\":{\"a\":1}}}", "{" ID LEAF "}", "twin tags: {\"a\":1} here, none there"},
		{"{" ID LEAF ",\"initialTwin\":{\"tags\":{\"version\":3}}}", "{" ID LEAF ",\"initialTwin\":{\"tags\":{\"version\":4}}}",
		 "twin tags: {\"version\":3} here, {\"version\":4} there"},
		{"{" ID LEAF ",\"initialTwin\":{\"properties\":{\"desired\":{\"a\":1}}}}",
		 "{" ID LEAF ",\"initialTwin\":{\"properties\":{\"desired\":{\"a\":1.5}}}}",
		 "twin desired: {\"a\":1} here, {\"a\":1.5} there"},
		{"{" ID LEAF ",\"initialTwin\":{\"properties\":{\"desired\":{\"a\":\"1\"}}}}",
		 "{" ID LEAF ",\"initialTwin\":{\"properties\":{\"desired\":{\"a\":1}}}}",
		 "twin desired: {\"a\":\"1\"} here, {\"a\":1} there"},
		{"{" ID TPM "}", "{" ID "\"attestation\":{\"type\":\"tpm\",\"tpm\":{\"endorsementKey\":\"AAMBAv4=\"}}}",
		 "attestation: tpm endorsement key with SHA-256 " EK64_SHA256 " here, "
		 "tpm endorsement key with SHA-256 3eae91abf772040aa51d25ae09804c6c9b34ad9b4e71ed110569de61600c2c83 there"},
		{"{" ID TPM "}", "{" ID "\"attestation\":{\"type\":\"symmetricKey\"}}",
		 "attestation: tpm endorsement key with SHA-256 " EK64_SHA256 " here, symmetricKey there"},
		{"{" ID TPM "}", "{" ID "\"attestation\":{\"type\":\"x509\",\"x509\":{\"caReferences\":{\"primary\":\"root\"}}}}",
		 "attestation: tpm endorsement key with SHA-256 " EK64_SHA256 " here, x509 by the name of a CA there"},
		{"{" ID TPM "}", "{" ID "\"attestation\":{\"type\":\"x509\",\"x509\":{\"signingCertificates\":{}}}}",
		 "attestation: tpm endorsement key with SHA-256 " EK64_SHA256 " here, x509 by a CA's certificate there"},
	};
	AUTO(bytes) struct bytes list = {0};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct err e = {0};
		assert_int_equal(compare(rows[i].ours, rows[i].theirs, &e, &list), E_CONFLICT);
		assert_string_equal(e.what, rows[i].text);
		assert_string_equal(bytes_text(&list), rows[i].text);
	}
}

static void second_certificate_is_a_difference(void **state)
{
	AUTO(bytes) struct bytes list = {0};
	struct err e = {0};
	assert_int_equal(compare("{" ID LEAF "}", "{" ID X509("{\"primary\":{\"certificate\":\"" LEAF64 "\"},\"secondary\":{\"certificate\":"
								"\"" LEAF64 "\"}}") "}", &e, &list), E_CONFLICT);
	assert_non_null(strstr(bytes_text(&list), " and a second, "));
}

static void all_differences_are_listed_a_line_each(void **state)
{
	AUTO(bytes) struct bytes list = {0};
	struct err e = {0};
	assert_int_equal(compare("{" ID LEAF ",\"iotHubs\":[\"a.b\"],\"capabilities\":{\"iotEdge\":true}}",
				 "{" ID LEAF ",\"deviceId\":\"x\\ny\",\"provisioningStatus\":\"disabled\"}", &e, &list), E_CONFLICT);
	assert_string_equal(e.what, "device id: sn-1 here, x y there");
	assert_string_equal(bytes_text(&list), "device id: sn-1 here, x y there\nstatus: enabled here, disabled there\n"
			    "hub: a.b here, any there\nedge: yes here, no there");
}

static void answer_that_is_no_enrollment_is_said_by_its_member(void **state)
{
	static const struct {
		const char *theirs, *part;
	} rows[] = {
		{"[]", "no object"},
		{"{}", "registrationId"},
		{"{" ID "\"attestation\":{}}", "attestation"},
		{"{" ID "\"attestation\":[]}", "attestation"},
		{"{" ID "\"attestation\":{\"type\":\"tpm\"}}", "endorsementKey"},
		{"{" ID "\"attestation\":{\"type\":\"tpm\",\"tpm\":{\"endorsementKey\":\"??\"}}}", "endorsementKey"},
		{"{" ID X509("{\"primary\":{}}") "}", "neither"},
		{"{" ID X509("{\"primary\":7}") "}", "no object"},
		{"{" ID X509("{\"primary\":{\"certificate\":\"\"}}") "}", "certificate"},
		{"{" ID X509("{\"primary\":{\"certificate\":\"!!\"}}") "}", "certificate"},
		{"{" ID X509("{\"primary\":{\"info\":{\"sha256Thumbprint\":\"12\"}}}") "}", "sha256Thumbprint"},
		{"{" ID LEAF ",\"deviceId\":7}", "deviceId"},
		{"{" ID LEAF ",\"iotHubs\":\"a\"}", "iotHubs"},
		{"{" ID LEAF ",\"iotHubs\":[7]}", "iotHubs"},
		{"{" ID LEAF ",\"allocationPolicy\":7}", "allocationPolicy"},
		{"{" ID LEAF ",\"provisioningStatus\":7}", "provisioningStatus"},
		{"{" ID LEAF ",\"capabilities\":{\"iotEdge\":\"yes\"}}", "iotEdge"},
		{"{" ID LEAF ",\"reprovisionPolicy\":{\"migrateDeviceData\":1}}", "migrateDeviceData"},
		{"{" ID LEAF ",\"initialTwin\":{\"tags\":[]}}", "tags"},
		{"{" ID LEAF ",\"initialTwin\":{\"properties\":{\"desired\":1}}}", "desired"},
	};
	AUTO(bytes) struct bytes list = {0};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct err e = {0};
		assert_int_equal(compare("{" ID LEAF "}", rows[i].theirs, &e, &list), E_DPS_ANSWER);
		if (!strstr(e.what, rows[i].part))
			fail_msg("row %zu: %s", i, e.what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(enrollment_of_a_leaf_says_all_that_the_profile_says),
		cmocka_unit_test(enrollment_of_a_tpm_leaves_to_the_service_what_nobody_said),
		cmocka_unit_test(id_that_the_service_would_refuse_is_refused_here),
		cmocka_unit_test(what_means_the_same_is_the_same),
		cmocka_unit_test(thumbprint_stands_for_the_certificate),
		cmocka_unit_test(difference_is_named_with_both_values),
		cmocka_unit_test(second_certificate_is_a_difference),
		cmocka_unit_test(all_differences_are_listed_a_line_each),
		cmocka_unit_test(answer_that_is_no_enrollment_is_said_by_its_member),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
