/* SPDX-License-Identifier: Apache-2.0 */
/* station custody init: ties the signer's memory to its anchor, by two people, while no line runs.
 * station custody show: where the CA's key and the count live, and what that withstands. */
#include "certs/own_tpm.h"
#include "db/audit.h"
#include "station/base/clock.h"
#include "station/base/file.h"
#include "station/base/lockdown.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/cmd/two_people.h"
#include "station/signer_settings.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

/* ---- init ---- */

static bool keep_on_record(struct ledger *l, const struct config *c, const struct person two[static 2], int64_t now_ms,
			   struct err *e)
{
	uint64_t at;
	AUTO(json) json_t *body = json_pack("{s:s, s:[s, s]}", "anchor", c->custody_anchor, "people", two[0].id, two[1].id);
	if (!body)
		return err_set(e, E_NOMEM, "audit entry");
	if (!ledger_begin(l, e))
		return false;
	if (audit_append(l, "custody.begun", "", body, now_ms, &at, e))
		return ledger_commit(l, e);
	ledger_rollback(l);
	return false;
}

/* On record first: a count that nobody knows to have begun anew would look like the old one. */
static bool begin(const struct config *c, const struct person two[static 2], struct err *e)
{
	struct ledger *l = NULL;
	struct signer_settings settings;
	char path[PATH_MAX];
	int64_t now_ms = clock_wall_ms();
	bool ok = file_make_directory(c->state_dir, 0750, e) && signer_settings_of(c, &settings, e) &&
		  config_state_path(c, "ledger.db", path, sizeof(path), e) &&
		  ledger_open(path, c->log_origin, &l, e) && keep_on_record(l, c, two, now_ms, e) &&
		  signer_begin(&settings.setup, now_ms, e);
	ledger_close(l);
	if (ok)
		printf("The count begins here, tied to %s. Orders that were made before now are void.\n", c->custody_anchor);
	return ok;
}

static int run_init(int argc, char **argv, struct err *e)
{
	const char *path = NULL, *badge = NULL;
	struct config *config = NULL;
	struct person two[2];
	const struct command_option options[] = {{"config", &path, NULL}, {"badge", &badge, NULL}, {0}};
	bool ok = command_options(&argc, argv, options, e) && (argc == 0 || err_set(e, E_USAGE, "nothing else is wanted")) &&
		  lockdown_no_core(e) && command_config(path, &config, e) &&
		  (config->custody_anchor[0] || err_set(e, E_CUSTODY, "the configuration names no anchor")) &&
		  command_two_people(config, badge, DO_CUSTODY, two, e) && begin(config, two, e);
	config_free(config);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command custody_init_command = {"custody init", "--config FILE [--badge FILE|-]",
	"two people tie the count to its anchor, for the first time or on a spare", run_init};

/* ---- show ---- */

/* docs/custody.md has the same tiers, at more length. */
static const char *withstands(const struct custody *c, bool limited)
{
	if (!c->key.ops->in_hardware)
		return "nothing: who can read the key file and its passphrase has the key. For training only";
	if (limited)
		return "a stolen disk, a restored or edited memory of the count; who is root signs no more than the TPM's owner allowed";
	if (!c->anchor.ops)
		return "a stolen disk; not a restored memory of the count";
	return "a stolen disk, a restored or edited memory of the count; not somebody who is root while the line runs";
}

static bool show(const struct config *c, struct err *e)
{
	struct signer_settings settings;
	struct custody custody = {0};
	uint64_t at = 0;
	uint32_t left = 0;
	bool limited = own_tpm_is_limited_uri(c->ca_key);
	if (!signer_settings_of(c, &settings, e) || !custody_open(&settings.setup.custody, &custody, e))
		return false;
	bool ok = (!custody.anchor.ops || custody.anchor.ops->read(custody.anchor.state, &at, e)) &&
		  (!limited || own_tpm_limit_left(custody.tpm, c->ca_key, &left, e));
	if (ok) {
		printf("key        %s, in a %s, %s\n", c->ca_key, custody.key.ops->name,
		       custody.key.key.kind == KEY_RSA ? "RSA" : "P-256");
		if (limited)
			printf("limit      %u more signatures, by the TPM's own count\n", left);
		if (custody.anchor.ops)
			printf("anchor     %s, in a %s, at %" PRIu64 "; leases of %u\n", c->custody_anchor,
			       custody.anchor.ops->name, at,
			       c->custody_lease);
		else
			printf("anchor     none\n");
		printf("orders     %s\n", c->custody_order_key[0][0] ? "signed by two" : "not signed");
		printf("production %s\n", c->production ? "yes" : "no");
		printf("withstands %s\n", withstands(&custody, limited));
	}
	custody_close(&custody);
	return ok;
}

static int run_show(int argc, char **argv, struct err *e)
{
	const char *path = NULL;
	struct config *config = NULL;
	const struct command_option options[] = {{"config", &path, NULL}, {0}};
	bool ok = command_options(&argc, argv, options, e) && (argc == 0 || err_set(e, E_USAGE, "nothing else is wanted")) &&
		  lockdown_no_core(e) && command_config(path, &config, e) && show(config, e);
	config_free(config);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command custody_show_command = {"custody show", "--config FILE",
	"where the CA's key and the count live, and what that withstands", run_show};
