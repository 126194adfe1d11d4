/* SPDX-License-Identifier: Apache-2.0 */
/* station profile lint: what is wrong with the leaves that profiles would have, before the first is issued. */
#include "station/cmd/profile_lint.h"
#include "certs/ca.h"
#include "certs/ca_chain.h"
#include "certs/lint.h"
#include "certs/specimen.h"
#include "station/base/clock.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/regid.h"
#include "station/signer_settings.h"

#include <stdio.h>
#include <string.h>

static void say(void *ctx, const struct lint_rule *rule)
{
	printf("profile %s: %s: %s (%s)\n", (const char *)ctx, rule->name, rule->wants, rule->section);
}

/* An id as units of this profile get it. */
static void example_id(const struct config_profile *p, char ret[static REGID_ROOM])
{
	static const uint8_t hash[SHA256_SIZE];
	const struct regid_facts facts = {"sn0001", "model-1", hash, ""};
	struct err ignored = {0};
	if (p->id != ID_TEMPLATE || !regid_from_template(p->id_template, &facts, ret, &ignored))
		regid_from_hash(hash, ret);
}

/* No leaf outlives any certificate above it: the signer goes by what ends first. */
static bool end_of(const struct ca_chain *chain, int64_t *ret_ms, struct err *e)
{
	*ret_ms = INT64_MAX;
	for (size_t i = 0; i < chain->count; i++) {
		struct cert_facts facts;
		if (!cert_look(chain->der[i].data, chain->der[i].len, &facts, e))
			return false;
		*ret_ms = facts.not_after_ms < *ret_ms ? facts.not_after_ms : *ret_ms;
	}
	return true;
}

static void lint_time(const struct config *c, const struct config_profile *p, int64_t end_ms, size_t *broken)
{
	int64_t last_ms = end_ms - p->validity_days * CLOCK_DAY_MS;
	char last[CLOCK_TEXT];
	clock_text(last_ms, last);
	if (last_ms <= clock_wall_ms()) {
		printf("profile %s: a leaf of %u days would outlive what is above it\n", p->name, p->validity_days);
		++*broken;
	} else if (last_ms < c->ca_issue_until_ms) {
		printf("profile %s: leaves of %u days are issued until %s only, which is before issue_until\n", p->name,
		       p->validity_days, last);
	}
}

static bool lint_one(const struct config_profile *p, const struct bytes *ca, size_t *broken, struct err *e)
{
	const struct leaf_form form = leaf_form_of(p);
	AUTO(bytes) struct bytes leaf = {0};
	struct err why = {0};
	char id[REGID_ROOM];
	size_t wrong = 0;
	example_id(p, id);
	if (!specimen_make(ca, id, p->validity_days, &form, clock_wall_ms(), &leaf, &why)) {
		if (why.code == E_CA_EXPIRED)
			return true;	/* lint_time has said it */
		if (why.code != E_ID_INVALID && why.code != E_PROFILE)
			return err_native(e, why.code, why.native, "%s", why.what);
		printf("profile %s: %s\n", p->name, why.what);
		++*broken;
		return true;
	}
	if (!lint_leaf(leaf.data, leaf.len, say, (void *)(uintptr_t)p->name, &wrong, e))
		return false;
	*broken += wrong;
	return true;
}

bool profile_lint(const struct config *c, const char *only, struct err *e)
{
	AUTO(ca_chain) struct ca_chain chain = {0};
	size_t broken = 0, looked = 0;
	int64_t end_ms;
	if (!ca_chain_read(c->ca_chain, &chain, e) || !end_of(&chain, &end_ms, e))
		return false;
	for (size_t i = 0; i < c->profile_count; i++) {
		const struct config_profile *p = &c->profile[i];
		if (p->attestation == ATTEST_TPM || (only && strcmp(only, p->name) != 0))
			continue;
		looked++;
		lint_time(c, p, end_ms, &broken);
		if (!lint_one(p, &chain.der[0], &broken, e))
			return false;
	}
	if (only && !looked)
		return err_set(e, E_USAGE, "no profile \"%s\" has certificates", only);
	return !broken || err_set(e, E_PROFILE_LINT, "%zu rules", broken);
}

static int run(int argc, char **argv, struct err *e)
{
	const char *path = NULL;
	struct config *config = NULL;
	const struct command_option options[] = {{"config", &path, NULL}, {0}};
	bool ok = command_options(&argc, argv, options, e) && (argc <= 1 || err_set(e, E_USAGE, "one profile, or all")) &&
		  command_config(path, &config, e) && profile_lint(config, argc == 1 ? argv[0] : NULL, e);
	if (ok)
		printf("nothing broken\n");
	config_free(config);
	return ok ? EXIT_OK : e->code == E_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

const struct command profile_lint_command = {"profile lint", "--config FILE [PROFILE]",
					     "what is wrong with the leaves that profiles would have", run};
