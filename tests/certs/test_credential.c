/* SPDX-License-Identifier: Apache-2.0 */
/* The proof of a credential is that a TPM opens it, and that it opens no other. */
#include "certs/credential.h"
#include "certs/ek.h"
#include "tests/certs/check.h"
#include "tests/certs/soft_tpm.h"

#include <assert.h>
#include <string.h>

static struct {
	const char *python, *manufacture;
	struct soft_tpm tpm;
	struct soft_key rsa, p256, object;
	struct tpm2_public object_public;
	struct err e;
} bench;

static const uint8_t value[CREDENTIAL_SECRET] = "thirty-two bytes that are secret";

static int open_bench(void **state)
{
	const TPM2B_PUBLIC l2 = soft_template_ek_p256(), leaf = soft_template_leaf(1);
	soft_tpm_manufacture(bench.python, bench.manufacture);
	soft_tpm_start(&bench.tpm, "GOOD0001");
	soft_tpm_ek(&bench.tpm, &bench.rsa);
	soft_tpm_primary(&bench.tpm, ESYS_TR_RH_ENDORSEMENT, &l2, &bench.p256);
	soft_tpm_primary(&bench.tpm, ESYS_TR_RH_OWNER, &leaf, &bench.object);
	CHECK_OK(tpm2_public_parse(bench.object.public_area.data, bench.object.public_area.len, E_CERTIFY, &bench.object_public,
				   &bench.e), bench.e);
	return 0;
}

static int close_bench(void **state)
{
	soft_tpm_stop(&bench.tpm);
	soft_key_fini(&bench.rsa);
	soft_key_fini(&bench.p256);
	soft_key_fini(&bench.object);
	soft_tpm_scrap();
	return 0;
}

static void make(const struct soft_key *ek, struct challenge *ret)
{
	struct ek parsed;
	memset(ret, 0, sizeof(*ret));
	CHECK_OK(ek_parse(ek->public_area.data, ek->public_area.len, &parsed, &bench.e), bench.e);
	CHECK_OK(credential_make(&parsed.key, bench.object_public.name, value, ret, &bench.e), bench.e);
}

static void opens(const struct soft_key *ek)
{
	struct bytes secret = {0};
	struct challenge c;
	for (int i = 0; i < 20; i++) {	/* a leading zero somewhere in its numbers must not matter */
		make(ek, &c);
		assert_true(soft_tpm_activate(&bench.tpm, &bench.object, ek, &c, &secret));
		assert_int_equal(secret.len, sizeof(value));
		assert_memory_equal(secret.data, value, sizeof(value));
	}
	bytes_fini(&secret);
}

static void tpm_opens_a_credential_for_its_rsa_key(void **state)
{
	opens(&bench.rsa);
}

static void tpm_opens_a_credential_for_its_p256_key(void **state)
{
	opens(&bench.p256);
}

static void credential_for_one_endorsement_key_opens_with_no_other(void **state)
{
	struct bytes secret = {0};
	struct challenge c;
	make(&bench.rsa, &c);
	assert_false(soft_tpm_activate(&bench.tpm, &bench.object, &bench.p256, &c, &secret));
	make(&bench.p256, &c);
	assert_false(soft_tpm_activate(&bench.tpm, &bench.object, &bench.rsa, &c, &secret));
	bytes_fini(&secret);
}

static void credential_with_any_byte_changed_does_not_open(void **state)
{
	struct bytes secret = {0};
	struct challenge c;
	make(&bench.p256, &c);
	for (size_t i = 0; i < c.blob_len; i++) {
		c.blob[i] ^= 1;
		assert_false(soft_tpm_activate(&bench.tpm, &bench.object, &bench.p256, &c, &secret));
		c.blob[i] ^= 1;
	}
	bytes_fini(&secret);
}

int main(int argc, char **argv)
{
	assert(argc == 3);
	bench.python = argv[1];
	bench.manufacture = argv[2];
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tpm_opens_a_credential_for_its_rsa_key),
		cmocka_unit_test(tpm_opens_a_credential_for_its_p256_key),
		cmocka_unit_test(credential_for_one_endorsement_key_opens_with_no_other),
		cmocka_unit_test(credential_with_any_byte_changed_does_not_open),
	};
	return cmocka_run_group_tests(tests, open_bench, close_bench);
}
