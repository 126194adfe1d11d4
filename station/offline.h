/* SPDX-License-Identifier: Apache-2.0 */
/* Starting while the provisioning service is away. What preflight asks the service does not change from one start to the next as
 * long as configuration and CA are the same, so a pass is remembered in the ledger, and with it the line may start on its own. As
 * soon as the service is back the questions are asked after all; an answer that does not please makes the line unfit. */
#ifndef STATION_OFFLINE_H
#define STATION_OFFLINE_H

#include "station/line.h"

/* True for what an outage looks like, E_NET and E_DPS_BUSY. A service that answers wrongly, or another one in its place, is a
 * wrong setting. */
bool offline_is_outage(enum err_code code);

/* This configuration and CA have passed preflight: an audit entry "preflight.passed", and the ledger's memory. Errors of the
 * ledger. */
WARN_UNUSED bool offline_remember(struct line *l, struct err *e);

/* True if preflight's failure `why` was an outage, the configuration allows it, and this configuration and CA passed before. Else
 * the error: E_OFFLINE_START where it never passed, otherwise `why`. */
WARN_UNUSED bool offline_may_start(struct line *l, const struct err *why, struct err *e);

/* Asks again by itself, at distances of at most a minute, until the service answers. Then `asked` hears of it, once, from that
 * thread: with NULL if all is well, else with why the line has become unfit. */
typedef void offline_asked(void *ctx, const struct err *unfit);
struct offline;
WARN_UNUSED bool offline_start(struct line *l, offline_asked *asked, void *ctx, struct offline **ret, struct err *e);
/* Ends after the question that is under way. */
void offline_stop(struct offline *o);

#endif
