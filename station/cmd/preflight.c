/* SPDX-License-Identifier: Apache-2.0 */
/* station preflight: all that a line needs before its first unit, and what to do about what is not there. A line that runs is
 * asked; else this process does what the line would do, and opens ledger and signer for it. */
#include "station/base/clock.h"
#include "station/base/lockdown.h"
#include "station/client.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/readiness.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>

#define ANSWER_MS 20000

static void add(void *ctx, const struct ready_row *row)
{
	json_array_append_new(ctx, ready_row_json(row));
}

static void add_text(json_t *rows, const char *name, const char *text, const struct err *e)
{
	const struct ready_row row = {name, !e, e ? e->what : text, e ? err_row(e->code)->todo : ""};
	add(rows, &row);
}

/* ---- without a line ---- */

static void ask_line_alone(const struct config *c, const struct launcher *launcher, json_t *rows)
{
	struct line line = {0};
	struct err e = {0};
	bool ok = http_start(&e) && line_open(&line, c, launcher, &e);
	add_text(rows, "ledger", "ledger, signer and its memory fit together", ok ? NULL : &e);
	if (ok) {
		readiness_ca(&line, add, rows);
		readiness_cloud(&line, add, rows);
	}
	line_close(&line);
	http_stop();
}

/* The launcher is forked while there is nothing but the configuration, as for a line. */
static bool look_alone(const struct config *c, json_t *rows, struct err *e)
{
	struct err other_user = {0};
	struct launcher launcher = {-1, 0};
	bool opens = readiness_may_open(c, &other_user);
	signal(SIGPIPE, SIG_IGN);
	if (opens && (!launcher_start(c, &launcher, e) || !lockdown_no_core(e))) {
		launcher_stop(&launcher);
		return false;
	}
	add_text(rows, "configuration", "it has no mistakes", NULL);
	readiness_station(c, add, rows);
	readiness_alone(c, add, rows);
	if (opens)
		ask_line_alone(c, &launcher, rows);
	if (opens)
		launcher_stop(&launcher);
	return true;
}

/* ---- with one ---- */

/* False if no line runs. */
static bool ask_running(const struct config *c, json_t *rows)
{
	char path[PATH_MAX];
	struct err none = {0};
	struct client *line = NULL;
	AUTO(json) json_t *request = json_pack("{s:s}", "do", "preflight"), *answer = NULL;
	if (!config_state_path(c, "station.sock", path, sizeof(path), &none) || !client_open(path, &line, &none))
		return false;
	if (client_ask(line, request, clock_steady_ms() + ANSWER_MS, &answer, &none))
		json_array_extend(rows, json_object_get(answer, "rows"));
	else
		add_text(rows, "line", "", &none);
	client_close(line);
	return true;
}

/* ---- the verb ---- */

static bool all_ok(const json_t *rows)
{
	size_t i;
	const json_t *row;
	bool all = true;
	json_array_foreach(rows, i, row)
		all = all && json_is_true(json_object_get(row, "ok"));
	return all;
}

static void print(const json_t *rows)
{
	size_t i;
	const json_t *row;
	json_array_foreach(rows, i, row) {
		const char *todo = json_text_or(row, "todo", "");
		bool ok = json_is_true(json_object_get(row, "ok"));
		printf("%-4s %-14s %s\n", ok ? "ok" : "NOT", json_text_or(row, "name", ""), json_text_or(row, "text", ""));
		if (*todo)
			printf("     %-14s → %s\n", "", todo);
	}
	printf("%s\n", all_ok(rows) ? "Ready." : "Not ready.");
}

static bool print_json(const json_t *rows, struct err *e)
{
	AUTO(bytes) struct bytes text = {0};
	AUTO(json) json_t *all = json_pack("{s:b, s:O}", "ready", all_ok(rows), "rows", rows);
	if (!json_canonical(all, &text, e))
		return false;
	puts(bytes_text(&text));
	return true;
}

static int preflight(int argc, char **argv, struct err *e)
{
	const char *path = NULL;
	bool json = false;
	const struct command_option options[] = {{"config", &path, NULL}, {"json", NULL, &json}, {0}};
	struct config *config = NULL;
	AUTO(json) json_t *rows = json_array();
	if (!command_options(&argc, argv, options, e) || !command_config(path, &config, e))
		return EXIT_FAILED;
	bool ok = ask_running(config, rows) || look_alone(config, rows, e);
	config_free(config);
	if (!ok || (json && !print_json(rows, e)))
		return EXIT_FAILED;
	if (!json)
		print(rows);
	return all_ok(rows) ? EXIT_OK : EXIT_UNFIT;
}

const struct command preflight_command = {"preflight", "--config FILE [--json]", "what the line needs, row by row, and what to do",
					  preflight};
