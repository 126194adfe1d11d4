/* SPDX-License-Identifier: Apache-2.0 */
/* Stage admit: whether this unit may begin here. Its label fits what it says of itself, its lot has it on the list and has room for
 * it, and the MES releases it. Nothing was made, counted or signed before. */
#ifndef STATION_ADMISSION_H
#define STATION_ADMISSION_H

#include "station/job.h"

/* E_LABEL (label and serial number differ where the profile wants them equal), E_NOT_LISTED, E_LOT_FULL, and relay_check_in's. A
 * unit that the ledger knows as done is asked for like any other. */
WARN_UNUSED bool admission(struct job *j, struct err *e);

#endif
