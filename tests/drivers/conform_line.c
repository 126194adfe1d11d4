/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance of units on a serial line: what such a line does, and what a unit behind it may do on purpose. */
#include "life.h"

#include <string.h>

static void knob(const char *name, const char *value)
{
	rig_ask("knob %s %s %s", now.serial, name, value);
}

/* The unit's line opened anew, as a job that begins again does it; the unit keeps its power. */
static void line_again(struct rig_unit *u, const struct usb_facts *facts)
{
	rig_close(u);
	OK(rig_open(u, now.driver, now.wrapped, now.serial, facts, &e));
}

static void unit_on(struct rig_unit *u, struct usb_facts *facts)
{
	knob("all", "default");
	rig_make_new(now.serial);
	rig_plug(now.serial, facts);
	OK(rig_open(u, now.driver, now.wrapped, now.serial, facts, &e));
}

static void noise_echo_and_a_slow_start_are_normal(void **state)
{
	struct rig_unit u;
	struct usb_facts facts;
	unit_on(&u, &facts);
	knob("noise", "1000");
	knob("echo", "1");
	knob("boot_ms", "150");
	knob("baud", "115200");
	line_again(&u, &facts);
	live(&u, moment_count());
	assert_true(rig_count(now.serial, "noise") > 20);
	knob("all", "default");
	unit_end(&u);
}

static void lost_and_damaged_lines_are_asked_for_again(void **state)
{
	struct rig_unit u;
	struct usb_facts facts;
	unit_on(&u, &facts);
	unsigned lost = rig_count(now.serial, "lost"), damaged = rig_count(now.serial, "damaged");
	unsigned refused = rig_count(now.serial, "refused");
	knob("loss", "40");
	knob("damage", "40");
	live(&u, moment_count());
	assert_true(rig_count(now.serial, "lost") > lost && rig_count(now.serial, "damaged") > damaged);
	assert_int_equal(rig_count(now.serial, "refused"), refused);
	knob("all", "default");
	unit_end(&u);
}

static void restart_in_any_moment_is_found_and_a_new_start_goes_on(void **state)
{
	for (size_t i = 0; i < moment_count(); i++) {
		struct rig_unit u;
		struct usb_facts facts;
		struct err why = {0};
		unit_on(&u, &facts);
		live(&u, i);
		knob("reset_before", "1");
		if (moment_at(i)->run(&u, &why) || why.code != E_SERIAL_LINE)
			fail_msg("%s: %s %s", moment_at(i)->name, err_row(why.code)->code, why.what);
		line_again(&u, &facts);
		live(&u, moment_count());
		unit_end(&u);
	}
}

static void restart_between_pieces_installs_nothing(void **state)
{
	const struct driver_bundle old = bundle_of(1, 900), new = bundle_of(2, 900);
	struct rig_unit u;
	struct usb_facts facts;
	unit_on(&u, &facts);
	OK(install(&u, &old, &e));
	knob("reset_before", "put:3");
	REFUSED(install(&u, &new, &e), E_SERIAL_LINE);
	line_again(&u, &facts);
	OK(plain(&u, u.driver->read_back, &e));
	assert_memory_equal(u.evidence[EVIDENCE_BUNDLE].data, old.data, old.len);
	OK(install(&u, &new, &e));
	unit_end(&u);
}

static void garbage_instead_of_answers_is_asked_for_again(void **state)
{
	struct rig_unit u;
	struct driver_identity id;
	struct usb_facts facts;
	unit_on(&u, &facts);
	knob("garbage", "2");
	OK(identify(&u, &id, &e));
	assert_string_equal(id.serial, now.serial);
	unit_end(&u);
}

static void stalled_unit_ends_at_the_deadline(void **state)
{
	struct rig_unit u;
	struct driver_identity id;
	struct usb_facts facts;
	struct err why = {0};
	unit_on(&u, &facts);
	knob("stall", "1");
	assert_false(u.driver->identify(u.state, rig_call(&u, 700), &id, &why));
	assert_int_equal(why.code, E_CHILD_SILENT);
	knob("stall", "0");
	OK(identify(&u, &id, &e));
	unit_end(&u);
}

static void unit_that_never_stops_talking_is_cut_off(void **state)
{
	struct rig_unit u;
	struct driver_identity id;
	struct usb_facts facts;
	struct err why = {0};
	unit_on(&u, &facts);
	knob("flood", "1");
	while (identify(&u, &id, &why))
		;
	assert_int_equal(why.code, E_SERIAL_LINE);
	knob("flood", "0");
	line_again(&u, &facts);
	OK(identify(&u, &id, &e));
	unit_end(&u);
}

static void version_that_nobody_knows_is_refused(void **state)
{
	struct rig_unit u;
	struct usb_facts facts;
	struct err why = {0};
	unit_on(&u, &facts);
	knob("version", "2");
	rig_close(&u);
	assert_false(rig_open(&u, now.driver, now.wrapped, now.serial, &facts, &why));
	assert_int_equal(why.code, E_SERIAL_VERSION);
	knob("version", "1");
	unit_end(&u);
}

static void full_storage_is_said(void **state)
{
	const struct driver_bundle b = bundle_of(1, 900);
	struct rig_unit u;
	struct driver_key_made made;
	struct usb_facts facts;
	unit_on(&u, &facts);
	OK(make_key(&u, 1, true, &made, &e));
	OK(install(&u, &b, &e));
	knob("storage_full", "1");
	const struct driver_bundle other = bundle_of(2, 900);
	REFUSED(make_key(&u, 2, true, &made, &e), E_UNIT_STORAGE);
	REFUSED(install(&u, &other, &e), E_UNIT_STORAGE);
	REFUSED(finish(&u, &b, &e), E_UNIT_STORAGE);
	knob("storage_full", "0");
	OK(finish(&u, &b, &e));
	unit_end(&u);
}

/* ---- lies, which the judge finds ---- */

static void request_of_a_key_that_does_not_sign_is_refused(void **state)
{
	struct rig_unit u;
	struct attest_verdict verdict;
	struct usb_facts facts;
	unit_on(&u, &facts);
	knob("lie", "key");
	REFUSED(attest(&u, 1, &verdict, &e), E_KEY_SILENT);
	knob("lie", "none");
	line_again(&u, &facts);
	OK(attest(&u, 1, &verdict, &e));
	unit_end(&u);
}

static void request_of_an_earlier_visit_is_refused(void **state)
{
	struct rig_unit u;
	struct attest_verdict verdict;
	struct usb_facts facts;
	unit_on(&u, &facts);
	OK(attest(&u, 1, &verdict, &e));
	knob("lie", "nonce");
	REFUSED(attest(&u, 1, &verdict, &e), E_CSR_NONCE);
	knob("lie", "none");
	unit_end(&u);
}

static void signature_that_is_none_is_refused(void **state)
{
	struct rig_unit u;
	struct attest_verdict verdict;
	struct usb_facts facts;
	unit_on(&u, &facts);
	knob("lie", "silent");
	REFUSED(attest(&u, 1, &verdict, &e), E_KEY_SILENT);
	knob("lie", "none");
	unit_end(&u);
}

static void bundle_that_is_shown_otherwise_is_refused(void **state)
{
	const struct driver_bundle b = bundle_of(1, 900);
	struct rig_unit u;
	struct attest_verdict verdict;
	struct usb_facts facts;
	uint8_t hash[SHA256_SIZE];
	sha256_of(b.data, b.len, hash);
	unit_on(&u, &facts);
	OK(attest(&u, 1, &verdict, &e));
	OK(install(&u, &b, &e));
	knob("lie", "readback");
	OK(rig_challenge(&u, CHALLENGE_KEY, &e));
	OK(plain(&u, u.driver->prove_key, &e));
	OK(plain(&u, u.driver->read_back, &e));
	REFUSED(verifier_judge_install(u.judge, hash, false, &e), E_READ_BACK);
	knob("lie", "none");
	unit_end(&u);
}

const struct conform_test conform_line[] = {
	CSR_ONLY(noise_echo_and_a_slow_start_are_normal),
	CSR_ONLY(lost_and_damaged_lines_are_asked_for_again),
	CSR_ONLY(restart_in_any_moment_is_found_and_a_new_start_goes_on),
	CSR_ONLY(restart_between_pieces_installs_nothing),
	CSR_ONLY(garbage_instead_of_answers_is_asked_for_again),
	CSR_ONLY(stalled_unit_ends_at_the_deadline),
	CSR_ONLY(unit_that_never_stops_talking_is_cut_off),
	CSR_ONLY(version_that_nobody_knows_is_refused),
	CSR_ONLY(full_storage_is_said),
	CSR_ONLY(request_of_a_key_that_does_not_sign_is_refused),
	CSR_ONLY(request_of_an_earlier_visit_is_refused),
	CSR_ONLY(signature_that_is_none_is_refused),
	CSR_ONLY(bundle_that_is_shown_otherwise_is_refused),
	{0},
};
