/* SPDX-License-Identifier: Apache-2.0 */
/* An entry of a unit in the provisioning service, changed by whoever takes something back: what stands there is looked at first, so
 * that nothing is done twice, and nothing is touched that this station did not tell. */
#ifndef STATION_ENTRY_H
#define STATION_ENTRY_H

#include "station/dps/dps.h"

#define ENTRY_REQUEST_MS 30000	/* of one request */

/* Appends the body of a disabled entry with this certificate, which keeps it out where a group would take it in. */
WARN_UNUSED bool entry_block_body(const char *registration_id, const struct bytes *leaf, struct bytes *ret, struct err *e);

/* Removes the entry of this body, and no other: E_CONFLICT. One that is not there is removed. `block`: a disabled entry with this
 * certificate may stand there by now; or NULL. */
WARN_UNUSED bool entry_remove(struct dps *dps, const char *id, const struct bytes *body, const struct bytes *block, struct err *e);

/* Has this disabled entry stand there: made where there is none, in the place of one that names the same certificate or endorsement
 * key. One that is there already is as good. E_CONFLICT if another stands there. */
WARN_UNUSED bool entry_disable(struct dps *dps, const char *id, const struct bytes *disabled, struct err *e);

/* For who does it while a person waits: after a failure, waits as the service asks, or longer each time, and is true. False when
 * another try is no use, or there were six. */
bool entry_try_again(struct dps *dps, int tries, const struct err *why);

#endif
