/* SPDX-License-Identifier: Apache-2.0 */
#include "station/dps/hub.h"

#include "station/base/clock.h"
#include "station/dps/answer.h"
#include "station/dps/auth.h"
#include "station/dps/url.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HUB_API_VERSION "2021-04-12"

struct call {
	struct auth *auth;
	struct http *http;
	struct bytes url;
	int64_t deadline_ms;
};

static void call_fini(struct call *c)
{
	auth_close(c->auth);
	http_close(c->http);
	bytes_fini(&c->url);
}
AUTO_DEFINE(call, struct call)

/* The service names the hub: it becomes the name of a file and part of a URL. */
static bool host_is_name(const char *host, struct err *e)
{
	bool ok = *host && *host != '.' && strlen(host) < URL_HOST_MAX;
	for (const char *c = host; ok && *c; c++)
		ok = (unsigned char)*c < 0x80 && (isalnum((unsigned char)*c) || *c == '-' || *c == '.');
	return ok || err_set(e, E_DPS_ANSWER, "the hub's name is no name of a host");
}

static bool auth_of(const struct hub_setup *setup, const char *host, struct auth **ret, struct err *e)
{
	AUTO(bytes) struct bytes reference = {0};
	if (!setup->keys || !*setup->keys)
		return err_set(e, E_HUB_KEY, "no [hub] keys are configured; %s is not asked", host);
	if (!bytes_printf(&reference, e, "file:%s/%s", setup->keys, host))
		return false;
	if (access(bytes_text(&reference) + strlen("file:"), F_OK) != 0)
		return err_set(e, E_HUB_KEY, "there is no file %s in [hub] keys", host);
	struct auth_setup auth = {.kind = AUTH_CONNECTION, .host = host, .secret = bytes_text(&reference), .any_host = true};
	struct err why = {0};
	return auth_open(&auth, ret, &why) || err_set(e, E_HUB_KEY, "[hub] keys, %s: %s", host, why.what);
}

static bool call_open(const struct hub_setup *setup, const char *host, const char *device_id, struct call *c, struct err *e)
{
	bool direct = !setup->gateway || !*setup->gateway;
	return host_is_name(host, e) && auth_of(setup, host, &c->auth, e) && http_open(setup->http, NULL, &c->http, e) &&
	       bytes_printf(&c->url, e, direct ? "https://%s/devices/" : "%s/hubs/%s/devices/",
			    direct ? host : setup->gateway, host) &&
	       url_encode(device_id, &c->url, e) && bytes_add_text(&c->url, "?api-version=" HUB_API_VERSION, e);
}

/* A hub's refusal is not the provisioning service's. */
static bool is_good(const struct http_response *r, struct err *e)
{
	struct err why = {0};
	return answer_is_good(r, &why) || err_native(e, why.code == E_DPS_AUTH ? E_HUB_KEY : why.code, why.native, "%s", why.what);
}

static bool send(const struct call *c, const char *method, const char *if_match, const struct bytes *body,
		 struct http_response *ret,
		 struct err *e)
{
	AUTO(bytes) struct bytes authorization = {.secret = true};
	if (!auth_header(c->auth, clock_wall_ms(), &authorization, e))
		return false;
	struct http_request request = {
		.method = method,
		.url = bytes_text(&c->url),
		.authorization = &authorization,
		.if_match = if_match,
		.body = body ? bytes_text(body) : NULL,
		.body_len = body ? body->len : 0,
		.deadline_ms = c->deadline_ms,
	};
	return http_send(c->http, &request, ret, e);
}

/* Any web server says 404; the registry says with it which device it does not know. */
static bool is_unknown_device(const struct http_response *r)
{
	return r->status == 404 && (strstr(r->error_code, "DeviceNotFound") ||
				    memmem(r->body.data, r->body.len, "DeviceNotFound", strlen("DeviceNotFound")));
}

/* The whole record goes back as it came, with its keys: it is secret. */
static bool put_disabled(const struct call *c, json_t *device, const char *reason, struct err *e)
{
	AUTO(http_response) struct http_response r = {.body.secret = true};
	AUTO(bytes) struct bytes body = {.secret = true}, etag = {0};
	if (json_object_set_new(device, "status", json_string("disabled")) ||
	    json_object_set_new(device, "statusReason", json_string(reason)))
		return err_set(e, E_NOMEM, "device");
	return bytes_printf(&etag, e, "\"%s\"", json_text_or(device, "etag", "*")) && json_canonical(device, &body, e) &&
	       send(c, "PUT", bytes_text(&etag), &body, &r, e) && is_good(&r, e);
}

static bool disable(const struct call *c, const char *reason, bool *found, struct err *e)
{
	AUTO(http_response) struct http_response r = {.body.secret = true};
	AUTO(json) json_t *device = NULL;
	*found = false;
	if (!send(c, "GET", NULL, NULL, &r, e))
		return false;
	if (is_unknown_device(&r))
		return true;
	if (!is_good(&r, e) || !answer_object(&r, &device, e))
		return false;
	*found = true;
	return !strcmp(json_text_or(device, "status", ""), "disabled") || put_disabled(c, device, reason, e);
}

bool hub_disable_device(const struct hub_setup *setup, const char *host, const char *device_id, const char *reason,
			int64_t deadline_ms,
			bool *found, struct err *e)
{
	AUTO(call) struct call c = {.deadline_ms = deadline_ms};
	return (call_open(setup, host, device_id, &c, e) && disable(&c, reason, found, e)) ||
	       err_in(e, "disabling %s at %s", device_id, host);
}
