/* SPDX-License-Identifier: Apache-2.0 */
/* Before the first device: is this line fit? Each claim is a row; the first that fails keeps the line from starting,
 * and says what an engineer must do. */
#ifndef STATION_PREFLIGHT_H
#define STATION_PREFLIGHT_H

#include "station/dps/check.h"
#include "station/line.h"

/* A claim that needs no open line. */
struct preflight_claim {
	const char *name, *claim;
	bool (*holds)(const struct config *c, struct err *e);
};
extern const struct preflight_claim preflight_claims[];
extern const size_t preflight_claim_count;

typedef void preflight_row(void *ctx, const char *name, bool ok, const char *text);

/* What these profiles need of the service: to read each one's group, or to write entries of their units' own. */
void preflight_wanted(const struct config *c, struct check_wanted *ret);

/* Claims that need no open line: configuration fits a line, drivers exist, no root key is readable, the clock is sane,
 * the disk has room. */
WARN_UNUSED bool preflight_local(const struct config *c, preflight_row *row, void *ctx, struct err *e);

/* Claims about the open line: the CA may issue, DPS is reachable and knows us, each profile's group holds our CA, the
 * CA is verified there, and allocation does not depend on the place (or the profile says that it may). */
WARN_UNUSED bool preflight_cloud(struct line *l, preflight_row *row, void *ctx, struct err *e);

#endif
