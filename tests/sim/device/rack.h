/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_RACK_H
#define SIM_RACK_H

/*
 * The devices of a simulation and where each is plugged in.
 * A device is named by its directory below the rack's, which is its serial number unless a test manufactured two of the
 * same. Ports are counted from 1; how a port looks on the bus is the bus's to say.
 *
 * A rack and its bus belong to the program's main thread. Only rack_power_cut is called from elsewhere.
 */

#include "unit.h"

/* What a back end does; `self` is the bus. */
struct bus {
	unsigned ports;
	/* Gives the device power and shows it to the host. */
	bool (*plug)(struct bus *self, unsigned port, struct unit *u, struct why *w);
	/* Takes it from the host and its power away, in the order of a pulled plug. */
	void (*unplug)(struct bus *self, unsigned port);
	/* Writes the port's path, as in 1-1.3. */
	void (*path)(struct bus *self, unsigned port, char *text, size_t room);
	struct rack *rack;
};

struct seat {
	struct unit unit;
	char name[65];
	unsigned port; /* 0: not plugged in */
	_Atomic bool cut;
};

struct rack {
	char dir[300];
	struct bus *bus;
	struct seat **seats;
	size_t count;
	int event_fd; /* readable after a power cut */
};

/* Takes every directory in `dir` that has a device.json. */
MUST_CHECK bool rack_open(struct rack *r, const char *dir, struct bus *bus, struct why *w);
/* Unplugs all. Takes a zeroed rack. */
void rack_close(struct rack *r);

/* Finds a device, also one manufactured since. */
MUST_CHECK bool rack_find(struct rack *r, const char *name, struct seat **ret, struct why *w);
MUST_CHECK bool rack_plug(struct rack *r, struct seat *s, unsigned port, struct why *w);
/* Plugs the first `n` devices, by name, into ports 1 to `n`. */
MUST_CHECK bool rack_plug_first(struct rack *r, unsigned n, struct why *w);
/* Unplugged already is fine. */
void rack_unplug(struct rack *r, struct seat *s);

/* A unit lost its power by itself; rack_settle unplugs it soon. Any thread. */
void rack_power_cut(struct rack *r, const struct unit *u);
/* To call when event_fd is readable. */
void rack_settle(struct rack *r);

#endif
