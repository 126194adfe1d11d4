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
#include "station/net/http.h"
#include "station/dps/individual.h"
#include "station/dps/pacer.h"

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
	uint32_t per_minute;		/* operations that this station may take of the service's limit; 0: 900 */
	uint32_t in_flight;		/* requests to the service at a time; 0: 4 */
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
	char group[GROUP_ID_MAX];	/* that an X.509 device came by; "": an entry of its own, or not said */
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

/* ---- individual enrollments ---- */

/* Creates (PUT without If-Match): E_CONFLICT if there is one already under this id, whatever it holds; after E_NET, E_DPS_BUSY or
 * E_DPS_ANSWER nobody knows until it was read. */
WARN_UNUSED bool dps_create_individual(struct dps *d, const char *id, const struct bytes *body, int64_t deadline_ms, struct err *e);

/* Replaces it, if it is still what was read (its etag, as the service gave it): E_CONFLICT. Errors as above. */
WARN_UNUSED bool dps_replace_individual(struct dps *d, const char *id, const struct bytes *body, const char *etag,
					int64_t deadline_ms, struct err *e);

/* *found false and true returned if there is none. The caller drops *ret. */
WARN_UNUSED bool dps_get_individual(struct dps *d, const char *id, int64_t deadline_ms, bool *found, json_t **ret, struct err *e);

/* Removes it if it is still what was read (its etag, as the service gave it; NULL: whatever it is): E_CONFLICT. One that is not
 * there counts as removed. What registered by it, and its device in the hub, stay. */
WARN_UNUSED bool dps_delete_individual(struct dps *d, const char *id, const char *etag, int64_t deadline_ms, struct err *e);

/* One of a bulk. */
#define DPS_BULK_MAX 10
struct dps_item {
	const char *id;
	const struct bytes *body;
	struct err err;		/* code E_NONE: created; else as for dps_create_individual, by the service's code for this item */
};

/* Creates up to ten in one request. True when the service answered for the whole: each item's err says what became of it
 * (the `errors` of the answer are judged by code, matched by id without case; an item that is not named was created if
 * isSuccessful, else it is E_DPS_ANSWER: read it). False when the request failed as a whole. */
WARN_UNUSED bool dps_create_bulk(struct dps *d, struct dps_item *items, size_t count, int64_t deadline_ms, struct err *e);

/* How long until the service's pace allows another request, ms. */
int64_t dps_pace_left_ms(struct dps *d);
/* Somebody wants a try at once: a back-off after answers that did not come ends; what the service asked for is kept. */
void dps_hurry(struct dps *d);

/* One authorised request to a plane, for the other files of this room. `path` is appended to the plane's endpoint;
 * response zeroed. */
enum dps_plane { DPS_SERVICE, DPS_ARM };	/* requests to DPS_SERVICE keep the pace (pacer.h) */
struct dps_call {
	enum dps_plane plane;
	const char *method, *path, *if_match, *body;
	size_t body_len;
	bool want_hops;
	uint32_t operations;	/* that the service counts; 0: one */
	int64_t deadline_ms;
};
WARN_UNUSED bool dps_send(struct dps *d, const struct dps_call *call, struct http_response *ret, struct err *e);

/* Also for the other files of this room. Appends the path of one thing with the query that every call has; E_NOMEM, E_TEXT. */
WARN_UNUSED bool dps_path(const char *collection, const char *id, struct bytes *ret, struct err *e);

/* A GET of one thing: a good answer, or *found false and true returned if there is none. */
WARN_UNUSED bool dps_get_one(struct dps *d, const char *collection, const char *id, int64_t deadline_ms, bool *found,
			     struct http_response *ret, struct err *e);

/* The pace of registrations; lent, as long as d lives. */
struct pacer *dps_device_pacer(const struct dps *d);

#endif
