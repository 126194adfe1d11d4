/* SPDX-License-Identifier: Apache-2.0 */
/* What drivers/driver.h asks of every driver, asked of every driver in the registry: bare, and in a locked-in process of its own.
 * Arguments: the bench's directory; bare or wrapped; names of drivers, or none for all. */
#include "rig.h"
#include "station/base/clock.h"
#include "station/base/wire.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sys/wait.h>

#define SERIAL "SIM0001"
#define LEAF_HANDLE 0x81000200u
#define FRAMES_MAX 40

static const struct driver *driver;
static bool wrapped;

/* ---- moments of a unit's life ---- */

#define OK(call) do { struct err e = {0}; if (!(call)) \
	fail_msg("%s: %s %s", #call, err_row(e.code)->code, e.what); } while (0)
#define REFUSED(call, wanted) do { struct err e = {0}; if (call) fail_msg("%s: accepted", #call); \
	if (e.code != (wanted)) fail_msg("%s: %s %s", #call, err_row(e.code)->code, e.what); } while (0)

static struct driver_bundle bundle_of(uint8_t fill, uint32_t len)
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

static bool identify(struct rig_unit *u, struct driver_identity *ret, struct err *e)
{
	return u->driver->identify(u->state, rig_call(u, RIG_MS), ret, e);
}

static bool read_ek(struct rig_unit *u, struct driver_ek_read *ret, struct err *e)
{
	bool ok = u->driver->read_ek(u->state, rig_call(u, RIG_MS), ret, e);
	rig_take(u);
	return ok;
}

static bool persist_ek(struct rig_unit *u, bool replace, struct err *e)
{
	const struct driver_ek_request r = {.replace_mismatch = replace};
	bool ok = u->driver->persist_ek(u->state, rig_call(u, RIG_MS), &r, e);
	rig_take(u);
	return ok;
}

static bool make_key(struct rig_unit *u, uint8_t job, bool replace, struct driver_key_made *ret, struct err *e)
{
	const struct driver_key_request r = key_of(job, replace);
	bool ok = u->driver->make_key(u->state, rig_call(u, RIG_MS), &r, ret, e);
	rig_take(u);
	return ok;
}

static bool plain(struct rig_unit *u, bool (*function)(void *, const struct driver_call *, struct err *), struct err *e)
{
	bool ok = function(u->state, rig_call(u, RIG_MS), e);
	rig_take(u);
	return ok;
}

static bool install(struct rig_unit *u, const struct driver_bundle *b, struct err *e)
{
	return u->driver->install(u->state, rig_call(u, RIG_MS), b, e);
}

static bool finish(struct rig_unit *u, const struct driver_bundle *b, struct err *e)
{
	uint8_t hash[SHA256_SIZE];
	sha256_of(b->data, b->len, hash);
	return u->driver->finish(u->state, rig_call(u, RIG_MS), hash, e);
}

static bool judge_ek(struct rig_unit *u, struct ek_verdict *ret, struct err *e)
{
	struct driver_ek_read ek;
	return read_ek(u, &ek, e) && verifier_judge_ek(u->judge, ret, e);
}

/* From the EK to a judged leaf key. */
static bool attest(struct rig_unit *u, uint8_t job, struct attest_verdict *ret, struct err *e)
{
	struct ek_verdict ek;
	struct driver_key_made made;
	return judge_ek(u, &ek, e) && make_key(u, job, true, &made, e) && plain(u, u->driver->read_ak, e)
		&& rig_challenge(u, CHALLENGE_AK, e) && plain(u, u->driver->activate, e) && plain(u, u->driver->certify, e)
		&& verifier_judge_attestation(u->judge, ret, e);
}

static void unit_begin(struct rig_unit *u, const char *serial)
{
	struct usb_facts facts;
	rig_make_new(serial);
	rig_plug(serial, &facts);
	assert_string_equal(facts.serial, serial);
	assert_ptr_equal(usb_match(&facts, driver), driver);
	OK(rig_open(u, driver, wrapped, &facts, &e));
}

static void unit_end(struct rig_unit *u)
{
	char serial[DRIVER_TEXT];
	memcpy(serial, u->serial, sizeof(serial));
	rig_close(u);
	rig_unplug(serial);
}

static void unit_again(struct rig_unit *u)
{
	struct usb_facts facts;
	char serial[DRIVER_TEXT];
	memcpy(serial, u->serial, sizeof(serial));
	unit_end(u);
	rig_plug(serial, &facts);
	OK(rig_open(u, driver, wrapped, &facts, &e));
}

/* ---- the tests ---- */

static void identity_is_the_same_twice(void **state)
{
	struct rig_unit u;
	struct driver_identity first, second;
	unit_begin(&u, SERIAL);
	OK(identify(&u, &first, &e));
	OK(identify(&u, &second, &e));
	assert_memory_equal(&first, &second, sizeof(first));
	assert_string_equal(first.serial, SERIAL);
	assert_int_equal(first.factory_closed, 0);
	assert_int_equal(first.bundle_present, 0);
	unit_end(&u);
}

static void ek_is_read_twice_the_same_and_nothing_is_made(void **state)
{
	struct rig_unit u;
	struct driver_ek_read ek = {0};
	AUTO(bytes) struct bytes public = {0}, cert = {0};
	unit_begin(&u, SERIAL);
	unsigned made = rig_count(SERIAL, "tpm.CreatePrimary");
	OK(read_ek(&u, &ek, &e));
	assert_int_equal(ek.present, 1);
	assert_int_equal(ek.has_certificate, 1);
	OK(bytes_set(&public, u.evidence[EVIDENCE_EK_PUBLIC].data, u.evidence[EVIDENCE_EK_PUBLIC].len, &e));
	OK(bytes_set(&cert, u.evidence[EVIDENCE_EK_CERT].data, u.evidence[EVIDENCE_EK_CERT].len, &e));
	OK(read_ek(&u, &ek, &e));
	assert_true(public.len > 300 && bytes_equal(&public, &u.evidence[EVIDENCE_EK_PUBLIC]));
	assert_true(cert.len > 300 && bytes_equal(&cert, &u.evidence[EVIDENCE_EK_CERT]));
	assert_int_equal(rig_count(SERIAL, "tpm.CreatePrimary"), made);
	unit_end(&u);
}

static void key_is_made_once_and_found_again(void **state)
{
	struct rig_unit u;
	struct driver_key_made made;
	AUTO(bytes) struct bytes first = {0};
	unit_begin(&u, SERIAL);
	OK(make_key(&u, 200, true, &made, &e));
	OK(make_key(&u, 1, true, &made, &e));
	assert_int_equal(made.made, 1);
	OK(bytes_set(&first, u.evidence[EVIDENCE_LEAF_PUBLIC].data, u.evidence[EVIDENCE_LEAF_PUBLIC].len, &e));
	unsigned written = rig_count(SERIAL, "tpm.EvictControl");
	OK(make_key(&u, 1, false, &made, &e));
	assert_int_equal(made.made, 0);
	assert_true(bytes_equal(&first, &u.evidence[EVIDENCE_LEAF_PUBLIC]));
	unit_again(&u);
	OK(make_key(&u, 1, false, &made, &e));
	assert_int_equal(made.made, 0);
	assert_true(bytes_equal(&first, &u.evidence[EVIDENCE_LEAF_PUBLIC]));
	assert_int_equal(rig_count(SERIAL, "tpm.EvictControl"), written);
	unit_end(&u);
}

static void key_of_another_job_stays_unless_it_may_be_replaced(void **state)
{
	struct rig_unit u;
	struct driver_key_made made;
	unit_begin(&u, SERIAL);
	OK(make_key(&u, 1, true, &made, &e));
	REFUSED(make_key(&u, 2, false, &made, &e), E_KEY_OTHER);
	OK(make_key(&u, 1, false, &made, &e));
	assert_int_equal(made.made, 0);
	OK(make_key(&u, 2, true, &made, &e));
	assert_int_equal(made.made, 1);
	unit_end(&u);
}

static void judge_accepts_ek_attestation_and_installation(void **state)
{
	struct rig_unit u;
	struct attest_verdict verdict;
	struct key_signature signature;
	uint8_t digest[SHA256_SIZE], hash[SHA256_SIZE];
	const struct driver_bundle b = bundle_of(7, 3000);
	unit_begin(&u, SERIAL);
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
	unit_begin(&u, SERIAL);
	OK(judge_ek(&u, &ek, &e));
	OK(make_key(&u, 1, true, &made, &e));
	OK(plain(&u, u.driver->read_ak, &e));
	OK(rig_challenge(&u, CHALLENGE_LEAF, &e));
	/* Bound to the leaf key, and now said to be bound to the attestation key. */
	u.challenge.about = CHALLENGE_AK;
	if (wrapped)
		OK(wire_send(u.verifier, EVIDENCE_CHALLENGE, &u.challenge, sizeof(u.challenge), clock_steady_ms() + RIG_MS, &e));
	REFUSED(plain(&u, u.driver->activate, &e), E_CHALLENGE);
	unit_end(&u);
}

static void bundle_is_written_once_and_read_back_from_the_device(void **state)
{
	struct rig_unit u;
	struct driver_identity id;
	const struct driver_bundle b = bundle_of(9, BUNDLE_MAX > 8192 ? 8192 : BUNDLE_MAX);
	unit_begin(&u, SERIAL);
	REFUSED(plain(&u, u.driver->read_back, &e), E_READ_BACK);
	unsigned written = rig_count(SERIAL, "BUNDLE_COMMIT");
	OK(install(&u, &b, &e));
	OK(install(&u, &b, &e));
	unit_again(&u);
	OK(install(&u, &b, &e));
	assert_int_equal(rig_count(SERIAL, "BUNDLE_COMMIT"), written + 1);
	OK(plain(&u, u.driver->read_back, &e));
	assert_int_equal(u.evidence[EVIDENCE_BUNDLE].len, b.len);
	assert_memory_equal(u.evidence[EVIDENCE_BUNDLE].data, b.data, b.len);
	OK(identify(&u, &id, &e));
	assert_int_equal(id.bundle_present, 1);
	unit_end(&u);
}

static void finished_unit_refuses_writes_and_is_recognised(void **state)
{
	struct rig_unit u;
	struct ek_verdict ek;
	struct attest_verdict verdict, again;
	struct driver_identity id;
	struct driver_key_made made;
	uint8_t digest[SHA256_SIZE] = {0};
	struct key_signature signature;
	const struct driver_bundle b = bundle_of(1, 900), other = bundle_of(2, 900);
	unit_begin(&u, SERIAL);
	OK(attest(&u, 1, &verdict, &e));
	OK(install(&u, &b, &e));
	OK(finish(&u, &b, &e));
	OK(finish(&u, &b, &e));
	for (int plugged = 0; plugged < 2; plugged++) {
		OK(identify(&u, &id, &e));
		assert_int_equal(id.factory_closed, 1);
		OK(install(&u, &b, &e));
		REFUSED(install(&u, &other, &e), E_UNIT_CLOSED);
		REFUSED(persist_ek(&u, true, &e), E_UNIT_CLOSED);
		REFUSED(plain(&u, u.driver->read_ak, &e), E_UNIT_CLOSED);
		OK(judge_ek(&u, &ek, &e));
		OK(make_key(&u, 1, true, &made, &e));
		assert_int_equal(made.made, 0);
		REFUSED(u.driver->sign(u.state, rig_call(&u, RIG_MS), digest, &signature, &e), E_UNIT_CLOSED);
		OK(rig_challenge(&u, CHALLENGE_LEAF, &e));
		OK(plain(&u, u.driver->activate, &e));
		OK(verifier_judge_attestation(u.judge, &again, &e));
		assert_memory_equal(verdict.spki_sha256, again.spki_sha256, SHA256_SIZE);
		OK(plain(&u, u.driver->read_back, &e));
		assert_memory_equal(u.evidence[EVIDENCE_BUNDLE].data, b.data, b.len);
		unit_again(&u);
	}
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
	const char *serial = wrapped ? "FORE0002" : "FORE0001";
	unit_begin(&u, serial);
	REFUSED(judge_ek(&u, &verdict, &e), E_EK_MISMATCH);
	REFUSED(persist_ek(&u, false, &e), E_EK_MISMATCH);
	OK(persist_ek(&u, true, &e));
	OK(verifier_judge_ek(u.judge, &verdict, &e));
	unit_end(&u);
}

/* ---- time ---- */

static void busy_unit_is_asked_again_until_the_time_is_up(void **state)
{
	struct rig_unit u;
	struct driver_identity id;
	struct err why = {0};
	unit_begin(&u, SERIAL);
	rig_ask("knob %s busy 3", SERIAL);
	OK(identify(&u, &id, &e));
	rig_ask("knob %s busy 100000", SERIAL);
	int64_t before_ms = clock_steady_ms();
	assert_false(u.driver->identify(u.state, rig_call(&u, 200), &id, &why));
	assert_int_equal(why.code, E_UNIT_BUSY);
	assert_in_range(clock_steady_ms() - before_ms, 100, 1000);
	rig_ask("knob %s busy 0", SERIAL);
	OK(identify(&u, &id, &e));
	unit_end(&u);
}

static void slow_unit_ends_at_the_deadline_and_its_late_answer_is_not_taken(void **state)
{
	struct rig_unit u;
	struct driver_ek_read ek;
	struct driver_identity id;
	struct err why = {0};
	unit_begin(&u, SERIAL);
	rig_ask("knob %s delay_ms 600", SERIAL);
	int64_t before_ms = clock_steady_ms();
	assert_false(u.driver->read_ek(u.state, rig_call(&u, 150), &ek, &why));
	assert_int_equal(why.code, E_CHILD_SILENT);
	assert_in_range(clock_steady_ms() - before_ms, 140, 580);
	rig_ask("knob %s delay_ms 0", SERIAL);
	OK(identify(&u, &id, &e));
	assert_string_equal(id.serial, SERIAL);
	OK(read_ek(&u, &ek, &e));
	assert_int_equal(ek.present, 1);
	unit_end(&u);
}

/* Bytes are counted in the door, which is the same for every driver; once is enough. */
static void unit_that_moves_too_much_is_cut_off(void **state)
{
	const struct driver_bundle b = bundle_of(3, 8192);
	struct rig_unit u;
	struct driver_identity id;
	struct err why = {0};
	size_t moved = 0;
	if (wrapped)
		skip();
	unit_begin(&u, SERIAL);
	OK(install(&u, &b, &e));
	while (plain(&u, u.driver->read_back, &why) && moved <= USB_BUDGET_BYTES)
		moved += b.len;
	assert_int_equal(why.code, E_BRIDGE);
	assert_in_range(moved, USB_BUDGET_BYTES / 2, USB_BUDGET_BYTES);
	REFUSED(plain(&u, u.driver->read_back, &e), E_BRIDGE);
	unit_again(&u);
	OK(identify(&u, &id, &e));
	unit_end(&u);
}

/* ---- the plug is pulled ---- */

static bool do_identify(struct rig_unit *u, struct err *e)
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

/* In the order of a life: each works after those before it. */
static const struct moment {
	const char *name;
	bool (*run)(struct rig_unit *u, struct err *e);
} moments[] = {
	{"identify", do_identify}, {"read_ek", do_read_ek}, {"persist_ek", do_persist_ek}, {"make_key", do_make_key},
	{"read_ak", do_read_ak}, {"activate", do_activate}, {"certify", do_certify}, {"sign", do_sign}, {"install", do_install},
	{"read_back", do_read_back}, {"finish", do_finish},
};

/* Lives up to before the moment `until`. */
static void live(struct rig_unit *u, size_t until)
{
	struct ek_verdict ek;
	for (size_t i = 0; i < until; i++) {
		struct err why = {0};
		if (moments[i].run == do_activate && (!verifier_judge_ek(u->judge, &ek, &why) || !rig_challenge(u, CHALLENGE_AK, &why)))
			fail_msg("before activate: %s", why.what);
		if (!moments[i].run(u, &why))
			fail_msg("%s: %s %s", moments[i].name, err_row(why.code)->code, why.what);
	}
	if (until < COUNT_OF(moments) && moments[until].run == do_activate) {
		OK(verifier_judge_ek(u->judge, &ek, &e));
		OK(rig_challenge(u, CHALLENGE_AK, &e));
	}
}

static void unplug_in_any_moment_says_gone_and_a_replug_goes_on(void **state)
{
	for (size_t i = 0; i < COUNT_OF(moments); i++) {
		struct rig_unit u;
		struct usb_facts facts;
		struct err why = {0};
		unit_begin(&u, SERIAL);
		live(&u, i);
		rig_ask("knob %s cut_before 1", SERIAL);
		if (moments[i].run(&u, &why) || why.code != E_USB_GONE)
			fail_msg("%s: %s %s", moments[i].name, err_row(why.code)->code, why.what);
		rig_wait_left();
		rig_close(&u);
		rig_plug(SERIAL, &facts);
		OK(rig_open(&u, driver, wrapped, &facts, &e));
		live(&u, i + 1);
		unit_end(&u);
	}
}

static void unplug_while_opening_says_gone(void **state)
{
	for (int frame = 1; frame <= 3; frame++) {
		struct rig_unit u;
		struct usb_facts facts;
		struct err why = {0};
		rig_make_new(SERIAL);
		rig_ask("knob %s cut_before %d", SERIAL, frame);
		rig_plug(SERIAL, &facts);
		assert_false(rig_open(&u, driver, wrapped, &facts, &why));
		assert_int_equal(why.code, E_USB_GONE);
		rig_wait_left();
		rig_close(&u);
	}
}

/* Cuts the power around the nth frame of `run`; false when run has fewer frames. */
static bool cut_around(struct rig_unit *u, const char *knob, int n, bool (*run)(struct rig_unit *, struct err *))
{
	struct err why = {0};
	struct usb_facts facts;
	rig_ask("knob %s %s %d", SERIAL, knob, n);
	bool done = run(u, &why);
	if (!done)
		assert_int_equal(why.code, E_USB_GONE);
	if (strstr(rig_ask("list"), " " SERIAL ":0:") || !done) {
		rig_wait_left();
		rig_close(u);
		rig_ask("knob %s %s 0", SERIAL, knob);
		rig_plug(SERIAL, &facts);
		OK(rig_open(u, driver, wrapped, &facts, &e));
		return true;
	}
	rig_ask("knob %s %s 0", SERIAL, knob);
	return false;
}

static bool install_new(struct rig_unit *u, struct err *e)
{
	const struct driver_bundle b = bundle_of('n', 8000);
	return install(u, &b, e);
}

static void power_cut_in_install_leaves_the_old_or_the_new_bundle(void **state)
{
	static const char *const knobs[] = {"cut_before", "cut_after"};
	const struct driver_bundle old = bundle_of('o', 5000), new = bundle_of('n', 8000);
	struct rig_unit u;
	unsigned cuts = 0;
	unit_begin(&u, SERIAL);
	for (size_t k = 0; k < COUNT_OF(knobs); k++)
		for (int n = 1; n < FRAMES_MAX; n++) {
			OK(install(&u, &old, &e));
			if (!cut_around(&u, knobs[k], n, install_new))
				break;
			cuts++;
			OK(plain(&u, u.driver->read_back, &e));
			const struct bytes *b = &u.evidence[EVIDENCE_BUNDLE];
			assert_true((b->len == old.len && !memcmp(b->data, old.data, old.len))
				    || (b->len == new.len && !memcmp(b->data, new.data, new.len)));
			OK(install(&u, &new, &e));
			OK(plain(&u, u.driver->read_back, &e));
			assert_int_equal(u.evidence[EVIDENCE_BUNDLE].len, new.len);
		}
	assert_in_range(cuts, 8, 2 * FRAMES_MAX - 4);
	unit_end(&u);
}

static void power_cut_in_the_devices_commit_leaves_the_old_or_the_new_bundle(void **state)
{
	static const struct { const char *when; uint32_t len; } cuts[] = {{"before-rename", 5000}, {"after-rename", 8000}};
	const struct driver_bundle old = bundle_of('o', 5000);
	for (size_t i = 0; i < COUNT_OF(cuts); i++) {
		struct rig_unit u;
		struct usb_facts facts;
		unit_begin(&u, SERIAL);
		OK(install(&u, &old, &e));
		rig_ask("knob %s cut_commit %s", SERIAL, cuts[i].when);
		REFUSED(install_new(&u, &e), E_USB_GONE);
		rig_wait_left();
		rig_close(&u);
		rig_ask("knob %s cut_commit never", SERIAL);
		rig_plug(SERIAL, &facts);
		OK(rig_open(&u, driver, wrapped, &facts, &e));
		OK(plain(&u, u.driver->read_back, &e));
		assert_int_equal(u.evidence[EVIDENCE_BUNDLE].len, cuts[i].len);
		OK(install_new(&u, &e));
		unit_end(&u);
	}
}

static bool make_key_new(struct rig_unit *u, struct err *e)
{
	struct driver_key_made made;
	return make_key(u, 'n', true, &made, e);
}

static void power_cut_in_make_key_still_gives_the_one_key_of_the_job(void **state)
{
	static const char *const knobs[] = {"cut_before", "cut_after"};
	struct rig_unit u;
	struct driver_key_made made;
	AUTO(bytes) struct bytes key = {0};
	unsigned cuts = 0;
	unit_begin(&u, SERIAL);
	OK(make_key_new(&u, &e));
	OK(bytes_set(&key, u.evidence[EVIDENCE_LEAF_PUBLIC].data, u.evidence[EVIDENCE_LEAF_PUBLIC].len, &e));
	for (size_t k = 0; k < COUNT_OF(knobs); k++)
		for (int n = 1; n < FRAMES_MAX; n++) {
			OK(make_key(&u, 'o', true, &made, &e));
			if (!cut_around(&u, knobs[k], n, make_key_new))
				break;
			cuts++;
			OK(make_key_new(&u, &e));
			assert_true(bytes_equal(&key, &u.evidence[EVIDENCE_LEAF_PUBLIC]));
			OK(make_key(&u, 'n', false, &made, &e));
			assert_int_equal(made.made, 0);
		}
	assert_in_range(cuts, 8, 2 * FRAMES_MAX - 4);
	unit_end(&u);
}

/* ---- the TPM is left as it was found ---- */

/* Loads what a station loads, and is killed with it; the unit keeps its power. */
static void killed_at_work(const struct usb_facts *facts)
{
	struct rig_unit u;
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct err why = {0};
		bool ok = rig_open(&u, driver, false, facts, &why) && do_read_ak(&u, &why);
		_exit(ok ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void unit_of_a_killed_station_is_cleaned_and_used(void **state)
{
	struct usb_facts facts;
	struct rig_unit u;
	struct driver_key_made made;
	rig_make_new(SERIAL);
	rig_plug(SERIAL, &facts);
	for (int round = 0; round < 4; round++)	/* a TPM has three transient slots */
		killed_at_work(&facts);
	OK(rig_open(&u, driver, wrapped, &facts, &e));
	OK(do_read_ak(&u, &e));
	OK(make_key(&u, 1, true, &made, &e));
	if (wrapped) {
		assert_int_equal(kill(u.child, SIGKILL), 0);
		REFUSED(do_identify(&u, &e), E_CHILD_LOST);
	}
	rig_close(&u);
	OK(rig_open(&u, driver, wrapped, &facts, &e));
	OK(make_key(&u, 1, false, &made, &e));
	assert_int_equal(made.made, 0);
	unit_end(&u);
}

static bool proc_says(int pid, const char *words)
{
	char path[64], text[4096];
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	return strstr(text, words) != NULL;
}

static void driver_runs_locked_in(void **state)
{
	struct rig_unit u;
	if (!wrapped)
		skip();
	unit_begin(&u, SERIAL);
	assert_true(proc_says(u.child, "Seccomp:\t2"));
	assert_true(proc_says(u.child, "NoNewPrivs:\t1"));
	assert_true(proc_says(u.child, "Threads:\t1"));
	unit_end(&u);
}

static int test_end(void **state)
{
	rig_clear();
	return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, test_end)

static int run(const struct driver *d)
{
	const struct CMUnitTest tests[] = {
		TEST(identity_is_the_same_twice),
		TEST(ek_is_read_twice_the_same_and_nothing_is_made),
		TEST(key_is_made_once_and_found_again),
		TEST(key_of_another_job_stays_unless_it_may_be_replaced),
		TEST(judge_accepts_ek_attestation_and_installation),
		TEST(credential_of_another_challenge_is_refused),
		TEST(bundle_is_written_once_and_read_back_from_the_device),
		TEST(finished_unit_refuses_writes_and_is_recognised),
		TEST(ek_that_is_missing_is_made_of_the_template),
		TEST(ek_that_is_foreign_stays_unless_it_may_be_replaced),
		TEST(busy_unit_is_asked_again_until_the_time_is_up),
		TEST(slow_unit_ends_at_the_deadline_and_its_late_answer_is_not_taken),
		TEST(unit_that_moves_too_much_is_cut_off),
		TEST(unplug_in_any_moment_says_gone_and_a_replug_goes_on),
		TEST(unplug_while_opening_says_gone),
		TEST(power_cut_in_install_leaves_the_old_or_the_new_bundle),
		TEST(power_cut_in_the_devices_commit_leaves_the_old_or_the_new_bundle),
		TEST(power_cut_in_make_key_still_gives_the_one_key_of_the_job),
		TEST(unit_of_a_killed_station_is_cleaned_and_used),
		TEST(driver_runs_locked_in),
	};
	char name[DRIVER_TEXT + 16];
	driver = d;
	snprintf(name, sizeof(name), "%s, %s", d->name, wrapped ? "wrapped" : "bare");
	printf("%s\n", name);
	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	int failed = 0;
	if (argc < 3)
		return 2;
	wrapped = strcmp(argv[2], "wrapped") == 0;
	rig_start(argv[1]);
	for (int i = 3; i < argc; i++)
		failed += driver_find(argv[i]) ? run(driver_find(argv[i])) : 1;
	for (const struct driver *const *d = driver_table; argc == 3 && *d; d++)
		failed += run(*d);
	rig_stop();
	return failed != 0;
}
