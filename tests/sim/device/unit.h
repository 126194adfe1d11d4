/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_UNIT_H
#define SIM_UNIT_H

/*
 * One simulated device as a thing on the bench: its directory, its firmware, and the thread that is its processor.
 * It has power exactly while it is plugged in.
 */

#include "model.h"

/* What the bus wants to hear; called from the unit's own thread, without any of its locks. */
struct unit_listener {
	void (*progress)(void *context); /* OUT may be taken again, or IN has something */
	void (*power_cut)(void *context); /* the device is gone; unplug it from another thread */
	void *context;
};

struct unit {
	char dir[400];
	struct model model;
	struct unit_listener listener;
	pthread_t thread;
	bool on;
};

/* Reads DIR/device.json: serial, model, revision. */
MUST_CHECK bool unit_init(struct unit *u, const char *dir, struct why *w);
/* Takes the power away if need be. Takes a zeroed unit. */
void unit_fini(struct unit *u);

MUST_CHECK bool unit_power_on(struct unit *u, const struct unit_listener *listener, struct why *w);
/* As if the plug were pulled: the TPM is killed, the thread has ended when this returns. Off already is fine. */
void unit_power_off(struct unit *u);

#endif
