/* SPDX-License-Identifier: Apache-2.0 */
/* Which makers of TPMs are accepted: roots and intermediates of a profile, and the question whether a certificate comes from one
 * of them (RFC 5280, 6.1). Times are checked by the wall clock, and every signature and key on the way must be worth 112 bits.
 * No extension that libcrypto does not process may be critical; subject alternative names may, as TCG wants them in
 * certificates without a subject: ek.c reads those. */
#ifndef CERTS_CHAIN_H
#define CERTS_CHAIN_H

#include "certs/ossl.h"

struct chain;

/* Parses everything at once, so that nothing need be opened or fetched later. Each entry is one DER certificate. An intermediate
 * is never trusted by itself. E_CONFIG for an entry that is no certificate, E_NOMEM. */
WARN_UNUSED bool chain_new(const struct bytes *roots, size_t root_count, const struct bytes *intermediates,
			   size_t intermediate_count, struct chain **ret, struct err *e);
void chain_free(struct chain *c);

/* E_EK_CHAIN with libcrypto's reason and the depth where it broke. */
WARN_UNUSED bool chain_holds(const struct chain *c, X509 *leaf, struct err *e);

#endif
