/* SPDX-License-Identifier: Apache-2.0 */
#include "station/api/stream.h"
#include "station/base/clock.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define BLOCK ((size_t)8 << 10)
#define BATCH ((size_t)32 << 10)	/* events put together for one reader */
#define SNAPSHOT_MAX ((size_t)1 << 20)
#define READER_PATIENCE_MS 10000
#define RETRY_MS 2000

struct told {
	char *text;	/* the whole event as it is sent */
	size_t len;
};

struct stream_reader {
	struct stream *s;
	struct MHD_Connection *connection;
	_Atomic int64_t *deadline_ms;
	uint64_t next;		/* number of the event that it is told next */
	bool wants_snapshot;
	struct bytes out;	/* and how much of it was given */
	size_t given;
	bool asleep, stirred;	/* with the stream's lock */
};

struct stream {
	struct api_face face;
	int64_t run;		/* when this run began */
	pthread_mutex_t lock;	/* what follows */
	struct told ring[STREAM_EVENTS];
	uint64_t first, next;	/* numbers in the ring: first to next - 1 */
	size_t bytes;
	bool ending;
	struct stream_reader *reader[STREAM_READERS];
};

bool stream_new(const struct api_face *face, struct stream **ret, struct err *e)
{
	struct stream *s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(e, E_NOMEM, "events");
	s->face = *face;
	s->run = clock_wall_ms();
	s->first = s->next = 1;
	pthread_mutex_init(&s->lock, NULL);
	*ret = s;
	return true;
}

static void forget_oldest(struct stream *s)
{
	struct told *t = &s->ring[s->first++ % STREAM_EVENTS];
	s->bytes -= t->len;
	free(t->text);
	*t = (struct told){0};
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	while (s->first < s->next)
		forget_oldest(s);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* With the lock held. */
static void wake(struct stream *s, bool stir)
{
	for (size_t i = 0; i < STREAM_READERS; i++) {
		struct stream_reader *r = s->reader[i];
		if (!r || !r->asleep)
			continue;
		r->asleep = false;
		r->stirred = stir;
		MHD_resume_connection(r->connection);
	}
}

void stream_tell(struct stream *s, const json_t *event)
{
	AUTO(bytes) struct bytes data = {0};
	struct err ignored = {0};
	struct told told = {0};
	const char *name = json_text_or(event, "event", "message");
	if (!json_canonical(event, &data, &ignored))
		return;
	pthread_mutex_lock(&s->lock);
	int len = asprintf(&told.text, "id: %" PRIx64 "-%" PRIu64 "\nevent: %s\ndata: %s\n\n", (uint64_t)s->run, s->next, name,
			   bytes_text(&data));
	if (len < 0) {	/* a gap: readers take a snapshot */
		while (s->first < s->next)
			forget_oldest(s);
		s->first = ++s->next;
		wake(s, false);
		pthread_mutex_unlock(&s->lock);
		return;
	}
	told.len = (size_t)len;
	while (s->first < s->next && (s->next - s->first == STREAM_EVENTS || s->bytes + told.len > STREAM_BYTES))
		forget_oldest(s);
	s->ring[s->next++ % STREAM_EVENTS] = told;
	s->bytes += told.len;
	wake(s, false);
	pthread_mutex_unlock(&s->lock);
}

void stream_stir(struct stream *s)
{
	pthread_mutex_lock(&s->lock);
	wake(s, true);
	pthread_mutex_unlock(&s->lock);
}

void stream_end(struct stream *s)
{
	pthread_mutex_lock(&s->lock);
	s->ending = true;
	wake(s, false);
	pthread_mutex_unlock(&s->lock);
}

size_t stream_readers(struct stream *s)
{
	size_t n = 0;
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < STREAM_READERS; i++)
		n += s->reader[i] != NULL;
	pthread_mutex_unlock(&s->lock);
	return n;
}

/* What stands now. What happens meanwhile is told as events afterwards, so that none is lost; one may be told that the snapshot
 * shows already, and as events are whole objects that changes nothing. */
static bool add_snapshot(struct stream_reader *r)
{
	struct stream *s = r->s;
	struct err e = {0};
	AUTO(json) json_t *request = json_pack("{s:s}", "do", "status");
	pthread_mutex_lock(&s->lock);
	r->next = s->next;
	pthread_mutex_unlock(&s->lock);
	AUTO(json) json_t *status = s->face.ask(s->face.ctx, request, false, &e);
	if (!status || json_object_set_new(status, "event", json_string("snapshot")) < 0)
		return false;
	r->wants_snapshot = false;
	return bytes_printf(&r->out, &e, "id: %" PRIx64 "-%" PRIu64 "\nevent: snapshot\ndata: ", (uint64_t)s->run, r->next - 1) &&
	       json_canonical(status, &r->out, &e) && bytes_add_text(&r->out, "\n\n", &e);
}

/* The events that it has not been told, as many as go into a batch; with the lock held. */
static bool add_events(struct stream_reader *r)
{
	struct stream *s = r->s;
	struct err e = {0};
	while (r->next < s->next && r->out.len < BATCH) {
		const struct told *t = &s->ring[r->next % STREAM_EVENTS];
		if (!bytes_add(&r->out, t->text, t->len, &e))
			return false;
		r->next++;
	}
	return true;
}

/* More to say, or sleep. False when this reader ends. */
static bool refill(struct stream_reader *r)
{
	struct stream *s = r->s;
	struct err e = {0};
	bool goes_on = true;
	pthread_mutex_lock(&s->lock);
	bool gap = r->wants_snapshot || r->next < s->first;
	if (s->ending) {
		goes_on = false;
	} else if (!gap) {
		goes_on = add_events(r) && (!r->stirred || r->out.len || bytes_add_text(&r->out, ": still there\n\n", &e));
		r->stirred = false;
		if (goes_on && !r->out.len) {
			atomic_store(r->deadline_ms, 0);
			r->asleep = true;
			MHD_suspend_connection(r->connection);
		}
	}
	pthread_mutex_unlock(&s->lock);
	return goes_on && (!gap || add_snapshot(r));
}

static ssize_t read_events(void *ctx, uint64_t position, char *out, size_t room)
{
	struct stream_reader *r = ctx;
	(void)position;
	if (r->given == r->out.len) {
		bytes_fini(&r->out);
		r->out.max = SNAPSHOT_MAX;
		r->given = 0;
		if (!refill(r))
			return MHD_CONTENT_READER_END_OF_STREAM;
		if (!r->out.len)
			return 0;
	}
	size_t n = r->out.len - r->given < room ? r->out.len - r->given : room;
	memcpy(out, r->out.data + r->given, n);
	r->given += n;
	atomic_store(r->deadline_ms, clock_steady_ms() + READER_PATIENCE_MS);
	return (ssize_t)n;
}

static void reader_free(void *ctx)
{
	struct stream_reader *r = ctx;
	pthread_mutex_lock(&r->s->lock);
	for (size_t i = 0; i < STREAM_READERS; i++)
		if (r->s->reader[i] == r)
			r->s->reader[i] = NULL;
	pthread_mutex_unlock(&r->s->lock);
	bytes_fini(&r->out);
	free(r);
}

/* Where a reader goes on; with the lock held. */
static void place(struct stream_reader *r, const char *last_id)
{
	uint64_t run = 0, number = 0;
	int end = 0;
	r->wants_snapshot = true;
	r->next = r->s->next;
	if (!last_id || sscanf(last_id, "%" SCNx64 "-%" SCNu64 "%n", &run, &number, &end) != 2 || last_id[end])
		return;
	if (run != (uint64_t)r->s->run || number + 1 < r->s->first || number >= r->s->next)
		return;
	r->wants_snapshot = false;
	r->next = number + 1;
}

static bool join(struct stream *s, struct stream_reader *r, const char *last_id)
{
	bool joined = false;
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; !s->ending && !joined && i < STREAM_READERS; i++) {
		joined = !s->reader[i];
		if (joined)
			s->reader[i] = r;
	}
	place(r, last_id);
	pthread_mutex_unlock(&s->lock);
	return joined;
}

struct MHD_Response *stream_response(struct stream *s, struct MHD_Connection *connection, const char *last_id,
				     _Atomic int64_t *deadline_ms)
{
	struct err e = {0};
	struct stream_reader *r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	*r = (struct stream_reader){.s = s, .connection = connection, .deadline_ms = deadline_ms, .out.max = SNAPSHOT_MAX};
	struct MHD_Response *response = NULL;
	if (bytes_printf(&r->out, &e, "retry: %d\n\n", RETRY_MS) && join(s, r, last_id))
		response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_events, r, reader_free);
	if (!response)
		reader_free(r);
	return response;
}
