/* SPDX-License-Identifier: Apache-2.0 */
/* The client's door against a peer on a real socket. The peer is a thread that sends what a test
 * wants, in the pieces it wants. */
#include "station/client.h"

#include "station/base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

/* What the peer does with the one connection it takes. */
struct peer {
	char dir[32], path[64];
	int listener, fd;
	pthread_t thread;
	const char *const *pieces;	/* sent one after another; NULL at the end */
	size_t flood;			/* so many bytes without a line end */
	bool stay;			/* keep the connection open */
	char asked[256];
};

static void *serve(void *ctx)
{
	struct peer *p = ctx;
	static const char zeros[4096];
	p->fd = accept(p->listener, NULL, NULL);
	ssize_t n = read(p->fd, p->asked, sizeof(p->asked) - 1);
	p->asked[n > 0 ? n : 0] = '\0';
	for (const char *const *piece = p->pieces; piece && *piece; piece++) {
		assert_true(send(p->fd, *piece, strlen(*piece), MSG_NOSIGNAL) >= 0);
		clock_sleep_ms(2);
	}
	for (size_t sent = 0; sent < p->flood; sent += sizeof(zeros))
		if (send(p->fd, zeros, sizeof(zeros), MSG_NOSIGNAL) < 0)
			break;
	if (!p->stay)
		shutdown(p->fd, SHUT_RDWR);
	return NULL;
}

static void peer_start(struct peer *p)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	strcpy(p->dir, "/tmp/clientXXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->path, sizeof(p->path), "%s/s", p->dir);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", p->path);
	p->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(p->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(p->listener, 1), 0);
	assert_int_equal(pthread_create(&p->thread, NULL, serve, p), 0);
}

static void peer_stop(struct peer *p)
{
	pthread_join(p->thread, NULL);
	close(p->fd);
	close(p->listener);
	unlink(p->path);
	rmdir(p->dir);
}

static int64_t soon(void)
{
	return clock_steady_ms() + 5000;
}

static bool ask(struct peer *p, struct client **ret_client, json_t **ret, struct err *e)
{
	AUTO(json) json_t *request = json_pack("{s:s}", "do", "status");
	peer_start(p);
	if (!client_open(p->path, ret_client, e))
		fail_msg("%s", e->what);
	return client_ask(*ret_client, request, soon(), ret, e);
}

static void answer_in_pieces_is_one_answer(void **state)
{
	static const char *const pieces[] = {"{\"ok\":", "true,\"x\"", ":\"\xc3", "\xa9\"}", "\n", NULL};
	struct peer p = {.pieces = pieces};
	struct client *c = NULL;
	json_t *answer = NULL;
	struct err e = {0};
	assert_true(ask(&p, &c, &answer, &e));
	assert_string_equal(json_text_or(answer, "x", ""), "é");
	assert_string_equal(p.asked, "{\"do\":\"status\"}\n");
	json_decref(answer);
	client_close(c);
	peer_stop(&p);
}

static void refusal_becomes_the_error_that_it_names(void **state)
{
	static const char *const known[] = {"{\"ok\":false,\"code\":\"E-CFG-002\",\"what\":\"not on a line\"}\n", NULL};
	static const char *const unknown[] = {"{\"ok\":false,\"code\":\"E-XXX-999\"}\n", NULL};
	for (int i = 0; i < 2; i++) {
		struct peer p = {.pieces = i ? unknown : known};
		struct client *c = NULL;
		json_t *answer = NULL;
		struct err e = {0};
		assert_false(ask(&p, &c, &answer, &e));
		assert_int_equal(e.code, i ? E_USAGE : E_ROLE);
		assert_string_equal(e.what, i ? "the line refused the request" : "not on a line");
		assert_null(answer);
		client_close(c);
		peer_stop(&p);
	}
}

static void events_before_an_answer_are_kept_in_order(void **state)
{
	static const char *const pieces[] = {
		"{\"event\":\"a\"}\n{\"event\":\"b\"}\n{\"ok\":true}\n{\"event\":\"c\"}\n", NULL};
	static const char *const order[] = {"a", "b", "c"};
	struct peer p = {.pieces = pieces};
	struct client *c = NULL;
	json_t *answer = NULL;
	struct err e = {0};
	assert_true(ask(&p, &c, &answer, &e));
	json_decref(answer);
	for (int i = 0; i < 3; i++) {
		AUTO(json) json_t *event = NULL;
		assert_true(client_next(c, soon(), &event, &e));
		assert_string_equal(json_text_or(event, "event", ""), order[i]);
	}
	client_close(c);
	peer_stop(&p);
}

static void line_that_goes_away_is_not_running(void **state)
{
	static const char *const pieces[] = {"{\"ok\":true}\n{\"event\":", NULL};
	struct peer p = {.pieces = pieces};
	struct client *c = NULL;
	json_t *answer = NULL, *event = NULL;
	struct err e = {0};
	assert_true(ask(&p, &c, &answer, &e));
	json_decref(answer);
	assert_false(client_next(c, soon(), &event, &e));
	assert_int_equal(e.code, E_RUNNING);
	client_close(c);
	peer_stop(&p);
}

static void no_event_by_the_deadline_is_no_error(void **state)
{
	static const char *const pieces[] = {"{\"ok\":true}\n", NULL};
	struct peer p = {.pieces = pieces, .stay = true};
	struct client *c = NULL;
	json_t *answer = NULL, *event = NULL;
	struct err e = {0};
	assert_true(ask(&p, &c, &answer, &e));
	json_decref(answer);
	int64_t before = clock_steady_ms();
	assert_true(client_next(c, before + 50, &event, &e));
	assert_null(event);
	assert_true(clock_steady_ms() - before >= 49);
	assert_true(client_next(c, 0, &event, &e));
	assert_null(event);
	client_close(c);
	peer_stop(&p);
}

static void endless_line_is_cut_off(void **state)
{
	struct peer p = {.flood = (size_t)2 << 20};
	struct client *c = NULL;
	json_t *answer = NULL;
	struct err e = {0};
	assert_false(ask(&p, &c, &answer, &e));
	assert_int_equal(e.code, E_TEXT);
	client_close(c);
	peer_stop(&p);
}

static void what_is_no_json_object_is_refused(void **state)
{
	static const char *const lines[] = {"{\"ok\":true\n", "[1]\n", "\n", "{\"ok\":true,\"ok\":true}\n", "true\n"};
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		const char *const pieces[] = {lines[i], NULL};
		struct peer p = {.pieces = pieces};
		struct client *c = NULL;
		json_t *answer = NULL;
		struct err e = {0};
		assert_false(ask(&p, &c, &answer, &e));
		assert_int_equal(e.code, E_JSON);
		client_close(c);
		peer_stop(&p);
	}
}

static void nobody_listening_is_said_at_once(void **state)
{
	struct client *c = NULL;
	struct err e = {0};
	assert_false(client_open("/nonexistent/station.sock", &c, &e));
	assert_int_equal(e.code, E_RUNNING);
	assert_null(c);
	client_close(c);
}

static void path_too_long_for_a_socket_is_refused(void **state)
{
	char path[300];
	struct client *c = NULL;
	struct err e = {0};
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_false(client_open(path, &c, &e));
	assert_int_equal(e.code, E_TEXT);
}

static void says(const char *event, const char *text)
{
	struct err e = {0};
	AUTO(json) json_t *j = NULL;
	AUTO(bytes) struct bytes got = {0};
	if (!json_parse(event, strlen(event), &j, &e))
		fail_msg("%s", e.what);
	assert_true(client_event_text(j, &got, &e));
	assert_string_equal(bytes_text(&got), text);
}

static void events_read_as_lines(void **state)
{
	says("{\"event\":\"slot\",\"slot\":{\"name\":\"01\",\"state\":\"working\",\"stage\":\"install\",\"stage_index\":8,\"stage_count\":12,"
	     "\"serial\":\"S1\",\"safe_to_remove\":false,\"sentence\":\"Writes.\",\"since_ms\":0}}",
	     "1970-01-01T00:00:00.000Z slot 01 working install 8/12 serial S1 DO NOT PULL: Writes.\n");
	says("{\"event\":\"slot\",\"slot\":{\"name\":\"02\",\"state\":\"done\",\"verdict\":\"FAIL\",\"code\":\"E-TPM-001\",\"safe_to_remove\":true}}",
	     "1970-01-01T00:00:00.000Z slot 02 FAIL E-TPM-001\n");
	says("{\"event\":\"counts\",\"counts\":{\"pass\":3}}", "counts PASS 3 BUILT 0 HOLD 0 FAIL 0 open 0\n");
	says("{\"event\":\"device\",\"device\":{\"port\":\"p\",\"product\":\"K\",\"slot\":\"\",\"present\":false}}", "device p gone K in no slot\n");
	says("{\"event\":\"outbox\",\"outbox\":{\"waiting\":0,\"sent\":9,\"aside\":1,\"offline\":false}}", "outbox waiting 0 sent 9 aside 1\n");
	says("{\"event\":\"outbox\",\"outbox\":{\"waiting\":2,\"oldest_ms\":1000,\"offline\":true,\"since_ms\":2000,\"code\":\"E-DPS-001\","
	     "\"sentence\":\"Gone\\u001b.\"}}", "outbox waiting 2 sent 0 aside 0 oldest 1970-01-01T00:00:01.000Z offline since "
	     "1970-01-01T00:00:02.000Z E-DPS-001 Gone?.\n");
	says("{\"event\":\"snapshot\",\"station\":{\"name\":\"n\",\"state\":\"running\"},\"slots\":[{\"name\":\"1\",\"state\":\"empty\"}],\"counts\":{}}",
	     "1970-01-01T00:00:00.000Z line n running\n1970-01-01T00:00:00.000Z slot 1 empty\ncounts PASS 0 BUILT 0 HOLD 0 FAIL 0 open 0\n");
	says("{\"event\":\"future\"}", "");
	says("{}", "");
}

static void hostile_text_in_an_event_cannot_drive_a_terminal(void **state)
{
	says("{\"event\":\"device\",\"device\":{\"port\":\"p\",\"product\":\"\\u001b[2J\\r\\n\\u0085\\u009b\\u007f\xc3\xa9\",\"slot\":\"1\",\"present\":true}}",
	     "device p ?[2J?????é slot 1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer_in_pieces_is_one_answer),
		cmocka_unit_test(refusal_becomes_the_error_that_it_names),
		cmocka_unit_test(events_before_an_answer_are_kept_in_order),
		cmocka_unit_test(line_that_goes_away_is_not_running),
		cmocka_unit_test(no_event_by_the_deadline_is_no_error),
		cmocka_unit_test(endless_line_is_cut_off),
		cmocka_unit_test(what_is_no_json_object_is_refused),
		cmocka_unit_test(nobody_listening_is_said_at_once),
		cmocka_unit_test(path_too_long_for_a_socket_is_refused),
		cmocka_unit_test(events_read_as_lines),
		cmocka_unit_test(hostile_text_in_an_event_cannot_drive_a_terminal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
