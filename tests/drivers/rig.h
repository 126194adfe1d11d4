/* SPDX-License-Identifier: Apache-2.0 */
/* A driver on a simulated device, as the line would have it: the bus is watched by a process of its own, the device's
 * node is opened and given to the driver, either in this process (bare) or in a locked-in child (wrapped), and what
 * the driver gives goes to a judge.
 *
 * Everything here asserts: a test that cannot go on fails where it stands. */
#ifndef TESTS_DRIVERS_RIG_H
#define TESTS_DRIVERS_RIG_H

#include "certs/verifier.h"
#include "drivers/sandbox.h"
#include "drivers/usb.h"
#include "station/base/bytes.h"

#define RIG_MS 10000	/* what a call may take */

/* Starts watching; `dir` is the bench's directory with control, tpm/ and vendor/. Before anything opens a device. */
void rig_start(const char *dir);
void rig_stop(void);

/* One command to the simulated devices; what stands behind "ok". */
const char *rig_ask(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* A count of `stats SERIAL`; 0 where it never happened. */
unsigned rig_count(const char *serial, const char *name);

/* Plugs the unit into port 1 and waits for the bus to show it. */
void rig_plug(const char *serial, struct usb_facts *ret);
void rig_unplug(const char *serial);
/* Unplugs whatever a failed test left. */
void rig_clear(void);
/* Waits until the bus says that the device in port 1 has gone: after a power cut. */
void rig_wait_left(void);
/* Unplugs and removes what was stored: no bundle, factory mode open. A TPM's keys stay. Knobs that every kind has are turned
 * back. */
void rig_make_new(const char *serial);

struct rig_unit {
	char serial[DRIVER_TEXT];	/* by which the simulation knows it; USB may say another */
	const struct driver *driver;	/* whose functions the test calls: the real one, or the sandbox */
	void *state;
	bool wrapped, opened;
	struct usb_link *link;
	int node, line, verifier;
	int child;
	struct verifier *judge;
	struct challenge challenge;
	struct bytes evidence[EVIDENCE_KINDS];
	struct driver_call call;
};

/* Opens the plugged unit, which the simulation knows as `serial`; false with the driver's own error. The judge trusts
 * DIR/vendor. */
bool rig_open(struct rig_unit *u, const struct driver *real, bool wrapped, const char *serial, const struct usb_facts *facts,
	      struct err *e);
void rig_close(struct rig_unit *u);

/* A call with a fresh deadline; forgets the evidence of before when `fresh`. */
const struct driver_call *rig_call(struct rig_unit *u, int64_t ms);
/* Takes the evidence that a wrapped driver sent; after each call. */
void rig_take(struct rig_unit *u);
/* Makes a challenge and brings it to where the driver finds it. */
bool rig_challenge(struct rig_unit *u, enum challenge_about about, struct err *e);

#endif
