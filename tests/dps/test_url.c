/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "station/dps/url.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void everything_but_unreserved_is_encoded(void **state)
{
	AUTO(bytes) struct bytes out = {0};
	struct err e = {0};
	assert_ok(url_encode("aZ09-._~ /:?#%&+=\xc3\xa9", &out, &e), &e);
	assert_string_equal(bytes_text(&out), "aZ09-._~%20%2F%3A%3F%23%25%26%2B%3D%C3%A9");
}

static void endpoint_gives_its_host_in_lower_case(void **state)
{
	char host[URL_HOST_MAX];
	struct err e = {0};
	assert_ok(url_endpoint("https://ACME.azure-devices-provisioning.net", host, &e), &e);
	assert_string_equal(host, "acme.azure-devices-provisioning.net");
	assert_ok(url_endpoint("https://localhost:4433/", host, &e), &e);
	assert_string_equal(host, "localhost:4433");
}

static void what_is_more_or_less_than_an_endpoint_is_refused(void **state)
{
	static const char *const bad[] = {"", "https://", "https:///", "http://host", "host", "https://host/path",
					  "https://user@host", "https://host?x", "https://host#x", "https://:80",
					  "https://ho st", "https://host//", "HTTPS//host", "https://h\xc3\xb6st"};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		char host[URL_HOST_MAX];
		struct err e = {0};
		assert_fails(url_endpoint(bad[i], host, &e), &e, E_CONFIG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_but_unreserved_is_encoded),
		cmocka_unit_test(endpoint_gives_its_host_in_lower_case),
		cmocka_unit_test(what_is_more_or_less_than_an_endpoint_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
