/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may: shared access signatures, checked over the raw text of `sr` as it stands in the token,
 * and bearer tokens. Nothing is remembered between requests of a connection.
 */
#ifndef SIM_DPS_AUTH_H
#define SIM_DPS_AUTH_H

#include "service.h"

/*
 * Does the request's Authorization hold the right that its operation asks? False with the answer in
 * the plane's form. `now_s` is the service's clock, which a rule may have moved.
 */
bool auth_allows(const struct service *svc, const struct request *r, int64_t now_s, struct answer *a);

#endif
