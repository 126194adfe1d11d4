/* SPDX-License-Identifier: Apache-2.0 */
/* station report: every unit of the ledger, what waits for the service or went aside, and what was left in the cloud. */
#include "db/outbox.h"
#include "station/base/clock.h"
#include "station/base/text.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/base/json.h"

#include <stdio.h>
#include <string.h>

static bool add_job(void *ctx, const struct job_row *r)
{
	char leaf[65] = "", serial[2 * CERT_SERIAL + 1] = "";
	uint8_t hash[SHA256_SIZE];
	if (r->leaf.len) {
		sha256_of(r->leaf.data, r->leaf.len, hash);
		hex_encode(hash, sizeof(hash), leaf);
		hex_encode(r->cert_serial, sizeof(r->cert_serial), serial);
	}
	const struct err_row *row = err_row(err_find(r->error));
	json_t *unit = json_pack("{s:s, s:s, s:s, s:s, s:b, s:i}", "job", r->id, "slot", r->slot, "serial", r->serial,
				 "registration_id", r->registration_id, "closed", r->closed, "visits", (int)r->visits);
	json_object_update_new(unit, json_pack("{s:s, s:s, s:s, s:s}", "stage", r->stage, "verdict", verdict_name(r->verdict), "code",
					       r->error, "next", r->error[0] ? row->todo : ""));
	json_object_update_new(unit, json_pack("{s:s, s:s, s:s, s:s}", "hub", r->hub, "device_id", r->device_id, "leaf_sha256", leaf,
					       "certificate_serial", serial));
	json_array_append_new(ctx, unit);
	return true;
}

static bool add_trace(void *ctx, const char *job, const char *what, const char *where, const char *name, int64_t time_ms)
{
	char when[CLOCK_TEXT];
	clock_text(time_ms, when);
	json_array_append_new(ctx, json_pack("{s:s, s:s, s:s, s:s, s:s}", "job", job, "what", what, "where", where, "name", name,
					     "time", when));
	return true;
}

static bool add_outbox(void *ctx, const struct outbox_row *r)
{
	char when[CLOCK_TEXT];
	const struct err_row *row = err_row(err_find(r->error));
	clock_text(r->queued_ms, when);
	json_array_append_new(ctx, json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:s}", "job", r->job, "registration_id",
					     r->registration_id, "state", outbox_state_name(r->state), "since", when, "tries",
					     (int)r->tries, "code", r->error, "what", r->error_what, "next",
					     r->error[0] ? row->todo : ""));
	return true;
}

/* What the service has not taken yet, or not at all. */
static bool read_outbox(struct ledger *l, json_t *ret, struct err *e)
{
	int64_t waiting = 0, aside = 0;
	return outbox_scan(l, OUTBOX_WAITING, &waiting, UINT32_MAX, add_outbox, ret, e) &&
	       outbox_scan(l, OUTBOX_ASIDE, &aside, UINT32_MAX, add_outbox, ret, e);
}

/* A unit whose enrollment went aside does not get on by itself: what the service said of it is what comes next. */
static bool tell_units(json_t *jobs, const json_t *outbox)
{
	size_t i;
	json_t *j;
	AUTO(json) json_t *aside = json_object();
	json_array_foreach(outbox, i, j)
		if (!strcmp(json_text_or(j, "state", ""), outbox_state_name(OUTBOX_ASIDE)))
			json_object_set(aside, json_text_or(j, "job", ""), j);
	json_array_foreach(jobs, i, j) {
		const json_t *row = json_object_get(aside, json_text_or(j, "job", ""));
		if (row && (json_object_set(j, "code", json_object_get(row, "code")) != 0 ||
			    json_object_set(j, "next", json_object_get(row, "next")) != 0))
			return false;
	}
	return true;
}

static void print_outbox(const json_t *outbox)
{
	size_t i;
	const json_t *j;
	json_array_foreach(outbox, i, j)
		printf("%-7s  %-52s  since %s  %s %s\n", json_text_or(j, "state", ""), json_text_or(j, "registration_id", ""),
		       json_text_or(j, "since", ""), json_text_or(j, "code", ""), json_text_or(j, "what", ""));
	if (json_array_size(outbox))
		printf("%zu not with the service\n", json_array_size(outbox));
}

static void print_table(const json_t *jobs, const json_t *traces)
{
	size_t i;
	const json_t *j;
	printf("%-16s %-6s %-10s %-52s %-32s %s\n", "serial", "slot", "verdict", "registration id", "hub", "next");
	json_array_foreach(jobs, i, j)
		printf("%-16s %-6s %-10s %-52s %-32s %s\n", json_text_or(j, "serial", ""), json_text_or(j, "slot", ""),
		       json_text_or(j, "verdict", ""), json_text_or(j, "registration_id", ""), json_text_or(j, "hub", ""),
		       json_text_or(j, "next", ""));
	printf("%zu units; %zu traces of rehearsals in the cloud\n", json_array_size(jobs), json_array_size(traces));
}

static bool report(const char *path, bool as_json, struct err *e)
{
	struct ledger *l = NULL;
	AUTO(json) json_t *jobs = json_array();
	AUTO(json) json_t *traces = json_array();
	AUTO(json) json_t *outbox = json_array();
	AUTO(bytes) struct bytes text = {.max = (size_t)1 << 30};
	if (!ledger_open_reader(path, &l, e))
		return false;
	bool ok = jobs_scan(l, add_job, jobs, e) && traces_scan(l, add_trace, traces, e) && read_outbox(l, outbox, e) &&
		  (tell_units(jobs, outbox) || err_set(e, E_NOMEM, "report"));
	ledger_close(l);
	if (!ok)
		return false;
	if (!as_json) {
		print_table(jobs, traces);
		print_outbox(outbox);
		return true;
	}
	AUTO(json) json_t *all = json_pack("{s:O, s:O, s:O}", "units", jobs, "traces", traces, "outbox", outbox);
	if (!json_canonical(all, &text, e))
		return false;
	printf("%s\n", bytes_text(&text));
	return true;
}

static int run(int argc, char **argv, struct err *e)
{
	const char *config_path = NULL;
	bool as_json = false;
	const struct command_option options[] = {{"config", &config_path, NULL}, {"json", NULL, &as_json}, {0}};
	struct config *config = NULL;
	char path[PATH_MAX];
	if (!command_options(&argc, argv, options, e) || !command_config(config_path, &config, e))
		return EXIT_FAILED;
	bool ok = config_state_path(config, "ledger.db", path, sizeof(path), e);
	config_free(config);
	return ok && report(path, as_json, e) ? EXIT_OK : EXIT_FAILED;
}

const struct command report_command = {"report", "--config FILE [--json]",
				       "every unit of the ledger, what waits for the service, and what rehearsals left in the cloud", run};
