/* SPDX-License-Identifier: Apache-2.0 */
/* A witness: a directory on a stick or another machine that remembers, for each log that it watches, the largest head that it
 * accepted, and cosigns a newer one only if that extends it. What it refuses is a log that was shortened, changed or forked, which
 * nobody can see who has only the log. There is no server: the log comes as tiles (station/tiles.h), or as a checkpoint with its
 * consistency proof in the letters of C2SP tlog-witness.md.
 *
 *   DIR/witness.key, witness.vkey   the witness's own key (certs/cosign.h)
 *   DIR/<SHA-256 of the origin>.log the log's verifier key, and below it the head that was accepted last, cosigned
 *   DIR/refused-*                   checkpoints signed by a log's key and refused: with the head above they are the evidence
 *
 * A log's file is replaced atomically before anything is said, and believed only if this witness signed it: a power cut leaves the
 * old head or the new one, and a lost file is a log that is not watched. */
#ifndef STATION_WITNESS_H
#define STATION_WITNESS_H

#include "certs/note.h"

/* Makes the directory's key; ret_vkey gets the verifier key. E_FILE, E_CA_FILE (a key is there; name), E_SECRET. */
WARN_UNUSED bool witness_init(const char *dir, const char *name, const char *passphrase, struct bytes *ret_vkey, struct err *e);

/* Watches the log of this verifier key from its beginning. E_WITNESS_LOG if a log of that name is watched already. E_AUDIT (not a
 * verifier key), E_FILE. */
WARN_UNUSED bool witness_watch(const char *dir, const char *vkey, struct err *e);

struct witness_step {
	uint64_t before;	/* entries that it had seen */
	struct checkpoint head;	/* what it has seen now */
};

/* Looks at a log: a directory of tiles, or a file with a checkpoint and its proof. If the log extends what was seen, it is
 * remembered and *ret_note is the checkpoint with the witness's signature. E_WITNESS_LOG (not watched, or not signed by its key),
 * E_WITNESS_SHORT, E_WITNESS_FORK, E_WITNESS_OLD (the proof begins elsewhere), E_WITNESS_MEMORY; E_AUDIT (tiles that are not their
 * checkpoint's), E_FILE, E_CA_FILE, E_SECRET. */
WARN_UNUSED bool witness_cosign(const char *dir, const char *passphrase, const char *log, int64_t now_s, struct witness_step *ret,
				struct bytes *ret_note, struct err *e);

/* What it has seen of each log: *seen false where nothing yet, then only the origin is there. Stops when `each` returns false. */
typedef bool witness_each(void *ctx, const struct checkpoint *head, bool seen);
WARN_UNUSED bool witness_list(const char *dir, witness_each *each, void *ctx, struct err *e);

#endif
