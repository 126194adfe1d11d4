/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance: the plug is pulled, and the power goes. */
#include "life.h"

#include <stdio.h>
#include <string.h>

#define FRAMES_MAX 40

static void unplug_in_any_moment_says_gone_and_a_replug_goes_on(void **state)
{
	for (size_t i = 0; i < moment_count(); i++) {
		struct rig_unit u;
		struct err why = {0};
		unit_begin(&u, now.serial);
		live(&u, i);
		rig_ask("knob %s cut_before 1", now.serial);
		if (moment_at(i)->run(&u, &why) || why.code != E_USB_GONE)
			fail_msg("%s: %s %s", moment_at(i)->name, err_row(why.code)->code, why.what);
		unit_after_cut(&u, now.serial);
		live(&u, i + 1);
		unit_end(&u);
	}
}

static void unplug_while_opening_says_gone(void **state)
{
	for (int frame = 1; frame <= (by_tpm() ? 3 : 1); frame++) {
		struct rig_unit u;
		struct usb_facts facts;
		struct err why = {0};
		rig_make_new(now.serial);
		rig_ask("knob %s cut_before %d", now.serial, frame);
		rig_plug(now.serial, &facts);
		assert_false(rig_open(&u, now.driver, now.wrapped, now.serial, &facts, &why));
		assert_int_equal(why.code, E_USB_GONE);
		rig_wait_left();
		rig_close(&u);
	}
}

/* Cuts the power around the nth frame of `run`; false when run has fewer frames. */
static bool cut_around(struct rig_unit *u, const char *knob, int n, bool (*run)(struct rig_unit *, struct err *))
{
	struct err why = {0};
	char unplugged[DRIVER_TEXT + 8];
	snprintf(unplugged, sizeof(unplugged), " %s:0:", now.serial);
	rig_ask("knob %s %s %d", now.serial, knob, n);
	bool done = run(u, &why);
	if (!done)
		assert_int_equal(why.code, E_USB_GONE);
	bool cut = !done || strstr(rig_ask("list"), unplugged);
	rig_ask("knob %s %s 0", now.serial, knob);
	if (cut)
		unit_after_cut(u, now.serial);
	return cut;
}

static bool install_new(struct rig_unit *u, struct err *e)
{
	const struct driver_bundle b = bundle_of('n', now.new_len);
	return install(u, &b, e);
}

static void power_cut_in_install_leaves_the_old_or_the_new_bundle(void **state)
{
	static const char *const knobs[] = {"cut_before", "cut_after"};
	const struct driver_bundle old = bundle_of('o', now.old_len), new = bundle_of('n', now.new_len);
	struct rig_unit u;
	unsigned cuts = 0;
	unit_begin(&u, now.serial);
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
	const struct { const char *when; uint32_t len; } cuts[] = {{"before-rename", now.old_len}, {"after-rename", now.new_len}};
	const struct driver_bundle old = bundle_of('o', now.old_len);
	for (size_t i = 0; i < COUNT_OF(cuts); i++) {
		struct rig_unit u;
		unit_begin(&u, now.serial);
		OK(install(&u, &old, &e));
		rig_ask("knob %s cut_commit %s", now.serial, cuts[i].when);
		REFUSED(install_new(&u, &e), E_USB_GONE);
		rig_ask("knob %s cut_commit never", now.serial);
		unit_after_cut(&u, now.serial);
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

/* A key that a TPM derives is the same whenever it is made. A unit that makes its keys by chance has the one that it first
 * showed: there it is not made anew. */
static void power_cut_in_make_key_still_gives_the_one_key_of_the_job(void **state)
{
	static const char *const knobs[] = {"cut_before", "cut_after"};
	struct rig_unit u;
	struct driver_key_made made;
	uint8_t key[SHA256_SIZE], again[SHA256_SIZE];
	unsigned cuts = 0;
	unit_begin(&u, now.serial);
	OK(key_known(&u, 'n', key, &e));
	for (size_t k = 0; k < COUNT_OF(knobs); k++)
		for (int n = 1; n < FRAMES_MAX; n++) {
			if (by_tpm())
				OK(make_key(&u, 'o', true, &made, &e));
			if (!cut_around(&u, knobs[k], n, make_key_new))
				break;
			cuts++;
			OK(key_known(&u, 'n', again, &e));
			assert_memory_equal(key, again, SHA256_SIZE);
			OK(make_key(&u, 'n', false, &made, &e));
			assert_int_equal(made.made, 0);
		}
	assert_in_range(cuts, by_tpm() ? 8 : 4, 2 * FRAMES_MAX - 4);
	unit_end(&u);
}

/* The key that is being made is whole or not there, and the old one stays until then. */
static void power_cut_while_a_key_is_replaced_leaves_one_key(void **state)
{
	static const char *const knobs[] = {"cut_before", "cut_after"};
	struct rig_unit u;
	struct driver_key_made made;
	uint8_t old[SHA256_SIZE], again[SHA256_SIZE];
	for (size_t k = 0; k < COUNT_OF(knobs); k++) {
		struct err why = {0};
		unit_begin(&u, now.serial);
		OK(key_known(&u, 'o', old, &e));
		rig_ask("knob %s %s key", now.serial, knobs[k]);
		assert_false(make_key_new(&u, &why));
		assert_int_equal(why.code, E_USB_GONE);
		unit_after_cut(&u, now.serial);
		OK(make_key(&u, 'n', true, &made, &e));
		assert_int_equal(made.made, k == 0);	/* after: it was stored before the answer */
		OK(make_key(&u, 'n', false, &made, &e));
		OK(key_known(&u, 'n', again, &e));
		assert_memory_not_equal(old, again, SHA256_SIZE);
		unit_end(&u);
	}
}

const struct conform_test conform_power[] = {
	BOTH(unplug_in_any_moment_says_gone_and_a_replug_goes_on),
	BOTH(unplug_while_opening_says_gone),
	BOTH(power_cut_in_install_leaves_the_old_or_the_new_bundle),
	BOTH(power_cut_in_the_devices_commit_leaves_the_old_or_the_new_bundle),
	BOTH(power_cut_in_make_key_still_gives_the_one_key_of_the_job),
	CSR_ONLY(power_cut_while_a_key_is_replaced_leaves_one_key),
	{0},
};
