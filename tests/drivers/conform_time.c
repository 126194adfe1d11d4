/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance: busy, slow and talkative units. */
#include "life.h"
#include "drivers/serial.h"
#include "station/base/clock.h"

static void busy_unit_is_asked_again_until_the_time_is_up(void **state)
{
	struct rig_unit u;
	struct driver_identity id;
	struct err why = {0};
	unit_begin(&u, now.serial);
	rig_ask("knob %s busy 3", now.serial);
	OK(identify(&u, &id, &e));
	rig_ask("knob %s busy 100000", now.serial);
	int64_t before_ms = clock_steady_ms();
	assert_false(u.driver->identify(u.state, rig_call(&u, 200), &id, &why));
	assert_int_equal(why.code, E_UNIT_BUSY);
	assert_in_range(clock_steady_ms() - before_ms, 100, 1000);
	rig_ask("knob %s busy 0", now.serial);
	OK(identify(&u, &id, &e));
	unit_end(&u);
}

static bool ask_slowly(struct rig_unit *u, int64_t ms, struct err *e)
{
	struct driver_ek_read ek;
	struct driver_identity id;
	return by_tpm() ? u->driver->read_ek(u->state, rig_call(u, ms), &ek, e) : u->driver->identify(u->state, rig_call(u, ms), &id, e);
}

static void slow_unit_ends_at_the_deadline_and_its_late_answer_is_not_taken(void **state)
{
	struct rig_unit u;
	struct driver_identity id;
	struct err why = {0};
	unit_begin(&u, now.serial);
	rig_ask("knob %s delay_ms 600", now.serial);
	int64_t before_ms = clock_steady_ms();
	assert_false(ask_slowly(&u, 150, &why));
	assert_int_equal(why.code, E_CHILD_SILENT);
	assert_in_range(clock_steady_ms() - before_ms, 140, 580);
	rig_ask("knob %s delay_ms 0", now.serial);
	OK(identify(&u, &id, &e));
	assert_string_equal(id.serial, now.serial);
	OK(ask_slowly(&u, RIG_MS, &e));
	unit_end(&u);
}

/* Bytes are counted in the door, which is the same for every driver; once is enough. */
static void unit_that_moves_too_much_is_cut_off(void **state)
{
	const struct driver_bundle b = bundle_of(3, 8192);
	const uint64_t budget = by_tpm() ? USB_BUDGET_BYTES : SERIAL_BUDGET_BYTES;
	const enum err_code broken = by_tpm() ? E_BRIDGE : E_SERIAL_LINE;
	struct rig_unit u;
	struct driver_identity id;
	struct err why = {0};
	size_t moved = 0;
	if (now.wrapped)
		skip();
	unit_begin(&u, now.serial);
	OK(install(&u, &b, &e));
	while (plain(&u, u.driver->read_back, &why) && moved <= budget)
		moved += b.len;
	assert_int_equal(why.code, broken);
	assert_in_range(moved, budget / 2, budget);
	REFUSED(plain(&u, u.driver->read_back, &e), broken);
	unit_again(&u);
	OK(identify(&u, &id, &e));
	unit_end(&u);
}

const struct conform_test conform_time[] = {
	BOTH(busy_unit_is_asked_again_until_the_time_is_up),
	BOTH(slow_unit_ends_at_the_deadline_and_its_late_answer_is_not_taken),
	BOTH(unit_that_moves_too_much_is_cut_off),
	{0},
};
