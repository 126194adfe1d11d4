/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_FRAMES_H
#define SIM_FRAMES_H

/* What each type of frame does: one row and one function each. */

#include "model.h"

struct frame {
	uint8_t type;
	const uint8_t *payload;
	size_t len;
};

struct reply {
	uint8_t *payload;
	size_t room, len;
	bool cut; /* the power went inside */
};

/*
 * Executes a frame in the working thread, without the model's lock. `knobs` is a copy.
 * The reply's length counts only where the status is OK.
 */
enum frame_status frame_execute(struct model *m, const struct knobs *knobs, const struct frame *f,
	struct reply *r);

/* The name of a frame type, or NULL; and the type of a name, or 0. */
const char *frame_name(uint8_t type);
uint8_t frame_by_name(const char *name);

/* The name of a TPM command, or NULL. */
const char *tpm_code_name(uint32_t code);

#endif
