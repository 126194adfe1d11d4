/* SPDX-License-Identifier: Apache-2.0 */
/* What became of a lot's units that have an identity and are not good: decided in bulk when the lot is closed. Scrapped ones are
 * revoked, so that nothing they hold is good for anything; kept ones stay as they are, and may be repaired and plugged in again. */
#ifndef STATION_SHIFT_FAILED_H
#define STATION_SHIFT_FAILED_H

#include "station/base/err.h"

#include <stdint.h>

struct line;

enum failed_decision { FAILED_UNDECIDED, FAILED_SCRAP, FAILED_KEEP };

struct failed_sums {
	uint64_t units, scrapped;
};

/* Units with an identity of this lot that are FAIL, HOLD, or whose work never ended, and were not revoked. */
WARN_UNUSED bool failed_count(struct line *l, const char *lot, struct failed_sums *ret, struct err *e);

/* Does what was decided, for a lead's pseudonym. E_LOT_UNDECIDED where there are some, orders are signed, and nothing was decided.
 * Cut off, it is called again: who is revoked already is none of them any more. */
WARN_UNUSED bool failed_decide(struct line *l, const char *lot, enum failed_decision decision, const char *person,
			       struct failed_sums *ret, struct err *e);

#endif
