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

static bool group_holds(const struct group *g, const struct cert_facts *ca)
{
	for (size_t i = 0; i < COUNT_OF(g->ca); i++)
		if (g->ca[i].has_info && !memcmp(g->ca[i].sha256, ca->sha256, SHA256_SIZE))
			return true;
	return false;
}

static bool group_is_empty(const struct group *g)
{
	return !g->ca[0].has_info && !g->ca[1].has_info && !g->ca[0].reference[0] && !g->ca[1].reference[0];
}

/* A put replaces all certificates of a group, and the service never tells them: what another line lives by is not
 * thrown away unasked. */
static bool ensure(struct dps *d, const char *id, const struct bytes *ca, bool replace, struct err *e)
{
	AUTO(group) struct group now = {0};
	AUTO(group) struct group after = {0};
	AUTO(bytes) struct bytes pem = {0};
	struct cert_facts facts;
	bool found = false;
	int64_t deadline_ms = clock_steady_ms() + ENSURE_MS;
	if (!cert_look(ca->data, ca->len, &facts, e) || !dps_get_group(d, id, deadline_ms, &found, &now, e))
		return false;
	if (found && now.enabled && group_holds(&now, &facts)) {
		printf("%s: is there and holds %s\n", id, facts.subject);
		return true;
	}
	if (found && !replace && !group_is_empty(&now) && !group_holds(&now, &facts))
		return err_set(e, E_CONFLICT, "group %s holds another CA; --replace puts %s in its place", id, facts.subject);
	if (!cert_to_pem(ca->data, ca->len, &pem, e))
		return false;
	const struct group_wanted wanted = {.id = id, .primary_pem = bytes_text(&pem)};
	if (!dps_put_group(d, &wanted, found ? &now : NULL, deadline_ms, &after, e))
		return false;
	printf("%s: %s with %s\n", id, found ? "renewed" : "made", facts.subject);
	return true;
}

static int run(int argc, char **argv, struct err *e)
{
	const char *path = NULL;
	bool replace = false;
	const struct command_option options[] = {{"config", &path, NULL}, {"replace", NULL, &replace}, {0}};
	struct config *config = NULL;
	struct dps *dps = NULL;
	struct bytes chain[4] = {0};
	size_t count = 0;
	if (!command_options(&argc, argv, options, e) || !command_engineer(path, "group ensure", &config, e))
		return EXIT_FAILED;
	bool ok = command_dps(config, &dps, e) && cert_read_pem_file(config->ca_chain, chain, COUNT_OF(chain), &count, e);
	/* The group holds the product's root, the last of the chain: a line CA may then be renewed without touching the group. */
	for (size_t i = 0; ok && i < config->profile_count; i++)
		ok = !config->profile[i].group[0] || ensure(dps, config->profile[i].group, &chain[count - 1], replace, e);
	for (size_t i = 0; i < count; i++)
		bytes_fini(&chain[i]);
	dps_close(dps);
	http_stop();
	config_free(config);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command group_ensure_command = {"group ensure", "--config FILE [--replace]",
					     "make each profile's enrollment group, with our root", run};
