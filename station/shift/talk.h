/* SPDX-License-Identifier: Apache-2.0 */
/* What the screen says to a code, and what waits for the next one: shared by those who take codes (shift.c, arrive.c,
 * command.c). */
#ifndef STATION_SHIFT_TALK_H
#define STATION_SHIFT_TALK_H

#include "station/shift/shift.h"

void talk_say(struct shift_talk *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The error is what the screen says. Returns false. */
bool talk_refuse(struct shift_talk *t, const struct err *e);
/* Whether the person who is here may do this, and who it is; else that is what the screen says. */
bool talk_may(struct line *l, enum doing doing, struct shift_talk *t, char person[static PERSON_ID]);

/* What waits for its slot, its confirmation or its second badge. */
void pending_set(struct shift *s, const struct shift_pending *p);
struct shift_pending pending_look(struct shift *s);
/* Nothing waits any longer. */
struct shift_pending pending_take(struct shift *s);
/* What is to be scanned next: "pin", "confirm", "second badge", "slot" or "". */
const char *pending_wanted(struct shift *s);

#endif
