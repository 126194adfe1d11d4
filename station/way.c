/* SPDX-License-Identifier: Apache-2.0 */
#include "station/way.h"
#include "certs/ca.h"
#include "certs/remote_key.h"
#include "certs/tpm_identity.h"
#include "station/base/clock.h"
#include "station/dps/individual.h"
#include "station/reserve.h"
#include "station/uplink.h"

#include <string.h>
#include <strings.h>

/* While the service is known to be out of reach, a unit waits so long for the try that it asks for, and not for the
 * stage's whole time. */
#define OFFLINE_WAIT_MS 5000

static const struct driver *const device = &sandbox_driver;

/* ---- sign ---- */

/* Under the CA that issues here, or under one before it: the job knows from then on which. */
static bool leaf_holds(struct job *j, struct err *e)
{
	return issuers_find(&j->line->issuers, &j->row.leaf, &j->issuer, e);
}

/* A leaf of an earlier visit, which must not be installed under a chain that is not its own. What a closed unit holds
 * is not changed any more. */
static bool leaf_is_still_good(struct job *j, struct err *e)
{
	struct err why = {0};
	return leaf_holds(j, &why) || !job_is_open(j) || err_native(e, E_LEAF_OTHER, why.native, "%s", why.what);
}

/* The intent goes on record first, then the signer signs against the proof of it. What was signed before is in the ledger. */
static bool sign_leaf(struct job *j, struct err *e)
{
	struct intent intent;
	struct leaf_reply reply;
	if (j->row.leaf.len)
		return leaf_is_still_good(j, e);
	if (!reserve_intent(j, INTENT_LEAF, &j->attest.leaf, &intent, e) ||
	    !signing_leaf(&j->line->signing, &intent, (uint64_t)j->row.intent_index, &reply, e))
		return false;
	if (!cert_is_for(reply.der, reply.len, &j->attest.leaf, j->row.registration_id))
		return err_set(e, E_SIGN, "the signer's answer is another unit's");
	return bytes_set(&j->row.leaf, reply.der, reply.len, e);
}

/* Nothing is signed for a unit that registers by its endorsement key, but it counts as an identity, and is on record before. */
static bool permit_ek(struct job *j, struct err *e)
{
	struct intent intent;
	if (j->row.permitted)
		return true;
	if (!reserve_intent(j, INTENT_PERMIT, &j->ek.key, &intent, e) ||
	    !signing_permit(&j->line->signing, &intent, (uint64_t)j->row.intent_index, e))
		return false;
	j->row.permitted = true;
	return true;
}

/* ---- enroll ---- */

/* A member of an enrollment group needs no entry of its own: that the group is there, enabled, and holds our CA is what
 * preflight proved, and what is checked here is that the leaf really hangs from that CA. */
static bool enroll_in_group(struct job *j, struct err *e)
{
	return leaf_holds(j, e);
}

/* The template itself was proved with the configuration: what does not fit is what the unit says of itself. */
bool way_device_id(const struct job *j, char ret[static DEVICE_ID_ROOM], struct err *e)
{
	const struct regid_facts facts = {j->identity.serial, j->identity.model, j->ek.ek_sha256, j->row.registration_id};
	const char *template = j->profile->device_id[0] ? j->profile->device_id : "{id}";
	struct err why = {0};
	return regid_device_id(template, &facts, ret, &why) ||
	       err_set(e, why.code == E_ID_INVALID ? E_ID_UNIT : why.code, "%s", why.what);
}

const char *way_allocation(const struct config_profile *profile)
{
	static const char *const names[] = {
		[ALLOCATION_ANY] = "", [ALLOCATION_HASHED] = "hashed", [ALLOCATION_GEO] = "geoLatency", [ALLOCATION_STATIC] = "static"};
	return names[profile->allocation];
}

static int64_t enroll_until(const struct job *j)
{
	struct uplink_view view;
	int64_t soon = clock_steady_ms() + OFFLINE_WAIT_MS;
	uplink_look(j->line->uplink, &view);
	return view.offline && soon < j->deadline_ms ? soon : j->deadline_ms;
}

/* Queues an entry of the unit's own, and waits until the uplink has told the service. An outage does not stop the unit: what can
 * be done without the service is done, and the rest when it is back. */
static bool enroll_alone(struct job *j, const struct bytes *leaf, const struct bytes *ek, struct err *e)
{
	const struct config_profile *p = j->profile;
	char id[DEVICE_ID_ROOM];
	AUTO(json) json_t *twin = NULL;
	AUTO(bytes) struct bytes body = {.max = OUTBOX_BODY_MAX};
	if (!way_device_id(j, id, e) || (p->twin.len && !json_parse((const char *)p->twin.data, p->twin.len, &twin, e)))
		return false;
	const struct individual_wanted wanted = {
		.registration_id = j->row.registration_id, .leaf = leaf, .ek = ek, .device_id = id, .hub = p->hub,
		.allocation = way_allocation(p), .twin = twin, .reprovision = (enum individual_reprovision)p->reprovision,
		.edge = p->edge,
	};
	err_clear(&j->unsent);
	if (!individual_body(&wanted, &body, e) || !reserve_enrollment(j, &body, e))
		return false;
	if (uplink_wait(j->line->uplink, j->row.id, enroll_until(j), e))
		return true;
	if (err_row(e->code)->class != ERR_RETRY)
		return false;
	j->unsent = *e;
	err_clear(e);
	return true;
}

static bool enroll_leaf(struct job *j, struct err *e)
{
	return leaf_holds(j, e) && enroll_alone(j, &j->row.leaf, NULL, e);
}

static bool enroll_ek(struct job *j, struct err *e)
{
	AUTO(bytes) struct bytes ek = {0};
	return tpm_identity_ek(&j->ek.key, &ek, e) && enroll_alone(j, NULL, &ek, e);
}

bool way_is_enrolled(struct job *j, struct err *e)
{
	if (j->unsent.code == E_NONE)
		return true;
	/* Not a second wait: the outbox sends it, and the unit comes again. */
	if (!uplink_wait(j->line->uplink, j->row.id, clock_steady_ms(), e))
		return false;
	err_clear(&j->unsent);
	return true;
}

/* ---- rehearse ---- */

static bool sign_on_device(void *ctx, const uint8_t digest[static SHA256_SIZE], struct key_signature *ret, struct err *e)
{
	struct job *j = ctx;
	const struct driver_call call = job_call(j);
	/* A wrong signature is the unit's fault: it would come back as a handshake that the service broke off. */
	return device->sign(&j->device, &call, digest, ret, e) &&
	       (key_signed(&j->attest.leaf, digest, ret) || err_set(e, E_KEY_SILENT, "its signature in the rehearsal is not its key's"));
}

/* A registration over mutual TLS whose private key is in the device. */
static bool rehearse_leaf(struct job *j, struct runtime_result *ret, struct err *e)
{
	struct bytes chain[SIGNER_CHAIN_MAX];
	struct err cause = {0};
	const struct remote_key key = {.key = j->attest.leaf, .sign = sign_on_device, .ctx = j, .cause = &cause};
	const struct http_identity identity = {.key = &key, .leaf = j->row.leaf.data, .leaf_len = j->row.leaf.len, .chain = chain,
					       .chain_count = issuers_chain(&j->line->issuers, j->issuer, chain)};
	return runtime_register(j->line->dps, j->row.registration_id, &identity, j->deadline_ms, ret, e);
}

static bool import_on_device(void *ctx, const void *data, size_t len, struct err *e)
{
	struct job *j = ctx;
	const struct driver_call call = job_call(j);
	struct driver_blob blob = {.len = (uint32_t)len};
	if (len > sizeof(blob.data))
		return err_set(e, E_DPS_ANSWER, "a wrapped key of %zu bytes", len);
	memcpy(blob.data, data, len);
	return device->import_identity(&j->device, &call, &blob, e);
}

static bool hmac_on_device(void *ctx, const void *data, size_t len, uint8_t ret[static SHA256_SIZE], struct err *e)
{
	struct job *j = ctx;
	const struct driver_call call = job_call(j);
	struct driver_text text = {.len = (uint32_t)len};
	if (len > sizeof(text.data))
		return err_set(e, E_DPS_ANSWER, "a text of %zu bytes to sign", len);
	memcpy(text.data, data, len);
	return device->sign_identity(&j->device, &call, &text, ret, e);
}

/* The service's challenge, answered by the device's TPM. */
static bool rehearse_ek(struct job *j, struct runtime_result *ret, struct err *e)
{
	AUTO(bytes) struct bytes ek = {0}, srk = {0};
	const struct runtime_tpm tpm = {.ek = &ek, .srk = &srk, .import = import_on_device, .sign = hmac_on_device, .ctx = j};
	return tpm_identity_ek(&j->ek.key, &ek, e) && tpm_identity_srk(&j->attest.leaf, &srk, e) &&
	       runtime_register_tpm(j->line->dps, j->row.registration_id, &tpm, j->deadline_ms, ret, e);
}

bool way_is_where_wanted(const struct job *j, const struct registration *state, struct err *e)
{
	char id[DEVICE_ID_ROOM];
	const char *hub = j->profile->hub;
	if (!way_device_id(j, id, e))
		return false;
	if (j->profile->attestation != ATTEST_X509_GROUP && state->group[0])
		return err_set(e, E_REHEARSAL, "came as a member of group %s, and was to come by an entry of its own", state->group);
	/* The service spells a registration id in its own case; a device id is spelt as it was told. */
	bool same = j->profile->device_id[0] ? !strcmp(id, state->device_id) : !strcasecmp(id, state->device_id);
	if (same && (!hub[0] || !strcasecmp(hub, state->hub)))
		return true;
	return err_set(e, E_REHEARSAL, "became device %s in %s, and was to be %s in %s", state->device_id, state->hub, id,
		       hub[0] ? hub : "any hub");
}

const struct way *way_of(const struct config_profile *profile)
{
	static const struct way ways[] = {
		[ATTEST_X509_GROUP] = {"x509-group", true, sign_leaf, enroll_in_group, rehearse_leaf},
		[ATTEST_X509_INDIVIDUAL] = {"x509-individual", true, sign_leaf, enroll_leaf, rehearse_leaf},
		[ATTEST_TPM] = {"tpm", false, permit_ek, enroll_ek, rehearse_ek},
	};
	return &ways[profile->attestation];
}
