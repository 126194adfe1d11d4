/* SPDX-License-Identifier: Apache-2.0 */
#include "registrations.h"

#include "allocate.h"
#include "cert.h"
#include "entries.h"
#include "etag.h"
#include "hubs.h"
#include "operations.h"
#include "util.h"

#include <stdlib.h>
#include <string.h>

const json_t *registration_find(const struct service *svc, const char *registration_id)
{
	AUTO_TEXT key = text_lower(registration_id);
	return store_get(&svc->store, SHELF_REGISTRATIONS, key);
}

json_t *registration_result(const json_t *record)
{
	json_t *result = must(json_deep_copy(json_object_get(record, "state")));
	json_t *proof = json_object_get(record, "proof");
	if (proof)
		json_object_update_new(result, json_deep_copy(proof));
	return result;
}

static const char *state_text(const json_t *record, const char *field)
{
	return json_string_value(json_object_get(json_object_get(record, "state"), field));
}

static bool policy_says(const json_t *entry, const char *what)
{
	return json_is_true(json_object_get(json_object_get(entry, "reprovisionPolicy"), what));
}

static bool was_at(const json_t *record, const char *hub)
{
	json_t *v = NULL;
	size_t i = 0;
	json_array_foreach(json_object_get(record, "hubs"), i, v)
		if (text_same(json_string_value(v), hub))
			return true;
	return false;
}

/* Where the device goes; one that has a hub keeps it unless its policy lets it be chosen anew. */
static const char *choose_hub(const struct service *svc, const struct proof *p, const json_t *old)
{
	const char *now = state_text(old, "assignedHub");
	if (now && instance_hub(svc, now) && !policy_says(p->entry, "updateHubAssignment"))
		return now;
	return allocate(svc, p->entry, p->registration_id);
}

static const char *substatus_of(const struct proof *p, const json_t *old, const char *hub)
{
	const char *before = state_text(old, "assignedHub");
	if (!before)
		return "initialAssignment";
	if (text_same(before, hub))
		return state_text(old, "substatus");
	if (was_at(old, hub))
		return "reprovisionedToInitialAssignment";
	return policy_says(p->entry, "migrateDeviceData") ? "deviceDataMigrated" : "deviceDataReset";
}

/* What DeviceRegistrationResult says of the proof; a TPM's key is told only once, by the operation. */
static json_t *proof_shown(const struct proof *p)
{
	if (p->by == BY_TPM)
		return must(json_object());
	if (p->by == BY_KEY)
		return must(json_pack("{s:{s:s*}}", "symmetricKey", "enrollmentGroupId", p->group_id));
	json_t *x509 = must(json_pack("{s:o}", "certificateInfo", cert_info(p->leaf)));
	if (p->group_id)
		json_object_set_new(x509, "enrollmentGroupId", json_string(p->group_id));
	if (p->signer)
		json_object_set_new(x509, "signingCertificateInfo", cert_info(p->signer));
	return must(json_pack("{s:o}", "x509", x509));
}

static json_t *new_record(const struct proof *p, const json_t *old, const char *hub,
	const char *device_id)
{
	AUTO_TEXT now = time_text(clock_ms());
	AUTO_TEXT etag = etag_new();
	const char *created = state_text(old, "createdDateTimeUtc");
	json_t *hubs = json_object_get(old, "hubs");
	hubs = hubs ? json_deep_copy(hubs) : json_array();
	if (!was_at(old, hub))
		json_array_append_new(hubs, json_string(hub));
	return must(json_pack("{s:{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}, s:o, s:o, s:s?}", "state",
		"registrationId", p->registration_id, "createdDateTimeUtc", created ? created : now,
		"assignedHub", hub, "deviceId", device_id, "status", "assigned",
		"substatus", substatus_of(p, old, hub), "lastUpdatedDateTimeUtc", now, "etag", etag,
		"proof", proof_shown(p), "hubs", hubs, "enrollmentGroupId", p->group_id));
}

bool registration_assign(struct service *svc, const struct proof *p, const json_t **ret_record)
{
	const json_t *old = registration_find(svc, p->registration_id);
	const char *hub = choose_hub(svc, p, old);
	if (!hub)
		return true;
	const char *wanted = json_string_value(json_object_get(p->entry, "deviceId"));
	const char *device_id = wanted ? wanted : p->registration_id;
	const char *before = state_text(old, "assignedHub");
	const char *from = before && !text_same(before, hub) ? before : NULL;
	AUTO_TEXT key = text_lower(p->registration_id);
	const struct admission admission = {hub, device_id, from, policy_says(p->entry, "migrateDeviceData"),
		p->entry};
	json_t *authentication = p->by == BY_X509 ? hub_thumbprint(p->leaf)
		: hub_keys(p->primary, p->secondary);
	if (!hub_admit(svc, &admission, authentication) ||
		!store_put(&svc->store, SHELF_REGISTRATIONS, key, new_record(p, old, hub, device_id)))
		return false;
	counts_entry(svc, SHELF_REGISTRATIONS, key, COUNT_ASSIGNED);
	*ret_record = store_get(&svc->store, SHELF_REGISTRATIONS, key);
	return true;
}

static const json_t *record_asked(const struct service *svc, const struct request *r,
	struct answer *a)
{
	const json_t *record = registration_find(svc, r->arg[0]);
	if (!record)
		answer_error(a, 404202, "Registration not found.");
	return record;
}

void registration_get(struct service *svc, const struct request *r, struct answer *a)
{
	const json_t *record = record_asked(svc, r, a);
	if (record)
		answer_with(a, 200, json_deep_copy(json_object_get(record, "state")));
}

void registration_delete(struct service *svc, const struct request *r, struct answer *a)
{
	const json_t *record = record_asked(svc, r, a);
	if (!record || !etag_allows_delete(svc, r->if_match, json_object_get(record, "state"), a))
		return;
	AUTO_TEXT key = text_lower(r->arg[0]);
	store_remove(&svc->store, SHELF_REGISTRATIONS, key);
	answer_with(a, 204, NULL);
}

/* The keys of this group's records, kept in order. */
static size_t keys_of_group(const struct service *svc, const char **keys, size_t n, const char *group)
{
	size_t kept = 0;
	for (size_t i = 0; i < n; i++) {
		const json_t *record = store_get(&svc->store, SHELF_REGISTRATIONS, keys[i]);
		if (text_same(json_string_value(json_object_get(record, "enrollmentGroupId")), group))
			keys[kept++] = keys[i];
	}
	return kept;
}

void registration_query(struct service *svc, const struct request *r, struct answer *a)
{
	AUTO_TEXT group = text_lower(r->arg[0]);
	if (!store_get(&svc->store, SHELF_GROUPS, group)) {
		answer_error(a, 404201, "Enrollment not found.");
		return;
	}
	size_t n = 0, from = 0, to = 0;
	const char **keys = store_keys(&svc->store, SHELF_REGISTRATIONS, &n);
	n = keys_of_group(svc, keys, n, group);
	if (page_cut(r, keys, n, &from, &to, a)) {
		json_t *list = must(json_array());
		for (size_t i = from; i < to; i++)
			json_array_append_new(list, json_deep_copy(json_object_get(
				store_get(&svc->store, SHELF_REGISTRATIONS, keys[i]), "state")));
		page_answer(a, list, "DeviceRegistration", to - from, to < n ? keys[to - 1] : NULL);
	}
	free(keys);
}
