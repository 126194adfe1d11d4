/* SPDX-License-Identifier: Apache-2.0 */
#include "station/proof.h"
#include "certs/tpm_identity.h"
#include "station/reserve.h"

static const struct driver *const device = &sandbox_driver;

/* ---- a TPM ---- */

/* Something lies in the endorsement key's place that is not the key which the unit's certificate names. */
static bool is_other_key(enum err_code code)
{
	return code == E_EK_MISMATCH || code == E_EK_TEMPLATE;
}

/* A kind that DPS cannot attest is refused before anything is made, counted or signed. */
static bool ek_serves_the_profile(const struct job *j, struct err *e)
{
	AUTO(bytes) struct bytes ek = {0};
	return j->profile->attestation != ATTEST_TPM || tpm_identity_ek(&j->ek.key, &ek, e);
}

/* Reads and judges the endorsement key, puts the TCG's own in its place where none is (or where the profile says replace), and
 * finds out whether the unit is known. */
static bool read_ek(struct job *j, struct err *e)
{
	const struct driver_call call = job_call(j);
	const struct driver_ek_request persist = {.replace_mismatch = j->profile->ek_mismatch == OTHER_REPLACE};
	struct driver_ek_read got;
	struct err first = {0};
	if (!device->read_ek(&j->device, &call, &got, e))
		return false;
	bool judged = got.present && verifier_client_judge_ek(j->children.verifier, j->deadline_ms, &j->ek, &first);
	bool may_make = !got.present || (is_other_key(first.code) && persist.replace_mismatch);
	if (!judged && !may_make)
		return err_native(e, first.code, first.native, "%s", first.what);
	if (!judged && !job_is_open(j))
		return err_set(e, E_EK_MISSING, "none lies at its place, and factory mode is closed");
	if (!judged && (!device->persist_ek(&j->device, &call, &persist, e) ||
			!verifier_client_judge_ek(j->children.verifier, j->deadline_ms, &j->ek, e)))
		return false;
	return ek_serves_the_profile(j, e) && reserve_unit(j, e);
}

/* This TPM holds its endorsement key, and the leaf key lives beside it. A closed unit can only be recognised, and nobody
 * certifies a storage root key: both are bound to a credential themselves. */
static bool attest_tpm(struct job *j, struct err *e)
{
	const struct driver_call call = job_call(j);
	int judge = j->children.verifier;
	bool certified = job_is_open(j) && j->profile->attestation != ATTEST_TPM;
	if (certified && !device->read_ak(&j->device, &call, e))
		return false;
	if (!verifier_client_challenge(judge, j->deadline_ms, certified ? CHALLENGE_AK : CHALLENGE_LEAF, e) ||
	    !device->activate(&j->device, &call, e))
		return false;
	if (certified && !device->certify(&j->device, &call, e))
		return false;
	return verifier_client_judge_attestation(judge, j->deadline_ms, &j->attest, e) && reserve_leaf_key(j, e);
}

/* ---- a certification request ---- */

/* The unit has no key before it is asked to make one: it is known by its serial number, and believed once its key has signed. */
static bool read_serial(struct job *j, struct err *e)
{
	return reserve_unit(j, e);
}

static bool attest_csr(struct job *j, struct err *e)
{
	const struct driver_call call = job_call(j);
	int judge = j->children.verifier;
	if (!verifier_client_challenge(judge, j->deadline_ms, CHALLENGE_CSR, e) || !device->read_csr(&j->device, &call, e))
		return false;
	return verifier_client_judge_csr(judge, j->deadline_ms, &j->attest, e) && reserve_leaf_key(j, e);
}

const struct proof *proof_of(const struct driver *driver)
{
	static const struct proof proofs[] = {
		[PROOF_TPM] = {read_ek, attest_tpm, false},
		[PROOF_CSR] = {read_serial, attest_csr, true},
	};
	return &proofs[driver->proof];
}
