/* SPDX-License-Identifier: Apache-2.0 */
/* Device registries of IoT hubs (hub REST API, api-version 2021-04-12), as far as a station has to do with them: closing a device's
 * way in. Needs a policy of each hub with RegistryRead and RegistryWrite, which a production line must not have.
 *
 * Every call is one or two requests by a steady deadline. Errors as in dps.h; E_HUB_KEY where no key of this hub is here. */
#ifndef STATION_DPS_HUB_H
#define STATION_DPS_HUB_H

#include "station/net/http.h"

struct hub_setup {
	const char *keys;	/* directory: a file per hub, named by its host, with a connection string; readable by us alone */
	const char *gateway;	/* "https://HOST[:PORT]" that serves each hub under /hubs/HOST/; NULL or "": https://HOST itself */
	const struct http_setup *http;	/* lent during the call */
};

/* Disables the device, which keeps its keys and its twin; one that is disabled already stays as it is. *found false and true
 * returned if the hub does not know it. `reason`, 1 to 128 characters, is what the registry shows. E_CONFLICT if somebody changed
 * it at the same moment. */
WARN_UNUSED bool hub_disable_device(const struct hub_setup *setup, const char *host, const char *device_id, const char *reason,
				    int64_t deadline_ms, bool *found, struct err *e);

#endif
