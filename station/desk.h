/* SPDX-License-Identifier: Apache-2.0 */
/* The desk: what clients may ask of the running line, and what they are told. One table of requests, behind the control socket
 * (docs/control.md) and the HTTP API alike; a request is a row of desk.c and a function of desk_NAME.c. */
#ifndef STATION_DESK_H
#define STATION_DESK_H

#include "station/api/api.h"
#include "station/control.h"
#include "station/slots.h"

struct desk {
	struct line *line;
	struct slots *slots;
	struct control *control;	/* who listens; NULL: not yet, or not at all */
	struct api *api;
	atomic_bool unasked;	/* started while the service was away, and it has not answered yet */
};

struct desk_request {
	const char *name;	/* of "do" */
	bool changes;		/* a reader may not ask for it */
	json_t *(*answer)(struct desk *d, const json_t *request, struct err *e);
};

/* Answers {"do":…} with a new object (without "ok"), or NULL with an error: E_USAGE for what is not known, E_RIGHTS for what this
 * client may not. From any thread; must not be called from desk_tell. */
json_t *desk_answer(struct desk *d, const json_t *request, bool may_change, struct err *e);

/* Tells all who listen. Takes the event. Thread-safe. */
void desk_tell(struct desk *d, json_t *event);
/* {"event":NAME,NAME:object}: takes the object. */
void desk_tell_of(struct desk *d, const char *name, json_t *object);

/* The objects of docs/control.md. New objects. */
json_t *desk_station(struct desk *d);
json_t *desk_counts(struct desk *d);

/* Rows of the table. */
json_t *desk_status(struct desk *d, const json_t *request, struct err *e);
json_t *desk_stop(struct desk *d, const json_t *request, struct err *e);
json_t *desk_upload(struct desk *d, const json_t *request, struct err *e);
json_t *desk_scan(struct desk *d, const json_t *request, struct err *e);
json_t *desk_pin(struct desk *d, const json_t *request, struct err *e);
json_t *desk_hold(struct desk *d, const json_t *request, struct err *e);
json_t *desk_queue(struct desk *d, const json_t *request, struct err *e);
json_t *desk_retry(struct desk *d, const json_t *request, struct err *e);
json_t *desk_lot(struct desk *d, const json_t *request, struct err *e);
json_t *desk_lots(struct desk *d, const json_t *request, struct err *e);
json_t *desk_lot_open(struct desk *d, const json_t *request, struct err *e);
json_t *desk_lot_close(struct desk *d, const json_t *request, struct err *e);
json_t *desk_revoke(struct desk *d, const json_t *request, struct err *e);
json_t *desk_revoke_step(struct desk *d, const json_t *request, struct err *e);
json_t *desk_results(struct desk *d, const json_t *request, struct err *e);
json_t *desk_unit(struct desk *d, const json_t *request, struct err *e);
json_t *desk_units(struct desk *d, const json_t *request, struct err *e);
json_t *desk_preflight(struct desk *d, const json_t *request, struct err *e);
json_t *desk_journal(struct desk *d, const json_t *request, struct err *e);

/* The MES's object. */
json_t *desk_mes_json(struct desk *d);
/* The shift's object, and telling all of it. */
json_t *desk_shift_json(struct desk *d);
void desk_tell_shift(struct desk *d);

/* A visit, as in "results". A new object. */
struct visit_row;
json_t *desk_visit_json(const struct visit_row *v);

#endif
