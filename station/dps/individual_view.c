/* SPDX-License-Identifier: Apache-2.0 */
#include "station/dps/individual_view.h"

#include "station/base/sha256.h"
#include "station/base/text.h"
#include "station/dps/answer.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define CERTIFICATE_TEXT_MAX 65536
#define PEM_BEGIN "-----BEGIN CERTIFICATE-----"
#define PEM_END "-----END CERTIFICATE-----"

void individual_view_fini(struct individual_view *v)
{
	for (size_t i = 0; i < INDIVIDUAL_MEMBERS; i++)
		bytes_fini(&v->value[i]);
}

/* ---- small things ---- */

/* A member that says something: null says nothing. */
static const json_t *member(const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);
	return json_is_null(v) ? NULL : v;
}

/* *ret NULL if the member is missing. */
static bool text_member(const json_t *object, const char *name, const char **ret, struct err *e)
{
	const json_t *v = member(object, name);
	*ret = json_string_value(v);
	return !v || *ret || err_set(e, E_DPS_ANSWER, "member \"%s\" is no text", name);
}

/* *ret NULL if the member is missing. */
static bool object_member(const json_t *object, const char *name, const json_t **ret, struct err *e)
{
	*ret = member(object, name);
	return !*ret || json_is_object(*ret) || err_set(e, E_DPS_ANSWER, "member \"%s\" is no object", name);
}

static bool bool_member(const json_t *object, const char *name, bool otherwise, bool *ret, struct err *e)
{
	const json_t *v = member(object, name);
	*ret = v ? json_is_true(v) : otherwise;
	return !v || json_is_boolean(v) || err_set(e, E_DPS_ANSWER, "member \"%s\" is neither true nor false", name);
}

/* Names of hosts and registration ids are without case. */
static bool add_lower(struct bytes *ret, const char *text, struct err *e)
{
	size_t from = ret->len;
	if (!bytes_add_text(ret, text, e))
		return false;
	for (size_t i = from; i < ret->len; i++)
		ret->data[i] = (uint8_t)tolower(ret->data[i]);
	return true;
}

/* ---- the proof ---- */

/* Base64 as people send it, with line ends in it. */
static bool base64_loose(const char *text, size_t len, struct bytes *ret, struct err *e)
{
	AUTO(bytes) struct bytes tight = {0};
	for (size_t i = 0; i < len; i++)
		if (!strchr(" \t\r\n", text[i]) && !bytes_add(&tight, text + i, 1, e))
			return false;
	return base64_decode(bytes_text(&tight), tight.len, ret, e);
}

/* The first certificate of a PEM text; *found false if it is none. */
static bool pem_decode(const char *text, bool *found, struct bytes *ret_der, struct err *e)
{
	const char *begin = strstr(text, PEM_BEGIN);
	const char *end = begin ? strstr(begin, PEM_END) : NULL;
	*found = end != NULL;
	if (!end)
		return true;
	begin += strlen(PEM_BEGIN);
	return base64_loose(begin, (size_t)(end - begin), ret_der, e);
}

/* PEM, base64 of the DER, or base64 of the PEM: clients send, and services may keep, all three. */
static bool certificate_decode(const char *text, struct bytes *ret_der, struct err *e)
{
	AUTO(bytes) struct bytes inner = {0};
	bool found = false;
	if (!pem_decode(text, &found, ret_der, e) || found)
		return found;
	return base64_loose(text, strlen(text), &inner, e) && pem_decode(bytes_text(&inner), &found, ret_der, e)
	       && (found || bytes_set(ret_der, inner.data, inner.len, e));
}

static bool thumbprint_of(const char *text, char ret[static 2 * SHA256_SIZE + 1], struct err *e)
{
	AUTO(bytes) struct bytes der = {0};
	struct err why = {0};
	uint8_t digest[SHA256_SIZE];
	if (strlen(text) > CERTIFICATE_TEXT_MAX || !certificate_decode(text, &der, &why) || !der.len)
		return err_set(e, E_DPS_ANSWER, "member \"certificate\" is no certificate");
	sha256_of(der.data, der.len, digest);
	hex_encode(digest, SHA256_SIZE, ret);
	return true;
}

static bool thumbprint_copy(const char *text, char ret[static 2 * SHA256_SIZE + 1], struct err *e)
{
	uint8_t digest[SHA256_SIZE];
	struct err why = {0};
	if (strlen(text) != 2 * SHA256_SIZE || !hex_decode(text, digest, SHA256_SIZE, &why))
		return err_set(e, E_DPS_ANSWER, "member \"sha256Thumbprint\" is no SHA-256");
	hex_encode(digest, SHA256_SIZE, ret);
	return true;
}

/* A certificate is known by its bytes or by what the service says of it. */
static bool add_certificate(const json_t *slot, struct bytes *ret, struct err *e)
{
	const json_t *info = NULL;
	const char *text = NULL, *hex = NULL;
	char by_bytes[2 * SHA256_SIZE + 1] = "", by_info[2 * SHA256_SIZE + 1] = "";

	if (!json_is_object(slot))
		return err_set(e, E_DPS_ANSWER, "a certificate is no object");
	if (!text_member(slot, "certificate", &text, e) || !object_member(slot, "info", &info, e)
	    || !text_member(info, "sha256Thumbprint", &hex, e) || (text && !thumbprint_of(text, by_bytes, e))
	    || (hex && !thumbprint_copy(hex, by_info, e)))
		return false;
	if (!text && !hex)
		return err_set(e, E_DPS_ANSWER, "a certificate has neither bytes nor sha256Thumbprint");
	if (text && hex && strcmp(by_bytes, by_info))
		return err_set(e, E_DPS_ANSWER, "a certificate and its sha256Thumbprint do not belong together");
	return bytes_add_text(ret, text ? by_bytes : by_info, e);
}

static bool add_x509(const json_t *attestation, struct bytes *ret, struct err *e)
{
	const json_t *x509 = NULL, *client = NULL;
	const json_t *primary, *secondary;
	if (!object_member(attestation, "x509", &x509, e) || !object_member(x509, "clientCertificates", &client, e))
		return false;
	if (!client)
		return bytes_add_text(ret, member(x509, "caReferences") ? " by the name of a CA" : " by a CA's certificate", e);
	primary = member(client, "primary");
	secondary = member(client, "secondary");
	if (primary && (!bytes_add_text(ret, " certificate ", e) || !add_certificate(primary, ret, e)))
		return false;
	return !secondary || (bytes_add_text(ret, " and a second, ", e) && add_certificate(secondary, ret, e));
}

static bool add_tpm(const json_t *attestation, struct bytes *ret, struct err *e)
{
	AUTO(bytes) struct bytes key = {0};
	const json_t *tpm = NULL;
	const char *text = NULL;
	struct err why = {0};
	if (!object_member(attestation, "tpm", &tpm, e) || !text_member(tpm, "endorsementKey", &text, e))
		return false;
	if (!text || !base64_loose(text, strlen(text), &key, &why))
		return err_set(e, E_DPS_ANSWER, "member \"endorsementKey\" is no base64");
	/* By the hash of its bytes: without regard to how they were written, and short enough that a sentence shows
	 * both. The storage root key is not part of who the device is. */
	uint8_t hash[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1];
	sha256_of(key.data, key.len, hash);
	hex_encode(hash, sizeof(hash), hex);
	return bytes_printf(ret, e, " endorsement key with SHA-256 %s", hex);
}

/* What is being read. */
struct reading {
	const json_t *entry, *wanted;
	const char *id;
};

static bool add_attestation(const struct reading *r, struct bytes *ret, struct err *e)
{
	const json_t *attestation = NULL;
	const char *type = NULL;
	if (!object_member(r->entry, "attestation", &attestation, e) || !text_member(attestation, "type", &type, e))
		return false;
	if (!type)
		return err_set(e, E_DPS_ANSWER, "the enrollment does not say its attestation");
	if (!bytes_add_text(ret, type, e))
		return false;
	if (!strcmp(type, "x509"))
		return add_x509(attestation, ret, e);
	return strcmp(type, "tpm") ? true : add_tpm(attestation, ret, e);
}

/* ---- the other members ---- */

static bool add_id(const struct reading *r, struct bytes *ret, struct err *e)
{
	return add_lower(ret, r->id, e);
}

/* A device id has a case; left out it is the registration id, which has none. */
static bool add_device_id(const struct reading *r, struct bytes *ret, struct err *e)
{
	const char *text = NULL;
	if (!text_member(r->entry, "deviceId", &text, e))
		return false;
	return text ? bytes_add_text(ret, text, e) : add_lower(ret, r->id, e);
}

static bool add_status(const struct reading *r, struct bytes *ret, struct err *e)
{
	const char *text = NULL;
	return text_member(r->entry, "provisioningStatus", &text, e) && bytes_add_text(ret, text ? text : "enabled", e);
}

static int compare_texts(const void *a, const void *b)
{
	return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

static bool add_list(const char **names, size_t count, struct bytes *ret, struct err *e)
{
	qsort(names, count, sizeof(*names), compare_texts);
	for (size_t i = 0; i < count; i++)
		if ((i && !bytes_add_text(ret, ", ", e)) || !add_lower(ret, names[i], e))
			return false;
	return true;
}

#define HUBS_MAX 64

/* iotHubs, or the one of the older member; none: any that is linked. */
static bool add_hubs(const struct reading *r, struct bytes *ret, struct err *e)
{
	const json_t *list = member(r->entry, "iotHubs"), *hub;
	const char *names[HUBS_MAX], *single = NULL;
	size_t i;

	if (!text_member(r->entry, "iotHubHostName", &single, e))
		return false;
	if ((list && !json_is_array(list)) || json_array_size(list) > HUBS_MAX)
		return err_set(e, E_DPS_ANSWER, "member \"iotHubs\" is no list, or a very long one");
	json_array_foreach(list, i, hub) {
		names[i] = json_string_value(hub);
		if (!names[i])
			return err_set(e, E_DPS_ANSWER, "member \"iotHubs\" holds what is no text");
	}
	if (json_array_size(list))
		return add_list(names, json_array_size(list), ret, e);
	return single && *single ? add_lower(ret, single, e) : bytes_add_text(ret, "any", e);
}

/* What is left out may come back as the service's own default. */
static bool add_allocation(const struct reading *r, struct bytes *ret, struct err *e)
{
	const char *text = NULL;
	return text_member(r->entry, "allocationPolicy", &text, e) && add_lower(ret, text && *text ? text : "hashed", e);
}

static bool add_webhook(const struct reading *r, struct bytes *ret, struct err *e)
{
	const json_t *webhook = NULL;
	const char *url = NULL;
	return object_member(r->entry, "customAllocationDefinition", &webhook, e) && text_member(webhook, "webhookUrl", &url, e)
	       && bytes_add_text(ret, url ? url : webhook ? "unnamed" : "none", e);
}

static bool add_reprovision(const struct reading *r, struct bytes *ret, struct err *e)
{
	const json_t *policy = NULL;
	bool update = true, migrate = true;
	if (!object_member(r->entry, "reprovisionPolicy", &policy, e)
	    || !bool_member(policy, "updateHubAssignment", true, &update, e)
	    || !bool_member(policy, "migrateDeviceData", true, &migrate, e))
		return false;
	if (update)
		return bytes_add_text(ret, migrate ? "migrate" : "reset", e);
	return bytes_add_text(ret, migrate ? "never, but migrate" : "never", e);
}

static bool add_edge(const struct reading *r, struct bytes *ret, struct err *e)
{
	const json_t *capabilities = NULL;
	bool edge = false;
	return object_member(r->entry, "capabilities", &capabilities, e)
	       && bool_member(capabilities, "iotEdge", false, &edge, e) && bytes_add_text(ret, edge ? "yes" : "no", e);
}

/* ---- twins ---- */

#define EXACT_MAX 9007199254740992.0	/* beyond it a double has no room for every integer */

/* 1.0 is 1 to a service that reads numbers. */
static json_t *number_plain(const json_t *v)
{
	double real = json_real_value(v);
	if (json_is_real(v) && real < EXACT_MAX && real > -EXACT_MAX && real == (double)(json_int_t)real)
		return json_integer((json_int_t)real);
	return json_deep_copy(v);
}

static json_t *value_plain(const json_t *v)
{
	const char *name;
	json_t *inner;
	size_t i;
	if (json_is_array(v)) {
		json_t *list = json_array();
		json_array_foreach(v, i, inner)
			json_array_append_new(list, value_plain(inner));
		return list;
	}
	if (!json_is_object(v))
		return number_plain(v);
	json_t *object = json_object();
	/* The macro takes its object as changeable, and changes nothing. */
	json_object_foreach((json_t *)(uintptr_t)v, name, inner)
		json_object_set_new(object, name, value_plain(inner));
	return object;
}

/* A collection without the reserved members that the service wrote into it and nobody asked for; NULL if nothing is left. */
static json_t *collection_plain(const json_t *v, const json_t *wanted)
{
	static const char *const reserved[] = {"version", "count", "metadata"};
	json_t *plain = value_plain(v);
	for (size_t i = 0; wanted && i < COUNT_OF(reserved); i++) {
		const json_t *own = json_object_get(plain, reserved[i]);
		if ((json_is_integer(own) || json_is_object(own)) && !member(wanted, reserved[i]))
			json_object_del(plain, reserved[i]);
	}
	if (json_object_size(plain))
		return plain;
	json_decref(plain);
	return NULL;
}

static bool add_collection(const json_t *v, const json_t *wanted, struct bytes *ret, struct err *e)
{
	AUTO(json) json_t *plain = v ? collection_plain(v, wanted) : NULL;
	return plain ? json_canonical(plain, ret, e) : bytes_add_text(ret, "none", e);
}

/* Never NULL for the service's entry, so that collection_plain knows whose it is. */
static const json_t *wanted_part(const struct reading *r, const char *outer, const char *inner)
{
	const json_t *twin = member(r->wanted, "initialTwin");
	const json_t *part = outer ? member(member(twin, outer), inner) : member(twin, inner);
	return r->wanted && !part ? r->wanted : part;
}

static bool add_tags(const struct reading *r, struct bytes *ret, struct err *e)
{
	const json_t *twin = NULL, *tags = NULL;
	return object_member(r->entry, "initialTwin", &twin, e) && object_member(twin, "tags", &tags, e)
	       && add_collection(tags, wanted_part(r, NULL, "tags"), ret, e);
}

static bool add_desired(const struct reading *r, struct bytes *ret, struct err *e)
{
	const json_t *twin = NULL, *properties = NULL, *desired = NULL;
	return object_member(r->entry, "initialTwin", &twin, e) && object_member(twin, "properties", &properties, e)
	       && object_member(properties, "desired", &desired, e)
	       && add_collection(desired, wanted_part(r, "properties", "desired"), ret, e);
}

/* ---- all of it ---- */

static const struct {
	const char *name;
	bool (*add)(const struct reading *r, struct bytes *ret, struct err *e);
} rows[INDIVIDUAL_MEMBERS] = {
	{"registration id", add_id},
	[INDIVIDUAL_ATTESTATION] = {"attestation", add_attestation},
	{"device id", add_device_id},
	{"status", add_status},
	{"hub", add_hubs},
	{"allocation", add_allocation},
	{"allocation's webhook", add_webhook},
	{"reprovision", add_reprovision},
	{"edge", add_edge},
	{"twin tags", add_tags},
	{"twin desired", add_desired},
};

const char *individual_member_name(size_t i)
{
	return rows[i].name;
}

bool individual_view(const json_t *entry, const json_t *wanted, struct individual_view *ret, struct err *e)
{
	struct reading r = {.entry = entry, .wanted = wanted};

	if (!json_is_object(entry))
		return err_set(e, E_DPS_ANSWER, "the enrollment is no object");
	if (!text_member(entry, "registrationId", &r.id, e))
		return false;
	if (!r.id)
		return err_set(e, E_DPS_ANSWER, "the enrollment has no registrationId");
	for (size_t i = 0; i < INDIVIDUAL_MEMBERS; i++)
		if (!rows[i].add(&r, &ret->value[i], e))
			return false;
	return true;
}
