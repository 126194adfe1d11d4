/* SPDX-License-Identifier: Apache-2.0 */
#include "holders.h"

#include "util.h"

#include <stdlib.h>
#include <string.h>

static const char *const slots[] = {"primary", "secondary"};

static const char *slot_hash(const struct entry_type *type, const json_t *entry, const char *slot)
{
	const json_t *x509 = json_object_get(json_object_get(entry, "attestation"), "x509");
	const json_t *cert = json_object_get(json_object_get(x509, type->certificates), slot);
	return json_string_value(json_object_get(json_object_get(cert, "info"), "sha256Thumbprint"));
}

void holders_open(struct service *svc)
{
	static const struct entry_type *const types[] = {&entry_groups, &entry_individuals};
	svc->holders = must(json_object());
	for (size_t i = 0; i < 2; i++) {
		const char *key = NULL;
		json_t *entry = NULL;
		json_object_foreach(svc->store.shelf[types[i]->shelf], key, entry)
			holders_add(svc, types[i], key, entry);
	}
}

void holders_close(struct service *svc)
{
	json_decref(svc->holders);
	svc->holders = NULL;
}

void holders_add(struct service *svc, const struct entry_type *type, const char *key, const json_t *entry)
{
	for (size_t i = 0; i < 2; i++) {
		const char *hash = slot_hash(type, entry, slots[i]);
		if (hash)
			json_object_set_new(svc->holders, hash,
				must(json_pack("{s:i, s:s}", "shelf", (int)type->shelf, "key", key)));
	}
}

void holders_drop(struct service *svc, const struct entry_type *type, const json_t *entry)
{
	for (size_t i = 0; i < 2; i++) {
		const char *hash = slot_hash(type, entry, slots[i]);
		if (hash)
			json_object_del(svc->holders, hash);
	}
}

static json_t *entry_at(const struct service *svc, const json_t *place)
{
	const char *key = json_string_value(json_object_get(place, "key"));
	return key ? store_get(&svc->store, (enum shelf)json_integer_value(json_object_get(place, "shelf")), key)
		: NULL;
}

bool holders_allow(const struct service *svc, const struct entry_type *type, const char *key,
	const json_t *entry, struct answer *a)
{
	const json_t *self = store_get(&svc->store, type->shelf, key);
	for (size_t i = 0; i < 2; i++) {
		const char *hash = slot_hash(type, entry, slots[i]);
		const json_t *place = hash ? json_object_get(svc->holders, hash) : NULL;
		if (place && entry_at(svc, place) != self)
			return answer_error(a, 409000, "The certificate %s is already used by '%s'.", hash,
				json_string_value(json_object_get(place, "key")));
	}
	return true;
}

json_t *holder_of(const struct service *svc, const struct entry_type *type, const char *sha256)
{
	const json_t *place = json_object_get(svc->holders, sha256);
	bool ours = json_integer_value(json_object_get(place, "shelf")) == (json_int_t)type->shelf;
	return ours ? entry_at(svc, place) : NULL;
}
