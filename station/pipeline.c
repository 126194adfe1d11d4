/* SPDX-License-Identifier: Apache-2.0 */
/* The sentence: detect the device, identify it, admit it, read the key that says which unit it is, make its own key, attest that
 * this unit holds it, derive its registration id, sign its leaf, install what it needs to register, enroll it, verify by
 * registering as the device would, finish its factory mode, record.
 *
 * What a unit can prove is one of two things (station/proof.h), and how the service is to know it one of three (station/way.h).
 *
 * Every stage may be run again after a power cut at any instant: it looks at what is there first, and what it made
 * before is found again. A device that comes back starts at the top; the ledger and the device together say what is
 * already done. */
#include "station/pipeline.h"
#include "station/admission.h"
#include "station/base/text.h"
#include "station/bundle.h"
#include "station/proof.h"
#include "station/recheck.h"
#include "station/regid.h"
#include "station/reserve.h"
#include "station/result.h"
#include "station/shift/revert.h"
#include "station/way.h"

#include <string.h>

static bool detect(struct job *j, struct err *e);
static bool identify(struct job *j, struct err *e);
static bool admit(struct job *j, struct err *e);
static bool read_key(struct job *j, struct err *e);
static bool make_key(struct job *j, struct err *e);
static bool attest(struct job *j, struct err *e);
static bool derive_id(struct job *j, struct err *e);
static bool sign(struct job *j, struct err *e);
static bool install(struct job *j, struct err *e);
static bool enroll(struct job *j, struct err *e);
static bool verify(struct job *j, struct err *e);
static bool finish(struct job *j, struct err *e);
static bool record(struct job *j, struct err *e);
static bool recheck_id(struct job *j, struct err *e);
static bool recheck_install(struct job *j, struct err *e);

static bool factory_mode_ends_here(const struct job *j);

const struct stage pipeline[] = {
	{"detect", detect, NULL, TOUCH_READ, 3, 10000, false, "Opening the unit", detect},
	{"identify", identify, NULL, TOUCH_READ, 3, 10000, false, "Asking who it is", identify},
	{"admit", admit, NULL, TOUCH_MES, 2, 70000, true, "Asking whether it may begin", NULL},
	{"read-key", read_key, NULL, TOUCH_READ | TOUCH_DEVICE, 2, 200000, false, "Finding out which unit it is",
	 recheck_read_key},
	{"make-key", make_key, NULL, TOUCH_DEVICE, 2, 60000, false, "Making its key", NULL},
	{"attest", attest, NULL, TOUCH_READ, 2, 60000, false, "Proving its key", recheck_attest},
	{"derive-id", derive_id, NULL, TOUCH_LEDGER, 1, 1000, true, "Deriving its id", recheck_id},
	{"sign", sign, NULL, TOUCH_LEDGER, 2, 40000, true, "Granting its identity", NULL},
	{"install", install, job_is_open, TOUCH_DEVICE, 3, 30000, false, "Installing its identity", NULL},
	{"enroll", enroll, job_is_open, TOUCH_CLOUD, 3, 60000, true, "Enrolling it", NULL},
	{"verify", verify, NULL, TOUCH_READ | TOUCH_CLOUD, 3, 90000, false, "Registering as it will", recheck_install},
	{"finish", finish, factory_mode_ends_here, TOUCH_DEVICE, 3, 10000, false, "Closing factory mode", NULL},
	{"record", record, NULL, TOUCH_LEDGER, 2, 20000, true, "Writing the record", NULL},
};
const int pipeline_count = COUNT_OF(pipeline);

static const struct driver *const device = &sandbox_driver;

/* Opens the device in a child of its own; its judge is forked with it. */
static bool detect(struct job *j, struct err *e)
{
	j->proof = proof_of(j->driver);
	j->way = way_of(j->profile);
	if (!usb_match(&j->usb, j->driver))
		return err_set(e, E_NO_DRIVER, "%s \"%s\" is nothing for driver %s", j->usb.maker, j->usb.product, j->profile->driver);
	device->close(&j->device);
	children_fini(&j->children);
	if (!launcher_job(&j->line->launcher, j->usb.node, j->profile->driver, j->ticket.profile, &j->children, e))
		return false;
	const struct driver_port port = {.fd = j->children.driver, .path = j->usb.node};
	const struct driver_call call = job_call(j);
	return device->open(&j->device, &port, &call, e);
}

/* Who it says it is: the label on USB and the one inside must agree, unless USB's is of a bridge in front of the unit. */
static bool identify(struct job *j, struct err *e)
{
	const struct driver_call call = job_call(j);
	if (!device->identify(&j->device, &call, &j->identity, e))
		return false;
	if (!j->driver->bridged && strcmp(j->identity.serial, j->usb.serial) != 0)
		return err_set(e, E_SERIAL_MISMATCH, "\"%s\" on USB, \"%s\" inside", j->usb.serial, j->identity.serial);
	return true;
}

/* Whether it may begin here: nothing was made, counted or signed for it yet. */
static bool admit(struct job *j, struct err *e)
{
	return admission(j, e);
}

/* Which unit it is, and whether it is known. */
static bool read_key(struct job *j, struct err *e)
{
	return j->proof->read_key(j, e);
}

/* The key of this job: the same job gets the same key back. */
static bool make_key(struct job *j, struct err *e)
{
	const struct driver_call call = job_call(j);
	struct driver_key_request req = {.storage = !j->way->certificate, .handle = j->profile->key_handle,
					 .replace_other = j->profile->existing_key == OTHER_REPLACE};
	struct driver_key_made made;
	sha256_of(j->row.id, strlen(j->row.id), req.seed);
	return device->make_key(&j->device, &call, &req, &made, e);
}

/* Fresh challenge: it is this unit that holds the key. */
static bool attest(struct job *j, struct err *e)
{
	return j->proof->attest(j, e);
}

/* The template itself was proved with the configuration: what does not fit is what the unit says of itself. */
static bool id_from_template(const struct job *j, char id[static REGID_ROOM], struct err *e)
{
	const struct regid_facts facts = {j->identity.serial, j->identity.model, j->ek.ek_sha256, NULL};
	struct err why = {0};
	return regid_from_template(j->profile->id_template, &facts, id, &why) ||
	       err_set(e, why.code == E_ID_INVALID ? E_ID_UNIT : why.code, "%s", why.what);
}

static bool derive_id(struct job *j, struct err *e)
{
	char id[REGID_ROOM] = "", device_id[DEVICE_ID_ROOM];
	switch (j->profile->id) {
	case ID_EK_SHA256:
		regid_from_hash(j->ek.ek_sha256, id);
		break;
	case ID_SPKI_SHA256:
		regid_from_hash(j->attest.spki_sha256, id);
		break;
	case ID_TEMPLATE:
		if (!id_from_template(j, id, e))
			return false;
		break;
	}
	/* What the unit will be called in its hub is known here too, and fails before anything is signed or counted. */
	return reserve_id(j, id, e) && way_device_id(j, device_id, e);
}

/* The identity is counted, and signed where there is something to sign, against the record of the intent. */
static bool sign(struct job *j, struct err *e)
{
	return j->way->sign(j, e);
}

static bool build_bundle(struct job *j, struct err *e)
{
	struct bytes chain[SIGNER_CHAIN_MAX];
	const struct bundle_parts parts = {
		.leaf = j->way->certificate ? &j->row.leaf : NULL, .chain = chain,
		.chain_count = issuers_chain(&j->line->issuers, j->issuer, chain),
		.id_scope = dps_id_scope(j->line->dps), .global_endpoint = dps_global_endpoint(j->line->dps),
		.registration_id = j->row.registration_id, .key_handle = j->driver->proof == PROOF_TPM ? j->profile->key_handle : 0,
	};
	return bundle_build(&parts, &j->bundle, e);
}

/* A registration proves what was installed at that time, with that service: with another bundle it is to be proved again. */
static void note_bundle(struct job *j)
{
	uint8_t hash[SHA256_SIZE];
	sha256_of(j->bundle.data, j->bundle.len, hash);
	if (!memcmp(hash, j->row.bundle_sha256, SHA256_SIZE))
		return;
	memcpy(j->row.bundle_sha256, hash, SHA256_SIZE);
	j->row.hub[0] = j->row.device_id[0] = '\0';
	j->row.verdict = VERDICT_NONE;
	j->recognised = false;
}

static bool install(struct job *j, struct err *e)
{
	const struct driver_call call = job_call(j);
	if (!build_bundle(j, e))
		return false;
	note_bundle(j);
	return device->install(&j->device, &call, &j->bundle, e);
}

static bool enroll(struct job *j, struct err *e)
{
	return revert_unblock(j, e) && j->way->enroll(j, e);
}

/* The record of the rehearsal only; the device in the hub is beyond a line's rights, and stays listed. */
static bool remove_registration(struct job *j, struct err *e)
{
	return dps_delete_registration(j->line->dps, j->row.registration_id, j->deadline_ms, e) && reserve_no_registration(j, e);
}

/* What the first boot will do, with the unit's own key. */
static bool rehearse(struct job *j, struct err *e)
{
	struct runtime_result result = {0};
	if (!way_is_enrolled(j, e))
		return false;
	if (!j->way->rehearse(j, &result, e)) {
		j->patience_ms = result.retry_after_ms > 0 ? result.retry_after_ms : 0;
		return err_in(e, "rehearsal of %s", j->row.registration_id);
	}
	/* The hub stands in the row only when all this is done: until then a next try begins it again, which changes
	 * nothing in the cloud. */
	return reserve_traces(j, &result.state, e) && way_is_where_wanted(j, &result.state, e) &&
	       (j->profile->keep_registration || remove_registration(j, e)) && TEXT_COPY(j->row.hub, result.state.hub, e) &&
	       TEXT_COPY(j->row.device_id, result.state.device_id, e);
}

/* What the unit holds is what was installed, and the key beside it signs. */
static bool holds_what_was_installed(struct job *j, struct err *e)
{
	const struct driver_call call = job_call(j);
	int judge = j->children.verifier;
	bool signs = j->way->certificate && (job_is_open(j) || j->proof->signs_closed);
	if (!device->read_back(&j->device, &call, e))
		return false;
	if (signs && (!verifier_client_challenge(judge, j->deadline_ms, CHALLENGE_KEY, e) ||
		      !device->prove_key(&j->device, &call, e)))
		return false;
	return verifier_client_judge_install(judge, j->deadline_ms, j->row.bundle_sha256, !signs, e);
}

static bool verify(struct job *j, struct err *e)
{
	return holds_what_was_installed(j, e) && (j->row.hub[0] || rehearse(j, e));
}

static bool recheck_id(struct job *j, struct err *e)
{
	return !recheck_has_record(j) || derive_id(j, e);
}

static bool recheck_install(struct job *j, struct err *e)
{
	bool there = false;
	return recheck_has_bundle(j, &there, e) && (!there || holds_what_was_installed(j, e));
}

static bool factory_mode_ends_here(const struct job *j)
{
	return j->profile->finish && job_is_open(j);
}

/* A unit that says that it closed, and did not, is asked once more who it is: the next open door is the customer's. */
static bool finish(struct job *j, struct err *e)
{
	const struct driver_call call = job_call(j);
	struct driver_identity now;	/* who it is was settled at the beginning */
	if (!device->finish(&j->device, &call, j->row.bundle_sha256, e) || !device->identify(&j->device, &call, &now, e))
		return false;
	j->row.closed = now.factory_closed;
	return j->row.closed || err_set(e, E_UNIT_STORAGE, "it says that factory mode is closed, and then that it is open");
}

/* A checkpoint leaves the station with every result. */
static bool record(struct job *j, struct err *e)
{
	struct checkpoint_reply note;
	j->row.closed |= j->identity.factory_closed;
	if (!signing_checkpoint(&j->line->signing, &note, e))
		return false;
	memcpy(j->checkpoint, note.note, sizeof(note.note));
	return result_write(j, e);
}

bool stage_applies(const struct stage *s, const struct job *j)
{
	if (j->line->mode == MODE_RECHECK)
		return s->recheck;
	return !s->applies || s->applies(j);
}

bool stage_run(const struct stage *s, struct job *j, struct err *e)
{
	return j->line->mode == MODE_RECHECK ? s->recheck(j, e) : s->run(j, e);
}

int pipeline_find(const char *name)
{
	for (int i = 0; i < pipeline_count; i++)
		if (!strcmp(pipeline[i].name, name))
			return i;
	return -1;
}
