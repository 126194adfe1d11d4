/* SPDX-License-Identifier: Apache-2.0 */
/* One request at a pace: what http_send does, between entering and leaving a pacer. */
#ifndef STATION_DPS_PACED_H
#define STATION_DPS_PACED_H

#include "station/net/http.h"
#include "station/dps/pacer.h"

/* Whom trouble holds back. All: a Retry-After, and an answer that did not come, count for everybody at this pace. One:
 * they are the business of the one who met them, who waits or gives up by himself, and the others hear of it only that
 * the service was busy, which the pacer's own back-off answers. */
enum paced_patience { PACED_ALL, PACED_ONE };

/* As http_send, and E_DPS_BUSY, with nothing sent, if the pace allows no request by its deadline. Who failed for reasons
 * of its own, such as a key that is silent, closes the way for nobody else. */
WARN_UNUSED bool paced_send(struct pacer *p, enum paced_patience patience, uint32_t operations, struct http *h,
			    const struct http_request *request, struct http_response *ret, struct err *e);

#endif
