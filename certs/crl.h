/* SPDX-License-Identifier: Apache-2.0 */
/* A certificate revocation list (RFC 5280, section 5): version 2, with the authority key identifier, its number, and a reason for
 * each certificate that has one. For relying parties beside DPS, which asks none. Written field by field, from numbers, by our own
 * DER writer, as leaves are (issue.h). */
#ifndef CERTS_CRL_H
#define CERTS_CRL_H

#include "certs/issue.h"

struct crl_entry {
	uint8_t serial[INTENT_SERIAL];
	int64_t time_ms;	/* wall clock, when it was decided */
	uint8_t reason;		/* CRLReason, section 5.3.1; 0 is left out, as the section wants it */
};

struct crl_wanted {
	uint64_t number;	/* greater than that of every list before it */
	int64_t this_ms, next_ms;
	const struct crl_entry *entries;
	size_t count;
};

/* Appends the list (DER). E_CA_FILE if the CA's certificate does not allow signing lists (keyUsage cRLSign),
 * E_CA_EXPIRED if it is not valid at this_ms, E_SIGN and the errors of signing. */
WARN_UNUSED bool crl_sign(const struct issuer *ca, const struct crl_wanted *wanted, struct bytes *ret, struct err *e);

#endif
