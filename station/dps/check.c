/* SPDX-License-Identifier: Apache-2.0 */
#include "station/dps/check.h"

#include "certs/ca.h"
#include "station/base/clock.h"
#include "station/dps/answer.h"
#include "station/dps/arm.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- the walk to the cloud ---- */

struct walk {
	void (*row)(void *ctx, const struct check_row *row);
	void *ctx;
	struct err *e;	/* the first failure */
	bool ok;
};

static bool row_good(struct walk *w, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
static bool row_good(struct walk *w, const char *name, const char *fmt, ...)
{
	struct check_row r = {.name = name, .ok = true};
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(r.text, sizeof(r.text), fmt, ap);
	va_end(ap);
	w->row(w->ctx, &r);
	return true;
}

static bool row_bad(struct walk *w, const char *name, const struct err *why)
{
	struct check_row r = {.name = name};
	snprintf(r.text, sizeof(r.text), "%s", why->what);
	w->row(w->ctx, &r);
	w->ok = false;
	return err_native(w->e, why->code, why->native, "%s: %s", name, why->what);
}

static bool has_proxy(struct dps *d)
{
	return dps_http(d)->proxy != NULL;
}

/* Which hop a request died at. */
static const char *broken_hop(struct dps *d, const struct http_hops *hops, const struct err *why)
{
	if (why->code == E_DPS_AUTH || why->code == E_SECRET)
		return "token";
	if (why->code == E_PROXY || (hops->proxy_status && hops->proxy_status / 100 != 2))
		return "proxy";
	if (why->code == E_TLS)
		return "tls";
	if (!hops->name_us)
		return "name";
	if (!*hops->address)
		return has_proxy(d) ? "proxy" : "tcp";
	return hops->tls_us ? "answer" : has_proxy(d) && !hops->proxy_status ? "proxy" : "tls";
}

/* Says the hops that were passed, up to but without the one named (NULL: all). */
static void rows_of_hops(struct walk *w, struct dps *d, const struct http_hops *hops, const char *until)
{
	const char *host = dps_endpoint(d) + strlen("https://");
	if (until && !strcmp(until, "name"))
		return;
	row_good(w, "name", "%s has an address (%" PRId64 " ms)", has_proxy(d) ? dps_http(d)->proxy : host,
		 hops->name_us / 1000);
	if (until && (!strcmp(until, "tcp") || !strcmp(until, "proxy")))
		return;
	if (has_proxy(d))
		row_good(w, "proxy", "%s leads to %s", dps_http(d)->proxy, host);
	else
		row_good(w, "tcp", "connected to %s", hops->address);
	if (until && !strcmp(until, "tls"))
		return;
	row_good(w, "tls", "%s is trusted; issued by %s (%" PRId64 " ms)", hops->subject, hops->issuer,
		 hops->tls_us / 1000);
}

static void row_of_clock(struct walk *w, const struct http_response *r)
{
	struct err why = {0};
	int64_t ahead_s = r->ahead_ms / 1000;
	if (r->date_ms < 0) {
		row_good(w, "clock", "the service does not say its time");
		return;
	}
	if (r->ahead_ms > ANSWER_CLOCK_MS || r->ahead_ms < -ANSWER_CLOCK_MS) {
		err_set(&why, E_CLOCK, "this clock is %" PRId64 " s %s the service's", ahead_s < 0 ? -ahead_s : ahead_s,
			ahead_s < 0 ? "behind" : "ahead of");
		row_bad(w, "clock", &why);
		return;
	}
	row_good(w, "clock", "%" PRId64 " s %s the service's", ahead_s < 0 ? -ahead_s : ahead_s,
		 ahead_s < 0 ? "behind" : "ahead of");
}

/* ---- the rights ---- */

#define NOBODY "station-check"	/* an id that no device has */

/* One question, and what a good answer to it proves. */
struct probe {
	const char *method, *collection, *id, *if_match;
	const char *found, *missing;	/* a piece of text, followed by the id if it ends in a blank; NULL: may not happen */
};

static bool probe_send(struct dps *d, const struct probe *p, int64_t deadline_ms, struct http_response *ret, struct err *e)
{
	AUTO(bytes) struct bytes path = {0};
	if (!dps_path(p->collection, p->id, &path, e))
		return false;
	struct dps_call call = {.method = p->method, .path = bytes_text(&path), .if_match = p->if_match, .want_hops = true,
				.deadline_ms = deadline_ms};
	return dps_send(d, &call, ret, e);
}

/* 412 says no less than 404: it got as far as the etag. */
static bool is_missing(const struct http_response *r)
{
	return answer_is_not_found(r) || r->status == 412;
}

/* Any web server says 200; what DPS has is JSON. */
static bool is_of_dps(const struct http_response *r, struct err *e)
{
	AUTO(json) json_t *body = NULL;
	return answer_is_good(r, e) && (r->status == 204 || answer_object(r, &body, e));
}

static bool row_of_right(struct walk *w, const struct probe *p, const struct http_response *r)
{
	struct err why = {0};
	if (r->status == 401 || r->status == 403) {
		answer_refuse(r, E_DPS_AUTH, &why);
		return row_bad(w, "right", &why);
	}
	const char *text = is_missing(r) ? p->missing : p->found;
	if (!is_missing(r) && !is_of_dps(r, &why))
		return row_bad(w, "answer", &why);
	if (!text) {
		err_set(&why, E_DPS_ANSWER, "%s of %s took effect without its etag", p->method, p->id);
		return row_bad(w, "answer", &why);
	}
	return row_good(w, "right", "%s%s", text, text[strlen(text) - 1] == ' ' ? p->id : "");
}

/* The first answer also tells of the clock and the token. False if the rest is meaningless. */
static bool rows_of_first_answer(struct walk *w, const struct http_response *r)
{
	struct err why = {0};

	row_of_clock(w, r);
	if (r->status == 401) {
		answer_refuse(r, E_DPS_AUTH, &why);
		return row_bad(w, "token", &why);
	}
	if (r->status != 403 && !is_missing(r) && !is_of_dps(r, &why))
		return row_bad(w, "answer", &why);
	return row_good(w, "token", "accepted");
}

static bool rows_of_way(struct walk *w, struct dps *d, const struct http_hops *hops, const struct err *why)
{
	if (!why->code) {
		rows_of_hops(w, d, hops, NULL);
		return true;
	}
	const char *hop = broken_hop(d, hops, why);
	if (strcmp(hop, "token"))
		rows_of_hops(w, d, hops, hop);
	return row_bad(w, hop, why);
}

/* False if nothing more needs to be asked. */
static bool ask(struct walk *w, struct dps *d, const struct probe *p, bool first, int64_t deadline_ms)
{
	AUTO(http_response) struct http_response r = {0};
	struct err why = {0};
	bool sent = probe_send(d, p, deadline_ms, &r, &why);

	if (first && (!rows_of_way(w, d, &r.hops, &why) || !rows_of_first_answer(w, &r)))
		return false;
	if (!sent)
		return row_bad(w, "answer", &why);
	row_of_right(w, p, &r);
	return true;
}

static size_t probes_of(const struct check_wanted *wanted, struct probe ret[static CHECK_GROUPS_MAX + 2])
{
	size_t n = 0;
	for (; n < wanted->group_count; n++)
		ret[n] = (struct probe){"GET", "enrollmentGroups", wanted->group[n], NULL, "may read group ",
					"may read groups; there is no group "};
	if (!wanted->individual)
		return n;
	ret[n++] = (struct probe){"GET", "enrollments", NOBODY, NULL, "may read individual enrollments",
				  "may read individual enrollments"};
	ret[n++] = (struct probe){"DELETE", "enrollments", NOBODY, "\"" NOBODY "\"", NULL, "may write individual enrollments"};
	return n;
}

bool check_cloud(struct dps *d, const struct check_wanted *wanted, int64_t deadline_ms,
		 void (*row)(void *ctx, const struct check_row *row), void *ctx, struct err *e)
{
	struct walk w = {.row = row, .ctx = ctx, .e = e, .ok = true};
	struct probe probes[CHECK_GROUPS_MAX + 2];
	size_t count = probes_of(wanted, probes);

	assert(wanted->group_count <= CHECK_GROUPS_MAX && count > 0);
	for (size_t i = 0; i < count && ask(&w, d, &probes[i], i == 0, deadline_ms); i++)
		;
	return w.ok;
}

/* ---- the claims of preflight ---- */

static bool chain_has(const struct check_chain *chain, const uint8_t sha256[static SHA256_SIZE])
{
	uint8_t ours[SHA256_SIZE];
	for (size_t i = 0; i < chain->count; i++) {
		sha256_of(chain->ca[i].data, chain->ca[i].len, ours);
		if (!memcmp(ours, sha256, SHA256_SIZE))
			return true;
	}
	return false;
}

/* *ret true if the stored certificate is one of our chain. */
static bool stored_is_ours(const struct arm_certificate *c, const struct check_chain *chain, bool *ret,
			   struct err *e)
{
	*ret = false;
	for (size_t i = 0; i < chain->count && !*ret; i++) {
		struct cert_facts facts;
		if (!cert_look(chain->ca[i].data, chain->ca[i].len, &facts, e))
			return err_in(e, "certificate %zu of our chain", i + 1);
		*ret = arm_certificate_is(c, &facts);
	}
	return true;
}

static bool group_holds(struct dps *d, const struct group *g, const struct check_chain *chain,
			int64_t deadline_ms, bool *ret, struct err *e)
{
	*ret = false;
	for (size_t i = 0; i < COUNT_OF(g->ca) && !*ret; i++) {
		struct arm_certificate stored;
		bool found = false;
		*ret = g->ca[i].has_info && chain_has(chain, g->ca[i].sha256);
		if (*ret || !*g->ca[i].reference)
			continue;
		if (!arm_get_certificate(d, g->ca[i].reference, deadline_ms, &found, &stored, e)
		    || (found && !stored_is_ours(&stored, chain, ret, e)))
			return false;
	}
	return true;
}

bool check_group(struct dps *d, const char *group_id, const struct check_chain *chain, int64_t deadline_ms,
		 struct group *ret_group, struct err *e)
{
	AUTO(group) struct group g = {0};
	bool found = false, holds = false;

	if (!dps_get_group(d, group_id, deadline_ms, &found, &g, e))
		return false;
	if (!found)
		return err_set(e, E_GROUP, "there is no enrollment group %s", group_id);
	if (!g.enabled)
		return err_set(e, E_GROUP, "enrollment group %s is disabled", group_id);
	if (!g.by_x509)
		return err_set(e, E_GROUP, "enrollment group %s is not for X.509", group_id);
	if (!group_holds(d, &g, chain, deadline_ms, &holds, e))
		return err_in(e, "enrollment group %s", group_id);
	if (!holds)
		return err_set(e, E_GROUP, "enrollment group %s holds none of this station's CA certificates", group_id);
	if (ret_group) {
		group_fini(ret_group);
		*ret_group = g;
		memset(&g, 0, sizeof(g));
	}
	return true;
}

bool check_ca_verified(struct dps *d, const struct check_chain *chain, int64_t deadline_ms, struct err *e)
{
	AUTO_FREE struct arm_certificate *stored = calloc(ARM_CERTIFICATES_MAX, sizeof(*stored));
	const char *unverified = NULL;
	size_t count = 0;

	if (!stored)
		return err_set(e, E_NOMEM, "list of certificates");
	if (!*dps_arm_id(d))
		return err_set(e, E_CA_UNVERIFIED, "not known: [dps] arm_id and arm_secret are not configured");
	if (!arm_list_certificates(d, deadline_ms, stored, ARM_CERTIFICATES_MAX, &count, e))
		return false;
	for (size_t i = 0; i < count; i++) {
		bool ours = false;
		if (!stored_is_ours(&stored[i], chain, &ours, e))
			return false;
		if (ours && stored[i].verified)
			return true;
		if (ours)
			unverified = stored[i].name;
	}
	return unverified ? err_set(e, E_CA_UNVERIFIED, "%s is stored, but not verified", unverified)
			  : err_set(e, E_CA_UNVERIFIED, "none of this station's CA certificates is stored there");
}

static bool is_independent_of_place(const char *allocation)
{
	return !strcasecmp(allocation, "hashed") || !strcasecmp(allocation, "static");
}

bool check_allocation(struct dps *d, const struct group *group, int64_t deadline_ms, struct err *e)
{
	struct arm_instance instance;

	if (is_independent_of_place(group->allocation))
		return true;
	/* A webhook decides as it likes, among one hub too. */
	if (!strcasecmp(group->allocation, "custom"))
		return err_set(e, E_ALLOCATION, "group %s asks a function of its owner", group->id);
	if (group->hub_count == 1)
		return true;
	if (!*dps_arm_id(d))
		return err_set(e, E_ALLOCATION, "not known: group %s leaves it to the service, and [dps] arm_id "
			       "is not configured", group->id);
	if (!arm_get_instance(d, deadline_ms, &instance, e))
		return false;
	const char *policy = *group->allocation ? group->allocation : instance.allocation;
	if (is_independent_of_place(policy) || (!group->hub_count && instance.hub_count == 1))
		return true;
	return err_set(e, E_ALLOCATION, "group %s: %s over %d hubs", group->id, *policy ? policy : "unknown",
		       group->hub_count ? group->hub_count : instance.hub_count);
}
