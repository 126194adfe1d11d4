/* SPDX-License-Identifier: Apache-2.0 */
#include "station/dps/runtime.h"

#include "station/base/clock.h"
#include "station/dps/answer.h"
#include "station/dps/paced.h"
#include "station/dps/tpm_proof.h"
#include "station/dps/url.h"

#include <string.h>
#include <strings.h>

#define POLL_LEAST_MS 1000
#define POLL_MOST_MS 300000
#define POLL_USUAL_MS 2000

/* One registration: what is asked, how it is proved, and by when. */
struct talk {
	struct dps *dps;
	struct http *http;
	const char *id;
	const struct runtime_tpm *tpm;	/* NULL: proved by the certificate of the connection */
	int64_t deadline_ms;
	struct bytes base;	/* "https://HOST/SCOPE/registrations/ID" */
	struct bytes body;
	struct bytes token;	/* of a TPM; empty: none yet */
	struct runtime_result *ret;
};

static void talk_fini(struct talk *t)
{
	http_close(t->http);
	bytes_fini(&t->base);
	bytes_fini(&t->body);
	bytes_fini(&t->token);
}
AUTO_DEFINE(talk, struct talk)

static bool body_of(struct talk *t, struct err *e)
{
	if (t->tpm)
		return tpm_proof_body(t->id, t->tpm, &t->body, e);
	AUTO(json) json_t *body = json_pack("{s:s}", "registrationId", t->id);
	return json_canonical(body, &t->body, e);
}

static bool talk_init(struct talk *t, const struct http_identity *identity, struct err *e)
{
	memset(t->ret, 0, sizeof(*t->ret));
	t->ret->retry_after_ms = -1;
	t->token.secret = true;
	return bytes_printf(&t->base, e, "%s/%s/registrations/", dps_global_endpoint(t->dps), dps_id_scope(t->dps))
	       && url_encode(t->id, &t->base, e) && body_of(t, e) && http_open(dps_http(t->dps), identity, &t->http, e);
}

static const struct bytes *token_of(const struct talk *t)
{
	return t->token.len ? &t->token : NULL;
}

/* Registrations have a limit of their own at the service, and so a pace of their own here; questions about them do not count. */
static bool ask_register(struct talk *t, struct http_response *r, struct err *e)
{
	AUTO(bytes) struct bytes url = {0};
	struct pacer *pacer = dps_device_pacer(t->dps);
	if (!bytes_printf(&url, e, "%s/register?api-version=" DPS_API_VERSION, bytes_text(&t->base)))
		return false;
	struct http_request q = {.method = "PUT", .url = bytes_text(&url), .authorization = token_of(t),
				 .body = bytes_text(&t->body), .body_len = t->body.len, .deadline_ms = t->deadline_ms};
	bool sent = paced_send(pacer, PACED_ONE, 1, t->http, &q, r, e);
	bool held_back = !sent && e->code == E_DPS_BUSY;
	if (held_back)
		t->ret->retry_after_ms = pacer_left_ms(pacer);
	t->ret->requests += !held_back;
	return sent;
}

static bool ask_operation(struct talk *t, struct http_response *r, struct err *e)
{
	AUTO(bytes) struct bytes url = {0};
	if (!bytes_printf(&url, e, "%s/operations/", bytes_text(&t->base))
	    || !url_encode(t->ret->operation_id, &url, e)
	    || !bytes_add_text(&url, "?api-version=" DPS_API_VERSION, e))
		return false;
	struct http_request q = {.method = "GET", .url = bytes_text(&url), .authorization = token_of(t),
				 .deadline_ms = t->deadline_ms};
	t->ret->requests++;
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

enum verdict { DECIDED, ASK_AGAIN, CHALLENGED };

/* The TPM keeps the key that the blob holds, and no other can read it. */
static bool import_key(struct talk *t, const json_t *holder, bool *found, struct err *e)
{
	AUTO(bytes) struct bytes blob = {0};
	return tpm_proof_blob(holder, found, &blob, e) && (!*found || t->tpm->import(t->tpm->ctx, blob.data, blob.len, e));
}

/* The hub's key comes with the assignment; it is in the TPM, or the device could never connect. */
static bool take_hub_key(struct talk *t, const json_t *state, struct err *e)
{
	bool found = false;
	return import_key(t, json_object_get(state, "tpm"), &found, e)
	       && (found || err_set(e, E_DPS_ANSWER, "assigned without the hub's key"));
}

static bool judge_assigned(struct talk *t, const json_t *state, struct err *e)
{
	const struct registration *s = &t->ret->state;
	if (!*s->hub || !*s->device_id)
		return err_set(e, E_DPS_ANSWER, "assigned without hub or device id");
	if (*s->id && strcasecmp(s->id, t->id))
		return err_set(e, E_DPS_ANSWER, "the answer is about %s", s->id);
	return !t->tpm || take_hub_key(t, state, e);
}

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
	if (!strcasecmp(status, "assigned"))
		return judge_assigned(t, state, e);
	if (!*status)
		return err_set(e, E_DPS_ANSWER, "an answer without a status");
	return err_native(e, E_REHEARSAL, s->error_code, "%s, %d: %s", status, s->error_code, s->error_message);
}

/* A 401 that carries a key asks for a proof; any other is a refusal. */
static bool judge_challenge(struct talk *t, const struct http_response *r, enum verdict *ret, struct err *e)
{
	AUTO(json) json_t *body = NULL;
	struct err none = {0};
	bool found = false;
	if (!answer_object(r, &body, &none))
		return refuse(t, r, e);
	if (!import_key(t, body, &found, e))
		return false;
	*ret = CHALLENGED;
	return found || refuse(t, r, e);
}

static bool judge(struct talk *t, const struct http_response *r, enum verdict *ret, struct err *e)
{
	AUTO(json) json_t *body = NULL;
	enum err_code code = answer_code(r->status);
	bool unproved = t->tpm && !t->token.len;

	if (code == E_DPS_BUSY && r->retry_after_ms >= 0) {
		*ret = ASK_AGAIN;
		return true;
	}
	if (code == E_DPS_BUSY || code == E_DPS_ANSWER || code == E_PROXY)
		return answer_is_good(r, e);
	if (unproved && r->status == 401)
		return judge_challenge(t, r, ret, e);
	if (code != E_NONE)
		return refuse(t, r, e);
	if (unproved)
		return err_set(e, E_DPS_ANSWER, "the service asked for no proof");
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

/* The answer to a challenge goes over a connection of its own: the service may remember that the first one failed. */
static bool prove(struct talk *t, struct err *e)
{
	http_close(t->http);
	t->http = NULL;
	return tpm_proof_token(dps_id_scope(t->dps), t->id, t->tpm, clock_wall_ms(), &t->token, e)
	       && http_open(dps_http(t->dps), NULL, &t->http, e);
}

static bool ask(struct talk *t, enum verdict *ret, struct http_response *r, struct err *e)
{
	bool sent = *t->ret->operation_id ? ask_operation(t, r, e) : ask_register(t, r, e);
	return sent && judge(t, r, ret, e);
}

static bool talk_to_the_end(struct talk *t, struct err *e)
{
	for (;;) {
		AUTO(http_response) struct http_response r = {0};
		enum verdict verdict = DECIDED;
		if (!ask(t, &verdict, &r, e))
			return false;
		if (verdict == DECIDED)
			return true;
		if (verdict == CHALLENGED ? !prove(t, e) : !wait_for(t, &r, e))
			return false;
	}
}

bool runtime_register(struct dps *d, const char *registration_id, const struct http_identity *identity,
		      int64_t deadline_ms, struct runtime_result *ret, struct err *e)
{
	AUTO(talk) struct talk t = {.dps = d, .id = registration_id, .deadline_ms = deadline_ms, .ret = ret};
	return (talk_init(&t, identity, e) && talk_to_the_end(&t, e)) || err_in(e, "registering %s", registration_id);
}

bool runtime_register_tpm(struct dps *d, const char *registration_id, const struct runtime_tpm *tpm, int64_t deadline_ms,
			  struct runtime_result *ret, struct err *e)
{
	AUTO(talk) struct talk t = {.dps = d, .id = registration_id, .tpm = tpm, .deadline_ms = deadline_ms, .ret = ret};
	return (talk_init(&t, NULL, e) && talk_to_the_end(&t, e)) || err_in(e, "registering %s", registration_id);
}
