/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "station/dps/auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw=="
#define HOST "acme.azure-devices-provisioning.net"
#define NOW_MS 1700000000000LL

static struct folder folder;
static char reference[200];

static int set_up(void **state)
{
	folder_make(&folder);
	snprintf(reference, sizeof(reference), "file:%s", folder_at(&folder, "secret"));
	return 0;
}

static int tear_down(void **state)
{
	folder_remove(&folder);
	return 0;
}

static void secret_is(const char *text)
{
	write_text(folder_at(&folder, "secret"), text, 0600);
}

static struct auth_setup setup_of(enum auth_kind kind)
{
	return (struct auth_setup){.kind = kind, .host = HOST, .policy = "line", .secret = reference};
}

static struct auth *opened(enum auth_kind kind)
{
	struct auth *a = NULL;
	struct err e = {0};
	struct auth_setup s = setup_of(kind);
	assert_ok(auth_open(&s, &a, &e), &e);
	return a;
}

static bool opens(enum auth_kind kind, struct err *e)
{
	struct auth *a = NULL;
	struct auth_setup s = setup_of(kind);
	bool ok = auth_open(&s, &a, e);
	auth_close(a);
	return ok;
}

static void header_at(struct auth *a, int64_t now_ms, struct bytes *ret)
{
	struct err e = {0};
	assert_ok(auth_header(a, now_ms, ret, &e), &e);
	assert_true(ret->secret);
}

static void kinds_are_found_by_name(void **state)
{
	enum auth_kind kind = AUTH_NONE;
	assert_true(auth_kind_find("policy-key", &kind) && kind == AUTH_POLICY_KEY);
	assert_true(auth_kind_find("connection-string", &kind) && kind == AUTH_CONNECTION);
	assert_true(auth_kind_find("sas-token", &kind) && kind == AUTH_SAS_TOKEN);
	assert_true(auth_kind_find("bearer-token", &kind) && kind == AUTH_BEARER);
	assert_false(auth_kind_find("none", &kind));
}

static void token_of_a_key_is_kept_for_half_of_its_life(void **state)
{
	AUTO(bytes) struct bytes first = {0}, second = {0};
	secret_is(KEY);
	struct auth *a = opened(AUTH_POLICY_KEY);
	header_at(a, NOW_MS, &first);
	assert_non_null(strstr(bytes_text(&first), "&se=1700003600&skn=line"));
	header_at(a, NOW_MS + 29 * 60000, &second);
	assert_true(bytes_equal(&first, &second));
	header_at(a, NOW_MS + 31 * 60000, &second);
	assert_false(bytes_equal(&first, &second));
	auth_close(a);
}

static void clock_set_back_or_token_refused_makes_a_new_one(void **state)
{
	AUTO(bytes) struct bytes first = {0}, second = {0};
	secret_is("HostName=" HOST ";SharedAccessKeyName=line;SharedAccessKey=" KEY "\n");
	struct auth *a = opened(AUTH_CONNECTION);
	header_at(a, NOW_MS, &first);
	header_at(a, NOW_MS - 5000, &second);
	assert_false(bytes_equal(&first, &second));
	auth_forget(a);
	header_at(a, NOW_MS, &second);
	assert_true(bytes_equal(&first, &second));
	auth_close(a);
}

static void key_that_was_rolled_is_read_again(void **state)
{
	AUTO(bytes) struct bytes first = {0}, second = {0};
	secret_is(KEY);
	struct auth *a = opened(AUTH_POLICY_KEY);
	header_at(a, NOW_MS, &first);
	secret_is("AAAA");
	auth_forget(a);
	header_at(a, NOW_MS, &second);
	assert_false(bytes_equal(&first, &second));
	auth_close(a);
}

static void bearer_token_is_shown_as_it_stands_now(void **state)
{
	AUTO(bytes) struct bytes header = {0};
	secret_is("eyJ0.old.x\n");
	struct auth *a = opened(AUTH_BEARER);
	header_at(a, NOW_MS, &header);
	assert_string_equal(bytes_text(&header), "Bearer eyJ0.old.x");
	secret_is("eyJ0.new.x");
	header_at(a, NOW_MS, &header);
	assert_string_equal(bytes_text(&header), "Bearer eyJ0.new.x");
	auth_close(a);
}

static void expired_sas_token_is_refused_before_it_is_sent(void **state)
{
	AUTO(bytes) struct bytes header = {0};
	struct err e = {0};
	secret_is("SharedAccessSignature sr=h&sig=s&se=1700000001&skn=p");
	struct auth *a = opened(AUTH_SAS_TOKEN);
	header_at(a, NOW_MS, &header);
	assert_string_equal(bytes_text(&header), "SharedAccessSignature sr=h&sig=s&se=1700000001&skn=p");
	assert_fails(auth_header(a, NOW_MS + 1000, &header, &e), &e, E_DPS_AUTH);
	auth_close(a);
}

static void mistakes_are_found_when_it_is_opened(void **state)
{
	struct err e = {0};
	secret_is("not base64!");
	assert_fails(opens(AUTH_POLICY_KEY, &e), &e, E_DPS_AUTH);
	assert_null(strstr(e.what, "not base64!"));
	err_clear(&e);
	secret_is("HostName=other.azure-devices-provisioning.net;SharedAccessKeyName=l;SharedAccessKey=" KEY);
	assert_fails(opens(AUTH_CONNECTION, &e), &e, E_DPS_AUTH);
	err_clear(&e);
	secret_is("two words");
	assert_fails(opens(AUTH_BEARER, &e), &e, E_DPS_AUTH);
	err_clear(&e);
	write_text(folder_at(&folder, "secret"), "open.to.all", 0644);
	assert_fails(opens(AUTH_BEARER, &e), &e, E_SECRET);
}

static void without_credentials_nothing_is_shown(void **state)
{
	AUTO(bytes) struct bytes header = {0};
	struct err e = {0};
	struct auth *a = opened(AUTH_NONE);
	assert_fails(auth_header(a, NOW_MS, &header, &e), &e, E_DPS_AUTH);
	auth_close(a);
}

static void connection_string_in_place_of_a_key_is_read_as_what_it_is(void **state)
{
	AUTO(bytes) struct bytes header = {0};
	struct err e = {0};
	secret_is("HostName=" HOST ";SharedAccessKeyName=line;SharedAccessKey=" KEY);
	struct auth *a = opened(AUTH_POLICY_KEY);
	header_at(a, NOW_MS, &header);
	assert_non_null(strstr(bytes_text(&header), "skn=line"));
	auth_close(a);
	secret_is("HostName=plant.azure-devices.net;SharedAccessKeyName=iothubowner;SharedAccessKey=" KEY);
	assert_false(opens(AUTH_POLICY_KEY, &e));
	assert_int_equal(e.code, E_DPS_AUTH);
	assert_non_null(strstr(e.what, "IoT hub plant.azure-devices.net"));
	assert_null(strstr(e.what, KEY));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_are_found_by_name),
		cmocka_unit_test(token_of_a_key_is_kept_for_half_of_its_life),
		cmocka_unit_test(clock_set_back_or_token_refused_makes_a_new_one),
		cmocka_unit_test(key_that_was_rolled_is_read_again),
		cmocka_unit_test(bearer_token_is_shown_as_it_stands_now),
		cmocka_unit_test(expired_sas_token_is_refused_before_it_is_sent),
		cmocka_unit_test(mistakes_are_found_when_it_is_opened),
		cmocka_unit_test(without_credentials_nothing_is_shown),
		cmocka_unit_test(connection_string_in_place_of_a_key_is_read_as_what_it_is),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
