/* SPDX-License-Identifier: Apache-2.0 */
/* The control plane against the emulated service: what a DPS has, and the proof that a CA is ours. */
#include "harness.h"

#include "certs/ca.h"
#include "station/dps/arm.h"

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
	const char *args[] = {"--verified-ca", folder_at(&folder, "stranger.pem"), NULL};
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

static struct dps *client(const char *role)
{
	struct dps *d = NULL;
	emulator_client(&emulator, NULL, role, &d);
	return d;
}

static void facts_of(const char *name, struct cert_facts *ret)
{
	AUTO(bytes) struct bytes der = {0};
	struct err e = {0};
	pem_der(&folder, name, &der);
	assert_ok(cert_look(der.data, der.len, ret, &e), &e);
}

static void store(struct dps *d, const char *name, const char *certificate, const char *etag, struct arm_certificate *ret)
{
	AUTO(bytes) struct bytes pem = {0};
	struct err e = {0};
	pem_text(&folder, certificate, &pem);
	assert_ok(arm_put_certificate(d, name, bytes_text(&pem), etag, in_ms(5000), ret, &e), &e);
}

static void ca_is_proved_by_a_certificate_that_its_key_signed(void **state)
{
	AUTO(bytes) struct bytes proof = {0};
	struct arm_certificate c, list[4];
	struct cert_facts root, line;
	struct dps *d = client("contributor");
	struct err e = {0};
	char code[ARM_CODE_MAX];
	bool found = true;
	size_t count = 0;

	facts_of("root", &root);
	facts_of("line", &line);
	assert_ok(arm_get_certificate(d, "product-root", in_ms(5000), &found, &c, &e), &e);
	assert_false(found);
	store(d, "product-root", "root", NULL, &c);
	assert_false(c.verified);
	assert_true(arm_certificate_is(&c, &root));
	assert_false(arm_certificate_is(&c, &line));

	assert_ok(arm_generate_code(d, "product-root", c.etag, in_ms(5000), code, &c, &e), &e);
	pki_leaf(&folder, "proof", code, "root");
	pem_text(&folder, "proof", &proof);
	assert_ok(arm_verify(d, "product-root", c.etag, bytes_text(&proof), in_ms(5000), &c, &e), &e);
	assert_true(c.verified);
	assert_ok(arm_get_certificate(d, "product-root", in_ms(5000), &found, &c, &e), &e);
	assert_true(found && c.verified);

	assert_ok(arm_list_certificates(d, in_ms(5000), list, COUNT_OF(list), &count, &e), &e);
	assert_int_equal(count, 2);
	assert_fails(arm_list_certificates(d, in_ms(5000), list, 1, &count, &e), &e, E_DPS_ANSWER);
	dps_close(d);
}

static void proof_by_another_key_is_refused(void **state)
{
	AUTO(bytes) struct bytes proof = {0};
	struct arm_certificate c;
	struct dps *d = client("contributor");
	struct err e = {0};
	char code[ARM_CODE_MAX];
	bool found = false;

	store(d, "not-ours", "line", NULL, &c);
	assert_ok(arm_generate_code(d, "not-ours", c.etag, in_ms(5000), code, &c, &e), &e);
	pki_leaf(&folder, "forged", code, "root");
	pem_text(&folder, "forged", &proof);
	if (arm_verify(d, "not-ours", c.etag, bytes_text(&proof), in_ms(5000), &c, &e))
		fail_msg("a proof by another key was taken");
	err_clear(&e);
	assert_ok(arm_get_certificate(d, "not-ours", in_ms(5000), &found, &c, &e), &e);
	assert_true(found && !c.verified);
	dps_close(d);
}

static void stale_etag_is_a_conflict(void **state)
{
	struct arm_certificate first, second;
	struct dps *d = client("contributor");
	struct err e = {0};
	char code[ARM_CODE_MAX];
	store(d, "stale", "line", NULL, &first);
	assert_ok(arm_generate_code(d, "stale", first.etag, in_ms(5000), code, &second, &e), &e);
	assert_fails(arm_generate_code(d, "stale", first.etag, in_ms(5000), code, &second, &e), &e, E_CONFLICT);
	dps_close(d);
}

static void reader_may_look_but_not_change(void **state)
{
	AUTO(bytes) struct bytes pem = {0};
	struct arm_certificate c, list[ARM_CERTIFICATES_MAX];
	struct dps *d = client("reader");
	struct err e = {0};
	size_t count = 0;
	pem_text(&folder, "line", &pem);
	assert_ok(arm_list_certificates(d, in_ms(5000), list, COUNT_OF(list), &count, &e), &e);
	assert_fails(arm_put_certificate(d, "x", bytes_text(&pem), NULL, in_ms(5000), &c, &e), &e, E_DPS_AUTH);
	dps_close(d);
}

static void instance_says_scope_policy_and_hubs(void **state)
{
	struct arm_instance i;
	struct dps *d = client("reader");
	struct err e = {0};
	assert_ok(arm_get_instance(d, in_ms(5000), &i, &e), &e);
	assert_string_equal(i.id_scope, json_text_or(emulator.endpoint, "idScope", ""));
	assert_string_equal(i.allocation, "Hashed");
	assert_int_equal(i.hub_count, 2);
	dps_close(d);
}

static void without_an_id_nothing_is_asked(void **state)
{
	struct arm_instance i;
	struct dps *d = client(NULL);
	struct err e = {0};
	assert_fails(arm_get_instance(d, in_ms(5000), &i, &e), &e, E_CONFIG);
	dps_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ca_is_proved_by_a_certificate_that_its_key_signed),
		cmocka_unit_test(proof_by_another_key_is_refused),
		cmocka_unit_test(stale_etag_is_a_conflict),
		cmocka_unit_test(reader_may_look_but_not_change),
		cmocka_unit_test(instance_says_scope_policy_and_hubs),
		cmocka_unit_test(without_an_id_nothing_is_asked),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
