/* SPDX-License-Identifier: Apache-2.0 */
/* What holds between values, once all of them are read. */
#include "station/config_table.h"

#include "certs/ca.h"

#include <string.h>

int config_line_of(const struct config_seen *seen, const char *name)
{
	for (size_t i = 0; i < config_row_count; i++)
		if (config_rows[i].section == seen->section && !strcmp(config_rows[i].name, name) && seen->at[i])
			return seen->at[i];
	return seen->line;
}

static bool given(const struct config_seen *seen, const char *name)
{
	for (size_t i = 0; i < config_row_count; i++)
		if (config_rows[i].section == seen->section && !strcmp(config_rows[i].name, name))
			return seen->at[i] > 0;
	return false;
}

/* Of two names that only make sense together. */
static void check_pair(const struct config_seen *seen, const char *one, const char *other, struct mistakes *m)
{
	if (given(seen, one) && !given(seen, other))
		mistake_add(m, config_line_of(seen, one), "%s needs %s beside it", one, other);
	if (given(seen, other) && !given(seen, one))
		mistake_add(m, config_line_of(seen, other), "%s needs %s beside it", other, one);
}

void config_check_dps(const struct config *c, const struct config_seen *seen, struct mistakes *m)
{
	bool policy = given(seen, "policy") || given(seen, "policy_key");
	int ways = policy + given(seen, "sas_token") + given(seen, "bearer_token");
	if (!seen->line)
		return;
	if (ways != 1)
		mistake_add(m, seen->line, "[dps] needs exactly one of: policy with policy_key, sas_token, "
			    "bearer_token; here are %s",
			    ways ? "several" : "none");
	check_pair(seen, "policy", "policy_key", m);
	check_pair(seen, "arm_id", "arm_token", m);
	if (c->dps_proxy_secret[0] && !given(seen, "proxy"))
		mistake_add(m, config_line_of(seen, "proxy_secret"), "proxy_secret needs proxy beside it");
}

/* Splits what the PEM file holds into roots and intermediates; the profile takes the bytes. */
static bool sort_roots(struct config_profile *p, struct bytes *certs, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		struct cert_facts facts = {0};
		if (!cert_look(certs[i].data, certs[i].len, &facts, e))
			return err_in(e, "certificate %zu", i + 1);
		if (!facts.is_ca)
			return err_set(e, E_CONFIG, "certificate %zu (%.80s) is no CA", i + 1, facts.subject);
		if (facts.self_signed)
			p->ek_roots[p->ek_root_count++] = certs[i];
		else
			p->ek_intermediates[p->ek_intermediate_count++] = certs[i];
		certs[i] = (struct bytes){0};
	}
	return p->ek_root_count > 0 || err_set(e, E_CONFIG, "holds no self-signed root");
}

static bool load_roots(struct config_profile *p, struct err *e)
{
	struct bytes certs[CONFIG_ROOTS_MAX] = {0};
	size_t count = 0;
	bool ok = cert_read_pem_file(p->ek_roots_path, certs, CONFIG_ROOTS_MAX, &count, e) && sort_roots(p, certs, count, e);
	for (size_t i = 0; i < CONFIG_ROOTS_MAX; i++)
		bytes_fini(&certs[i]);
	return ok;
}

void config_check_profile(struct config_profile *p, const struct config_seen *seen, struct mistakes *m)
{
	struct err e = {0};
	if (p->need_ek_cert && !given(seen, "ek_roots"))
		mistake_add(m, seen->line, "ek_roots is missing; it names the TPM makers' certificates "
			    "(or set ek_certificate = optional)");
	if (p->ek_roots_path[0] && !load_roots(p, &e))
		mistake_add(m, config_line_of(seen, "ek_roots"), "ek_roots: %s", e.what);
	if (p->id == ID_TEMPLATE && !given(seen, "id_template"))
		mistake_add(m, config_line_of(seen, "id"), "id = template needs id_template beside it");
	if (p->id != ID_TEMPLATE && given(seen, "id_template"))
		mistake_add(m, config_line_of(seen, "id_template"), "id_template has no effect without id = template");
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
