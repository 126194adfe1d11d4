/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log: append-only entries under an RFC 6962 Merkle tree, with checkpoints (C2SP signed notes) that leave the
 * station.
 *
 * An entry is a byte string, by convention canonical JSON {"body":{},"job":"…","time":ms,"type":"…","v":1}. Entries are
 * numbered from 0. */
#ifndef DB_AUDIT_H
#define DB_AUDIT_H

#include "db/ledger.h"
#include "station/base/json.h"
#include "station/base/merkle.h"

#define AUDIT_ENTRY_MAX 16384

/* Inside a transaction: appends an entry made of these parts (job may be ""; body is lent, may be NULL for none). */
WARN_UNUSED bool audit_append(struct ledger *l, const char *type, const char *job, const json_t *body, int64_t time_ms,
			      uint64_t *ret_index, struct err *e);
/* Inside a transaction: appends ready-made entry bytes (certs/intent.h makes some); type and job are kept beside them
 * for search. */
WARN_UNUSED bool audit_append_entry(struct ledger *l, const char *type, const char *job, const void *entry, size_t len,
				    int64_t time_ms, uint64_t *ret_index, struct err *e);

/* The tree head of what is committed (or, inside a transaction, of that). */
WARN_UNUSED bool audit_head(struct ledger *l, uint64_t *ret_size, struct merkle_hash *ret_root, struct err *e);

/* Proofs over committed entries. */
WARN_UNUSED bool audit_prove_inclusion(struct ledger *l, uint64_t index, uint64_t size, struct merkle_proof *ret,
				       struct err *e);
WARN_UNUSED bool audit_prove_consistency(struct ledger *l, uint64_t old, uint64_t size, struct merkle_proof *ret,
					 struct err *e);

/* Inside a transaction: keeps a signed checkpoint. */
WARN_UNUSED bool audit_keep_checkpoint(struct ledger *l, uint64_t size, const struct merkle_hash *root, const char *note,
				       int64_t time_ms, struct err *e);
/* The newest kept checkpoint's note; *ret empty if there is none. */
WARN_UNUSED bool audit_last_checkpoint(struct ledger *l, struct bytes *ret, struct err *e);

/* What verification found. */
struct audit_report {
	uint64_t entries;
	struct merkle_hash root;
	uint64_t checkpoints;	/* kept ones that were compared */
	uint64_t archived;	/* entries whose bodies are in archives: their hashes stand for them (db/archive.h) */
	bool fits;
	uint64_t first_bad;	/* with !fits: the first entry that does not fit, or UINT64_MAX if only a head does not fit */
	char why[160];		/* with !fits: what does not fit */
};

/* Recomputes everything from the entries: leaf hashes, tree nodes, the root at every kept checkpoint, and at the one
 * given from outside (size and root, already checked against its signature; NULL for none). A log that does not fit is
 * a report, not an error; E_DB where it can't be read. */
WARN_UNUSED bool audit_verify(struct ledger *l, const uint64_t *outside_size, const struct merkle_hash *outside_root,
			      struct audit_report *ret, struct err *e);

/* Calls `each` for entries [from, to) in order, with len 0 where the body is in an archive (db/archive.h); stops when it
 * returns false, which is no error. */
typedef bool audit_each(void *ctx, uint64_t index, const char *type, const char *job, const void *entry, size_t len);
WARN_UNUSED bool audit_scan(struct ledger *l, uint64_t from, uint64_t to, audit_each *each, void *ctx, struct err *e);

#endif
