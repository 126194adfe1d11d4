/* SPDX-License-Identifier: Apache-2.0 */
/* The pace at which a station speaks to one service: a token bucket for what the service allows per minute, so that a
 * 429 is rare, and what the service asks for when it comes after all: Retry-After, else a back-off that doubles, with
 * jitter, so that many stations do not come back at one moment. One pacer is used by many threads.
 *
 * The service counts operations (1,000 per minute and service); whether a bulk request of ten counts one or ten is not
 * documented, so ten are taken. */
#ifndef STATION_DPS_PACER_H
#define STATION_DPS_PACER_H

#include "station/base/err.h"

struct pacer;

/* `per_minute` operations, at most `burst` of them at once, at most `in_flight` requests at a time. E_NOMEM. */
WARN_UNUSED bool pacer_new(uint32_t per_minute, uint32_t burst, uint32_t in_flight, struct pacer **ret, struct err *e);
void pacer_free(struct pacer *p);

/* Waits for a place and `operations` tokens. E_DPS_BUSY when there will be none by the deadline (steady clock): returned
 * at once, and nothing is taken. pacer_done follows. */
WARN_UNUSED bool pacer_enter(struct pacer *p, uint32_t operations, int64_t deadline_ms, struct err *e);

enum pacer_outcome {
	PACER_GOOD,	/* an answer, whatever it says: the back-off ends */
	PACER_BUSY,	/* 429 or 503: nobody goes on before retry_after_ms (less than 0: the back-off's own time) */
	PACER_LOST,	/* no answer: back-off */
};
void pacer_done(struct pacer *p, enum pacer_outcome outcome, int64_t retry_after_ms);

/* Ends a back-off after answers that did not come; what the service asked for is kept. */
void pacer_hurry(struct pacer *p);

/* How long until a request may go, in ms; 0: now. For screens and for a wait that can be broken. */
int64_t pacer_left_ms(struct pacer *p);

#endif
