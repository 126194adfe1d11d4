/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/issue.h"
#include "certs/ca.h"
#include "certs/lint.h"
#include "certs/ossl.h"
#include "certs/pem.h"
#include "station/base/clock.h"
#include "station/base/file.h"
#include "tests/certs/check.h"
#include "tests/certs/desk.h"

#include <openssl/x509v3.h>

#include <string.h>

#define DAY_MS (86400 * (int64_t)1000)

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
	assert_int_equal(count, 2);
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

static void form_breaks(void *ctx, const struct lint_rule *rule)
{
	(void)ctx;
	fail_msg("%s: %s", rule->name, rule->wants);
}

static void issue(struct bench *b, const struct intent *i, uint32_t days, struct bytes *ret)
{
	struct err e = {0};
	struct tbs tbs;
	uint8_t der[ISSUE_CERT_MAX];
	size_t len;
	const struct leaf_order order = {i->registration_id, &i->key, i->serial, days};
	CHECK_OK(issue_build(&b->ca, &order, clock_wall_ms(), &tbs, &e), e);
	CHECK_OK(issue_sign(&b->ca, &tbs, der, &len, &e), e);
	CHECK_OK(bytes_set(ret, der, len, &e), e);
}

static void write_pem(const char *path, const struct bytes *der)
{
	struct err e = {0};
	AUTO(bytes) struct bytes pem = {0};
	CHECK_OK(cert_to_pem(der->data, der->len, &pem, &e), e);
	CHECK_OK(pem_write_new(path, pem.data, pem.len, 0600, &e), e);
}

static void leaf_is_accepted_by_other_peoples_tools(void **state)
{
	struct bench *b = *state;
	struct intent i;
	char out[8192];
	AUTO(bytes) struct bytes leaf = {0};
	const char *dir = b->desk.dir;
	intent_make(&i, "6rek5qncnygnkzflohxz4u6zlfly6ktm4klsc7xrbgvesqyllnfa");
	issue(b, &i, 365, &leaf);
	write_pem(desk_path(&b->desk, "leaf.pem"), &leaf);
	assert_int_equal(desk_shell(out, sizeof(out), "openssl verify -x509_strict -purpose sslclient -CAfile %s/root.pem "
		"-untrusted %s/line.pem %s/leaf.pem 2>&1", dir, dir, dir), 0);
	assert_int_not_equal(desk_shell(NULL, 0, "openssl verify -purpose sslserver -CAfile %s/root.pem -untrusted %s/line.pem "
		"%s/leaf.pem >%s/out 2>&1", dir, dir, dir, dir), 0);
	if (desk_shell(NULL, 0, "command -v certtool >%s/out", dir) != 0) {
		print_message("certtool is not here: GnuTLS was not asked\n");
		return;
	}
	assert_int_equal(desk_shell(out, sizeof(out), "cat %s/leaf.pem %s/line.pem >%s/both.pem && certtool --verify "
		"--load-ca-certificate %s/root.pem --infile %s/both.pem 2>&1", dir, dir, dir, dir, dir), 0);
	assert_non_null(strstr(out, "The certificate is trusted"));
}

static void leaf_says_what_was_ordered_and_nothing_more(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct intent i;
	struct key_public key;
	struct cert_facts facts;
	AUTO(bytes) struct bytes leaf = {0};
	AUTO(x509) X509 *x = NULL;
	AUTO(bn) BIGNUM *serial = NULL;
	uint8_t raw[INTENT_SERIAL], id[KEY_ID_SIZE];
	intent_make(&i, "unit-1");
	int64_t before = clock_wall_ms();
	issue(b, &i, 365, &leaf);
	CHECK_OK(ossl_x509(leaf.data, leaf.len, E_SIGN, &x, &e), e);
	CHECK_OK(cert_look(leaf.data, leaf.len, &facts, &e), e);
	assert_int_equal(X509_get_version(x), X509_VERSION_3);
	assert_string_equal(facts.common_name, "unit-1");
	assert_string_equal(facts.subject, "CN=unit-1");
	assert_false(facts.is_ca);
	assert_true(facts.not_before_ms >= b->ca.not_before_ms && facts.not_before_ms <= before);
	assert_in_range(facts.not_after_ms, before + 365 * DAY_MS - 1000, before + 365 * DAY_MS + 10000);
	serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	assert_int_equal(BN_bn2binpad(serial, raw, sizeof(raw)), sizeof(raw));
	assert_memory_equal(raw, i.serial, sizeof(raw));
	CHECK_OK(ossl_key_public(X509_get0_pubkey(x), &key, &e), e);
	assert_memory_equal(&key, &i.key, sizeof(key));
	assert_int_equal(X509_get_key_usage(x), KU_DIGITAL_SIGNATURE);
	assert_int_equal(X509_get_extended_key_usage(x), XKU_SSL_CLIENT);
	key_id(&i.key, id);
	assert_memory_equal(ASN1_STRING_get0_data(X509_get0_subject_key_id(x)), id, sizeof(id));
	assert_int_equal(ASN1_STRING_length(X509_get0_authority_key_id(x)), b->ca.key_id_len);
	assert_memory_equal(ASN1_STRING_get0_data(X509_get0_authority_key_id(x)), b->ca.key_id, b->ca.key_id_len);
	assert_int_equal(X509_get_ext_count(x), 5);
	assert_true(X509_EXTENSION_get_critical(X509_get_ext(x, X509_get_ext_by_NID(x, NID_basic_constraints, -1))));
	assert_true(X509_EXTENSION_get_critical(X509_get_ext(x, X509_get_ext_by_NID(x, NID_key_usage, -1))));
}

/* libcrypto re-encodes what it parsed; if our DER were sloppy, the bytes would differ. */
static void leaf_is_canonical_der(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct intent i;
	for (int round = 0; round < 40; round++) {
		AUTO(bytes) struct bytes leaf = {0};
		AUTO(x509) X509 *x = NULL;
		uint8_t *again = NULL;
		intent_make(&i, "unit-1");
		if (round % 2)
			memset(i.serial, 0, (size_t)(round % INTENT_SERIAL));	/* serial numbers with leading zeros */
		i.serial[INTENT_SERIAL - 1] |= 1;	/* and never zero */
		issue(b, &i, 1 + (uint32_t)round, &leaf);
		CHECK_OK(ossl_x509(leaf.data, leaf.len, E_SIGN, &x, &e), e);
		int len = i2d_re_X509_tbs(x, &again);
		assert_true(len > 0);
		assert_non_null(memmem(leaf.data, leaf.len, again, (size_t)len));
		OPENSSL_free(again);
		CHECK_OK(cert_chain_holds(leaf.data, leaf.len, &b->chain[0], 1, b->chain[1].data, b->chain[1].len, &e), e);
	}
}

static void rsa_device_key_is_certified(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct intent i;
	AUTO(bytes) struct bytes leaf = {0};
	AUTO(pkey) EVP_PKEY *rsa = EVP_RSA_gen(3072);
	intent_make(&i, "unit-rsa");
	CHECK_OK(ossl_key_public(rsa, &i.key, &e), e);
	issue(b, &i, 365, &leaf);
	CHECK_OK(cert_chain_holds(leaf.data, leaf.len, &b->chain[0], 1, b->chain[1].data, b->chain[1].len, &e), e);
}

static void rsa_ca_signs_too(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct intent i;
	char out[4096];
	size_t count;
	struct bytes cert = {0};
	struct keystore key = {0};
	AUTO(bytes) struct bytes leaf = {0};
	struct issuer kept = b->ca;
	const char *dir = b->desk.dir;
	assert_int_equal(desk_shell(out, sizeof(out), "openssl req -x509 -newkey rsa:2048 -keyout %s/rsa.key -passout %s -days 900 "
		"-out %s/rsa.pem -subj '/O=Example/CN=RSA CA' -addext keyUsage=critical,keyCertSign 2>&1", dir, b->desk.passphrase, dir), 0);
	CHECK_OK(cert_read_pem_file(desk_path(&b->desk, "rsa.pem"), &cert, 1, &count, &e), e);
	CHECK_OK(keystore_open_file(desk_path(&b->desk, "rsa.key"), b->desk.passphrase, &key, &e), e);
	CHECK_OK(issuer_init(&b->ca, cert.data, cert.len, &key, &e), e);
	intent_make(&i, "unit-1");
	issue(b, &i, 365, &leaf);
	issuer_fini(&b->ca);
	b->ca = kept;
	CHECK_OK(cert_chain_holds(leaf.data, leaf.len, NULL, 0, cert.data, cert.len, &e), e);
	keystore_close(&key);
	bytes_fini(&cert);
}

static bool builds(struct bench *b, const struct intent *i, uint32_t days, int64_t now_ms, struct err *e)
{
	struct tbs tbs;
	const struct leaf_order order = {i->registration_id, &i->key, i->serial, days};
	return issue_build(&b->ca, &order, now_ms, &tbs, e);
}

static void id_that_dps_or_x509_refuses_is_refused(void **state)
{
	struct bench *b = *state;
	static const char *const good[] = {"a", "unit-1", "a:b.c_d-e", "0", "0123456789012345678901234567890123456789012345678901234567890123"};
	static const char *const bad[] = {"", "-a", "a-", "a.", "Unit", "a b", "a/b", "a\n", "a,CN=b", "\xc3\xa9", "a*b",
		"01234567890123456789012345678901234567890123456789012345678901234"};
	struct err e = {0};
	struct intent i;
	for (size_t n = 0; n < COUNT_OF(good); n++) {
		intent_make(&i, good[n]);
		CHECK_OK(builds(b, &i, 1, clock_wall_ms(), &e), e);
	}
	for (size_t n = 0; n < COUNT_OF(bad); n++) {
		intent_make(&i, bad[n]);
		CHECK_FAILS(builds(b, &i, 1, clock_wall_ms(), &e), E_ID_INVALID, e);
	}
}

static void leaf_that_would_outlive_its_ca_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct intent i;
	intent_make(&i, "unit-1");
	int64_t last = b->ca.not_after_ms - 10 * DAY_MS;
	CHECK_OK(builds(b, &i, 10, last, &e), e);
	CHECK_FAILS(builds(b, &i, 10, last + 1000, &e), E_CA_EXPIRED, e);
	CHECK_FAILS(builds(b, &i, UINT32_MAX, last, &e), E_CA_EXPIRED, e);
	CHECK_FAILS(builds(b, &i, 0, last, &e), E_CA_EXPIRED, e);
	CHECK_FAILS(builds(b, &i, 1, b->ca.not_after_ms, &e), E_CA_EXPIRED, e);
	CHECK_FAILS(builds(b, &i, 1, b->ca.not_before_ms - 1000, &e), E_CA_EXPIRED, e);
}

static void serial_that_is_zero_or_negative_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct intent i;
	intent_make(&i, "unit-1");
	i.serial[0] |= 0x80;
	CHECK_FAILS(builds(b, &i, 1, clock_wall_ms(), &e), E_SIGN, e);
	memset(i.serial, 0, sizeof(i.serial));
	CHECK_FAILS(builds(b, &i, 1, clock_wall_ms(), &e), E_SIGN, e);
}

static void unencrypted_ca_key_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct keystore k = {0};
	char out[1024];
	assert_int_equal(desk_shell(out, sizeof(out), "openssl pkey -in %s -passin %s -out %s/bare.key 2>&1 && "
		"openssl ec -in %s -passin %s -out %s/old.key -aes128 -passout pass:horse 2>&1 && grep -q 'EC PRIVATE' %s/old.key",
		b->desk.key, b->desk.passphrase, b->desk.dir, b->desk.key, b->desk.passphrase, b->desk.dir, b->desk.dir), 0);
	CHECK_FAILS(keystore_open_file(desk_path(&b->desk, "bare.key"), b->desk.passphrase, &k, &e), E_CA_FILE, e);
	CHECK_FAILS(keystore_open_file(desk_path(&b->desk, "old.key"), b->desk.passphrase, &k, &e), E_CA_FILE, e);
	CHECK_FAILS(keystore_open_file(desk_path(&b->desk, "none.key"), b->desk.passphrase, &k, &e), E_CA_FILE, e);
	CHECK_FAILS(keystore_open_file(b->desk.chain, b->desk.passphrase, &k, &e), E_CA_FILE, e);
}

static void wrong_passphrase_is_refused_and_not_repeated(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct keystore k = {0};
	char reference[160], out[64];
	assert_int_equal(desk_shell(out, sizeof(out), "umask 077; echo battery-staple >%s/wrong", b->desk.dir), 0);
	snprintf(reference, sizeof(reference), "file:%s/wrong", b->desk.dir);
	assert_false(keystore_open_file(b->desk.key, reference, &k, &e));
	assert_int_equal(e.code, E_CA_FILE);
	assert_null(strstr(e.what, "battery"));
	err_clear(&e);
	CHECK_FAILS(keystore_open_file(b->desk.key, "file:/nowhere/at/all", &k, &e), E_SECRET, e);
	assert_null(k.state);
}

static void certificate_that_is_no_fitting_ca_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct issuer ca = {0};
	struct intent i;
	AUTO(bytes) struct bytes leaf = {0};
	intent_make(&i, "unit-1");
	i.key = b->key.key;	/* a leaf over the CA's own key: right key, but no CA */
	issue(b, &i, 1, &leaf);
	CHECK_FAILS(issuer_init(&ca, leaf.data, leaf.len, &b->key, &e), E_CA_FILE, e);
	CHECK_FAILS(issuer_init(&ca, b->chain[1].data, b->chain[1].len, &b->key, &e), E_CA_FILE, e);
	CHECK_FAILS(issuer_init(&ca, "junk", 4, &b->key, &e), E_CA_FILE, e);
	char out[2048];
	struct bytes without = {0};
	size_t count;
	assert_int_equal(desk_shell(out, sizeof(out), "openssl req -x509 -key %s -passin %s -days 900 -subj /CN=Old -out %s/old.pem 2>&1",
		b->desk.key, b->desk.passphrase, b->desk.dir), 0);
	CHECK_OK(cert_read_pem_file(desk_path(&b->desk, "old.pem"), &without, 1, &count, &e), e);
	CHECK_FAILS(issuer_init(&ca, without.data, without.len, &b->key, &e), E_CA_FILE, e);	/* no keyUsage: 4.2.1.3 wants one */
	bytes_fini(&without);
}

/* Each thing that a profile may have, and all of them, by other people's readers and our linter. */
static void every_form_of_a_leaf_is_accepted_by_other_peoples_tools(void **state)
{
	struct bench *b = *state;
	char out[16384];
	const char *dir = b->desk.dir;
	for (unsigned bits = 0; bits < 16; bits++) {
		struct leaf_form form = {.dns_name = bits & 1, .server = (bits & 3) == 3};
		struct err e = {0};
		struct tbs tbs;
		struct intent i;
		uint8_t der[ISSUE_CERT_MAX];
		size_t len, broken = 0;
		AUTO(bytes) struct bytes pem = {0};
		if (bits & 4)
			snprintf(form.organization, sizeof(form.organization), "Acme Sensors, Inc. + Sons");
		if (bits & 8)
			snprintf(form.unit, sizeof(form.unit), "Line \"1\" <x>");
		intent_make(&i, "sn-0001.device.example");
		const struct leaf_order order = {i.registration_id, &i.key, i.serial, 30, &form};
		CHECK_OK(issue_build(&b->ca, &order, clock_wall_ms(), &tbs, &e), e);
		CHECK_OK(issue_sign(&b->ca, &tbs, der, &len, &e), e);
		CHECK_OK(lint_leaf(der, len, form_breaks, NULL, &broken, &e), e);
		CHECK_OK(cert_to_pem(der, len, &pem, &e), e);
		CHECK_OK(file_write_atomic(desk_path(&b->desk, "form.pem"), pem.data, pem.len, 0600, &e), e);
		assert_int_equal(desk_shell(out, sizeof(out), "cd %s && openssl verify -x509_strict -purpose sslclient -CAfile root.pem -untrusted "
			"line.pem form.pem 2>&1 && cat form.pem line.pem root.pem | certtool --verify-chain 2>&1 && openssl x509 -in form.pem "
			"-noout -subject -ext extendedKeyUsage,subjectAltName 2>&1", dir), 0);
		assert_int_equal(!strstr(out, "DNS:sn-0001.device.example"), !form.dns_name);
		assert_int_equal(!strstr(out, "TLS Web Server Authentication"), !form.server);
		assert_int_equal(!strstr(out, "Acme Sensors"), !(bits & 4));
		assert_int_equal(!strstr(out, "OU = "), !(bits & 8));
		if (form.server)
			assert_int_equal(desk_shell(out, sizeof(out), "cd %s && openssl verify -x509_strict -purpose sslserver -verify_hostname "
				"sn-0001.device.example -CAfile root.pem -untrusted line.pem form.pem 2>&1", dir), 0);
	}
}

static void a_form_that_cannot_be_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct tbs tbs;
	struct intent i;
	struct leaf_form form = {.server = true};
	static const char *const no_names[] = {"sn_0001", "a:b", "a..b", "a-.b", "-a", "sn-0001-"};
	intent_make(&i, "sn-0001");
	struct leaf_order order = {i.registration_id, &i.key, i.serial, 30, &form};
	CHECK_FAILS(issue_build(&b->ca, &order, clock_wall_ms(), &tbs, &e), E_PROFILE, e);
	form = (struct leaf_form){.organization = " Acme"};
	CHECK_FAILS(issue_build(&b->ca, &order, clock_wall_ms(), &tbs, &e), E_PROFILE, e);
	form = (struct leaf_form){.unit = "a\nb"};
	CHECK_FAILS(issue_build(&b->ca, &order, clock_wall_ms(), &tbs, &e), E_PROFILE, e);
	form = (struct leaf_form){.dns_name = true};
	for (size_t n = 0; n < COUNT_OF(no_names); n++)
		CHECK_FAILS(leaf_form_is_valid(&form, no_names[n], &e), E_ID_INVALID, e);
	CHECK_OK(leaf_form_is_valid(&form, "a.b-c.0", &e), e);
}

static void a_leaf_is_for_its_own_key_and_id_only(void **state)
{
	struct bench *b = *state;
	struct intent i, other;
	AUTO(bytes) struct bytes leaf = {0};
	intent_make(&i, "sn-0001");
	intent_make(&other, "sn-0001");
	issue(b, &i, 30, &leaf);
	assert_true(cert_is_for(leaf.data, leaf.len, &i.key, "sn-0001"));
	assert_false(cert_is_for(leaf.data, leaf.len, &i.key, "sn-0002"));
	assert_false(cert_is_for(leaf.data, leaf.len, &other.key, "sn-0001"));
	assert_false(cert_is_for(leaf.data, leaf.len - 1, &i.key, "sn-0001"));
}

/* At the edges of the CA's own time; the signer's issue_until is in test_signer.c. */
static void a_leaf_ends_with_its_ca_and_not_a_millisecond_later(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct tbs tbs;
	struct intent i;
	const int64_t last = b->ca.not_after_ms - 10 * DAY_MS;
	intent_make(&i, "sn-0001");
	const struct leaf_order order = {i.registration_id, &i.key, i.serial, 10};
	CHECK_OK(issue_build(&b->ca, &order, last, &tbs, &e), e);
	CHECK_FAILS(issue_build(&b->ca, &order, last + 1, &tbs, &e), E_CA_EXPIRED, e);
	CHECK_FAILS(issue_build(&b->ca, &order, b->ca.not_after_ms, &tbs, &e), E_CA_EXPIRED, e);
	CHECK_FAILS(issue_build(&b->ca, &order, b->ca.not_before_ms - 1, &tbs, &e), E_CA_EXPIRED, e);
	CHECK_OK(issue_build(&b->ca, &order, b->ca.not_before_ms, &tbs, &e), e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaf_is_accepted_by_other_peoples_tools),
		cmocka_unit_test(every_form_of_a_leaf_is_accepted_by_other_peoples_tools),
		cmocka_unit_test(a_form_that_cannot_be_is_refused),
		cmocka_unit_test(a_leaf_is_for_its_own_key_and_id_only),
		cmocka_unit_test(a_leaf_ends_with_its_ca_and_not_a_millisecond_later),
		cmocka_unit_test(leaf_says_what_was_ordered_and_nothing_more),
		cmocka_unit_test(leaf_is_canonical_der),
		cmocka_unit_test(rsa_device_key_is_certified),
		cmocka_unit_test(rsa_ca_signs_too),
		cmocka_unit_test(id_that_dps_or_x509_refuses_is_refused),
		cmocka_unit_test(leaf_that_would_outlive_its_ca_is_refused),
		cmocka_unit_test(serial_that_is_zero_or_negative_is_refused),
		cmocka_unit_test(unencrypted_ca_key_is_refused),
		cmocka_unit_test(wrong_passphrase_is_refused_and_not_repeated),
		cmocka_unit_test(certificate_that_is_no_fitting_ca_is_refused),
	};
	return cmocka_run_group_tests(tests, open_bench, close_bench);
}
