/* SPDX-License-Identifier: Apache-2.0 */
/* The station's own HTTP API (docs/api.md, station/api/openapi.json): for dashboards, for the lead's screen, for a MES that rather
 * asks than is told. On loopback or a Unix socket only: TLS is a front server's. Read-only unless a request shows the token
 * (Authorization: Bearer, compared in constant time).
 *
 *   GET  /v1/status /v1/slots /v1/slots/NAME /v1/units /v1/units/ID /v1/lots /v1/lots/ID /v1/results?after=N&most=N
 *        /v1/queue /v1/journal?before=N&search=TEXT&most=N /v1/preflight /v1/openapi.json
 *   GET  /v1/events     server-sent events: what watchers of the control socket hear; Last-Event-ID goes on where it broke off
 *   GET  /metrics       Prometheus text format 0.0.4
 *   GET  /              one static page: the lead's screen
 *   POST /v1/requests   a request of docs/control.md, with the token
 *
 * It runs in threads of libmicrohttpd with caps on connections, sizes and times, and a client that does not read is dropped. No
 * name of a person, no secret passes. */
#ifndef STATION_API_API_H
#define STATION_API_API_H

#include "station/base/bytes.h"
#include "station/base/json.h"

#define API_CONNECTIONS 64
#define API_BODY_MAX 4096

/* What the line answers: a request of docs/control.md, {"do":…}. Returns a new object without "ok", or NULL with an error. Called
 * from several threads at once. */
struct api_face {
	json_t *(*ask)(void *ctx, const json_t *request, bool may_change, struct err *e);
	void *ctx;
};

struct api;

/* `token` is lent for the call and kept as a hash; empty: no request may change anything. E_FILE if it cannot listen. */
WARN_UNUSED bool api_start(const char *listen, const struct bytes *token, const struct api_face *face,
			 struct api **ret, struct err *e);
/* Tells every reader of /v1/events. Lends the object. Thread-safe; never blocks on a reader. */
void api_tell(struct api *a, const json_t *event);
/* Asks nothing any more, and hangs up on all; api_tell is still allowed, until api_free. */
void api_stop(struct api *a);
void api_free(struct api *a);

/* The port that was bound, where listen asked for port 0; 0 for a Unix socket. */
int api_port(const struct api *a);

#endif
