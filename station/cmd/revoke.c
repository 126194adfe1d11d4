/* SPDX-License-Identifier: Apache-2.0 */
/* station revoke: two people take identities back for good, or have units replaced. A running line decides and writes it
 * down, and its uplink tells the provisioning service what a line's rights allow; all steps are asked from here as well,
 * by the rights of an engineer's configuration. Cut off, the same call, or --resume, goes on. */
#include "station/base/clock.h"
#include "station/base/lockdown.h"
#include "station/base/text.h"
#include "station/client.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/cmd/two_people.h"
#include "station/entry.h"
#include "station/revocation.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define ANSWER_MS 30000

struct revoking {
	struct line line;	/* config, ledger (a reader beside a running line), dps */
	struct client *client;	/* of a running line; NULL without */
	const char *unit, *lot, *certificate, *reason, *badge;
	bool replace, resume, list, json;
	struct two_shown shown;
	struct person two[2];
	struct revocation_wish wish;
	char (*job)[JOB_ID];
	size_t count, room;
	struct err *e;		/* of what could not be added */
};

/* ---- which units ---- */

static bool add_job(struct revoking *r, const char *job)
{
	if (r->count == r->room) {
		size_t room = r->room ? 2 * r->room : 16;
		void *grown = realloc(r->job, room * JOB_ID);
		if (!grown)
			return err_set(r->e, E_NOMEM, "list of units");
		r->job = grown;
		r->room = room;
	}
	memcpy(r->job[r->count++], job, JOB_ID);
	return true;
}

/* What never got an identity has none to take back. */
static bool add_of_lot(void *ctx, const struct job_row *row)
{
	struct revoking *r = ctx;
	return row->intent_index < 0 || strcmp(row->order, r->lot) != 0 || add_job(r, row->id);
}

/* One that came after another has no place in its lot. */
static bool add_followed(void *ctx, const struct revocation *row)
{
	struct revoking *r = ctx;
	AUTO(job_row) struct job_row job = {0};
	bool found = false, place = false;
	if (strcmp(row->next_order, r->lot) != 0)
		return true;
	return jobs_find(r->line.ledger, JOB_BY_ID, row->job, &job, &found, r->e) &&
	       lots_has_place(r->line.ledger, r->lot, row->job, &place, r->e) && (!found || place || add_of_lot(r, &job));
}

static bool add_open(void *ctx, const struct revocation *row)
{
	return add_job(ctx, row->job);
}

static bool add_certificate(void *ctx, const struct job_row *row)
{
	struct revoking *r = ctx;
	char hex[2 * CERT_SERIAL + 1];
	hex_encode(row->cert_serial, CERT_SERIAL, hex);
	return row->intent_index < 0 || strcmp(hex, r->certificate) != 0 || (add_job(r, row->id) && false);
}

/* By the name that stands on it, or that it registers under. */
static bool add_unit(struct revoking *r, struct err *e)
{
	AUTO(job_row) struct job_row row = {0};
	bool found = false;
	if (!jobs_find(r->line.ledger, JOB_BY_SERIAL, r->unit, &row, &found, e) ||
	    (!found && !jobs_find(r->line.ledger, JOB_BY_REGISTRATION, r->unit, &row, &found, e)))
		return false;
	return found ? add_job(r, row.id) : err_set(e, E_REVOKE_WHAT, "there is no unit \"%s\"", r->unit);
}

static bool choose(struct revoking *r, struct err *e)
{
	int64_t after = 0;
	r->e = e;
	bool ok = r->resume        ? revocations_scan(r->line.ledger, REVOCATIONS_OPEN, &after, UINT32_MAX, add_open, r, e)
		  : r->lot         ? lots_jobs(r->line.ledger, r->lot, add_of_lot, r, e) &&
					     revocations_scan(r->line.ledger, REVOCATIONS_FOLLOWED, &after, UINT32_MAX,
							      add_followed, r, e)
		  : r->certificate ? jobs_scan(r->line.ledger, add_certificate, r, e)
				   : add_unit(r, e);
	if (!ok || e->code != E_NONE)
		return false;
	return r->count || r->resume || err_set(e, E_REVOKE_WHAT, "there is no such unit with an identity");
}

/* ---- one unit ---- */

static bool decide_through_line(struct revoking *r, const char *job, struct err *e)
{
	AUTO(json) json_t *answer = NULL;
	AUTO(json) json_t *request =
		json_pack("{s:s, s:s, s:s, s:b, s:s, s:s, s:s, s:s}", "do", "revoke", "job", job, "reason", r->reason,
			  "replace", r->replace,
			  "badge_1", bytes_text(&r->shown.badge[0]), "pin_1", bytes_text(&r->shown.pin[0]), "badge_2",
			  bytes_text(&r->shown.badge[1]), "pin_2", bytes_text(&r->shown.pin[1]));
	return (request || err_set(e, E_NOMEM, "request")) &&
	       client_ask(r->client, request, clock_steady_ms() + ANSWER_MS, &answer, e);
}

static bool decide(struct revoking *r, const char *job, struct err *e)
{
	AUTO(revocation) struct revocation row = {0};
	if (r->resume)
		return true;
	if (r->client)
		return decide_through_line(r, job, e);
	r->wish.job = job;
	return revocation_decide(&r->line, &r->wish, &row, e);
}

static bool find_row(struct revoking *r, const char *job, struct revocation *ret, struct err *e)
{
	bool found = false;
	revocation_fini(ret);
	return revocations_of_job(r->line.ledger, job, ret, &found, e) && (found || err_set(e, E_DB,
											    "the revocation of %s is gone", job));
}

/* Who writes the ledger writes it down. */
static bool write_down(struct revoking *r, struct revocation *row, struct err *e)
{
	AUTO(json) json_t *answer = NULL;
	char hex[2 * CERT_SERIAL + 1];
	if (!r->client)
		return revocation_said(&r->line, row, e);
	hex_encode(row->cert_serial, CERT_SERIAL, hex);
	AUTO(json) json_t *request =
		json_pack("{s:s, s:s, s:s, s:s, s:s}", "do", "revoke-step", "certificate", hex, "step",
			  revocation_step_name(revocation_next(row)), "hub", row->hub, "device_id", row->device_id);
	return (request || err_set(e, E_NOMEM, "request")) &&
	       client_ask(r->client, request, clock_steady_ms() + ANSWER_MS, &answer, e);
}

/* Asks by our own rights, also beside a line, whose uplink may be at it too: each step looks first. */
static bool one_step(struct revoking *r, struct revocation *row, struct err *e)
{
	for (int tries = 0;; tries++) {
		struct err why = {0};
		if (revocation_ask(r->line.config, r->line.dps, row, &why))
			return write_down(r, row, e);
		/* Beside a line its uplink goes on trying. */
		if (!r->client && entry_try_again(r->line.dps, tries, &why))
			continue;
		return (r->client || revocation_failed(&r->line, row, &why, e)) && err_native(e, why.code, why.native, "%s",
											      why.what);
	}
}

static bool all_steps(struct revoking *r, const char *job, struct revocation *row, struct err *e)
{
	while (revocation_next(row) != REVOKE_DONE)
		if (!one_step(r, row, e) || !find_row(r, job, row, e))
			return false;
	return true;
}

static const char *hub_words(const struct revocation *row)
{
	if (!row->hub_ms)
		return "not told";
	return row->kind != REVOCATION_REVOKED ? "left to the next registration" : row->hub[0] ? "told" : "never reached";
}

static void print_row(const struct revoking *r, const struct revocation *row, const struct err *why)
{
	AUTO(bytes) struct bytes text = {0};
	struct err ignored = {0};
	AUTO(json) json_t *j = revocation_json(row);
	bool good = why->code == E_NONE;
	if (r->json && json_canonical(j, &text, &ignored))
		printf("%s\n", bytes_text(&text));
	if (!r->json)
		printf("%s  %s (%s)  service %s, hub %s%s%s%s%s\n", row->registration_id, revocation_kind_name(row->kind),
		       revocation_reason_name(row->reason), row->service_ms ? "told" : row->entry_ms ? "told in part" : "not told",
		       hub_words(row), good ? "" : "  ", good ? "" : err_row(why->code)->code, good ? "" : " ",
			good ? "" : why->what);
	fflush(stdout);
}

/* A unit that may not be revoked, and what cannot be finished now: it is said, and the others go on. */
static bool one_unit(struct revoking *r, const char *job, struct err *e)
{
	AUTO(revocation) struct revocation row = {0};
	if (!decide(r, job, e)) {
		printf("job %s  not revoked  %s %s\n", job, err_row(e->code)->code, e->what);
		return false;
	}
	bool done = find_row(r, job, &row, e) && all_steps(r, job, &row, e);
	struct err again = {0};
	if (row.number && find_row(r, job, &row, &again))
		print_row(r, &row, e);
	return done;
}

/* ---- the verb ---- */

static bool print_listed(void *ctx, const struct revocation *row)
{
	struct err why = {.code = row->error[0] ? err_find(row->error) : E_NONE};
	snprintf(why.what, sizeof(why.what), "%s", row->error_what);
	print_row(ctx, row, &why);
	return true;
}

static bool list_all(struct revoking *r, struct err *e)
{
	int64_t after = 0;
	return revocations_scan(r->line.ledger, REVOCATIONS_ALL, &after, UINT32_MAX, print_listed, r, e);
}

/* Beside a running line its ledger is only read. */
static bool open_doors(struct revoking *r, struct err *e)
{
	const struct config *c = r->line.config;
	char ledger[PATH_MAX], socket_path[PATH_MAX];
	struct err none = {0};
	if (!config_state_path(c, "ledger.db", ledger, sizeof(ledger), e) ||
	    !config_state_path(c, "station.sock", socket_path, sizeof(socket_path), e))
		return false;
	if (r->list || client_open(socket_path, &r->client, &none))
		return ledger_open_reader(ledger, &r->line.ledger, e) && (r->list || command_dps(c, &r->line.dps, e));
	return ledger_open(ledger, c->log_origin, &r->line.ledger, e) && command_dps(c, &r->line.dps, e);
}

static bool who_wants_it(struct revoking *r, struct err *e)
{
	struct people *people = NULL;
	if (r->resume || r->list)
		return true;
	if (!r->line.config->people_file[0])
		return err_set(e, E_TWO_PEOPLE, "the configuration names no [people] file");
	bool ok = command_read_two(r->badge, &r->shown, e) && people_open(r->line.config->people_file, &people, e) &&
		  two_may(people, &r->shown, DO_REVOKE, r->two, e);
	people_close(people);
	r->wish.first = r->two[0].id;
	r->wish.second = r->two[1].id;
	return ok;
}

static bool all_units(struct revoking *r, struct err *e)
{
	struct err first = {0};
	if (!choose(r, e))
		return false;
	for (size_t i = 0; i < r->count; i++) {
		struct err why = {0};
		if (!one_unit(r, r->job[i], &why) && first.code == E_NONE)
			first = why;
	}
	return first.code == E_NONE || err_native(e, first.code, first.native, "%s", first.what);
}

static bool take_back(struct revoking *r, struct err *e)
{
	/* A file that may not grow is an error, not the end. */
	signal(SIGXFSZ, SIG_IGN);
	bool ok = lockdown_no_core(e) && who_wants_it(r, e) && open_doors(r, e) && (r->list ? list_all(r, e) : all_units(r, e));
	client_close(r->client);
	dps_close(r->line.dps);
	ledger_close(r->line.ledger);
	http_stop();
	two_shown_fini(&r->shown);
	free(r->job);
	return ok;
}

static bool read_wish(struct revoking *r, int argc, char **argv, struct err *e)
{
	int named = (argc == 1) + (r->lot != NULL) + (r->certificate != NULL) + r->resume + r->list;
	r->unit = argc == 1 ? argv[0] : NULL;
	r->wish.kind = r->replace ? REVOCATION_REPLACED : REVOCATION_REVOKED;
	r->reason = r->reason ? r->reason : r->replace ? "superseded" : NULL;
	if (argc > 1 || named != 1)
		return err_set(e, E_USAGE, "one of: a unit, --certificate, --lot, --resume, --list");
	if (r->resume || r->list)
		return true;
	if (!r->reason || !revocation_reason_named(r->reason, &r->wish.reason))
		return err_set(e, E_USAGE,
			       "--reason keyCompromise, superseded, cessationOfOperation, affiliationChanged, privilegeWithdrawn "
					   "or unspecified");
	return true;
}

static int run(int argc, char **argv, struct err *e)
{
	struct revoking r = {0};
	const char *path = NULL;
	struct config *config = NULL;
	const struct command_option options[] = {
		{"config", &path, NULL}, {"badge", &r.badge, NULL}, {"reason", &r.reason, NULL}, {"lot", &r.lot, NULL},
		{"certificate", &r.certificate, NULL}, {"replace", NULL, &r.replace}, {"resume", NULL, &r.resume},
		{"list", NULL, &r.list}, {"json", NULL, &r.json}, {0}};
	if (!command_options(&argc, argv, options, e) || !read_wish(&r, argc, argv, e) || !command_config(path, &config, e))
		return EXIT_FAILED;
	r.line.config = config;
	bool ok = take_back(&r, e);
	config_free(config);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command revoke_command = {
	"revoke",
		"--config FILE --reason REASON [--replace] [--badge FILE|-] UNIT | --certificate SERIAL | --lot LOT | --resume | --list [--json]",
	"two people take an identity back: in the service, and in its hub", run};
