/* SPDX-License-Identifier: Apache-2.0 */
#include "station/control.h"
#include "station/base/clock.h"
#include "station/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cmocka.h>

struct desk {
	char path[64];
	struct control *control;
	atomic_int stops;
};

static json_t *answer_desk(void *ctx, const json_t *request, struct err *e)
{
	struct desk *d = ctx;
	const char *what = json_text_or(request, "do", ""), *again = json_text_or(request, "again", "");
	if (!strcmp(what, "status"))
		return json_pack("{s:{s:s}}", "station", "state", "running");
	if (!strcmp(what, "stop")) {
		atomic_fetch_add(&d->stops, 1);
		return json_object();
	}
	if (!strcmp(what, "upload") && strcmp(again, "nobody") != 0)
		return json_pack("{s:{s:s}}", "outbox", "again", again);
	err_set(e, E_USAGE, "no %s %s", what, again);
	return NULL;
}

static int setup(void **state)
{
	static struct desk d;
	struct err e = {0};
	memset(&d, 0, sizeof(d));
	snprintf(d.path, sizeof(d.path), "/tmp/test_control.%d.sock", (int)getpid());
	const struct control_face face = {answer_desk, &d};
	*state = &d;
	return control_start(d.path, &face, &d.control, &e) ? 0 : -1;
}

static int teardown(void **state)
{
	struct desk *d = *state;
	control_stop(d->control);
	return 0;
}

static json_t *ask(struct client *c, const char *what, struct err *e)
{
	AUTO(json) json_t *request = json_pack("{s:s}", "do", what);
	json_t *answer = NULL;
	return client_ask(c, request, clock_steady_ms() + 5000, &answer, e) ? answer : NULL;
}

static void status_stop_and_nonsense_are_answered(void **state)
{
	struct desk *d = *state;
	struct client *c = NULL;
	struct err e = {0};
	assert_true(client_open(d->path, &c, &e));
	json_t *answer = ask(c, "status", &e);
	assert_string_equal(json_text_or(json_object_get(answer, "station"), "state", ""), "running");
	json_decref(answer);
	json_decref(ask(c, "stop", &e));
	assert_int_equal(atomic_load(&d->stops), 1);
	assert_null(ask(c, "dance", &e));
	assert_int_equal(e.code, E_USAGE);
	client_close(c);
}

static void watcher_gets_the_snapshot_first_and_then_events(void **state)
{
	struct desk *d = *state;
	struct client *c = NULL;
	struct err e = {0};
	json_t *event = NULL;
	assert_true(client_open(d->path, &c, &e));
	json_t *answer = ask(c, "watch", &e);
	assert_string_equal(json_text_or(answer, "event", ""), "snapshot");
	json_decref(answer);
	for (int i = 0; i < 100; i++)
		control_tell(d->control, json_pack("{s:s, s:i}", "event", "slot", "n", i));
	for (int i = 0; i < 100; i++) {
		assert_true(client_next(c, clock_steady_ms() + 5000, &event, &e));
		assert_non_null(event);
		assert_int_equal(json_int_or(event, "n", -1), i);
		json_decref(event);
	}
	client_close(c);
}

static int raw_connection(const char *path)
{
	struct sockaddr_un where = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(where.sun_path, sizeof(where.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&where, sizeof(where)), 0);
	return fd;
}

static void watcher_that_does_not_read_is_dropped_and_holds_nobody_up(void **state)
{
	struct desk *d = *state;
	char big[4000];
	struct client *other = NULL;
	struct err e = {0};
	int fd = raw_connection(d->path);
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	assert_int_equal(write(fd, "{\"do\":\"watch\"}\n", 15), 15);
	clock_sleep_ms(100);
	int64_t began_ms = clock_steady_ms();
	for (int i = 0; i < 1000; i++)
		control_tell(d->control, json_pack("{s:s}", "text", big));
	assert_true(clock_steady_ms() - began_ms < 20000);
	assert_true(client_open(d->path, &other, &e));
	json_t *answer = ask(other, "status", &e);
	assert_non_null(answer);
	json_decref(answer);
	client_close(other);
	close(fd);
}

static void garbage_and_endless_requests_end_only_their_own_connection(void **state)
{
	struct desk *d = *state;
	struct client *c = NULL;
	struct err e = {0};
	char junk[8192];
	int fd = raw_connection(d->path);
	memset(junk, '{', sizeof(junk));
	assert_true(write(fd, junk, sizeof(junk)) > 0);
	char answer[16];
	assert_true(read(fd, answer, sizeof(answer)) <= 0);	/* dropped */
	close(fd);
	assert_true(client_open(d->path, &c, &e));
	json_decref(ask(c, "status", &e));
	assert_int_equal(e.code, E_NONE);
	client_close(c);
}

/* The queue of who wants in is short, so that a flood is soon over. */
static struct client *open_patiently(const struct desk *d)
{
	struct client *c = NULL;
	int64_t deadline_ms = clock_steady_ms() + 5000;
	for (struct err e = {0}; !client_open(d->path, &c, &e); err_clear(&e)) {
		assert_true(clock_steady_ms() < deadline_ms);
		clock_sleep_ms(5);
	}
	return c;
}

static void clients_that_only_sit_there_make_room_and_watchers_stay(void **state)
{
	struct desk *d = *state;
	struct client *watcher, *idle[CONTROL_CLIENTS], *late;
	struct err e = {0};
	assert_true(client_open(d->path, &watcher, &e));
	json_decref(ask(watcher, "watch", &e));
	for (size_t i = 0; i < CONTROL_CLIENTS; i++)
		idle[i] = open_patiently(d);
	late = open_patiently(d);
	json_t *answer = ask(late, "status", &e);
	assert_non_null(answer);
	json_decref(answer);
	control_tell(d->control, json_pack("{s:s}", "event", "counts"));
	assert_true(client_next(watcher, clock_steady_ms() + 5000, &answer, &e));
	assert_non_null(answer);
	assert_string_equal(json_text_or(answer, "event", ""), "counts");
	json_decref(answer);
	assert_null(ask(idle[0], "status", &e));
	for (size_t i = 0; i < CONTROL_CLIENTS; i++)
		client_close(idle[i]);
	client_close(late);
	client_close(watcher);
}

static void second_line_on_a_living_socket_is_refused_and_a_dead_one_replaced(void **state)
{
	struct desk *d = *state;
	struct control *second = NULL;
	struct err e = {0};
	struct stat st;
	const struct control_face face = {answer_desk, d};
	assert_false(control_start(d->path, &face, &second, &e));
	assert_int_equal(e.code, E_DB_LOCKED);
	char dead[80];
	snprintf(dead, sizeof(dead), "%s.dead", d->path);
	struct sockaddr_un where = {.sun_family = AF_UNIX};
	snprintf(where.sun_path, sizeof(where.sun_path), "%s", dead);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&where, sizeof(where)), 0);
	close(fd);	/* its name stays behind, as after kill -9 */
	err_clear(&e);
	assert_true(control_start(dead, &face, &second, &e));
	assert_int_equal(stat(dead, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	control_stop(second);
}

/* The member of the answer's outbox, or the error's code. */
static const char *ask_upload(const struct desk *d, const char *again, char *out, size_t room)
{
	struct client *c;
	struct err e = {0};
	json_t *answer = NULL;
	AUTO(json) json_t *request = again ? json_pack("{s:s, s:s}", "do", "upload", "again", again) : json_pack("{s:s}", "do", "upload");
	assert_true(client_open(d->path, &c, &e));
	if (client_ask(c, request, clock_steady_ms() + 5000, &answer, &e))
		snprintf(out, room, "ok %s", json_text_or(json_object_get(answer, "outbox"), "again", "?"));
	else
		snprintf(out, room, "%s", err_row(e.code)->code);
	json_decref(answer);
	client_close(c);
	return out;
}

static void upload_names_a_unit_or_none_and_its_refusal_is_answered(void **state)
{
	struct desk *d = *state;
	char out[64];
	assert_string_equal(ask_upload(d, NULL, out, sizeof(out)), "ok ");
	assert_string_equal(ask_upload(d, "unit-7", out, sizeof(out)), "ok unit-7");
	assert_string_equal(ask_upload(d, "nobody", out, sizeof(out)), "E-CFG-003");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(status_stop_and_nonsense_are_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(watcher_gets_the_snapshot_first_and_then_events, setup, teardown),
		cmocka_unit_test_setup_teardown(watcher_that_does_not_read_is_dropped_and_holds_nobody_up, setup, teardown),
		cmocka_unit_test_setup_teardown(garbage_and_endless_requests_end_only_their_own_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(upload_names_a_unit_or_none_and_its_refusal_is_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(clients_that_only_sit_there_make_room_and_watchers_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(second_line_on_a_living_socket_is_refused_and_a_dead_one_replaced, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
