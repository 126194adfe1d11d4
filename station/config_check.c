/* SPDX-License-Identifier: Apache-2.0 */
/* What holds between values, once all of them are read. */
#include "station/config_table.h"

#include <string.h>

int config_line_of(const struct config_seen *seen, const char *name)
{
	for (size_t i = 0; i < config_row_count; i++)
		if (config_rows[i].section == seen->section && !strcmp(config_rows[i].name, name) && seen->at[i])
			return seen->at[i];
	return seen->line;
}

bool config_given(const struct config_seen *seen, const char *name)
{
	for (size_t i = 0; i < config_row_count; i++)
		if (config_rows[i].section == seen->section && !strcmp(config_rows[i].name, name))
			return seen->at[i] > 0;
	return false;
}

/* Of two names that only make sense together. */
static void check_pair(const struct config_seen *seen, const char *one, const char *other, struct mistakes *m)
{
	if (config_given(seen, one) && !config_given(seen, other))
		mistake_add(m, config_line_of(seen, one), "%s needs %s beside it", one, other);
	if (config_given(seen, other) && !config_given(seen, one))
		mistake_add(m, config_line_of(seen, other), "%s needs %s beside it", other, one);
}

void config_check_dps(const struct config *c, const struct config_seen *seen, struct mistakes *m)
{
	bool policy = config_given(seen, "policy") || config_given(seen, "policy_key");
	int ways = policy + config_given(seen, "sas_token") + config_given(seen, "bearer_token");
	if (!seen->line)
		return;
	if (ways != 1)
		mistake_add(m, seen->line, "[dps] needs exactly one of: policy with policy_key, sas_token, "
			    "bearer_token; here are %s",
			    ways ? "several" : "none");
	check_pair(seen, "policy", "policy_key", m);
	check_pair(seen, "arm_id", "arm_token", m);
	if (c->dps_proxy_secret[0] && !config_given(seen, "proxy"))
		mistake_add(m, config_line_of(seen, "proxy_secret"), "proxy_secret needs proxy beside it");
}

static int profile_index(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->profile_count; i++)
		if (!strcmp(c->profile[i].name, name))
			return (int)i;
	return -1;
}

void config_check_slots(struct config *c, const struct config_seen *seen_slots, struct mistakes *m)
{
	for (size_t i = 0; i < c->slot_count; i++) {
		struct config_slot *slot = &c->slot[i];
		const char *wanted = seen_slots[i].profile_name;
		slot->profile = profile_index(c, wanted);
		if (wanted[0] && slot->profile < 0)
			mistake_add(m, config_line_of(&seen_slots[i], "profile"), "there is no [profile %s]", wanted);
		for (size_t k = 0; k < i; k++)
			if (slot->port[0] && !strcmp(slot->port, c->slot[k].port))
				mistake_add(m, config_line_of(&seen_slots[i], "port"), "slot %s has this port already (line %d)",
					    c->slot[k].name, config_line_of(&seen_slots[k], "port"));
	}
}

/* Whoever takes over a line must not be able to disable, or to let in, every device of a hub. */
void config_check_hub(const struct config *c, const struct config_seen *seen, struct mistakes *m)
{
	if (c->role == ROLE_LINE && c->hub_keys[0])
		mistake_add(m, config_line_of(seen, "keys"), "a line has no keys of hubs; put [hub] into a configuration with role = engineer");
	if (c->hub_gateway[0] && !c->hub_keys[0])
		mistake_add(m, config_line_of(seen, "gateway"), "gateway needs keys");
}
