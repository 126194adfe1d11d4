/* SPDX-License-Identifier: Apache-2.0 */
/* Revocation of the line's own CA: it is on record first, and from then on no line begins with it; then the provisioning
 * service gets a disabled group that holds this intermediate, which keeps out every device whose chain leads over it
 * (dps.md, "Look-up order": the nearest group decides, and a disabled one blocks). Each step looks first, so a call that
 * was cut off is called again.
 *
 * It does not reach units with an entry of their own, nor devices that have their hub already: those are revoked one by
 * one. A list of revoked certificates that names a CA is its issuer's to sign. */
#ifndef STATION_CA_REVOCATION_H
#define STATION_CA_REVOCATION_H

#include "station/line.h"

struct ca_wish {
	const struct bytes *ca;		/* DER of the line's CA */
	uint8_t reason;			/* db/revocations.h */
	const char *first, *second;	/* pseudonyms */
};

/* Puts it on record, with an audit entry "ca.revoking"; once is enough. Errors of the ledger, E_CA_FILE. */
WARN_UNUSED bool ca_revocation_decide(struct line *l, const struct ca_wish *wish, struct err *e);

/* Has the service hold the disabled group, and writes an audit entry "ca.revoked". ret_group is its id. E_CONFLICT if an
 * enabled group holds this CA beside others, or something else stands under that id. Errors of dps.h. */
WARN_UNUSED bool ca_revocation_tell(struct line *l, const struct ca_wish *wish, char ret_group[static GROUP_ID_MAX], struct err *e);

/* False with E_CA_REVOKED if this certificate was revoked here. */
WARN_UNUSED bool ca_revocation_allows(struct ledger *l, const uint8_t sha256[static SHA256_SIZE], struct err *e);

#endif
