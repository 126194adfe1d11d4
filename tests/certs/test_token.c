/* SPDX-License-Identifier: Apache-2.0 */
/* A key and a counter on a real SoftHSM2, behind a real p11-kit server: what they do, and what is done when they are gone, refuse, or
 * talk nonsense. */
#include "certs/ca_request.h"
#include "certs/custody.h"
#include "certs/ossl.h"
#include "certs/warm.h"
#include "station/base/clock.h"
#include "station/base/lockdown.h"
#include "tests/certs/check.h"
#include "tests/certs/hsm.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static struct hsm *hsm(void **state)
{
	return *state;
}

static int set_up(void **state)
{
	static struct hsm h;
	hsm_open(&h);
	hsm_make_key(&h, "station", "P-256", "line", "01");
	hsm_make_key(&h, "station", "RSA-2048", "old", "02");
	hsm_make_key(&h, "station", "P-384", "big", "03");
	hsm_make_key(&h, "other", "P-256", "line", "01");
	*state = &h;
	return 0;
}

static int tear_down(void **state)
{
	hsm_close(*state);
	return 0;
}

static int put_back(void **state)
{
	unlink(hsm(state)->tries);
	hsm_put_back(*state);
	return 0;
}

static int pull(void **state)
{
	hsm_pull(*state);
	return 0;
}

/* Verified by libcrypto, with the key as the store gives it. */
static void signs(struct keystore *k)
{
	struct err e = {0};
	uint8_t digest[SHA256_SIZE];
	struct keystore_signature s;
	AUTO(pkey) EVP_PKEY *key = NULL;
	memset(digest, 0x5c, sizeof(digest));
	CHECK_OK(keystore_sign(k, digest, &s, &e), e);
	CHECK_OK(ossl_pkey(&k->key, &key, &e), e);
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	assert_true(ctx && EVP_PKEY_verify_init(ctx) == 1 && EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1);
	assert_int_equal(EVP_PKEY_verify(ctx, s.data, s.len, digest, sizeof(digest)), 1);
}

static void keys_sign_as_certificates_want_it(void **state)
{
	struct err e = {0};
	struct token *t = NULL;
	struct keystore k;
	CHECK_OK(token_open(&hsm(state)->setup, &t, &e), e);
	static const char *const uris[] = {"pkcs11:token=station;object=line", "pkcs11:token=station;id=%02", "pkcs11:id=%01"};
	for (size_t i = 0; i < COUNT_OF(uris); i++) {
		CHECK_OK(keystore_open_token(t, uris[i], &k, &e), e);
		assert_int_equal(k.key.kind, i == 1 ? KEY_RSA : KEY_P256);
		for (int n = 0; n < 20; n++)
			signs(&k);
		keystore_close(&k);
	}
	token_close(t);
}

/* What is taken to the CA above: others read it, and it asks for what a line CA needs. */
static void request_for_a_certificate_is_signed_by_the_token(void **state)
{
	struct err e = {0};
	struct token *t = NULL;
	struct keystore k;
	CHECK_OK(token_open(&hsm(state)->setup, &t, &e), e);
	for (int i = 0; i < 2; i++) {
		char path[96];
		AUTO(bytes) struct bytes pem = {0};
		CHECK_OK(keystore_open_token(t, i ? "pkcs11:object=old" : "pkcs11:object=line", &k, &e), e);
		CHECK_OK(ca_request(&k, "Example Line CA 2", &pem, &e), e);
		snprintf(path, sizeof(path), "%s/line.csr", hsm(state)->dir);
		FILE *f = fopen(path, "w");
		assert_true(f && fwrite(pem.data, 1, pem.len, f) == pem.len && fclose(f) == 0);
		assert_int_equal(hsm_shell(*state, "openssl req -in line.csr -verify -noout && openssl req -in line.csr -noout -text >text && "
					   "grep -q 'Subject: CN = Example Line CA 2' text && grep -q 'CA:TRUE, pathlen:0' text && "
					   "grep -q 'Certificate Sign, CRL Sign' text && certtool --crq-info --infile line.csr | "
					   "grep -q 'Self signature: verified'"), 0);
		CHECK_FAILS(ca_request(&k, "", &pem, &e), E_CA_FILE, e);
		CHECK_FAILS(ca_request(&k, "two\nlines", &pem, &e), E_CA_FILE, e);
		keystore_close(&k);
	}
	token_close(t);
}

static void key_that_is_not_meant_is_refused(void **state)
{
	struct err e = {0};
	struct token *t = NULL;
	struct keystore k;
	CHECK_OK(token_open(&hsm(state)->setup, &t, &e), e);
	CHECK_FAILS(keystore_open_token(t, "pkcs11:object=none", &k, &e), E_CA_FILE, e);
	CHECK_FAILS(keystore_open_token(t, "pkcs11:object=big", &k, &e), E_CA_FILE, e);
	CHECK_FAILS(keystore_open_token(t, "pkcs11:token=station", &k, &e), E_CA_FILE, e);
	CHECK_FAILS(keystore_open_token(t, "pkcs11:object=line;pin-value=1234", &k, &e), E_CA_FILE, e);
	CHECK_FAILS(keystore_open_token(t, "pkcs11:object=line;nonsense=1", &k, &e), E_CA_FILE, e);
	CHECK_FAILS(keystore_open_token(t, "pkcs11:%zz", &k, &e), E_CA_FILE, e);
	token_close(t);
	struct token_setup setup = hsm(state)->setup;
	setup.uri = "pkcs11:model=SoftHSM%20v2";
	CHECK_FAILS(token_open(&setup, &t, &e), E_CA_FILE, e);	/* two tokens fit */
	setup.uri = "pkcs11:token=none";
	CHECK_FAILS(token_open(&setup, &t, &e), E_TOKEN_GONE, e);
}

static void pulled_token_is_gone_and_works_when_it_is_back(void **state)
{
	struct err e = {0};
	struct token *t = NULL;
	struct keystore k;
	struct keystore_signature s;
	const uint8_t digest[SHA256_SIZE] = {1};
	for (int i = 0; i < 3; i++) {
		CHECK_OK(token_open(&hsm(state)->setup, &t, &e), e);
		CHECK_OK(keystore_open_token(t, "pkcs11:object=line", &k, &e), e);
		signs(&k);
		hsm_pull(*state);
		CHECK_FAILS(keystore_sign(&k, digest, &s, &e), E_TOKEN_GONE, e);
		CHECK_FAILS(keystore_sign(&k, digest, &s, &e), E_TOKEN_GONE, e);
		keystore_close(&k);
		token_close(t);
		CHECK_FAILS(token_open(&hsm(state)->setup, &t, &e), E_TOKEN_GONE, e);
		hsm_put_back(*state);
	}
}

static void wrong_pin_is_tried_once_and_never_again(void **state)
{
	struct hsm *h = *state;
	struct err e = {0};
	struct token *t = NULL;
	char tries = 0;
	assert_int_equal(hsm_shell(h, "printf 9876 >pin"), 0);
	CHECK_FAILS(token_open(&h->setup, &t, &e), E_TOKEN_PIN, e);
	int fd = open(h->tries, O_RDONLY);
	assert_true(fd >= 0 && read(fd, &tries, 1) == 1 && close(fd) == 0);
	assert_int_equal(tries, 'X');
	assert_int_equal(hsm_shell(h, "printf " HSM_PIN " >pin"), 0);
	/* Not even the right one, until a person has removed the note; and the token says itself that a try is gone. */
	for (int i = 0; i < 5; i++)
		CHECK_FAILS(token_open(&h->setup, &t, &e), E_TOKEN_PIN, e);
	unlink(h->tries);
	CHECK_FAILS(token_open(&h->setup, &t, &e), E_TOKEN_PIN, e);
	unlink(h->tries);
	hsm_make_key(h, "station", "P-256", "more", "07");	/* a person logs in with the token's own tools */
	CHECK_OK(token_open(&h->setup, &t, &e), e);
	token_close(t);
}

static void login_that_was_cut_off_is_no_refusal_but_happens_once(void **state)
{
	struct hsm *h = *state;
	struct err e = {0};
	struct token *t = NULL;
	assert_int_equal(hsm_shell(h, "printf 1 >token.pin && chmod 600 token.pin"), 0);
	CHECK_OK(token_open(&h->setup, &t, &e), e);
	token_close(t);
	assert_int_equal(hsm_shell(h, "printf 2 >token.pin"), 0);
	CHECK_FAILS(token_open(&h->setup, &t, &e), E_TOKEN_PIN, e);
}

static void counter_only_grows_and_outlives_its_server(void **state)
{
	struct err e = {0};
	struct token *t = NULL;
	struct anchor a;
	uint64_t now = 0;
	CHECK_OK(token_open(&hsm(state)->setup, &t, &e), e);
	CHECK_FAILS(anchor_open_token(t, "count", &a, &e), E_ANCHOR, e);
	CHECK_OK(token_make_anchor(t, "count", &e), e);
	CHECK_FAILS(token_make_anchor(t, "count", &e), E_ANCHOR, e);
	CHECK_OK(anchor_open_token(t, "count", &a, &e), e);
	for (uint64_t i = 2; i < 6; i++) {
		CHECK_OK(a.ops->advance(a.state, &now, &e), e);
		assert_int_equal(now, i);
	}
	a.ops->close(a.state);
	token_close(t);
	/* Another process, and a pulled token in between. */
	hsm_pull(*state);
	hsm_put_back(*state);
	CHECK_OK(token_open(&hsm(state)->setup, &t, &e), e);
	CHECK_OK(anchor_open_token(t, "count", &a, &e), e);
	CHECK_OK(a.ops->read(a.state, &now, &e), e);
	assert_int_equal(now, 5);
	hsm_pull(*state);
	CHECK_FAILS(a.ops->advance(a.state, &now, &e), E_TOKEN_GONE, e);
	a.ops->close(a.state);
	token_close(t);
}

/* As the signer does it: opened, locked in, and then signing and counting. */
static void locked_in_process_signs_and_counts_over_the_one_descriptor(void **state)
{
	struct hsm *h = *state;
	struct err e = {0};
	struct custody c;
	const struct custody_setup setup = {.key_uri = "pkcs11:token=station;object=line", .anchor_uri = "token:locked", .passphrase = "",
					    .pin = h->pin, .token_socket = h->socket, .tcti = "", .pin_memory = h->tries};
	struct token *t = NULL;
	CHECK_OK(token_open(&h->setup, &t, &e), e);
	CHECK_OK(token_make_anchor(t, "locked", &e), e);
	token_close(t);
	pid_t child = fork();
	if (child == 0) {
		uint64_t now = 0;
		struct keystore_signature s;
		const uint8_t digest[SHA256_SIZE] = {1};
		certs_warm();
		lockdown_warm();
		if (!custody_open(&setup, &c, &e) || !keystore_sign(&c.key, digest, &s, &e) || !lockdown_with_clock(&e))
			_exit(2);
		for (int i = 0; i < 10; i++)
			if (!keystore_sign(&c.key, digest, &s, &e) || !c.anchor.ops->advance(c.anchor.state, &now, &e))
				_exit(3);
		_exit(now == 11 ? 0 : 4);
	}
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Opened in a process of its own, as the signer is: its end. */
static int end_of_opening(struct hsm *h)
{
	int status = 0;
	pid_t child = fork();
	if (child == 0) {
		struct err e = {0};
		struct token *t = NULL;
		alarm(1);	/* the line gives up on a signer that is silent, too */
		_exit(token_open(&h->setup, &t, &e) ? 0 : e.code == E_TOKEN_GONE ? 1 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Somebody else sits at the socket. */
static void nonsense_from_the_server_is_an_error_or_silence(void **state)
{
	struct hsm *h = *state;
	hsm_pull(h);
	for (unsigned seed = 1; seed <= 12; seed++) {
		struct sockaddr_un at = {.sun_family = AF_UNIX};
		snprintf(at.sun_path, sizeof(at.sun_path), "%s", h->socket);
		unlink(h->socket);
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 4) == 0);
		pid_t liar = fork();
		if (liar == 0) {
			uint8_t noise[512];
			srand(seed);
			int peer = accept(fd, NULL, NULL);
			for (int i = 0; i < 40; i++) {
				size_t len = 1 + (size_t)rand() % sizeof(noise);
				for (size_t k = 0; k < len; k++)
					noise[k] = seed % 3 ? (uint8_t)rand() : 0;
				if (send(peer, noise, len, MSG_NOSIGNAL) < 0)
					break;
			}
			_exit(0);
		}
		close(fd);
		unlink(h->tries);
		int end = end_of_opening(h);
		if (end != 1 && end != -SIGALRM)
			fail_msg("seed %u: %d", seed, end);
		kill(liar, SIGKILL);
		waitpid(liar, NULL, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(keys_sign_as_certificates_want_it, put_back, pull),
		cmocka_unit_test_setup_teardown(request_for_a_certificate_is_signed_by_the_token, put_back, pull),
		cmocka_unit_test_setup_teardown(key_that_is_not_meant_is_refused, put_back, pull),
		cmocka_unit_test_setup_teardown(pulled_token_is_gone_and_works_when_it_is_back, put_back, pull),
		cmocka_unit_test_setup_teardown(counter_only_grows_and_outlives_its_server, put_back, pull),
		cmocka_unit_test_setup_teardown(locked_in_process_signs_and_counts_over_the_one_descriptor, put_back, pull),
		cmocka_unit_test_setup_teardown(login_that_was_cut_off_is_no_refusal_but_happens_once, put_back, pull),
		cmocka_unit_test_setup_teardown(nonsense_from_the_server_is_an_error_or_silence, put_back, pull),
		cmocka_unit_test_setup_teardown(wrong_pin_is_tried_once_and_never_again, put_back, pull),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
