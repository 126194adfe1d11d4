/* SPDX-License-Identifier: Apache-2.0 */
/* Judging a chain for a line CA that was made outside, before a line is given it. */
#ifndef CERTS_CA_CHAIN_H
#define CERTS_CA_CHAIN_H

#include "certs/key.h"

#define CA_CHAIN_MAX 4	/* the issuing CA first, the self-signed root last */

struct ca_chain {
	size_t count;
	struct bytes der[CA_CHAIN_MAX];
};
void ca_chain_fini(struct ca_chain *c);
AUTO_DEFINE(ca_chain, struct ca_chain)

/* Reads the PEM file, in its order: E_CA_CHAIN for a private key in it. E_CA_FILE for no certificate or too many
 * of them, E_FILE. */
WARN_UNUSED bool ca_chain_read(const char *path, struct ca_chain *ret, struct err *e);

/* Whether a line may issue by it now (RFC 5280, section 6.1, as OpenSSL's strict check has it, and what DPS and we want
 * beyond): it is for this key; each is a CA, signed by the next; path lengths and keyUsage (keyCertSign) allow leaves of
 * it; each is valid now, and ends no later than the one above; signatures by SHA-256 or better; RSA of 2048 bits or
 * more, or P-256 or greater. E_CA_CHAIN, with what does not hold. *ret_lists: it may sign revocation lists too. */
WARN_UNUSED bool ca_chain_judge(const struct ca_chain *chain, const struct key_public *key, int64_t now_ms, bool *ret_lists,
				struct err *e);

#endif
