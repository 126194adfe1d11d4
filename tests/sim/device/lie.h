/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_LIE_H
#define SIM_LIE_H

/*
 * What a bad device says instead of the truth, for as long as its knob stands:
 *
 *   WHAT:OFFSET:HEX     in every answer to WHAT these bytes stand at this place; a longer answer is the result
 *   WHAT:status:NUMBER  WHAT is not done, and answered with this status; GET_INFO is stalled
 *   0                   the truth again
 *
 * WHAT is a type of frame (IDENTIFY, BUNDLE_READ, ...), a TPM command by its name (NV_Read, Certify, ...) or GET_INFO.
 */
#include "why.h"

#include <stdint.h>

#define LIE_BYTES_MAX 64

struct lie {
	char what[24]; /* "": none */
	bool refuses;
	unsigned status;
	size_t at, len;
	uint8_t bytes[LIE_BYTES_MAX];
};

bool lie_of(const char *text, struct lie *ret, struct why *w);

/* True if WHAT is not to be done; then *ret_status is the answer. */
bool lie_refuses(const struct lie *l, const char *what, unsigned *ret_status);

/* Puts the bytes in an answer of *len bytes, which grows to at most `room`. */
void lie_tell(const struct lie *l, const char *what, uint8_t *answer, size_t room, size_t *len);

#endif
