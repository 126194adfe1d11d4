/* SPDX-License-Identifier: Apache-2.0 */
/* station run: the line. */
#include "station/base/clock.h"
#include "station/base/lockdown.h"
#include "station/base/log.h"
#include "station/base/text.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/control.h"
#include "station/events.h"
#include "station/offline.h"
#include "station/pipeline.h"
#include "station/preflight.h"
#include "station/uplink.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#define TRIAL_BANNER "A driver is on trial (fault, record or replay): not for production. "
#define CUSTODY_BANNER "The CA key is a file: for training and trial, not for production."
#define READY "Plug units in."
#define OFFLINE_BANNER "Started without the cloud, which is asked again by itself. "

struct run {
	struct line line;
	struct events events;
	struct slots *slots;
	struct control *control;
	struct usb_bus *bus;
	struct offline *offline;
	atomic_bool unasked;	/* started while the service was away, and it has not answered yet */
	int signals;
	bool unfit;	/* as it was said last */
};

static json_t *counts_json(struct run *r)
{
	struct job_counts n = {0};
	struct err ignored = {0};
	if (!jobs_count(r->line.ledger, &n, &ignored))
		log_err(LOG_LEVEL_WARN, &ignored, "counts");
	return json_pack("{s:I,s:I,s:I,s:I,s:I}", "pass", (json_int_t)n.pass, "built", (json_int_t)n.built, "hold", (json_int_t)n.hold,
			 "fail", (json_int_t)n.fail, "open", (json_int_t)n.open);
}

static void tell_slot(struct run *r, const struct slot_view *slot)
{
	control_tell(r->control, json_pack("{s:s, s:o}", "event", "slot", "slot", slot_view_json(slot)));
	if (slot->state == JOB_DONE && slot->verdict != VERDICT_NONE)
		control_tell(r->control, json_pack("{s:s, s:o}", "event", "counts", "counts", counts_json(r)));
}

static void on_change(void *ctx, const struct slot_view *slot, const struct stray_view *stray)
{
	struct run *r = ctx;
	if (slot) {
		events_slot(&r->events, slot);
		if (r->control)
			tell_slot(r, slot);
		return;
	}
	events_stray(&r->events, stray);
	if (r->control)
		control_tell(r->control, json_pack("{s:s, s:o}", "event", "device", "device", stray_view_json(stray)));
}

/* A profile whose driver has something around it (drivers/wrap.h). */
static bool is_on_trial(const struct config *c)
{
	for (size_t i = 0; i < c->profile_count; i++)
		if (strchr(c->profile[i].driver, ':'))
			return true;
	return false;
}

static json_t *line_json(struct run *r)
{
	struct line *l = &r->line;
	struct err why = {0};
	char config_sha256[65];
	bool fit = uplink_may_begin(l, &why);
	hex_encode(l->config->sha256, 32, config_sha256);
	char banner[256];
	snprintf(banner, sizeof(banner), "%s%s%s", is_on_trial(l->config) ? TRIAL_BANNER : "",
		 atomic_load(&r->unasked) ? OFFLINE_BANNER : "", CUSTODY_BANNER);
	const char *state = fit ? "running" : why.code == E_STOPPING ? "stopping" : "unfit";
	json_t *stages = json_array();
	for (int i = 0; i < pipeline_count; i++)
		json_array_append_new(stages, json_string(pipeline[i].name));
	const struct err_row *row = err_row(why.code);
	json_t *line = json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:o}", "name", l->config->name, "role",
				 l->config->role == ROLE_LINE ? "line" : "engineer", "state", state, "since_ms",
				 (json_int_t)l->started_ms, "config_sha256", config_sha256, "build", STATION_VERSION, "banner", banner,
				 "stages", stages);
	json_object_update_new(line, json_pack("{s:s, s:s, s:s, s:s}", "sentence", fit ? "" : row->happened, "code", fit ? "" : row->code,
					       "todo", fit ? "" : row->todo, "whom", fit ? "" : row->whom));
	return line;
}

static json_t *outbox_json(struct run *r)
{
	struct uplink_view view;
	uplink_look(r->line.uplink, &view);
	return uplink_view_json(&view);
}

static void on_uplink(void *ctx, const struct uplink_view *view)
{
	struct run *r = ctx;
	events_outbox(&r->events, view);
	if (r->control)
		control_tell(r->control, json_pack("{s:s, s:o}", "event", "outbox", "outbox", uplink_view_json(view)));
}

static json_t *status(void *ctx)
{
	struct run *r = ctx;
	struct merkle_hash root = {0};
	struct err ignored = {0};
	uint64_t size = 0;
	char hex[65];
	json_t *slots = json_array();
	for (size_t i = 0; i < slots_count(r->slots); i++) {
		struct slot_view v;
		slots_look(r->slots, i, &v);
		json_array_append_new(slots, slot_view_json(&v));
	}
	if (!audit_head(r->line.ledger, &size, &root, &ignored))
		log_err(LOG_LEVEL_WARN, &ignored, "status");
	hex_encode(root.h, sizeof(root.h), hex);
	return json_pack("{s:o, s:o, s:o, s:o, s:{s:I,s:s}}", "station", line_json(r), "slots", slots, "counts",
			 counts_json(r), "outbox", outbox_json(r), "audit", "size", (json_int_t)size, "root", hex);
}

static void stop(void *ctx)
{
	struct run *r = ctx;
	atomic_store(&r->line.stopping, true);
}

static json_t *upload(void *ctx, const char *again, struct err *e)
{
	struct run *r = ctx;
	if (*again && !uplink_again(r->line.ledger, again, e))
		return NULL;
	uplink_wake(r->line.uplink);
	return json_pack("{s:o}", "outbox", outbox_json(r));
}

static void tell_line(struct run *r)
{
	control_tell(r->control, json_pack("{s:s, s:o}", "event", "line", "line", line_json(r)));
}

static void preflight_said(void *ctx, const char *name, bool ok, const char *text)
{
	struct run *r = ctx;
	events_preflight(&r->events, name, ok, text);
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
	atomic_store(&r->unasked, false);
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
	atomic_store(&r->unasked, true);
	return true;
}

static bool open_all(struct run *r, const struct config *config, const struct launcher *launcher, struct err *e)
{
	char socket_path[PATH_MAX];
	const struct control_face face = {status, stop, r, upload};
	if (!http_start(e) || !line_open(&r->line, config, launcher, e) ||
	    !preflight_local(config, preflight_said, r, e) || !ask_cloud(r, e))
		return false;
	return uplink_start(&r->line, on_uplink, r, &r->line.uplink, e) && slots_start(&r->line, on_change, r, &r->slots, e) &&
	       config_state_path(config, "station.sock", socket_path, sizeof(socket_path), e) &&
	       control_start(socket_path, &face, &r->control, e) && usb_bus_open(slots_seen, r->slots, &r->bus, e) &&
	       (!atomic_load(&r->unasked) || offline_start(&r->line, on_asked, r, &r->offline, e));
}

/* An unfit line stays, so that the screen can say why; only one that cannot fork any more ends itself, to be started again. */
static bool serve(struct run *r, struct err *e)
{
	log_warn("%s%s", is_on_trial(r->line.config) ? TRIAL_BANNER : "", CUSTODY_BANNER);
	events_line(&r->events, "ready", READY);
	while (!atomic_load(&r->line.stopping)) {
		if (!usb_bus_run(r->bus, 100, e))
			return false;
		watch_fitness(r);
		if (!launcher_lives(&r->line.launcher, e)) {
			line_set_unfit(&r->line, e);
			return false;
		}
		if (told_to_stop(r))
			break;
	}
	atomic_store(&r->line.stopping, true);
	events_line(&r->events, "stopping", "Stages that run are finished first.");
	tell_line(r);
	return true;
}

static void close_all(struct run *r)
{
	usb_bus_close(r->bus);
	slots_stop(r->slots);
	offline_stop(r->offline);
	uplink_stop(r->line.uplink);
	control_stop(r->control);
	slots_free(r->slots);
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

/* What only tests ask for (docs/decisions/006-stop-at.md). */
struct told {
	const char *stop_at, *stage_limit;
};

static bool told_take(const struct told *told, struct line *line, struct err *e)
{
	char none[] = "", *end = none;
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
	bool ok = catch_signals(&r.signals, e) && open_all(&r, config, launcher, e) && serve(&r, e);
	if (!ok)
		events_line(&r.events, "unfit", err_row(e->code)->happened);
	bool fit = ok && !r.unfit;
	close_all(&r);
	close(r.signals);
	if (ok)
		events_line(&r.events, "stopped", "");
	return fit ? EXIT_OK : EXIT_UNFIT;
}

static int run(int argc, char **argv, struct err *e)
{
	const char *path = NULL;
	struct told told = {0};
	bool json = false;
	const struct command_option options[] = {
		{"config", &path, NULL}, {"json", NULL, &json}, {"stop-at", &told.stop_at, NULL}, {"stage-limit", &told.stage_limit, NULL}, {0},
	};
	struct config *config = NULL;
	struct launcher launcher = {-1, 0};
	if (!command_options(&argc, argv, options, e) || !command_config(path, &config, e))
		return EXIT_FAILED;
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

const struct command run_command = {"run", "--config FILE [--json] [--stop-at STAGE:WHEN] [--stage-limit MS]", "run the line", run};
