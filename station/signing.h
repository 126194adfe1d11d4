/* SPDX-License-Identifier: Apache-2.0 */
/* The line's side of the signer: makes the receipt for each request from the ledger, keeps requests one at a time, and starts a new
 * signer when one was lost (its memory is in its state file, so nothing is forgotten). */
#ifndef STATION_SIGNING_H
#define STATION_SIGNING_H

#include "certs/signer.h"
#include "db/ledger.h"
#include "station/launcher.h"

#include <pthread.h>

/* The fact of the ledger (ledger_remember) that names the newest entry "clock.accepted", by its index. */
#define SIGNING_CLOCK_FACT "clock.accepted"

struct signing {
	pthread_mutex_t lock;
	const struct launcher *launcher;
	struct ledger *ledger;
	int fd;			/* -1: the next question starts a signer */
	int64_t patience_ms;	/* with one answer */
	struct signer_info info;	/* head kept current */
	struct order_request order;	/* the order that is worked on, handed to each new signer; .len 0 without one */
	char order_number[65];
	struct order_reply left;	/* of it, as the signer said last */
};

/* Starts the signer and waits until it is ready. Errors of signer_open, E_CHILD_LOST. */
WARN_UNUSED bool signing_open(struct signing *s, const struct launcher *launcher, struct ledger *ledger, struct err *e);
void signing_close(struct signing *s);

/* The chain as a device gets it, issuing CA first: spans lent from the signer's info, at most SIGNER_CHAIN_MAX. Returns
 * how many. */
size_t signing_chain(const struct signing *s, struct bytes *ret);

/* Hands the signer an order's note (certs/order_note.h), and to each signer that follows, unless it is refused; *ret says what is
 * left. Where
 * orders are not signed here the signer says so: E_ORDER_UNSIGNED. */
WARN_UNUSED bool signing_order(struct signing *s, const void *note, size_t len, struct order_reply *ret, struct err *e);
/* What the signer said last of the order that is worked on; false where there is none that it counts. */
bool signing_order_left(struct signing *s, struct order_reply *ret);

/* Signs the leaf of an intent that stands in the ledger as entry `index`. */
WARN_UNUSED bool signing_leaf(struct signing *s, const struct intent *intent, uint64_t index, struct leaf_reply *ret,
			      struct err *e);

/* Has the identity of an intent that stands in the ledger as entry `index` counted; nothing is signed. */
WARN_UNUSED bool signing_permit(struct signing *s, const struct intent *intent, uint64_t index, struct err *e);

/* Has the ledger's head signed and keeps the note in the ledger. *ret is the signed note. */
WARN_UNUSED bool signing_checkpoint(struct signing *s, struct checkpoint_reply *ret, struct err *e);

#endif
