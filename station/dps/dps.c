/* SPDX-License-Identifier: Apache-2.0 */
#include "station/dps/dps.h"

#include "station/base/clock.h"
#include "station/base/file.h"
#include "station/base/text.h"
#include "station/dps/answer.h"
#include "station/dps/url.h"

#include <ctype.h>
#include <pthread.h>
#include <string.h>

#define ID_SCOPE_MAX 64
#define ARM_ID_MAX 512
#define PLANES 2

/* One of the two services that we talk to as ourselves. A connection that nobody uses waits here for the next caller. */
struct plane {
	char url[URL_HOST_MAX + 8];	/* "https://" host */
	struct auth *auth;
	pthread_mutex_t lock;
	struct http *idle;
};

struct dps {
	struct plane planes[PLANES];
	char global_url[URL_HOST_MAX + 8];
	char id_scope[ID_SCOPE_MAX];
	char arm_id[ARM_ID_MAX];
	char *ca_file, *proxy;
	struct bytes proxy_login;
	struct http_setup http;
};

/* ---- opening ---- */

static bool is_given(const char *text)
{
	return text && *text;
}

static bool url_set(char url[static URL_HOST_MAX + 8], const char *endpoint, const char *name, struct err *e)
{
	char host[URL_HOST_MAX];
	if (!url_endpoint(endpoint, host, e))
		return err_in(e, "%s", name);
	memcpy(url, "https://", 8);
	memcpy(url + 8, host, strlen(host) + 1);
	return true;
}

static bool id_scope_set(struct dps *d, const char *text, struct err *e)
{
	size_t n = text ? strlen(text) : 0;
	if (n == 0 || n >= sizeof(d->id_scope))
		return err_set(e, E_CONFIG, "id_scope is missing or too long");
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] >= 0x80 || !isalnum((unsigned char)text[i]))
			return err_set(e, E_CONFIG, "id_scope \"%s\" is not letters and digits", text);
	return TEXT_COPY(d->id_scope, text, e);
}

static bool arm_id_set(struct dps *d, const char *text, struct err *e)
{
	size_t n = strlen(text);
	bool ok = n < sizeof(d->arm_id) && n > 1 && text[0] == '/' && text[n - 1] != '/' && !strstr(text, "..");
	for (size_t i = 0; ok && i < n; i++)
		ok = (unsigned char)text[i] < 0x80 && (isalnum((unsigned char)text[i]) || strchr("/-._()", text[i]));
	if (!ok)
		return err_set(e, E_CONFIG, "arm_id is not /subscriptions/…/provisioningServices/NAME");
	return TEXT_COPY(d->arm_id, text, e);
}

static bool auths_open(struct dps *d, const struct dps_setup *s, struct err *e)
{
	struct auth_setup service = {.host = d->planes[DPS_SERVICE].url + 8, .policy = s->policy,
				     .secret = s->secret, .any_host = s->any_host};
	struct auth_setup arm = {.host = d->planes[DPS_ARM].url + 8, .secret = s->arm_secret};

	if (is_given(s->auth) && !auth_kind_find(s->auth, &service.kind))
		return err_set(e, E_CONFIG, "auth \"%s\" is none of policy-key, connection-string, sas-token, "
			       "bearer-token", s->auth);
	if (is_given(s->arm_secret))
		arm.kind = AUTH_BEARER;
	if (!auth_open(&service, &d->planes[DPS_SERVICE].auth, e))
		return err_in(e, "secret");
	if (!auth_open(&arm, &d->planes[DPS_ARM].auth, e))
		return err_in(e, "arm_secret");
	return true;
}

static bool way_set(struct dps *d, const struct dps_setup *s, struct err *e)
{
	if (is_given(s->ca_file) && !(d->ca_file = strdup(s->ca_file)))
		return err_set(e, E_NOMEM, "ca_file");
	if (is_given(s->proxy) && !(d->proxy = strdup(s->proxy)))
		return err_set(e, E_NOMEM, "proxy");
	if (is_given(s->proxy_secret) && !secret_read(s->proxy_secret, &d->proxy_login, e))
		return err_in(e, "proxy_secret");
	d->http = (struct http_setup){.ca_file = d->ca_file, .proxy = d->proxy,
				      .proxy_login = &d->proxy_login, .connect_ms = s->connect_ms};
	return true;
}

static bool fill(struct dps *d, const struct dps_setup *s, struct err *e)
{
	const char *global = is_given(s->global_endpoint) ? s->global_endpoint : DPS_GLOBAL_ENDPOINT;
	const char *arm = is_given(s->arm_endpoint) ? s->arm_endpoint : ARM_ENDPOINT;

	return url_set(d->planes[DPS_SERVICE].url, s->endpoint ? s->endpoint : "", "endpoint", e)
	       && url_set(d->global_url, global, "global_endpoint", e)
	       && url_set(d->planes[DPS_ARM].url, arm, "arm_endpoint", e) && id_scope_set(d, s->id_scope, e)
	       && (!is_given(s->arm_id) || arm_id_set(d, s->arm_id, e)) && way_set(d, s, e) && auths_open(d, s, e);
}

bool dps_open(const struct dps_setup *setup, struct dps **ret, struct err *e)
{
	struct dps *d = calloc(1, sizeof(*d));
	if (!d)
		return err_set(e, E_NOMEM, "cloud client");
	for (int i = 0; i < PLANES; i++)
		pthread_mutex_init(&d->planes[i].lock, NULL);
	if (!fill(d, setup, e)) {
		dps_close(d);
		return err_in(e, "[dps]");
	}
	*ret = d;
	return true;
}

void dps_close(struct dps *d)
{
	if (!d)
		return;
	for (int i = 0; i < PLANES; i++) {
		http_close(d->planes[i].idle);
		auth_close(d->planes[i].auth);
		pthread_mutex_destroy(&d->planes[i].lock);
	}
	bytes_fini(&d->proxy_login);
	free(d->ca_file);
	free(d->proxy);
	free(d);
}

const char *dps_endpoint(const struct dps *d)
{
	return d->planes[DPS_SERVICE].url;
}

const char *dps_global_endpoint(const struct dps *d)
{
	return d->global_url;
}

const char *dps_id_scope(const struct dps *d)
{
	return d->id_scope;
}

const char *dps_arm_id(const struct dps *d)
{
	return d->arm_id;
}

const struct http_setup *dps_http(const struct dps *d)
{
	return &d->http;
}

/* ---- one request ---- */

static bool http_borrow(struct dps *d, struct plane *p, struct http **ret, struct err *e)
{
	pthread_mutex_lock(&p->lock);
	*ret = p->idle;
	p->idle = NULL;
	pthread_mutex_unlock(&p->lock);
	return *ret || http_open(&d->http, NULL, ret, e);
}

static void http_give_back(struct plane *p, struct http *h)
{
	pthread_mutex_lock(&p->lock);
	struct http *surplus = p->idle;
	p->idle = h;
	pthread_mutex_unlock(&p->lock);
	http_close(surplus);
}

bool dps_send(struct dps *d, const struct dps_call *call, struct http_response *ret, struct err *e)
{
	struct plane *p = &d->planes[call->plane];
	AUTO(bytes) struct bytes authorization = {.secret = true}, url = {0};
	struct http *h = NULL;

	if (!auth_header(p->auth, clock_wall_ms(), &authorization, e))
		return err_in(e, "[dps] %s", call->plane == DPS_ARM ? "arm_secret" : "secret");
	if (!bytes_printf(&url, e, "%s%s", p->url, call->path) || !http_borrow(d, p, &h, e))
		return false;
	struct http_request request = {
		.method = call->method,
		.url = bytes_text(&url),
		.authorization = &authorization,
		.if_match = call->if_match,
		.body = call->body,
		.body_len = call->body_len,
		.want_hops = call->want_hops,
		.deadline_ms = call->deadline_ms,
	};
	bool ok = http_send(h, &request, ret, e);
	http_give_back(p, h);
	if (ok && ret->status == 401)
		auth_forget(p->auth);
	return ok;
}

/* ---- the operations ---- */

static bool path_of(const char *collection, const char *id, struct bytes *ret, struct err *e)
{
	return bytes_printf(ret, e, "/%s/", collection) && url_encode(id, ret, e)
	       && bytes_add_text(ret, "?api-version=" DPS_API_VERSION, e);
}

/* Any web server says 404; only DPS says it with a code of its own, 404xxx. */
static bool is_not_found(const struct http_response *r)
{
	struct complaint c;
	answer_complaint(r, &c);
	return r->status == 404 && c.code / 1000 == 404;
}

/* A GET of one thing: *found false for 404. */
static bool get_one(struct dps *d, const char *collection, const char *id, int64_t deadline_ms, bool *found,
		    struct http_response *ret, struct err *e)
{
	AUTO(bytes) struct bytes path = {0};
	*found = false;
	if (!path_of(collection, id, &path, e))
		return false;
	struct dps_call call = {.method = "GET", .path = bytes_text(&path), .deadline_ms = deadline_ms};
	if (!dps_send(d, &call, ret, e))
		return false;
	if (is_not_found(ret))
		return true;
	*found = answer_is_good(ret, e);
	return *found;
}

bool dps_get_group(struct dps *d, const char *id, int64_t deadline_ms, bool *found, struct group *ret,
		   struct err *e)
{
	AUTO(http_response) struct http_response r = {0};
	if (!get_one(d, "enrollmentGroups", id, deadline_ms, found, &r, e)
	    || (*found && !group_parse(r.body.data, r.body.len, ret, e)))
		return err_in(e, "reading group %s", id);
	return true;
}

static bool put_group(struct dps *d, const struct group_wanted *wanted, const struct group *base,
		      int64_t deadline_ms, struct group *ret, struct err *e)
{
	AUTO(http_response) struct http_response r = {0};
	AUTO(bytes) struct bytes path = {0}, body = {0};

	if (base && !*base->etag)
		return err_set(e, E_DPS_ANSWER, "the service gave no etag to replace it by");
	if (!group_body(wanted, base ? base->raw : NULL, &body, e)
	    || !path_of("enrollmentGroups", wanted->id, &path, e))
		return false;
	struct dps_call call = {
		.method = "PUT",
		.path = bytes_text(&path),
		.if_match = base ? base->etag : NULL,
		.body = bytes_text(&body),
		.body_len = body.len,
		.deadline_ms = deadline_ms,
	};
	return dps_send(d, &call, &r, e) && answer_is_good(&r, e)
	       && group_parse(r.body.data, r.body.len, ret, e);
}

bool dps_put_group(struct dps *d, const struct group_wanted *wanted, const struct group *base,
		   int64_t deadline_ms, struct group *ret, struct err *e)
{
	return put_group(d, wanted, base, deadline_ms, ret, e) || err_in(e, "writing group %s", wanted->id);
}

bool registration_parse(const json_t *state, struct registration *ret, struct err *e)
{
	memset(ret, 0, sizeof(*ret));
	if (!json_is_object(state))
		return err_set(e, E_DPS_ANSWER, "the registration state is no object");
	if (!ANSWER_TEXT(state, "registrationId", ret->id, e) || !ANSWER_TEXT(state, "status", ret->status, e)
	    || !ANSWER_TEXT(state, "substatus", ret->substatus, e)
	    || !ANSWER_TEXT(state, "assignedHub", ret->hub, e)
	    || !ANSWER_TEXT(state, "deviceId", ret->device_id, e) || !ANSWER_TEXT(state, "etag", ret->etag, e))
		return false;
	int64_t code = json_int_or(state, "errorCode", 0);
	if (code < 0 || code > INT32_MAX)
		return err_set(e, E_DPS_ANSWER, "errorCode %lld is no such code", (long long)code);
	ret->error_code = (int)code;
	answer_words(json_text_or(state, "errorMessage", ""), ret->error_message, sizeof(ret->error_message));
	return true;
}

bool dps_get_registration(struct dps *d, const char *id, int64_t deadline_ms, bool *found,
			  struct registration *ret, struct err *e)
{
	AUTO(http_response) struct http_response r = {0};
	AUTO(json) json_t *state = NULL;
	if (!get_one(d, "registrations", id, deadline_ms, found, &r, e)
	    || (*found && (!answer_object(&r, &state, e) || !registration_parse(state, ret, e))))
		return err_in(e, "reading registration %s", id);
	return true;
}

bool dps_delete_registration(struct dps *d, const char *id, int64_t deadline_ms, struct err *e)
{
	AUTO(http_response) struct http_response r = {0};
	AUTO(bytes) struct bytes path = {0};
	if (!path_of("registrations", id, &path, e))
		return false;
	struct dps_call call = {.method = "DELETE", .path = bytes_text(&path), .deadline_ms = deadline_ms};
	if (!dps_send(d, &call, &r, e) || (!is_not_found(&r) && !answer_is_good(&r, e)))
		return err_in(e, "deleting registration %s", id);
	return true;
}
