/* SPDX-License-Identifier: Apache-2.0 */
/* What the station shows to the cloud: a row for each kind of credential, all of them made into the value of an
 * Authorization header.
 *
 * The secret is known by reference only and read when it is needed, so that whoever renews a token or rolls a key does
 * it while the line runs. A token made from a key is kept until half of its life is over. One `struct auth` is used by
 * many threads. */
#ifndef STATION_DPS_AUTH_H
#define STATION_DPS_AUTH_H

#include "station/base/bytes.h"

enum auth_kind {
	AUTH_NONE,		/* nothing is shown, and whatever needs it fails with E_DPS_AUTH */
	AUTH_POLICY_KEY,	/* "policy-key": base64 key of a shared access policy, or its connection string */
	AUTH_CONNECTION,	/* "connection-string": HostName=…;SharedAccessKeyName=…;SharedAccessKey=… */
	AUTH_SAS_TOKEN,		/* "sas-token": a ready token, "SharedAccessSignature sr=…" */
	AUTH_BEARER,		/* "bearer-token": a token of Entra ID */
};

/* The kind of a name as above. False if there is none of this name. */
bool auth_kind_find(const char *name, enum auth_kind *ret);

struct auth_setup {
	enum auth_kind kind;
	const char *host;	/* of the service, as in its endpoint */
	const char *policy;	/* name of the policy, for AUTH_POLICY_KEY */
	const char *secret;	/* reference (station/base/file.h) */
	bool any_host;		/* take the connection string of a host that is not DPS by its name (a private cloud) */
};

struct auth;

/* Reads the secret once, to find mistakes early. E_SECRET, E_DPS_AUTH. Strings are copied. */
WARN_UNUSED bool auth_open(const struct auth_setup *setup, struct auth **ret, struct err *e);
void auth_close(struct auth *a);

/* Replaces ret (marked secret) with the header's value for a request at wall time now_ms. E_SECRET, E_DPS_AUTH. */
WARN_UNUSED bool auth_header(struct auth *a, int64_t now_ms, struct bytes *ret, struct err *e);

/* Forgets a kept token after the service refused it. */
void auth_forget(struct auth *a);

#endif
