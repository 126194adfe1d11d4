/* SPDX-License-Identifier: Apache-2.0 */
/* The expected tokens were computed by Python's hmac, base64 and urllib.parse.quote. */
#include "harness.h"

#include "station/dps/sas.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* base64 of the bytes 0 to 63 */
#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw=="

static void set(struct bytes *b, const char *text)
{
	struct err e = {0};
	b->secret = true;
	assert_ok(bytes_set(b, text, strlen(text), &e), &e);
}

static void token_is_what_python_computes(void **state)
{
	static const struct {
		const char *host, *name;
		int64_t expiry_s;
		const char *token;
	} rows[] = {
		{"acme.azure-devices-provisioning.net", "line", 1900000000,
		 "SharedAccessSignature sr=acme.azure-devices-provisioning.net"
		 "&sig=BmXWeuwoV1mERrlatR0f%2FMA7k9L6FhCs1SJXh1V6KoI%3D&se=1900000000&skn=line"},
		{"LocalHost:4433", "provisioningserviceowner", 1764000000,
		 "SharedAccessSignature sr=localhost%3A4433"
		 "&sig=2wvr1DMGKHrX5QwRB35NEueumNy69abpb1gJKWF1ajs%3D&se=1764000000&skn=provisioningserviceowner"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO(sas_policy) struct sas_policy p = {0};
		AUTO(bytes) struct bytes key = {0}, token = {0};
		struct err e = {0};
		set(&key, KEY);
		assert_ok(sas_policy_set(&p, rows[i].host, rows[i].name, &key, &e), &e);
		assert_ok(sas_token(&p, rows[i].expiry_s, &token, &e), &e);
		assert_string_equal(bytes_text(&token), rows[i].token);
		assert_true(token.secret && p.key.secret);
	}
}

static bool parses(const char *text, bool any_host, struct sas_policy *p, struct err *e)
{
	AUTO(bytes) struct bytes s = {0};
	set(&s, text);
	return sas_policy_parse(p, &s, any_host, e);
}

static void connection_string_is_read_in_any_order(void **state)
{
	static const char *const good[] = {
		"HostName=A.azure-devices-provisioning.net;SharedAccessKeyName=line;SharedAccessKey=" KEY,
		"SharedAccessKey=" KEY ";HostName=a.azure-devices-provisioning.net;SharedAccessKeyName=line;",
	};
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		AUTO(sas_policy) struct sas_policy p = {0};
		struct err e = {0};
		assert_ok(parses(good[i], false, &p, &e), &e);
		assert_string_equal(p.host, "a.azure-devices-provisioning.net");
		assert_string_equal(p.name, "line");
		assert_true(p.key.len == 64 && p.key.data[63] == 63);
	}
}

static void connection_string_of_a_hub_is_refused_by_name(void **state)
{
	AUTO(sas_policy) struct sas_policy p = {0};
	struct err e = {0};
	const char *hub = "HostName=plant.azure-devices.net;SharedAccessKeyName=iothubowner;SharedAccessKey=" KEY;
	assert_fails(parses(hub, false, &p, &e), &e, E_DPS_AUTH);
	assert_non_null(strstr(e.what, "IoT hub plant.azure-devices.net"));
	err_clear(&e);
	assert_ok(parses(hub, true, &p, &e), &e);
}

static void host_that_is_not_dps_needs_leave(void **state)
{
	AUTO(sas_policy) struct sas_policy p = {0};
	struct err e = {0};
	const char *local = "HostName=localhost:1;SharedAccessKeyName=a;SharedAccessKey=" KEY;
	assert_fails(parses(local, false, &p, &e), &e, E_DPS_AUTH);
	err_clear(&e);
	assert_ok(parses(local, true, &p, &e), &e);
}

static void broken_connection_strings_are_refused_without_the_key(void **state)
{
	static const char *const bad[] = {
		"",
		";;;",
		KEY,
		"HostName=a.azure-devices-provisioning.net;SharedAccessKeyName=line",
		"HostName=a.azure-devices-provisioning.net;SharedAccessKey=" KEY,
		"HostName=;SharedAccessKeyName=line;SharedAccessKey=" KEY,
		"HostName=a.azure-devices-provisioning.net;SharedAccessKeyName=line;SharedAccessKey=" KEY ";More=1",
		"HostName=a.azure-devices-provisioning.net;HostName=b;SharedAccessKeyName=l;SharedAccessKey=" KEY,
		"HostName=a.azure-devices-provisioning.net;SharedAccessKeyName=l;SharedAccessKey=AAEC*wQF" KEY,
	};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		AUTO(sas_policy) struct sas_policy p = {0};
		struct err e = {0};
		assert_fails(parses(bad[i], false, &p, &e), &e, E_DPS_AUTH);
		assert_null(strstr(e.what, "AAEC"));
	}
}

static void ready_token_says_its_expiry(void **state)
{
	static const struct {
		const char *text;
		int64_t expiry_s;	/* 0: refused */
	} rows[] = {
		{"SharedAccessSignature sr=h&sig=s%3D&se=1900000000&skn=p", 1900000000},
		{"SharedAccessSignature skn=p&se=17&sig=x&sr=h", 17},
		{"SharedAccessSignature sr=h&sig=s&skn=p", 0},
		{"SharedAccessSignature sr=h&sig=s&se=&skn=p", 0},
		{"SharedAccessSignature sr=h&sig=s&se=12x", 0},
		{"SharedAccessSignature sr=h&sig=s&se=99999999999999999999", 0},
		{"SharedAccessSignature sr=h&se=12", 0},
		{"Bearer abc", 0},
		{"SharedAccessSignature sr=h&sig=s&se=12\r\nX: y", 0},
		{"", 0},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO(bytes) struct bytes token = {0};
		struct err e = {0};
		int64_t expiry = 0;
		set(&token, rows[i].text);
		if (rows[i].expiry_s)
			assert_ok(sas_token_expiry(&token, &expiry, &e), &e);
		else
			assert_fails(sas_token_expiry(&token, &expiry, &e), &e, E_DPS_AUTH);
		assert_int_equal(expiry, rows[i].expiry_s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(token_is_what_python_computes),
		cmocka_unit_test(connection_string_is_read_in_any_order),
		cmocka_unit_test(connection_string_of_a_hub_is_refused_by_name),
		cmocka_unit_test(host_that_is_not_dps_needs_leave),
		cmocka_unit_test(broken_connection_strings_are_refused_without_the_key),
		cmocka_unit_test(ready_token_says_its_expiry),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
