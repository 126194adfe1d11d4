/* SPDX-License-Identifier: Apache-2.0 */
#include "arm.h"

#include "cert.h"
#include "operations.h"
#include "util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEM_MAX 65536
#define CERTIFICATES_MAX 25
#define NAME_MAX_LEN 256
#define TYPE "Microsoft.Devices/provisioningServices"

char *arm_instance_id(const struct service *svc)
{
	return text_of("/subscriptions/%s/resourceGroups/%s/providers/" TYPE "/%s",
		instance_text(svc, "subscription"), instance_text(svc, "resourceGroup"),
		instance_text(svc, "name"));
}

static bool instance_is_ours(const struct service *svc, const struct request *r, struct answer *a)
{
	if (text_same(r->arg[0], instance_text(svc, "subscription")) &&
		text_same(r->arg[1], instance_text(svc, "resourceGroup")) &&
		text_same(r->arg[2], instance_text(svc, "name")))
		return true;
	return answer_named(a, 404000, "ResourceNotFound", "The resource '%s' was not found.", r->arg[2]);
}

/* A counter, so that later etags differ: base64 of eight bytes, as ARM's look. */
static char *next_etag(struct service *svc)
{
	json_int_t n = json_integer_value(json_object_get(svc->instance, "lastEtag")) + 1;
	json_object_set_new(svc->instance, "lastEtag", json_integer(n));
	store_write_document(&svc->store, "instance.json", svc->instance);
	uint8_t b[8];
	for (int i = 0; i < 8; i++)
		b[i] = (uint8_t)((uint64_t)n >> (56 - 8 * i));
	return base64_of(b, sizeof b);
}

static json_t *shown_hubs(const struct service *svc)
{
	json_t *list = must(json_array()), *hub = NULL;
	size_t i = 0;
	json_array_foreach(json_object_get(svc->instance, "hubs"), i, hub) {
		AUTO_TEXT masked = text_of("HostName=%s;SharedAccessKeyName=iothubowner;SharedAccessKey=****",
			json_string_value(json_object_get(hub, "hostName")));
		json_array_append_new(list, must(json_pack("{s:O, s:s, s:O, s:O, s:O}",
			"name", json_object_get(hub, "hostName"), "connectionString", masked,
			"location", json_object_get(hub, "location"),
			"allocationWeight", json_object_get(hub, "allocationWeight"),
			"applyAllocationPolicy", json_object_get(hub, "applyAllocationPolicy"))));
	}
	return list;
}

void arm_instance_get(struct service *svc, const struct request *r, struct answer *a)
{
	if (!instance_is_ours(svc, r, a))
		return;
	AUTO_TEXT id = arm_instance_id(svc);
	AUTO_TEXT portal = text_of("%s.services.azure-devices-provisioning.net", instance_text(svc, "name"));
	answer_with(a, 200, must(json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:{}, s:{s:s, s:s, s:i},"
		" s:{s:s, s:s, s:s, s:[], s:[], s:o, s:s, s:s, s:s, s:s, s:[], s:s}}",
		"id", id, "name", instance_text(svc, "name"), "type", TYPE,
		"location", instance_text(svc, "location"), "etag", "AAAAAAAAAAE=",
		"resourcegroup", instance_text(svc, "resourceGroup"), "tags",
		"sku", "name", "S1", "tier", "Standard", "capacity", 1,
		"properties", "state", "Active", "provisioningState", "Succeeded",
		"publicNetworkAccess", "Enabled", "ipFilterRules", "privateEndpointConnections",
		"iotHubs", shown_hubs(svc), "allocationPolicy", instance_text(svc, "allocationPolicy"),
		"serviceOperationsHostName", instance_text(svc, "serviceOperationsHostName"),
		"deviceProvisioningHostName", instance_text(svc, "deviceProvisioningHostName"),
		"idScope", instance_text(svc, "idScope"), "authorizationPolicies",
		"portalOperationsHostName", portal)));
}

void arm_list_keys(struct service *svc, const struct request *r, struct answer *a)
{
	json_t *all = json_object_get(svc->instance, "policies"), *p = NULL;
	size_t i = 0;
	if (!instance_is_ours(svc, r, a))
		return;
	if (!r->arg[3]) {
		answer_with(a, 200, must(json_pack("{s:o}", "value", json_deep_copy(all))));
		return;
	}
	json_array_foreach(all, i, p) {
		if (!text_same(json_string_value(json_object_get(p, "keyName")), r->arg[3]))
			continue;
		answer_with(a, 200, json_deep_copy(p));
		return;
	}
	answer_error(a, 404000, "The policy '%s' was not found.", r->arg[3]);
}

/* CertificateResponse, with the verification code when there is one to show. */
static json_t *shown(const struct service *svc, const json_t *doc, bool with_code)
{
	AUTO_TEXT instance = arm_instance_id(svc);
	const char *name = json_string_value(json_object_get(doc, "name"));
	AUTO_TEXT id = text_of("%s/certificates/%s", instance, name);
	json_t *view = must(json_pack("{s:s, s:s, s:s, s:O, s:{s:O, s:O, s:O, s:O, s:O, s:O, s:O}}",
		"id", id, "name", name, "type", TYPE "/certificates", "etag", json_object_get(doc, "etag"),
		"properties", "subject", json_object_get(doc, "subject"),
		"expiry", json_object_get(doc, "expiry"), "thumbprint", json_object_get(doc, "thumbprint"),
		"isVerified", json_object_get(doc, "isVerified"),
		"certificate", json_object_get(doc, "certificate"),
		"created", json_object_get(doc, "created"), "updated", json_object_get(doc, "updated")));
	if (with_code)
		json_object_set(json_object_get(view, "properties"), "verificationCode",
			json_object_get(doc, "verificationCode"));
	return view;
}

/* Keeps the document under a new etag and time (takes it); the kept one is lent. */
static const json_t *keep(struct service *svc, json_t *take)
{
	AUTO_TEXT key = text_lower(json_string_value(json_object_get(take, "name")));
	AUTO_TEXT now = time_rfc1123(clock_ms());
	AUTO_TEXT etag = next_etag(svc);
	json_object_set_new(take, "etag", json_string(etag));
	json_object_set_new(take, "updated", json_string(now));
	store_put(&svc->store, SHELF_CERTIFICATES, key, take);
	return store_get(&svc->store, SHELF_CERTIFICATES, key);
}

static json_t *new_document(const char *name, const X509 *cert, bool verified)
{
	AUTO_TEXT subject = cert_subject(cert);
	AUTO_TEXT expiry = time_rfc1123(cert_expiry_ms(cert));
	AUTO_TEXT sha1 = cert_sha1(cert);
	AUTO_TEXT sha256 = cert_sha256(cert);
	AUTO_TEXT der = cert_base64(cert);
	AUTO_TEXT now = time_rfc1123(clock_ms());
	return must(json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:s}", "name", name,
		"subject", subject, "expiry", expiry, "thumbprint", sha1, "sha256", sha256,
		"certificate", der, "isVerified", verified, "created", now));
}

bool arm_add_verified(struct service *svc, const char *file)
{
	AUTO_TEXT pem = file_read(file, PEM_MAX, NULL);
	X509 *cert = pem ? cert_read(pem) : NULL;
	if (!cert) {
		fprintf(stderr, "dps-emulator: --verified-ca %s: not a certificate\n", file);
		return false;
	}
	AUTO_TEXT sha1 = cert_sha1(cert);
	AUTO_TEXT fresh = text_of("ca-%.8s", sha1);
	const char *key = NULL;
	json_t *doc = NULL, *known = NULL;
	json_object_foreach(svc->store.shelf[SHELF_CERTIFICATES], key, doc)
		if (text_same(json_string_value(json_object_get(doc, "thumbprint")), sha1))
			known = doc;
	if (!known || !json_is_true(json_object_get(known, "isVerified"))) {
		doc = known ? must(json_deep_copy(known)) : new_document(fresh, cert, true);
		json_object_set_new(doc, "isVerified", json_true());
		keep(svc, doc);
	}
	X509_free(cert);
	return true;
}

static json_t *find(const struct service *svc, const struct request *r, struct answer *a)
{
	AUTO_TEXT key = text_lower(r->arg[3]);
	json_t *doc = store_get(&svc->store, SHELF_CERTIFICATES, key);
	if (!doc)
		answer_error(a, 404000, "The certificate '%s' was not found.", r->arg[3]);
	return doc;
}

/* The present etag, or *, with or without quotes. */
static bool etag_fits(const struct request *r, const json_t *doc, struct answer *a)
{
	const char *etag = json_string_value(json_object_get(doc, "etag"));
	AUTO_TEXT quoted = text_of("\"%s\"", etag);
	if (!r->if_match)
		return answer_error(a, 400000, "The If-Match header is required.");
	return strcmp(r->if_match, "*") == 0 || strcmp(r->if_match, etag) == 0 ||
		strcmp(r->if_match, quoted) == 0 ||
		answer_error(a, 412000, "Precondition failed: etag mismatch.");
}

void arm_certificate_get(struct service *svc, const struct request *r, struct answer *a)
{
	json_t *doc = instance_is_ours(svc, r, a) ? find(svc, r, a) : NULL;
	if (doc)
		answer_with(a, 200, shown(svc, doc, false));
}

void arm_certificate_list(struct service *svc, const struct request *r, struct answer *a)
{
	if (!instance_is_ours(svc, r, a))
		return;
	size_t n = 0;
	const char **keys = store_keys(&svc->store, SHELF_CERTIFICATES, &n);
	json_t *list = must(json_array());
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list,
			shown(svc, store_get(&svc->store, SHELF_CERTIFICATES, keys[i]), false));
	free(keys);
	answer_with(a, 200, must(json_pack("{s:o}", "value", list)));
}

static bool put_is_allowed(const struct service *svc, const struct request *r, const json_t *old,
	struct answer *a)
{
	if (strlen(r->arg[3]) > NAME_MAX_LEN)
		return answer_error(a, 400000, "The name of the certificate is too long.");
	if (old && !r->if_match)
		return answer_error(a, 409000, "The certificate already exists; If-Match is needed.");
	if (old)
		return etag_fits(r, old, a);
	if (r->if_match)
		return answer_error(a, 412000, "Precondition failed: there is no such certificate.");
	return json_object_size(svc->store.shelf[SHELF_CERTIFICATES]) < CERTIFICATES_MAX ||
		answer_error(a, 400000, "An instance has at most %d CA certificates.", CERTIFICATES_MAX);
}

void arm_certificate_put(struct service *svc, const struct request *r, struct answer *a)
{
	if (!instance_is_ours(svc, r, a))
		return;
	AUTO_TEXT key = text_lower(r->arg[3]);
	json_t *old = store_get(&svc->store, SHELF_CERTIFICATES, key);
	const json_t *properties = json_object_get(r->json, "properties");
	const char *text = json_string_value(json_object_get(properties, "certificate"));
	if (!put_is_allowed(svc, r, old, a))
		return;
	X509 *cert = text ? cert_read(text) : NULL;
	if (!cert) {
		answer_error(a, 400000, "properties.certificate is not a certificate.");
		return;
	}
	json_t *doc = new_document(r->arg[3], cert, json_is_true(json_object_get(properties, "isVerified")));
	X509_free(cert);
	if (old)
		json_object_set(doc, "created", json_object_get(old, "created"));
	answer_with(a, 200, shown(svc, keep(svc, doc), false));
}

void arm_certificate_delete(struct service *svc, const struct request *r, struct answer *a)
{
	json_t *doc = instance_is_ours(svc, r, a) ? find(svc, r, a) : NULL;
	if (!doc || !etag_fits(r, doc, a))
		return;
	AUTO_TEXT key = text_lower(r->arg[3]);
	store_remove(&svc->store, SHELF_CERTIFICATES, key);
	answer_with(a, 204, NULL);
}

void arm_certificate_code(struct service *svc, const struct request *r, struct answer *a)
{
	json_t *old = instance_is_ours(svc, r, a) ? find(svc, r, a) : NULL;
	if (!old || !etag_fits(r, old, a))
		return;
	uint8_t code[24];
	random_fill(code, sizeof code);
	AUTO_TEXT hex = hex_of(code, sizeof code);
	json_t *doc = must(json_deep_copy(old));
	json_object_set_new(doc, "verificationCode", json_string(hex));
	answer_with(a, 200, shown(svc, keep(svc, doc), true));
}

/* The proof: common name = the code, signed by the CA's own key, in force. */
static bool proves(const json_t *doc, const char *text, struct answer *a)
{
	X509 *proof = text ? cert_read(text) : NULL;
	X509 *ca = must(cert_read(json_string_value(json_object_get(doc, "certificate"))));
	const char *code = json_string_value(json_object_get(doc, "verificationCode"));
	AUTO_TEXT cn = proof ? cert_common_name(proof) : NULL;
	const char *why = !proof ? "The request holds no certificate."
		: !code ? "No verification code was generated."
		: !text_same(cn, code) ? "The common name is not the verification code."
		: !cert_is_in_force(proof) ? "The verification certificate is not in force."
		: !cert_is_signed_by(proof, ca) ? "The certificate was not signed by this CA." : NULL;
	X509_free(proof);
	X509_free(ca);
	return !why || answer_error(a, 400000, "%s", why);
}

void arm_certificate_verify(struct service *svc, const struct request *r, struct answer *a)
{
	json_t *old = instance_is_ours(svc, r, a) ? find(svc, r, a) : NULL;
	if (!old || !etag_fits(r, old, a) ||
		!proves(old, json_string_value(json_object_get(r->json, "certificate")), a))
		return;
	json_t *doc = must(json_deep_copy(old));
	json_object_del(doc, "verificationCode");
	json_object_set_new(doc, "isVerified", json_true());
	answer_with(a, 200, shown(svc, keep(svc, doc), false));
}
