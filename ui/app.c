/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/app.h"
#include "ui/screen.h"
#include "ui/term.h"

#include "station/base/clock.h"
#include "station/client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define DRAW_EVERY_MS 100	/* at most */
#define TICK_MS 1000		/* the clock in the title */
#define RETRY_MS 1000
#define SNAPSHOT_MS 3000	/* a line that takes longer counts as not reachable */
#define EVENTS_AT_ONCE 500	/* then keys have their turn */

struct app {
	const char *socket_path;
	struct term *term;
	struct client *client;	/* NULL: not connected */
	struct model model;
	struct view view;
	const struct screen *screen;
	bool changed;		/* since the last drawing */
	int64_t drawn_ms, try_ms, asked_ms;	/* steady clock */
};

static void lose(struct app *a, const char *why)
{
	client_close(a->client);
	a->client = NULL;
	a->try_ms = clock_steady_ms() + RETRY_MS;
	a->changed = true;
	model_lost(&a->model, why);
}

static void try_line(struct app *a)
{
	struct err e = {0};
	AUTO(json) json_t *request = json_pack("{s:s}", "do", "watch");
	a->asked_ms = clock_steady_ms();
	if (!client_open(a->socket_path, &a->client, &e) || !client_send(a->client, request, a->asked_ms, &e))
		lose(a, e.what);
}

/* Takes in what the line has sent; false when the connection is of no more use. */
static bool take_events(struct app *a, struct err *e)
{
	for (int i = 0; i < EVENTS_AT_ONCE; i++) {
		AUTO(json) json_t *event = NULL;
		if (!client_next(a->client, 0, &event, e))
			return false;
		if (!event)
			return true;
		if (json_is_false(json_object_get(event, "ok")))
			return err_set(e, E_RUNNING, "%s", json_text_or(event, "what", "the line refused"));
		a->changed |= model_apply(&a->model, event);
	}
	return true;
}

static void serve_line(struct app *a)
{
	struct err e = {0};
	int64_t now = clock_steady_ms();
	if (!a->client && now >= a->try_ms)
		try_line(a);
	if (a->client && !take_events(a, &e))
		lose(a, e.what);
	if (a->client && !a->model.reachable && now > a->asked_ms + SNAPSHOT_MS)
		lose(a, "The line took the connection, but does not answer.");
}

static bool draw(struct app *a, struct err *e)
{
	int rows, cols;
	int64_t now = clock_steady_ms();
	bool due = a->changed ? now >= a->drawn_ms + DRAW_EVERY_MS : now >= a->drawn_ms + TICK_MS;
	if (!due)
		return true;
	AUTO(canvas) struct canvas c = {0};
	term_size(a->term, &rows, &cols);
	if (!canvas_init(&c, rows, cols, term_is_ascii(a->term), e))
		return false;
	a->model.now_ms = clock_wall_ms();
	screen_draw(a->screen, &c, &a->model, &a->view);
	term_paint(a->term, &c);
	a->drawn_ms = now;
	a->changed = false;
	return true;
}

/* Returns false when the operator leaves. */
static bool take_keys(struct app *a)
{
	for (int key; (key = term_key(a->term)) != KEYS_NOTHING;) {
		struct next next = screen_key(a->screen, &a->view, &a->model, key);
		a->changed = true;
		if (next.what == NEXT_QUIT)
			return false;
		if (next.what == NEXT_SCREEN)
			a->screen = screen_find(next.screen);
	}
	return true;
}

/* Milliseconds until something is to be done without being asked. */
static int idle_ms(const struct app *a)
{
	int64_t now = clock_steady_ms();
	int64_t draw_at = a->drawn_ms + (a->changed ? DRAW_EVERY_MS : TICK_MS);
	int64_t at = !a->client && a->try_ms < draw_at ? a->try_ms : draw_at;
	return at > now ? (int)(at - now) : 0;
}

/* One round; *ret_end when the console is to end. */
static bool step(struct app *a, bool *ret_end, struct err *e)
{
	struct pollfd p[3] = {
		{.fd = term_input_fd(a->term), .events = POLLIN},
		{.fd = term_signal_fd(a->term), .events = POLLIN},
		{.fd = a->client ? client_fd(a->client) : -1, .events = POLLIN},
	};
	if (poll(p, COUNT_OF(p), idle_ms(a)) < 0 && errno != EINTR)
		return err_errno(e, E_FILE, "poll");
	if (p[1].revents) {
		enum term_event event = term_event(a->term);
		a->changed |= event == TERM_RESIZED;
		*ret_end = event == TERM_END;
	}
	bool gone = (p[0].revents & (POLLHUP | POLLERR | POLLNVAL)) || ((p[0].revents & POLLIN) && term_is_gone(a->term));
	*ret_end = *ret_end || gone || (p[0].revents && !take_keys(a));
	serve_line(a);
	return *ret_end || draw(a, e);
}

bool app_run(const struct app_options *o, struct err *e)
{
	bool end = false;
	struct app *a = calloc(1, sizeof(*a));
	if (!a)
		return err_set(e, E_NOMEM, "console");
	a->socket_path = o->socket_path;
	a->screen = screen_table[0];
	a->changed = true;
	bool ok = term_open(o->mono, o->ascii, &a->term, e);
	if (ok)
		serve_line(a);
	while (ok && !end)
		ok = step(a, &end, e);
	term_close(a->term);
	client_close(a->client);
	free(a);
	return ok;
}
