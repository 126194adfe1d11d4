/* SPDX-License-Identifier: Apache-2.0 */
/* The letters of a C2SP signed note (signed-note.md): its text, its signature lines, verifier keys, and who signed. Two kinds of
 * signature are known: a log's or person's own (type 1, Ed25519 over the text), and a witness's cosignature (type 4,
 * tlog-cosignature.md: Ed25519 over two lines with a time, and the text). Only files of this room include this header. */
#ifndef CERTS_NOTE_TEXT_H
#define CERTS_NOTE_TEXT_H

#include "certs/note_key.h"

#define NOTE_MAX 65536
#define NOTE_ED25519 0x01
#define NOTE_COSIGNATURE 0x04

/* A piece of a note, lent. */
struct note_piece {
	const char *at;
	size_t len;
};

/* Takes the next line, without its end, off the front; false where no line ends. */
bool note_take_line(struct note_piece *from, struct note_piece *ret);

/* A note is its text, an empty line, and signature lines; the text keeps its last line end. Pieces of what was given. E_AUDIT. */
WARN_UNUSED bool note_split(const char *note, size_t len, struct note_piece *ret_text, struct note_piece *ret_signatures,
			    struct err *e);

/* Decimal without leading zeroes, up to INT64_MAX; and a SHA-256 in base64. False if it is not one. */
bool note_number(struct note_piece line, uint64_t *ret);
bool note_hash(struct note_piece line, struct merkle_hash *ret);

/* The first four bytes of SHA-256(name, newline, type, public key). */
void note_id(const char *name, uint8_t type, const uint8_t public[static 32], uint8_t ret[static NOTE_ID_SIZE]);

struct note_vkey {
	uint8_t type;
	char name[NOTE_NAME_MAX + 1];
	uint8_t id[NOTE_ID_SIZE];
	uint8_t public[32];
};

/* Reads name+hash+base64, which must be a key of this type. E_AUDIT. */
WARN_UNUSED bool note_vkey_parse(const char *vkey, uint8_t type, struct note_vkey *ret, struct err *e);
/* Appends it. */
WARN_UNUSED bool note_vkey_text(const char *name, uint8_t type, const uint8_t public[static 32], struct bytes *ret, struct err *e);

/* Appends what a cosignature of this time is made over: the two lines, and the text. */
WARN_UNUSED bool note_cosigned_text(struct note_piece text, uint64_t time_s, struct bytes *ret, struct err *e);

/* True if the key signed the text, and no line of this key is wrong; lines of other signers are left alone. *ret_time_s is the
 * time of a cosignature, and may be NULL. E_AUDIT. */
WARN_UNUSED bool note_is_signed(struct note_piece text, struct note_piece signatures, const struct note_vkey *key,
				uint64_t *ret_time_s, struct err *e);

#endif
