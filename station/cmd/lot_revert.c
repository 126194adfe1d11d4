/* SPDX-License-Identifier: Apache-2.0 */
/* station lot revert: two people take a wrong order back. Without a running line; cut off, it is gone on with by the same call. */
#include "station/base/clock.h"
#include "station/base/lockdown.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/cmd/two_people.h"
#include "station/line.h"
#include "station/shift/revert.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

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
		  command_config(path, &config, e) && command_two_people(config, badge, DO_REVERT, two, e) && revert(config, argv[0], two, e);
	config_free(config);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command lot_revert_command = {
	"lot revert", "--config FILE [--badge FILE|-] LOT", "two people take a wrong order back: badge, PIN, badge, PIN, a line each",
	run};
