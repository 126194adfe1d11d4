/* SPDX-License-Identifier: Apache-2.0 */
#include "station/dps/dps.h"

#include "station/base/clock.h"
#include "station/base/file.h"
#include "station/base/text.h"
#include "station/dps/answer.h"
#include "station/dps/paced.h"
#include "station/dps/url.h"

#include <ctype.h>
#include <pthread.h>
#include <string.h>

#define ID_SCOPE_MAX 64
#define ARM_ID_MAX 512
#define PLANES 2
#define PER_MINUTE 900
#define IN_FLIGHT 4
#define IN_FLIGHT_MAX 64	/* as many as there are slots */

/* One of the two services that we talk to as ourselves. Connections that nobody uses wait here for the next caller, who takes the
 * one that was used last. */
struct plane {
	char url[URL_HOST_MAX + 8];	/* "https://" host */
	struct auth *auth;
	pthread_mutex_t lock;
	struct http *idle[IN_FLIGHT_MAX];
	size_t idle_count;
};

struct dps {
	struct plane planes[PLANES];
	char global_url[URL_HOST_MAX + 8];
	char id_scope[ID_SCOPE_MAX];
	char arm_id[ARM_ID_MAX];
	char *ca_file, *proxy;
	struct bytes proxy_login;
	struct http_setup http;
	struct pacer *service_pacer, *device_pacer;	/* the service counts operations and registrations apart */
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

/* Both have an endpoint, and a page in the portal where it is copied from. */
static bool is_no_hub(const char *host, struct err *e)
{
	static const char hubs[] = ".azure-devices.net";
	size_t n = strlen(host);
	return n < strlen(hubs) || strcmp(host + n - strlen(hubs), hubs)
	       || err_set(e, E_CONFIG, "endpoint %s is an IoT hub; that of the provisioning service is needed", host);
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

/* A tenth of a minute's share may go at once, so that share and burst together stay below what the service allows in a minute. */
static bool paces_set(struct dps *d, const struct dps_setup *s, struct err *e)
{
	uint32_t per_minute = s->per_minute ? s->per_minute : PER_MINUTE;
	uint32_t in_flight = s->in_flight ? s->in_flight : IN_FLIGHT;
	uint32_t burst = per_minute / 10 ? per_minute / 10 : 1;

	if (in_flight > IN_FLIGHT_MAX)
		return err_set(e, E_CONFIG, "more than %d requests in flight", IN_FLIGHT_MAX);
	return pacer_new(per_minute, burst, in_flight, &d->service_pacer, e)
	       && pacer_new(per_minute, burst, IN_FLIGHT_MAX, &d->device_pacer, e);
}

static bool fill(struct dps *d, const struct dps_setup *s, struct err *e)
{
	const char *global = is_given(s->global_endpoint) ? s->global_endpoint : DPS_GLOBAL_ENDPOINT;
	const char *arm = is_given(s->arm_endpoint) ? s->arm_endpoint : ARM_ENDPOINT;

	return url_set(d->planes[DPS_SERVICE].url, s->endpoint ? s->endpoint : "", "endpoint", e)
	       && is_no_hub(d->planes[DPS_SERVICE].url + 8, e) && url_set(d->global_url, global, "global_endpoint", e)
	       && url_set(d->planes[DPS_ARM].url, arm, "arm_endpoint", e) && id_scope_set(d, s->id_scope, e)
	       && (!is_given(s->arm_id) || arm_id_set(d, s->arm_id, e)) && way_set(d, s, e) && auths_open(d, s, e)
	       && paces_set(d, s, e);
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
		while (d->planes[i].idle_count)
			http_close(d->planes[i].idle[--d->planes[i].idle_count]);
		auth_close(d->planes[i].auth);
		pthread_mutex_destroy(&d->planes[i].lock);
	}
	pacer_free(d->service_pacer);
	pacer_free(d->device_pacer);
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

struct pacer *dps_device_pacer(const struct dps *d)
{
	return d->device_pacer;
}

int64_t dps_pace_left_ms(struct dps *d)
{
	return pacer_left_ms(d->service_pacer);
}

void dps_hurry(struct dps *d)
{
	pacer_hurry(d->service_pacer);
}

/* ---- one request ---- */

static bool http_borrow(struct dps *d, struct plane *p, struct http **ret, struct err *e)
{
	*ret = NULL;
	pthread_mutex_lock(&p->lock);
	if (p->idle_count)
		*ret = p->idle[--p->idle_count];
	pthread_mutex_unlock(&p->lock);
	return *ret || http_open(&d->http, NULL, ret, e);
}

static void http_give_back(struct plane *p, struct http *h)
{
	pthread_mutex_lock(&p->lock);
	bool is_kept = p->idle_count < COUNT_OF(p->idle);
	if (is_kept)
		p->idle[p->idle_count++] = h;
	pthread_mutex_unlock(&p->lock);
	if (!is_kept)
		http_close(h);
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
	uint32_t operations = call->operations ? call->operations : 1;
	bool ok = call->plane == DPS_SERVICE ? paced_send(d->service_pacer, PACED_ALL, operations, h, &request, ret, e)
					     : http_send(h, &request, ret, e);
	http_give_back(p, h);
	if (ok && ret->status == 401)
		auth_forget(p->auth);
	return ok;
}

/* ---- for the files that ask ---- */

bool dps_path(const char *collection, const char *id, struct bytes *ret, struct err *e)
{
	return bytes_printf(ret, e, "/%s/", collection) && url_encode(id, ret, e)
	       && bytes_add_text(ret, "?api-version=" DPS_API_VERSION, e);
}

bool dps_get_one(struct dps *d, const char *collection, const char *id, int64_t deadline_ms, bool *found,
		 struct http_response *ret, struct err *e)
{
	AUTO(bytes) struct bytes path = {0};
	*found = false;
	if (!dps_path(collection, id, &path, e))
		return false;
	struct dps_call call = {.method = "GET", .path = bytes_text(&path), .deadline_ms = deadline_ms};
	if (!dps_send(d, &call, ret, e))
		return false;
	if (answer_is_not_found(ret))
		return true;
	*found = answer_is_good(ret, e);
	return *found;
}
