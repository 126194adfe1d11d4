/* SPDX-License-Identifier: Apache-2.0 */
/* The key of the audit log: Ed25519, in an encrypted PEM file, held by the signer only. It signs
 * checkpoints as C2SP notes; checking them is certs/note.h. Only files of this room include this
 * header. */
#ifndef CERTS_NOTE_KEY_H
#define CERTS_NOTE_KEY_H

#include "certs/ossl.h"
#include "station/base/merkle.h"

#define NOTE_NAME_MAX 100
#define NOTE_VKEY_ROOM 160

/* The first four bytes of SHA-256(name, newline, type 1 = Ed25519, public key) (signed-note.md). */
#define NOTE_ID_SIZE 4
void note_key_id(const char *name, const uint8_t public[static 32], uint8_t ret[static NOTE_ID_SIZE]);

struct note_key {
	EVP_PKEY *pkey;
	char name[NOTE_NAME_MAX + 1];
	uint8_t id[NOTE_ID_SIZE];
	char vkey[NOTE_VKEY_ROOM];	/* name+hash+base64 */
};

/* Names are 1 to 100 printable ASCII characters without space and plus sign. E_CA_FILE, E_SECRET. */
WARN_UNUSED bool note_key_open(struct note_key *k, const char *path, const char *passphrase, const char *name, struct err *e);
/* A fresh key, in memory. E_CA_FILE, E_NOMEM. */
WARN_UNUSED bool note_key_make(struct note_key *k, const char *name, struct err *e);
void note_key_fini(struct note_key *k);
AUTO_DEFINE(note_key, struct note_key)

/* Appends the signed checkpoint: origin = the key's name, size, root, and the extension lines, each with its line end
 * ("" for none). E_SIGN. */
WARN_UNUSED bool note_key_sign(const struct note_key *k, uint64_t size, const struct merkle_hash *root, const char *lines,
			       struct bytes *ret, struct err *e);

/* Appends a signature line over any text: "— name base64", with its line end. E_SIGN. */
WARN_UNUSED bool note_key_sign_text(const struct note_key *k, const void *text, size_t len, struct bytes *ret, struct err *e);

/* A key for another purpose, out of this one (HMAC of the purpose under the private key): who has no log key cannot make
 * it. E_CA_FILE. */
WARN_UNUSED bool note_key_derive(const struct note_key *k, const char *purpose, uint8_t ret[static SHA256_SIZE], struct err *e);

#endif
