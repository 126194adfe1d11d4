/* SPDX-License-Identifier: Apache-2.0 */
#include "station/dps/enrollment.h"

#include "station/base/text.h"
#include "station/dps/answer.h"

#include <ctype.h>
#include <string.h>

static bool is_alphanumeric(char c)
{
	return (unsigned char)c < 0x80 && isalnum((unsigned char)c);
}

bool enrollment_id_is_valid(const char *id)
{
	size_t n = strlen(id);
	if (n == 0 || n >= GROUP_ID_MAX || !is_alphanumeric(id[0]) || !is_alphanumeric(id[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_alphanumeric(id[i]) && !strchr("-._:", id[i]))
			return false;
	return true;
}

/* {"certificate": pem} for each that is given. */
static json_t *certificates(const struct group_wanted *w)
{
	json_t *set = json_object();
	if (w->primary_pem)
		json_object_set_new(set, "primary", json_pack("{s:s}", "certificate", w->primary_pem));
	if (w->secondary_pem)
		json_object_set_new(set, "secondary", json_pack("{s:s}", "certificate", w->secondary_pem));
	return set;
}

static json_t *references(const struct group_wanted *w)
{
	json_t *set = json_object();
	if (w->primary_ca)
		json_object_set_new(set, "primary", json_string(w->primary_ca));
	if (w->secondary_ca)
		json_object_set_new(set, "secondary", json_string(w->secondary_ca));
	return set;
}

static json_t *attestation(const struct group_wanted *w)
{
	if (w->primary_pem)
		return json_pack("{s:s, s:{s:o}}", "type", "x509", "x509", "signingCertificates", certificates(w));
	return json_pack("{s:s, s:{s:o}}", "type", "x509", "x509", "caReferences", references(w));
}

bool group_body(const struct group_wanted *wanted, const json_t *base, struct bytes *ret, struct err *e)
{
	/* What the service writes itself, and what changes with every put. */
	static const char *const not_ours[] = {"createdDateTimeUtc", "lastUpdatedDateTimeUtc", "etag"};

	if (!enrollment_id_is_valid(wanted->id))
		return err_set(e, E_CONFIG, "\"%s\" is no id for an enrollment group", wanted->id);
	if (!wanted->primary_pem && !wanted->primary_ca)
		return err_set(e, E_CONFIG, "group \"%s\" would have no certificate", wanted->id);
	AUTO(json) json_t *body = base ? json_deep_copy(base) : json_object();
	for (size_t i = 0; i < COUNT_OF(not_ours); i++)
		json_object_del(body, not_ours[i]);
	if (json_object_set_new(body, "enrollmentGroupId", json_string(wanted->id))
	    || json_object_set_new(body, "attestation", attestation(wanted))
	    || json_object_set_new(body, "provisioningStatus", json_string(wanted->disabled ? "disabled" : "enabled")))
		return err_set(e, E_JSON, "group \"%s\" cannot be written as JSON", wanted->id);
	if (wanted->allocation
	    && json_object_set_new(body, "allocationPolicy", json_string(wanted->allocation)))
		return err_set(e, E_JSON, "the allocation policy cannot be written as JSON");
	return json_canonical(body, ret, e);
}

static bool ca_parse(const json_t *x509, const char *which, struct group_ca *ret, struct err *e)
{
	const json_t *certificate = json_object_get(json_object_get(x509, "signingCertificates"), which);
	const json_t *info = json_object_get(certificate, "info");
	char hex[2 * SHA256_SIZE + 1];

	if (!ANSWER_TEXT(json_object_get(x509, "caReferences"), which, ret->reference, e)
	    || !ANSWER_TEXT(info, "sha256Thumbprint", hex, e))
		return false;
	if (!*hex)
		return true;
	struct err form = {0};
	ret->has_info = strlen(hex) == 2 * SHA256_SIZE && hex_decode(hex, ret->sha256, SHA256_SIZE, &form);
	return ret->has_info || err_set(e, E_DPS_ANSWER, "sha256Thumbprint \"%s\" is no SHA-256", hex);
}

static bool hubs_parse(struct group *g, struct err *e)
{
	const json_t *hubs = json_object_get(g->raw, "iotHubs");
	if (!hubs || json_is_null(hubs))
		return true;
	if (!json_is_array(hubs))
		return err_set(e, E_DPS_ANSWER, "iotHubs is no list");
	g->hub_count = (int)json_array_size(hubs);
	const char *first = json_string_value(json_array_get(hubs, 0));
	return !first || TEXT_COPY(g->hub, first, e);
}

static bool group_read(struct group *g, struct err *e)
{
	char type[32], status[16];
	const json_t *attestation_of = json_object_get(g->raw, "attestation");
	const json_t *x509 = json_object_get(attestation_of, "x509");

	if (!ANSWER_TEXT(g->raw, "enrollmentGroupId", g->id, e) || !ANSWER_TEXT(g->raw, "etag", g->etag, e)
	    || !ANSWER_TEXT(g->raw, "provisioningStatus", status, e)
	    || !ANSWER_TEXT(g->raw, "allocationPolicy", g->allocation, e)
	    || !ANSWER_TEXT(attestation_of, "type", type, e))
		return false;
	if (!enrollment_id_is_valid(g->id))
		return err_set(e, E_DPS_ANSWER, "\"%s\" is no id of a group", g->id);
	g->enabled = !*status || !strcmp(status, "enabled");	/* the default of the API */
	g->by_x509 = !strcmp(type, "x509");
	return ca_parse(x509, "primary", &g->ca[0], e) && ca_parse(x509, "secondary", &g->ca[1], e)
	       && hubs_parse(g, e);
}

void group_fini(struct group *g)
{
	json_decref(g->raw);
	memset(g, 0, sizeof(*g));
}

bool group_parse(const void *text, size_t len, struct group *ret, struct err *e)
{
	struct err why = {0};
	AUTO(group) struct group g = {0};

	if (!json_parse(text, len, &g.raw, &why))
		return err_set(e, E_DPS_ANSWER, "the group is no JSON: %s", why.what);
	if (!json_is_object(g.raw))
		return err_set(e, E_DPS_ANSWER, "the group is no JSON object");
	if (!group_read(&g, e))
		return false;
	group_fini(ret);
	*ret = g;
	memset(&g, 0, sizeof(g));
	return true;
}
