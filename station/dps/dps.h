/* SPDX-License-Identifier: Apache-2.0 */
/* The service API of DPS (data plane, api-version 2021-10-01): what the station asks as itself.
 *
 * A `struct dps` is one provisioning service as the configuration names it; many threads use it at once. Every call has
 * a steady deadline and is one request: waiting and trying again is the caller's. Errors: what http.h says, and by the
 * service's answer (answer.h): 401, 403 E_DPS_AUTH; 408, 429, 5xx E_DPS_BUSY; 409, 412 E_CONFLICT; another refusal
 * E_DPS_REFUSED; an answer not understood E_DPS_ANSWER. native is the service's six-digit code, or the HTTP status; the
 * text holds the service's own words. */
#ifndef STATION_DPS_DPS_H
#define STATION_DPS_DPS_H

#include "station/dps/auth.h"
#include "station/dps/enrollment.h"
#include "station/dps/http.h"

#define DPS_API_VERSION "2021-10-01"
#define DPS_GLOBAL_ENDPOINT "https://global.azure-devices-provisioning.net"
#define ARM_ENDPOINT "https://management.azure.com"

/* As the configuration says it: plain strings, copied by dps_open. NULL or "" where not given. */
struct dps_setup {
	const char *endpoint;		/* "https://NAME.azure-devices-provisioning.net" */
	const char *global_endpoint;	/* where devices register; NULL: DPS_GLOBAL_ENDPOINT */
	const char *id_scope;		/* "0ne…" */
	const char *auth;		/* "policy-key", "connection-string", "sas-token", "bearer-token"; NULL: none */
	const char *policy;		/* name of the policy, for policy-key */
	const char *secret;		/* reference, for all of them */
	bool any_host;			/* see auth.h */
	const char *ca_file, *proxy;	/* see http.h */
	const char *proxy_secret;	/* reference of "USER:PASSWORD" */
	int connect_ms;			/* see http.h */
	const char *arm_endpoint;	/* NULL: ARM_ENDPOINT */
	const char *arm_id;		/* "/subscriptions/…/providers/Microsoft.Devices/provisioningServices/NAME" */
	const char *arm_secret;		/* reference of a bearer token for ARM */
};

struct dps;

/* Checks every string and reads the secrets once; sends nothing. http_start() comes before. E_CONFIG, E_SECRET, E_DPS_AUTH. */
WARN_UNUSED bool dps_open(const struct dps_setup *setup, struct dps **ret, struct err *e);
void dps_close(struct dps *d);

/* Lent, as long as d lives. */
const char *dps_endpoint(const struct dps *d);
const char *dps_global_endpoint(const struct dps *d);
const char *dps_id_scope(const struct dps *d);
const char *dps_arm_id(const struct dps *d);	/* "" if ARM is not configured */
const struct http_setup *dps_http(const struct dps *d);

/* *found false and true returned if there is no such group. ret->etag is for the next put. */
WARN_UNUSED bool dps_get_group(struct dps *d, const char *id, int64_t deadline_ms, bool *found, struct group *ret, struct err *e);

/* Makes the group (etag NULL: E_CONFLICT if it is there already), or replaces it if it is still what `base` was read as
 * (etag of base; E_CONFLICT if someone changed it meanwhile). ret is what the service has now. */
WARN_UNUSED bool dps_put_group(struct dps *d, const struct group_wanted *wanted, const struct group *base, int64_t deadline_ms,
			       struct group *ret, struct err *e);

/* What the service keeps about a device that registered. */
struct registration {
	char id[GROUP_ID_MAX];
	char status[16];	/* unassigned, assigning, assigned, failed, disabled */
	char substatus[48];
	char hub[256];
	char device_id[129];
	char etag[ETAG_MAX];
	int error_code;		/* of the service; 0: none */
	char error_message[160];
};

/* Reads a DeviceRegistrationState; members that are missing stay "". E_DPS_ANSWER for a wrong type or length. */
WARN_UNUSED bool registration_parse(const json_t *state, struct registration *ret, struct err *e);

WARN_UNUSED bool dps_get_registration(struct dps *d, const char *id, int64_t deadline_ms, bool *found, struct registration *ret,
				      struct err *e);

/* Removes the record, which is not the device in the hub. One that is not there counts as removed. */
WARN_UNUSED bool dps_delete_registration(struct dps *d, const char *id, int64_t deadline_ms, struct err *e);

/* One authorised request to a plane, for the other files of this room. `path` is appended to the plane's endpoint;
 * response zeroed. */
enum dps_plane { DPS_SERVICE, DPS_ARM };
struct dps_call {
	enum dps_plane plane;
	const char *method, *path, *if_match, *body;
	size_t body_len;
	bool want_hops;
	int64_t deadline_ms;
};
WARN_UNUSED bool dps_send(struct dps *d, const struct dps_call *call, struct http_response *ret, struct err *e);

#endif
