/* SPDX-License-Identifier: Apache-2.0 */
/* The fixture: one worker thread per slot, which waits for a device in its port, runs its job, and waits until it is gone.
 * Screens and sockets get copies (struct slot_view), never a job. */
#ifndef STATION_SLOTS_H
#define STATION_SLOTS_H

#include "station/base/json.h"
#include "station/job.h"

/* A slot as others see it. */
struct slot_view {
	char name[33], port[96], profile[33];
	uint32_t row, column;	/* in the jig as built, from 1; 0: not configured */
	char label[LABEL], lot[LOT_ID];
	char waits_for[8];	/* before any work: "badge", "lot", "label", "tray", "outbox", "mes"; else "" */
	int try, tries;		/* of the stage that it is in */
	int64_t next_try_ms;	/* wall clock, while it waits for one; 0 else */
	bool present;		/* a device is in the port */
	bool working;		/* a job runs */
	enum job_state state;
	int stage;
	char serial[65], registration_id[129], hub[129], device_id[129];
	enum job_verdict verdict;
	bool safe_to_remove;
	bool recognised;
	struct err error;	/* code E_NONE: none */
	int64_t since_ms;	/* wall clock */
	uint32_t took_ms[STAGES_MAX];
	char checkpoint[SIGNER_NOTE_MAX];
};

/* A device that is in no slot. */
struct stray_view {
	struct usb_facts usb;
	bool present;
};

/* Hears of every change, from the thread in which it happens; must not block long. One of the two is set. */
typedef void slots_changed(void *ctx, const struct slot_view *slot, const struct stray_view *stray);

struct slots;

WARN_UNUSED bool slots_start(struct line *line, slots_changed *changed, void *ctx, struct slots **ret, struct err *e);
/* What the bus says; a usb_seen. ctx is the struct slots. */
void slots_seen(void *ctx, enum usb_event event, const struct usb_facts *facts);
/* Lets running stages end, then ends the workers. The slots can still be looked at until they are freed. */
void slots_stop(struct slots *s);
void slots_free(struct slots *s);

/* Something was scanned, or somebody came: units that wait before their work ask again. */
void slots_wake(struct slots *s);
/* The slot's unit ends as HOLD (E_HELD) before its next try, or at once while it waits. E_SLOT_NAME where there is none to hold. */
WARN_UNUSED bool slots_hold(struct slots *s, const char *name, struct err *e);
/* Units that are in a slot now. */
size_t slots_present(struct slots *s);

size_t slots_count(const struct slots *s);
void slots_look(struct slots *s, size_t index, struct slot_view *ret);

/* The view of an empty slot; of one whose unit waits for something before its work; and of one with this job. */
void slot_view_clear(struct slot_view *v, const struct config *config, const struct config_slot *slot);
void slot_view_wait(struct slot_view *v, const struct config_profile *profile, const struct usb_facts *usb, const char *what,
		    const struct err *why);
void slot_view_fill(struct slot_view *v, const struct job *j);

/* {"name":…} as docs/control.md says. The caller drops it. */
json_t *slot_view_json(const struct slot_view *v);
json_t *stray_view_json(const struct stray_view *v);

#endif
