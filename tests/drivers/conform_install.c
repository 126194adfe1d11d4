/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance: what is installed, and factory mode. */
#include "life.h"

static void bundle_is_written_once_and_read_back_from_the_device(void **state)
{
	struct rig_unit u;
	struct driver_identity id;
	const struct driver_bundle b = bundle_of(9, BUNDLE_MAX > 8192 ? 8192 : BUNDLE_MAX);
	unit_begin(&u, now.serial);
	REFUSED(plain(&u, u.driver->read_back, &e), E_READ_BACK);
	unsigned written = rig_count(now.serial, now.commits);
	OK(install(&u, &b, &e));
	OK(install(&u, &b, &e));
	unit_again(&u);
	OK(install(&u, &b, &e));
	assert_int_equal(rig_count(now.serial, now.commits), written + 1);
	OK(plain(&u, u.driver->read_back, &e));
	assert_int_equal(u.evidence[EVIDENCE_BUNDLE].len, b.len);
	assert_memory_equal(u.evidence[EVIDENCE_BUNDLE].data, b.data, b.len);
	OK(identify(&u, &id, &e));
	assert_int_equal(id.bundle_present, 1);
	unit_end(&u);
}

/* What a closed unit refuses beside writes, and how it is recognised. */
static void closed_is_recognised_by_tpm(struct rig_unit *u, struct attest_verdict *ret)
{
	struct ek_verdict ek;
	struct driver_key_made made;
	REFUSED(persist_ek(u, true, &e), E_UNIT_CLOSED);
	REFUSED(plain(u, u->driver->read_ak, &e), E_UNIT_CLOSED);
	OK(judge_ek(u, &ek, &e));
	OK(make_key(u, 1, true, &made, &e));
	assert_int_equal(made.made, 0);
	OK(rig_challenge(u, CHALLENGE_LEAF, &e));
	OK(plain(u, u->driver->activate, &e));
	OK(verifier_judge_attestation(u->judge, ret, &e));
}

static void closed_is_recognised_by_csr(struct rig_unit *u, struct attest_verdict *ret)
{
	struct driver_key_made made;
	OK(make_key(u, 2, true, &made, &e));
	assert_int_equal(made.made, 0);
	OK(attest(u, 1, ret, &e));
	OK(rig_challenge(u, CHALLENGE_KEY, &e));
	OK(plain(u, u->driver->prove_key, &e));
}

static void finished_unit_refuses_writes_and_is_recognised(void **state)
{
	struct rig_unit u;
	struct attest_verdict verdict, again;
	struct driver_identity id;
	uint8_t digest[SHA256_SIZE] = {0};
	struct key_signature signature;
	const struct driver_bundle b = bundle_of(1, 900), other = bundle_of(2, 900);
	unit_begin(&u, now.serial);
	OK(attest(&u, 1, &verdict, &e));
	OK(install(&u, &b, &e));
	OK(finish(&u, &b, &e));
	OK(finish(&u, &b, &e));
	for (int plugged = 0; plugged < 2; plugged++) {
		OK(identify(&u, &id, &e));
		assert_int_equal(id.factory_closed, 1);
		OK(install(&u, &b, &e));
		REFUSED(install(&u, &other, &e), E_UNIT_CLOSED);
		REFUSED(u.driver->sign(u.state, rig_call(&u, RIG_MS), digest, &signature, &e), E_UNIT_CLOSED);
		if (by_tpm())
			closed_is_recognised_by_tpm(&u, &again);
		else
			closed_is_recognised_by_csr(&u, &again);
		assert_memory_equal(verdict.spki_sha256, again.spki_sha256, SHA256_SIZE);
		OK(plain(&u, u.driver->read_back, &e));
		assert_memory_equal(u.evidence[EVIDENCE_BUNDLE].data, b.data, b.len);
		unit_again(&u);
	}
	unit_end(&u);
}

const struct conform_test conform_install[] = {
	BOTH(bundle_is_written_once_and_read_back_from_the_device),
	BOTH(finished_unit_refuses_writes_and_is_recognised),
	{0},
};
