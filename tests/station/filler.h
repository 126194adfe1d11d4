/* SPDX-License-Identifier: Apache-2.0 */
/* Fills an outbox as the pipeline does: units numbered from `first`, each with a key and a self-signed certificate of its own, whose individual
 * enrollment is queued with job row, outbox row and audit entry in one transaction. */
#ifndef TESTS_STATION_FILLER_H
#define TESTS_STATION_FILLER_H

#include "station/base/err.h"

struct filler {
	const char *prefix;	/* a unit is registered as PREFIX and its number in five digits */
	unsigned count, first;
	unsigned spoiled;	/* the body of this one holds no certificate; 0: none */
	int64_t age_ms;		/* so long ago they were queued */
};

WARN_UNUSED bool filler_fill(const char *ledger, const char *origin, const struct filler *f, struct err *e);

#endif
