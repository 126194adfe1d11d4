/* SPDX-License-Identifier: Apache-2.0 */
/* Registration by TPM attestation against the emulated service. The service wraps its keys by its own reading of the
 * TPM's specification, and soft_tpm.c unwraps them by another. */
#include "harness.h"
#include "soft_tpm.h"

#include "certs/hmac.h"
#include "station/base/clock.h"
#include "station/base/text.h"
#include "station/dps/tpm_proof.h"
#include "station/dps/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct folder folder;
static struct emulator emulator;
static struct soft_tpm tpm, stranger;
static struct dps *dps;

static int set_up(void **state)
{
	struct err e = {0};
	assert_ok(http_start(&e), &e);
	folder_make(&folder);
	soft_tpm_make(&tpm);
	soft_tpm_make(&stranger);
	write_text(folder_at(&folder, "rules.json"), "[]", 0644);
	const char *args[] = {"--rules", folder_at(&folder, "rules.json"), "--polls", "1", NULL};
	emulator_start(&emulator, &folder, args);
	return 0;
}

static int tear_down(void **state)
{
	emulator_stop(&emulator);
	soft_tpm_fini(&tpm);
	soft_tpm_fini(&stranger);
	folder_remove(&folder);
	http_stop();
	return 0;
}

static int open_client(void **state)
{
	emulator_paced_client(&emulator, "provisioningserviceowner", 60000, 4, &dps);
	return 0;
}

static int close_client(void **state)
{
	dps_close(dps);
	emulator_rules(&emulator, "[]");
	return 0;
}

/* A TPM is in one enrollment only: makes the entry of this id the one of `tpm`. */
static void enroll(const char *id)
{
	AUTO(bytes) struct bytes body = {0};
	struct err e = {0};
	struct individual_wanted w = {.registration_id = id, .ek = &tpm.ek};
	assert_ok(individual_body(&w, &body, &e), &e);
	assert_ok(dps_create_individual(dps, id, &body, in_ms(10000), &e), &e);
}

static bool registers(const char *id, const struct soft_tpm *t, struct runtime_result *ret, struct err *e)
{
	return runtime_register_tpm(dps, id, &t->runtime, in_ms(20000), ret, e);
}

static void tpm_that_is_enrolled_is_assigned_and_holds_the_hubs_key(void **state)
{
	struct runtime_result r;
	struct registration kept;
	struct err e = {0};
	bool found = false;

	enroll("tpm-1");
	assert_ok(registers("tpm-1", &tpm, &r, &e), &e);
	assert_string_equal(r.state.status, "assigned");
	assert_string_equal(r.state.device_id, "tpm-1");
	assert_non_null(strstr(r.state.hub, ".azure-devices.net"));
	/* One key to prove itself by, and another for the hub; the token is signed once. */
	assert_int_equal(tpm.imports, 2);
	assert_int_equal(tpm.signatures, 1);
	assert_false(bytes_equal(&tpm.first_key, &tpm.hmac_key));
	assert_ok(dps_get_registration(dps, "tpm-1", in_ms(10000), &found, &kept, &e), &e);
	assert_true(found);
	assert_string_equal(kept.hub, r.state.hub);
}

/* What went over the wire is what section 4 of the device API says: asked without a token, and then with it. */
static void requests_are_those_of_the_protocol(void **state)
{
	AUTO(bytes) struct bytes ek = {0}, srk = {0};
	struct err e = {0};
	size_t i, asked = 0;
	json_t *row;
	int status[8] = {0};

	assert_ok(base64_encode(tpm.ek.data, tpm.ek.len, &ek, &e), &e);
	assert_ok(base64_encode(tpm.srk.data, tpm.srk.len, &srk, &e), &e);
	AUTO(json) json_t *record = emulator_record(&emulator);
	json_array_foreach(record, i, row) {
		const json_t *body = json_object_get(row, "body");
		if (!strstr(json_text_or(row, "path", ""), "/registrations/tpm-1/register") || asked == COUNT_OF(status))
			continue;
		status[asked++] = (int)json_int_or(row, "status", 0);
		assert_string_equal(json_text_or(row, "method", ""), "PUT");
		AUTO(json) json_t *parsed = json_is_string(body) ? json_loads(json_string_value(body), 0, NULL)
								 : json_deep_copy(body);
		assert_string_equal(json_text_or(parsed, "registrationId", ""), "tpm-1");
		assert_string_equal(json_text_or(json_object_get(parsed, "tpm"), "endorsementKey", ""), bytes_text(&ek));
		assert_string_equal(json_text_or(json_object_get(parsed, "tpm"), "storageRootKey", ""), bytes_text(&srk));
	}
	assert_int_equal(asked, 2);
	assert_int_equal(status[0], 401);
	assert_int_equal(status[1], 202);
}

static void same_tpm_registers_again_and_again(void **state)
{
	struct runtime_result r;
	struct err e = {0};
	for (int i = 0; i < 2; i++)
		assert_ok(registers("tpm-1", &tpm, &r, &e), &e);
}

static void tpm_of_another_device_is_refused(void **state)
{
	struct runtime_result r;
	struct err e = {0};
	assert_fails(registers("tpm-1", &stranger, &r, &e), &e, E_REHEARSAL);
	assert_int_equal(e.native, 400004);
	assert_int_equal(r.state.error_code, 400004);
	assert_int_equal(stranger.imports, 0);
}

/* It says that it is `tpm`, whose endorsement key everybody may know. */
static void tpm_that_only_repeats_anothers_name_cannot_read_the_challenge(void **state)
{
	struct runtime_result r;
	struct err e = {0};
	struct runtime_tpm imitation = stranger.runtime;
	imitation.ek = &tpm.ek;
	assert_fails(runtime_register_tpm(dps, "tpm-1", &imitation, in_ms(20000), &r, &e), &e, E_TPM);
	assert_int_equal(stranger.imports, 0);
	err_clear(&e);
	imitation = tpm.runtime;
	imitation.srk = &stranger.srk;
	assert_fails(runtime_register_tpm(dps, "tpm-1", &imitation, in_ms(20000), &r, &e), &e, E_TPM);
}

static bool sign_wrongly(void *ctx, const void *text, size_t len, uint8_t ret[static SHA256_SIZE], struct err *e)
{
	memset(ret, 7, SHA256_SIZE);
	return true;
}

static bool sign_not(void *ctx, const void *text, size_t len, uint8_t ret[static SHA256_SIZE], struct err *e)
{
	return err_set(e, E_KEY_SILENT, "the TPM does not sign");
}

static void proof_that_is_wrong_or_missing_ends_it(void **state)
{
	struct runtime_result r;
	struct err e = {0};
	struct runtime_tpm broken = tpm.runtime;
	broken.sign = sign_wrongly;
	assert_fails(runtime_register_tpm(dps, "tpm-1", &broken, in_ms(20000), &r, &e), &e, E_REHEARSAL);
	assert_int_equal(e.native / 1000, 401);
	err_clear(&e);
	broken.sign = sign_not;
	assert_fails(runtime_register_tpm(dps, "tpm-1", &broken, in_ms(20000), &r, &e), &e, E_KEY_SILENT);
}

static void id_that_nobody_enrolled_is_refused(void **state)
{
	struct runtime_result r;
	struct err e = {0};
	assert_fails(registers("nobody", &tpm, &r, &e), &e, E_REHEARSAL);
	assert_int_equal(e.native / 1000, 404);
}

static void service_that_asks_for_patience_is_asked_again(void **state)
{
	struct runtime_result r;
	struct err e = {0};
	emulator_rules(&emulator, "[{\"match\":{\"method\":\"PUT\",\"nth\":1},\"do\":{\"status\":429,\"retry_after\":1}},"
				  "{\"match\":{\"method\":\"PUT\",\"nth\":3},\"do\":{\"status\":429,\"retry_after\":1}}]");
	assert_ok(registers("tpm-1", &tpm, &r, &e), &e);
}

static void refusal_without_a_key_is_no_challenge(void **state)
{
	struct runtime_result r;
	struct err e = {0};
	emulator_rules(&emulator, "[{\"match\":{\"path\":\"/register\"},\"do\":{\"status\":401}}]");
	assert_fails(registers("tpm-1", &tpm, &r, &e), &e, E_REHEARSAL);
	assert_int_equal(r.requests, 1);
}

/* ---- the texts ---- */

static void token_names_scope_and_id_and_is_good_for_forty_minutes(void **state)
{
	AUTO(bytes) struct bytes token = {0}, encoded = {0}, mac64 = {0};
	static uint8_t secret[] = "secret";
	struct soft_tpm t = {.imports = 1, .hmac_key = {.data = secret, .len = 6}};
	const struct runtime_tpm runtime = {.sign = tpm.runtime.sign, .ctx = &t};
	static const char signed_text[] = "0ne1%2fregistrations%2funit%3A1\n1700002400";
	uint8_t mac[SHA256_SIZE];
	char expected[300];
	struct err e = {0};

	hmac_sha256(secret, 6, signed_text, strlen(signed_text), mac);
	assert_ok(base64_encode(mac, sizeof(mac), &mac64, &e) && url_encode(bytes_text(&mac64), &encoded, &e), &e);
	assert_ok(tpm_proof_token("0ne1", "unit:1", &runtime, 1700000000123, &token, &e), &e);
	snprintf(expected, sizeof(expected), "SharedAccessSignature sr=0ne1%%2fregistrations%%2funit%%3A1&sig=%s&se=1700002400&"
		 "skn=registration", bytes_text(&encoded));
	assert_string_equal(bytes_text(&token), expected);
	assert_true(token.secret);
}

static void wrapped_key_is_taken_out_of_its_object(void **state)
{
	static const struct {
		const char *text;
		bool ok, found;
	} rows[] = {
		{"{\"authenticationKey\":\"AAEC\"}", true, true}, {"{}", true, false}, {"{\"authenticationKey\":7}", true, false},
		{"{\"authenticationKey\":\"\"}", false, true}, {"{\"authenticationKey\":\"A\"}", false, true},
		{"{\"authenticationKey\":\"AAEC\\nAAEC\"}", false, true}, {"[]", true, false},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO(bytes) struct bytes blob = {0};
		AUTO(json) json_t *object = json_loads(rows[i].text, 0, NULL);
		struct err e = {0};
		bool found = false;
		assert_int_equal(tpm_proof_blob(object, &found, &blob, &e), rows[i].ok);
		assert_int_equal(found, rows[i].found);
		assert_int_equal(e.code, rows[i].ok ? E_NONE : E_DPS_ANSWER);
	}
}

static void wrapped_key_has_a_greatest_length(void **state)
{
	AUTO(bytes) struct bytes raw = {0}, text = {0}, blob = {0};
	struct err e = {0};
	bool found = false;
	for (size_t i = 0; i <= TPM_BLOB_MAX; i++)
		assert_ok(bytes_add(&raw, "x", 1, &e), &e);
	assert_ok(base64_encode(raw.data, raw.len, &text, &e), &e);
	AUTO(json) json_t *object = json_pack("{s:s}", "authenticationKey", bytes_text(&text));
	assert_fails(tpm_proof_blob(object, &found, &blob, &e), &e, E_DPS_ANSWER);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_client, close_client)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tpm_that_is_enrolled_is_assigned_and_holds_the_hubs_key),
		TEST(requests_are_those_of_the_protocol),
		TEST(same_tpm_registers_again_and_again),
		TEST(tpm_of_another_device_is_refused),
		TEST(tpm_that_only_repeats_anothers_name_cannot_read_the_challenge),
		TEST(proof_that_is_wrong_or_missing_ends_it),
		TEST(id_that_nobody_enrolled_is_refused),
		TEST(service_that_asks_for_patience_is_asked_again),
		TEST(refusal_without_a_key_is_no_challenge),
		cmocka_unit_test(token_names_scope_and_id_and_is_good_for_forty_minutes),
		cmocka_unit_test(wrapped_key_is_taken_out_of_its_object),
		cmocka_unit_test(wrapped_key_has_a_greatest_length),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
