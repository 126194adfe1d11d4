/* SPDX-License-Identifier: Apache-2.0 */
/* The Unix socket of the line (docs/control.md): answers requests and tells watchers what happens. One thread; a client
 * that does not read is dropped when CONTROL_BACKLOG bytes wait for it, so that a hung terminal never holds up the
 * line. */
#ifndef STATION_CONTROL_H
#define STATION_CONTROL_H

#include "station/base/json.h"

#define CONTROL_BACKLOG ((size_t)1 << 20)
#define CONTROL_CLIENTS 32

/* What the line answers: a new object without "ok" (the control drops it), or NULL with an error. Called from the control's
 * thread, which serves nobody else meanwhile. {"do":"watch"} is the control's own; it asks for {"do":"status"}, and an answer to
 * that must not call control_tell. */
struct control_face {
	json_t *(*ask)(void *ctx, const json_t *request, struct err *e);
	void *ctx;
};

struct control;

/* Listens at `path` (mode 0660); a socket that a dead line left is replaced, a living one is E_DB_LOCKED. */
WARN_UNUSED bool control_start(const char *path, const struct control_face *face, struct control **ret, struct err *e);
/* Tells every watcher. Takes the object. Thread-safe. */
void control_tell(struct control *c, json_t *event);
void control_stop(struct control *c);

#endif
