/* SPDX-License-Identifier: Apache-2.0 */
/* A bulk of individual enrollments as JSON (the service API's BulkEnrollmentOperation and its result, api-version
 * 2021-10-01). Pure.
 *
 * The service answers HTTP 200 also where items failed. Its `errors` are a status per item rather than a list of
 * failures, and may be missing; so an item is judged by its own code, and what nobody said is not known. */
#ifndef STATION_DPS_BULK_H
#define STATION_DPS_BULK_H

#include "station/dps/dps.h"

/* Appends the body that creates these. E_NOMEM, E_TEXT. */
WARN_UNUSED bool bulk_body(const struct dps_item *items, size_t count, struct bytes *ret, struct err *e);

/* Says in each item's err what became of it, as dps_create_bulk promises. E_DPS_ANSWER, with every item's err
 * E_DPS_ANSWER too, where the answer is no result of a bulk or speaks of others than these. */
WARN_UNUSED bool bulk_judge(const json_t *answer, struct dps_item *items, size_t count, struct err *e);

#endif
