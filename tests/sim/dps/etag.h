/* SPDX-License-Identifier: Apache-2.0 */
/* Entity tags of the data plane and the If-Match rules (RFC 9110, section 13.1.1; fact: 409 and 412). */
#ifndef SIM_DPS_ETAG_H
#define SIM_DPS_ETAG_H

#include "service.h"

/* A new etag, its own double quotes inside the string; the caller frees. */
char *etag_new(void);

/*
 * PUT: a record that is there is only replaced with If-Match (409 without, 412 with a wrong one);
 * If-Match (NULL: none) for a record that is not there is 412. `old` is NULL then.
 */
bool etag_allows_put(const struct service *svc, const char *if_match, const json_t *old,
	struct answer *a);

/* DELETE: If-Match (NULL: none) may be absent; a wrong one is 412. */
bool etag_allows_delete(const struct service *svc, const char *if_match, const json_t *old,
	struct answer *a);

#endif
