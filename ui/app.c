/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/app.h"
#include "ui/scan_input.h"
#include "ui/screen.h"
#include "ui/term.h"

#include "station/base/clock.h"
#include "station/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define DRAW_EVERY_MS 100	/* at most */
#define TICK_MS 1000		/* the clock in the title */
#define RETRY_MS 1000
#define SNAPSHOT_MS 3000	/* a line that takes longer counts as not reachable */
#define EVENTS_AT_ONCE 500	/* then keys have their turn */
#define RING_EVERY_MS 400	/* of several rings */
#define OWED_MOST 32		/* answers; codes that are scanned faster than the line answers are refused */
#define ANSWER_MS 60000	/* a question that is not answered by then is asked again */

struct app {
	const char *socket_path;
	struct term *term;
	struct client *client;	/* NULL: not connected */
	struct model model;
	struct view view;
	const struct screen *screen;
	struct scan_input scan;
	enum headline_kind headline;	/* as it was last */
	int rings;		/* still to be rung */
	json_t *answer;		/* to what the screen wanted */
	json_t *wanted;		/* what it wanted last */
	bool waits;		/* for the answer to that */
	const struct screen *owed[OWED_MOST];	/* who waits for the answers to come, in their order; NULL: a code */
	size_t owed_count;
	char notice[128];
	bool changed;		/* since the last drawing */
	int64_t drawn_ms, try_ms, asked_ms, wanted_ms, rung_ms;	/* steady clock */
};

static void lose(struct app *a, const char *why)
{
	client_close(a->client);
	a->client = NULL;
	a->try_ms = clock_steady_ms() + RETRY_MS;
	a->changed = true;
	a->waits = false;
	a->owed_count = 0;
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

static void say(struct app *a, const char *text)
{
	snprintf(a->notice, sizeof(a->notice), "%s", text);
	a->changed = true;
}

static void go_to(struct app *a, const struct screen *s)
{
	if (!s || s == a->screen)
		return;
	a->screen = s;
	a->view.page = 0;
	json_decref(a->answer);
	json_decref(a->wanted);
	a->answer = a->wanted = NULL;
	a->waits = false;
}

/* Who asked for the answer that has come: the line answers in the order of the questions. */
static const struct screen *take_owed(struct app *a)
{
	const struct screen *s = a->owed[0];
	if (a->owed_count == 0)
		return NULL;
	memmove(a->owed, a->owed + 1, --a->owed_count * sizeof(a->owed[0]));
	return s;
}

/* An answer of the line: to a code, or to what a screen wanted. */
static void take_answer(struct app *a, const json_t *answer)
{
	bool refused = json_is_false(json_object_get(answer, "ok"));
	const struct screen *asked = take_owed(a);
	a->changed = true;
	if (asked && asked != a->screen)
		return;
	a->waits = a->waits && !asked;
	if (refused) {
		say(a, json_text_or(answer, "happened", "The line refused."));
		return;
	}
	if (!asked) {
		a->notice[0] = '\0';
		go_to(a, screen_find(json_text_or(answer, "screen", "")));
		return;
	}
	json_decref(a->answer);
	a->answer = json_incref((json_t *)(uintptr_t)answer);
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
		if (json_object_get(event, "event"))
			a->changed |= model_apply(&a->model, event);
		else
			take_answer(a, event);
	}
	return true;
}

/* ---- asking ---- */

/* `asked`: the screen that wants the answer; NULL: a code. Takes the request. */
static bool ask(struct app *a, const struct screen *asked, json_t *request)
{
	struct err e = {0};
	AUTO(json) json_t *owned = request;
	if (!request || !a->client || !a->model.reachable || a->owed_count == COUNT_OF(a->owed))
		return false;
	if (client_send(a->client, request, clock_steady_ms(), &e)) {
		a->owed[a->owed_count++] = asked;
		return true;
	}
	lose(a, e.what);
	return false;
}

/* The screen is asked what it wants, and the line for that: when it changes, and now and then. */
static void ask_for_screen(struct app *a)
{
	int64_t now = clock_steady_ms();
	a->view.answer = a->answer;
	bool late = a->waits && now > a->wanted_ms + ANSWER_MS;
	if (!a->screen->wants || (a->waits && !late) || !a->model.reachable)
		return;
	AUTO(json) json_t *wanted = a->screen->wants(&a->view, &a->model);
	bool new = !a->wanted || !json_equal(wanted, a->wanted);
	if (!wanted || (!new && now < a->wanted_ms + WANT_EVERY_MS))
		return;
	json_decref(a->wanted);
	a->wanted = json_incref(wanted);
	a->wanted_ms = now;
	a->waits = ask(a, a->screen, json_incref(wanted));
}

static bool is_pin(const struct app *a, const struct scan_event *e)
{
	bool digits = e->code[strspn(e->code, "0123456789")] == '\0';
	return !strcmp(a->model.shift.talk.wants, "pin") && (e->typed || digits);
}

/* A code for the line; in the journal a label is searched for. A PIN is neither, however fast it came. */
static void send_code(struct app *a, const struct scan_event *e)
{
	bool pin = is_pin(a, e);
	bool search = !pin && a->screen->wants && !strcmp(a->screen->name, "journal") && !strchr(e->code, ':');
	a->notice[0] = '\0';
	if (search) {
		snprintf(a->view.search, sizeof(a->view.search), "%.64s", e->code);
		a->view.page = 0;
		return;
	}
	json_t *request = pin ? json_pack("{s:s, s:s}", "do", "pin", "pin", e->code) : json_pack("{s:s, s:s}", "do",
			"scan", "code", e->code);
	if (!ask(a, NULL, request))
		say(a, request ? "The line is not reachable: scan it again later." : "The code is no text.");
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
	a->view.answer = a->answer;
	a->view.typed = a->scan.typing ? a->scan.typed : NULL;
	a->view.notice = a->notice[0] ? a->notice : NULL;
	screen_draw(a->screen, &c, &a->model, &a->view);
	term_paint(a->term, &c);
	a->drawn_ms = now;
	a->changed = false;
	return true;
}

/* ---- keys and codes ---- */

/* Returns false when the operator leaves. */
static bool take_scanned(struct app *a, struct scan_event *e)
{
	struct next next = {NEXT_STAY, NULL};
	a->changed |= e->what != SCANNED_NOTHING || a->scan.typing;
	switch (e->what) {
	case SCANNED_KEY:
		next = screen_key(a->screen, &a->view, &a->model, e->key);
		break;
	case SCANNED_CODE:
		send_code(a, e);
		break;
	case SCANNED_CUT:
		say(a, "That code was not whole: scan it again.");
		break;
	case SCANNED_NOTHING:
		break;
	}
	wipe(e, sizeof(*e));
	if (next.what == NEXT_SCREEN)
		go_to(a, screen_find(next.screen));
	return next.what != NEXT_QUIT;
}

/* The scanner is set up as the line says, as soon as it has. */
static void set_up_scanner(struct app *a)
{
	a->scan.pin = !strcmp(a->model.shift.talk.wants, "pin");
	scan_input_setup(&a->scan, a->model.scanner.prefix, a->model.scanner.suffix, a->model.scanner.gap_ms);
}

/* Returns false when the operator leaves. */
static bool take_keys(struct app *a)
{
	struct scan_event e;
	bool stays = true;
	set_up_scanner(a);
	for (int key; stays && (key = term_key(a->term)) != KEYS_NOTHING;) {
		int64_t now = clock_steady_ms();
		scan_input_tick(&a->scan, now, &e);
		stays = take_scanned(a, &e);
		scan_input_feed(&a->scan, key, now, &e);
		stays = stays && take_scanned(a, &e);
	}
	scan_input_tick(&a->scan, clock_steady_ms(), &e);
	return take_scanned(a, &e) && stays;
}

/* One sound per tray. */
static void ring(struct app *a)
{
	char text[640];
	int64_t now = clock_steady_ms();
	enum headline_kind kind = model_headline(&a->model, text, sizeof(text));
	int rings = headline_rings(a->headline, kind, &a->model);
	a->rings = rings ? rings : a->rings;
	a->headline = kind;
	if (!a->rings || now < a->rung_ms + RING_EVERY_MS)
		return;
	a->rings--;
	a->rung_ms = now;
	if (a->model.scanner.sound)
		term_ring(a->term);
}

/* Milliseconds until something is to be done without being asked. */
static int idle_ms(const struct app *a)
{
	int64_t now = clock_steady_ms();
	int64_t draw_at = a->drawn_ms + (a->changed ? DRAW_EVERY_MS : TICK_MS);
	int64_t at = !a->client && a->try_ms < draw_at ? a->try_ms : draw_at;
	int scan_ms = scan_input_due_ms(&a->scan, now);
	at = scan_ms >= 0 && now + scan_ms < at ? now + scan_ms : at;
	at = a->rings && a->rung_ms + RING_EVERY_MS < at ? a->rung_ms + RING_EVERY_MS : at;
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
	*ret_end = *ret_end || gone || !take_keys(a);
	serve_line(a);
	ring(a);
	ask_for_screen(a);
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
	json_decref(a->answer);
	json_decref(a->wanted);
	wipe(&a->scan, sizeof(a->scan));
	free(a);
	return ok;
}
