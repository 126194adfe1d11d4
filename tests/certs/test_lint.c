/* SPDX-License-Identifier: Apache-2.0 */
/* Ten thousand leaves, each linted, no serial number twice, their chains accepted by OpenSSL and GnuTLS; and for each rule of the linter a
 * certificate that breaks it. */
#include "certs/ca.h"
#include "certs/issue.h"
#include "certs/lint.h"
#include "certs/ossl.h"
#include "station/base/clock.h"
#include "tests/certs/check.h"
#include "tests/certs/desk.h"

#include <openssl/rand.h>

#include <stdlib.h>
#include <string.h>

#define LEAVES 10000
#define SAMPLE 200	/* every so many are looked at by other people's programs */

static int open_desk(void **state)
{
	static struct desk d;
	desk_open(&d);
	*state = &d;
	return 0;
}

static int close_desk(void **state)
{
	desk_close(*state);
	return 0;
}

/* ---- what we issue ---- */

static int compare_serials(const void *a, const void *b)
{
	return memcmp(a, b, INTENT_SERIAL);
}

static void broken(void *ctx, const struct lint_rule *rule)
{
	(void)ctx;
	fail_msg("a leaf of ours breaks %s: %s", rule->name, rule->wants);
}

static void keep_sample(const struct desk *d, const uint8_t *der, size_t len)
{
	struct err e = {0};
	AUTO(bytes) struct bytes pem = {0};
	CHECK_OK(cert_to_pem(der, len, &pem, &e), e);
	FILE *f = fopen(desk_path(d, "sample.pem"), "a");
	assert_true(f && fwrite(pem.data, 1, pem.len, f) == pem.len && fclose(f) == 0);
}

/* Issues them under the CA whose chain and key these are. */
static void issue_many(const struct desk *d, const char *chain, const char *key, size_t count, uint8_t (*serials)[INTENT_SERIAL])
{
	struct err e = {0};
	struct bytes certs[2] = {0};
	struct keystore store;
	AUTO(issuer) struct issuer ca = {0};
	struct key_public device[4];
	size_t found = 0;
	CHECK_OK(cert_read_pem_file(chain, certs, COUNT_OF(certs), &found, &e), e);
	CHECK_OK(keystore_open_file(key, d->passphrase, &store, &e), e);
	CHECK_OK(issuer_init(&ca, certs[0].data, certs[0].len, &store, &e), e);
	for (size_t i = 0; i < COUNT_OF(device); i++)
		key_make(&device[i], NULL);
	for (size_t i = 0; i < count; i++) {
		char id[32];
		uint8_t der[ISSUE_CERT_MAX];
		struct tbs tbs;
		size_t len, wrong = 0;
		snprintf(id, sizeof(id), "unit-%zu.x:y_%zu", i, i % 7);
		assert_int_equal(RAND_bytes(serials[i], INTENT_SERIAL), 1);
		serials[i][0] = (uint8_t)((serials[i][0] & 0x7f) | 0x40);
		const struct leaf_order order = {id, &device[i % COUNT_OF(device)], serials[i], 1 + (uint32_t)(i % 3000)};
		CHECK_OK(issue_build(&ca, &order, clock_wall_ms(), &tbs, &e), e);
		CHECK_OK(issue_sign(&ca, &tbs, der, &len, &e), e);
		CHECK_OK(lint_leaf(der, len, broken, NULL, &wrong, &e), e);
		assert_int_equal(wrong, 0);
		if (i % SAMPLE == 0)
			keep_sample(d, der, len);
	}
	keystore_close(&store);
	bytes_fini(&certs[0]);
	bytes_fini(&certs[1]);
}

/* Each of the sample alone, under these certificates. */
static void others_accept(const struct desk *d, const char *root, const char *line)
{
	assert_int_equal(desk_shell(NULL, 0, "cd '%s' && rm -rf split && mkdir split && csplit -s -z -f split/ sample.pem '/BEGIN/' '{*}' && "
				    "openssl verify -x509_strict -purpose sslclient -CAfile %s %s %s split/* >verified", d->dir, root,
				    *line ? "-untrusted" : "", line), 0);
	assert_int_equal(desk_shell(NULL, 0, "cd '%s' && test $(grep -c ': OK$' verified) = $(ls split | wc -l) && for f in split/*; do cat $f "
				    "%s %s >chain.txt; certtool --verify-chain --infile chain.txt >gnutls.txt 2>&1 || exit 1; "
				    "grep -q 'Chain verification output: Verified' gnutls.txt || exit 1; done", d->dir, line, root), 0);
	unlink(desk_path(d, "sample.pem"));
}

static void ten_thousand_leaves_are_linted_unique_and_accepted_by_others(void **state)
{
	const struct desk *d = *state;
	static uint8_t serials[LEAVES][INTENT_SERIAL];
	char key[128];
	issue_many(d, d->chain, d->key, LEAVES * 9 / 10, serials);
	others_accept(d, "root.pem", "line.pem");
	assert_int_equal(desk_shell(NULL, 0, "cd '%s' && openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -aes-256-cbc -pass "
				    "file:passphrase -out rsa.key 2>/dev/null && chmod 600 rsa.key && openssl req -x509 -key rsa.key -passin "
				    "file:passphrase -subj /CN=RSA -days 4000 -addext basicConstraints=critical,CA:true,pathlen:0 -addext "
				    "keyUsage=critical,keyCertSign -out rsa.pem 2>/dev/null", d->dir), 0);
	snprintf(key, sizeof(key), "%s/rsa.key", d->dir);
	issue_many(d, desk_path(d, "rsa.pem"), key, LEAVES / 10, serials + LEAVES * 9 / 10);
	others_accept(d, "rsa.pem", "");
	qsort(serials, LEAVES, INTENT_SERIAL, compare_serials);
	for (size_t i = 1; i < LEAVES; i++)
		assert_true(compare_serials(serials[i - 1], serials[i]) < 0);
}

/* ---- what others may issue ---- */

struct findings {
	char names[512];
};

static void keep(void *ctx, const struct lint_rule *rule)
{
	struct findings *f = ctx;
	size_t len = strlen(f->names);
	snprintf(f->names + len, sizeof(f->names) - len, " %s", rule->name);
}

#define GOOD_SUBJECT "CN=unit-1\n"
#define GOOD_BASIC "basicConstraints=critical,CA:false\n"
#define GOOD_USAGE "keyUsage=critical,digitalSignature\n"
#define GOOD_PURPOSE "extendedKeyUsage=clientAuth\n"
#define GOOD_IDS "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always\n"
#define P256 "-newkey ec -pkeyopt ec_paramgen_curve:P-256"

static const struct {
	const char *subject, *extensions, *options;
	const char *breaks;	/* " rule rule…" */
} specimens[] = {
	{GOOD_SUBJECT, GOOD_BASIC GOOD_USAGE GOOD_PURPOSE GOOD_IDS, P256 " -days 30", ""},
	{GOOD_SUBJECT, GOOD_BASIC GOOD_USAGE GOOD_PURPOSE GOOD_IDS, "-newkey rsa:2048 -sha384 -days 30", ""},
	{GOOD_SUBJECT, "", "-signed -days 30", " version no-ca key-usage purpose key-identifiers"},
	{GOOD_SUBJECT, GOOD_BASIC GOOD_USAGE GOOD_PURPOSE GOOD_IDS, P256 " -days 30 -set_serial 4711", " serial-number"},
	{GOOD_SUBJECT, GOOD_BASIC GOOD_USAGE GOOD_PURPOSE GOOD_IDS, P256 " -days 30 -sha1", " algorithm"},
	{"CN=Unit 1\n", GOOD_BASIC GOOD_USAGE GOOD_PURPOSE GOOD_IDS, P256 " -days 30", " subject"},
	{"CN=unit-1\nO=Acme\n", GOOD_BASIC GOOD_USAGE GOOD_PURPOSE GOOD_IDS, P256 " -days 30", " subject"},
	{GOOD_SUBJECT, "basicConstraints=critical,CA:true\n" GOOD_USAGE GOOD_PURPOSE GOOD_IDS, P256 " -days 30", " no-ca"},
	{GOOD_SUBJECT, "basicConstraints=CA:false\n" GOOD_USAGE GOOD_PURPOSE GOOD_IDS, P256 " -days 30", " no-ca"},
	{GOOD_SUBJECT, GOOD_BASIC "keyUsage=digitalSignature\n" GOOD_PURPOSE GOOD_IDS, P256 " -days 30", " key-usage"},
	{GOOD_SUBJECT, GOOD_BASIC "keyUsage=critical,digitalSignature,cRLSign\n" GOOD_PURPOSE GOOD_IDS, P256 " -days 30", " key-usage"},
	{GOOD_SUBJECT, GOOD_BASIC GOOD_USAGE "extendedKeyUsage=serverAuth\n" GOOD_IDS, P256 " -days 30", " purpose names"},
	{GOOD_SUBJECT, GOOD_BASIC GOOD_USAGE "extendedKeyUsage=clientAuth,serverAuth\n" GOOD_IDS, P256 " -days 30", " names"},
	{GOOD_SUBJECT, GOOD_BASIC GOOD_USAGE GOOD_PURPOSE GOOD_IDS "subjectAltName=DNS:somebody-else\n", P256 " -days 30", " names"},
	{GOOD_SUBJECT, GOOD_BASIC GOOD_USAGE GOOD_PURPOSE "subjectKeyIdentifier=hash\n", P256 " -days 30", " key-identifiers"},
	{GOOD_SUBJECT, GOOD_BASIC GOOD_USAGE GOOD_PURPOSE GOOD_IDS "1.2.3.4=critical,ASN1:NULL\n", P256 " -days 30", " extensions"},
	{GOOD_SUBJECT, GOOD_BASIC GOOD_USAGE GOOD_PURPOSE GOOD_IDS, "-newkey ec -pkeyopt ec_paramgen_curve:P-384 -days 30", " key"},
	{GOOD_SUBJECT, GOOD_BASIC GOOD_USAGE GOOD_PURPOSE GOOD_IDS, "-newkey rsa:1024 -days 30", " key"},
};

/* What no tool makes: the two times of a good certificate change places; a length is written longer
 * than DER has it. */
static void patched_certificates_are_found(const struct desk *d)
{
	struct err e = {0};
	struct bytes cert = {0};
	size_t wrong = 0, count = 0;
	struct findings times = {""}, length = {""};
	CHECK_OK(cert_read_pem_file(desk_path(d, "line.pem"), &cert, 1, &count, &e), e);
	uint8_t kept[15], *from = memmem(cert.data, cert.len, "\x17\x0d", 2), *to = NULL;
	assert_non_null(from);
	to = from + sizeof(kept);
	assert_int_equal(to[0], 0x17);
	memcpy(kept, from, sizeof(kept));
	memcpy(from, to, sizeof(kept));
	memcpy(to, kept, sizeof(kept));
	CHECK_OK(lint_leaf(cert.data, cert.len, keep, &times, &wrong, &e), e);
	assert_non_null(strstr(times.names, " validity"));
	uint8_t longer[2048], *algorithm = memmem(cert.data, cert.len, "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02", 12);
	assert_non_null(algorithm);
	size_t before = (size_t)(algorithm - cert.data) + 1;
	assert_true(cert.len < sizeof(longer));
	memcpy(longer, cert.data, before);
	longer[before] = 0x81;
	memcpy(longer + before + 1, cert.data + before, cert.len - before);
	longer[3]++;	/* the whole, and what is signed */
	longer[7]++;
	CHECK_OK(lint_leaf(longer, cert.len + 1, keep, &length, &wrong, &e), e);
	assert_non_null(strstr(length.names, " der"));
	bytes_fini(&cert);
}

static void each_rule_finds_what_breaks_it(void **state)
{
	const struct desk *d = *state;
	char found[1024] = "";
	for (size_t i = 0; i < COUNT_OF(specimens); i++) {
		struct err e = {0};
		struct findings f = {""};
		size_t wrong = 0, count = 0;
		struct bytes cert = {0};
		const char *later = strstr(specimens[i].options, "-signed ");	/* in two steps */
		FILE *conf = fopen(desk_path(d, "lint.conf"), "w");
		assert_true(conf && fprintf(conf, "[req]\ndistinguished_name=dn\nprompt=no\nx509_extensions=e\n[dn]\n%s[e]\n%s",
					    specimens[i].subject, specimens[i].extensions) > 0 && fclose(conf) == 0);
		int made = later ? desk_shell(NULL, 0, "cd '%s' && openssl req -config lint.conf -new -nodes " P256 " -keyout l.key -out l.csr "
					      "2>/dev/null && openssl x509 -req -in l.csr -signkey l.key %s -out l.pem 2>/dev/null", d->dir,
					      later + strlen("-signed "))
				 : desk_shell(NULL, 0, "cd '%s' && openssl req -config lint.conf -x509 -nodes %s -keyout l.key -out l.pem "
					      "2>/dev/null", d->dir, specimens[i].options);
		if (made != 0)
			fail_msg("specimen %zu cannot be made", i);
		CHECK_OK(cert_read_pem_file(desk_path(d, "l.pem"), &cert, 1, &count, &e), e);
		CHECK_OK(lint_leaf(cert.data, cert.len, keep, &f, &wrong, &e), e);
		if (strcmp(f.names, specimens[i].breaks) != 0)
			fail_msg("specimen %zu breaks \"%s\", not \"%s\"", i, f.names, specimens[i].breaks);
		strncat(found, f.names, sizeof(found) - strlen(found) - 1);
		bytes_fini(&cert);
	}
	patched_certificates_are_found(d);
	snprintf(found + strlen(found), sizeof(found) - strlen(found), " validity der issuer");	/* an issuer without a name is made by no tool */
	for (size_t i = 0; lint_rule_at(i); i++)
		if (!strstr(found, lint_rule_at(i)->name))
			fail_msg("no specimen breaks %s", lint_rule_at(i)->name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule_finds_what_breaks_it),
		cmocka_unit_test(ten_thousand_leaves_are_linted_unique_and_accepted_by_others),
	};
	return cmocka_run_group_tests(tests, open_desk, close_desk);
}
