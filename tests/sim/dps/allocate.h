/* SPDX-License-Identifier: Apache-2.0 */
/* Which linked IoT Hub a device goes to, by the enrollment's or the instance's allocation policy. */
#ifndef SIM_DPS_ALLOCATE_H
#define SIM_DPS_ALLOCATE_H

#include "service.h"

/*
 * hashed: by the registration id over the hubs' weights; geoLatency: the first linked hub stands
 * for the nearest; static: the first hub that the enrollment names. Only hubs that the enrollment
 * lists, when it lists any. The hub's host name lent, or NULL when there is none to choose from.
 */
const char *allocate(const struct service *svc, const json_t *entry, const char *registration_id);

#endif
