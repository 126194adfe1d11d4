/* SPDX-License-Identifier: Apache-2.0 */
/* station run: the line. */
#include "station/base/clock.h"
#include "station/base/file.h"
#include "station/base/lockdown.h"
#include "station/base/log.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/desk.h"
#include "station/events.h"
#include "station/inbox.h"
#include "station/notify.h"
#include "station/offline.h"
#include "station/preflight.h"
#include "station/recheck.h"
#include "station/relay.h"
#include "station/shift/lot.h"
#include "station/shift/shift.h"
#include "station/uplink.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#define READY "Plug units in."

struct run {
	struct line line;
	struct events events;
	struct slots *slots;
	struct desk desk;
	struct usb_bus *bus;
	struct offline *offline;
	struct inbox *inbox;
	struct notify manager;
	int signals;
	bool unfit;	/* as it was said last */
	bool served;	/* it has been ready */
};

static void tell_slot(struct run *r, const struct slot_view *slot)
{
	desk_tell_of(&r->desk, "slot", slot_view_json(slot));
	if (slot->state == JOB_DONE && slot->verdict != VERDICT_NONE)
		desk_tell_of(&r->desk, "counts", desk_counts(&r->desk));
	if (slot->state == JOB_DONE && slot->verdict != VERDICT_NONE)
		desk_tell_shift(&r->desk);	/* the lot's places; and the MES hears of it */
}

static void on_change(void *ctx, const struct slot_view *slot, const struct stray_view *stray)
{
	struct run *r = ctx;
	if (slot) {
		events_slot(&r->events, slot);
		tell_slot(r, slot);
		return;
	}
	events_stray(&r->events, stray);
	desk_tell_of(&r->desk, "device", stray_view_json(stray));
}

static void on_uplink(void *ctx, const struct uplink_view *view)
{
	struct run *r = ctx;
	events_outbox(&r->events, view);
	desk_tell_of(&r->desk, "outbox", uplink_view_json(view));
}

/* The control socket's questions, and the API's; whoever may open the socket may change things. */
static json_t *ask_desk(void *ctx, const json_t *request, struct err *e)
{
	struct run *r = ctx;
	return desk_answer(&r->desk, request, true, e);
}

static json_t *ask_for_api(void *ctx, const json_t *request, bool may_change, struct err *e)
{
	struct run *r = ctx;
	return desk_answer(&r->desk, request, may_change, e);
}

static void on_relay(void *ctx, const struct relay_view *view)
{
	struct run *r = ctx;
	desk_tell_of(&r->desk, "mes", relay_view_json(view));
}

static void tell_line(struct run *r)
{
	desk_tell_of(&r->desk, "line", desk_station(&r->desk));
}

static void preflight_said(void *ctx, const char *name, bool ok, const char *text)
{
	struct run *r = ctx;
	events_preflight(&r->events, name, ok, text);
}

static bool put_state(struct run *r, json_t *body, struct err *e)
{
	struct ledger *l = r->line.ledger;
	struct lot_view lot;
	if (!lot_look(&r->line, &lot, e) || !ledger_begin(l, e)) {
		json_decref(body);
		return false;
	}
	if (relay_put(&r->line, "line.state", "", lot.id, "", body, e))
		return ledger_commit(l, e);
	ledger_rollback(l);
	return false;
}

/* The MES hears of it as soon as it can; the line is what it is where that cannot even be kept. */
static void tell_mes(struct run *r, const char *state, const struct err *why)
{
	struct err e = {0};
	const struct err_row *row = err_row(why->code);
	if (r->line.mode == MODE_RECHECK)
		return;
	json_t *body = json_pack("{s:s, s:s, s:s}", "state", state, "code", why->code ? row->code : "", "sentence",
				 why->code ? row->happened : "");
	if (!put_state(r, body, &e) || !relay_wake(r->line.relay, false, &e))
		log_err(LOG_LEVEL_WARN, &e, "telling the MES of the line");
}

/* True when a signal asked to stop. */
static bool told_to_stop(struct run *r)
{
	struct signalfd_siginfo info;
	return read(r->signals, &info, sizeof(info)) > 0;
}

/* Says when the line has become unfit, and, where that passes, when it is fit again. */
static void watch_fitness(struct run *r)
{
	struct err why = {0};
	bool unfit = !uplink_may_begin(&r->line, &why) && why.code != E_STOPPING;
	if (unfit == r->unfit)
		return;
	r->unfit = unfit;
	if (unfit)
		log_err(LOG_LEVEL_ERROR, &why, "the line is not fit");
	else
		log_info("the line is fit again");
	events_line(&r->events, unfit ? "unfit" : "ready", unfit ? err_row(why.code)->happened : READY);
	notify_status(&r->manager, unfit ? err_row(why.code)->happened : READY);
	tell_mes(r, unfit ? "unfit" : "ready", unfit ? &why : &(struct err){0});
	tell_line(r);
}

/* The service has answered, after a start without it. */
static void on_asked(void *ctx, const struct err *unfit)
{
	struct run *r = ctx;
	if (unfit)
		log_err(LOG_LEVEL_ERROR, unfit, "preflight, once the service was back");
	else
		log_info("preflight passed, now that the service is back");
	atomic_store(&r->desk.unasked, false);
	tell_line(r);
}

/* What the service says of this configuration, or, in an outage, said before. */
static bool ask_cloud(struct run *r, struct err *e)
{
	struct err why = {0};
	if (preflight_cloud(&r->line, preflight_said, r, &why))
		return offline_remember(&r->line, e);
	if (!offline_may_start(&r->line, &why, e))
		return false;
	log_err(LOG_LEVEL_WARN, &why, "the line starts without the service");
	atomic_store(&r->desk.unasked, true);
	return true;
}

static bool start_slots(struct run *r, struct err *e)
{
	if (!slots_start(&r->line, on_change, r, &r->slots, e))
		return false;
	r->desk.line = &r->line;
	r->line.slots = r->desk.slots = r->slots;
	return true;
}

static bool start_api(struct run *r, const struct config *c, struct err *e)
{
	AUTO(bytes) struct bytes token = {.secret = true};
	const struct api_face face = {ask_for_api, r};
	if (!c->api_listen[0])
		return true;
	return (!c->api_token[0] || secret_read(c->api_token, &token, e)) && api_start(c->api_listen, &token, &face, &r->desk.api, e);
}

/* Re-check knows neither cloud nor MES nor lots. */
static bool is_recheck(const struct run *r)
{
	return r->line.mode == MODE_RECHECK;
}

static bool open_production(struct run *r, struct err *e)
{
	return ask_cloud(r, e) && shift_open(&r->line, e) && relay_start(&r->line, on_relay, r, &r->line.relay, e) &&
	       uplink_start(&r->line, on_uplink, r, &r->line.uplink, e);
}

static bool open_all(struct run *r, const struct config *config, const struct launcher *launcher, struct err *e)
{
	char socket_path[PATH_MAX];
	const struct control_face face = {ask_desk, r};
	if (!http_start(e) || (is_recheck(r) && !recheck_begin(config, e)) || !line_open(&r->line, config, launcher, e) ||
	    !preflight_local(config, preflight_said, r, e) || (!is_recheck(r) && !open_production(r, e)))
		return false;
	return start_slots(r, e) &&
	       config_state_path(config, "station.sock", socket_path, sizeof(socket_path), e) &&
	       control_start(socket_path, &face, &r->desk.control, e) && start_api(r, config, e) &&
	       inbox_start(&r->line, &r->inbox, e) && usb_bus_open(slots_seen, r->slots, &r->bus, e) &&
	       (!atomic_load(&r->desk.unasked) || offline_start(&r->line, on_asked, r, &r->offline, e));
}

/* A sign of life for the service manager, once the line has answered itself what it answers clients: a lock that is never given
 * back, of a slot, the uplink or the ledger, ends the signs. */
static void show_life(struct run *r)
{
	struct err ignored = {0};
	if (!notify_is_due(&r->manager, clock_steady_ms()))
		return;
	json_decref(desk_status(&r->desk, NULL, &ignored));
	notify_alive(&r->manager, clock_steady_ms());
}

/* The session locks by itself. */
static void tick_shift(struct run *r)
{
	if (shift_tick(&r->line, slots_present(r->slots)))
		desk_tell_shift(&r->desk);
}

/* An unfit line stays, so that the screen can say why; only one that cannot fork any more ends itself, to be started again. */
static bool serve(struct run *r, struct err *e)
{
	AUTO(json) json_t *station = desk_station(&r->desk);
	log_warn("%s", json_text_or(station, "banner", ""));
	events_line(&r->events, "ready", READY);
	tell_mes(r, "ready", &(struct err){0});
	r->served = true;
	notify_status(&r->manager, READY);
	notify_ready(&r->manager);
	while (!atomic_load(&r->line.stopping)) {
		if (!usb_bus_run(r->bus, 100, e))
			return false;
		watch_fitness(r);
		tick_shift(r);
		show_life(r);
		if (!launcher_lives(&r->line.launcher, e)) {
			line_set_unfit(&r->line, e);
			return false;
		}
		if (told_to_stop(r))
			break;
	}
	atomic_store(&r->line.stopping, true);
	events_line(&r->events, "stopping", "Stages that run are finished first.");
	notify_status(&r->manager, "Stages that run are finished first.");
	notify_stopping(&r->manager);
	tell_mes(r, "stopped", &(struct err){0});
	tell_line(r);
	return true;
}

static void close_all(struct run *r)
{
	usb_bus_close(r->bus);
	slots_stop(r->slots);
	offline_stop(r->offline);
	inbox_stop(r->inbox);
	uplink_stop(r->line.uplink);
	relay_stop(r->line.relay);
	api_stop(r->desk.api);
	control_stop(r->desk.control);
	r->desk.control = NULL;
	api_free(r->desk.api);	/* the control socket's clients have told it to the end */
	r->desk.api = NULL;
	r->line.slots = NULL;
	slots_free(r->slots);
	relay_free(r->line.relay);
	r->line.relay = NULL;
	shift_close(&r->line);
	uplink_free(r->line.uplink);
	line_close(&r->line);
	http_stop();
}

/* Signals come through a descriptor: blocked before any thread, so that all threads inherit that. */
static bool catch_signals(int *ret, struct err *e)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);	/* a terminal that closes ends the line in order */
	sigprocmask(SIG_BLOCK, &set, NULL);
	*ret = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *ret >= 0 || err_errno(e, E_FILE, "signalfd");
}

/* What the command line asks for: --recheck; the rest only by tests (docs/decisions/006-stop-at.md) and `station training`. */
struct told {
	const char *stop_at, *stage_limit;
	bool training;	/* by `station training`, of its own configuration */
	bool recheck;
};

static bool told_take(const struct told *told, struct line *line, struct err *e)
{
	char none[] = "", *end = none;
	line->mode = told->recheck ? MODE_RECHECK : told->training ? MODE_TRAINING : MODE_PRODUCTION;
	snprintf(line->stop_at, sizeof(line->stop_at), "%s", told->stop_at ? told->stop_at : "");
	line->stage_limit_ms = told->stage_limit ? strtoll(told->stage_limit, &end, 10) : 0;
	return (!*end && line->stage_limit_ms >= 0) || err_set(e, E_USAGE, "--stage-limit wants milliseconds");
}

static int run_line(const struct config *config, const struct launcher *launcher, bool json, const struct told *told, struct err *e)
{
	struct run r = {.signals = -1};
	events_init(&r.events, json);
	if (!told_take(told, &r.line, e))
		return EXIT_FAILED;
	notify_init(&r.manager);
	bool ok = catch_signals(&r.signals, e) && open_all(&r, config, launcher, e) && serve(&r, e);
	if (!ok) {
		events_line(&r.events, "unfit", err_row(e->code)->happened);
		notify_status(&r.manager, err_row(e->code)->happened);
	}
	bool fit = ok && !r.unfit;
	close_all(&r);
	close(r.signals);
	notify_fini(&r.manager);
	if (ok)
		events_line(&r.events, "stopped", "");
	return fit ? EXIT_OK : r.served && !ok ? EXIT_AGAIN : EXIT_UNFIT;
}

static int run(int argc, char **argv, struct err *e)
{
	const char *path = NULL;
	struct told told = {0};
	bool json = false;
	const struct command_option options[] = {
		{"config", &path, NULL}, {"json", NULL, &json}, {"training", NULL, &told.training},
		{"recheck", NULL, &told.recheck}, {"stop-at", &told.stop_at, NULL}, {"stage-limit", &told.stage_limit, NULL}, {0},
	};
	struct config *config = NULL;
	struct launcher launcher = {-1, 0};
	if (!command_options(&argc, argv, options, e) || !command_config(path, &config, e))
		return EXIT_FAILED;
	if (told.recheck && !recheck_place(config, e)) {
		config_free(config);
		return EXIT_FAILED;
	}
	log_setup("line", getenv("STATION_DEBUG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	/* A file that may not grow and a reader that has gone are errors, for this process and its children, not the end. */
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	/* The launcher is forked while this process has nothing but the configuration: no thread, no descriptor, no secret. */
	int code = EXIT_UNFIT;
	if (launcher_start(config, &launcher, e)) {
		if (lockdown_no_core(e))
			code = run_line(config, &launcher, json, &told, e);
		launcher_stop(&launcher);
	}
	config_free(config);
	return code;
}

const struct command run_command = {"run", "--config FILE [--json] [--recheck] [--stop-at STAGE:WHEN] [--stage-limit MS]",
				    "run the line", run};
