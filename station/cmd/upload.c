/* SPDX-License-Identifier: Apache-2.0 */
/* station upload: what waits for the provisioning service goes up now. A running line is asked to do it and watched; without one
 * this process opens the ledger and does it itself. Rows that went aside are listed, and make the exit status 1. */
#include "station/base/clock.h"
#include "station/base/lockdown.h"
#include "station/base/text.h"
#include "station/client.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/uplink.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define ANSWER_MS 10000
#define LOOK_MS 60000

struct upload {
	bool json;
	const char *again;	/* registration id of a unit that went aside; or NULL */
	const struct config *config;
};

/* One line of progress; an age only where something waits. */
static void print_progress(bool json, const json_t *outbox)
{
	AUTO(bytes) struct bytes text = {0};
	struct err ignored = {0};
	char oldest[CLOCK_TEXT];
	long long waiting = (long long)json_int_or(outbox, "waiting", 0);
	bool offline = json_is_true(json_object_get(outbox, "offline"));
	clock_text(json_int_or(outbox, "oldest_ms", 0), oldest);
	if (json && json_canonical(outbox, &text, &ignored))
		printf("%s\n", bytes_text(&text));
	if (!json)
		printf("%lld wait, %lld sent, %lld aside%s%s%s%s\n", waiting, (long long)json_int_or(outbox, "sent", 0),
		       (long long)json_int_or(outbox, "aside", 0), waiting ? "; the oldest since " : "", waiting ? oldest : "",
		       offline ? "; offline: " : "", offline ? json_text_or(outbox, "code", "") : "");
	fflush(stdout);
}

/* ---- through the line ---- */

static bool is_over(const json_t *outbox, struct err *e)
{
	if (json_int_or(outbox, "waiting", 0) == 0)
		return true;
	if (!json_is_true(json_object_get(outbox, "offline")))
		return false;
	err_set(e, err_find(json_text_or(outbox, "code", "")), "%s", json_text_or(outbox, "what", ""));
	return true;
}

/* The line tries because it was asked. What it knew before that says nothing of this try. */
static bool follow(struct client *c, const struct upload *u, struct err *e)
{
	for (bool over = false; !over;) {
		AUTO(json) json_t *event = NULL;
		if (!client_next(c, clock_steady_ms() + LOOK_MS, &event, e))
			return false;
		const json_t *outbox = event ? json_object_get(event, "outbox") : NULL;
		if (!outbox || strcmp(json_text_or(event, "event", ""), "outbox") != 0)
			continue;
		print_progress(u->json, outbox);
		over = is_over(outbox, e);
	}
	return e->code == E_NONE;
}

static bool through_line(struct client *c, const struct upload *u, struct err *e)
{
	AUTO(json) json_t *watch = json_pack("{s:s}", "do", "watch");
	AUTO(json) json_t *request = json_pack("{s:s, s:s}", "do", "upload", "again", u->again ? u->again : "");
	AUTO(json) json_t *snapshot = NULL;
	AUTO(json) json_t *answer = NULL;
	if (!client_ask(c, watch, clock_steady_ms() + ANSWER_MS, &snapshot, e) ||
	    !client_ask(c, request, clock_steady_ms() + ANSWER_MS, &answer, e))
		return false;
	const json_t *outbox = json_object_get(answer, "outbox");
	const char *code = json_text_or(outbox, "code", "");
	print_progress(u->json, outbox);
	if (!strncmp(code, "E-DB-", 5))
		return err_set(e, err_find(code), "%s", json_text_or(outbox, "what", ""));
	return json_int_or(outbox, "waiting", 0) == 0 || follow(c, u, e);
}

/* ---- alone ---- */

static void said(void *ctx, const struct uplink_view *view)
{
	const struct upload *u = ctx;
	AUTO(json) json_t *outbox = uplink_view_json(view);
	print_progress(u->json, outbox);
}

static bool alone(const char *path, const struct upload *u, struct err *e)
{
	struct ledger *ledger = NULL;
	struct dps *dps = NULL;
	struct uplink_view view = {0};
	/* A file that may not grow is an error, not the end. */
	signal(SIGXFSZ, SIG_IGN);
	bool ok = lockdown_no_core(e) && ledger_open(path, u->config->log_origin, &ledger, e) && command_dps(u->config, &dps, e) &&
		  (!u->again || uplink_again(ledger, u->again, e)) && outbox_count(ledger, &view.counts, e);
	if (ok) {
		said((void *)(uintptr_t)u, &view);
		ok = uplink_drain(ledger, dps, u->config->dps_in_flight, said, (void *)(uintptr_t)u, e);
	}
	dps_close(dps);
	ledger_close(ledger);
	http_stop();
	return ok;
}

/* ---- what went aside ---- */

static bool print_aside(void *ctx, const struct outbox_row *row)
{
	const struct upload *u = ctx;
	const struct err_row *why = err_row(err_find(row->error));
	AUTO(bytes) struct bytes text = {0};
	struct err ignored = {0};
	AUTO(json) json_t *j = json_pack("{s:{s:s, s:s, s:s, s:s}}", "aside", "registration_id", row->registration_id, "code", row->error,
					 "sentence", why->happened, "what", row->error_what);
	if (!u->json)
		printf("aside: %s  %s  %s (%s)\n", row->registration_id, row->error, why->happened, row->error_what);
	else if (json_canonical(j, &text, &ignored))
		printf("%s\n", bytes_text(&text));
	return true;
}

static bool list_aside(const char *path, const struct upload *u, uint64_t *ret_count, struct err *e)
{
	struct ledger *ledger = NULL;
	struct outbox_counts counts = {0};
	int64_t after = 0;
	if (!ledger_open_reader(path, &ledger, e))
		return false;
	bool ok = outbox_count(ledger, &counts, e) &&
		  outbox_scan(ledger, OUTBOX_ASIDE, &after, UINT32_MAX, print_aside, (void *)(uintptr_t)u, e);
	ledger_close(ledger);
	*ret_count = counts.aside;
	return ok;
}

static bool upload_all(const struct upload *u, uint64_t *ret_aside, struct err *e)
{
	char ledger[PATH_MAX], socket_path[PATH_MAX];
	struct client *c = NULL;
	struct err none = {0}, second = {0};
	if (!config_state_path(u->config, "ledger.db", ledger, sizeof(ledger), e) ||
	    !config_state_path(u->config, "station.sock", socket_path, sizeof(socket_path), e))
		return false;
	bool ok = client_open(socket_path, &c, &none) ? through_line(c, u, e) : alone(ledger, u, e);
	client_close(c);
	return list_aside(ledger, u, ret_aside, ok ? e : &second) && ok;
}

static int run(int argc, char **argv, struct err *e)
{
	struct upload u = {0};
	const char *path = NULL;
	struct config *config = NULL;
	uint64_t aside = 0;
	const struct command_option options[] = {
		{"config", &path, NULL}, {"json", NULL, &u.json}, {"retry", &u.again, NULL}, {0}};
	if (!command_options(&argc, argv, options, e) || !command_config(path, &config, e))
		return EXIT_FAILED;
	u.config = config;
	bool ok = upload_all(&u, &aside, e);
	config_free(config);
	return ok && aside == 0 ? EXIT_OK : EXIT_FAILED;
}

const struct command upload_command = {"upload", "--config FILE [--json] [--retry REGISTRATION-ID]",
				       "send what waits for the provisioning service now", run};
