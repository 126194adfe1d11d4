/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry of the linked IoT Hubs, as far as the provisioning service writes to it: a device
 * that registers by X.509 stands there as selfSigned with the thumbprint of its leaf.
 */
#ifndef SIM_DPS_HUBS_H
#define SIM_DPS_HUBS_H

#include "service.h"

/*
 * Puts the device into the hub, or renews its credentials when it is there already. `from` names
 * the hub that it leaves: its record moves when `migrate`, is made afresh else; NULL: none.
 */
bool hub_admit(struct service *svc, const char *hub, const char *device_id, const char *sha1,
	const json_t *capabilities, const char *from, bool migrate);

#endif
