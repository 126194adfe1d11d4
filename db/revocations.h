/* SPDX-License-Identifier: Apache-2.0 */
/* Revocations: one row per identity that holds no more, and never removed. It is written before any service hears of it, and says
 * how far they were told, so that whoever finds an open row goes on with it.
 *
 * A unit has at most one row per identity it had; the newest decides what becomes of it: revoked (it gets none again), replaced (it
 * may begin again, and its next identity draws on what an order allows for that), or reverted (its order was taken back). */
#ifndef DB_REVOCATIONS_H
#define DB_REVOCATIONS_H

#include "db/lots.h"

enum revocation_kind { REVOCATION_REVOKED, REVOCATION_REPLACED, REVOCATION_REVERTED };
/* "revoked", "replaced", "reverted". */
const char *revocation_kind_name(enum revocation_kind kind);

/* RFC 5280, section 5.3.1: those that an issuer of devices has a use for. */
enum revocation_reason {
	REASON_UNSPECIFIED = 0,
	REASON_KEY_COMPROMISE = 1,
	REASON_AFFILIATION_CHANGED = 3,
	REASON_SUPERSEDED = 4,
	REASON_CESSATION = 5,
	REASON_PRIVILEGE_WITHDRAWN = 9,
};
/* "keyCompromise" and so on, as the section spells them. By number; NULL if there is none of that. */
const char *revocation_reason_name(uint8_t reason);
WARN_UNUSED bool revocation_reason_named(const char *name, uint8_t *ret);

struct revocation {
	int64_t number;		/* 0: not written yet */
	char job[JOB_ID];
	enum revocation_kind kind;
	uint8_t reason;
	char order[65];		/* under which the identity was made; "" without */
	char registration_id[129];
	uint8_t cert_serial[CERT_SERIAL];
	struct bytes leaf;	/* DER; empty for a unit that registers by its endorsement key */
	struct bytes entry;	/* of its own: the body that the service was, or would have been, told; empty without */
	char first[PERSON_ID], second[PERSON_ID];
	int64_t time_ms;	/* wall clock, when it was decided */
	char hub[256], device_id[129];	/* where the device stands, once that is known; "" if it never registered */
	int64_t entry_ms;	/* when the provisioning service had closed the way in; 0: not yet */
	int64_t service_ms;	/* and removed its registration record: all that it has to be told; 0: not yet */
	int64_t hub_ms;		/* when the device was found disabled, or gone, in its hub; 0: not yet */
	bool aside;		/* a person has to decide; error says why */
	char error[16], error_what[256];	/* of the last try; "" if it was good */
	char next_order[65];	/* of the identity that came after it */
	int64_t next_intent;	/* its audit entry; -1: none yet */
};
void revocation_fini(struct revocation *r);
AUTO_DEFINE(revocation, struct revocation)

/* Inside a transaction: writes it and sets its number. A certificate serial number that stands there already is E_CONFLICT. */
WARN_UNUSED bool revocations_add(struct ledger *l, struct revocation *r, struct err *e);
/* Inside a transaction: how far it is (hub, device_id, entry_ms, service_ms, hub_ms, aside, error, next_order, next_intent). */
WARN_UNUSED bool revocations_settle(struct ledger *l, const struct revocation *r, struct err *e);

/* The newest of this job; by certificate serial number. *ret_found false if there is none. */
WARN_UNUSED bool revocations_of_job(struct ledger *l, const char *job, struct revocation *ret, bool *ret_found, struct err *e);
WARN_UNUSED bool revocations_find(struct ledger *l, const uint8_t cert_serial[static CERT_SERIAL], struct revocation *ret,
				  bool *ret_found, struct err *e);

/* Calls `each`, oldest first, until it returns false, for those whose number is greater than *after, which is moved on; at most
 * `most`. All (for a revocation list: those with a leaf); those that the provisioning service has to be told and that are not
 * aside; those with any step left; those that were followed by an identity. */
enum revocations_which { REVOCATIONS_ALL, REVOCATIONS_TO_TELL, REVOCATIONS_OPEN, REVOCATIONS_FOLLOWED };
typedef bool revocations_each(void *ctx, const struct revocation *r);
WARN_UNUSED bool revocations_scan(struct ledger *l, enum revocations_which which, int64_t *after, uint32_t most,
				  revocations_each *each, void *ctx, struct err *e);

struct revocation_counts {
	uint64_t all, to_tell, aside, hub_left;	/* hub_left: the service knows, the device in the hub is still enabled */
};
WARN_UNUSED bool revocations_count(struct ledger *l, struct revocation_counts *ret, struct err *e);

#endif
