/* SPDX-License-Identifier: Apache-2.0 */
/* The shift at a line: who is here, which lot is open, which labels lie where, and what was said to the last code that came. The
 * scanner is the operator's only hand: every code of every console comes to shift_scan, which decides by what it is and by what is
 * waited for. Thread-safe. */
#ifndef STATION_SHIFT_SHIFT_H
#define STATION_SHIFT_SHIFT_H

#include "station/base/json.h"
#include "station/shift/label.h"
#include "station/shift/lot.h"
#include "station/shift/session.h"
#include "station/shift/ticket.h"

#include <pthread.h>

struct line;
struct config_slot;

struct shift {
	struct session *session;
	struct labels *labels;
	struct scan_patterns *patterns;
	pthread_mutex_t lock;	/* what follows */
	struct shift_talk {
		char kind[16];		/* of the last code */
		char sentence[256];	/* what the screen says to it */
		bool good;
		char code[16];		/* "E-…" or "" */
		char todo[256];
		char wants[16];		/* what is scanned next: "", "pin", "slot", "confirm", "second badge" */
		char screen[16];	/* a screen that the code asks for; the console that sent it goes there */
		int64_t at_ms;		/* wall clock */
	} talk;
	struct shift_pending {
		char command[16];	/* the command that waits for its slot, confirmation or second badge; "" none */
		char lot[LOT_ID];	/* which is to be closed */
		char slot[33], serial[65], code[16];	/* of the unit that is to be released, and why it is held */
	} pending;
	struct shift_release {
		char serial[65];
		int64_t until_ms;	/* steady */
	} release[CONFIG_SLOTS_MAX];	/* units for which a second badge stands */
};

/* Sets l->shift, and l->lot. */
WARN_UNUSED bool shift_open(struct line *l, struct err *e);
void shift_close(struct line *l);

/* Everything that must be known before a unit in this slot begins. False with what is missing, all of class OPERATOR: E_NO_PERSON,
 * E_SESSION_LOCKED, E_NO_LOT, E_LABEL_WANTED, E_TRAY_EMPTY, E_LABEL_WHICH. The slot's worker asks again when something was scanned,
 * and each second. */
WARN_UNUSED bool shift_ticket(struct line *l, const struct config_slot *slot, struct ticket *ret, struct err *e);

/* Whether a lead's second badge stands for the unit of this serial number, whatever the MES says of it: from then on for
 * OVERRIDE_MS, in whichever slot and however often it is plugged in, and for no other unit. In memory: a line that starts again
 * asks the MES again. */
#define OVERRIDE_MS 600000
bool shift_overrides(struct line *l, const char *serial);

/* Each second; `units` in slots now. True if the session was locked just now, which everybody should hear. */
bool shift_tick(struct line *l, size_t units);

/* A code came. Returns {"kind","sentence","good","code","todo","wants","screen"}: what the screen says to it. Never NULL but out of
 * memory: a code that is refused is an answer, not an error. Long work (a lot's hand-over) is done here; the caller's thread
 * waits. */
json_t *shift_scan(struct line *l, const char *code);
/* A PIN, typed. The same answer. */
json_t *shift_pin(struct line *l, const struct bytes *pin);

/* {"person":{"id","role","state"},"lot":{"id","product","count","taken"} or null,"label","tray","talk":{…as above, "at_ms"},
 *  "mode":"production"|"training"|"recheck"}. A new object. */
json_t *shift_json(struct line *l);

#endif
