/* SPDX-License-Identifier: Apache-2.0 */
/* Taking a wrong order back: what its units are in the provisioning service goes, unit by unit, and each may begin again under
 * another order. Two people do it; without a running line.
 *
 * A unit with an entry of its own: the entry is removed, if it is still what this station told. A unit whose certificate is good
 * for an enrollment group (all leaves hang from one CA): a disabled entry with that certificate is put before the group, which
 * blocks it; the ledger keeps it as a block, and it is removed when the unit is enrolled again. Then the unit's registration record
 * is removed. The device in its hub is beyond the station's rights, and stays listed.
 *
 * The lot is "reverting" from the first step to the last, so that a revert that was cut off is gone on with by the same call. What
 * the service was asked for is looked at first, so that nothing is done twice. In one transaction per unit: its row (who it is, and
 * nothing else), its outbox row (withdrawn), its place (given up), its block, and the audit entry "unit.reverted". */
#ifndef STATION_SHIFT_REVERT_H
#define STATION_SHIFT_REVERT_H

#include "db/lots.h"
#include "station/job.h"

struct revert_sums {
	uint64_t units;		/* that the lot had when the call began */
	uint64_t done;		/* by this call */
	uint64_t left;		/* something else stands in the service under their id: a person decides, then the call is repeated */
};
/* Hears of each unit; `why` is E_NONE, or why it was left. */
typedef void revert_said(void *ctx, const struct job_row *row, const struct err *why);

/* Takes the lot back, for these two pseudonyms, who may do it. Of `l` only config, ledger and dps are used. A lot that is reverted
 * already is true with nothing done. E_ORDER: no such lot. E_DPS_AUTH, with nothing begun, without the
 * rights for it. E_CONFLICT with `left` > 0, once all others are done. Errors of the
 * service when it stays out of reach: call again later. */
WARN_UNUSED bool revert_lot(struct line *l, const char *lot, const char *first, const char *second, revert_said *said, void *ctx,
			    struct revert_sums *ret, struct err *e);

/* True at once for a unit without a block. Else the block in the service goes before the unit is enrolled anew: E_CONFLICT if it is
 * another entry by now, errors of the service. */
WARN_UNUSED bool revert_unblock(struct job *j, struct err *e);

#endif
