/* SPDX-License-Identifier: Apache-2.0 */
/* station clock accept: two people stand for a clock that is not synchronised, or that was set back, for twelve hours.
 * Without a running line. What they say is an entry of the audit log, and the signer takes it from there. */
#include "db/audit.h"
#include "station/base/clock.h"
#include "station/base/lockdown.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/cmd/two_people.h"
#include "station/signing.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

static bool keep_on_record(struct ledger *l, const struct person two[static 2], int64_t now_ms, struct err *e)
{
	char index[24];
	uint64_t at;
	AUTO(json) json_t *body = json_pack("{s:[s, s]}", "people", two[0].id, two[1].id);
	if (!body)
		return err_set(e, E_NOMEM, "audit entry");
	if (!ledger_begin(l, e))
		return false;
	bool ok = audit_append(l, "clock.accepted", "", body, now_ms, &at, e);
	snprintf(index, sizeof(index), "%" PRIu64, at);
	if (ok && ledger_remember(l, SIGNING_CLOCK_FACT, index, e))
		return ledger_commit(l, e);
	ledger_rollback(l);
	return false;
}

static bool accept_clock(const struct config *c, const struct person two[static 2], struct err *e)
{
	struct ledger *l = NULL;
	char path[PATH_MAX], now[CLOCK_TEXT], until[CLOCK_TEXT];
	int64_t now_ms = clock_wall_ms();
	bool ok = config_state_path(c, "ledger.db", path, sizeof(path), e) && ledger_open(path, c->log_origin, &l, e) &&
		  keep_on_record(l, two, now_ms, e);
	ledger_close(l);
	clock_text(now_ms, now);
	clock_text(now_ms + CLOCK_ACCEPTED_MS, until);
	if (ok)
		printf("%s and %s stand for the clock: it is %s. The signer takes that until %s.\n", two[0].id, two[1].id, now, until);
	return ok;
}

static int run(int argc, char **argv, struct err *e)
{
	const char *path = NULL, *badge = NULL;
	struct config *config = NULL;
	struct person two[2];
	const struct command_option options[] = {{"config", &path, NULL}, {"badge", &badge, NULL}, {0}};
	bool ok = command_options(&argc, argv, options, e) && (argc == 0 || err_set(e, E_USAGE, "nothing else is wanted")) &&
		  lockdown_no_core(e) && command_config(path, &config, e) && command_two_people(config, badge, DO_CUSTODY, two, e) &&
		  accept_clock(config, two, e);
	config_free(config);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command clock_accept_command = {"clock accept", "--config FILE [--badge FILE|-]",
	"two people stand for a clock that is not synchronised, for twelve hours", run};
