/* SPDX-License-Identifier: Apache-2.0 */
#include "hubs.h"

#include "cert.h"
#include "operations.h"
#include "util.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define NEVER "0001-01-01T00:00:00"
#define LIST_MAX 1000

static char *device_key(const char *hub, const char *device_id)
{
	AUTO_TEXT host = text_lower(hub);
	return text_of("%s/%s", host, device_id);
}

/* A hub's etag is base64 of a number. */
static char *hub_etag(void)
{
	return random_base64(8);
}

static json_t *self_signed(const char *sha1, const char *second)
{
	return must(json_pack("{s:s, s:{s:n, s:n}, s:{s:s?, s:s?}}", "type", "selfSigned", "symmetricKey",
		"primaryKey", "secondaryKey", "x509Thumbprint", "primaryThumbprint", sha1,
		"secondaryThumbprint", second));
}

static json_t *new_device(const char *device_id)
{
	uint8_t b[4];
	random_fill(b, sizeof b);
	AUTO_TEXT generation = text_of("6%017llu%u", (unsigned long long)clock_ms(), b[0] % 10);
	return must(json_pack("{s:s, s:s, s:s, s:s, s:n, s:s, s:s, s:s, s:i, s:{s:b}}",
		"deviceId", device_id, "generationId", generation, "connectionState", "Disconnected",
		"status", "enabled", "statusReason", "connectionStateUpdatedTime", NEVER,
		"statusUpdatedTime", NEVER, "lastActivityTime", NEVER, "cloudToDeviceMessageCount", 0,
		"capabilities", "iotEdge", 0));
}

static bool keep(struct service *svc, const char *key, json_t *take)
{
	AUTO_TEXT etag = hub_etag();
	json_object_set_new(take, "etag", json_string(etag));
	return store_put(&svc->store, SHELF_DEVICES, key, take);
}

json_t *hub_thumbprint(const X509 *leaf)
{
	AUTO_TEXT sha1 = cert_sha1(leaf);
	return self_signed(sha1, NULL);
}

json_t *hub_keys(const char *primary, const char *secondary)
{
	return must(json_pack("{s:s, s:{s:s, s:s}, s:{s:n, s:n}}", "type", "sas", "symmetricKey",
		"primaryKey", primary, "secondaryKey", secondary, "x509Thumbprint", "primaryThumbprint",
		"secondaryThumbprint"));
}

/* A twin as an enrollment's initialTwin begins it. */
static json_t *new_twin(const struct admission *d)
{
	const json_t *initial = json_object_get(d->entry, "initialTwin");
	const json_t *tags = json_object_get(initial, "tags");
	const json_t *desired = json_object_get(json_object_get(initial, "properties"), "desired");
	json_t *twin = must(json_pack("{s:s, s:i, s:{}, s:{s:{s:i}, s:{s:i}}}", "deviceId", d->device_id,
		"version", 1, "tags", "properties", "desired", "$version", 1, "reported", "$version", 1));
	json_object_update(json_object_get(twin, "tags"), (json_t *)(uintptr_t)tags);
	json_object_update(json_object_get(json_object_get(twin, "properties"), "desired"),
		(json_t *)(uintptr_t)desired);
	return twin;
}

/* The record that a device has at its new hub, and its twin: those of the old one, or new ones. */
static json_t *bring(struct service *svc, const struct admission *d, const char *key, const char *old_key)
{
	json_t *old = old_key && d->migrate ? store_get(&svc->store, SHELF_DEVICES, old_key) : NULL;
	json_t *twin = old ? store_get(&svc->store, SHELF_TWINS, old_key) : NULL;
	json_t *capabilities = json_object_get(d->entry, "capabilities");
	if (!store_put(&svc->store, SHELF_TWINS, key, twin ? json_deep_copy(twin) : new_twin(d)))
		return NULL;
	if (old)
		return json_deep_copy(old);
	json_t *device = new_device(d->device_id);
	if (capabilities)
		json_object_set_new(device, "capabilities", json_deep_copy(capabilities));
	return device;
}

bool hub_admit(struct service *svc, const struct admission *d, json_t *take_authentication)
{
	AUTO_TEXT key = device_key(d->hub, d->device_id);
	AUTO_TEXT old_key = d->from ? device_key(d->from, d->device_id) : NULL;
	json_t *there = store_get(&svc->store, SHELF_DEVICES, key);
	json_t *device = there ? json_deep_copy(there) : bring(svc, d, key, old_key);
	if (!device) {
		json_decref(take_authentication);
		return false;
	}
	json_object_set_new(device, "authentication", take_authentication);
	if (!keep(svc, key, device))
		return false;
	if (old_key) {
		store_remove(&svc->store, SHELF_DEVICES, old_key);
		store_remove(&svc->store, SHELF_TWINS, old_key);
	}
	return true;
}

static json_t *device_asked(const struct service *svc, const struct request *r, struct answer *a)
{
	AUTO_TEXT key = device_key(r->hub, r->arg[0]);
	json_t *device = store_get(&svc->store, SHELF_DEVICES, key);
	if (!device)
		answer_named(a, 404001, "DeviceNotFound", "The device '%s' is not registered.", r->arg[0]);
	return device;
}

static void answer_device(struct answer *a, const json_t *device)
{
	answer_with(a, 200, json_deep_copy(device));
	answer_header(a, "ETag", "\"%s\"", json_string_value(json_object_get(device, "etag")));
}

void hub_device_get(struct service *svc, const struct request *r, struct answer *a)
{
	json_t *device = device_asked(svc, r, a);
	if (device)
		answer_device(a, device);
}

static bool etag_fits(const struct request *r, const json_t *device, struct answer *a)
{
	const char *tag = r->if_match;
	AUTO_TEXT quoted = text_of("\"%s\"", json_string_value(json_object_get(device, "etag")));
	if (!tag)
		return answer_named(a, 400000, "ArgumentInvalid", "The If-Match header is required.");
	return strcmp(tag, "*") == 0 || strcmp(tag, "\"*\"") == 0 || strcmp(tag, quoted) == 0 ||
		answer_named(a, 412001, "PreconditionFailed", "The etag does not match.");
}

void hub_device_delete(struct service *svc, const struct request *r, struct answer *a)
{
	json_t *device = device_asked(svc, r, a);
	if (!device || !etag_fits(r, device, a))
		return;
	AUTO_TEXT key = device_key(r->hub, r->arg[0]);
	store_remove(&svc->store, SHELF_DEVICES, key);
	store_remove(&svc->store, SHELF_TWINS, key);
	answer_with(a, 204, NULL);
}

/* A device that was put here by hand has an empty twin. */
void hub_twin_get(struct service *svc, const struct request *r, struct answer *a)
{
	json_t *device = device_asked(svc, r, a);
	if (!device)
		return;
	AUTO_TEXT key = device_key(r->hub, r->arg[0]);
	const struct admission bare = {.device_id = json_string_value(json_object_get(device, "deviceId"))};
	json_t *kept = store_get(&svc->store, SHELF_TWINS, key);
	json_t *twin = kept ? json_deep_copy(kept) : new_twin(&bare);
	json_object_set(twin, "status", json_object_get(device, "status"));
	json_object_set(twin, "capabilities", json_object_get(device, "capabilities"));
	answer_with(a, 200, twin);
}

static bool is_thumbprint(const char *t)
{
	size_t n = t ? strlen(t) : 0;
	return (n == 40 || n == 64) && strspn(t, "0123456789abcdefABCDEF") == n;
}

/* Keys that the caller left out are made; a key must be base64 of 16..64 bytes. */
static bool fill_key(json_t *keys, const char *name)
{
	const char *t = json_string_value(json_object_get(keys, name));
	if (!t) {
		AUTO_TEXT fresh = random_base64(32);
		return json_object_set_new(keys, name, json_string(fresh)) == 0;
	}
	size_t n = 0;
	uint8_t *bytes = base64_bytes(t, &n);
	bool ok = bytes && n >= 16 && n <= 64;
	free(bytes);
	return ok;
}

static json_t *sas_authentication(const json_t *asked)
{
	const json_t *given = json_object_get(asked, "symmetricKey");
	json_auto_t *keys = json_is_object(given) ? json_deep_copy(given) : json_object();
	if (!fill_key(keys, "primaryKey") || !fill_key(keys, "secondaryKey"))
		return NULL;
	return json_pack("{s:s, s:O, s:{s:n, s:n}}", "type", "sas", "symmetricKey", keys,
		"x509Thumbprint", "primaryThumbprint", "secondaryThumbprint");
}

static json_t *read_authentication(const json_t *asked)
{
	const char *type = json_string_value(json_object_get(asked, "type"));
	const json_t *print = json_object_get(asked, "x509Thumbprint");
	const char *first = json_string_value(json_object_get(print, "primaryThumbprint"));
	const char *second = json_string_value(json_object_get(print, "secondaryThumbprint"));
	if (!type || strcmp(type, "sas") == 0)
		return sas_authentication(asked);
	if (strcmp(type, "selfSigned") == 0)
		return is_thumbprint(first) && (!second || is_thumbprint(second))
			? self_signed(first, second) : NULL;
	if (strcmp(type, "certificateAuthority") == 0 || strcmp(type, "none") == 0)
		return json_pack("{s:s}", "type", type);
	return NULL;
}

static bool device_id_is_valid(const char *t)
{
	size_t n = strlen(t);
	bool ok = n <= 128;
	for (size_t i = 0; ok && i < n; i++)
		ok = isalnum((unsigned char)t[i]) || strchr("-.+%_#*?!(),=@$':", t[i]);
	return ok;
}

/* Why it has the status is the caller's word. */
static void set_status(json_t *device, const json_t *asked)
{
	const char *status = json_string_value(json_object_get(asked, "status"));
	json_t *reason = json_object_get(asked, "statusReason");
	if (status && (strcmp(status, "enabled") == 0 || strcmp(status, "disabled") == 0))
		json_object_set_new(device, "status", json_string(status));
	if (json_is_string(reason))
		json_object_set(device, "statusReason", reason);
}

void hub_device_put(struct service *svc, const struct request *r, struct answer *a)
{
	const char *id = json_string_value(json_object_get(r->json, "deviceId"));
	AUTO_TEXT key = device_key(r->hub, r->arg[0]);
	json_t *there = store_get(&svc->store, SHELF_DEVICES, key);
	if (!id || strcmp(id, r->arg[0]) != 0 || !device_id_is_valid(id)) {
		answer_named(a, 400004, "InvalidDeviceId", "The device id is invalid or differs from the path.");
		return;
	}
	if (there && !r->if_match) {
		answer_named(a, 409001, "DeviceAlreadyExists", "A device '%s' is registered already.", id);
		return;
	}
	if (there && !etag_fits(r, there, a))
		return;
	json_t *authentication = read_authentication(json_object_get(r->json, "authentication"));
	if (!authentication) {
		answer_named(a, 400000, "ArgumentInvalid", "The authentication of the device is invalid.");
		return;
	}
	json_t *device = there ? json_deep_copy(there) : new_device(id);
	json_object_set_new(must(device), "authentication", authentication);
	set_status(device, r->json);
	if (!keep(svc, key, device)) {
		answer_error(a, 500000, "The state cannot be written.");
		return;
	}
	answer_device(a, store_get(&svc->store, SHELF_DEVICES, key));
}

void hub_device_list(struct service *svc, const struct request *r, struct answer *a)
{
	AUTO_TEXT top = request_parameter(r, "top");
	AUTO_TEXT prefix = text_of("%s/", r->hub);
	int64_t max = LIST_MAX;
	if (top && (!text_number(top, &max) || max < 1 || max > LIST_MAX)) {
		answer_named(a, 400000, "ArgumentInvalid", "The parameter top must be 1 to %d.", LIST_MAX);
		return;
	}
	size_t n = 0;
	const char **keys = store_keys(&svc->store, SHELF_DEVICES, &n);
	json_t *list = must(json_array());
	for (size_t i = 0; i < n && (int64_t)json_array_size(list) < max; i++)
		if (text_starts(keys[i], prefix))
			json_array_append_new(list,
				json_deep_copy(store_get(&svc->store, SHELF_DEVICES, keys[i])));
	free(keys);
	answer_with(a, 200, list);
}
