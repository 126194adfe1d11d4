/* SPDX-License-Identifier: Apache-2.0 */
#include "station/api/page.h"
#include "station/api/listen.h"
#include "station/api/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* The request of a good target, as text. */
static void asks(const char *target, const char *expected)
{
	AUTO(route_call) struct route_call call = {0};
	AUTO(bytes) struct bytes text = {0};
	struct err e = {0};
	int status = 0;
	assert_true(route_read(target, strlen(target), &call, &status, &e));
	assert_true(json_canonical(call.request, &text, &e));
	assert_string_equal(bytes_text(&text), expected);
}

static void refuses(const char *target, size_t len, int expected)
{
	AUTO(route_call) struct route_call call = {0};
	struct err e = {0};
	int status = 0;
	assert_false(route_read(target, len, &call, &status, &e));
	assert_int_equal(status, expected);
	assert_int_equal(e.code, E_USAGE);
	assert_null(call.request);
}

static void refuses_text(const char *target, int status)
{
	refuses(target, strlen(target), status);
}

static void targets_become_requests_of_the_desk(void **state)
{
	(void)state;
	asks("/v1/status", "{\"do\":\"status\"}");
	asks("/v1/units/SIM%2F0001%20x", "{\"do\":\"unit\",\"id\":\"SIM/0001 x\"}");
	asks("/v1/units?after=a+b%2B&most=7", "{\"after\":\"a b+\",\"do\":\"units\",\"most\":7}");
	asks("/v1/journal?before=0&search=", "{\"before\":0,\"do\":\"journal\",\"search\":\"\"}");
	asks("/v1/lots/%C3%A4", "{\"do\":\"lot\",\"id\":\"\xc3\xa4\"}");
	asks("/v1/slots/a+b", "{\"do\":\"status\",\"name\":\"a+b\"}");
	asks("/v1/requests", "{}");
}

static void targets_that_are_not_in_their_form_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"/v1/units/%", "/v1/units/%4", "/v1/units/%4x", "/v1/units/%00", "/v1/units/%7f", "/v1/units/%c0%80", "/v1/units/%ed%a0%80",
		"/v1/units?most", "/v1/units?most=+1", "/v1/units?most=1e3", "/v1/units?most=1234567890123456789", "/v1/units?most=1&most=1",
		"/v1/units?do=stop", "/v1/status?do=stop", "/v1/units/x?id=y", "/v1/units?after=%0d%0a",
	};
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		refuses_text(bad[i], 400);
	refuses("/v1/units/a\0b", 13, 400);
}

static void paths_that_are_none_are_not_found(void **state)
{
	(void)state;
	static const char *const none[] = {"", "x", "//", "/v1", "/v1/", "/v1/units/", "/v1/units/a/b", "/V1/status", "/v1/statusx",
					   "http://localhost/v1/status", "*", "/metrics/", "/v1/slots/a/../b"};
	for (size_t i = 0; i < COUNT_OF(none); i++)
		refuses_text(none[i], 404);
}

static void long_targets_and_names_are_refused(void **state)
{
	(void)state;
	char target[ROUTE_TARGET_MAX + 2] = "/v1/units/";
	memset(target + 10, 'a', sizeof(target) - 10);
	refuses(target, ROUTE_TARGET_MAX + 1, 414);
	refuses(target, ROUTE_TARGET_MAX, 400);
	refuses(target, 10 + ROUTE_TEXT_MAX + 1, 400);
	target[10 + ROUTE_TEXT_MAX] = '\0';
	AUTO(route_call) struct route_call call = {0};
	struct err e = {0};
	int status = 0;
	assert_true(route_read(target, strlen(target), &call, &status, &e));
	assert_int_equal(strlen(json_text_or(call.request, "id", "")), ROUTE_TEXT_MAX);
}

static void hosts_of_this_machine_are_told_from_others(void **state)
{
	(void)state;
	static const char *const ours[] = {"localhost", "LocalHost:80", "127.0.0.1", "127.0.0.1:", "[::1]:8080"};
	static const char *const others[] = {"", "localhostx", "localhost.", "127.0.0.10", "127.0.0.1:8a", "127.0.0.1:80@x", "::1", "[::1]x",
					     "example.org", "xlocalhost"};
	for (size_t i = 0; i < COUNT_OF(ours); i++)
		assert_true(host_is_loopback(ours[i]));
	for (size_t i = 0; i < COUNT_OF(others); i++)
		assert_false(host_is_loopback(others[i]));
}

static void tags_are_compared_whole_and_weakly(void **state)
{
	(void)state;
	char list[128];
	assert_false(page_is_known(&page_lead, NULL));
	assert_false(page_is_known(&page_lead, ""));
	assert_true(page_is_known(&page_lead, "*"));
	assert_true(page_is_known(&page_lead, page_lead.etag));
	snprintf(list, sizeof(list), "\"a\", W/%s ,\"b\"", page_lead.etag);
	assert_true(page_is_known(&page_lead, list));
	snprintf(list, sizeof(list), "\"a\", %sx", page_lead.etag);
	assert_false(page_is_known(&page_lead, list));
	assert_string_not_equal(page_lead.etag, page_openapi.etag);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_become_requests_of_the_desk),
		cmocka_unit_test(targets_that_are_not_in_their_form_are_refused),
		cmocka_unit_test(paths_that_are_none_are_not_found),
		cmocka_unit_test(long_targets_and_names_are_refused),
		cmocka_unit_test(hosts_of_this_machine_are_told_from_others),
		cmocka_unit_test(tags_are_compared_whole_and_weakly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
