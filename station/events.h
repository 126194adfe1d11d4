/* SPDX-License-Identifier: Apache-2.0 */
/* `station run`'s own voice: one line per event on standard output, for a person or (--json) for a machine. */
#ifndef STATION_EVENTS_H
#define STATION_EVENTS_H

#include "station/slots.h"
#include "station/uplink.h"

#include <pthread.h>

struct events {
	pthread_mutex_t lock;
	bool json;
	bool offline;	/* as it was said last */
	struct { char name[33]; int stage; enum job_state state; enum job_verdict verdict; } last[CONFIG_SLOTS_MAX];
};

void events_init(struct events *ev, bool json);
/* A change of a slot or of a stray device. */
void events_slot(struct events *ev, const struct slot_view *v);
void events_stray(struct events *ev, const struct stray_view *v);
/* What waits for the service; a person hears of the begin and end of an outage. */
void events_outbox(struct events *ev, const struct uplink_view *v);
/* "ready", "unfit", "stopping", "stopped": with a sentence. */
void events_line(struct events *ev, const char *what, const char *sentence);
/* A row of preflight. */
void events_preflight(struct events *ev, const char *name, bool ok, const char *text);

#endif
