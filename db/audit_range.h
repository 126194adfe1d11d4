/* SPDX-License-Identifier: Apache-2.0 */
/* Verifying a stretch of the audit log by itself, for this room only.
 *
 * The tree before the stretch is taken from the stored hashes. They are right if the stretch before fits, for there they
 * are recomputed. So the stretches of a log can be verified at the same time, by several connections; and what they find,
 * taken in their order up to the first that does not fit, is what one finds who reads the log from its beginning. */
#ifndef DB_AUDIT_RANGE_H
#define DB_AUDIT_RANGE_H

#include "db/audit.h"
#include "db/store.h"

#define AUDIT_END UINT64_MAX

struct audit_range {
	/* Entries [from, to) and the heads of sizes (from, to], from 0 on that of 0 too; AUDIT_END: all that follow. */
	uint64_t from, to;
	const uint64_t *outside_size;	/* a checkpoint from outside (audit_verify), wherever it is; NULL: none */
	const struct merkle_hash *outside_root;
};

struct audit_found {
	struct audit_report report;
	struct merkle_edge begin, end;	/* the tree before it, as stored, and with it, as recomputed */
};

/* Inside of a reading. E_DB_CORRUPT if the tree before `from` is not there; otherwise as audit_verify. */
WARN_UNUSED bool audit_verify_range(struct ledger *l, const struct audit_range *range, struct audit_found *ret, struct err *e);

#endif
