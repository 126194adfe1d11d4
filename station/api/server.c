/* SPDX-License-Identifier: Apache-2.0 */
#include "station/api/api.h"
#include "station/api/reply.h"
#include "station/api/listen.h"
#include "station/api/metrics.h"
#include "station/api/route.h"
#include "station/api/stream.h"
#include "station/base/clock.h"
#include "station/base/sha256.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define THREADS 4
#define SEATS (API_CONNECTIONS + 8)	/* some more are let in, to be turned away in order */
#define POOL ((size_t)32 << 10)	/* memory of a connection: headers and what is being sent */
#define SEND_BUFFER (64 << 10)
#define DRAIN_MAX ((size_t)64 << 10)	/* a longer body is not even read to its end */
#define TICK_MS 500
#define REQUEST_MS 10000	/* from a connection's begin, or its last answer, to the end of a request */
#define ANSWER_MS 30000		/* and from there until the answer was taken */
#define STIR_MS 15000
#define TIMEOUT_S 60	/* the library's own, should all else fail */

/* A connection, from accept to close. */
struct visitor {
	int fd;		/* -1: free */
	bool answered;	/* it is not waiting for a request to come */
	int64_t since_ms;
	_Atomic int64_t deadline_ms;	/* steady; 0: none */
};

struct api {
	struct api_face face;
	bool has_token;
	uint8_t token[SHA256_SIZE];
	struct listener listener;
	struct stream *stream;
	struct metrics *metrics;
	struct MHD_Daemon *daemon;
	pthread_t ticker;
	pthread_mutex_t lock;	/* what follows */
	pthread_cond_t ending_now;
	bool ending;
	struct visitor visitor[SEATS];
};

/* One request. */
struct exchange {
	struct route_call call;
	int status;	/* 0: the target is good */
	struct err e;
	bool begun;
	struct bytes body;
	size_t came;	/* of the body, even if it is not kept */
};

/* ---- connections ---- */

static struct visitor *visitor_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return info ? info->socket_context : NULL;
}

static void expect(struct api *a, struct visitor *v, bool answered, int64_t within_ms)
{
	pthread_mutex_lock(&a->lock);
	v->answered = answered;
	v->since_ms = clock_steady_ms();
	atomic_store(&v->deadline_ms, v->since_ms + within_ms);
	pthread_mutex_unlock(&a->lock);
}

/* When all are there, the one goes that has been silent longest; the newcomer, if all are being answered. With the lock held. */
static void make_room(struct api *a, struct visitor *newcomer)
{
	struct visitor *idle = newcomer;
	size_t there = 0;
	for (size_t i = 0; i < SEATS; i++) {
		struct visitor *v = &a->visitor[i];
		there += v->fd >= 0;
		if (v->fd >= 0 && !v->answered && v->since_ms < idle->since_ms)
			idle = v;
	}
	if (there <= API_CONNECTIONS)
		return;
	shutdown(idle->fd, SHUT_RDWR);
	idle->answered = true;	/* it is on its way out; the next one takes another */
}

static void seat(struct api *a, struct MHD_Connection *c, void **ret)
{
	const int room = SEND_BUFFER;
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	int64_t now = clock_steady_ms();
	pthread_mutex_lock(&a->lock);
	for (size_t i = 0; info && !*ret && i < SEATS; i++) {
		struct visitor *v = &a->visitor[i];
		if (v->fd >= 0)
			continue;
		v->fd = info->connect_fd;
		v->answered = false;
		v->since_ms = now;
		atomic_store(&v->deadline_ms, now + REQUEST_MS);
		setsockopt(v->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
		*ret = v;
		make_room(a, v);
	}
	pthread_mutex_unlock(&a->lock);
}

static void on_connection(void *ctx, struct MHD_Connection *c, void **visitor, enum MHD_ConnectionNotificationCode what)
{
	struct api *a = ctx;
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		*visitor = NULL;
		seat(a, c, visitor);
		return;
	}
	struct visitor *v = *visitor;
	pthread_mutex_lock(&a->lock);
	if (v)
		v->fd = -1;
	pthread_mutex_unlock(&a->lock);
}

/* Hangs up on those who take too long. The socket stays open, and is its connection's, as long as its row has it. */
static void hang_up_on_the_slow(struct api *a)
{
	int64_t now = clock_steady_ms();
	for (size_t i = 0; i < SEATS; i++) {
		struct visitor *v = &a->visitor[i];
		int64_t deadline_ms = atomic_load(&v->deadline_ms);
		if (v->fd >= 0 && deadline_ms && now > deadline_ms)
			shutdown(v->fd, SHUT_RDWR);
	}
}

static void *tick(void *arg)
{
	struct api *a = arg;
	int64_t stirred_ms = clock_steady_ms();
	pthread_mutex_lock(&a->lock);
	while (!a->ending) {
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += TICK_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		pthread_cond_timedwait(&a->ending_now, &a->lock, &until);
		hang_up_on_the_slow(a);
		if (clock_steady_ms() - stirred_ms < STIR_MS)
			continue;
		stirred_ms = clock_steady_ms();
		pthread_mutex_unlock(&a->lock);
		stream_stir(a->stream);
		pthread_mutex_lock(&a->lock);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

/* ---- one request ---- */

static const char *header(struct MHD_Connection *c, const char *name)
{
	return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

struct hosts {
	int count;
	bool loopback;
};

static enum MHD_Result look_at_host(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct hosts *h = ctx;
	(void)kind;
	if (!strcasecmp(name, "Host")) {
		h->count++;
		h->loopback = value && host_is_loopback(value);
	}
	return MHD_YES;
}

/* A Unix socket's clients are not browsers that were led here. */
static bool host_is_ours(const struct api *a, struct MHD_Connection *c)
{
	struct hosts h = {0};
	if (a->listener.path[0])
		return true;
	MHD_get_connection_values(c, MHD_HEADER_KIND, look_at_host, &h);
	return h.count == 1 && h.loopback;
}

/* Compared by hash, and in a time that does not say where they differ. */
static bool token_is_ours(const struct api *a, const char *authorization)
{
	uint8_t shown[SHA256_SIZE], differs = 0;
	if (!a->has_token || strncasecmp(authorization, "Bearer ", 7) != 0)
		return false;
	authorization += 7 + strspn(authorization + 7, " ");
	sha256_of(authorization, strlen(authorization), shown);
	for (size_t i = 0; i < sizeof(shown); i++)
		differs |= shown[i] ^ a->token[i];
	return differs == 0;
}

static enum MHD_Result refuse(struct MHD_Connection *c, unsigned status, enum err_code code, const char *what)
{
	struct err e = {0};
	err_set(&e, code, "%s", what);
	return reply_problem(c, status, &e, NULL);
}

/* What the status says of slots: all, or the named one. */
static json_t *slots_of(const struct exchange *x, const json_t *status, struct err *e)
{
	const json_t *slots = json_object_get(status, "slots");
	const char *name = json_text_or(x->call.request, "name", "");
	if (x->call.route->kind == ROUTE_SLOTS)
		return json_pack("{s:O}", "slots", slots);
	for (size_t i = 0; i < json_array_size(slots); i++)
		if (!strcmp(json_text_or(json_array_get(slots, i), "name", ""), name))
			return json_pack("{s:O}", "slot", json_array_get(slots, i));
	err_set(e, E_USAGE, "there is no such slot");
	return NULL;
}

static enum MHD_Result answer_metrics(struct api *a, struct MHD_Connection *c, const json_t *status)
{
	AUTO(bytes) struct bytes text = {0};
	struct err e = {0};
	if (!metrics_text(a->metrics, status, stream_readers(a->stream), &text, &e))
		return reply_problem(c, MHD_HTTP_SERVICE_UNAVAILABLE, &e, NULL);
	return reply_text(c, &text, "text/plain; version=0.0.4; charset=utf-8");
}

static enum MHD_Result ask(struct api *a, struct MHD_Connection *c, const struct exchange *x, const json_t *request,
		bool may_change)
{
	enum route_kind kind = x->call.route->kind;
	struct err e = {0};
	AUTO(json) json_t *said = a->face.ask(a->face.ctx, request, may_change, &e);
	AUTO(json) json_t *slots = said && (kind == ROUTE_SLOTS || kind == ROUTE_SLOT) ? slots_of(x, said, &e) : NULL;
	const json_t *answer = slots ? slots : e.code ? NULL : said;
	if (!answer)
		return reply_problem(c, reply_status_of(&e, x->call.route->name != NULL), &e, NULL);
	return kind == ROUTE_METRICS ? answer_metrics(a, c, answer) : reply_json(c, answer);
}

static enum MHD_Result answer_events(struct api *a, struct MHD_Connection *c, bool head)
{
	if (head)
		return reply_stream(c, MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT));
	struct visitor *v = visitor_of(c);
	struct MHD_Response *r = v ? stream_response(a->stream, c, header(c, "Last-Event-ID"), &v->deadline_ms) : NULL;
	return r ? reply_stream(c, r) : refuse(c, MHD_HTTP_SERVICE_UNAVAILABLE, E_USAGE, "too many read events already");
}

static enum MHD_Result answer_request(struct api *a, struct MHD_Connection *c, const struct exchange *x)
{
	struct err e = {0};
	AUTO(json) json_t *request = NULL;
	const char *type = header(c, "Content-Type");
	if (!header(c, "Authorization"))
		return refuse(c, MHD_HTTP_UNAUTHORIZED, E_RIGHTS, a->has_token ? "this needs the token" : "no token is configured");
	if (!type || strncasecmp(type, "application/json", 16) != 0 || !strchr("; ", type[16]))
		return refuse(c, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, E_USAGE, "a request is application/json");
	if (!json_parse(bytes_text(&x->body), x->body.len, &request, &e) ||
	    (!json_is_object(request) && !err_set(&e, E_JSON, "a request is an object")))
		return reply_problem(c, MHD_HTTP_BAD_REQUEST, &e, NULL);
	return ask(a, c, x, request, true);
}

static bool method_is_among(const char *method, const char *methods)
{
	size_t n = strlen(method);
	for (const char *at = methods; *at; at += strspn(at, ", ")) {
		size_t word = strcspn(at, ",");
		if (word == n && !memcmp(at, method, n))
			return true;
		at += word;
	}
	return false;
}

/* What holds for all requests. True with *ret if it was answered. */
static bool refused(struct api *a, struct MHD_Connection *c, const struct exchange *x, const char *method, enum MHD_Result *ret)
{
	const char *shown = header(c, "Authorization");
	struct err e = {0};
	if (!host_is_ours(a, c))
		*ret = refuse(c, MHD_HTTP_MISDIRECTED_REQUEST, E_USAGE, "Host must be localhost, 127.0.0.1 or [::1]");
	else if (x->status)
		*ret = reply_problem(c, (unsigned)x->status, &x->e, NULL);
	else if (!strcmp(method, "OPTIONS"))
		*ret = reply_options(c, route_methods(x->call.route));
	else if (!method_is_among(method, route_methods(x->call.route)))
		*ret = reply_problem(c, MHD_HTTP_METHOD_NOT_ALLOWED,
				      (err_set(&e, E_USAGE, "this path is asked with %s", route_methods(x->call.route)), &e),
				      route_methods(x->call.route));
	else if (shown && !token_is_ours(a, shown))
		*ret = refuse(c, MHD_HTTP_UNAUTHORIZED, E_RIGHTS, "the token that was shown is not the station's");
	else if (x->came > API_BODY_MAX)
		*ret = refuse(c, MHD_HTTP_CONTENT_TOO_LARGE, E_USAGE, "the body is too long");
	else if (x->came && x->call.route->kind != ROUTE_REQUESTS)
		*ret = refuse(c, MHD_HTTP_BAD_REQUEST, E_USAGE, "no body belongs to this request");
	else
		return false;
	return true;
}

static enum MHD_Result answer(struct api *a, struct MHD_Connection *c, const struct exchange *x, const char *method)
{
	enum MHD_Result done;
	struct visitor *v = visitor_of(c);
	if (v)
		expect(a, v, true, ANSWER_MS);
	if (refused(a, c, x, method, &done))
		return done;
	switch (x->call.route->kind) {
	case ROUTE_EVENTS:
		return answer_events(a, c, !strcmp(method, "HEAD"));
	case ROUTE_PAGE:
		return reply_page(c, &page_lead);
	case ROUTE_OPENAPI:
		return reply_page(c, &page_openapi);
	case ROUTE_REQUESTS:
		return answer_request(a, c, x);
	default:
		return ask(a, c, x, x->call.request, false);
	}
}

/* ---- what libmicrohttpd calls ---- */

static void *on_target(void *ctx, const char *target, struct MHD_Connection *c)
{
	(void)ctx, (void)c;
	struct exchange *x = calloc(1, sizeof(*x));
	if (!x)
		return NULL;
	x->body = (struct bytes){.max = API_BODY_MAX, .secret = true};	/* it may be a PIN */
	if (!route_read(target, strlen(target), &x->call, &x->status, &x->e))
		return x;
	x->status = 0;
	return x;
}

static bool body_is_announced_too_long(struct MHD_Connection *c)
{
	const char *length = header(c, "Content-Length");
	return length && strtoull(length, NULL, 10) > API_BODY_MAX;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *url, const char *method, const char *version,
				  const char *data, size_t *len, void **exchange)
{
	struct exchange *x = *exchange;
	struct err ignored = {0};
	(void)url, (void)version;
	if (!x)
		return MHD_NO;
	if (!x->begun) {
		x->begun = true;
		x->came = body_is_announced_too_long(c) ? API_BODY_MAX + 1 : 0;
		return x->came ? answer(ctx, c, x, method) : MHD_YES;
	}
	if (!*len)
		return answer(ctx, c, x, method);
	x->came += *len;
	if (x->came <= API_BODY_MAX && !bytes_add(&x->body, data, *len, &ignored))
		return MHD_NO;
	*len = 0;
	return x->came <= DRAIN_MAX ? MHD_YES : MHD_NO;
}

static void on_completed(void *ctx, struct MHD_Connection *c, void **exchange, enum MHD_RequestTerminationCode how)
{
	struct exchange *x = *exchange;
	struct visitor *v = visitor_of(c);
	if (v && how == MHD_REQUEST_TERMINATED_COMPLETED_OK)
		expect(ctx, v, false, REQUEST_MS);
	if (x) {
		route_call_fini(&x->call);
		bytes_fini(&x->body);
		free(x);
	}
	*exchange = NULL;
}

static bool start_daemon(struct api *a, struct err *e)
{
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC;
	a->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, a, MHD_OPTION_LISTEN_SOCKET, a->listener.fd,
				     MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS, MHD_OPTION_CONNECTION_LIMIT, (unsigned)SEATS,
				     MHD_OPTION_CONNECTION_MEMORY_LIMIT, POOL, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S,
				     MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, on_target, a,
				     MHD_OPTION_NOTIFY_COMPLETED, on_completed, a, MHD_OPTION_NOTIFY_CONNECTION, on_connection, a,
				     MHD_OPTION_END);
	if (!a->daemon)
		return err_set(e, E_FILE, "the HTTP server could not be started");
	a->listener.fd = -1;	/* the daemon's now */
	return true;
}

static bool start_ticker(struct api *a, struct err *e)
{
	if (pthread_create(&a->ticker, NULL, tick, a) == 0)
		return true;
	MHD_stop_daemon(a->daemon);
	a->daemon = NULL;
	return err_set(e, E_NOMEM, "the API's thread");
}

void api_free(struct api *a)
{
	if (!a)
		return;
	listener_close(&a->listener);
	stream_free(a->stream);
	metrics_free(a->metrics);
	pthread_cond_destroy(&a->ending_now);
	pthread_mutex_destroy(&a->lock);
	wipe(a->token, sizeof(a->token));
	free(a);
}

bool api_start(const char *listen, const struct bytes *token, const struct api_face *face, struct api **ret, struct err *e)
{
	pthread_condattr_t steady;
	struct api *a = calloc(1, sizeof(*a));
	if (!a)
		return err_set(e, E_NOMEM, "the API");
	a->face = *face;
	a->listener.fd = -1;
	for (size_t i = 0; i < SEATS; i++)
		a->visitor[i].fd = -1;
	a->has_token = token->len > 0;
	sha256_of(token->data, token->len, a->token);
	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&steady);
	pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
	pthread_cond_init(&a->ending_now, &steady);
	pthread_condattr_destroy(&steady);
	if (stream_new(face, &a->stream, e) && metrics_new(&a->metrics, e) && listener_open(listen, &a->listener, e) &&
	    start_daemon(a, e) && start_ticker(a, e)) {
		*ret = a;
		return true;
	}
	api_free(a);
	return err_in(e, "[api]");
}

void api_tell(struct api *a, const json_t *event)
{
	metrics_hear(a->metrics, event);
	stream_tell(a->stream, event);
}

void api_stop(struct api *a)
{
	if (!a || !a->daemon)
		return;
	pthread_mutex_lock(&a->lock);
	a->ending = true;
	pthread_cond_signal(&a->ending_now);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->ticker, NULL);
	stream_end(a->stream);
	MHD_stop_daemon(a->daemon);
	a->daemon = NULL;
}

int api_port(const struct api *a)
{
	return a->listener.port;
}
