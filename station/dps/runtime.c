/* SPDX-License-Identifier: Apache-2.0 */
#include "station/dps/runtime.h"

#include "station/base/clock.h"
#include "station/dps/answer.h"
#include "station/dps/url.h"

#include <string.h>
#include <strings.h>

#define POLL_LEAST_MS 1000
#define POLL_MOST_MS 300000
#define POLL_USUAL_MS 2000

/* One registration: what is asked, and by when. */
struct talk {
	struct http *http;
	const char *id;
	int64_t deadline_ms;
	struct bytes base;	/* "https://HOST/SCOPE/registrations/ID" */
	struct bytes body;
	struct runtime_result *ret;
};

static void talk_fini(struct talk *t)
{
	http_close(t->http);
	bytes_fini(&t->base);
	bytes_fini(&t->body);
}
AUTO_DEFINE(talk, struct talk)

static bool talk_init(struct talk *t, struct dps *d, const struct http_identity *identity, struct err *e)
{
	AUTO(json) json_t *body = json_pack("{s:s}", "registrationId", t->id);
	return bytes_printf(&t->base, e, "%s/%s/registrations/", dps_global_endpoint(d), dps_id_scope(d))
	       && url_encode(t->id, &t->base, e) && json_canonical(body, &t->body, e)
	       && http_open(dps_http(d), identity, &t->http, e);
}

static bool ask_register(struct talk *t, struct http_response *r, struct err *e)
{
	AUTO(bytes) struct bytes url = {0};
	if (!bytes_printf(&url, e, "%s/register?api-version=" DPS_API_VERSION, bytes_text(&t->base)))
		return false;
	struct http_request q = {.method = "PUT", .url = bytes_text(&url), .body = bytes_text(&t->body),
				 .body_len = t->body.len, .deadline_ms = t->deadline_ms};
	return http_send(t->http, &q, r, e);
}

static bool ask_operation(struct talk *t, struct http_response *r, struct err *e)
{
	AUTO(bytes) struct bytes url = {0};
	if (!bytes_printf(&url, e, "%s/operations/", bytes_text(&t->base))
	    || !url_encode(t->ret->operation_id, &url, e)
	    || !bytes_add_text(&url, "?api-version=" DPS_API_VERSION, e))
		return false;
	struct http_request q = {.method = "GET", .url = bytes_text(&url), .deadline_ms = t->deadline_ms};
	return http_send(t->http, &q, r, e);
}

/* A refusal of the device, not of the station: its own error, so that nobody looks for a wrong key in [dps]. */
static bool refuse(struct talk *t, const struct http_response *r, struct err *e)
{
	struct complaint c;
	answer_complaint(r, &c);
	t->ret->state.error_code = c.code <= INT32_MAX ? (int)c.code : 0;
	answer_words(c.message, t->ret->state.error_message, sizeof(t->ret->state.error_message));
	return answer_refuse(r, E_REHEARSAL, e);
}

enum verdict { DECIDED, ASK_AGAIN };

static bool judge_state(struct talk *t, const json_t *body, enum verdict *ret, struct err *e)
{
	struct registration *s = &t->ret->state;
	const json_t *state = json_object_get(body, "registrationState");
	char status[16];

	if (!ANSWER_TEXT(body, "operationId", t->ret->operation_id, e) || !ANSWER_TEXT(body, "status", status, e)
	    || (state && !json_is_null(state) && !registration_parse(state, s, e)))
		return false;
	if (!strcasecmp(status, "assigning")) {
		*ret = ASK_AGAIN;
		return *t->ret->operation_id || err_set(e, E_DPS_ANSWER, "assigning without an operation id");
	}
	*ret = DECIDED;
	if (!strcasecmp(status, "assigned")) {
		if (!*s->hub || !*s->device_id)
			return err_set(e, E_DPS_ANSWER, "assigned without hub or device id");
		if (*s->id && strcasecmp(s->id, t->id))
			return err_set(e, E_DPS_ANSWER, "the answer is about %s", s->id);
		return true;
	}
	if (!*status)
		return err_set(e, E_DPS_ANSWER, "an answer without a status");
	return err_native(e, E_REHEARSAL, s->error_code, "%s, %d: %s", status, s->error_code, s->error_message);
}

static bool judge(struct talk *t, const struct http_response *r, enum verdict *ret, struct err *e)
{
	AUTO(json) json_t *body = NULL;
	enum err_code code = answer_code(r->status);

	if (code == E_DPS_BUSY && r->retry_after_ms >= 0) {
		*ret = ASK_AGAIN;
		return true;
	}
	if (code == E_DPS_BUSY || code == E_DPS_ANSWER || code == E_PROXY)
		return answer_is_good(r, e);
	if (code != E_NONE)
		return refuse(t, r, e);
	return answer_object(r, &body, e) && judge_state(t, body, ret, e);
}

/* Waits as long as the service asked for; false if that would pass the deadline. */
static bool wait_for(struct talk *t, const struct http_response *r, struct err *e)
{
	int64_t ms = r->retry_after_ms;
	bool busy = answer_code(r->status) == E_DPS_BUSY;
	if (ms < POLL_LEAST_MS || ms > POLL_MOST_MS)
		ms = busy && ms > POLL_MOST_MS ? ms : POLL_USUAL_MS;
	t->ret->retry_after_ms = ms;
	if (ms >= clock_left_ms(t->deadline_ms))
		return busy ? answer_refuse(r, E_DPS_BUSY, e)
			    : err_set(e, E_NET, "the service has not decided by the deadline");
	clock_sleep_ms(ms);
	t->ret->retry_after_ms = -1;
	return true;
}

static bool talk_to_the_end(struct talk *t, struct err *e)
{
	for (;;) {
		AUTO(http_response) struct http_response r = {0};
		enum verdict verdict = DECIDED;
		t->ret->requests++;
		bool sent = *t->ret->operation_id ? ask_operation(t, &r, e) : ask_register(t, &r, e);
		if (!sent || !judge(t, &r, &verdict, e))
			return false;
		if (verdict == DECIDED)
			return true;
		if (!wait_for(t, &r, e))
			return false;
	}
}

bool runtime_register(struct dps *d, const char *registration_id, const struct http_identity *identity,
		      int64_t deadline_ms, struct runtime_result *ret, struct err *e)
{
	AUTO(talk) struct talk t = {.id = registration_id, .deadline_ms = deadline_ms, .ret = ret};

	memset(ret, 0, sizeof(*ret));
	ret->retry_after_ms = -1;
	if (!talk_init(&t, d, identity, e) || !talk_to_the_end(&t, e))
		return err_in(e, "registering %s", registration_id);
	return true;
}
