/* SPDX-License-Identifier: Apache-2.0 */
/* C2SP signed notes (signed-note.md) with Ed25519, and the checkpoint text in them
 * (tlog-checkpoint.md): origin, size, root. */
#ifndef CERTS_NOTE_H
#define CERTS_NOTE_H

#include "station/base/merkle.h"
#include "station/base/bytes.h"

struct checkpoint {
	char origin[128];
	uint64_t size;
	struct merkle_hash root;
};

/* Parses a signed checkpoint and checks its signature by the verifier key text (name+hash+base64).
 * E_AUDIT. */
WARN_UNUSED bool note_open_checkpoint(const char *note, size_t len, const char *vkey, struct checkpoint *ret, struct err *e);

/* The same without a key: what the note claims, for callers that only compare. E_AUDIT if
 * malformed. */
WARN_UNUSED bool note_read_checkpoint(const char *note, size_t len, struct checkpoint *ret, struct err *e);

/* The name in a log's verifier key, which is its log's origin. E_AUDIT if it is none (name+hash+base64, Ed25519), E_TEXT
 * if there is no room. */
WARN_UNUSED bool note_vkey_name(const char *vkey, char *ret, size_t room, struct err *e);

#endif
