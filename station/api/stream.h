/* SPDX-License-Identifier: Apache-2.0 */
/* Server-sent events (HTML Living Standard, section 9.2): one ring of the last events for all readers, and a reader is a place in
 * it. So a reader that does not read costs no more than one that does, and one that fell out of the ring, or names an event that
 * is not in it, is told a snapshot and goes on from there. An event's id is RUN-NUMBER: numbers begin anew with each run.
 *
 * A reader sleeps (its connection is suspended) when it has been told all; stream_tell wakes it. */
#ifndef STATION_API_STREAM_H
#define STATION_API_STREAM_H

#include "station/api/api.h"

#include <microhttpd.h>
#include <stdatomic.h>

#define STREAM_READERS 48	/* others of API_CONNECTIONS are for those who ask */
#define STREAM_EVENTS 1024	/* in the ring */
#define STREAM_BYTES ((size_t)1 << 20)	/* of them */

struct stream;
struct stream_reader;

/* Events' snapshot is face's status. */
WARN_UNUSED bool stream_new(const struct api_face *face, struct stream **ret, struct err *e);
void stream_free(struct stream *s);

/* Puts an event into the ring and wakes readers. Lends the object. Thread-safe; waits for nobody. */
void stream_tell(struct stream *s, const json_t *event);
/* Sends a comment to all who sleep, so that a reader who went away is found out. */
void stream_stir(struct stream *s);
/* Ends all readers; nobody sleeps from now on. */
void stream_end(struct stream *s);
size_t stream_readers(struct stream *s);

/* A response that never ends. `last_id` is Last-Event-ID, NULL or "" without; *deadline_ms (steady; 0 while it sleeps) is when the
 * reader should have taken what it was given, and must outlive the response. NULL when there are STREAM_READERS already. */
struct MHD_Response *stream_response(struct stream *s, struct MHD_Connection *connection, const char *last_id,
				     _Atomic int64_t *deadline_ms);

#endif
