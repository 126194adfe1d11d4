/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of the line in the Prometheus text format 0.0.4: what the status says, and how long stages took, which is counted from
 * events as units end. */
#ifndef STATION_API_METRICS_H
#define STATION_API_METRICS_H

#include "station/base/json.h"

struct metrics;

WARN_UNUSED bool metrics_new(struct metrics **ret, struct err *e);
void metrics_free(struct metrics *m);

/* Counts a slot's unit that has just ended; other events are not of interest. Thread-safe. */
void metrics_hear(struct metrics *m, const json_t *event);

/* Appends all of it; `status` is the answer to {"do":"status"}, `readers` how many read events. Thread-safe. */
WARN_UNUSED bool metrics_text(struct metrics *m, const json_t *status, size_t readers, struct bytes *ret, struct err *e);

#endif
