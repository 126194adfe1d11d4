/* SPDX-License-Identifier: Apache-2.0 */
#include "entries.h"

#include "etag.h"
#include "holders.h"
#include "operations.h"
#include "util.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PEM_MAX 65536

const struct entry_type entry_groups = {KIND_GROUP, SHELF_GROUPS, "enrollmentGroupId",
	"signingCertificates", "EnrollmentGroup", "enrollmentGroups"};
const struct entry_type entry_individuals = {KIND_INDIVIDUAL, SHELF_ENROLLMENTS, "registrationId",
	"clientCertificates", "Enrollment", "enrollments"};

json_t *entry_find(const struct service *svc, const struct entry_type *type, const char *id)
{
	AUTO_TEXT key = text_lower(id);
	return store_get(&svc->store, type->shelf, key);
}

/* Does the group name, among its caReferences, a stored certificate with this hash? */
static bool group_refers_to(const struct service *svc, const json_t *group, const char *sha256)
{
	const json_t *x509 = json_object_get(json_object_get(group, "attestation"), "x509");
	const char *slot = NULL;
	json_t *name = NULL;
	json_object_foreach(json_object_get(x509, "caReferences"), slot, name) {
		AUTO_TEXT key = text_lower(json_string_value(name));
		const json_t *ca = store_get(&svc->store, SHELF_CERTIFICATES, key);
		if (text_same(json_string_value(json_object_get(ca, "sha256")), sha256))
			return true;
	}
	return false;
}

json_t *group_of_signer(const struct service *svc, const char *sha256)
{
	const char *key = NULL;
	json_t *group = holder_of(svc, &entry_groups, sha256);
	if (group)
		return group;
	json_object_foreach(svc->store.shelf[SHELF_GROUPS], key, group)
		if (group_refers_to(svc, group, sha256))
			return group;
	return NULL;
}

/* The attestation as it is answered: certificates as `info` only, keys only where they are asked for. */
static json_t *attestation_shown(const struct entry_type *type, const json_t *entry, bool with_keys)
{
	json_t *shown = must(json_deep_copy(json_object_get(entry, "attestation")));
	json_t *x509 = json_object_get(shown, "x509");
	const char *slot = NULL;
	json_t *cert = NULL;
	json_object_foreach(json_object_get(x509, type->certificates), slot, cert)
		json_object_del(cert, "certificate");
	if (!with_keys && json_object_get(shown, "symmetricKey"))
		json_object_clear(json_object_get(shown, "symmetricKey"));
	return shown;
}

/* The entry as it is answered: the state of a registration in, secrets out. */
static json_t *entry_shown(const struct service *svc, const struct entry_type *type, const json_t *entry)
{
	json_t *shown = must(json_deep_copy(entry));
	json_object_set_new(shown, "attestation", attestation_shown(type, entry, false));
	if (type->kind == KIND_INDIVIDUAL) {
		AUTO_TEXT key = text_lower(json_string_value(json_object_get(entry, type->id_field)));
		const json_t *record = store_get(&svc->store, SHELF_REGISTRATIONS, key);
		if (record)
			json_object_set(shown, "registrationState", json_object_get(record, "state"));
	}
	return shown;
}

static bool id_fits(const struct entry_type *type, const char *id, const json_t *body, struct answer *a)
{
	if (!id_is_valid(id))
		return answer_error(a, 400004, "Invalid %s.",
			type->kind == KIND_GROUP ? "EnrollmentGroupId" : "RegistrationId");
	const char *inside = json_string_value(json_object_get(body, type->id_field));
	if (!json_is_object(body) || !inside)
		return answer_error(a, 400000, "The field '%s' is required.", type->id_field);
	return text_same(inside, id) ||
		answer_error(a, 400000, "The field '%s' differs from the id in the path.", type->id_field);
}

/* Fills in what only the service sets, and keeps the entry (takes it). */
static bool entry_keep(struct service *svc, const struct entry_type *type, const char *key, json_t *take)
{
	AUTO_TEXT now = time_text(clock_ms());
	AUTO_TEXT etag = etag_new();
	json_t *old = store_get(&svc->store, type->shelf, key);
	json_t *created = json_object_get(old, "createdDateTimeUtc");
	json_object_set_new(take, "createdDateTimeUtc", created ? json_incref(created) : json_string(now));
	json_object_set_new(take, "lastUpdatedDateTimeUtc", json_string(now));
	json_object_set_new(take, "etag", json_string(etag));
	holders_drop(svc, type, old);
	holders_add(svc, type, key, take);
	counts_entry(svc, type->shelf, key, old ? COUNT_UPDATED : COUNT_CREATED);
	return store_put(&svc->store, type->shelf, key, take);
}

bool entry_write(struct service *svc, const struct entry_type *type, const char *id, const json_t *body,
	const char *api_version, const char *if_match, struct answer *a)
{
	AUTO_TEXT key = text_lower(id);
	if (!id_fits(type, id, body, a))
		return false;
	json_auto_t *entry = fields_read(svc, type->kind, body, api_version, a);
	if (!entry || !etag_allows_put(svc, if_match, store_get(&svc->store, type->shelf, key), a) ||
		!holders_allow(svc, type, key, entry, a))
		return false;
	json_object_set(entry, type->id_field, json_object_get(body, type->id_field));
	if (!entry_keep(svc, type, key, json_incref(entry)))
		return answer_error(a, 500000, "The state cannot be written.");
	answer_with(a, 200, entry_shown(svc, type, entry));
	return true;
}

bool entry_remove(struct service *svc, const struct entry_type *type, const char *id, const char *if_match,
	struct answer *a)
{
	AUTO_TEXT key = text_lower(id);
	json_t *entry = store_get(&svc->store, type->shelf, key);
	if (!entry)
		return answer_error(a, 404201, "Enrollment not found.");
	if (!etag_allows_delete(svc, if_match, entry, a))
		return false;
	holders_drop(svc, type, entry);
	counts_entry(svc, type->shelf, key, COUNT_DELETED);
	store_remove(&svc->store, type->shelf, key);
	answer_with(a, 204, NULL);
	return true;
}

static void entry_put(struct service *svc, const struct entry_type *type, const struct request *r,
	struct answer *a)
{
	AUTO_TEXT version = request_parameter(r, "api-version");
	entry_write(svc, type, r->arg[0], r->json, version, r->if_match, a);
}

static json_t *entry_asked(const struct service *svc, const struct entry_type *type,
	const struct request *r, struct answer *a)
{
	json_t *entry = entry_find(svc, type, r->arg[0]);
	if (!entry)
		answer_error(a, 404201, "Enrollment not found.");
	return entry;
}

static void entry_answer(struct service *svc, const struct entry_type *type, const struct request *r,
	struct answer *a)
{
	json_t *entry = entry_asked(svc, type, r, a);
	if (entry)
		answer_with(a, 200, entry_shown(svc, type, entry));
}

static void entry_mechanism(struct service *svc, const struct entry_type *type, const struct request *r,
	struct answer *a)
{
	json_t *entry = entry_asked(svc, type, r, a);
	if (entry)
		answer_with(a, 200, attestation_shown(type, entry, true));
}

/* "select * from <word>" with nothing behind it: a condition that is not understood is refused. */
static bool query_is_plain(const char *query)
{
	static const char *const words[] = {"select", "*", "from", NULL};
	for (size_t i = 0; words[i]; i++) {
		query += strspn(query, " \t\r\n");
		size_t n = strlen(words[i]);
		if (strncasecmp(query, words[i], n) != 0)
			return false;
		query += n;
	}
	if (!isspace((unsigned char)*query))
		return false;
	query += strspn(query, " \t\r\n");
	size_t n = strspn(query, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
	return n && query[n + strspn(query + n, " \t\r\n;")] == '\0';
}

static void entry_query(struct service *svc, const struct entry_type *type, const struct request *r,
	struct answer *a)
{
	const char *query = json_string_value(json_object_get(r->json, "query"));
	if (!query || !query_is_plain(query)) {
		answer_error(a, 400000, "The query must be 'SELECT * FROM enrollments'.");
		return;
	}
	size_t n = 0, from = 0, to = 0;
	const char **keys = store_keys(&svc->store, type->shelf, &n);
	if (page_cut(r, keys, n, &from, &to, a)) {
		json_t *list = must(json_array());
		for (size_t i = from; i < to; i++)
			json_array_append_new(list,
				entry_shown(svc, type, store_get(&svc->store, type->shelf, keys[i])));
		page_answer(a, list, type->item_type, to - from, to < n ? keys[to - 1] : NULL);
	}
	free(keys);
}

bool group_add(struct service *svc, const char *id_and_file)
{
	const char *equals = strchr(id_and_file, '=');
	AUTO_TEXT id = text_copy(id_and_file, (size_t)(equals - id_and_file));
	AUTO_TEXT key = text_lower(id);
	AUTO_TEXT pem = file_read(equals + 1, PEM_MAX, NULL);
	if (!id_is_valid(id) || !pem) {
		fprintf(stderr, "dps-emulator: --group %s: bad id or unreadable file\n", id_and_file);
		return false;
	}
	if (store_get(&svc->store, SHELF_GROUPS, key))
		return true;
	struct answer a = {0};
	json_auto_t *body = must(json_pack("{s:{s:s, s:{s:{s:{s:s}}}}}", "attestation", "type", "x509",
		"x509", "signingCertificates", "primary", "certificate", pem));
	json_auto_t *entry = fields_read(svc, KIND_GROUP, body, "2021-10-01", &a);
	bool ok = entry && holders_allow(svc, &entry_groups, key, entry, &a);
	if (!ok)
		fprintf(stderr, "dps-emulator: --group %s: %s\n", id_and_file, a.message);
	answer_fini(&a);
	if (!ok)
		return false;
	json_object_set_new(entry, entry_groups.id_field, json_string(id));
	return entry_keep(svc, &entry_groups, key, json_incref(entry));
}

void group_put(struct service *svc, const struct request *r, struct answer *a)
{
	entry_put(svc, &entry_groups, r, a);
}

void group_get(struct service *svc, const struct request *r, struct answer *a)
{
	entry_answer(svc, &entry_groups, r, a);
}

void group_delete(struct service *svc, const struct request *r, struct answer *a)
{
	entry_remove(svc, &entry_groups, r->arg[0], r->if_match, a);
}

void group_query(struct service *svc, const struct request *r, struct answer *a)
{
	entry_query(svc, &entry_groups, r, a);
}

void group_mechanism(struct service *svc, const struct request *r, struct answer *a)
{
	entry_mechanism(svc, &entry_groups, r, a);
}

void enrollment_put(struct service *svc, const struct request *r, struct answer *a)
{
	entry_put(svc, &entry_individuals, r, a);
}

void enrollment_get(struct service *svc, const struct request *r, struct answer *a)
{
	entry_answer(svc, &entry_individuals, r, a);
}

void enrollment_delete(struct service *svc, const struct request *r, struct answer *a)
{
	entry_remove(svc, &entry_individuals, r->arg[0], r->if_match, a);
}

void enrollment_query(struct service *svc, const struct request *r, struct answer *a)
{
	entry_query(svc, &entry_individuals, r, a);
}

void enrollment_mechanism(struct service *svc, const struct request *r, struct answer *a)
{
	entry_mechanism(svc, &entry_individuals, r, a);
}
