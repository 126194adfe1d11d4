/* SPDX-License-Identifier: Apache-2.0 */
/* The intent to give a unit an identity, by a leaf or by the enrollment of its endorsement key, and the receipt that it is on
 * record.
 *
 * The intent is written to the audit log first, as an entry whose bytes both sides can build from the same fields. The receipt
 * proves to the signer that this entry is in a tree which extends the last tree head that the signer accepted (promise 2). */
#ifndef CERTS_INTENT_H
#define CERTS_INTENT_H

#include "certs/key.h"
#include "station/base/merkle.h"

#define INTENT_SERIAL 16	/* bytes of a certificate's serial number */

enum intent_kind {
	INTENT_LEAF,	/* a leaf is to be signed */
	INTENT_PERMIT,	/* the unit is enrolled by its endorsement key: nothing is signed, but the identity counts like any other */
};

/* Fixed size. Texts end with NUL. */
struct intent {
	uint32_t kind;		/* enum intent_kind */
	char job[33];		/* 32 hex digits */
	char registration_id[129];
	char profile[33];
	char order[65];		/* "" without an order */
	uint8_t serial[INTENT_SERIAL];	/* of the certificate: random, the top bit clear, not zero; reserved in the ledger. Of a permit:
					   the same, as its own number */
	int64_t time_ms;	/* wall clock of the intent */
	struct key_public key;	/* of the leaf; of a permit the endorsement key */
	char replaces[2 * INTENT_SERIAL + 1];	/* the serial number (hex) of the identity that the unit had before; "" for its first */
};

/* True if every text ends within its array; what comes from another process is asked this first. */
bool intent_is_whole(const struct intent *intent);

/* The type of its audit entry: "sign.intent", "permit.intent". */
const char *intent_type(enum intent_kind kind);

/* Appends the audit entry: canonical JSON {"body":{…},"job":…,"time":…,"type":"sign.intent","v":1} ("permit.intent" for a permit),
 * the key as hex SHA-256 of its SPKI, "replaces" only
 * where it replaces one. E_TEXT, E_KEY_WEAK. */
WARN_UNUSED bool intent_entry(const struct intent *intent, struct bytes *ret, struct err *e);

/* Proof that entry `index` is in the tree (size, root), and that this tree extends the signer's
 * last accepted head. Fixed size. */
struct receipt {
	uint64_t index;
	uint64_t size;
	struct merkle_hash root;
	struct merkle_proof inclusion;
	struct merkle_proof consistency;	/* from the signer's last head to (size, root) */
};

#endif
