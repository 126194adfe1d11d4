/* SPDX-License-Identifier: Apache-2.0 */
/* What happened at the line beside its units, on record: an audit entry and an event for the MES, in one transaction. */
#ifndef STATION_SHIFT_NOTE_H
#define STATION_SHIFT_NOTE_H

#include "station/base/json.h"

struct line;

/* Takes the body (also on failure), to which the pseudonym is added. E_DB and its kin, E_NOMEM. */
WARN_UNUSED bool shift_note(struct line *l, const char *type, const char *lot, const char *person, json_t *body, struct err *e);
/* The same inside the caller's transaction. */
WARN_UNUSED bool shift_note_in(struct line *l, const char *type, const char *lot, const char *person, json_t *body, struct err *e);

#endif
