/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/chain.h"
#include "tests/certs/check.h"
#include "tests/certs/maker.h"

#include <openssl/x509_vfy.h>

struct shop {
	struct maker maker, stranger;
	EVP_PKEY *ek;
	struct err e;
};

static int open_shop(void **state)
{
	static struct shop s;
	maker_open(&s.maker);
	maker_open(&s.stranger);
	s.ek = EVP_EC_gen("P-256");
	*state = &s;
	return 0;
}

static int close_shop(void **state)
{
	struct shop *s = *state;
	maker_close(&s->maker);
	maker_close(&s->stranger);
	EVP_PKEY_free(s->ek);
	return 0;
}

/* Whether the maker's certificate holds where these are accepted. */
static bool holds(struct shop *s, const struct bytes *root, const struct bytes *intermediate)
{
	static const struct order honest;
	AUTO(bytes) struct bytes der = {0};
	AUTO(x509) X509 *x = NULL;
	struct chain *c = NULL;
	maker_certify(&s->maker, s->ek, &honest, &der);
	CHECK_OK(ossl_x509(der.data, der.len, E_EK_CERT_BAD, &x, &s->e), s->e);
	CHECK_OK(chain_new(root, root ? 1 : 0, intermediate, intermediate ? 1 : 0, &c, &s->e), s->e);
	bool held = chain_holds(c, x, &s->e);
	chain_free(c);
	return held;
}

static void chain_from_root_by_intermediate_holds(void **state)
{
	struct shop *s = *state;
	CHECK_OK(holds(s, &s->maker.root, &s->maker.issuing), s->e);
}

static void root_of_the_same_name_and_another_key_is_no_root(void **state)
{
	struct shop *s = *state;
	CHECK_FAILS(holds(s, &s->stranger.root, &s->maker.issuing), E_EK_CHAIN, s->e);
	CHECK_FAILS(holds(s, &s->stranger.root, &s->stranger.issuing), E_EK_CHAIN, s->e);
}

static void intermediate_is_not_trusted_by_itself(void **state)
{
	struct shop *s = *state;
	CHECK_FAILS(holds(s, NULL, &s->maker.issuing), E_EK_CHAIN, s->e);
	assert_int_not_equal(s->maker.issuing.len, 0);
	CHECK_FAILS(holds(s, &s->maker.issuing, NULL), E_EK_CHAIN, s->e);	/* nor as a root, which signs itself */
}

static void missing_intermediate_breaks_the_chain(void **state)
{
	struct shop *s = *state;
	CHECK_FAILS(holds(s, &s->maker.root, NULL), E_EK_CHAIN, s->e);
}

static void intermediate_that_is_no_ca_is_refused(void **state)
{
	struct shop *s = *state;
	maker_spoil_issuing(&s->maker);
	CHECK_FAILS(holds(s, &s->maker.root, &s->maker.issuing), E_EK_CHAIN, s->e);
}

static void entry_that_is_no_certificate_is_named(void **state)
{
	struct shop *s = *state;
	struct chain *c = NULL;
	uint8_t junk[] = {0x30, 0x00};
	const struct bytes intermediates[] = {s->maker.issuing, {.data = junk, .len = sizeof(junk)}};
	if (chain_new(&s->maker.root, 1, intermediates, 2, &c, &s->e))
		fail_msg("junk is taken");
	assert_int_equal(s->e.code, E_CONFIG);
	assert_non_null(strstr(s->e.what, "intermediate 2"));
	err_clear(&s->e);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(chain_from_root_by_intermediate_holds),
		T(root_of_the_same_name_and_another_key_is_no_root),
		T(intermediate_is_not_trusted_by_itself),
		T(missing_intermediate_breaks_the_chain),
		T(intermediate_that_is_no_ca_is_refused),
		T(entry_that_is_no_certificate_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
