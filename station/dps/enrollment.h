/* SPDX-License-Identifier: Apache-2.0 */
/* Enrollment groups as JSON (the service API's EnrollmentGroup, api-version 2021-10-01), both ways. Pure.
 *
 * The service keeps certificates to itself: it takes them as text and answers with `info` about them only. So a group is
 * compared by thumbprints, and a group that is changed gets its certificates anew; info alone is never sent back. */
#ifndef STATION_DPS_ENROLLMENT_H
#define STATION_DPS_ENROLLMENT_H

#include "station/base/json.h"
#include "station/base/sha256.h"

#define GROUP_ID_MAX 129
#define CA_NAME_MAX 257
#define ETAG_MAX 128

/* Ids of groups and registrations: 1 to 128 of letters, digits and - . _ : beginning and ending with letter or digit. */
bool enrollment_id_is_valid(const char *id);

/* What a group should be. Certificates win over references; PEM text. */
struct group_wanted {
	const char *id;
	const char *primary_pem, *secondary_pem;	/* signingCertificates; NULL: none */
	const char *primary_ca, *secondary_ca;	/* caReferences: names of CAs on this DPS; NULL: none */
	const char *allocation;	/* hashed, geoLatency, static; NULL: leave it as it is */
	bool disabled;		/* it stands there to keep out what hangs from its certificates */
};

/* Appends the body of a PUT: enabled unless said otherwise, attested by X.509 as wanted; all else comes from `base`, the
 * group as the service gave it, so that twins, hubs and policies stay, or where base is NULL is left to the service's
 * defaults. E_JSON, E_CONFIG (id, or no certificate). */
WARN_UNUSED bool group_body(const struct group_wanted *wanted, const json_t *base, struct bytes *ret, struct err *e);

struct group_ca {
	bool has_info;
	uint8_t sha256[SHA256_SIZE];	/* if has_info */
	char reference[CA_NAME_MAX];	/* "" if none */
};

struct group {
	char id[GROUP_ID_MAX];
	char etag[ETAG_MAX];	/* with the quotes that are part of it */
	bool enabled;
	bool by_x509;
	struct group_ca ca[2];	/* primary, secondary */
	char allocation[32];	/* hashed, geoLatency, static, custom; "": the instance's */
	int hub_count;		/* hubs that the group names; 0: all that are linked */
	char hub[256];		/* the first of them; "" if none */
	json_t *raw;		/* all of it */
};
void group_fini(struct group *g);
AUTO_DEFINE(group, struct group)

/* Reads a group as the service answers it. E_DPS_ANSWER. */
WARN_UNUSED bool group_parse(const void *text, size_t len, struct group *ret, struct err *e);

#endif
