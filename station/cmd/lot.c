/* SPDX-License-Identifier: Apache-2.0 */
/* station lot list, show, open, close. What the ledger knows is read beside a running line or without one; to open and close is
 * asked of the line, which needs somebody logged in where the configuration names people. */
#include "station/base/clock.h"
#include "station/client.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/shift/lot_report.h"

#include <limits.h>
#include <stdio.h>

#define ANSWER_MS 600000	/* a hand-over of many units takes its time */
#define LOTS_MOST 1000

struct asking {
	const char *config_path;
	bool json, closing, scrap, keep;
	struct config *config;
};

static bool begin(int *argc, char **argv, struct asking *a, struct err *e)
{
	const struct command_option options[] = {{"config", &a->config_path, NULL}, {"json", NULL, &a->json},
						 {a->closing ? "scrap" : NULL, NULL, &a->scrap}, {"keep", NULL, &a->keep}, {0}};
	return command_options(argc, argv, options, e) && command_config(a->config_path, &a->config, e);
}

static bool print_json(const json_t *j, struct err *e)
{
	AUTO(bytes) struct bytes text = {.max = (size_t)1 << 30};
	return json_canonical(j, &text, e) && printf("%s\n", bytes_text(&text)) > 0;
}

static bool open_reader(const struct asking *a, struct ledger **ret, struct err *e)
{
	char path[PATH_MAX];
	return config_state_path(a->config, "ledger.db", path, sizeof(path), e) && ledger_open_reader(path, ret, e);
}

/* ---- list ---- */

struct listing {
	struct ledger *ledger;
	json_t *lots;
	struct err *e;
	bool ok;
};

static bool add_lot(void *ctx, const struct lot_row *row)
{
	struct listing *l = ctx;
	json_t *lot = lot_json(l->ledger, row, l->e);
	l->ok = lot && json_array_append_new(l->lots, lot) == 0;
	return l->ok;
}

static void print_lots(const json_t *lots)
{
	size_t i;
	const json_t *lot;
	printf("%-24s %-24s %-16s %-10s %9s %9s  %s\n", "order", "product", "profile", "state", "taken", "count", "opened");
	json_array_foreach(lots, i, lot) {
		char when[CLOCK_TEXT];
		clock_text(json_int_or(lot, "opened_ms", 0), when);
		printf("%-24s %-24s %-16s %-10s %9lld %9lld  %s %s\n", json_text_or(lot, "id", ""), json_text_or(lot, "product", ""),
		       json_text_or(lot, "profile", ""), json_text_or(lot, "state", ""), (long long)json_int_or(lot, "taken", 0),
		       (long long)json_int_or(lot, "count", 0), when, json_text_or(lot, "opened_by", ""));
	}
}

static bool list(const struct asking *a, struct err *e)
{
	struct ledger *ledger = NULL;
	AUTO(json) json_t *lots = json_array();
	if (!open_reader(a, &ledger, e))
		return false;
	struct listing l = {.ledger = ledger, .lots = lots, .e = e, .ok = true};
	bool ok = lots_scan(ledger, LOTS_MOST, add_lot, &l, e) && l.ok;
	ledger_close(ledger);
	if (!ok || a->json)
		return ok && print_json(lots, e);
	print_lots(lots);
	return true;
}

static int run_list(int argc, char **argv, struct err *e)
{
	struct asking a = {0};
	bool ok = begin(&argc, argv, &a, e) && (argc == 0 || err_set(e, E_USAGE, "lot list takes no names")) && list(&a, e);
	config_free(a.config);
	return ok ? EXIT_OK : EXIT_FAILED;
}

/* ---- show ---- */

static void print_lot(const json_t *lot)
{
	static const char *const counts[] = {"count", "taken", "units", "pass", "built", "hold", "fail", "first_pass"};
	size_t i;
	const json_t *row;
	printf("%s: %s, profile %s, %s\n", json_text_or(lot, "id", ""), json_text_or(lot, "product", ""), json_text_or(lot, "profile", ""),
	       json_text_or(lot, "state", ""));
	for (i = 0; i < COUNT_OF(counts); i++)
		printf("%-12s %lld\n", counts[i], (long long)json_int_or(lot, counts[i], 0));
	printf("%-12s %.1f s\n", "takt", (double)json_int_or(lot, "takt_ms", 0) / 1000);
	json_array_foreach(json_object_get(lot, "slots"), i, row)
		printf("slot %-7s %lld of %lld at the first time\n", json_text_or(row, "name", ""),
		       (long long)json_int_or(row, "first_pass", 0), (long long)json_int_or(row, "units", 0));
	json_array_foreach(json_object_get(lot, "failures"), i, row)
		printf("%-12s %lld times: %s\n", json_text_or(row, "code", ""), (long long)json_int_or(row, "count", 0),
		       json_text_or(row, "sentence", ""));
}

static bool show(const struct asking *a, const char *id, struct err *e)
{
	struct ledger *ledger = NULL;
	if (!open_reader(a, &ledger, e))
		return false;
	AUTO(json) json_t *lot = lot_report(ledger, id, e);
	ledger_close(ledger);
	if (!lot || a->json)
		return lot && print_json(lot, e);
	print_lot(lot);
	return true;
}

static int run_show(int argc, char **argv, struct err *e)
{
	struct asking a = {0};
	bool ok = begin(&argc, argv, &a, e) && (argc == 1 || err_set(e, E_USAGE, "which lot?")) && show(&a, argv[0], e);
	config_free(a.config);
	return ok ? EXIT_OK : EXIT_FAILED;
}

/* ---- open and close ---- */

static bool ask_line(const struct asking *a, json_t *request, struct err *e)
{
	AUTO(json) json_t *owned = request;
	AUTO(json) json_t *answer = NULL;
	char path[PATH_MAX];
	struct client *c = NULL;
	bool ok = config_state_path(a->config, "station.sock", path, sizeof(path), e) && client_open(path, &c, e) &&
		  client_ask(c, owned, clock_steady_ms() + ANSWER_MS, &answer, e);
	client_close(c);
	if (!ok || a->json)
		return ok && print_json(json_object_get(answer, "lot"), e);
	print_lot(json_object_get(answer, "lot"));
	return true;
}

static int run_open(int argc, char **argv, struct err *e)
{
	struct asking a = {0};
	bool ok = begin(&argc, argv, &a, e) && (argc == 1 || err_set(e, E_USAGE, "which order?")) &&
		  ask_line(&a, json_pack("{s:s, s:s}", "do", "lot-open", "id", argv[0]), e);
	config_free(a.config);
	return ok ? EXIT_OK : EXIT_FAILED;
}

static int run_close(int argc, char **argv, struct err *e)
{
	struct asking a = {.closing = true};
	bool ok = begin(&argc, argv, &a, e) && (argc == 0 || err_set(e, E_USAGE, "only the lot that is open can be closed")) &&
		  (!(a.scrap && a.keep) || err_set(e, E_USAGE, "--scrap or --keep")) &&
		  ask_line(&a, json_pack("{s:s, s:s}", "do", "lot-close", "failed", a.scrap ? "scrap" : a.keep ? "keep" : ""), e);
	config_free(a.config);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command lot_list_command = {"lot list", "--config FILE [--json]", "every order that was opened here", run_list},
		     lot_show_command = {"lot show", "--config FILE [--json] LOT", "yield, takt and failures of a lot", run_show},
		     lot_open_command = {"lot open", "--config FILE [--json] ORDER", "as scanning the order does", run_open},
		     lot_close_command = {"lot close", "--config FILE [--json] [--scrap|--keep]", "close the open lot and write its hand-over",
				       run_close};
