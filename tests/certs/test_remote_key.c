/* SPDX-License-Identifier: Apache-2.0 */
/* A TLS server of libssl's own, in this process over memory, that demands a client certificate: it
 * says whether the signature made elsewhere holds. */
#include "certs/remote_key.h"
#include "certs/ossl.h"
#include "tests/certs/check.h"
#include "tests/certs/desk.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <string.h>

/* The device in this test: a software key behind the callback. */
struct far_device {
	EVP_PKEY *pkey;
	int asked;
	bool gone, lies;
};

struct bench {
	struct desk desk;
	struct far_device device;
	struct remote_key key;
	struct err cause;
	struct signer_info ca;
	struct leaf_reply leaf;
};

static bool device_sign(void *ctx, const uint8_t digest[static SHA256_SIZE], struct key_signature *ret, struct err *e)
{
	struct far_device *d = ctx;
	uint8_t der[80];
	const uint8_t *p = der;
	size_t len = sizeof(der);
	d->asked++;
	if (d->gone)
		return err_set(e, E_USB_GONE, "pulled in the middle");
	AUTO(pkey_ctx) EVP_PKEY_CTX *sign = EVP_PKEY_CTX_new_from_pkey(NULL, d->pkey, "provider=default");
	assert_true(sign && EVP_PKEY_sign_init(sign) > 0 && EVP_PKEY_sign(sign, der, &len, digest, SHA256_SIZE) > 0);
	AUTO(ecdsa_sig) ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)len);
	assert_true(BN_bn2binpad(ECDSA_SIG_get0_r(sig), ret->r, 32) == 32 && BN_bn2binpad(ECDSA_SIG_get0_s(sig), ret->s, 32) == 32);
	if (d->lies)
		ret->s[9] ^= 1;
	return true;
}

static void make_leaf(struct bench *b)
{
	struct err e = {0};
	struct signer *signer;
	static struct fake_log log;
	static struct leaf_request req;
	memset(&log, 0, sizeof(log));
	memset(&req, 0, sizeof(req));
	CHECK_OK(signer_open(&b->desk.setup, &signer, &e), e);
	intent_make(&req.intent, "unit-1");
	key_make(&req.intent.key, &b->device.pkey);
	log_receipt(&log, &req.intent, 0, &req.receipt);
	CHECK_OK(signer_leaf(signer, &req, req.intent.time_ms, &b->leaf, &e), e);
	signer_who(signer, &b->ca);
	signer_close(signer);
	b->key = (struct remote_key){.key = req.intent.key, .sign = device_sign, .ctx = &b->device, .cause = &b->cause};
}

static void make_server(const struct desk *d)
{
	char out[1024];
	assert_int_equal(desk_shell(out, sizeof(out), "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
		"-keyout %s/server.key -out %s/server.pem -subj /CN=server -days 30 2>&1", d->dir, d->dir), 0);
}

static int open_bench(void **state)
{
	static struct bench b;
	struct err e = {0};
	memset(&b, 0, sizeof(b));
	CHECK_OK(remote_key_load(&e), e);
	desk_open(&b.desk);
	make_server(&b.desk);
	make_leaf(&b);
	*state = &b;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *b = *state;
	EVP_PKEY_free(b->device.pkey);
	desk_close(&b->desk);
	return 0;
}

static SSL_CTX *server_context(struct bench *b, int version)
{
	SSL_CTX *c = SSL_CTX_new(TLS_server_method());
	assert_int_equal(SSL_CTX_use_certificate_file(c, desk_path(&b->desk, "server.pem"), SSL_FILETYPE_PEM), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(c, desk_path(&b->desk, "server.key"), SSL_FILETYPE_PEM), 1);
	assert_int_equal(SSL_CTX_load_verify_locations(c, desk_path(&b->desk, "root.pem"), NULL), 1);
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_min_proto_version(c, version);
	SSL_CTX_set_max_proto_version(c, version);
	return c;
}

static SSL_CTX *client_context(struct bench *b)
{
	struct err e = {0};
	SSL_CTX *c = SSL_CTX_new(TLS_client_method());
	struct bytes line = {.data = b->ca.chain[0], .len = b->ca.chain_len[0]};
	assert_int_equal(SSL_CTX_load_verify_locations(c, desk_path(&b->desk, "server.pem"), NULL), 1);
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
	CHECK_OK(remote_key_use(c, &b->key, b->leaf.der, b->leaf.len, &line, 1, &e), e);
	return c;
}

/* Carries bytes between the two until both are content or one has failed. */
static bool shake_hands(SSL *client, SSL *server)
{
	BIO *a, *z;
	assert_int_equal(BIO_new_bio_pair(&a, 0, &z, 0), 1);
	SSL_set_bio(client, a, a);
	SSL_set_bio(server, z, z);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	for (int i = 0; i < 40; i++) {
		int c = SSL_do_handshake(client), cw = SSL_get_error(client, c);
		if (c != 1 && cw != SSL_ERROR_WANT_READ && cw != SSL_ERROR_WANT_WRITE)
			return false;
		int s = SSL_do_handshake(server), sw = SSL_get_error(server, s);
		if (s != 1 && sw != SSL_ERROR_WANT_READ && sw != SSL_ERROR_WANT_WRITE)
			return false;
		if (c == 1 && s == 1)
			return true;
	}
	return false;
}

/* One handshake; *ret_peer says whom the server saw. */
static bool connect_once(struct bench *b, SSL_CTX *client, int version, char ret_peer[65])
{
	SSL_CTX *server = server_context(b, version);
	SSL *c = SSL_new(client), *s = SSL_new(server);
	bool ok = shake_hands(c, s);
	ret_peer[0] = '\0';
	if (ok) {
		X509 *peer = SSL_get0_peer_certificate(s);
		assert_int_equal(SSL_get_verify_result(s), X509_V_OK);
		X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, ret_peer, 65);
	}
	SSL_free(c);
	SSL_free(s);
	SSL_CTX_free(server);
	ERR_clear_error();
	return ok;
}

static void handshake_is_signed_by_the_device(struct bench *b, int version)
{
	char peer[65];
	SSL_CTX *client = client_context(b);
	assert_int_equal(b->device.asked, 0);	/* setting up asks nothing of the device */
	for (int i = 1; i <= 20; i++) {
		assert_true(connect_once(b, client, version, peer));
		assert_string_equal(peer, "unit-1");
		assert_int_equal(b->device.asked, i);	/* exactly one signature for each handshake */
	}
	assert_int_equal(b->cause.code, E_NONE);
	SSL_CTX_free(client);
}

static void tls_1_2_handshake_is_signed_by_the_device(void **state)
{
	handshake_is_signed_by_the_device(*state, TLS1_2_VERSION);
}

static void tls_1_3_handshake_is_signed_by_the_device(void **state)
{
	handshake_is_signed_by_the_device(*state, TLS1_3_VERSION);
}

static void failing_device_fails_the_handshake_with_its_cause(void **state)
{
	struct bench *b = *state;
	char peer[65];
	SSL_CTX *client = client_context(b);
	b->device.gone = true;
	assert_false(connect_once(b, client, TLS1_3_VERSION, peer));
	assert_int_equal(b->cause.code, E_USB_GONE);
	assert_string_equal(b->cause.what, "pulled in the middle");
	err_clear(&b->cause);
	assert_false(connect_once(b, client, TLS1_2_VERSION, peer));
	assert_int_equal(b->cause.code, E_USB_GONE);
	b->key.cause = NULL;
	assert_false(connect_once(b, client, TLS1_2_VERSION, peer));
	SSL_CTX_free(client);
}

static void lying_device_is_caught_by_the_server(void **state)
{
	struct bench *b = *state;
	char peer[65];
	SSL_CTX *client = client_context(b);
	b->device.lies = true;
	assert_false(connect_once(b, client, TLS1_3_VERSION, peer));
	assert_false(connect_once(b, client, TLS1_2_VERSION, peer));
	assert_int_equal(b->cause.code, E_NONE);
	SSL_CTX_free(client);
}

static void two_identities_in_one_process_do_not_mix(void **state)
{
	struct bench *b = *state;
	char peer[65];
	struct far_device first = b->device;
	struct remote_key first_key = b->key;
	first_key.ctx = &first;
	b->key = first_key;
	SSL_CTX *one = client_context(b);
	struct bench *other = calloc(1, sizeof(*other));
	desk_open(&other->desk);
	make_server(&other->desk);
	make_leaf(other);
	SSL_CTX *two = client_context(other);
	assert_true(connect_once(b, one, TLS1_3_VERSION, peer));
	assert_true(connect_once(other, two, TLS1_3_VERSION, peer));
	assert_int_equal(first.asked, 1);
	assert_int_equal(other->device.asked, 1);
	assert_false(connect_once(b, two, TLS1_3_VERSION, peer));	/* this server does not know that CA */
	SSL_CTX_free(one);
	SSL_CTX_free(two);
	EVP_PKEY_free(other->device.pkey);
	desk_close(&other->desk);
	free(other);
}

static void leaf_of_another_key_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct remote_key other = b->key;
	SSL_CTX *c = SSL_CTX_new(TLS_client_method());
	key_make(&other.key, NULL);
	CHECK_FAILS(remote_key_use(c, &other, b->leaf.der, b->leaf.len, NULL, 0, &e), E_TLS, e);
	CHECK_FAILS(remote_key_use(c, &b->key, b->leaf.der, b->leaf.len - 1, NULL, 0, &e), E_TLS, e);
	other.key.kind = KEY_RSA;
	CHECK_FAILS(remote_key_use(c, &other, b->leaf.der, b->leaf.len, NULL, 0, &e), E_TLS, e);
	assert_int_equal(b->device.asked, 0);
	SSL_CTX_free(c);
}

static void ordinary_keys_still_work_beside_it(void **state)
{
	struct err e = {0};
	AUTO(pkey) EVP_PKEY *pkey = EVP_EC_gen("P-256");
	struct key_public key;
	uint8_t sig[80];
	size_t len = sizeof(sig);
	AUTO(md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	CHECK_OK(ossl_key_public(pkey, &key, &e), e);
	assert_true(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pkey) && EVP_DigestSign(ctx, sig, &len, (const uint8_t *)"x", 1));
	CHECK_OK(remote_key_load(&e), e);	/* twice is once */
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(tls_1_2_handshake_is_signed_by_the_device),
		T(tls_1_3_handshake_is_signed_by_the_device),
		T(failing_device_fails_the_handshake_with_its_cause),
		T(lying_device_is_caught_by_the_server),
		T(two_identities_in_one_process_do_not_mix),
		T(leaf_of_another_key_is_refused),
		T(ordinary_keys_still_work_beside_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
