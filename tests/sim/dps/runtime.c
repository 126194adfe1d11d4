/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device asks. It proves itself by the certificate of its TLS connection: an individual
 * enrollment of the leaf decides first, then the group of the nearest certificate up the chain,
 * which must end in a certificate that is stored as verified. The effect of a registration is there
 * at once; the answers say "assigning" for as many polls as the emulator was told.
 */
#include "cert.h"
#include "entries.h"
#include "etag.h"
#include "fields.h"
#include "operations.h"
#include "registrations.h"
#include "util.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_AFTER_S 1

/* Rows: how a registration fails, and whether the service says so at once or after a 202. */
enum failure { OK, NO_CERTIFICATE, NAME_DIFFERS, NOT_IN_FORCE, WRONG_CERTIFICATE, NO_CHAIN, DISABLED,
	NO_ENROLLMENT, NO_HUB };

static const struct {
	int64_t code;
	const char *message;
	bool async;
	const char *status;
} failures[] = {
	[NO_CERTIFICATE] = {401000, "Unauthorized", false, "failed"},
	[NAME_DIFFERS] = {401002, "Unauthorized", false, "failed"},
	[NOT_IN_FORCE] = {401002, "Invalid certificate", false, "failed"},
	[WRONG_CERTIFICATE] = {401002, "Invalid certificate", false, "failed"},
	[NO_CHAIN] = {401002, "CA certificate not found.", false, "failed"},
	[DISABLED] = {401002, "Unauthorized", false, "disabled"},
	[NO_ENROLLMENT] = {404201, "Enrollment not found.", true, "failed"},
	[NO_HUB] = {400208, "No IoT hub is available for the device.", true, "failed"},
};

static STACK_OF(X509) *verified_cas(const struct service *svc)
{
	STACK_OF(X509) *cas = must(sk_X509_new_null());
	const char *key = NULL;
	json_t *doc = NULL;
	json_object_foreach(svc->store.shelf[SHELF_CERTIFICATES], key, doc) {
		if (!json_is_true(json_object_get(doc, "isVerified")))
			continue;
		X509 *ca = cert_read(json_string_value(json_object_get(doc, "certificate")));
		sk_X509_push(cas, must(ca));
	}
	return cas;
}

static bool is_disabled(const json_t *entry)
{
	return text_same(json_string_value(json_object_get(entry, "provisioningStatus")), "disabled");
}

/* The first certificate above the leaf that a group holds. */
static const json_t *group_of_chain(const struct service *svc, STACK_OF(X509) *chain, X509 **ret_signer)
{
	for (int i = 1; i < sk_X509_num(chain); i++) {
		AUTO_TEXT hash = cert_sha256(sk_X509_value(chain, i));
		const json_t *group = group_of_signer(svc, hash);
		if (!group)
			continue;
		*ret_signer = sk_X509_value(chain, i);
		X509_up_ref(*ret_signer);
		return group;
	}
	return NULL;
}

static enum failure prove_by_group(const struct service *svc, const struct request *r,
	struct proof *p, const char **ret_why)
{
	STACK_OF(X509) *anchors = verified_cas(svc);
	STACK_OF(X509) *chain = cert_chain(r->peers, anchors, ret_why);
	sk_X509_pop_free(anchors, X509_free);
	if (!chain)
		return NO_CHAIN;
	p->entry = group_of_chain(svc, chain, &p->signer);
	sk_X509_pop_free(chain, X509_free);
	if (!p->entry)
		return NO_ENROLLMENT;
	p->group_id = json_string_value(json_object_get(p->entry, "enrollmentGroupId"));
	return is_disabled(p->entry) ? DISABLED : OK;
}

/* p->signer is the caller's to free. */
static enum failure prove(const struct service *svc, const struct request *r, struct proof *p,
	const char **ret_why)
{
	p->registration_id = r->arg[1];
	p->leaf = request_leaf(r);
	if (!p->leaf)
		return NO_CERTIFICATE;
	AUTO_TEXT cn = cert_common_name(p->leaf);
	if (!text_same(cn, p->registration_id))
		return NAME_DIFFERS;
	if (!cert_is_in_force(p->leaf))
		return NOT_IN_FORCE;
	AUTO_TEXT hash = cert_sha256(p->leaf);
	const json_t *mine = enrollment_of_leaf(svc, hash);
	if (!mine && !enrollment_find(svc, p->registration_id))
		return prove_by_group(svc, r, p, ret_why);
	p->entry = mine;
	if (!mine || !text_same(json_string_value(json_object_get(mine, "registrationId")),
		p->registration_id))
		return WRONG_CERTIFICATE;
	return is_disabled(mine) ? DISABLED : OK;
}

/* As the service's look: version, a hash, a uuid. */
static char *operation_id_new(const char *registration_id)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	SHA256((const uint8_t *)registration_id, strlen(registration_id), hash);
	AUTO_TEXT hex = hex_of(hash, 8);
	AUTO_TEXT low = text_lower(hex);
	AUTO_TEXT uuid = uuid_new();
	return text_of("4.%s.%s", low, uuid);
}

static void answer_assigning(struct answer *a, const struct request *r, const char *operation_id)
{
	AUTO_TEXT version = request_parameter(r, "api-version");
	answer_with(a, 202, must(json_pack("{s:s, s:s}", "operationId", operation_id,
		"status", "assigning")));
	answer_header(a, "Retry-After", "%d", RETRY_AFTER_S);
	const char *host = r->authority ? r->authority : "global.azure-devices-provisioning.net";
	answer_header(a, "Location", "https://%s/%s/registrations/%s/operations/%s?api-version=%s", host,
		r->arg[0], r->arg[1], operation_id, version);
}

/* Keeps what the polls will answer; an earlier operation of the same id is over. */
static bool keep_operation(struct service *svc, const struct request *r, const char *id,
	const char *status, json_t *take_state)
{
	AUTO_TEXT client = cert_sha256(request_leaf(r));
	AUTO_TEXT key = text_lower(r->arg[1]);
	int64_t polls = fault_of(r->fault, EFFECT_POLLS, svc->options.polls);
	return store_put(&svc->store, SHELF_OPERATIONS, key, must(json_pack("{s:s, s:s, s:s, s:I, s:o}",
		"operationId", id, "client", client, "status", status, "polls", (json_int_t)polls,
		"registrationState", take_state)));
}

static json_t *failed_state(const struct request *r, enum failure f)
{
	AUTO_TEXT now = time_text(clock_ms());
	AUTO_TEXT etag = etag_new();
	return must(json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:s}", "registrationId", r->arg[1],
		"createdDateTimeUtc", now, "status", failures[f].status,
		"errorCode", (json_int_t)failures[f].code, "errorMessage", failures[f].message,
		"lastUpdatedDateTimeUtc", now, "etag", etag));
}

static void answer_failure(struct service *svc, const struct request *r, enum failure f,
	const char *why, struct answer *a)
{
	bool async = fault_of(r->fault, EFFECT_ASYNC_FAILURE, failures[f].async);
	if (!async || !request_leaf(r)) {
		answer_error(a, failures[f].code, "%s", failures[f].message);
		if (why)
			a->info = json_pack("{s:s}", "chain", why);
		return;
	}
	AUTO_TEXT id = operation_id_new(r->arg[1]);
	keep_operation(svc, r, id, failures[f].status, failed_state(r, f));
	answer_assigning(a, r, id);
}

static bool scope_fits(const struct service *svc, const struct request *r, struct answer *a)
{
	if (!text_same(r->arg[0], instance_text(svc, "idScope")))
		return answer_error(a, 404000, "The id scope '%s' is not known.", r->arg[0]);
	return id_is_valid(r->arg[1]) || answer_error(a, 400004, "Invalid RegistrationId");
}

static bool body_fits(const struct request *r, struct answer *a)
{
	const json_t *id = json_object_get(r->json, "registrationId");
	if (!json_is_object(r->json))
		return answer_error(a, 400000, "The request body must be a device registration.");
	return !id || text_same(json_string_value(id), r->arg[1]) ||
		answer_error(a, 400004, "Invalid RegistrationId: body and path differ.");
}

void runtime_register(struct service *svc, const struct request *r, struct answer *a)
{
	if (!scope_fits(svc, r, a) || !body_fits(r, a))
		return;
	struct proof p = {0};
	const char *why = NULL;
	enum failure f = prove(svc, r, &p, &why);
	const json_t *record = NULL;
	bool kept = f != OK || registration_assign(svc, &p, &record);
	X509_free(p.signer);
	if (kept && !record) {
		answer_failure(svc, r, f == OK ? NO_HUB : f, why, a);
		return;
	}
	AUTO_TEXT id = operation_id_new(p.registration_id);
	if (!kept || !keep_operation(svc, r, id, "assigned", registration_result(record))) {
		answer_error(a, 500000, "The state cannot be written.");
		return;
	}
	answer_assigning(a, r, id);
}

void runtime_operation(struct service *svc, const struct request *r, struct answer *a)
{
	AUTO_TEXT key = text_lower(r->arg[1]);
	AUTO_TEXT client = request_leaf(r) ? cert_sha256(request_leaf(r)) : NULL;
	json_t *op = store_get(&svc->store, SHELF_OPERATIONS, key);
	if (!scope_fits(svc, r, a))
		return;
	if (!op || !text_same(json_string_value(json_object_get(op, "operationId")), r->arg[2])) {
		answer_error(a, 404000, "The operation is not known.");
		return;
	}
	if (!text_same(json_string_value(json_object_get(op, "client")), client)) {
		answer_error(a, 401002, "Unauthorized");
		return;
	}
	json_int_t polls = json_integer_value(json_object_get(op, "polls"));
	if (polls > 0) {
		json_t *next = must(json_deep_copy(op));
		json_object_set_new(next, "polls", json_integer(polls - 1));
		store_put(&svc->store, SHELF_OPERATIONS, key, next);
		answer_assigning(a, r, r->arg[2]);
		return;
	}
	answer_with(a, 200, must(json_pack("{s:O, s:O, s:O}",
		"operationId", json_object_get(op, "operationId"), "status", json_object_get(op, "status"),
		"registrationState", json_object_get(op, "registrationState"))));
}

void runtime_lookup(struct service *svc, const struct request *r, struct answer *a)
{
	if (!scope_fits(svc, r, a) || !body_fits(r, a))
		return;
	struct proof p = {0};
	const char *why = NULL;
	enum failure f = prove(svc, r, &p, &why);
	const json_t *record = registration_find(svc, r->arg[1]);
	X509_free(p.signer);
	if (f != OK)
		answer_error(a, failures[f].code, "%s", failures[f].message);
	else if (!record)
		answer_error(a, 404202, "Registration not found.");
	else
		answer_with(a, 200, registration_result(record));
}
