/* SPDX-License-Identifier: Apache-2.0 */
/* What takes two people: badge and PIN of the one, badge and PIN of the other, typed or from a file of four lines. */
#ifndef STATION_CMD_TWO_PEOPLE_H
#define STATION_CMD_TWO_PEOPLE_H

#include "station/config.h"
#include "station/shift/two.h"

/* What they show; `from`: a file, "-" or NULL for standard input. E_TWO_PEOPLE (fewer lines), E_FILE. */
WARN_UNUSED bool command_read_two(const char *from, struct two_shown *ret, struct err *e);

/* The same, and whether both may do this, without a line. E_TWO_PEOPLE also where there is no [people] file, and those
 * of two_may. */
WARN_UNUSED bool command_two_people(const struct config *c, const char *from, enum doing doing, struct person two[static 2],
				    struct err *e);

#endif
