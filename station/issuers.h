/* SPDX-License-Identifier: Apache-2.0 */
/* The CAs whose leaves this line goes on with: the one that issues, and those before it, whose chains `station ca import` has kept
 * beside [ca] chain. A unit that was begun under an older CA is finished, and comes back, under the chain that is its own. */
#ifndef STATION_ISSUERS_H
#define STATION_ISSUERS_H

#include "certs/ca_chain.h"
#include "db/ledger.h"
#include "station/config.h"
#include "station/signing.h"

#define ISSUERS_KEPT_MAX 8

struct issuers {
	const struct signing *signing;	/* lent: the one that issues */
	size_t kept_count;
	struct ca_chain kept[ISSUERS_KEPT_MAX];
};

/* Reads the kept chains, CHAIN.0123456789abcdef, but those of a CA that was revoked here (ca_revocation.h). E_CA_FILE,
 * E_CA_CHAIN for one that cannot be read, or more than there is room for. */
WARN_UNUSED bool issuers_open(struct issuers *i, const struct config *c, const struct signing *signing, struct ledger *ledger,
			      struct err *e);
void issuers_close(struct issuers *i);
/* Whether one more chain may be kept. E_CA_CHAIN. */
WARN_UNUSED bool issuers_have_room(const struct config *c, struct err *e);

/* Which of them the leaf hangs from: 0 the one that issues, else a kept one. E_SIGN (chain) if none, as the one that
 * issues says it. */
WARN_UNUSED bool issuers_find(const struct issuers *i, const struct bytes *leaf, size_t *ret, struct err *e);

/* The certificates above a leaf, its issuer first, without the root; lent. `ret` has SIGNER_CHAIN_MAX. */
size_t issuers_chain(const struct issuers *i, size_t which, struct bytes *ret);

#endif
