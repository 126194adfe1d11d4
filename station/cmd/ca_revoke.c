/* SPDX-License-Identifier: Apache-2.0 */
/* station ca revoke: two people revoke this line's CA. Without a running line; cut off, it is called again. */
#include "certs/ca.h"
#include "db/revocations.h"
#include "station/base/lockdown.h"
#include "station/ca_revocation.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/cmd/two_people.h"
#include "station/entry.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define CHAIN_MAX 4

static bool tell_in_the_end(struct line *l, const struct ca_wish *wish, char group[static GROUP_ID_MAX], struct err *e)
{
	for (int tries = 0;; tries++) {
		struct err why = {0};
		if (ca_revocation_tell(l, wish, group, &why))
			return true;
		if (!entry_try_again(l->dps, tries, &why))
			return err_native(e, why.code, why.native, "%s", why.what);
	}
}

static bool revoke_ca(const struct config *c, uint8_t reason, const struct person two[static 2], struct err *e)
{
	struct line l = {.config = c};
	struct bytes chain[CHAIN_MAX] = {0};
	size_t count = 0;
	char path[PATH_MAX], group[GROUP_ID_MAX];
	bool ok = cert_read_pem_file(c->ca_chain, chain, COUNT_OF(chain), &count, e) &&
		  config_state_path(c, "ledger.db", path, sizeof(path), e) && ledger_open(path, c->log_origin, &l.ledger, e) &&
		  command_dps(c, &l.dps, e);
	const struct ca_wish wish = {&chain[0], reason, two[0].id, two[1].id};
	ok = ok && ca_revocation_decide(&l, &wish, e) && tell_in_the_end(&l, &wish, group, e);
	if (ok)
		printf("No line begins with this CA any more, and group %s keeps its devices out.\n"
		       "Units with an entry of their own, and devices in their hubs, are not reached: `station revoke --lot`.\n"
		       "For a revocation list that names this CA ask whoever issued it.\n", group);
	for (size_t i = 0; i < COUNT_OF(chain); i++)
		bytes_fini(&chain[i]);
	dps_close(l.dps);
	ledger_close(l.ledger);
	http_stop();
	return ok;
}

static int run(int argc, char **argv, struct err *e)
{
	const char *path = NULL, *badge = NULL, *name = NULL;
	uint8_t reason = 0;
	struct config *config = NULL;
	struct person two[2];
	const struct command_option options[] = {{"config", &path, NULL}, {"badge", &badge, NULL}, {"reason", &name, NULL}, {0}};
	bool ok = command_options(&argc, argv, options, e) && (argc == 0 || err_set(e, E_USAGE, "it is the CA of the configuration")) &&
		  ((name && revocation_reason_named(name, &reason)) || err_set(e, E_USAGE, "--reason keyCompromise, superseded, …")) &&
		  lockdown_no_core(e) && command_engineer(path, "ca revoke", &config, e) &&
		  command_two_people(config, badge, DO_REVOKE, two, e) && revoke_ca(config, reason, two, e);
	config_free(config);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command ca_revoke_command = {"ca revoke", "--config FILE --reason REASON [--badge FILE|-]",
					  "two people revoke this line's CA: a disabled group keeps its devices out", run};
