/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/crl.h"
#include "certs/ca.h"
#include "certs/pem.h"
#include "station/base/clock.h"
#include "station/base/file.h"
#include "tests/certs/check.h"
#include "tests/certs/desk.h"

#include <stdio.h>
#include <string.h>

#define DAY_MS (86400 * (int64_t)1000)
#define MANY 10000

struct bench {
	struct desk desk;
	struct keystore key;
	struct issuer ca;
	struct bytes chain[2];	/* line, root */
};

static int open_bench(void **state)
{
	static struct bench b;
	struct err e = {0};
	size_t count;
	memset(&b, 0, sizeof(b));
	desk_open(&b.desk);
	CHECK_OK(cert_read_pem_file(b.desk.chain, b.chain, 2, &count, &e), e);
	CHECK_OK(keystore_open_file(b.desk.key, b.desk.passphrase, &b.key, &e), e);
	CHECK_OK(issuer_init(&b.ca, b.chain[0].data, b.chain[0].len, &b.key, &e), e);
	*state = &b;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *b = *state;
	issuer_fini(&b->ca);
	keystore_close(&b->key);
	bytes_fini(&b->chain[0]);
	bytes_fini(&b->chain[1]);
	desk_close(&b->desk);
	return 0;
}

/* A leaf of this CA, as leaf.pem. */
static void write_leaf(struct bench *b, const struct intent *i)
{
	struct err e = {0};
	struct tbs tbs;
	uint8_t der[ISSUE_CERT_MAX];
	size_t len;
	AUTO(bytes) struct bytes pem = {0};
	const struct leaf_order order = {i->registration_id, &i->key, i->serial, 30};
	CHECK_OK(issue_build(&b->ca, &order, clock_wall_ms(), &tbs, &e), e);
	CHECK_OK(issue_sign(&b->ca, &tbs, der, &len, &e), e);
	CHECK_OK(cert_to_pem(der, len, &pem, &e), e);
	CHECK_OK(file_write_atomic(desk_path(&b->desk, "leaf.pem"), pem.data, pem.len, 0600, &e), e);
}

static void write_list(struct bench *b, uint64_t number, const struct crl_entry *entries, size_t count)
{
	struct err e = {0};
	AUTO(bytes) struct bytes der = {.max = (size_t)8 << 20};
	int64_t now = clock_wall_ms();
	const struct crl_wanted wanted = {number, now, now + 7 * DAY_MS, entries, count};
	CHECK_OK(crl_sign(&b->ca, &wanted, &der, &e), e);
	CHECK_OK(file_write_atomic(desk_path(&b->desk, "list.crl"), der.data, der.len, 0600, &e), e);
}

static int verify_leaf(struct bench *b)
{
	const char *dir = b->desk.dir;
	return desk_shell(NULL, 0, "openssl crl -inform DER -in %s/list.crl -out %s/list.pem && openssl verify -crl_check -CRLfile %s/list.pem "
		"-x509_strict -partial_chain -CAfile %s/line.pem %s/leaf.pem >/dev/null 2>&1", dir, dir, dir, dir, dir);
}

static void other_peoples_tools_take_it_and_refuse_what_stands_on_it(void **state)
{
	struct bench *b = *state;
	struct intent revoked, good;
	char out[16384];
	const char *dir = b->desk.dir;
	intent_make(&revoked, "sn-revoked");
	intent_make(&good, "sn-good");
	struct crl_entry entries[2] = {{.time_ms = clock_wall_ms(), .reason = 1}, {.time_ms = clock_wall_ms(), .serial = {0x41}}};
	memcpy(entries[0].serial, revoked.serial, INTENT_SERIAL);
	write_list(b, 1795000000, entries, 2);
	assert_int_equal(desk_shell(out, sizeof(out), "openssl crl -inform DER -in %s/list.crl -noout -text -CAfile %s/line.pem 2>&1", dir, dir), 0);
	assert_non_null(strstr(out, "verify OK"));
	assert_non_null(strstr(out, "Version 2"));
	assert_non_null(strstr(out, "1795000000"));
	assert_non_null(strstr(out, "Key Compromise"));
	assert_non_null(strstr(out, "X509v3 Authority Key Identifier"));
	assert_int_equal(desk_shell(out, sizeof(out), "openssl crl -inform DER -in %s/list.crl -out %s/list.pem && "
		"certtool --verify-crl --load-ca-certificate %s/line.pem --infile %s/list.pem 2>&1", dir, dir, dir, dir), 0);
	write_leaf(b, &revoked);
	assert_int_not_equal(verify_leaf(b), 0);
	write_leaf(b, &good);
	assert_int_equal(verify_leaf(b), 0);
}

static void a_list_of_nothing_and_one_of_many_are_lists(void **state)
{
	struct bench *b = *state;
	struct intent good;
	char out[512];
	static struct crl_entry many[MANY];
	intent_make(&good, "sn-good");
	write_leaf(b, &good);
	write_list(b, 1, NULL, 0);
	assert_int_equal(verify_leaf(b), 0);
	for (size_t i = 0; i < MANY; i++)
		many[i] = (struct crl_entry){.serial = {0x40, (uint8_t)(i >> 8), (uint8_t)i}, .time_ms = clock_wall_ms(), .reason = 9};
	write_list(b, UINT64_MAX, many, MANY);
	assert_int_equal(verify_leaf(b), 0);
	assert_int_equal(desk_shell(out, sizeof(out), "openssl crl -inform DER -in %s/list.crl -noout -text | grep -c 'Serial Number'",
		b->desk.dir), 0);
	assert_string_equal(out, "10000\n");
}

static void a_ca_that_may_not_or_is_over_signs_none(void **state)
{
	struct bench *b = *state;
	AUTO(bytes) struct bytes der = {0};
	struct err e = {0};
	int64_t now = clock_wall_ms();
	struct crl_wanted wanted = {1, now, now + DAY_MS, NULL, 0};
	b->ca.may_sign_lists = false;
	CHECK_FAILS(crl_sign(&b->ca, &wanted, &der, &e), E_CA_FILE, e);
	b->ca.may_sign_lists = true;
	wanted.this_ms = b->ca.not_after_ms;
	wanted.next_ms = wanted.this_ms + DAY_MS;
	CHECK_FAILS(crl_sign(&b->ca, &wanted, &der, &e), E_CA_EXPIRED, e);
	wanted.next_ms = wanted.this_ms = now;
	CHECK_FAILS(crl_sign(&b->ca, &wanted, &der, &e), E_SIGN, e);
	assert_int_equal(der.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(other_peoples_tools_take_it_and_refuse_what_stands_on_it, open_bench, close_bench),
		cmocka_unit_test_setup_teardown(a_list_of_nothing_and_one_of_many_are_lists, open_bench, close_bench),
		cmocka_unit_test_setup_teardown(a_ca_that_may_not_or_is_over_signs_none, open_bench, close_bench),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
