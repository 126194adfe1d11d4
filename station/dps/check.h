/* SPDX-License-Identifier: Apache-2.0 */
/* Questions before the first device: is the cloud there, does it know us, does it hold our CA.
 *
 * `check_cloud` walks from the station to the service hop by hop and says a row for each, for `station check-cloud`; the others are
 * claims that preflight makes, one error each. */
#ifndef STATION_DPS_CHECK_H
#define STATION_DPS_CHECK_H

#include "station/dps/dps.h"

struct check_row {
	const char *name;	/* "name", "proxy", "tcp", "tls", "clock", "token", "right" */
	bool ok;
	char text[320];		/* for an engineer; never a secret */
};

/* What this station needs of the service beyond a way to it: something at least. */
#define CHECK_GROUPS_MAX 16
struct check_wanted {
	const char *group[CHECK_GROUPS_MAX];	/* each is read; one that does not exist proves the right too */
	size_t group_count;
	bool individual;	/* individual enrollments are read and written */
};

/* Calls `row` for each hop in order and stops behind the first that makes the rest meaningless, and then for each right.
 * Nothing is changed: the right to write is asked by removing an enrollment that is not there, under an etag that none
 * has. True if every row was ok; else the error of the first that was not: E_NET, E_PROXY, E_TLS, E_CLOCK, E_DPS_AUTH, … */
WARN_UNUSED bool check_cloud(struct dps *d, const struct check_wanted *wanted, int64_t deadline_ms,
			     void (*row)(void *ctx, const struct check_row *row), void *ctx, struct err *e);

/* The CA certificates of this station, DER, from the one that signs upwards to the root (or as far as they are known). */
struct check_chain {
	const struct bytes *ca;
	size_t count;
};

/* True if the group exists, is enabled and for X.509, and one of its certificates (by thumbprint, or by a reference that
 * ARM resolves) is in our chain; ret_group may be NULL. E_GROUP says which of these fails. */
WARN_UNUSED bool check_group(struct dps *d, const char *group_id, const struct check_chain *chain, int64_t deadline_ms,
			     struct group *ret_group, struct err *e);

/* True if a certificate of our chain is stored on this DPS as verified. E_CA_UNVERIFIED, also if ARM is not configured, since then
 * nobody can know. */
WARN_UNUSED bool check_ca_verified(struct dps *d, const struct check_chain *chain, int64_t deadline_ms, struct err *e);

/* True if it does not matter from where this group's devices register: its own or the instance's policy is hashed or
 * static, or there is one hub only. Else E_ALLOCATION (geoLatency, custom, or unknown because ARM is not configured). */
WARN_UNUSED bool check_allocation(struct dps *d, const struct group *group, int64_t deadline_ms, struct err *e);

#endif
