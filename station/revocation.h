/* SPDX-License-Identifier: Apache-2.0 */
/* Revocation of units: the row first (db/revocations.h), then the services, step by step, by whoever finds an open row:
 * the verb that wrote it, the uplink of a running line, or the same verb later.
 *
 * In the provisioning service the way in is closed: the unit's own entry is disabled, or where a group would take its
 * certificate a disabled entry with that certificate is put before the group (dps.md, "Control access"). Then its
 * registration record is removed, once it has said at which hub the device stands, and the device is disabled there.
 * Each step looks at what is there before it does anything, so a row that was cut off anywhere is gone on with.
 *
 * A unit that is replaced may begin again: the block gives way when it is enrolled anew (lots_put_block), and its hub is
 * left to its next registration. What that identity costs an order is counted apart (intent.replaces). */
#ifndef STATION_REVOCATION_H
#define STATION_REVOCATION_H

#include "db/revocations.h"
#include "station/line.h"

struct revocation_wish {
	const char *job;
	enum revocation_kind kind;	/* REVOCATION_REVOKED or REVOCATION_REPLACED */
	uint8_t reason;
	const char *first, *second;	/* pseudonyms of the two who want it; "" where nobody has to say who he is */
};

/* Decides, in one transaction: the row, the audit entry "unit.revoked" or "unit.replaced", an event for the MES; nothing
 * more of the unit goes up, and it gets nothing more at this line. An identity that is revoked already stays so, and is
 * true: *ret is its row, which waits again if it had gone aside. E_REVOKE_WHAT: the unit has no identity, its lot is
 * being taken back, or it was revoked and is now to be replaced, or the reason is a key that others may have and it is
 * to be replaced. */
WARN_UNUSED bool revocation_decide(struct line *l, const struct revocation_wish *wish, struct revocation *ret, struct err *e);

/* What is still to be done of a row, in this order. Each step is asked of a service, and then written down; who asks
 * need not be who writes. */
enum revocation_step {
	REVOKE_ENTRY,		/* the way in is closed, and it is known at which hub the device stands */
	REVOKE_REGISTRATION,	/* the registration record is removed */
	REVOKE_HUB,		/* the device is disabled in its hub */
	REVOKE_DONE,
};
/* "entry", "registration", "hub", "done". */
const char *revocation_step_name(enum revocation_step step);
enum revocation_step revocation_next(const struct revocation *r);

/* Asks for the next step. `c` for the keys of hubs. r->hub and device_id are set where the service says them. Errors of dps.h and
 * hub.h; E_CONFLICT where something else stands under the unit's id. */
WARN_UNUSED bool revocation_ask(const struct config *c, struct dps *dps, struct revocation *r, struct err *e);
/* Writes down that it was done, with an audit entry "revoked.entry", "revoked.service" or "revoked.hub". A unit that is
 * replaced may begin again once the service knows all. */
WARN_UNUSED bool revocation_said(struct line *l, struct revocation *r, struct err *e);
/* Writes down why it was not. What is no outage (delivery_may_be_chance) puts a row aside that the service has to be told. */
WARN_UNUSED bool revocation_failed(struct line *l, struct revocation *r, const struct err *why, struct err *e);

/* Asks the provisioning service for the next step of the oldest row that waits for it: *ret_any false if there is none.
 * True when it was done or the row went aside; else the error of the outage, or of the ledger. Of `l` only ledger and
 * dps are used. */
WARN_UNUSED bool revocation_tell_next(struct line *l, bool *ret_any, struct err *e);

/* False with E_REVOKED if this unit gets nothing (more) at this line. */
WARN_UNUSED bool revocation_allows(struct ledger *l, const char *job, const char *serial, struct err *e);
/* The identity that the unit's next one comes after, if it is replaced and has none yet. */
WARN_UNUSED bool revocation_is_replaced(struct ledger *l, const char *job, struct revocation *ret, bool *ret_is, struct err *e);

/* For reports: what it is and how far it is, as docs/revocation.md says. A new object. */
json_t *revocation_json(const struct revocation *r);

#endif
