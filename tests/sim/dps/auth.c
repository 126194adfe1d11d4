/* SPDX-License-Identifier: Apache-2.0 */
#include "auth.h"

#include "route.h"
#include "sas.h"
#include "util.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define BEARER "Bearer "

/* Is the signed resource this host, or a whole-segment prefix of what was asked from it? */
static bool resource_covers(const char *resource, const char *host, const char *path)
{
	size_t n = strlen(host);
	if (strncasecmp(resource, host, n) != 0)
		return false;
	const char *rest = resource + n;
	size_t m = strlen(rest);
	while (m && rest[m - 1] == '/')
		m--;
	return !m || (rest[0] == '/' && strncasecmp(path, rest, m) == 0 &&
		(path[m] == '/' || path[m] == '\0'));
}

static bool resource_is_ours(const struct service *svc, const struct request *r, const char *sr)
{
	AUTO_TEXT resource = percent_decode(sr, strlen(sr));
	AUTO_TEXT path = text_of("%s", "");
	for (size_t i = 0; i < r->segments; i++) {
		char *longer = text_of("%s/%s", path, r->segment[i]);
		free(path);
		path = longer;
	}
	AUTO_TEXT local = text_of("localhost:%u", svc->options.port);
	AUTO_TEXT loopback = text_of("127.0.0.1:%u", svc->options.port);
	const char *const hosts[] = {r->hub ? r->hub : instance_text(svc, "serviceOperationsHostName"),
		local, loopback, "localhost", "127.0.0.1"};
	for (size_t i = 0; resource && i < sizeof hosts / sizeof hosts[0]; i++)
		if (resource_covers(resource, hosts[i], path))
			return true;
	return false;
}

static bool rights_hold(const char *rights, const char *right)
{
	size_t n = strlen(right);
	for (const char *at = rights; at && *at; at += strcspn(at, ","), at += *at == ',') {
		while (*at == ' ')
			at++;
		if (strcspn(at, ", ") == n && strncasecmp(at, right, n) == 0)
			return true;
	}
	return false;
}

/* The policy that the token names: of the hub addressed, or of the instance. */
static json_t *policy_named(const struct service *svc, const struct request *r, const char *name)
{
	json_t *policies = r->hub ? json_object_get(instance_hub(svc, r->hub), "policies")
		: json_object_get(svc->instance, "policies");
	json_t *p = NULL;
	size_t i = 0;
	json_array_foreach(policies, i, p)
		if (text_same(json_string_value(json_object_get(p, "keyName")), name))
			return p;
	return NULL;
}

static const char *sas_refusal(const struct service *svc, const struct request *r, const struct sas *t,
	int64_t now_s)
{
	AUTO_TEXT name = percent_decode(t->skn, strlen(t->skn));
	json_t *policy = policy_named(svc, r, name);
	if (!policy)
		return "no such policy";
	if (!sas_is_signed_with(t, json_string_value(json_object_get(policy, "primaryKey"))) &&
		!sas_is_signed_with(t, json_string_value(json_object_get(policy, "secondaryKey"))))
		return "signature";
	if (!sas_is_in_force(t, now_s))
		return "expired";
	if (!resource_is_ours(svc, r, t->sr))
		return "resource";
	if (!rights_hold(json_string_value(json_object_get(policy, "rights")), r->op->right))
		return "right";
	return NULL;
}

/* The role of the plane's bearer token that was sent: "reader", "contributor" or NULL. */
static const char *bearer_role(const struct service *svc, const struct request *r)
{
	json_t *tokens = json_object_get(svc->instance, r->op->plane == PLANE_ARM ? "arm" : "bearer");
	const char *sent = r->authorization;
	if (!sent || !text_starts(sent, BEARER))
		return NULL;
	sent += strlen(BEARER);
	const char *const roles[] = {"reader", "contributor"};
	for (size_t i = 0; i < 2; i++) {
		const char *token = json_string_value(json_object_get(tokens, roles[i]));
		if (token && strlen(token) == strlen(sent) && CRYPTO_memcmp(token, sent, strlen(sent)) == 0)
			return roles[i];
	}
	return NULL;
}

static bool role_may(const char *role, const char *right)
{
	return text_same(role, "contributor") || text_ends(right, "read");
}

static bool arm_allows(const struct service *svc, const struct request *r, struct answer *a)
{
	const char *role = bearer_role(svc, r);
	if (!role)
		return answer_named(a, 401000, "AuthenticationFailed",
			"Authentication failed. The 'Authorization' header is missing or its token is invalid.");
	if (!role_may(role, r->op->right))
		return answer_named(a, 403000, "AuthorizationFailed",
			"The client does not have authorization to perform action '%s'.", r->op->name);
	return true;
}

bool auth_allows(const struct service *svc, const struct request *r, int64_t now_s, struct answer *a)
{
	const char *why = "no token";
	if (r->op->plane == PLANE_DEVICE || r->op->plane == PLANE_EMULATOR)
		return true;
	if (r->op->plane == PLANE_ARM)
		return arm_allows(svc, r, a);
	const char *role = r->op->plane == PLANE_SERVICE ? bearer_role(svc, r) : NULL;
	if (role && role_may(role, r->op->right))
		return true;
	if (role)
		why = "right";
	if (sas_is_meant(r->authorization)) {
		struct sas t = {0};
		why = sas_parse(&t, r->authorization) ? sas_refusal(svc, r, &t, now_s) : "form";
		sas_fini(&t);
		if (!why)
			return true;
	}
	answer_error(a, 401000, "Unauthorized");
	a->info = json_pack("{s:s}", "reason", why);
	return false;
}
