/* SPDX-License-Identifier: Apache-2.0 */
/* A production order as the signer takes it: a C2SP signed note (signed-note.md) of two different Ed25519 keys over one line of
 * canonical JSON. The line's own order file (station/shift/order.h) may be large; this one is small, and names it by its SHA-256.
 *
 *   {"count":200,"file":"<sha256 of ORDER.json>","from":"2026-11-01","issuer":"<sha256 of the issuing CA's certificate>",
 *    "made":"2026-10-30T09:00:00Z","order":"WO-4711","product":"gateway-2","profile":"gateway","replace":4,"scrap":10,
 *    "station":"line-1.station","until":"2026-12-31","v":1}
 *
 * An order is for one station: what several lines make together is one order for each, and their sum is the owner's.
 *
 *   — brand-owner base64
 *   — plant-quality base64
 */
#ifndef CERTS_ORDER_NOTE_H
#define CERTS_ORDER_NOTE_H

#include "station/base/bytes.h"
#include "station/base/sha256.h"

#define ORDER_NOTE_MAX 4096
#define ORDER_COUNT_LIMIT 1000000u

struct order_terms {
	char number[65];	/* "order" */
	char product[65], profile[33];
	uint32_t count;		/* identities, 1 to 1000000 */
	uint32_t scrap;		/* so many more, for units that fail after they got theirs; 0 to count */
	uint32_t replace;	/* identities for units that had one before: their own allowance; 0 to count */
	int64_t from_ms, until_ms;	/* the first millisecond of `from` to the last of `until`, UTC */
	int64_t made_ms;	/* a signer whose memory was begun later does not take it: what is left must be ordered anew */
	char station[128];	/* the log's origin */
	uint8_t issuer[SHA256_SIZE];
	uint8_t file[SHA256_SIZE];
};

/* Reads a note that must be signed by both verifier keys (name+hash+base64), which must be two different keys. E_ORDER_UNSIGNED (a
 * signature lacks or is wrong, one key twice), E_ORDER (not of the form, unknown members). */
WARN_UNUSED bool order_note_open(const char *note, size_t len, const char *vkey_1, const char *vkey_2, struct order_terms *ret,
				 struct err *e);

/* The terms without asking who signed, for people who look at an order or sign it: of a note, or of its text alone. E_ORDER. */
WARN_UNUSED bool order_note_read(const char *note, size_t len, struct order_terms *ret, struct err *e);

/* The line of JSON with its line end: what is signed. E_ORDER if a term is out of bounds. */
WARN_UNUSED bool order_note_text(const struct order_terms *terms, struct bytes *ret, struct err *e);

/* Adds the signature of one key to a text, or to a note that has the other's already; ret is replaced. The key is an
 * encrypted PEM file (Ed25519), `name` stands in the signature line. E_CA_FILE, E_SECRET, E_ORDER. */
WARN_UNUSED bool order_note_sign(const void *note, size_t len, const char *key_path, const char *passphrase, const char *name,
				 struct bytes *ret, struct err *e);
/* A new key for that: KEY (encrypted PEM, 0600) and its verifier key as one line of text. E_CA_FILE, E_SECRET. */
WARN_UNUSED bool order_note_make_key(const char *key_path, const char *passphrase, const char *name, struct bytes *ret_vkey,
				     struct err *e);

#endif
