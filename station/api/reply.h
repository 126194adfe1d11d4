/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: every one with the headers that keep a browser from guessing, framing and keeping; every refusal as
 * application/problem+json (RFC 9457) with the catalogue's code and sentences. */
#ifndef STATION_API_REPLY_H
#define STATION_API_REPLY_H

#include "station/api/page.h"
#include "station/base/bytes.h"
#include "station/base/json.h"

#include <microhttpd.h>

/* The HTTP status of an error: `named`: the request named one thing, which there may not be. */
unsigned reply_status_of(const struct err *e, bool named);

/* Each queues an answer. Lends what it is given, but for reply_stream, which takes the response; NULL is no memory. */
enum MHD_Result reply_json(struct MHD_Connection *c, const json_t *object);
enum MHD_Result reply_text(struct MHD_Connection *c, const struct bytes *text, const char *type);
enum MHD_Result reply_page(struct MHD_Connection *c, const struct page *p);
enum MHD_Result reply_stream(struct MHD_Connection *c, struct MHD_Response *response);
/* `allow` is for 405 and for OPTIONS, else NULL. */
enum MHD_Result reply_problem(struct MHD_Connection *c, unsigned status, const struct err *e, const char *allow);
enum MHD_Result reply_options(struct MHD_Connection *c, const char *allow);

#endif
