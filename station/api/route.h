/* SPDX-License-Identifier: Apache-2.0 */
/* What a request line asks for: a table of paths, and strict reading of the part behind the host (RFC 3986 section 3.3 and 3.4).
 * Bytes in, a request of docs/control.md out; no network here. */
#ifndef STATION_API_ROUTE_H
#define STATION_API_ROUTE_H

#include "station/base/json.h"

#define ROUTE_TARGET_MAX 2048
#define ROUTE_TEXT_MAX 256	/* of a name in the path, or of a parameter */
#define ROUTE_PARAMETERS 4

enum route_kind {
	ROUTE_ASK,	/* the desk's answer as it is */
	ROUTE_SLOTS,	/* the slots of the status */
	ROUTE_SLOT,	/* one of them */
	ROUTE_EVENTS,
	ROUTE_METRICS,
	ROUTE_OPENAPI,
	ROUTE_PAGE,
	ROUTE_REQUESTS,	/* the body is the request */
};

struct route_parameter {
	const char *name;
	bool number;
};

struct route {
	const char *path;	/* "/v1/units/{id}": the last segment may be a name */
	enum route_kind kind;
	const char *ask;	/* of "do"; NULL where nothing is asked */
	const char *name;	/* the request's member for the path's name */
	struct route_parameter parameter[ROUTE_PARAMETERS];
};

/* All of them, ended by a row without a path. */
extern const struct route routes[];

/* The methods of a route, as Allow names them. */
const char *route_methods(const struct route *r);

struct route_call {
	const struct route *route;
	json_t *request;	/* {"do":…} with what path and query say; {} where nothing is asked */
};

/* Reads a request's target, as it stands in the request line. False with the HTTP status in *ret_status: 404 for no such path,
 * 414 for a long one, 400 for anything that is not in its form, E_USAGE. The caller ends *ret with route_call_fini. */
WARN_UNUSED bool route_read(const char *target, size_t len, struct route_call *ret, int *ret_status, struct err *e);
void route_call_fini(struct route_call *c);
AUTO_DEFINE(route_call, struct route_call)

#endif
