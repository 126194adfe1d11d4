/* SPDX-License-Identifier: Apache-2.0 */
/* station ca show: the line's CA as the configuration has it: who it is, how long, and where its key lives. */
#include "certs/ca.h"
#include "certs/ca_chain.h"
#include "certs/custody.h"
#include "station/base/clock.h"
#include "station/base/lockdown.h"
#include "station/base/text.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/signer_settings.h"

#include <stdio.h>

/* As DPS's pages spell them. */
static void print_thumbprint(const char *name, const uint8_t *hash, size_t len)
{
	printf("  %-9s ", name);
	for (size_t i = 0; i < len; i++)
		printf("%02X", hash[i]);
	printf("\n");
}

static bool print_one(const struct bytes *der, size_t i, size_t count, struct err *e)
{
	struct cert_facts facts;
	char from[CLOCK_TEXT], to[CLOCK_TEXT];
	if (!cert_look(der->data, der->len, &facts, e))
		return false;
	clock_text(facts.not_before_ms, from);
	clock_text(facts.not_after_ms, to);
	printf("%s\n  %-9s %s\n", i == 0 ? "line CA" : i + 1 == count ? "root" : "CA above it", "subject", facts.subject);
	printf("  %-9s %s to %s\n", "valid", from, to);
	print_thumbprint("SHA-256", facts.sha256, sizeof(facts.sha256));
	print_thumbprint("SHA-1", facts.sha1, sizeof(facts.sha1));
	return true;
}

/* The longest profile's leaf is the first that is not issued any more. */
static void print_issuing(const struct config *c, const struct cert_facts *ca)
{
	char until[CLOCK_TEXT], last[CLOCK_TEXT];
	clock_text(c->ca_issue_until_ms, until);
	printf("issues until %s\n", until);
	for (size_t i = 0; i < c->profile_count; i++) {
		int64_t last_ms = ca->not_after_ms - c->profile[i].validity_days * CLOCK_DAY_MS;
		clock_text(last_ms < c->ca_issue_until_ms ? last_ms : c->ca_issue_until_ms, last);
		printf("  profile %-16s leaves of %u days, the last at %s\n", c->profile[i].name, c->profile[i].validity_days, last);
	}
}

static bool print_custody(const struct config *c, const struct ca_chain *chain, struct err *e)
{
	struct signer_settings settings;
	struct custody custody = {0};
	struct err why = {0};
	bool lists = false;
	if (!signer_settings_of(c, &settings, e))
		return false;
	settings.setup.custody.anchor_uri = "";
	bool ok = custody_open(&settings.setup.custody, &custody, e);
	if (ok) {
		printf("key %s, in a %s%s\n", c->ca_key, custody.key.ops->name, custody.key.ops->in_hardware ? "" : ": for training");
		ok = ca_chain_judge(chain, &custody.key.key, clock_wall_ms(), &lists, &why) ||
		     err_native(e, why.code, why.native, "%s", why.what);
	}
	if (ok)
		printf("the chain holds%s\n", lists ? ", and it may sign revocation lists" : "; it may not sign revocation lists");
	custody_close(&custody);
	return ok;
}

static bool show(const struct config *c, struct err *e)
{
	AUTO(ca_chain) struct ca_chain chain = {0};
	struct cert_facts facts;
	if (!ca_chain_read(c->ca_chain, &chain, e) || !cert_look(chain.der[0].data, chain.der[0].len, &facts, e))
		return false;
	for (size_t i = 0; i < chain.count; i++)
		if (!print_one(&chain.der[i], i, chain.count, e))
			return false;
	print_issuing(c, &facts);
	return print_custody(c, &chain, e);
}

static int run(int argc, char **argv, struct err *e)
{
	const char *path = NULL;
	struct config *config = NULL;
	const struct command_option options[] = {{"config", &path, NULL}, {0}};
	bool ok = command_options(&argc, argv, options, e) && (argc == 0 || err_set(e, E_USAGE, "nothing else is wanted")) &&
		  lockdown_no_core(e) && command_config(path, &config, e) && show(config, e);
	config_free(config);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command ca_show_command = {"ca show", "--config FILE", "who the line's CA is, how long, and where its key lives", run};
