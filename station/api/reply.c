/* SPDX-License-Identifier: Apache-2.0 */
#include "station/api/reply.h"

#include <string.h>

#define JSON_MAX ((size_t)4 << 20)

struct header {
	const char *name, *value;
};

static const struct header always[] = {
	{"X-Content-Type-Options", "nosniff"},
	{"X-Frame-Options", "DENY"},
	{"Referrer-Policy", "no-referrer"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
};

unsigned reply_status_of(const struct err *e, bool named)
{
	if (e->code == E_USAGE || e->code == E_ORDER)
		return named ? MHD_HTTP_NOT_FOUND : MHD_HTTP_BAD_REQUEST;
	if (e->code == E_JSON || e->code == E_TEXT)
		return MHD_HTTP_BAD_REQUEST;
	if (e->code == E_RIGHTS)
		return MHD_HTTP_FORBIDDEN;
	return err_row(e->code)->class == ERR_OPERATOR ? MHD_HTTP_CONFLICT : MHD_HTTP_SERVICE_UNAVAILABLE;
}

/* Takes the response. Headers end with a row without a name; one without a value is left out. */
static enum MHD_Result queue(struct MHD_Connection *c, unsigned status, struct MHD_Response *r, const struct header *headers)
{
	if (!r)
		return MHD_NO;
	enum MHD_Result ok = MHD_YES;
	for (size_t i = 0; i < COUNT_OF(always); i++)
		if (MHD_add_response_header(r, always[i].name, always[i].value) != MHD_YES)
			ok = MHD_NO;
	for (; headers->name; headers++)
		if (headers->value && MHD_add_response_header(r, headers->name, headers->value) != MHD_YES)
			ok = MHD_NO;
	ok = ok == MHD_YES ? MHD_queue_response(c, status, r) : MHD_NO;
	MHD_destroy_response(r);
	return ok;
}

static struct MHD_Response *copy_of(const struct bytes *text)
{
	return MHD_create_response_from_buffer(text->len, (void *)(uintptr_t)bytes_text(text), MHD_RESPMEM_MUST_COPY);
}

enum MHD_Result reply_text(struct MHD_Connection *c, const struct bytes *text, const char *type)
{
	const struct header headers[] = {{"Content-Type", type}, {"Cache-Control", "no-store"}, {0}};
	return queue(c, MHD_HTTP_OK, copy_of(text), headers);
}

enum MHD_Result reply_json(struct MHD_Connection *c, const json_t *object)
{
	AUTO(bytes) struct bytes text = {.max = JSON_MAX};
	struct err e = {0};
	if (!json_canonical(object, &text, &e))
		return reply_problem(c, MHD_HTTP_SERVICE_UNAVAILABLE, &e, NULL);
	return reply_text(c, &text, "application/json");
}

enum MHD_Result reply_page(struct MHD_Connection *c, const struct page *p)
{
	const char *tags = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "If-None-Match");
	const struct header headers[] = {{"Content-Type", p->type}, {"Cache-Control", "no-cache"}, {"ETag", p->etag},
					 {"Content-Security-Policy", p->policy}, {0}};
	bool known = page_is_known(p, tags);
	return queue(c, known ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK,
		    MHD_create_response_from_buffer(known ? 0 : p->len, (void *)(uintptr_t)p->data, MHD_RESPMEM_PERSISTENT), headers);
}

enum MHD_Result reply_stream(struct MHD_Connection *c, struct MHD_Response *response)
{
	static const struct header headers[] = {
		{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}, {"X-Accel-Buffering", "no"}, {0}};
	return queue(c, MHD_HTTP_OK, response, headers);
}

static const char *phrase(unsigned status)
{
	const char *text = MHD_get_reason_phrase_for(status);
	return text ? text : "Error";
}

enum MHD_Result reply_problem(struct MHD_Connection *c, unsigned status, const struct err *e, const char *allow)
{
	AUTO(bytes) struct bytes text = {0};
	struct err ignored = {0};
	const struct err_row *row = err_row(e->code == E_NONE ? E_NOMEM : e->code);
	AUTO(json) json_t *problem = json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:s}", "type", "about:blank", "title", phrase(status),
					       "status", (int)status, "detail", e->what, "code", row->code, "happened", row->happened,
					       "todo", row->todo, "whom", row->whom);
	if (!json_canonical(problem, &text, &ignored))
		return MHD_NO;
	const struct header headers[] = {
		{"Content-Type", "application/problem+json"},
		{"Cache-Control", "no-store"},
		{"Allow", allow},
		{"WWW-Authenticate", status == MHD_HTTP_UNAUTHORIZED ? "Bearer" : NULL},
		{"Retry-After", status == MHD_HTTP_SERVICE_UNAVAILABLE ? "5" : NULL},
		{0}};
	return queue(c, status, copy_of(&text), headers);
}

enum MHD_Result reply_options(struct MHD_Connection *c, const char *allow)
{
	const struct header headers[] = {{"Allow", allow}, {"Cache-Control", "no-store"}, {0}};
	return queue(c, MHD_HTTP_NO_CONTENT, MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT), headers);
}
