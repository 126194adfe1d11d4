/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at the line now: nobody, a person whose PIN is still wanted, somebody, or somebody whose session is locked. The line has
 * one session, which outlives every console. It locks after [people] idle_minutes without a scan or a unit, but never in the middle
 * of a tray (while any unit is in a slot). Without [people] file everybody may do everything, and has no pseudonym. Thread-safe.
 * Logging in and out, locking, and a second badge are audit entries ("person.in", "person.out", "person.locked", "person.second")
 * under the pseudonym, and events for the MES. */
#ifndef STATION_SHIFT_SESSION_H
#define STATION_SHIFT_SESSION_H

#include "station/shift/two.h"

struct line;
struct session;

enum session_state { SESSION_OPEN_TO_ALL, SESSION_NOBODY, SESSION_WANTS_PIN, SESSION_IN, SESSION_LOCKED };
/* "open", "nobody", "wants pin", "in", "locked". */
const char *session_state_name(enum session_state state);

struct session_view {
	enum session_state state;
	struct person person;	/* who is in, or is locked; of WANTS_PIN: whose PIN is wanted; else empty */
	bool wants_second;	/* a second badge is waited for */
	char second[PERSON_ID];	/* whose came last; "" before one did */
	int pin_digits;		/* scanned so far */
};

/* E_SECRET, E_FILE, E_PEOPLE. */
WARN_UNUSED bool session_open(struct line *l, struct session **ret, struct err *e);
void session_close(struct session *s);
void session_look(struct session *s, struct session_view *ret);

/* What came of a badge or a PIN. */
enum session_step { STEP_PIN_WANTED, STEP_IN, STEP_UNLOCKED, STEP_SECOND };

/* A badge was scanned: logs in, hands over to another person, unlocks, or is the second badge that is waited for. A PIN is
 * wanted next of everybody with [people] pin = yes, and of all but operators without. E_BADGE, E_PIN (there is none on record),
 * E_RIGHTS (as a second one), E_TWO_PEOPLE (the same one). */
WARN_UNUSED bool session_badge(struct session *s, const char *badge, enum session_step *ret, struct err *e);
/* A PIN came, whole; or a digit of the cards, and then that it is complete. E_PIN, E_PIN_LOCKED; E_SCAN if none is wanted. */
WARN_UNUSED bool session_pin(struct session *s, const struct bytes *pin, enum session_step *ret, struct err *e);
WARN_UNUSED bool session_pin_digit(struct session *s, char digit, struct err *e);
WARN_UNUSED bool session_pin_enter(struct session *s, enum session_step *ret, struct err *e);
/* Logs out, or locks. E_NO_PERSON. */
WARN_UNUSED bool session_leave(struct session *s, bool lock, struct err *e);

/* From now on a badge is a second one, for a person who may do this, and is not the one who is in; until it came (STEP_SECOND), or
 * session_forget. */
void session_want_second(struct session *s, enum doing doing);
/* Whoever was waited for is waited for no longer. */
void session_forget(struct session *s);

/* May the person who is here do this? E_NO_PERSON, E_SESSION_LOCKED, E_RIGHTS. *ret_person is "" where nobody has to say who he
 * is. */
WARN_UNUSED bool session_may(struct session *s, enum doing doing, char ret_person[static PERSON_ID], struct err *e);

/* Two people show badges and PINs beside the session, which stays as it is. E_TWO_PEOPLE also where everybody may do everything;
 * else those of two_may. */
WARN_UNUSED bool session_two(struct session *s, const struct two_shown *shown, enum doing doing, struct person ret[static 2],
			     struct err *e);

/* Something moved at the line: the idle time begins again. */
void session_moved(struct session *s);
/* Each second: locks when it is time, and no unit is in a slot; logs out who was removed from the people. True if either happened
 * just now. */
bool session_tick(struct session *s, size_t units);

#endif
