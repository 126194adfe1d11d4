/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance: who the unit is, its keys, and that the judge accepts them. */
#include "life.h"
#include "station/base/clock.h"
#include "station/base/wire.h"

#include <string.h>

static void identity_is_the_same_twice(void **state)
{
	struct rig_unit u;
	struct driver_identity first, second;
	unit_begin(&u, now.serial);
	OK(identify(&u, &first, &e));
	OK(identify(&u, &second, &e));
	assert_memory_equal(&first, &second, sizeof(first));
	assert_string_equal(first.serial, now.serial);
	assert_int_equal(first.factory_closed, 0);
	assert_int_equal(first.bundle_present, 0);
	unit_end(&u);
}

static void ek_is_read_twice_the_same_and_nothing_is_made(void **state)
{
	struct rig_unit u;
	struct driver_ek_read ek = {0};
	AUTO(bytes) struct bytes public = {0}, cert = {0};
	unit_begin(&u, now.serial);
	unsigned made = rig_count(now.serial, "tpm.CreatePrimary");
	OK(read_ek(&u, &ek, &e));
	assert_int_equal(ek.present, 1);
	assert_int_equal(ek.has_certificate, 1);
	OK(bytes_set(&public, u.evidence[EVIDENCE_EK_PUBLIC].data, u.evidence[EVIDENCE_EK_PUBLIC].len, &e));
	OK(bytes_set(&cert, u.evidence[EVIDENCE_EK_CERT].data, u.evidence[EVIDENCE_EK_CERT].len, &e));
	OK(read_ek(&u, &ek, &e));
	assert_true(public.len > 300 && bytes_equal(&public, &u.evidence[EVIDENCE_EK_PUBLIC]));
	assert_true(cert.len > 300 && bytes_equal(&cert, &u.evidence[EVIDENCE_EK_CERT]));
	assert_int_equal(rig_count(now.serial, "tpm.CreatePrimary"), made);
	unit_end(&u);
}

static void key_is_made_once_and_found_again(void **state)
{
	struct rig_unit u;
	struct driver_key_made made;
	uint8_t first[SHA256_SIZE], again[SHA256_SIZE];
	unit_begin(&u, now.serial);
	OK(make_key(&u, 200, true, &made, &e));
	OK(make_key(&u, 1, true, &made, &e));
	assert_int_equal(made.made, 1);
	OK(key_known(&u, 1, first, &e));
	unsigned written = rig_count(now.serial, now.keys);
	OK(make_key(&u, 1, false, &made, &e));
	assert_int_equal(made.made, 0);
	OK(key_known(&u, 1, again, &e));
	assert_memory_equal(first, again, SHA256_SIZE);
	unit_again(&u);
	OK(make_key(&u, 1, false, &made, &e));
	assert_int_equal(made.made, 0);
	OK(key_known(&u, 1, again, &e));
	assert_memory_equal(first, again, SHA256_SIZE);
	assert_int_equal(rig_count(now.serial, now.keys), written);
	OK(key_known(&u, 2, again, &e));
	assert_memory_not_equal(first, again, SHA256_SIZE);
	unit_end(&u);
}

static void key_of_another_job_stays_unless_it_may_be_replaced(void **state)
{
	struct rig_unit u;
	struct driver_key_made made;
	unit_begin(&u, now.serial);
	OK(make_key(&u, 3, true, &made, &e));
	OK(make_key(&u, 1, true, &made, &e));
	REFUSED(make_key(&u, 2, false, &made, &e), E_KEY_OTHER);
	OK(make_key(&u, 1, false, &made, &e));
	assert_int_equal(made.made, 0);
	OK(make_key(&u, 2, true, &made, &e));
	assert_int_equal(made.made, 1);
	unit_end(&u);
}

static void judge_accepts_the_unit_and_what_was_installed(void **state)
{
	struct rig_unit u;
	struct attest_verdict verdict;
	struct key_signature signature;
	uint8_t digest[SHA256_SIZE], hash[SHA256_SIZE];
	const struct driver_bundle b = bundle_of(7, 3000);
	unit_begin(&u, now.serial);
	OK(attest(&u, 1, &verdict, &e));
	sha256_of("rehearsal", 9, digest);
	OK(u.driver->sign(u.state, rig_call(&u, RIG_MS), digest, &signature, &e));
	assert_true(key_signed(&verdict.leaf, digest, &signature));
	OK(install(&u, &b, &e));
	OK(rig_challenge(&u, CHALLENGE_KEY, &e));
	OK(plain(&u, u.driver->prove_key, &e));
	OK(plain(&u, u.driver->read_back, &e));
	sha256_of(b.data, b.len, hash);
	OK(verifier_judge_install(u.judge, hash, false, &e));
	unit_end(&u);
}

static void credential_of_another_challenge_is_refused(void **state)
{
	struct rig_unit u;
	struct ek_verdict ek;
	struct driver_key_made made;
	unit_begin(&u, now.serial);
	OK(judge_ek(&u, &ek, &e));
	OK(make_key(&u, 1, true, &made, &e));
	OK(plain(&u, u.driver->read_ak, &e));
	OK(rig_challenge(&u, CHALLENGE_LEAF, &e));
	/* Bound to the leaf key, and now said to be bound to the attestation key. */
	u.challenge.about = CHALLENGE_AK;
	if (now.wrapped)
		OK(wire_send(u.verifier, EVIDENCE_CHALLENGE, &u.challenge, sizeof(u.challenge), clock_steady_ms() + RIG_MS, &e));
	REFUSED(plain(&u, u.driver->activate, &e), E_CHALLENGE);
	unit_end(&u);
}

static void request_of_another_visit_is_refused(void **state)
{
	struct rig_unit u;
	struct attest_verdict verdict;
	struct driver_key_made made;
	unit_begin(&u, now.serial);
	OK(make_key(&u, 1, true, &made, &e));
	OK(rig_challenge(&u, CHALLENGE_CSR, &e));
	OK(plain(&u, u.driver->read_csr, &e));
	OK(rig_challenge(&u, CHALLENGE_CSR, &e));
	REFUSED(verifier_judge_csr(u.judge, &verdict, &e), E_CSR_NONCE);
	unit_end(&u);
}

static void ek_that_is_missing_is_made_of_the_template(void **state)
{
	struct rig_unit u;
	struct ek_verdict verdict;
	struct driver_ek_read ek = {0};
	unit_begin(&u, "NOEK0001");
	OK(read_ek(&u, &ek, &e));
	if (!ek.present) {	/* a unit keeps its EK, and the bench is used for more than one driver */
		assert_int_equal(ek.has_certificate, 1);
		OK(persist_ek(&u, false, &e));
		assert_int_equal(rig_count("NOEK0001", "tpm.EvictControl"), 1);
	}
	OK(verifier_judge_ek(u.judge, &verdict, &e));
	OK(persist_ek(&u, false, &e));
	assert_int_equal(rig_count("NOEK0001", "tpm.EvictControl"), 1);
	unit_end(&u);
}

static void ek_that_is_foreign_stays_unless_it_may_be_replaced(void **state)
{
	struct rig_unit u;
	struct ek_verdict verdict;
	const char *serial = now.wrapped ? "FORE0002" : "FORE0001";
	unit_begin(&u, serial);
	REFUSED(judge_ek(&u, &verdict, &e), E_EK_MISMATCH);
	REFUSED(persist_ek(&u, false, &e), E_EK_MISMATCH);
	OK(persist_ek(&u, true, &e));
	OK(verifier_judge_ek(u.judge, &verdict, &e));
	unit_end(&u);
}

/* ---- DPS's TPM attestation ---- */

static bool make_storage(struct rig_unit *u, bool replace, struct driver_key_made *ret, struct err *e)
{
	const struct driver_key_request req = {.storage = 1, .replace_other = replace};
	bool ok = u->driver->make_key(u->state, rig_call(u, RIG_MS), &req, ret, e);
	rig_take(u);
	return ok;
}

static void storage_root_key_is_made_once_and_used_as_it_is(void **state)
{
	struct rig_unit u;
	struct driver_key_made made;
	AUTO(bytes) struct bytes first = {0};
	/* The same place, with a key of another kind in it. */
	const struct driver_key_request leaf = {.seed = {9}, .handle = 0x81000001, .replace_other = 1};
	unit_begin(&u, now.serial);
	OK(u.driver->make_key(u.state, rig_call(&u, RIG_MS), &leaf, &made, &e));
	rig_take(&u);
	REFUSED(make_storage(&u, false, &made, &e), E_KEY_OTHER);
	OK(make_storage(&u, true, &made, &e));
	assert_int_equal(made.made, 1);
	assert_int_equal(u.evidence[EVIDENCE_LEAF_PUBLIC].len, 284);
	OK(bytes_set(&first, u.evidence[EVIDENCE_LEAF_PUBLIC].data, u.evidence[EVIDENCE_LEAF_PUBLIC].len, &e));
	unsigned written = rig_count(now.serial, now.keys);
	unit_again(&u);
	OK(make_storage(&u, false, &made, &e));
	assert_int_equal(made.made, 0);
	assert_true(bytes_equal(&first, &u.evidence[EVIDENCE_LEAF_PUBLIC]));
	assert_int_equal(rig_count(now.serial, now.keys), written);
	unit_end(&u);
}

static void part(struct driver_blob *b, const void *data, uint32_t len)
{
	b->data[b->len++] = (uint8_t)(len >> 8);
	b->data[b->len++] = (uint8_t)len;
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

/* In its form a key that DPS wrapped (docs/tpm-bridge.md, section 4); its credential is bound to another object. */
static struct driver_blob blob_of(const struct challenge *c)
{
	static const uint8_t public[] = {0x00, 0x08, 0x00, 0x0b, 0x00, 0x04, 0x00, 0x40, 0x00, 0x00, 0x00, 0x05, 0x00, 0x0b, 0x00, 0x00};
	static const uint8_t any[256] = {1};
	struct driver_blob b = {0};
	part(&b, c->blob, c->blob_len);
	part(&b, c->secret, c->secret_len);
	part(&b, any, 142);
	part(&b, any, sizeof(any));
	part(&b, public, sizeof(public));
	return b;
}

static void wrapped_key_that_is_none_or_for_another_object_is_refused(void **state)
{
	struct rig_unit u;
	struct ek_verdict ek;
	struct driver_key_made made;
	const struct driver_text text = {.len = 3, .data = "abc"};
	uint8_t mac[SHA256_SIZE];
	unit_begin(&u, now.serial);
	OK(judge_ek(&u, &ek, &e));
	OK(make_key(&u, 1, true, &made, &e));
	OK(rig_challenge(&u, CHALLENGE_LEAF, &e));
	OK(make_storage(&u, true, &made, &e));
	const struct driver_blob whole = blob_of(&u.challenge);
	REFUSED(u.driver->import_identity(u.state, rig_call(&u, RIG_MS), &whole, &e), E_CHALLENGE);
	for (uint32_t len = 0; len < whole.len; len++) {
		struct driver_blob cut = whole;
		cut.len = len;
		REFUSED(u.driver->import_identity(u.state, rig_call(&u, RIG_MS), &cut, &e), E_CHALLENGE);
	}
	for (uint32_t at = 0; at < 2; at++) {	/* a size beyond everything */
		struct driver_blob wrong = whole;
		wrong.data[at] = 0xff;
		REFUSED(u.driver->import_identity(u.state, rig_call(&u, RIG_MS), &wrong, &e), E_CHALLENGE);
	}
	REFUSED(u.driver->sign_identity(u.state, rig_call(&u, RIG_MS), &text, mac, &e), E_TPM);
	unit_end(&u);
}

const struct conform_test conform_key[] = {
	BOTH(identity_is_the_same_twice),
	TPM_ONLY(ek_is_read_twice_the_same_and_nothing_is_made),
	BOTH(key_is_made_once_and_found_again),
	BOTH(key_of_another_job_stays_unless_it_may_be_replaced),
	BOTH(judge_accepts_the_unit_and_what_was_installed),
	TPM_ONLY(credential_of_another_challenge_is_refused),
	CSR_ONLY(request_of_another_visit_is_refused),
	TPM_ONLY(storage_root_key_is_made_once_and_used_as_it_is),
	TPM_ONLY(wrapped_key_that_is_none_or_for_another_object_is_refused),
	TPM_ONLY(ek_that_is_missing_is_made_of_the_template),
	TPM_ONLY(ek_that_is_foreign_stays_unless_it_may_be_replaced),
	{0},
};
