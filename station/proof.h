/* SPDX-License-Identifier: Apache-2.0 */
/* How a unit proves that its key is its own: what the stages read-key and attest are for a unit with a TPM, and for one
 * that gives a certification request. Picked once, when the unit is detected, by what its driver says
 * (drivers/driver.h, enum driver_proof). */
#ifndef STATION_PROOF_H
#define STATION_PROOF_H

#include "station/job.h"

struct proof {
	/* Finds out which unit this is, by what it cannot change, and takes its row over (station/reserve.h). */
	bool (*read_key)(struct job *j, struct err *e);
	/* Fresh challenge: the job's key is this unit's. Leaves j->attest, and the key in the row. */
	bool (*attest)(struct job *j, struct err *e);
	bool signs_closed;	/* a unit whose factory mode is closed still signs a nonce */
};

const struct proof *proof_of(const struct driver *driver);

#endif
