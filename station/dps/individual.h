/* SPDX-License-Identifier: Apache-2.0 */
/* Individual enrollments as JSON (the service API's IndividualEnrollment, api-version 2021-10-01): built from typed
 * parts, and compared in canonical form (individual_view.h). Pure.
 *
 * The service answers with more, and less, than it was told: it adds state and dates, replaces a certificate by `info`
 * about it, spells ids in its own case, and fills in defaults. So an enrollment that is there already is compared by
 * meaning. */
#ifndef STATION_DPS_INDIVIDUAL_H
#define STATION_DPS_INDIVIDUAL_H

#include "station/base/json.h"

enum individual_reprovision {
	REPROVISION_MIGRATE,	/* updateHubAssignment, migrateDeviceData: the service's default */
	REPROVISION_RESET,	/* updateHubAssignment only: back to the initial twin */
	REPROVISION_NEVER,
};

/* Exactly one of leaf and ek is given. Texts may be NULL or "" where they may be left out. */
struct individual_wanted {
	const char *registration_id;
	const struct bytes *leaf;	/* attestation x509: DER of the device's certificate, sent as clientCertificates.primary */
	const struct bytes *ek;		/* attestation tpm: TPM2B_PUBLIC with its size */
	const char *device_id;		/* in the hub; left out: the registration id */
	const char *hub;		/* host name; left out: any that is linked */
	const char *allocation;		/* hashed, geoLatency, static; left out: the instance's */
	const json_t *twin;		/* initialTwin: {"tags":{…},"properties":{"desired":{…}}}; NULL: none */
	enum individual_reprovision reprovision;
	bool edge;			/* capabilities.iotEdge */
	bool disabled;			/* it stands there to block what it names */
};

/* Appends the body of a PUT, canonical JSON, which is also what the outbox keeps: enabled unless said otherwise, nothing that is
 * the service's own. It holds no secret. E_CONFIG (id), E_JSON. */
WARN_UNUSED bool individual_body(const struct individual_wanted *wanted, struct bytes *ret, struct err *e);

/* True if `theirs`, as the service gave it, means the same as `body`, as individual_body made it: ids without case, the
 * certificate by its SHA-256 thumbprint or its bytes in whatever encoding, the endorsement key by its bytes, defaults
 * filled in, enabled. An allocation that is left out may come back as "hashed", the default of an instance. The storage
 * root key, and members that are not known, do not count. Otherwise E_CONFLICT, whose text names the first member that
 * differs and both values ("hub: a.azure-devices.net here, b.azure-devices.net there"), and *ret_difference, where not
 * NULL, gets all of them, one per line. E_DPS_ANSWER where theirs is no enrollment. */
WARN_UNUSED bool individual_is_same(const json_t *body, const json_t *theirs, struct bytes *ret_difference, struct err *e);

/* True if both name the same certificate or endorsement key, whatever else they say. Else E_CONFLICT, with both. E_DPS_ANSWER. */
WARN_UNUSED bool individual_is_same_proof(const json_t *body, const json_t *theirs, struct err *e);

/* Appends the same enrollment, disabled: it then keeps out what it names. E_JSON. */
WARN_UNUSED bool individual_disabled(const struct bytes *body, struct bytes *ret, struct err *e);

#endif
