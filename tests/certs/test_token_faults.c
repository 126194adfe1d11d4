/* SPDX-License-Identifier: Apache-2.0 */
/* A token whose module errs: each function that the signer calls, each fault (shim.c), behind none or more calls of it. Whatever it
 * says, no wrong signature is passed on, the anchor's number never goes back, and a PIN is not tried more often than the file allows. */
#include "certs/custody.h"
#include "certs/ossl.h"
#include "tests/certs/check.h"
#include "tests/certs/hsm.h"

#include <p11-kit/pkcs11.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct hsm hsm;
static struct token *token;
static struct keystore key, rsa;
static struct anchor anchor;
static size_t stride;
static uint64_t highest;	/* that was told, or that a step may have left */

static void close_all(void)
{
	if (anchor.ops)
		anchor.ops->close(anchor.state);
	keystore_close(&key);
	keystore_close(&rsa);
	token_close(token);
	anchor = (struct anchor){0};
	key = rsa = (struct keystore){0};
	token = NULL;
}

static bool open_all(struct err *e)
{
	return token_open(&hsm.setup, &token, e) && keystore_open_token(token, "pkcs11:object=line", &key, e) &&
	       keystore_open_token(token, "pkcs11:object=old", &rsa, e) && anchor_open_token(token, "count", &anchor, e);
}

static bool close_and_open(struct err *e)
{
	close_all();
	if (open_all(e))
		return true;
	close_all();
	return false;
}

static int set_up(void **state)
{
	struct err e = {0};
	(void)state;
	hsm_open(&hsm);
	hsm.module = SHIM;
	hsm_make_key(&hsm, "station", "P-256", "line", "01");
	hsm_make_key(&hsm, "station", "RSA-2048", "old", "02");
	hsm_put_back(&hsm);
	CHECK_OK(token_open(&hsm.setup, &token, &e), e);
	CHECK_OK(token_make_anchor(token, "count", &e), e);
	token_close(token);
	token = NULL;
	highest = 1;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close_all();
	hsm_close(&hsm);
	return 0;
}

static void arm(const char *function, int skip, const char *kind, long value)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/fault", hsm.dir);
	FILE *f = fopen(path, "w");
	assert_true(f && fprintf(f, "%s %d %s %ld\n", function, skip, kind, value) > 0 && fclose(f) == 0);
}

static bool is_armed(void)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/fault", hsm.dir);
	return access(path, F_OK) == 0;
}

static void disarm(void)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/fault", hsm.dir);
	unlink(path);
	unlink(hsm.tries);
}

static bool is_a_token_error(enum err_code code)
{
	return code == E_TOKEN_GONE || code == E_TOKEN_PIN || code == E_SIGN || code == E_ANCHOR || code == E_CA_FILE;
}

/* By libcrypto, with the key as it was read at first. */
static void is_signed(const struct key_public *by, const uint8_t digest[static SHA256_SIZE], const struct keystore_signature *s)
{
	AUTO(pkey) EVP_PKEY *pkey = NULL;
	struct err e = {0};
	CHECK_OK(ossl_pkey(by, &pkey, &e), e);
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
	assert_true(EVP_PKEY_verify_init(ctx) > 0 && EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) > 0);
	assert_int_equal(EVP_PKEY_verify(ctx, s->data, s->len, digest, SHA256_SIZE), 1);
}

static void sign_by(struct keystore *k, const struct key_public *by)
{
	uint8_t digest[SHA256_SIZE] = {(uint8_t)highest, 7};
	struct keystore_signature s;
	struct err e = {0};
	if (keystore_sign(k, digest, &s, &e))
		is_signed(by, digest, &s);
	else
		assert_true(is_a_token_error(e.code));
}

/* A step that failed may have left its number on the token. */
static void step(void)
{
	uint64_t now = 0;
	struct err e = {0};
	bool ok = anchor.ops->advance(anchor.state, &now, &e);
	assert_true(ok ? now > highest : is_a_token_error(e.code));
	highest = ok ? now : highest;
}

static void look(void)
{
	uint64_t now = 0;
	struct err e = {0};
	if (anchor.ops->read(anchor.state, &now, &e)) {
		assert_true(now >= highest);
		highest = now;
	} else {
		assert_true(is_a_token_error(e.code));
	}
}

static void all_goes_well(const struct key_public *p256, const struct key_public *modulus)
{
	uint64_t now = 0, next = 0;
	struct err e = {0};
	struct keystore_signature s;
	uint8_t digest[SHA256_SIZE] = {9};
	CHECK_OK(close_and_open(&e), e);
	CHECK_OK(anchor.ops->read(anchor.state, &now, &e), e);
	assert_true(now >= highest);
	CHECK_OK(anchor.ops->advance(anchor.state, &next, &e), e);
	assert_true(next == now + 1);
	highest = next;
	CHECK_OK(keystore_sign(&key, digest, &s, &e), e);
	is_signed(p256, digest, &s);
	CHECK_OK(keystore_sign(&rsa, digest, &s, &e), e);
	is_signed(modulus, digest, &s);
}

static const struct {
	const char *kind;
	long value;
} faults[] = {
	{"rv", CKR_DEVICE_REMOVED}, {"rv", CKR_SESSION_HANDLE_INVALID}, {"rv", CKR_USER_NOT_LOGGED_IN}, {"rv",
													 CKR_KEY_HANDLE_INVALID},
	{"rv", CKR_GENERAL_ERROR}, {"rv", CKR_FUNCTION_FAILED}, {"rv", CKR_BUFFER_TOO_SMALL}, {"rv",
											       (long)(CKR_VENDOR_DEFINED | 7)},
	{"after", CKR_DEVICE_ERROR}, {"after", CKR_SESSION_CLOSED}, {"nothing", 0}, {"drop", 0}, {"die", 0}, {"die", 1},
		{"flip", 0},
	{"len", 0}, {"len", 1}, {"len", 63}, {"len", 600}, {"len", 100000}, {"len", -1},
};
static const char *const functions[] = {"C_GetTokenInfo", "C_OpenSession", "C_Login", "C_FindObjectsInit", "C_FindObjects",
					"C_GetAttributeValue", "C_SignInit", "C_Sign", "C_CreateObject", "C_DestroyObject"};

static void whatever_the_module_says_nothing_wrong_is_passed_on(void **state)
{
	struct err e = {0};
	(void)state;
	CHECK_OK(close_and_open(&e), e);
	unsigned fired[COUNT_OF(functions)] = {0};
	const struct key_public p256 = key.key, modulus = rsa.key;
	for (size_t i = 0; i < COUNT_OF(functions) * COUNT_OF(faults); i += stride) {
		for (int skip = 0; skip < 3; skip++) {
			/* Of what opening calls once, the first. */
			arm(functions[i / COUNT_OF(faults)], skip == 1 ? 0 : skip, faults[i % COUNT_OF(faults)].kind,
			    faults[i % COUNT_OF(faults)].value);
			/* The half of them while it opens, the half while it works. */
			if (skip == 1 && !close_and_open(&e)) {
				assert_true(is_a_token_error(e.code));
				err_clear(&e);
			} else {
				sign_by(&key, &p256);
				step();
				sign_by(&rsa, &modulus);
				look();
			}
			fired[i / COUNT_OF(faults)] += !is_armed();
			disarm();
			if (!token || skip == 2)
				all_goes_well(&p256, &modulus);
		}
	}
	for (size_t i = 0; i < COUNT_OF(functions); i++)
		if (fired[i] < 3)
			fail_msg("%s erred %u times", functions[i], fired[i]);
}

static void a_step_that_was_lost_with_its_session_is_made_in_the_next(void **state)
{
	struct err e = {0};
	uint64_t before, now;
	struct keystore_signature s;
	const uint8_t digest[SHA256_SIZE] = {3};
	static const char *const calls[] = {"C_FindObjectsInit", "C_GetAttributeValue", "C_CreateObject"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(calls); i++) {
		CHECK_OK(close_and_open(&e), e);
		CHECK_OK(anchor.ops->read(anchor.state, &before, &e), e);
		arm(calls[i], 0, "drop", 0);
		CHECK_OK(anchor.ops->advance(anchor.state, &now, &e), e);
		assert_int_equal(now, before + 1);
		/* The key's handle was of the session that is gone. */
		CHECK_OK(keystore_sign(&key, digest, &s, &e), e);
		is_signed(&key.key, digest, &s);
		highest = now;
	}
}

static void numbers_that_are_not_removed_stop_it_and_never_turn_it_back(void **state)
{
	struct err e = {0};
	char keep[128];
	uint64_t now = 0;
	int steps = 0;
	(void)state;
	CHECK_OK(close_and_open(&e), e);
	snprintf(keep, sizeof(keep), "%s/keep", hsm.dir);
	assert_int_equal(mkdir(keep, 0700), 0);
	while (steps < 100 && anchor.ops->advance(anchor.state, &now, &e)) {
		assert_true(now > highest);
		highest = now;
		steps++;
	}
	assert_true(steps > 8 && steps < 100);
	assert_int_equal(e.code, E_ANCHOR);
	err_clear(&e);
	assert_int_equal(rmdir(keep), 0);
	CHECK_FAILS(anchor.ops->read(anchor.state, &now, &e), E_ANCHOR, e);
}

static long logins(void)
{
	char path[128];
	struct stat st;
	snprintf(path, sizeof(path), "%s/logins", hsm.dir);
	return stat(path, &st) == 0 ? (long)st.st_size : 0;
}

/* Also where the module says something else than that it was wrong, or dies of it. */
static void a_wrong_pin_is_tried_twice_at_most(void **state)
{
	static const struct {
		const char *kind;
		long value;
	} says[] = {{"after", CKR_GENERAL_ERROR}, {"after", CKR_DEVICE_ERROR}, {"after", CKR_FUNCTION_FAILED}, {"after",
														CKR_DEVICE_REMOVED},
		    {"die", 1}, {"after", (long)(CKR_VENDOR_DEFINED | 1)}, {"after", CKR_USER_ALREADY_LOGGED_IN}};
	struct err e = {0};
	(void)state;
	close_all();
	/* Not every token says that few tries are left. */
	assert_int_equal(hsm_shell(&hsm, "printf 9876 > pin; touch noflags"), 0);
	for (size_t i = 0; i < COUNT_OF(says); i++) {
		unlink(hsm.tries);
		long before = logins();
		for (int n = 0; n < 6; n++) {
			arm("C_Login", 0, says[i].kind, says[i].value);
			assert_false(token_open(&hsm.setup, &token, &e));
			assert_true(is_a_token_error(e.code));
			err_clear(&e);
		}
		assert_true(logins() - before <= 2);
		/* The right one, and the token forgets; its own count is not ours to use up. */
		disarm();
		assert_int_equal(hsm_shell(&hsm, "printf " HSM_PIN " > pin"), 0);
		CHECK_OK(token_open(&hsm.setup, &token, &e), e);
		token_close(token);
		token = NULL;
		assert_int_equal(hsm_shell(&hsm, "printf 9876 > pin"), 0);
	}
	assert_int_equal(hsm_shell(&hsm, "printf " HSM_PIN " > pin; rm noflags"), 0);
}

/* One in four of all; all of them with an argument. */
int main(int argc, char **argv)
{
	(void)argv;
	stride = argc > 1 ? 1 : 4;	/* shares no divisor with the number of faults */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_the_module_says_nothing_wrong_is_passed_on),
		cmocka_unit_test(a_step_that_was_lost_with_its_session_is_made_in_the_next),
		cmocka_unit_test(a_wrong_pin_is_tried_twice_at_most),
		cmocka_unit_test(numbers_that_are_not_removed_stop_it_and_never_turn_it_back),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
