/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry of the linked IoT Hubs and their twins, as far as the provisioning service writes to them.
 */
#ifndef SIM_DPS_HUBS_H
#define SIM_DPS_HUBS_H

#include "service.h"

struct admission {
	const char *hub, *device_id;
	const char *from;    /* the hub that it leaves, or NULL */
	bool migrate;        /* its record and twin move with it, else both are made afresh */
	const json_t *entry; /* capabilities and initialTwin of what is made */
};

/* What a device is known by: `selfSigned` with the thumbprint of its leaf, or `sas` with two keys (base64). */
json_t *hub_thumbprint(const X509 *leaf);
json_t *hub_keys(const char *primary, const char *secondary);

/* Puts the device into the hub, or renews its credentials (taken) when it is there already. */
bool hub_admit(struct service *svc, const struct admission *d, json_t *take_authentication);

#endif
