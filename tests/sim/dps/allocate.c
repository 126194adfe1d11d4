/* SPDX-License-Identifier: Apache-2.0 */
#include "allocate.h"

#include "util.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define HUBS_MAX 50

struct choice {
	const json_t *hub[HUBS_MAX];
	size_t hubs;
};

static void add(struct choice *c, const json_t *hub)
{
	if (hub && c->hubs < HUBS_MAX)
		c->hub[c->hubs++] = hub;
}

/* The hubs to choose from, in the order that the enrollment, else the instance, has them. */
static struct choice candidates(const struct service *svc, const json_t *entry)
{
	struct choice c = {0};
	json_t *v = NULL;
	size_t i = 0;
	const json_t *legacy = json_object_get(entry, "iotHubHostName");
	const json_t *listed = json_object_get(entry, "iotHubs");
	if (json_array_size(listed)) {
		json_array_foreach(listed, i, v)
			add(&c, instance_hub(svc, json_string_value(v)));
		return c;
	}
	if (legacy) {
		add(&c, instance_hub(svc, json_string_value(legacy)));
		return c;
	}
	json_array_foreach(json_object_get(svc->instance, "hubs"), i, v)
		if (json_is_true(json_object_get(v, "applyAllocationPolicy")))
			add(&c, v);
	return c;
}

static uint64_t weight(const json_t *hub)
{
	json_int_t w = json_integer_value(json_object_get(hub, "allocationWeight"));
	return w > 0 ? (uint64_t)w : 1;
}

static const json_t *by_hash(const struct choice *c, const char *registration_id)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	AUTO_TEXT low = text_lower(registration_id);
	SHA256((const uint8_t *)low, strlen(low), hash);
	uint64_t at = 0, total = 0;
	for (size_t i = 0; i < 8; i++)
		at = at << 8 | hash[i];
	for (size_t i = 0; i < c->hubs; i++)
		total += weight(c->hub[i]);
	at %= total;
	size_t i = 0;
	for (; at >= weight(c->hub[i]); i++)
		at -= weight(c->hub[i]);
	return c->hub[i];
}

/* The first linked hub among the candidates. */
static const json_t *nearest(const struct service *svc, const struct choice *c)
{
	json_t *hub = NULL;
	size_t i = 0;
	json_array_foreach(json_object_get(svc->instance, "hubs"), i, hub)
		for (size_t k = 0; k < c->hubs; k++)
			if (c->hub[k] == hub)
				return hub;
	return c->hub[0];
}

const char *allocate(const struct service *svc, const json_t *entry, const char *registration_id)
{
	struct choice c = candidates(svc, entry);
	if (!c.hubs)
		return NULL;
	const char *policy = json_string_value(json_object_get(entry, "allocationPolicy"));
	if (!policy)
		policy = instance_text(svc, "allocationPolicy");
	const json_t *hub = text_same(policy, "static") ? c.hub[0]
		: text_same(policy, "geoLatency") ? nearest(svc, &c) : by_hash(&c, registration_id);
	return json_string_value(json_object_get(hub, "hostName"));
}
