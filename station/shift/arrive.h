/* SPDX-License-Identifier: Apache-2.0 */
/* Who comes to the line: badges and PINs, also those of a second person, and what they release. */
#ifndef STATION_SHIFT_ARRIVE_H
#define STATION_SHIFT_ARRIVE_H

#include "station/shift/shift.h"

void arrive_badge(struct line *l, const char *value, struct shift_talk *t);
/* A PIN was given: what the session made of it. */
void arrive_pin(struct line *l, bool fits, enum session_step step, const struct err *e, struct shift_talk *t);

#endif
