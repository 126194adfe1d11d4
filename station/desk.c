/* SPDX-License-Identifier: Apache-2.0 */
#include "station/desk.h"
#include "station/base/log.h"
#include "station/base/text.h"
#include "station/pipeline.h"
#include "station/uplink.h"

#include <stdio.h>
#include <string.h>

#define TRAINING_BANNER "TRAINING - NOTHING HERE IS REAL. "
#define RECHECK_BANNER "RE-CHECK - NOTHING IS WRITTEN. "
#define TRIAL_BANNER "A driver is on trial (fault, record or replay): not for production. "
#define CUSTODY_BANNER "The CA key is a file: for training and trial, not for production."
#define OFFLINE_BANNER "Started without the cloud, which is asked again by itself. "

static const struct desk_request requests[] = {
	{"status", false, desk_status},
	{"stop", true, desk_stop},
	{"upload", true, desk_upload},
	{"scan", true, desk_scan},
	{"pin", true, desk_pin},
	{"hold", true, desk_hold},
	{"preflight", false, desk_preflight},
	{"queue", false, desk_queue},
	{"retry", true, desk_retry},
	{"lot", false, desk_lot},
	{"lots", false, desk_lots},
	{"lot-open", true, desk_lot_open},
	{"lot-close", true, desk_lot_close},
	{"revoke", true, desk_revoke},
	{"revoke-step", true, desk_revoke_step},
	{"results", false, desk_results},
	{"unit", false, desk_unit},
	{"units", false, desk_units},
	{"journal", false, desk_journal},
};

/* In re-check nobody is logged in, and nothing is changed but what becomes of the unit in a slot, and of the line. */
static bool fits_mode(const struct line *l, const struct desk_request *r, struct err *e)
{
	if (l->mode != MODE_RECHECK || !r->changes || r->answer == desk_stop || r->answer == desk_hold)
		return true;
	return err_set(e, E_USAGE, "\"%s\": re-check changes nothing", r->name);
}

json_t *desk_answer(struct desk *d, const json_t *request, bool may_change, struct err *e)
{
	const char *what = json_text_or(request, "do", "");
	char known[256] = "watch";
	for (size_t i = 0; i < COUNT_OF(requests); i++) {
		if (!strcmp(requests[i].name, what)) {
			if (requests[i].changes && !may_change)
				return (void)err_set(e, E_RIGHTS, "\"%s\" needs the token", what), NULL;
			return fits_mode(d->line, &requests[i], e) ? requests[i].answer(d, request, e) : NULL;
		}
		snprintf(known + strlen(known), sizeof(known) - strlen(known), ", %s", requests[i].name);
	}
	err_set(e, E_USAGE, "do: %s", known);
	return NULL;
}

void desk_tell(struct desk *d, json_t *event)
{
	if (d->api)
		api_tell(d->api, event);
	if (d->control)
		control_tell(d->control, event);
	else
		json_decref(event);
}

void desk_tell_of(struct desk *d, const char *name, json_t *object)
{
	desk_tell(d, json_pack("{s:s, s:o}", "event", name, name, object));
}

/* A profile whose driver has something around it (drivers/wrap.h). */
static bool is_on_trial(const struct config *c)
{
	for (size_t i = 0; i < c->profile_count; i++)
		if (strchr(c->profile[i].driver, ':'))
			return true;
	return false;
}

json_t *desk_counts(struct desk *d)
{
	struct job_counts n = {0};
	struct err ignored = {0};
	if (!jobs_count(d->line->ledger, &n, &ignored))
		log_err(LOG_LEVEL_WARN, &ignored, "counts");
	return json_pack("{s:I,s:I,s:I,s:I,s:I}", "pass", (json_int_t)n.pass, "built", (json_int_t)n.built, "hold", (json_int_t)n.hold,
			 "fail", (json_int_t)n.fail, "open", (json_int_t)n.open);
}

/* What consoles need to know of the fixture and the scanner. */
static json_t *floor_json(const struct line *l)
{
	const struct config *c = l->config;
	return json_pack("{s:s, s:{s:i, s:i, s:i}, s:{s:s, s:s, s:i, s:b}}", "mode", line_mode_name(l->mode), "jig", "rows",
			 (int)c->jig.rows, "columns", (int)c->jig.columns, "rotation", (int)(90 * c->jig.rotation), "scanner", "prefix",
			 c->scan_prefix, "suffix", c->scan_suffix, "gap_ms", (int)c->scan_gap_ms, "sound", c->sound);
}

json_t *desk_station(struct desk *d)
{
	struct line *l = d->line;
	struct err why = {0};
	char config_sha256[65], banner[256];
	bool fit = uplink_may_begin(l, &why);
	hex_encode(l->config->sha256, 32, config_sha256);
	snprintf(banner, sizeof(banner), "%s%s%s%s",
		 l->mode == MODE_TRAINING ? TRAINING_BANNER : l->mode == MODE_RECHECK ? RECHECK_BANNER : "",
		 is_on_trial(l->config) ? TRIAL_BANNER : "",
		 atomic_load(&d->unasked) ? OFFLINE_BANNER : "", d->line->signing.info.in_hardware ? "" : CUSTODY_BANNER);
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
	json_object_update_new(line, floor_json(l));
	return line;
}

static json_t *outbox_json(struct desk *d)
{
	struct uplink_view view;
	uplink_look(d->line->uplink, &view);
	return uplink_view_json(&view);
}

json_t *desk_status(struct desk *d, const json_t *request, struct err *e)
{
	struct merkle_hash root = {0};
	struct err ignored = {0};
	uint64_t size = 0;
	char hex[65];
	json_t *slots = json_array();
	for (size_t i = 0; i < slots_count(d->slots); i++) {
		struct slot_view v;
		slots_look(d->slots, i, &v);
		json_array_append_new(slots, slot_view_json(&v));
	}
	if (!audit_head(d->line->ledger, &size, &root, &ignored))
		log_err(LOG_LEVEL_WARN, &ignored, "status");
	hex_encode(root.h, sizeof(root.h), hex);
	json_t *status = json_pack("{s:o, s:o, s:o, s:o, s:{s:I,s:s}}", "station", desk_station(d), "slots", slots, "counts",
				   desk_counts(d), "outbox", outbox_json(d), "audit", "size", (json_int_t)size, "root", hex);
	json_object_set_new(status, "shift", desk_shift_json(d));
	json_object_set_new(status, "mes", desk_mes_json(d));
	return status ? status : ((void)err_set(e, E_NOMEM, "status"), NULL);
}

json_t *desk_stop(struct desk *d, const json_t *request, struct err *e)
{
	atomic_store(&d->line->stopping, true);
	return json_object();
}

json_t *desk_upload(struct desk *d, const json_t *request, struct err *e)
{
	const char *again = json_text_or(request, "again", "");
	if (*again && !uplink_again(d->line->ledger, again, e))
		return NULL;
	uplink_wake(d->line->uplink);
	return json_pack("{s:o}", "outbox", outbox_json(d));
}
