/* SPDX-License-Identifier: Apache-2.0 */
/* station lot revert: two people take a wrong order back. Without a running line; cut off, it is gone on with by the same call. */
#include "station/base/clock.h"
#include "station/base/lockdown.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/line.h"
#include "station/shift/people.h"
#include "station/shift/revert.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ANSWER 128	/* longest badge or PIN, and NUL */

/* ---- who ---- */

/* A line of what was typed, or of a file. Does not show it where it is typed. */
static bool read_line(FILE *in, const char *question, struct bytes *ret, struct err *e)
{
	char line[ANSWER] = "";
	bool typed = isatty(fileno(in));
	char *answer = typed ? getpass(question) : fgets(line, sizeof(line), in);
	size_t len = answer ? strcspn(answer, "\r\n") : 0;
	bool whole = len > 0 && (typed || answer[len] || feof(in));
	bool ok = (whole && bytes_set(ret, answer, len, e)) ||
		  err_set(e, E_TWO_PEOPLE, "four lines are wanted: badge and PIN of the one, badge and PIN of the other");
	if (answer)
		wipe(answer, strlen(answer));
	return ok;
}

static bool read_person(FILE *in, struct people *people, const char *which, struct person *ret, struct err *e)
{
	AUTO(bytes) struct bytes badge = {.secret = true}, pin = {.secret = true};
	char question[64];
	bool has_pin = false;
	snprintf(question, sizeof(question), "Badge of the %s: ", which);
	if (!read_line(in, question, &badge, e))
		return false;
	snprintf(question, sizeof(question), "PIN of the %s: ", which);
	if (!read_line(in, question, &pin, e) || !people_by_badge(people, bytes_text(&badge), ret, &has_pin, e) ||
	    !people_check_pin(people, ret->id, &pin, e))
		return false;
	return role_may(ret->role, DO_REVERT) || err_set(e, E_RIGHTS, "%s, %s", ret->id, role_name(ret->role));
}

static bool read_two(FILE *in, struct people *people, struct person two[static 2], struct err *e)
{
	if (!read_person(in, people, "first", &two[0], e) || !read_person(in, people, "second", &two[1], e))
		return false;
	return strcmp(two[0].id, two[1].id) != 0 || err_set(e, E_TWO_PEOPLE, "both are %s", two[0].id);
}

static bool two_people(const struct config *c, const char *from, struct person two[static 2], struct err *e)
{
	struct people *people = NULL;
	if (!c->people_file[0])
		return err_set(e, E_TWO_PEOPLE, "the configuration names no [people] file");
	FILE *in = !from || !strcmp(from, "-") ? stdin : fopen(from, "re");
	if (!in)
		return err_errno(e, E_FILE, "%s", from);
	setvbuf(in, NULL, _IONBF, 0);	/* no buffer keeps what was read */
	bool ok = people_open(c->people_file, &people, e) && read_two(in, people, two, e);
	people_close(people);
	if (in != stdin)
		fclose(in);
	return ok;
}

/* ---- what is done ---- */

static void said(void *ctx, const struct job_row *row, const struct err *why)
{
	(void)ctx;
	if (why->code == E_NONE)
		printf("%s  %s  taken back\n", row->serial, row->registration_id);
	else
		printf("%s  %s  %s  %s (%s)\n", row->serial, row->registration_id, err_row(why->code)->code, err_row(why->code)->happened,
		       why->what);
	fflush(stdout);
}

static bool revert(const struct config *c, const char *lot, const struct person two[static 2], struct err *e)
{
	struct line l = {.config = c};
	struct revert_sums sums = {0};
	char path[PATH_MAX];
	/* A file that may not grow is an error, not the end. */
	signal(SIGXFSZ, SIG_IGN);
	bool ok = config_state_path(c, "ledger.db", path, sizeof(path), e) && ledger_open(path, c->log_origin, &l.ledger, e) &&
		  command_dps(c, &l.dps, e) && revert_lot(&l, lot, two[0].id, two[1].id, said, NULL, &sums, e);
	printf("lot %s: %llu units taken back, %llu left, of %llu\n", lot, (unsigned long long)sums.done, (unsigned long long)sums.left,
	       (unsigned long long)sums.units);
	dps_close(l.dps);
	ledger_close(l.ledger);
	http_stop();
	return ok;
}

static int run(int argc, char **argv, struct err *e)
{
	const char *path = NULL, *badge = NULL;
	struct config *config = NULL;
	struct person two[2];
	const struct command_option options[] = {{"config", &path, NULL}, {"badge", &badge, NULL}, {0}};
	bool ok = command_options(&argc, argv, options, e) && (argc == 1 || err_set(e, E_USAGE, "which lot?")) && lockdown_no_core(e) &&
		  command_config(path, &config, e) && two_people(config, badge, two, e) && revert(config, argv[0], two, e);
	config_free(config);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command lot_revert_command = {
	"lot revert", "--config FILE [--badge FILE|-] LOT", "two people take a wrong order back: badge, PIN, badge, PIN, a line each",
	run};
