/* SPDX-License-Identifier: Apache-2.0 */
/* The ways into the provisioning service: what the stages sign, enroll and verify are for each of its attestations
 * (station/config.h, enum attestation). Picked once, when the unit is detected, by its profile. */
#ifndef STATION_WAY_H
#define STATION_WAY_H

#include "station/dps/runtime.h"
#include "station/job.h"
#include "station/regid.h"

struct way {
	const char *name;	/* as in profiles */
	bool certificate;	/* the unit gets a leaf and registers by it; else by its endorsement key */
	/* Has the identity counted, and signed where there is something to sign. Run again it changes nothing. */
	bool (*sign)(struct job *j, struct err *e);
	/* Makes the identity known to the service. True with j->unsent when the service could not be reached: it waits in the outbox. */
	bool (*enroll)(struct job *j, struct err *e);
	/* Registers as the unit itself will, with the unit's own key. */
	bool (*rehearse)(struct job *j, struct runtime_result *ret, struct err *e);
};

const struct way *way_of(const struct config_profile *profile);

/* The device's id in its hub, as the profile has it: E_ID_UNIT where what the unit says of itself makes none. The
 * registration id must be in the row. */
WARN_UNUSED bool way_device_id(const struct job *j, char ret[static DEVICE_ID_ROOM], struct err *e);

/* As the service spells it: "hashed", "geoLatency", "static"; "" leaves it to the instance. */
const char *way_allocation(const struct config_profile *profile);

/* True if the service knows the unit by now; otherwise why it does not: the outage that enroll met, or what came of it since. */
WARN_UNUSED bool way_is_enrolled(struct job *j, struct err *e);

/* True if the unit is where the profile wants it, and what it wants it to be: E_REHEARSAL. */
WARN_UNUSED bool way_is_where_wanted(const struct job *j, const struct registration *state, struct err *e);

#endif
