/* SPDX-License-Identifier: Apache-2.0 */
/* The Unix socket of the line (docs/control.md): answers requests and tells watchers what happens. One thread; a client
 * that does not read is dropped when CONTROL_BACKLOG bytes wait for it, so that a hung terminal never holds up the
 * line. */
#ifndef STATION_CONTROL_H
#define STATION_CONTROL_H

#include "station/base/json.h"

#define CONTROL_BACKLOG ((size_t)1 << 20)
#define CONTROL_CLIENTS 32

/* What the line answers. Each returns a new object (the control drops it), from the control's thread, and must not call
 * control_tell. */
struct control_face {
	json_t *(*status)(void *ctx);	/* without "ok" */
	void (*stop)(void *ctx);
	void *ctx;
	/* Tries at once to send what waits for the service; before that, if `again` is not "", the unit of this registration id,
	 * which went aside, waits again. The answer is {"outbox":{…}}; NULL for an error. A line without an outbox has none. */
	json_t *(*upload)(void *ctx, const char *again, struct err *e);
};

struct control;

/* Listens at `path` (mode 0660); a socket that a dead line left is replaced, a living one is E_DB_LOCKED. */
WARN_UNUSED bool control_start(const char *path, const struct control_face *face, struct control **ret, struct err *e);
/* Tells every watcher. Takes the object. Thread-safe. */
void control_tell(struct control *c, json_t *event);
void control_stop(struct control *c);

#endif
