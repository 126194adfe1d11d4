/* SPDX-License-Identifier: Apache-2.0 */
/* What takes two people: badge and PIN of the one, badge and PIN of the other, typed or from a file of four lines. */
#ifndef STATION_CMD_TWO_PEOPLE_H
#define STATION_CMD_TWO_PEOPLE_H

#include "station/config.h"
#include "station/shift/people.h"

/* `from`: a file, "-" or NULL for standard input. Both must be allowed to do this. E_TWO_PEOPLE (the same, fewer lines, no [people]
 * file), E_BADGE, E_PIN, E_PIN_LOCKED, E_RIGHTS, E_FILE. */
WARN_UNUSED bool command_two_people(const struct config *c, const char *from, enum doing doing, struct person two[static 2],
				    struct err *e);

#endif
