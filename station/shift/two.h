/* SPDX-License-Identifier: Apache-2.0 */
/* What takes two people: what both have shown, and whether they may. */
#ifndef STATION_SHIFT_TWO_H
#define STATION_SHIFT_TWO_H

#include "station/shift/people.h"

/* Badge and PIN of the one, badge and PIN of the other. */
struct two_shown {
	struct bytes badge[2], pin[2];
};
void two_shown_fini(struct two_shown *shown);
AUTO_DEFINE(two_shown, struct two_shown)

/* Both must be allowed to do this. E_TWO_PEOPLE (the same), E_BADGE, E_PIN, E_PIN_LOCKED, E_RIGHTS. */
WARN_UNUSED bool two_may(struct people *people, const struct two_shown *shown, enum doing doing, struct person ret[static 2],
			 struct err *e);

#endif
