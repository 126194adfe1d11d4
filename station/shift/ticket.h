/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STATION_SHIFT_TICKET_H
#define STATION_SHIFT_TICKET_H

#include "db/lots.h"
#include "station/shift/label.h"

/* What a unit begins with, settled before its job. */
struct ticket {
	int profile;		/* index; the open lot's, else the slot's */
	char label[LABEL];	/* "": the unit's own serial number is its label */
	char lot[LOT_ID];	/* "" without */
	char person[PERSON_ID];
	bool override;		/* a lead's second badge stands for this unit (admission.c): the MES's refusal does not hold it */
};

#endif
