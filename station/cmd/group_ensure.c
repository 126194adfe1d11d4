/* SPDX-License-Identifier: Apache-2.0 */
/* station group ensure: every profile's enrollment group is there and holds our CA. An engineer's verb. */
#include "certs/ca.h"
#include "station/base/clock.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/dps/dps.h"

#include <stdio.h>
#include <string.h>

#define ENSURE_MS 30000
#define CHAIN_MAX 4

/* What a group is to hold: our root, and in a change of it the one before. */
struct roots {
	const struct bytes *now, *before;	/* DER; before: NULL without */
	bool replace;
};

static bool is_ca(const struct group_ca *held, const struct cert_facts *ca)
{
	return held->has_info && !memcmp(held->sha256, ca->sha256, SHA256_SIZE);
}

static bool group_holds(const struct group *g, const struct cert_facts *ca)
{
	return is_ca(&g->ca[0], ca) || is_ca(&g->ca[1], ca);
}

/* Whether it holds what it is to hold: both in their order; or ours, and where it takes the place of all others nothing else. */
static bool group_is_right(const struct group *g, const struct roots *roots, const struct cert_facts *now,
			   const struct cert_facts *before)
{
	if (roots->before)
		return g->enabled && is_ca(&g->ca[0], now) && is_ca(&g->ca[1], before);
	size_t held = 0;
	for (size_t i = 0; i < COUNT_OF(g->ca); i++)
		held += g->ca[i].has_info || g->ca[i].reference[0];
	return g->enabled && group_holds(g, now) && (!roots->replace || held == 1);
}

/* Something that is neither of ours, and would be gone. */
static bool group_holds_others(const struct group *g, const struct roots *roots, const struct cert_facts *now,
			       const struct cert_facts *before)
{
	for (size_t i = 0; i < COUNT_OF(g->ca); i++) {
		const struct group_ca *held = &g->ca[i];
		if (held->reference[0] || (held->has_info && !is_ca(held, now) && !(roots->before && is_ca(held, before))))
			return true;
	}
	return false;
}

static bool put(struct dps *d, const char *id, const struct roots *roots, const struct group *now, int64_t deadline_ms,
		struct err *e)
{
	AUTO(group) struct group after = {0};
	AUTO(bytes) struct bytes pem = {0}, before = {0};
	if (!cert_to_pem(roots->now->data, roots->now->len, &pem, e) ||
	    (roots->before && !cert_to_pem(roots->before->data, roots->before->len, &before, e)))
		return false;
	const struct group_wanted wanted = {.id = id, .primary_pem = bytes_text(&pem),
					    .secondary_pem = roots->before ? bytes_text(&before) : NULL};
	return dps_put_group(d, &wanted, now, deadline_ms, &after, e);
}

/* A put replaces all certificates of a group, and the service never tells them: what another line lives by is not
 * thrown away unasked. */
static bool ensure(struct dps *d, const char *id, const struct roots *roots, struct err *e)
{
	AUTO(group) struct group now = {0};
	struct cert_facts facts, before = {0};
	bool found = false;
	int64_t deadline_ms = clock_steady_ms() + ENSURE_MS;
	if (!cert_look(roots->now->data, roots->now->len, &facts, e) ||
	    (roots->before && !cert_look(roots->before->data, roots->before->len, &before, e)) ||
	    !dps_get_group(d, id, deadline_ms, &found, &now, e))
		return false;
	if (found && group_is_right(&now, roots, &facts, &before)) {
		printf("%s: is there and holds %s%s%s\n", id, facts.subject, roots->before ? ", and " : "", before.subject);
		return true;
	}
	if (found && !roots->replace && group_holds_others(&now, roots, &facts, &before))
		return err_set(e, E_CONFLICT, "group %s holds another CA; --replace puts %s in its place", id, facts.subject);
	if (!put(d, id, roots, found ? &now : NULL, deadline_ms, e))
		return false;
	printf("%s: %s with %s%s%s\n", id, found ? "renewed" : "made", facts.subject, roots->before ? ", and " : "",
	       before.subject);
	return true;
}

/* The root of another chain or a root alone: the last certificate of the file. */
static bool read_root(const char *path, struct bytes *ret, struct err *e)
{
	struct bytes chain[CHAIN_MAX] = {0};
	size_t count = 0;
	bool ok = cert_read_pem_file(path, chain, COUNT_OF(chain), &count, e) &&
		  bytes_set(ret, chain[count - 1].data, chain[count - 1].len, e);
	for (size_t i = 0; i < COUNT_OF(chain); i++)
		bytes_fini(&chain[i]);
	return ok;
}

static int run(int argc, char **argv, struct err *e)
{
	const char *path = NULL, *old = NULL;
	struct roots roots = {0};
	const struct command_option options[] = {{"config", &path, NULL}, {"replace", NULL, &roots.replace}, {"before", &old,
													      NULL}, {0}};
	struct config *config = NULL;
	struct dps *dps = NULL;
	AUTO(bytes) struct bytes now = {0}, before = {0};
	if (!command_options(&argc, argv, options, e) || !command_engineer(path, "group ensure", &config, e))
		return EXIT_FAILED;
	/* The group holds the product's root, the last of the chain: a line CA may then be renewed without touching the group. */
	bool ok = command_dps(config, &dps, e) && read_root(config->ca_chain, &now, e) && (!old || read_root(old, &before, e));
	roots.now = &now;
	roots.before = old ? &before : NULL;
	for (size_t i = 0; ok && i < config->profile_count; i++)
		ok = !config->profile[i].group[0] || ensure(dps, config->profile[i].group, &roots, e);
	dps_close(dps);
	http_stop();
	config_free(config);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command group_ensure_command = {"group ensure", "--config FILE [--before OLD-CHAIN.pem] [--replace]",
					     "make each profile's enrollment group, with our root", run};
