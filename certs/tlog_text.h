/* SPDX-License-Identifier: Apache-2.0 */
/* Proofs of the audit log as text, which need no station to be checked:
 * a receipt says that an entry is in the log (C2SP tlog-proof.md: "c2sp.org/tlog-proof@v1", index, hashes, checkpoint), a growth
 * says that a checkpoint extends the log of an earlier size (C2SP tlog-witness.md, the request of add-checkpoint: "old N", hashes,
 * checkpoint). A receipt of ours carries its entry in the line "extra", so that nothing else is needed to check it: what stands
 * there is not believed, it is hashed. */
#ifndef CERTS_TLOG_TEXT_H
#define CERTS_TLOG_TEXT_H

#include "certs/note.h"

#define TLOG_TEXT_MAX 131072

struct tlog_receipt {
	uint64_t index;
	struct merkle_proof path;
	struct bytes extra;	/* the entry, where the text carries one */
	struct bytes checkpoint;	/* a signed note, as it was */
};
void tlog_receipt_fini(struct tlog_receipt *r);
AUTO_DEFINE(tlog_receipt, struct tlog_receipt)

/* Appends the text. E_NOMEM, E_TEXT. */
WARN_UNUSED bool tlog_receipt_write(uint64_t index, const struct merkle_proof *path, const void *entry, size_t entry_len,
				    const char *note, struct bytes *ret, struct err *e);
/* Takes the text apart into a zeroed receipt; nothing is checked but its form. E_AUDIT. */
WARN_UNUSED bool tlog_receipt_read(const char *text, size_t len, struct tlog_receipt *ret, struct err *e);
/* Checks that the checkpoint is signed by this verifier key, and that this entry is in its log at this index. Pure. E_AUDIT. */
WARN_UNUSED bool tlog_receipt_check(const struct tlog_receipt *r, const char *vkey, const void *entry, size_t len,
				    struct checkpoint *ret, struct err *e);

struct tlog_growth {
	uint64_t old;
	struct merkle_proof path;
	struct bytes checkpoint;	/* a signed note, as it was */
};
void tlog_growth_fini(struct tlog_growth *g);
AUTO_DEFINE(tlog_growth, struct tlog_growth)

/* Appends the text. E_NOMEM, E_TEXT. */
WARN_UNUSED bool tlog_growth_write(uint64_t old, const struct merkle_proof *path, const char *note, struct bytes *ret,
				   struct err *e);
/* Takes the text apart into a zeroed growth. E_AUDIT. */
WARN_UNUSED bool tlog_growth_read(const char *text, size_t len, struct tlog_growth *ret, struct err *e);

#endif
