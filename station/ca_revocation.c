/* SPDX-License-Identifier: Apache-2.0 */
#include "station/ca_revocation.h"
#include "certs/ca.h"
#include "db/revocations.h"
#include "station/base/clock.h"
#include "station/base/text.h"
#include "station/entry.h"

#include <stdio.h>
#include <string.h>

#define FACT "ca.revoked:"
#define FACT_ROOM (sizeof(FACT) + 2 * SHA256_SIZE)
#define GROUP_PREFIX "revoked-"

static int64_t deadline(void)
{
	return clock_steady_ms() + ENTRY_REQUEST_MS;
}

static void fact_of(const uint8_t sha256[static SHA256_SIZE], char ret[static FACT_ROOM])
{
	memcpy(ret, FACT, sizeof(FACT));
	hex_encode(sha256, SHA256_SIZE, ret + strlen(FACT));
}

bool ca_revocation_allows(struct ledger *l, const uint8_t sha256[static SHA256_SIZE], struct err *e)
{
	AUTO(bytes) struct bytes value = {0};
	char fact[FACT_ROOM];
	fact_of(sha256, fact);
	if (!ledger_recall(l, fact, &value, e))
		return false;
	return !value.len || err_set(e, E_CA_REVOKED, "for %s", bytes_text(&value));
}

static bool write_entry(struct line *l, const char *type, const struct ca_wish *wish, const struct cert_facts *facts,
			const char *group,
			struct err *e)
{
	char sha256[2 * SHA256_SIZE + 1];
	uint64_t index;
	hex_encode(facts->sha256, SHA256_SIZE, sha256);
	AUTO(json) json_t *body = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "subject", facts->subject, "sha256", sha256, "reason",
					    revocation_reason_name(wish->reason), "first", wish->first, "second",
						wish->second, "group",
					    group);
	return (body || err_set(e, E_NOMEM, "audit entry")) && audit_append(l->ledger, type, "", body, clock_wall_ms(), &index, e);
}

bool ca_revocation_decide(struct line *l, const struct ca_wish *wish, struct err *e)
{
	struct cert_facts facts;
	char fact[FACT_ROOM];
	struct err known = {0};
	if (!cert_look(wish->ca->data, wish->ca->len, &facts, e))
		return false;
	if (!ca_revocation_allows(l->ledger, facts.sha256, &known))
		return known.code == E_CA_REVOKED || err_native(e, known.code, known.native, "%s", known.what);
	fact_of(facts.sha256, fact);
	return ledger_begin(l->ledger, e) &&
	       ledger_end(l->ledger, write_entry(l, "ca.revoking", wish, &facts, "", e) &&
			      ledger_remember(l->ledger, fact, revocation_reason_name(wish->reason), e), e);
}

/* ---- the service ---- */

static bool holds(const struct group *g, const struct cert_facts *facts)
{
	for (size_t i = 0; i < COUNT_OF(g->ca); i++)
		if (g->ca[i].has_info && !memcmp(g->ca[i].sha256, facts->sha256, SHA256_SIZE))
			return true;
	return false;
}

static bool holds_others(const struct group *g, const struct cert_facts *facts)
{
	for (size_t i = 0; i < COUNT_OF(g->ca); i++)
		if (g->ca[i].reference[0] || (g->ca[i].has_info && memcmp(g->ca[i].sha256, facts->sha256, SHA256_SIZE) != 0))
			return true;
	return false;
}

static bool put_disabled(struct line *l, const char *id, const struct bytes *ca, const struct group *base, struct err *e)
{
	AUTO(bytes) struct bytes pem = {0};
	AUTO(group) struct group after = {0};
	if (!cert_to_pem(ca->data, ca->len, &pem, e))
		return false;
	const struct group_wanted wanted = {.id = id, .primary_pem = bytes_text(&pem), .disabled = true};
	return dps_put_group(l->dps, &wanted, base, deadline(), &after, e);
}

/* A certificate stands in one entry of the service only: a group of ours that holds it is disabled itself. */
static bool disable_group(struct line *l, const char *id, const struct ca_wish *wish, const struct cert_facts *facts,
			  bool *ret_done,
			  struct err *e)
{
	AUTO(group) struct group now = {0};
	bool found = false;
	if (!dps_get_group(l->dps, id, deadline(), &found, &now, e))
		return false;
	*ret_done = found && holds(&now, facts);
	if (!*ret_done)
		return !found || strncmp(id, GROUP_PREFIX, strlen(GROUP_PREFIX)) != 0 ||
		       err_set(e, E_CONFLICT, "group %s holds another certificate", id);
	if (!now.enabled)
		return true;
	if (holds_others(&now, facts))
		return err_set(e, E_CONFLICT, "group %s holds this CA beside others; take it out first", id);
	return put_disabled(l, id, wish->ca, &now, e);
}

static bool tell(struct line *l, const struct ca_wish *wish, const struct cert_facts *facts, char ret_group[static GROUP_ID_MAX],
		 struct err *e)
{
	const struct config *c = l->config;
	bool done = false;
	for (size_t i = 0; i < c->profile_count && !done; i++) {
		snprintf(ret_group, GROUP_ID_MAX, "%s", c->profile[i].group);
		if (c->profile[i].group[0] && !disable_group(l, c->profile[i].group, wish, facts, &done, e))
			return false;
	}
	if (done)
		return true;
	memcpy(ret_group, GROUP_PREFIX, sizeof(GROUP_PREFIX));
	hex_encode(facts->sha256, SHA256_SIZE, ret_group + strlen(GROUP_PREFIX));
	return disable_group(l, ret_group, wish, facts, &done, e) && (done || put_disabled(l, ret_group, wish->ca, NULL, e));
}

bool ca_revocation_tell(struct line *l, const struct ca_wish *wish, char ret_group[static GROUP_ID_MAX], struct err *e)
{
	struct cert_facts facts;
	return cert_look(wish->ca->data, wish->ca->len, &facts, e) && tell(l, wish, &facts, ret_group, e) &&
		ledger_begin(l->ledger, e) &&
	       ledger_end(l->ledger, write_entry(l, "ca.revoked", wish, &facts, ret_group, e), e);
}
