/* SPDX-License-Identifier: Apache-2.0 */
/* An engineer teaches the station its jig: place by place a device is plugged in, and the port that it came at is that place's. The
 * conversation as a state machine, without bus, terminal and files (those are station/cmd/slots_learn.c), and the configuration's
 * text that comes of it. Pure.
 *
 * Places are counted row by row from the upper left of the jig as it is built. */
#ifndef STATION_LEARN_H
#define STATION_LEARN_H

#include "station/base/json.h"
#include "station/config.h"

#define LEARN_PLACES (4 * CONFIG_SLOTS_MAX)
#define LEARN_SAYS 256

struct learn {
	const struct config *config;	/* whose profiles may be chosen; lent */
	enum learn_state { LEARN_ROWS, LEARN_COLUMNS, LEARN_PLUG, LEARN_PULL, LEARN_ROTATION, LEARN_PROFILE, LEARN_READY } state;
	uint32_t rows, columns, rotation;	/* rotation in degrees */
	size_t at;			/* the place that is being learnt */
	char port[LEARN_PLACES][96];	/* "": skipped, or not yet */
	int profile;
	char says[LEARN_SAYS];		/* to the last thing that happened; "" nothing */
};

/* Begins; rows and columns 0 are asked for. E_USAGE for a jig of too many places, and for a configuration without a profile. */
WARN_UNUSED bool learn_init(struct learn *l, const struct config *config, uint32_t rows, uint32_t columns, struct err *e);

/* What the engineer is to do now, one line. */
void learn_prompt(const struct learn *l, char out[static LEARN_SAYS]);

/* A line was typed: "s" skips a place, "b" goes back by one, "e" ends; else the answer to a question, where an empty one takes what
 * stands in brackets. */
void learn_typed(struct learn *l, const char *line);
/* A device came to a port, or left it. One that was there before the conversation is not told of. */
void learn_device(struct learn *l, bool came, const char *port);

/* The text of the configuration file with this jig: its sections [jig] and [slot …] give way to new ones at the end, all else stays
 * as it is. Only when READY. E_NOMEM, E_TEXT. */
WARN_UNUSED bool learn_text(const struct learn *l, const struct bytes *old, struct bytes *ret, struct err *e);

/* What was learnt so far, to go on later: {"rows","columns","at","ports":["…",""]}. A new object. */
json_t *learn_json(const struct learn *l);
/* Goes on with it. False, with nothing changed, if it is not of the form. */
WARN_UNUSED bool learn_resume(struct learn *l, const json_t *kept);

#endif
