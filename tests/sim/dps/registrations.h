/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registration records: what became of a device that proved itself. A record is kept under its
 * registration id in lower case and holds `state` (DeviceRegistrationState), `proof` (what it proved itself
 * with) and, for the service alone, the group and every hub it was ever assigned to.
 */
#ifndef SIM_DPS_REGISTRATIONS_H
#define SIM_DPS_REGISTRATIONS_H

#include "prove.h"

/*
 * Assigns the device: chooses the hub by policy and re-provisioning policy, puts the device there,
 * keeps the record. *ret_record is lent, or NULL when there is no hub to assign to. False when the
 * state could not be written.
 */
bool registration_assign(struct service *svc, const struct proof *p, const json_t **ret_record);

const json_t *registration_find(const struct service *svc, const char *registration_id);

/* DeviceRegistrationResult of device.json: the state and what the device proved. */
json_t *registration_result(const json_t *record);

#endif
