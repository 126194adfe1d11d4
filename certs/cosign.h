/* SPDX-License-Identifier: Apache-2.0 */
/* A witness's signature on a log's checkpoint (C2SP tlog-cosignature.md, cosignature/v1 with Ed25519): as of this time, this is the
 * largest head of this log that the witness saw, and it extends every one that it saw before. Whether that is so is the caller's
 * business (station/witness.h); here are the key and the letters. */
#ifndef CERTS_COSIGN_H
#define CERTS_COSIGN_H

#include "station/base/bytes.h"

/* A new key: an encrypted PEM file of mode 0600 that must not exist, and its verifier key as text. A name is 1 to 100 printable
 * characters without space and plus sign. E_CA_FILE, E_SECRET. */
WARN_UNUSED bool cosign_make_key(const char *key_path, const char *passphrase, const char *name, struct bytes *ret_vkey,
				 struct err *e);

/* Appends the note with a line of ours behind its signatures; a line that this witness put there before is left out. The key must
 * be that of the verifier key. E_AUDIT (note, verifier key), E_CA_FILE (key), E_SECRET, E_SIGN. */
WARN_UNUSED bool cosign_note(const char *key_path, const char *passphrase, const char *vkey, const char *note, size_t len,
			     uint64_t time_s, struct bytes *ret, struct err *e);

/* True if the witness of this verifier key cosigned the note; *ret_time_s is when. E_AUDIT. */
WARN_UNUSED bool cosign_is_on(const char *note, size_t len, const char *vkey, uint64_t *ret_time_s, struct err *e);

#endif
