/* SPDX-License-Identifier: Apache-2.0 */
#include "life.h"

#include <string.h>

#define LEAF_HANDLE 0x81000200u

struct subject now;

void subject_set(const struct driver *d, bool wrapped)
{
	static const struct subject of[] = {
		[PROOF_TPM] = {.serial = "SIM0001", .old_len = 5000, .new_len = 8000, .commits = "BUNDLE_COMMIT", .keys = "tpm.EvictControl"},
		[PROOF_CSR] = {.serial = "SER0001", .old_len = 1000, .new_len = 1900, .commits = "commit", .keys = "keys_made"},
	};
	now = of[d->proof];
	now.driver = d;
	now.wrapped = wrapped;
}

struct driver_bundle bundle_of(uint8_t fill, uint32_t len)
{
	/* Fields as docs/tpm-bridge.md, section 3, has them: a certificate of no meaning, and the texts. */
	static const uint8_t rest[] = {3, 0, 4, '0', 'n', 'e', '1', 4, 0, 11, 'h', 't', 't', 'p', 's', ':', '/', '/', 'a', '.', 'b',
		5, 0, 3, 'x', 'y', 'z', 6, 0, 4, 0x40, 0, 0, 1, 7, 0, 4, 0x81, 0, 2, 0, 8, 0, 0, 9, 0, 1, 'h'};
	struct driver_bundle b = {.len = len};
	uint32_t certificate = len - 3 - (uint32_t)sizeof(rest);
	b.data[0] = 1;
	b.data[1] = (uint8_t)(certificate >> 8);
	b.data[2] = (uint8_t)certificate;
	memset(b.data + 3, fill, certificate);
	memcpy(b.data + 3 + certificate, rest, sizeof(rest));
	return b;
}

static struct driver_key_request key_of(uint8_t job, bool replace)
{
	struct driver_key_request r = {.handle = LEAF_HANDLE, .replace_other = replace};
	sha256_of(&job, 1, r.seed);
	return r;
}

bool identify(struct rig_unit *u, struct driver_identity *ret, struct err *e)
{
	return u->driver->identify(u->state, rig_call(u, RIG_MS), ret, e);
}

bool read_ek(struct rig_unit *u, struct driver_ek_read *ret, struct err *e)
{
	bool ok = u->driver->read_ek(u->state, rig_call(u, RIG_MS), ret, e);
	rig_take(u);
	return ok;
}

bool persist_ek(struct rig_unit *u, bool replace, struct err *e)
{
	const struct driver_ek_request r = {.replace_mismatch = replace};
	bool ok = u->driver->persist_ek(u->state, rig_call(u, RIG_MS), &r, e);
	rig_take(u);
	return ok;
}

bool make_key(struct rig_unit *u, uint8_t job, bool replace, struct driver_key_made *ret, struct err *e)
{
	const struct driver_key_request r = key_of(job, replace);
	bool ok = u->driver->make_key(u->state, rig_call(u, RIG_MS), &r, ret, e);
	rig_take(u);
	return ok;
}

bool plain(struct rig_unit *u, bool (*function)(void *, const struct driver_call *, struct err *), struct err *e)
{
	bool ok = function(u->state, rig_call(u, RIG_MS), e);
	rig_take(u);
	return ok;
}

bool install(struct rig_unit *u, const struct driver_bundle *b, struct err *e)
{
	return u->driver->install(u->state, rig_call(u, RIG_MS), b, e);
}

bool finish(struct rig_unit *u, const struct driver_bundle *b, struct err *e)
{
	uint8_t hash[SHA256_SIZE];
	sha256_of(b->data, b->len, hash);
	return u->driver->finish(u->state, rig_call(u, RIG_MS), hash, e);
}

bool judge_ek(struct rig_unit *u, struct ek_verdict *ret, struct err *e)
{
	struct driver_ek_read ek;
	return read_ek(u, &ek, e) && verifier_judge_ek(u->judge, ret, e);
}

static bool attest_by_tpm(struct rig_unit *u, uint8_t job, struct attest_verdict *ret, struct err *e)
{
	struct ek_verdict ek;
	struct driver_key_made made;
	return judge_ek(u, &ek, e) && make_key(u, job, true, &made, e) && plain(u, u->driver->read_ak, e)
		&& rig_challenge(u, CHALLENGE_AK, e) && plain(u, u->driver->activate, e) && plain(u, u->driver->certify, e)
		&& verifier_judge_attestation(u->judge, ret, e);
}

static bool judge_csr(struct rig_unit *u, struct attest_verdict *ret, struct err *e)
{
	return rig_challenge(u, CHALLENGE_CSR, e) && plain(u, u->driver->read_csr, e) && verifier_judge_csr(u->judge, ret, e);
}

bool attest(struct rig_unit *u, uint8_t job, struct attest_verdict *ret, struct err *e)
{
	struct driver_key_made made;
	return by_tpm() ? attest_by_tpm(u, job, ret, e) : make_key(u, job, true, &made, e) && judge_csr(u, ret, e);
}

bool key_known(struct rig_unit *u, uint8_t job, uint8_t ret[static SHA256_SIZE], struct err *e)
{
	struct driver_key_made made;
	struct attest_verdict verdict;
	if (!make_key(u, job, true, &made, e) || (!by_tpm() && !judge_csr(u, &verdict, e)))
		return false;
	const struct bytes *public = &u->evidence[EVIDENCE_LEAF_PUBLIC];
	if (by_tpm())
		sha256_of(public->data, public->len, ret);
	else
		memcpy(ret, verdict.spki_sha256, SHA256_SIZE);
	return true;
}

void unit_begin(struct rig_unit *u, const char *serial)
{
	struct usb_facts facts;
	rig_make_new(serial);
	rig_plug(serial, &facts);
	if (!now.driver->bridged)
		assert_string_equal(facts.serial, serial);
	assert_ptr_equal(usb_match(&facts, now.driver), now.driver);
	OK(rig_open(u, now.driver, now.wrapped, serial, &facts, &e));
}

void unit_end(struct rig_unit *u)
{
	char serial[DRIVER_TEXT];
	memcpy(serial, u->serial, sizeof(serial));
	rig_close(u);
	rig_unplug(serial);
}

void unit_again(struct rig_unit *u)
{
	struct usb_facts facts;
	char serial[DRIVER_TEXT];
	memcpy(serial, u->serial, sizeof(serial));
	unit_end(u);
	rig_plug(serial, &facts);
	OK(rig_open(u, now.driver, now.wrapped, serial, &facts, &e));
}

void unit_after_cut(struct rig_unit *u, const char *serial)
{
	struct usb_facts facts;
	rig_wait_left();
	rig_close(u);
	rig_plug(serial, &facts);
	OK(rig_open(u, now.driver, now.wrapped, serial, &facts, &e));
}

/* ---- moments ---- */

bool do_identify(struct rig_unit *u, struct err *e)
{
	struct driver_identity id;
	return identify(u, &id, e);
}

static bool do_read_ek(struct rig_unit *u, struct err *e)
{
	struct driver_ek_read ek;
	return read_ek(u, &ek, e);
}

static bool do_persist_ek(struct rig_unit *u, struct err *e)
{
	return persist_ek(u, false, e);
}

static bool do_make_key(struct rig_unit *u, struct err *e)
{
	struct driver_key_made made;
	return make_key(u, 1, true, &made, e);
}

static bool do_read_ak(struct rig_unit *u, struct err *e)
{
	return plain(u, u->driver->read_ak, e);
}

static bool do_activate(struct rig_unit *u, struct err *e)
{
	return plain(u, u->driver->activate, e);
}

static bool do_certify(struct rig_unit *u, struct err *e)
{
	return plain(u, u->driver->certify, e);
}

static bool do_sign(struct rig_unit *u, struct err *e)
{
	struct key_signature signature;
	return u->driver->sign(u->state, rig_call(u, RIG_MS), u->challenge.nonce, &signature, e);
}

static bool do_install(struct rig_unit *u, struct err *e)
{
	const struct driver_bundle b = bundle_of(5, 2000);
	return install(u, &b, e);
}

static bool do_read_back(struct rig_unit *u, struct err *e)
{
	return plain(u, u->driver->read_back, e);
}

static bool do_finish(struct rig_unit *u, struct err *e)
{
	const struct driver_bundle b = bundle_of(5, 2000);
	return finish(u, &b, e);
}

static bool do_prove_key(struct rig_unit *u, struct err *e)
{
	return plain(u, u->driver->prove_key, e);
}

static bool do_read_csr(struct rig_unit *u, struct err *e)
{
	return plain(u, u->driver->read_csr, e);
}

static const struct moment tpm_moments[] = {
	{"identify", do_identify}, {"read_ek", do_read_ek}, {"persist_ek", do_persist_ek}, {"make_key", do_make_key},
	{"read_ak", do_read_ak}, {"activate", do_activate}, {"certify", do_certify}, {"sign", do_sign}, {"install", do_install},
	{"prove_key", do_prove_key}, {"read_back", do_read_back}, {"finish", do_finish},
};

static const struct moment csr_moments[] = {
	{"identify", do_identify}, {"make_key", do_make_key}, {"read_csr", do_read_csr}, {"sign", do_sign}, {"install", do_install},
	{"prove_key", do_prove_key}, {"read_back", do_read_back}, {"finish", do_finish},
};

size_t moment_count(void)
{
	return by_tpm() ? COUNT_OF(tpm_moments) : COUNT_OF(csr_moments);
}

const struct moment *moment_at(size_t i)
{
	return by_tpm() ? &tpm_moments[i] : &csr_moments[i];
}

/* What the judge has to do before a moment that answers a challenge. */
static void prepare(struct rig_unit *u, const struct moment *m)
{
	struct ek_verdict ek;
	struct attest_verdict leaf;
	if (m->run == do_activate) {
		OK(verifier_judge_ek(u->judge, &ek, &e));
		OK(rig_challenge(u, CHALLENGE_AK, &e));
	} else if (m->run == do_read_csr) {
		OK(rig_challenge(u, CHALLENGE_CSR, &e));
	} else if (m->run == do_prove_key) {
		OK(by_tpm() ? verifier_judge_attestation(u->judge, &leaf, &e) : verifier_judge_csr(u->judge, &leaf, &e));
		OK(rig_challenge(u, CHALLENGE_KEY, &e));
	}
}

void live(struct rig_unit *u, size_t until)
{
	for (size_t i = 0; i < until; i++) {
		struct err why = {0};
		prepare(u, moment_at(i));
		if (!moment_at(i)->run(u, &why))
			fail_msg("%s: %s %s", moment_at(i)->name, err_row(why.code)->code, why.what);
	}
	if (until < moment_count())
		prepare(u, moment_at(until));
}
