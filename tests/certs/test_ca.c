/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/ca.h"
#include "certs/hmac.h"
#include "certs/note_key.h"
#include "certs/ossl.h"
#include "certs/pem.h"
#include "station/base/clock.h"
#include "station/base/file.h"
#include "station/base/text.h"
#include "tests/certs/check.h"
#include "tests/certs/desk.h"

#include <openssl/x509v3.h>

#include <string.h>
#include <sys/stat.h>

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

static void init_makes_a_root_and_a_line_ca_that_others_accept(void **state)
{
	struct desk *d = *state;
	char out[8192];
	assert_int_equal(desk_shell(out, sizeof(out), "cd %s && openssl verify -x509_strict -check_ss_sig -CAfile root.pem root.pem line.pem 2>&1",
		d->dir), 0);
	assert_int_equal(desk_shell(out, sizeof(out), "cd %s && openssl x509 -in line.pem -noout -text", d->dir), 0);
	assert_non_null(strstr(out, "CA:TRUE, pathlen:0"));
	assert_non_null(strstr(out, "Certificate Sign, CRL Sign"));
	assert_non_null(strstr(out, "CN = Example Line CA"));
	assert_int_equal(desk_shell(out, sizeof(out), "cd %s && openssl x509 -in root.pem -noout -text", d->dir), 0);
	assert_non_null(strstr(out, "CA:TRUE, pathlen:1"));
	assert_int_equal(desk_shell(out, sizeof(out), "cd %s && cat line.pem root.pem | cmp - chain.pem", d->dir), 0);
}

static void keys_are_encrypted_and_private(void **state)
{
	struct desk *d = *state;
	static const char *const keys[] = {"root.key", "line.key", "log.key"};
	struct err e = {0};
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		AUTO(bytes) struct bytes file = {0};
		struct stat st;
		CHECK_OK(file_read(desk_path(d, keys[i]), &file, &e), e);
		assert_non_null(strstr(bytes_text(&file), "BEGIN ENCRYPTED PRIVATE KEY"));
		assert_int_equal(stat(desk_path(d, keys[i]), &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
	}
	assert_int_equal(desk_shell(NULL, 0, "[ $(stat -c %%a %s) = 700 ]", d->dir), 0);
}

static void verifier_key_beside_the_log_key_is_its_own(void **state)
{
	struct desk *d = *state;
	struct err e = {0};
	AUTO(note_key) struct note_key key = {0};
	AUTO(bytes) struct bytes text = {0};
	CHECK_OK(note_key_open(&key, d->log_key, d->passphrase, DESK_ORIGIN, &e), e);
	CHECK_OK(file_read(desk_path(d, "log.vkey"), &text, &e), e);
	assert_int_equal(text.len, strlen(key.vkey) + 1);
	assert_memory_equal(text.data, key.vkey, text.len - 1);
}

static void init_never_overwrites(void **state)
{
	struct desk *d = *state;
	static const char *const files[] = {"root.key", "root.pem", "line.key", "line.pem", "chain.pem", "log.key", "log.vkey"};
	const struct ca_init init = {d->dir, "Example", DESK_ORIGIN, d->passphrase, 30};
	struct err e = {0};
	char out[4096];
	assert_int_equal(desk_shell(out, sizeof(out), "cd %s && cat *.key *.pem *.vkey | sha256sum >before", d->dir), 0);
	CHECK_FAILS(ca_init(&init, &e), E_CA_FILE, e);
	assert_int_equal(desk_shell(out, sizeof(out), "cd %s && cat *.key *.pem *.vkey | sha256sum | cmp - before", d->dir), 0);
	for (size_t i = 0; i < COUNT_OF(files); i++) {	/* one of them is enough, and then nothing else is made */
		struct ca_init other = init;
		char dir[128];
		snprintf(dir, sizeof(dir), "%s/other%zu", d->dir, i);
		other.dir = dir;
		assert_int_equal(desk_shell(out, sizeof(out), "mkdir %s && touch %s/%s", dir, dir, files[i]), 0);
		CHECK_FAILS(ca_init(&other, &e), E_CA_FILE, e);
		assert_int_equal(desk_shell(out, sizeof(out), "[ $(ls %s | wc -l) = 1 ]", dir), 0);
	}
}

static void init_with_senseless_orders_is_refused(void **state)
{
	struct desk *d = *state;
	struct err e = {0};
	char dir[128];
	snprintf(dir, sizeof(dir), "%s/new", d->dir);
	const struct ca_init good = {dir, "Example", DESK_ORIGIN, d->passphrase, 30};
	struct ca_init bad = good;
	bad.name = "";
	CHECK_FAILS(ca_init(&bad, &e), E_CA_FILE, e);
	bad.name = "a name that is much too long to stand in front of the words line CA";
	CHECK_FAILS(ca_init(&bad, &e), E_CA_FILE, e);
	bad = good, bad.line_days = 0;
	CHECK_FAILS(ca_init(&bad, &e), E_CA_FILE, e);
	bad = good, bad.passphrase = "secret";
	CHECK_FAILS(ca_init(&bad, &e), E_SECRET, e);
	bad = good, bad.log_origin = "a b";
	CHECK_FAILS(ca_init(&bad, &e), E_CA_FILE, e);
	CHECK_OK(ca_init(&good, &e), e);
}

static void look_tells_what_openssl_tells(void **state)
{
	struct desk *d = *state;
	struct err e = {0};
	struct bytes certs[2] = {0};
	struct cert_facts facts;
	size_t count;
	char sha1[64], sha256[80], hex[65];
	CHECK_OK(cert_read_pem_file(d->chain, certs, 2, &count, &e), e);
	CHECK_OK(cert_look(certs[0].data, certs[0].len, &facts, &e), e);
	assert_true(facts.is_ca && !facts.self_signed);
	assert_string_equal(facts.subject, "CN=Example Line CA");
	assert_in_range(facts.not_before_ms, clock_wall_ms() - 400000, clock_wall_ms());
	assert_int_equal(desk_shell(sha1, sizeof(sha1), "cd %s && openssl x509 -in line.pem -outform der | sha1sum", d->dir), 0);
	assert_int_equal(desk_shell(sha256, sizeof(sha256), "cd %s && openssl x509 -in line.pem -outform der | sha256sum", d->dir), 0);
	hex_encode(facts.sha1, sizeof(facts.sha1), hex);
	assert_memory_equal(hex, sha1, 40);
	hex_encode(facts.sha256, sizeof(facts.sha256), hex);
	assert_memory_equal(hex, sha256, 64);
	CHECK_OK(cert_look(certs[1].data, certs[1].len, &facts, &e), e);
	assert_true(facts.is_ca && facts.self_signed);
	CHECK_FAILS(cert_look(certs[1].data, certs[1].len - 1, &facts, &e), E_CA_FILE, e);
	CHECK_FAILS(cert_look("", 0, &facts, &e), E_CA_FILE, e);
	AUTO(bytes) struct bytes longer = {0};
	CHECK_OK(bytes_set(&longer, certs[0].data, certs[0].len, &e), e);
	CHECK_OK(bytes_add(&longer, "", 1, &e), e);
	CHECK_FAILS(cert_look(longer.data, longer.len, &facts, &e), E_CA_FILE, e);
	bytes_fini(&certs[0]);
	bytes_fini(&certs[1]);
}

static void pem_file_is_read_within_its_caps(void **state)
{
	struct desk *d = *state;
	struct err e = {0};
	struct bytes certs[2] = {0};
	size_t count;
	CHECK_FAILS(cert_read_pem_file(d->chain, certs, 1, &count, &e), E_CA_FILE, e);
	assert_true(count == 0 && !certs[0].data);
	CHECK_FAILS(cert_read_pem_file(d->key, certs, 2, &count, &e), E_CA_FILE, e);
	CHECK_FAILS(cert_read_pem_file(desk_path(d, "log.vkey"), certs, 2, &count, &e), E_CA_FILE, e);
	CHECK_FAILS(cert_read_pem_file(desk_path(d, "absent"), certs, 2, &count, &e), E_CA_FILE, e);
	CHECK_FAILS(cert_read_pem_file(d->dir, certs, 2, &count, &e), E_CA_FILE, e);
	assert_int_equal(desk_shell(NULL, 0, "cd %s && head -c 300 line.pem >cut.pem; (cat line.pem; echo -----BEGIN CERTIFICATE-----; echo AAAA; "
		"echo -----END CERTIFICATE-----) >mixed.pem; (echo hello; cat line.pem; echo; cat root.pem) >talk.pem", d->dir), 0);
	CHECK_FAILS(cert_read_pem_file(desk_path(d, "cut.pem"), certs, 2, &count, &e), E_CA_FILE, e);
	CHECK_FAILS(cert_read_pem_file(desk_path(d, "mixed.pem"), certs, 2, &count, &e), E_CA_FILE, e);
	CHECK_OK(cert_read_pem_file(desk_path(d, "talk.pem"), certs, 2, &count, &e), e);
	assert_int_equal(count, 2);
	bytes_fini(&certs[0]);
	bytes_fini(&certs[1]);
}

static void readable(const struct desk *d, const char *file, bool expected)
{
	struct err e = {0};
	bool found;
	CHECK_OK(cert_key_is_readable(desk_path(d, file), &found, &e), e);
	if (found != expected)
		fail_msg("%s: %d", file, found);
}

static void private_key_on_the_station_is_noticed_in_every_form(void **state)
{
	struct desk *d = *state;
	assert_int_equal(desk_shell(NULL, 0, "cd %s && openssl pkey -in root.key -passin %s -out bare.pem && openssl pkey -in bare.pem "
		"-outform der -out bare.der && openssl ec -in bare.pem -out old.pem 2>out && openssl ec -in bare.pem -outform der -out old.der 2>out && "
		"openssl pkcs8 -topk8 -in bare.pem -outform der -out encrypted.der -passout pass:x && cat root.pem root.key >both.pem && "
		"openssl x509 -in root.pem -outform der -out root.der && : >empty", d->dir, d->passphrase), 0);
	static const char *const keys[] = {"root.key", "bare.pem", "bare.der", "old.pem", "old.der", "encrypted.der", "both.pem"};
	static const char *const others[] = {"root.pem", "root.der", "chain.pem", "log.vkey", "empty", "absent", "passphrase"};
	for (size_t i = 0; i < COUNT_OF(keys); i++)
		readable(d, keys[i], true);
	for (size_t i = 0; i < COUNT_OF(others); i++)
		readable(d, others[i], false);
	struct err e = {0};
	bool found;
	CHECK_FAILS(cert_key_is_readable(d->dir, &found, &e), E_CA_FILE, e);
}

static void proof_is_signed_by_the_ca_over_the_code(void **state)
{
	struct desk *d = *state;
	struct err e = {0};
	char out[4096];
	AUTO(bytes) struct bytes pem = {0};
	const char *code = "7A69A4702DA903A41C3A5BC5575A8E3F49BEC5E5BA2D4CE1";
	char root_key[128], root_cert[128];
	snprintf(root_key, sizeof(root_key), "%s/root.key", d->dir);
	snprintf(root_cert, sizeof(root_cert), "%s/root.pem", d->dir);
	CHECK_OK(ca_prove(root_cert, root_key, d->passphrase, code, &pem, &e), e);
	CHECK_OK(pem_write_new(desk_path(d, "proof.pem"), pem.data, pem.len, 0600, &e), e);
	assert_int_equal(desk_shell(out, sizeof(out), "cd %s && openssl verify -x509_strict -CAfile root.pem proof.pem 2>&1 && "
		"openssl x509 -in proof.pem -noout -subject", d->dir), 0);
	assert_non_null(strstr(out, "subject=CN = 7A69A4702DA903A41C3A5BC5575A8E3F49BEC5E5BA2D4CE1\n"));
	CHECK_FAILS(ca_prove(root_cert, d->key, d->passphrase, code, &pem, &e), E_CA_FILE, e);
	CHECK_FAILS(ca_prove(root_cert, root_key, d->passphrase, "", &pem, &e), E_CA_FILE, e);
	CHECK_FAILS(ca_prove(root_cert, root_key, "file:/nowhere/at/all", code, &pem, &e), E_SECRET, e);
}

static bool holds(const struct bytes *leaf, const struct bytes *chain, size_t count, const struct bytes *root, struct err *e)
{
	return cert_chain_holds(leaf->data, leaf->len, chain, count, root->data, root->len, e);
}

static void chain_without_its_link_or_under_a_foreign_root_does_not_hold(void **state)
{
	struct desk *d = *state, other;
	struct err e = {0};
	struct bytes mine[2] = {0}, foreign[2] = {0}, leaf = {0};
	size_t count;
	AUTO(bytes) struct bytes pem = {0};
	desk_open(&other);
	CHECK_OK(cert_read_pem_file(d->chain, mine, 2, &count, &e), e);
	CHECK_OK(cert_read_pem_file(other.chain, foreign, 2, &count, &e), e);
	CHECK_OK(ca_prove(d->chain, d->key, d->passphrase, "a client", &pem, &e), e);
	CHECK_OK(pem_write_new(desk_path(d, "leaf.pem"), pem.data, pem.len, 0600, &e), e);
	CHECK_OK(cert_read_pem_file(desk_path(d, "leaf.pem"), &leaf, 1, &count, &e), e);
	CHECK_OK(holds(&leaf, mine, 1, &mine[1], &e), e);
	CHECK_FAILS(holds(&leaf, NULL, 0, &mine[1], &e), E_SIGN, e);
	CHECK_FAILS(holds(&leaf, mine, 1, &foreign[1], &e), E_SIGN, e);
	CHECK_FAILS(holds(&leaf, foreign, 1, &foreign[1], &e), E_SIGN, e);
	CHECK_FAILS(holds(&mine[0], NULL, 0, &mine[1], &e), E_SIGN, e);	/* a CA is no TLS client */
	leaf.data[leaf.len - 1] ^= 1;
	CHECK_FAILS(holds(&leaf, mine, 1, &mine[1], &e), E_SIGN, e);
	bytes_fini(&leaf);
	for (int i = 0; i < 2; i++) {
		bytes_fini(&mine[i]);
		bytes_fini(&foreign[i]);
	}
	desk_close(&other);
}

/* RFC 4231, cases 1, 2 and 6. */
static void hmac_gives_the_published_values(void **state)
{
	uint8_t key[131], out[SHA256_SIZE];
	char hex[65];
	memset(key, 0x0b, 20);
	hmac_sha256(key, 20, "Hi There", 8, out);
	hex_encode(out, sizeof(out), hex);
	assert_string_equal(hex, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out);
	hex_encode(out, sizeof(out), hex);
	assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	hmac_sha256(key, sizeof(key), "Test Using Larger Than Block-Size Key - Hash Key First", 54, out);
	hex_encode(out, sizeof(out), hex);
	assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	hmac_sha256("", 0, "", 0, out);
	hex_encode(out, sizeof(out), hex);
	assert_string_equal(hex, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_desk, close_desk)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(init_makes_a_root_and_a_line_ca_that_others_accept),
		T(keys_are_encrypted_and_private),
		T(verifier_key_beside_the_log_key_is_its_own),
		T(init_never_overwrites),
		T(init_with_senseless_orders_is_refused),
		T(look_tells_what_openssl_tells),
		T(pem_file_is_read_within_its_caps),
		T(private_key_on_the_station_is_noticed_in_every_form),
		T(proof_is_signed_by_the_ca_over_the_code),
		T(chain_without_its_link_or_under_a_foreign_root_does_not_hold),
		cmocka_unit_test(hmac_gives_the_published_values),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
