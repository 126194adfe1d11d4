/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTPS door against real servers that misbehave (hostile.py). */
#include "tests/dps/harness.h"

#include "station/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct hostile hostile;

static int set_up(void **state)
{
	struct err e = {0};
	/* Were the environment obeyed, every request below would fail. */
	setenv("https_proxy", "http://127.0.0.1:9", 1);
	setenv("HTTPS_PROXY", "http://127.0.0.1:9", 1);
	assert_ok(http_start(&e), &e);
	hostile_start(&hostile);
	return 0;
}

static int tear_down(void **state)
{
	hostile_stop(&hostile);
	http_stop();
	return 0;
}

static struct http *opened(const struct http_setup *setup)
{
	struct http *h = NULL;
	struct err e = {0};
	assert_ok(http_open(setup, NULL, &h, &e), &e);
	return h;
}

static bool get(struct http *h, const char *url, int ms, struct http_response *r, struct err *e)
{
	struct http_request q = {.method = "GET", .url = url, .want_hops = true, .deadline_ms = in_ms(ms)};
	return http_send(h, &q, r, e);
}

static const char *url_of(char out[static 128], const char *port, const char *path)
{
	snprintf(out, 128, "https://localhost:%d%s", hostile_port(&hostile, port), path);
	return out;
}

static void fails_with(const char *port, const char *path, enum err_code want)
{
	AUTO(http_response) struct http_response r = {0};
	struct http_setup setup = {.ca_file = hostile_ca(&hostile)};
	struct http *h = opened(&setup);
	struct err e = {0};
	char url[128];
	assert_fails(get(h, url_of(url, port, path), 10000, &r, &e), &e, want);
	assert_int_not_equal(strlen(e.what), 0);
	http_close(h);
}

static void answer_of(const char *path, struct http_response *r)
{
	struct http_setup setup = {.ca_file = hostile_ca(&hostile)};
	struct http *h = opened(&setup);
	struct err e = {0};
	char url[128];
	assert_ok(get(h, url_of(url, "good", path), 10000, r, &e), &e);
	http_close(h);
}

static void request_arrives_as_it_was_meant(void **state)
{
	AUTO(http_response) struct http_response r = {0};
	AUTO(bytes) struct bytes token = {.secret = true};
	AUTO(json) json_t *seen = NULL;
	struct http_setup setup = {.ca_file = hostile_ca(&hostile)};
	struct http *h = opened(&setup);
	struct err e = {0};
	char url[128];

	assert_ok(bytes_set(&token, "Bearer abc", 10, &e), &e);
	struct http_request q = {.method = "PUT", .url = url_of(url, "good", "/echo/a%2Fb?api-version=1"),
				 .authorization = &token, .if_match = "\"one\"", .body = "{\"a\":1}", .body_len = 7,
				 .deadline_ms = in_ms(10000)};
	assert_ok(http_send(h, &q, &r, &e), &e);
	assert_ok(json_parse(bytes_text(&r.body), r.body.len, &seen, &e), &e);
	json_t *headers = json_object_get(seen, "headers");
	assert_string_equal(json_text_or(seen, "method", ""), "PUT");
	assert_string_equal(json_text_or(seen, "path", ""), "/echo/a%2Fb?api-version=1");
	assert_string_equal(json_text_or(seen, "body", ""), "{\"a\":1}");
	assert_string_equal(json_text_or(headers, "authorization", ""), "Bearer abc");
	assert_string_equal(json_text_or(headers, "if-match", ""), "\"one\"");
	assert_string_equal(json_text_or(headers, "content-type", ""), "application/json; charset=utf-8");
	assert_null(json_object_get(headers, "expect"));
	assert_string_equal(r.etag, "\"one\"");
	assert_string_equal(r.error_code, "404201");
	assert_string_equal(r.request_id, "abc");
	assert_true(r.date_ms > clock_wall_ms() - 60000 && r.date_ms < clock_wall_ms() + 60000);
	http_close(h);
}

static void bare_post_and_delete_carry_no_body(void **state)
{
	static const char *const methods[] = {"POST", "DELETE", "GET"};
	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		AUTO(http_response) struct http_response r = {0};
		AUTO(json) json_t *seen = NULL;
		struct http_setup setup = {.ca_file = hostile_ca(&hostile)};
		struct http *h = opened(&setup);
		struct err e = {0};
		char url[128];
		struct http_request q = {.method = methods[i], .url = url_of(url, "good", "/echo"),
					 .deadline_ms = in_ms(10000)};
		assert_ok(http_send(h, &q, &r, &e), &e);
		assert_ok(json_parse(bytes_text(&r.body), r.body.len, &seen, &e), &e);
		json_t *headers = json_object_get(seen, "headers");
		assert_string_equal(json_text_or(seen, "method", ""), methods[i]);
		assert_string_equal(json_text_or(seen, "body", "-"), "");
		assert_null(json_object_get(headers, "content-type"));
		assert_null(json_object_get(headers, "authorization"));
		http_close(h);
	}
}

static int64_t client_port(struct http *h, const char *method, const char *body)
{
	AUTO(http_response) struct http_response r = {0};
	AUTO(json) json_t *seen = NULL;
	struct err e = {0};
	char url[128];
	struct http_request q = {.method = method, .url = url_of(url, "good", "/echo"), .body = body, .body_len = body ? strlen(body) : 0,
				 .deadline_ms = in_ms(10000)};
	assert_ok(http_send(h, &q, &r, &e), &e);
	assert_ok(json_parse(bytes_text(&r.body), r.body.len, &seen, &e), &e);
	assert_string_equal(json_text_or(seen, "body", "-"), body ? body : "");
	return json_int_or(seen, "port", 0);
}

static void connection_is_kept_but_for_changes_without_a_body(void **state)
{
	struct http_setup setup = {.ca_file = hostile_ca(&hostile)};
	struct http *h = opened(&setup);
	int64_t first = client_port(h, "GET", NULL);
	assert_int_equal(client_port(h, "GET", NULL), first);
	assert_int_equal(client_port(h, "PUT", "{\"a\":1}"), first);
	assert_int_equal(client_port(h, "POST", "{}"), first);
	assert_int_equal(client_port(h, "GET", NULL), first);
	assert_int_not_equal(client_port(h, "PUT", NULL), first);
	int64_t second = client_port(h, "GET", NULL);
	assert_int_not_equal(client_port(h, "DELETE", NULL), second);
	http_close(h);
}

static bool send_to(struct http *h, const char *method, const char *path, const char *body, struct http_response *r, struct err *e)
{
	char url[128];
	struct http_request q = {.method = method, .url = url_of(url, "good", path), .body = body, .body_len = body ? strlen(body) : 0,
				 .deadline_ms = in_ms(10000)};
	return http_send(h, &q, r, e);
}

/* A server may close a kept connection when it has read a request and before it answers: nobody knows what it did. */
static void what_changes_something_is_never_sent_twice(void **state)
{
	static const char *const methods[] = {"PUT", "POST"};
	struct http_setup setup = {.ca_file = hostile_ca(&hostile)};
	AUTO(json) json_t *seen = NULL;
	AUTO(http_response) struct http_response r = {0};
	struct err e = {0};
	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		struct http *h = opened(&setup);
		char body[16];
		snprintf(body, sizeof(body), "{\"n\":%zu}", i);
		err_clear(&e);
		assert_ok(send_to(h, methods[i], "/dies-when-kept", "{}", &r, &e), &e);
		assert_fails(send_to(h, methods[i], "/dies-when-kept", body, &r, &e), &e, E_NET);
		err_clear(&e);
		assert_ok(send_to(h, methods[i], "/dies-when-kept", "{}", &r, &e), &e);
		http_close(h);
	}
	answer_of("/unanswered", &r);
	assert_ok(json_parse(bytes_text(&r.body), r.body.len, &seen, &e), &e);
	assert_int_equal(json_array_size(seen), 2);
	assert_string_equal(json_string_value(json_array_get(seen, 0)), "PUT {\"n\":0}");
	assert_string_equal(json_string_value(json_array_get(seen, 1)), "POST {\"n\":1}");
}

static void what_only_asks_is_asked_again_by_itself(void **state)
{
	struct http_setup setup = {.ca_file = hostile_ca(&hostile)};
	AUTO(http_response) struct http_response r = {0};
	struct http *h = opened(&setup);
	struct err e = {0};
	assert_ok(send_to(h, "GET", "/dies-when-kept", NULL, &r, &e), &e);
	assert_ok(send_to(h, "GET", "/dies-when-kept", NULL, &r, &e), &e);
	assert_int_equal(r.status, 200);
	http_close(h);
}

static void text_of_failure(const char *port, enum err_code want, char ret[static 256])
{
	AUTO(http_response) struct http_response r = {0};
	struct http_setup setup = {.ca_file = hostile_ca(&hostile)};
	struct http *h = opened(&setup);
	struct err e = {0};
	char url[128];
	assert_fails(get(h, url_of(url, port, "/echo"), 10000, &r, &e), &e, want);
	snprintf(ret, 256, "%s", e.what);
	http_close(h);
}

/* Who inspects TLS issues certificates of his own. */
static void inspected_connection_is_told_by_who_issued_its_certificate(void **state)
{
	char text[256];
	text_of_failure("untrusted", E_TLS, text);
	assert_non_null(strstr(text, "the certificate of CN=localhost, issued by CN=stranger"));
	assert_non_null(strstr(text, "local issuer"));
}

static void certificate_out_of_its_time_is_told_with_this_clock(void **state)
{
	char text[256];
	text_of_failure("expired", E_TLS, text);
	assert_non_null(strstr(text, "expired"));
	assert_non_null(strstr(text, "this clock says "));
}

static void certificate_of_a_strange_ca_is_not_trusted(void **state)
{
	fails_with("untrusted", "/echo", E_TLS);
}

static void certificate_for_another_name_is_not_trusted(void **state)
{
	fails_with("other_name", "/echo", E_TLS);
}

static void expired_certificate_is_not_trusted(void **state)
{
	fails_with("expired", "/echo", E_TLS);
}

static void missing_ca_file_is_a_matter_of_trust(void **state)
{
	AUTO(http_response) struct http_response r = {0};
	struct http_setup setup = {.ca_file = "/nonexistent.pem"};
	struct http *h = opened(&setup);
	struct err e = {0};
	char url[128];
	assert_fails(get(h, url_of(url, "good", "/echo"), 10000, &r, &e), &e, E_TLS);
	http_close(h);
}

static void only_https_is_spoken(void **state)
{
	AUTO(http_response) struct http_response r = {0};
	struct http_setup setup = {0};
	struct http *h = opened(&setup);
	struct err e = {0};
	assert_fails(get(h, "http://localhost:9/", 1000, &r, &e), &e, E_CONFIG);
	http_close(h);
}

static void connection_cut_in_the_handshake_is_the_network(void **state)
{
	fails_with("cut", "/", E_NET);
}

static void connection_cut_or_reset_before_the_answer_is_the_network(void **state)
{
	fails_with("good", "/cut", E_NET);
	fails_with("good", "/reset", E_NET);
}

static void truncated_body_is_the_network(void **state)
{
	fails_with("good", "/truncated", E_NET);
}

static void name_that_does_not_resolve_is_the_network(void **state)
{
	AUTO(http_response) struct http_response r = {0};
	struct http_setup setup = {0};
	struct http *h = opened(&setup);
	struct err e = {0};
	assert_fails(get(h, "https://no-such-host.invalid/", 10000, &r, &e), &e, E_NET);
	assert_int_equal(r.hops.name_us, 0);
	http_close(h);
}

static void closed_port_is_the_network(void **state)
{
	AUTO(http_response) struct http_response r = {0};
	struct http_setup setup = {0};
	struct http *h = opened(&setup);
	struct err e = {0};
	assert_fails(get(h, "https://127.0.0.1:9/", 2000, &r, &e), &e, E_NET);
	http_close(h);
}

static void answer_over_the_cap_is_refused_with_and_without_a_length(void **state)
{
	fails_with("good", "/big", E_DPS_ANSWER);
	fails_with("good", "/big-chunked", E_DPS_ANSWER);
}

static void answer_of_exactly_the_cap_is_taken(void **state)
{
	AUTO(http_response) struct http_response r = {0};
	answer_of("/just-fits", &r);
	assert_int_equal(r.body.len, HTTP_BODY_MAX);
}

static void what_is_not_http_is_not_understood(void **state)
{
	fails_with("good", "/no-http", E_DPS_ANSWER);
}

static void redirect_is_not_followed(void **state)
{
	AUTO(http_response) struct http_response r = {0};
	answer_of("/redirect", &r);
	assert_int_equal(r.status, 302);
	assert_string_equal(r.location, "/echo");
}

static void deadline_ends_the_wait(void **state)
{
	AUTO(http_response) struct http_response r = {0};
	struct http_setup setup = {.ca_file = hostile_ca(&hostile)};
	struct http *h = opened(&setup);
	struct err e = {0};
	char url[128];
	int64_t start = clock_steady_ms();
	assert_fails(get(h, url_of(url, "good", "/late"), 300, &r, &e), &e, E_NET);
	assert_true(clock_steady_ms() - start < 2000);
	err_clear(&e);
	assert_fails(get(h, url, 0, &r, &e), &e, E_NET);
	http_close(h);
}

static void retry_after_is_read_as_seconds_and_as_date(void **state)
{
	static const struct {
		const char *path;
		int64_t least_ms, most_ms;
	} rows[] = {
		{"/retry-seconds", 7000, 7000},
		{"/retry-date", 39000, 41000},
		{"/retry-nonsense", -1, -1},
		{"/retry-forever", 24 * 3600 * 1000, 24 * 3600 * 1000},
		{"/echo", -1, -1},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO(http_response) struct http_response r = {0};
		answer_of(rows[i].path, &r);
		assert_in_range(r.retry_after_ms + 1, rows[i].least_ms + 1, rows[i].most_ms + 1);
	}
}

static void hops_of_a_good_way_are_noted(void **state)
{
	AUTO(http_response) struct http_response r = {0};
	answer_of("/echo", &r);
	assert_true(r.hops.name_us > 0 && r.hops.connect_us >= r.hops.name_us && r.hops.tls_us > r.hops.connect_us);
	assert_string_equal(r.hops.address, "127.0.0.1");
	assert_non_null(strstr(r.hops.issuer, "trusted"));
	assert_non_null(strstr(r.hops.subject, "localhost"));
}

/* By TLS 1.2, whose handshake ends with the refusal. */
static void client_certificate_that_the_peer_refuses_is_the_units_failure(void **state)
{
	AUTO(http_response) struct http_response r = {0};
	struct folder folder;
	struct device d;
	struct http *h = NULL;
	struct http_setup setup = {.ca_file = hostile_ca(&hostile)};
	struct err e = {0};
	char url[128];

	folder_make(&folder);
	pki_authority(&folder, "nobodys", "");
	pki_leaf(&folder, "unit", "unit", "nobodys");
	device_make(&d, &folder, "unit", "");
	assert_ok(http_open(&setup, &d.identity, &h, &e), &e);
	d.refuses = true;
	assert_fails(get(h, url_of(url, "demanding", "/echo"), 5000, &r, &e), &e, E_KEY_SILENT);
	err_clear(&e);
	d.refuses = false;
	assert_fails(get(h, url, 5000, &r, &e), &e, E_REHEARSAL);
	assert_int_equal(d.signatures, 2);
	http_close(h);
	device_fini(&d);
	folder_remove(&folder);
}

static bool get_by_proxy(const char *proxy, const char *login, const char *path, struct http_response *r,
			 struct err *e)
{
	AUTO(bytes) struct bytes secret = {.secret = true}, token = {.secret = true};
	char proxy_url[64], url[128];
	assert_ok(bytes_set(&secret, login, strlen(login), e), e);
	assert_ok(bytes_set(&token, "Bearer very-secret", 18, e), e);
	snprintf(proxy_url, sizeof(proxy_url), "http://127.0.0.1:%d", hostile_port(&hostile, proxy));
	struct http_setup setup = {.ca_file = hostile_ca(&hostile), .proxy = proxy_url, .proxy_login = &secret};
	struct http *h = opened(&setup);
	struct http_request q = {.method = "GET", .url = url_of(url, "good", path), .authorization = &token,
				 .deadline_ms = in_ms(10000)};
	bool ok = http_send(h, &q, r, e);
	http_close(h);
	return ok;
}

static void proxy_leads_through_and_never_sees_our_token(void **state)
{
	AUTO(http_response) struct http_response r = {0};
	struct err e = {0};
	assert_ok(get_by_proxy("proxy", "user:open sesame", "/connects", &r, &e), &e);
	assert_int_equal(r.status, 200);
	assert_int_equal(r.hops.proxy_status, 200);
	assert_non_null(strstr(bytes_text(&r.body), "CONNECT localhost:"));
	assert_null(strstr(bytes_text(&r.body), "very-secret"));
}

static void proxy_that_wants_another_login_refuses(void **state)
{
	static const char *const logins[] = {"", "user:wrong"};
	for (size_t i = 0; i < COUNT_OF(logins); i++) {
		AUTO(http_response) struct http_response r = {0};
		struct err e = {0};
		assert_fails(get_by_proxy("proxy", logins[i], "/echo", &r, &e), &e, E_PROXY);
		assert_int_equal(r.hops.proxy_status, 407);
		assert_null(strstr(e.what, "wrong"));
		assert_non_null(strstr(e.what, *logins[i] ? "refuses the name and password of proxy_secret"
							  : "asks for a name and password"));
	}
}

static void proxy_that_forbids_refuses(void **state)
{
	AUTO(http_response) struct http_response r = {0};
	struct err e = {0};
	assert_fails(get_by_proxy("closed_proxy", "user:open sesame", "/echo", &r, &e), &e, E_PROXY);
}

static void proxy_that_finds_nobody_is_the_network(void **state)
{
	AUTO(http_response) struct http_response r = {0};
	AUTO(bytes) struct bytes secret = {.secret = true};
	struct err e = {0};
	char proxy_url[64];
	assert_ok(bytes_set(&secret, "user:open sesame", 16, &e), &e);
	snprintf(proxy_url, sizeof(proxy_url), "http://127.0.0.1:%d", hostile_port(&hostile, "proxy"));
	struct http_setup setup = {.proxy = proxy_url, .proxy_login = &secret};
	struct http *h = opened(&setup);
	assert_fails(get(h, "https://127.0.0.1:9/", 5000, &r, &e), &e, E_NET);
	assert_int_equal(r.hops.proxy_status, 502);
	http_close(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_arrives_as_it_was_meant),
		cmocka_unit_test(bare_post_and_delete_carry_no_body),
		cmocka_unit_test(connection_is_kept_but_for_changes_without_a_body),
		cmocka_unit_test(what_changes_something_is_never_sent_twice),
		cmocka_unit_test(what_only_asks_is_asked_again_by_itself),
		cmocka_unit_test(inspected_connection_is_told_by_who_issued_its_certificate),
		cmocka_unit_test(certificate_out_of_its_time_is_told_with_this_clock),
		cmocka_unit_test(certificate_of_a_strange_ca_is_not_trusted),
		cmocka_unit_test(certificate_for_another_name_is_not_trusted),
		cmocka_unit_test(expired_certificate_is_not_trusted),
		cmocka_unit_test(missing_ca_file_is_a_matter_of_trust),
		cmocka_unit_test(only_https_is_spoken),
		cmocka_unit_test(connection_cut_in_the_handshake_is_the_network),
		cmocka_unit_test(connection_cut_or_reset_before_the_answer_is_the_network),
		cmocka_unit_test(truncated_body_is_the_network),
		cmocka_unit_test(name_that_does_not_resolve_is_the_network),
		cmocka_unit_test(closed_port_is_the_network),
		cmocka_unit_test(answer_over_the_cap_is_refused_with_and_without_a_length),
		cmocka_unit_test(answer_of_exactly_the_cap_is_taken),
		cmocka_unit_test(what_is_not_http_is_not_understood),
		cmocka_unit_test(redirect_is_not_followed),
		cmocka_unit_test(deadline_ends_the_wait),
		cmocka_unit_test(retry_after_is_read_as_seconds_and_as_date),
		cmocka_unit_test(hops_of_a_good_way_are_noted),
		cmocka_unit_test(client_certificate_that_the_peer_refuses_is_the_units_failure),
		cmocka_unit_test(proxy_leads_through_and_never_sees_our_token),
		cmocka_unit_test(proxy_that_wants_another_login_refuses),
		cmocka_unit_test(proxy_that_forbids_refuses),
		cmocka_unit_test(proxy_that_finds_nobody_is_the_network),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
