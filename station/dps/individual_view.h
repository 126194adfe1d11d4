/* SPDX-License-Identifier: Apache-2.0 */
/* An individual enrollment by meaning: one text per member, in a form in which equal texts are equal enrollments, and
 * which a person can read. What a member's absence means is filled in. Pure; for individual.c. */
#ifndef STATION_DPS_INDIVIDUAL_VIEW_H
#define STATION_DPS_INDIVIDUAL_VIEW_H

#include "station/base/json.h"

#define INDIVIDUAL_MEMBERS 11
#define INDIVIDUAL_ATTESTATION 1	/* the member that says by what a device proves itself */

struct individual_view {
	struct bytes value[INDIVIDUAL_MEMBERS];
};
void individual_view_fini(struct individual_view *v);
AUTO_DEFINE(individual_view, struct individual_view)

/* What a person calls the member: "registration id", "attestation", "device id", "hub", … */
const char *individual_member_name(size_t i);

/* Reads an enrollment. `wanted` is the other one, if this is the service's, so that what the service puts into a twin by
 * itself can be told from what was asked for; else NULL. Members that are not known are passed over. E_DPS_ANSWER where
 * this is no enrollment, naming the member. */
WARN_UNUSED bool individual_view(const json_t *entry, const json_t *wanted, struct individual_view *ret, struct err *e);

#endif
