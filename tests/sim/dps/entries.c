/* SPDX-License-Identifier: Apache-2.0 */
#include "entries.h"

#include "cert.h"
#include "etag.h"
#include "fields.h"
#include "operations.h"
#include "util.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PEM_MAX 65536

/* What differs between the two kinds. */
struct kind {
	enum entry_kind kind;
	enum shelf shelf;
	const char *id_field, *certificates, *item_type;
};

static const struct kind groups = {
	KIND_GROUP, SHELF_GROUPS, "enrollmentGroupId", "signingCertificates", "EnrollmentGroup"};
static const struct kind individuals = {
	KIND_INDIVIDUAL, SHELF_ENROLLMENTS, "registrationId", "clientCertificates", "Enrollment"};

static json_t *entry_get(const struct service *svc, const struct kind *k, const char *id)
{
	AUTO_TEXT key = text_lower(id);
	return store_get(&svc->store, k->shelf, key);
}

static const char *slot_hash(const json_t *entry, const char *certificates, const char *slot)
{
	const json_t *x509 = json_object_get(json_object_get(entry, "attestation"), "x509");
	const json_t *cert = json_object_get(json_object_get(x509, certificates), slot);
	return json_string_value(json_object_get(json_object_get(cert, "info"), "sha256Thumbprint"));
}

static bool entry_holds(const json_t *entry, const char *certificates, const char *sha256)
{
	return text_same(slot_hash(entry, certificates, "primary"), sha256) ||
		text_same(slot_hash(entry, certificates, "secondary"), sha256);
}

static json_t *entry_of_certificate(const struct service *svc, const struct kind *k,
	const char *sha256)
{
	const char *key = NULL;
	json_t *entry = NULL;
	json_object_foreach(svc->store.shelf[k->shelf], key, entry)
		if (entry_holds(entry, k->certificates, sha256))
			return entry;
	return NULL;
}

json_t *enrollment_find(const struct service *svc, const char *registration_id)
{
	return entry_get(svc, &individuals, registration_id);
}

json_t *enrollment_of_leaf(const struct service *svc, const char *sha256)
{
	return entry_of_certificate(svc, &individuals, sha256);
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
	json_t *group = NULL;
	json_object_foreach(svc->store.shelf[SHELF_GROUPS], key, group)
		if (entry_holds(group, "signingCertificates", sha256) ||
			group_refers_to(svc, group, sha256))
			return group;
	return NULL;
}

/* The entry as it is answered: certificates shown as `info` only, the state of a registration in. */
static json_t *entry_public(const struct service *svc, const struct kind *k, const json_t *entry)
{
	json_t *shown = must(json_deep_copy(entry));
	json_t *x509 = json_object_get(json_object_get(shown, "attestation"), "x509");
	const char *slot = NULL;
	json_t *cert = NULL;
	json_object_foreach(json_object_get(x509, k->certificates), slot, cert)
		json_object_del(cert, "certificate");
	if (k->kind == KIND_INDIVIDUAL) {
		AUTO_TEXT key = text_lower(json_string_value(json_object_get(entry, k->id_field)));
		const json_t *record = store_get(&svc->store, SHELF_REGISTRATIONS, key);
		if (record)
			json_object_set(shown, "registrationState", json_object_get(record, "state"));
	}
	return shown;
}

/* A certificate may appear in one entry of the instance only. */
static bool certificates_are_free(const struct service *svc, const struct kind *k, const char *key,
	const json_t *entry, struct answer *a)
{
	static const char *const slots[] = {"primary", "secondary"};
	const json_t *self = store_get(&svc->store, k->shelf, key);
	for (size_t i = 0; i < 2; i++) {
		const char *hash = slot_hash(entry, k->certificates, slots[i]);
		const json_t *holder = hash ? entry_of_certificate(svc, k, hash) : NULL;
		if (holder && holder != self)
			return answer_error(a, 409000, "The certificate %s is already used by '%s'.", hash,
				json_string_value(json_object_get(holder, k->id_field)));
	}
	return true;
}

static bool id_fits(const struct kind *k, const char *id, const json_t *body, struct answer *a)
{
	if (!id_is_valid(id))
		return answer_error(a, 400004, "Invalid %s.",
			k->kind == KIND_GROUP ? "EnrollmentGroupId" : "RegistrationId");
	const char *inside = json_string_value(json_object_get(body, k->id_field));
	if (!json_is_object(body) || !inside)
		return answer_error(a, 400000, "The field '%s' is required.", k->id_field);
	return text_same(inside, id) ||
		answer_error(a, 400000, "The field '%s' differs from the id in the path.", k->id_field);
}

/* Fills in what only the service sets, and keeps the entry (takes it). */
static bool entry_keep(struct service *svc, const struct kind *k, const char *key, json_t *take)
{
	AUTO_TEXT now = time_text(clock_ms());
	AUTO_TEXT etag = etag_new();
	json_t *old = store_get(&svc->store, k->shelf, key);
	json_t *created = json_object_get(old, "createdDateTimeUtc");
	json_object_set_new(take, "createdDateTimeUtc", created ? json_incref(created) : json_string(now));
	json_object_set_new(take, "lastUpdatedDateTimeUtc", json_string(now));
	json_object_set_new(take, "etag", json_string(etag));
	return store_put(&svc->store, k->shelf, key, take);
}

static void entry_put(struct service *svc, const struct kind *k, const struct request *r,
	struct answer *a)
{
	const char *id = r->arg[0];
	AUTO_TEXT key = text_lower(id);
	AUTO_TEXT version = request_parameter(r, "api-version");
	if (!id_fits(k, id, r->json, a))
		return;
	json_auto_t *entry = fields_read(svc, k->kind, r->json, version, a);
	if (!entry || !etag_allows_put(svc, r, store_get(&svc->store, k->shelf, key), a) ||
		!certificates_are_free(svc, k, key, entry, a))
		return;
	json_object_set(entry, k->id_field, json_object_get(r->json, k->id_field));
	if (!entry_keep(svc, k, key, json_incref(entry))) {
		answer_error(a, 500000, "The state cannot be written.");
		return;
	}
	answer_with(a, 200, entry_public(svc, k, entry));
}

static json_t *entry_asked(const struct service *svc, const struct kind *k, const struct request *r,
	struct answer *a)
{
	json_t *entry = entry_get(svc, k, r->arg[0]);
	if (!entry)
		answer_error(a, 404201, "Enrollment not found.");
	return entry;
}

static void entry_answer(struct service *svc, const struct kind *k, const struct request *r,
	struct answer *a)
{
	json_t *entry = entry_asked(svc, k, r, a);
	if (entry)
		answer_with(a, 200, entry_public(svc, k, entry));
}

static void entry_delete(struct service *svc, const struct kind *k, const struct request *r,
	struct answer *a)
{
	json_t *entry = entry_asked(svc, k, r, a);
	if (!entry || !etag_allows_delete(svc, r, entry, a))
		return;
	AUTO_TEXT key = text_lower(r->arg[0]);
	store_remove(&svc->store, k->shelf, key);
	answer_with(a, 204, NULL);
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

static void entry_query(struct service *svc, const struct kind *k, const struct request *r,
	struct answer *a)
{
	const char *query = json_string_value(json_object_get(r->json, "query"));
	if (!query || !query_is_plain(query)) {
		answer_error(a, 400000, "The query must be 'SELECT * FROM enrollments'.");
		return;
	}
	size_t n = 0, from = 0, to = 0;
	const char **keys = store_keys(&svc->store, k->shelf, &n);
	if (page_cut(r, keys, n, &from, &to, a)) {
		json_t *list = must(json_array());
		for (size_t i = from; i < to; i++)
			json_array_append_new(list,
				entry_public(svc, k, store_get(&svc->store, k->shelf, keys[i])));
		page_answer(a, list, k->item_type, to - from, to < n ? keys[to - 1] : NULL);
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
	bool ok = entry && certificates_are_free(svc, &groups, key, entry, &a);
	if (!ok)
		fprintf(stderr, "dps-emulator: --group %s: %s\n", id_and_file, a.message);
	answer_fini(&a);
	if (!ok)
		return false;
	json_object_set_new(entry, groups.id_field, json_string(id));
	return entry_keep(svc, &groups, key, json_incref(entry));
}

void group_put(struct service *svc, const struct request *r, struct answer *a)
{
	entry_put(svc, &groups, r, a);
}

void group_get(struct service *svc, const struct request *r, struct answer *a)
{
	entry_answer(svc, &groups, r, a);
}

void group_delete(struct service *svc, const struct request *r, struct answer *a)
{
	entry_delete(svc, &groups, r, a);
}

void group_query(struct service *svc, const struct request *r, struct answer *a)
{
	entry_query(svc, &groups, r, a);
}

void enrollment_put(struct service *svc, const struct request *r, struct answer *a)
{
	entry_put(svc, &individuals, r, a);
}

void enrollment_get(struct service *svc, const struct request *r, struct answer *a)
{
	entry_answer(svc, &individuals, r, a);
}

void enrollment_delete(struct service *svc, const struct request *r, struct answer *a)
{
	entry_delete(svc, &individuals, r, a);
}

void enrollment_query(struct service *svc, const struct request *r, struct answer *a)
{
	entry_query(svc, &individuals, r, a);
}
