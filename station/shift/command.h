/* SPDX-License-Identifier: Apache-2.0 */
/* The cards: a function for each of scan_commands. */
#ifndef STATION_SHIFT_COMMAND_H
#define STATION_SHIFT_COMMAND_H

#include "station/shift/shift.h"

/* `value` is the command without "CMD:", and with its argument: "LOCK", "SLOT:07". */
void command_take(struct line *l, const char *value, struct shift_talk *t);

#endif
