/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_UNIT_H
#define SIM_UNIT_H

/*
 * One simulated device as a thing on the bench: its directory, its firmware, and the thread that is its processor.
 * It has power exactly while it is plugged in. There are two kinds: with a TPM behind the TPM bridge, and without one on a tty;
 * what differs between them ends here.
 */

#include "model.h"
#include "tty_model.h"

/* What the bus wants to hear; called from the unit's own thread, without any of its locks. */
struct unit_listener {
	void (*progress)(void *context); /* OUT may be taken again, or IN has something */
	void (*power_cut)(void *context); /* the device is gone; unplug it from another thread */
	void *context;
};

struct unit {
	char dir[400];
	bool has_tty; /* the firmware is `tty`; else it is `model` */
	struct model model;
	struct tty_model tty;
	struct unit_listener listener;
	pthread_t thread;
	bool on;
};

/* Reads DIR/device.json: serial, model, revision; "kind": "serial" is one on a tty. */
MUST_CHECK bool unit_init(struct unit *u, const char *dir, struct why *w);
/* Takes the power away if need be. Takes a zeroed unit. */
void unit_fini(struct unit *u);

MUST_CHECK bool unit_power_on(struct unit *u, const struct unit_listener *listener, struct why *w);
/* As if the plug were pulled: the TPM is killed, the thread has ended when this returns. Off already is fine. */
void unit_power_off(struct unit *u);

/* The firmware, of either kind. Bytes of the bulk endpoints: as model_out and model_in have it. */
size_t unit_out(struct unit *u, const uint8_t *data, size_t len);
bool unit_in(struct unit *u, uint8_t *data, size_t room, size_t *ret_len, bool *overflow);
/* Whoever had the device open has gone. */
void unit_released(struct unit *u);
MUST_CHECK bool unit_knob(struct unit *u, const char *name, const char *value, struct why *w);
void unit_stats(struct unit *u, char *text, size_t room);
/* What USB calls its serial number: of a device on a tty that is its bridge's. */
const char *unit_usb_serial(const struct unit *u);

#endif
