/* SPDX-License-Identifier: Apache-2.0 */
#include "fields.h"

#include "cert.h"
#include "tpmkey.h"
#include "util.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define BOTH (KIND_GROUP | KIND_INDIVIDUAL)
#define KEY_MIN 16
#define KEY_MAX 64
#define DEVICE_ID_MAX 128

/* A check answers the error itself, or leaves the value to keep in *ret_value. */
struct context {
	const struct service *svc;
	enum entry_kind kind;
	struct answer *a;
};

bool id_is_valid(const char *id)
{
	size_t n = id ? strlen(id) : 0;
	if (!n || n > 128 || !isalnum((unsigned char)id[0]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)id[i]) && !strchr("-._:", id[i]))
			return false;
	return isalnum((unsigned char)id[n - 1]) || id[n - 1] == '-';
}

static bool keep(const json_t *v, json_t **ret)
{
	*ret = must(json_deep_copy(v));
	return true;
}

static bool refuse(const struct context *c, const char *field, const char *why)
{
	return answer_error(c->a, 400000, "The field '%s' %s.", field, why);
}

static bool check_status(const struct context *c, const char *field, const json_t *v, json_t **ret)
{
	const char *t = json_string_value(v);
	if (!t || (strcmp(t, "enabled") != 0 && strcmp(t, "disabled") != 0))
		return refuse(c, field, "must be enabled or disabled");
	return keep(v, ret);
}

static bool check_policy(const struct context *c, const char *field, const json_t *v, json_t **ret)
{
	const char *t = json_string_value(v);
	if (t && strcmp(t, "custom") == 0)
		return refuse(c, field, "cannot be custom at this emulator: it calls no webhook");
	if (!t || (strcmp(t, "hashed") != 0 && strcmp(t, "geoLatency") != 0 && strcmp(t, "static") != 0))
		return refuse(c, field, "must be hashed, geoLatency or static");
	return keep(v, ret);
}

static bool check_webhook(const struct context *c, const char *field, const json_t *v, json_t **ret)
{
	if (!json_is_string(json_object_get(v, "webhookUrl")) || !json_is_string(json_object_get(v, "apiVersion")))
		return refuse(c, field, "needs both webhookUrl and apiVersion");
	return keep(v, ret);
}

static bool check_hub(const struct context *c, const char *field, const json_t *v, json_t **ret)
{
	if (!instance_hub(c->svc, json_string_value(v)))
		return refuse(c, field, "must name a linked IoT Hub");
	return keep(v, ret);
}

static bool check_hubs(const struct context *c, const char *field, const json_t *v, json_t **ret)
{
	json_t *hub = NULL;
	size_t i = 0;
	if (!json_is_array(v))
		return refuse(c, field, "must be a list of host names");
	json_array_foreach(v, i, hub)
		if (!instance_hub(c->svc, json_string_value(hub)))
			return refuse(c, field, "must name linked IoT Hubs only");
	return keep(v, ret);
}

static bool check_reprovision(const struct context *c, const char *field, const json_t *v,
	json_t **ret)
{
	const json_t *update = json_object_get(v, "updateHubAssignment");
	const json_t *migrate = json_object_get(v, "migrateDeviceData");
	if (!json_is_boolean(update) || !json_is_boolean(migrate))
		return refuse(c, field, "needs both updateHubAssignment and migrateDeviceData");
	*ret = must(json_pack("{s:O, s:O}", "updateHubAssignment", update, "migrateDeviceData", migrate));
	return true;
}

static bool check_capabilities(const struct context *c, const char *field, const json_t *v,
	json_t **ret)
{
	const json_t *edge = json_object_get(v, "iotEdge");
	if (!json_is_boolean(edge))
		return refuse(c, field, "needs iotEdge");
	*ret = must(json_pack("{s:O}", "iotEdge", edge));
	return true;
}

static bool is_twin_collection(const json_t *v)
{
	const json_t *version = json_object_get(v, "version");
	const json_t *count = json_object_get(v, "count");
	const json_t *metadata = json_object_get(v, "metadata");
	return !v || (json_is_object(v) && (!version || json_is_integer(version)) &&
		(!count || json_is_integer(count)) && (!metadata || json_is_object(metadata)));
}

static bool check_twin(const struct context *c, const char *field, const json_t *v, json_t **ret)
{
	const json_t *properties = json_object_get(v, "properties");
	if (!json_is_object(v) || (properties && !json_is_object(properties)) ||
		!is_twin_collection(json_object_get(v, "tags")) ||
		!is_twin_collection(json_object_get(properties, "desired")))
		return refuse(c, field, "is not an initial twin");
	return keep(v, ret);
}

static bool check_collection(const struct context *c, const char *field, const json_t *v,
	json_t **ret)
{
	if (!is_twin_collection(v))
		return refuse(c, field, "is not a twin collection");
	return keep(v, ret);
}

/* IoT Hub's characters; a device id keeps its case. */
static bool check_device_id(const struct context *c, const char *field, const json_t *v, json_t **ret)
{
	const char *t = json_string_value(v);
	size_t n = t ? strlen(t) : 0;
	bool ok = n && n <= DEVICE_ID_MAX;
	for (size_t i = 0; ok && i < n; i++)
		ok = isalnum((unsigned char)t[i]) || strchr("-.+%_#*?!(),=@$':", t[i]);
	return ok ? keep(v, ret) : refuse(c, field, "is not a device id");
}

/* One slot of clientCertificates or signingCertificates; NULL stands for an absent slot. */
static bool read_slot(const struct context *c, const json_t *slots, const char *name, json_t *into)
{
	const json_t *slot = json_object_get(slots, name);
	if (!slot || json_is_null(slot))
		return true;
	const char *text = json_string_value(json_object_get(slot, "certificate"));
	if (!text)
		return refuse(c, "certificate", "is required; 'info' alone is read-only");
	X509 *cert = cert_read(text);
	if (!cert)
		return refuse(c, "certificate", "is not a certificate (PEM, base64 DER or base64 PEM)");
	AUTO_TEXT der = cert_base64(cert);
	json_object_set_new(into, name,
		must(json_pack("{s:s, s:o}", "certificate", der, "info", cert_info(cert))));
	X509_free(cert);
	return true;
}

static bool read_certificates(const struct context *c, const json_t *x509, const char *field,
	json_t **ret)
{
	const json_t *slots = json_object_get(x509, field);
	json_auto_t *kept = must(json_object());
	if (!read_slot(c, slots, "primary", kept) || !read_slot(c, slots, "secondary", kept))
		return false;
	if (!json_object_size(kept))
		return refuse(c, field, "needs a primary or secondary certificate");
	*ret = must(json_pack("{s:{s:O}}", "x509", field, kept));
	return true;
}

static bool read_references(const struct context *c, const json_t *refs, json_t **ret)
{
	static const char *const slots[] = {"primary", "secondary"};
	json_auto_t *kept = must(json_object());
	for (size_t i = 0; i < 2; i++) {
		json_t *name = json_object_get(refs, slots[i]);
		if (!name || json_is_null(name))
			continue;
		AUTO_TEXT key = json_is_string(name) ? text_lower(json_string_value(name)) : NULL;
		if (!key || !store_get(&c->svc->store, SHELF_CERTIFICATES, key))
			return refuse(c, "caReferences", "names no CA certificate of this instance");
		json_object_set(kept, slots[i], name);
	}
	if (!json_object_size(kept))
		return refuse(c, "caReferences", "needs a primary or secondary name");
	*ret = must(json_pack("{s:{s:O}}", "x509", "caReferences", kept));
	return true;
}

static bool is_given(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);
	return v && !json_is_null(v);
}

static bool read_x509(const struct context *c, const json_t *x509, json_t **ret)
{
	bool client = is_given(x509, "clientCertificates");
	bool signing = is_given(x509, "signingCertificates");
	bool references = is_given(x509, "caReferences");
	if (client + signing + references != 1)
		return refuse(c, "x509",
			"needs exactly one of clientCertificates, signingCertificates and caReferences");
	if (client != (c->kind == KIND_INDIVIDUAL))
		return refuse(c, "x509", c->kind == KIND_GROUP ? "of a group cannot have clientCertificates"
			: "of an individual enrollment needs clientCertificates");
	if (references)
		return read_references(c, json_object_get(x509, "caReferences"), ret);
	return read_certificates(c, x509, client ? "clientCertificates" : "signingCertificates", ret);
}

static bool read_tpm(const struct context *c, const json_t *tpm, json_t **ret)
{
	const char *text = json_string_value(json_object_get(tpm, "endorsementKey"));
	struct tpm_key ek;
	if (c->kind == KIND_GROUP)
		return refuse(c, "attestation", "of a group cannot be tpm");
	if (!tpm_key_read(&ek, text))
		return answer_error(c->a, 400004,
			"Endorsement key is invalid, or does not match the Enrollment.");
	json_t *kept = must(json_pack("{s:{s:s}}", "tpm", "endorsementKey", text));
	if (is_given(tpm, "storageRootKey"))
		json_object_set(json_object_get(kept, "tpm"), "storageRootKey",
			json_object_get(tpm, "storageRootKey"));
	*ret = kept;
	return true;
}

/* A key that the caller leaves out is made; one that is given must be base64 of 16..64 bytes. */
static bool read_key(const struct context *c, const json_t *keys, const char *name, json_t *into)
{
	if (!is_given(keys, name)) {
		AUTO_TEXT fresh = random_base64(KEY_MAX);
		return json_object_set_new(into, name, json_string(fresh)) == 0;
	}
	size_t n = 0;
	const char *text = json_string_value(json_object_get(keys, name));
	uint8_t *bytes = text ? base64_bytes(text, &n) : NULL;
	free(bytes);
	if (!bytes || n < KEY_MIN || n > KEY_MAX)
		return refuse(c, name, "must be base64 of 16 to 64 bytes");
	return json_object_set(into, name, json_object_get(keys, name)) == 0;
}

static bool read_keys(const struct context *c, const json_t *keys, json_t **ret)
{
	json_auto_t *kept = must(json_object());
	if (keys && !json_is_null(keys) && !json_is_object(keys))
		return refuse(c, "symmetricKey", "must hold primaryKey and secondaryKey");
	if (!read_key(c, keys, "primaryKey", kept) || !read_key(c, keys, "secondaryKey", kept))
		return false;
	*ret = must(json_pack("{s:O}", "symmetricKey", kept));
	return true;
}

static bool check_attestation(const struct context *c, const char *field, const json_t *v,
	json_t **ret)
{
	const char *type = json_string_value(json_object_get(v, "type"));
	bool ok = false;
	if (type && strcmp(type, "x509") == 0)
		ok = read_x509(c, json_object_get(v, "x509"), ret);
	else if (type && strcmp(type, "tpm") == 0)
		ok = read_tpm(c, json_object_get(v, "tpm"), ret);
	else if (type && strcmp(type, "symmetricKey") == 0)
		ok = read_keys(c, json_object_get(v, "symmetricKey"), ret);
	else
		return refuse(c, field, "needs a type: x509, tpm or symmetricKey");
	return ok && json_object_set_new(*ret, "type", json_string(type)) == 0;
}

/* Rows: what a client may set. */
static const struct {
	const char *name;
	unsigned kinds;
	bool required;
	bool (*check)(const struct context *c, const char *field, const json_t *v, json_t **ret);
} fields[] = {
	{"deviceId", KIND_INDIVIDUAL, false, check_device_id},
	{"optionalDeviceInformation", KIND_INDIVIDUAL, false, check_collection},
	{"attestation", BOTH, true, check_attestation},
	{"capabilities", BOTH, false, check_capabilities},
	{"iotHubHostName", BOTH, false, check_hub},
	{"initialTwin", BOTH, false, check_twin},
	{"provisioningStatus", BOTH, false, check_status},
	{"reprovisionPolicy", BOTH, false, check_reprovision},
	{"allocationPolicy", BOTH, false, check_policy},
	{"iotHubs", BOTH, false, check_hubs},
	{"customAllocationDefinition", BOTH, false, check_webhook},
};

static void fill_defaults(json_t *entry, const char *api_version)
{
	/* Before reprovisioning had a policy it had none: such clients keep the old sticky way. */
	bool has_policy = strcmp(api_version, "2018-04-01") > 0;
	json_auto_t *defaults = must(json_pack("{s:{s:b}, s:s}", "capabilities", "iotEdge", 0,
		"provisioningStatus", "enabled"));
	if (has_policy)
		json_object_set_new(defaults, "reprovisionPolicy", must(json_pack("{s:b, s:b}",
			"updateHubAssignment", 1, "migrateDeviceData", 1)));
	json_object_update_missing(entry, defaults);
}

json_t *fields_read(const struct service *svc, enum entry_kind kind, const json_t *body,
	const char *api_version, struct answer *a)
{
	struct context c = {svc, kind, a};
	json_auto_t *entry = must(json_object());
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		json_t *kept = NULL;
		const json_t *v = json_object_get(body, fields[i].name);
		bool given = v && !json_is_null(v);
		if (given && !(fields[i].kinds & kind)) {
			refuse(&c, fields[i].name, "does not belong to this kind of enrollment");
			return NULL;
		}
		if (!given && fields[i].required && (fields[i].kinds & kind)) {
			refuse(&c, fields[i].name, "is required");
			return NULL;
		}
		if (!given)
			continue;
		if (!fields[i].check(&c, fields[i].name, v, &kept)) {
			json_decref(kept);
			return NULL;
		}
		json_object_set_new(entry, fields[i].name, kept);
	}
	fill_defaults(entry, api_version);
	return json_incref(entry);
}
