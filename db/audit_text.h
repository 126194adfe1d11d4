/* SPDX-License-Identifier: Apache-2.0 */
/* What stands beside hashed text is compared with the text, so that nobody can change it unnoticed: the columns of an
 * entry with the entry, those of a checkpoint with the note. Pure functions, for this room only. */
#ifndef DB_AUDIT_TEXT_H
#define DB_AUDIT_TEXT_H

#include "station/base/merkle.h"

#define AUDIT_TAIL_MAX 256

/* "job":"…","time":ms,"type":"…","v":1} : how every entry ends, its members being sorted. False if type or job are too
 * long for it or would need escaping. */
WARN_UNUSED bool audit_tail(const char *type, const char *job, int64_t time_ms, char out[static AUDIT_TAIL_MAX]);

/* True if the entry ends in the tail made of these. */
bool audit_entry_names(const void *entry, size_t len, const char *type, const char *job, int64_t time_ms);

/* True if the signed note begins with the checkpoint (C2SP tlog-checkpoint: origin, size, root in base64, a line each) of these. */
bool audit_note_names(const char *note, const char *origin, uint64_t size, const struct merkle_hash *root);

#endif
