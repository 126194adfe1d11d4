/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device asks. The effect of a registration is there at once; the answers say "assigning" for as
 * many polls as the emulator was told.
 */
#include "cert.h"
#include "etag.h"
#include "fields.h"
#include "operations.h"
#include "registrations.h"
#include "util.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_AFTER_S 1
#define TPM_KEY_SIZE 32
#define BY_TOKEN "token"

/* Rows: what a refusal says, and whether the service says so at once or after a 202. */
static const struct {
	int64_t code;
	const char *message;
	bool async;
	const char *status;
} refusals[REFUSALS] = {
	[NO_PROOF] = {401000, "Unauthorized", false, "failed"},
	[NAME_DIFFERS] = {401002, "Unauthorized", false, "failed"},
	[NOT_IN_FORCE] = {401002, "Invalid certificate", false, "failed"},
	[WRONG_CERTIFICATE] = {401002, "Invalid certificate", false, "failed"},
	[NO_CHAIN] = {401002, "CA certificate not found.", false, "failed"},
	[WRONG_TOKEN] = {401002, "Unauthorized", false, "failed"},
	[WRONG_EK] = {400004, "Endorsement key is invalid, or does not match the Enrollment.", false, "failed"},
	[CHALLENGED] = {401000, "Unauthorized", false, "failed"},
	[DISABLED] = {401002, "Unauthorized", false, "disabled"},
	[NO_ENROLLMENT] = {404201, "Enrollment not found.", true, "failed"},
	[NO_TPM_ENROLLMENT] = {404201, "Enrollment not found.", false, "failed"},
	[NO_HUB] = {400208, "No IoT hub is available for the device.", true, "failed"},
};

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

/* Whose operation it is: the certificate's hash, or that of whoever holds a token for the id. NULL: nobody's. */
static char *client_of(const struct request *r)
{
	if (r->authorization)
		return text_of(BY_TOKEN);
	return request_leaf(r) ? cert_sha256(request_leaf(r)) : NULL;
}

/* RegistrationOperationStatus of one that is over. */
static json_t *operation_shown(const json_t *op)
{
	return must(json_pack("{s:O, s:O, s:O}", "operationId", json_object_get(op, "operationId"),
		"status", json_object_get(op, "status"), "registrationState", json_object_get(op, "registrationState")));
}

/* Keeps what the polls will answer; an earlier operation of the same id is over. */
static bool keep_operation(struct service *svc, const struct request *r, const char *id,
	const char *status, json_t *take_state)
{
	AUTO_TEXT client = client_of(r);
	AUTO_TEXT key = text_lower(r->arg[1]);
	int64_t polls = fault_of(r->fault, EFFECT_POLLS, svc->options.polls);
	return store_put(&svc->store, SHELF_OPERATIONS, key, must(json_pack("{s:s, s:s, s:s, s:I, s:o}",
		"operationId", id, "client", client, "status", status, "polls", (json_int_t)polls,
		"registrationState", take_state)));
}

/* A registration's answer: 202 and a place to poll, or the end at once. */
static void answer_operation(struct service *svc, struct answer *a, const struct request *r, const char *id)
{
	AUTO_TEXT key = text_lower(r->arg[1]);
	const json_t *op = store_get(&svc->store, SHELF_OPERATIONS, key);
	if (json_integer_value(json_object_get(op, "polls")) < 0)
		answer_with(a, 200, operation_shown(op));
	else
		answer_assigning(a, r, id);
}

static json_t *failed_state(const struct request *r, enum refusal why)
{
	AUTO_TEXT now = time_text(clock_ms());
	AUTO_TEXT etag = etag_new();
	return must(json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:s}", "registrationId", r->arg[1],
		"createdDateTimeUtc", now, "status", refusals[why].status,
		"errorCode", (json_int_t)refusals[why].code, "errorMessage", refusals[why].message,
		"lastUpdatedDateTimeUtc", now, "etag", etag));
}

static void answer_refusal(struct service *svc, const struct request *r, enum refusal why,
	const struct proof *p, struct answer *a)
{
	bool async = fault_of(r->fault, EFFECT_ASYNC_FAILURE, refusals[why].async);
	AUTO_TEXT client = client_of(r);
	if (!async || !client) {
		answer_error(a, refusals[why].code, "%s", refusals[why].message);
		if (p->why)
			a->info = json_pack("{s:s}", "chain", p->why);
		return;
	}
	AUTO_TEXT id = operation_id_new(r->arg[1]);
	keep_operation(svc, r, id, refusals[why].status, failed_state(r, why));
	answer_operation(svc, a, r, id);
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

/* A TPM gets a key for its hub, wrapped as the challenge's was; the hub is told the same key. */
static char *tpm_hub_key(struct proof *p)
{
	uint8_t bytes[TPM_KEY_SIZE];
	random_fill(bytes, sizeof bytes);
	p->primary = base64_of(bytes, sizeof bytes);
	p->secondary = random_base64(TPM_KEY_SIZE);
	return tpm_key_wrap(&p->ek, &p->srk, bytes, sizeof bytes);
}

/* Gives a device that has proved itself its hub. False when there was nothing to give, with the answer. */
static bool assign(struct service *svc, const struct request *r, struct proof *p, struct answer *a)
{
	const json_t *record = NULL;
	AUTO_TEXT blob = p->by == BY_TPM ? tpm_hub_key(p) : NULL;
	bool kept = registration_assign(svc, p, &record);
	if (!kept)
		return answer_error(a, 500000, "The state cannot be written.");
	if (!record) {
		answer_refusal(svc, r, NO_HUB, p, a);
		return false;
	}
	AUTO_TEXT id = operation_id_new(p->registration_id);
	json_t *state = registration_result(record);
	if (blob)
		json_object_set_new(state, "tpm", must(json_pack("{s:s}", "authenticationKey", blob)));
	if (!keep_operation(svc, r, id, "assigned", state))
		return answer_error(a, 500000, "The state cannot be written.");
	answer_operation(svc, a, r, id);
	return true;
}

void runtime_register(struct service *svc, const struct request *r, struct answer *a)
{
	if (!scope_fits(svc, r, a) || !body_fits(r, a))
		return;
	struct proof p = {0};
	enum refusal why = prove(svc, r, &p);
	if (why == PROVED)
		assign(svc, r, &p, a);
	else if (why == CHALLENGED)
		challenge(svc, r, &p, a);
	else
		answer_refusal(svc, r, why, &p, a);
	proof_fini(&p);
}

/* May this client see the operation? Who began it with a certificate shows it again; a token must still fit. */
static bool is_its_client(const struct service *svc, const struct request *r, const json_t *op)
{
	AUTO_TEXT client = client_of(r);
	if (!text_same(json_string_value(json_object_get(op, "client")), client))
		return false;
	if (!text_same(client, BY_TOKEN))
		return true;
	struct proof p = {0};
	enum refusal why = prove(svc, r, &p);
	proof_fini(&p);
	return why == PROVED || why == DISABLED;
}

void runtime_operation(struct service *svc, const struct request *r, struct answer *a)
{
	AUTO_TEXT key = text_lower(r->arg[1]);
	json_t *op = store_get(&svc->store, SHELF_OPERATIONS, key);
	if (!scope_fits(svc, r, a))
		return;
	if (!op || !text_same(json_string_value(json_object_get(op, "operationId")), r->arg[2])) {
		answer_error(a, 404000, "The operation is not known.");
		return;
	}
	if (!is_its_client(svc, r, op)) {
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
	answer_with(a, 200, operation_shown(op));
}

void runtime_lookup(struct service *svc, const struct request *r, struct answer *a)
{
	if (!scope_fits(svc, r, a) || !body_fits(r, a))
		return;
	struct proof p = {0};
	enum refusal why = prove(svc, r, &p);
	const json_t *record = registration_find(svc, r->arg[1]);
	proof_fini(&p);
	if (why != PROVED)
		answer_error(a, refusals[why].code, "%s", refusals[why].message);
	else if (!record)
		answer_error(a, 404202, "Registration not found.");
	else
		answer_with(a, 200, registration_result(record));
}
