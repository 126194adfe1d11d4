/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at the line now: nobody, a person whose PIN is still wanted, somebody, or somebody whose session is locked. The line has
 * one session, which outlives every console. It locks after [people] idle_minutes without a scan or a unit, but never in the middle
 * of a tray (while any unit is in a slot). Without [people] file everybody may do everything, and has no pseudonym. Thread-safe.
 * Logging in and out, locking, and an override are audit entries ("person.in", "person.out", "person.locked", "person.override")
 * and events for the MES. */
#ifndef STATION_SHIFT_SESSION_H
#define STATION_SHIFT_SESSION_H

#include "station/shift/people.h"

struct line;
struct session;

enum session_state { SESSION_OPEN_TO_ALL, SESSION_NOBODY, SESSION_WANTS_PIN, SESSION_IN, SESSION_LOCKED };

struct session_view {
	enum session_state state;
	struct person person;	/* of WANTS_PIN, IN and LOCKED */
	bool wants_second;	/* an override waits for a lead's badge (and PIN) */
	int pin_digits;		/* typed or scanned so far */
};

WARN_UNUSED bool session_open(struct line *l, struct session **ret, struct err *e);
void session_close(struct session *s);
void session_look(struct session *s, struct session_view *ret);

/* A badge was scanned: logs in, hands over to another person, unlocks, or is the second badge that an override waits for. */
WARN_UNUSED bool session_badge(struct session *s, const char *badge, struct err *e);
/* A PIN came, whole (typed), or one digit of the cards. */
WARN_UNUSED bool session_pin(struct session *s, const struct bytes *pin, struct err *e);
WARN_UNUSED bool session_pin_digit(struct session *s, char digit, struct err *e);
WARN_UNUSED bool session_pin_enter(struct session *s, struct err *e);
/* "out", "lock". */
WARN_UNUSED bool session_leave(struct session *s, bool lock, struct err *e);

/* May the person who is here do this? E_NO_PERSON, E_SESSION_LOCKED, E_RIGHTS. *ret_person "" where nobody has to say who he is. */
WARN_UNUSED bool session_may(struct session *s, enum doing doing, char ret_person[static PERSON_ID], struct err *e);

/* Something moved at the line: the idle time begins again. `units` in slots now. Called each second by the line, which locks. */
void session_moved(struct session *s);
void session_tick(struct session *s, size_t units);

#endif
