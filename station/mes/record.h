/* SPDX-License-Identifier: Apache-2.0 */
/* A unit's result in forms that factories read already: one row of CSV with its header, and a record with OpenHTF's members
 * (openhtf.core.test_record). Pure. */
#ifndef STATION_MES_RECORD_H
#define STATION_MES_RECORD_H

#include "station/base/bytes.h"
#include "station/base/json.h"

/* `event` is a unit.result. E_NOMEM. */
WARN_UNUSED bool record_csv(const json_t *event, struct bytes *ret, struct err *e);
WARN_UNUSED bool record_openhtf(const json_t *event, struct bytes *ret, struct err *e);

#endif
