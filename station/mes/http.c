/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP adapter: POST URL/v1/checkin, /v1/result, /v1/event (docs/mes.md). Mutual TLS, or an HMAC over each request, or both. */
#include "station/mes/mes.h"
#include "certs/hmac.h"
#include "station/base/clock.h"
#include "station/base/file.h"
#include "station/base/text.h"
#include "station/mes/answer.h"
#include "station/net/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mes {
	struct http *http;
	char url[256], station[65];
	struct bytes hmac_key;
};

static bool configured(const struct mes_setup *setup)
{
	return setup->url && setup->url[0];
}

static void close_http(struct mes *m)
{
	if (!m)
		return;
	http_close(m->http);
	bytes_fini(&m->hmac_key);
	free(m);
}

static const char *or_null(const char *text)
{
	return text && *text ? text : NULL;
}

static bool set_up(struct mes *m, const struct mes_setup *s, struct err *e)
{
	const struct http_setup setup = {
		.ca_file = or_null(s->ca_file), .certificate = or_null(s->certificate), .key = or_null(s->key),
		.plain = !strncmp(s->url, "http://", 7),
	};
	m->hmac_key.secret = true;
	return TEXT_COPY(m->url, s->url, e) && TEXT_COPY(m->station, s->station, e) &&
	       (!or_null(s->hmac_secret) || secret_read(s->hmac_secret, &m->hmac_key, e)) && http_open(&setup, NULL, &m->http, e);
}

static bool open_http(const struct mes_setup *setup, struct mes **ret, struct err *e)
{
	struct mes *m = calloc(1, sizeof(*m));
	if (!m)
		return err_set(e, E_NOMEM, "MES");
	if (!set_up(m, setup, e)) {
		close_http(m);
		return false;
	}
	*ret = m;
	return true;
}

/* "X-Station-Signature: " and the hex HMAC-SHA256 of METHOD, path, time and body, each but the last ended by '\n'. */
static bool sign(const struct mes *m, const char *path, const char *time, const struct bytes *body, char *out,
		size_t room, struct err *e)
{
	AUTO(bytes) struct bytes text = {.max = (size_t)1 << 20};
	uint8_t mac[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1];
	if (!bytes_printf(&text, e, "POST\n%s\n%s\n", path, time) || !bytes_add(&text, body->data, body->len, e))
		return false;
	hmac_sha256(m->hmac_key.data, m->hmac_key.len, text.data, text.len, mac);
	hex_encode(mac, sizeof(mac), hex);
	snprintf(out, room, "X-Station-Signature: %s", hex);
	return true;
}

/* The path as the server sees it: what stands in the URL behind the host, and ours. */
static const char *path_of(const char *url)
{
	const char *host = strstr(url, "://") + 3;
	return host + strcspn(host, "/");
}

static bool post(struct mes *m, const char *path, const json_t *message, int64_t deadline_ms, struct http_response *ret,
		struct err *e)
{
	AUTO(bytes) struct bytes body = {.max = (size_t)1 << 19};
	char url[320], when[CLOCK_TEXT], time_line[64], signature[128];
	struct err why = {0};
	clock_text(clock_wall_ms(), when);
	snprintf(url, sizeof(url), "%s%s", m->url, path);
	snprintf(time_line, sizeof(time_line), "X-Station-Time: %s", when);
	if (!json_canonical(message, &body, e) || !sign(m, path_of(url), when, &body, signature, sizeof(signature), e))
		return false;
	const char *const headers[] = {time_line, m->hmac_key.len ? signature : NULL, NULL};
	const struct http_request request = {.method = "POST", .url = url, .headers = headers, .body = bytes_text(&body),
					     .body_len = body.len, .deadline_ms = deadline_ms};
	if (http_send(m->http, &request, ret, &why))
		return true;
	return err_native(e, E_MES, why.native, "%s", why.what);
}

/* ---- events ---- */

static bool deliver(struct mes *m, const json_t *event, int64_t deadline_ms, int64_t *ret_again_ms, struct err *e)
{
	AUTO(http_response) struct http_response r = {0};
	bool result = !strcmp(json_text_or(event, "type", ""), "unit.result");
	if (!post(m, result ? "/v1/result" : "/v1/event", event, deadline_ms, &r, e))
		return false;
	if (r.status >= 200 && r.status < 300)
		return true;
	/* What the receiver will never take is put aside; what may pass next time is tried again. */
	bool refused = r.status >= 400 && r.status < 500 && r.status != 401 && r.status != 403 && r.status != 404 && r.status != 408 &&
		       r.status != 425 && r.status != 429;
	*ret_again_ms = r.retry_after_ms > 0 ? r.retry_after_ms : 0;
	return err_native(e, refused ? E_MES_REFUSED : E_MES, r.status, "status %d: %.120s", r.status,
			  text_is_printable(bytes_text(&r.body), strlen(bytes_text(&r.body))) ? bytes_text(&r.body) : "");
}

/* ---- check-in ---- */

static json_t *question_json(const struct mes *m, const struct mes_question *q)
{
	char when[CLOCK_TEXT];
	clock_text(clock_wall_ms(), when);
	json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "id", q->id, "time", when, "station", m->station, "serial", q->serial,
			      "label", q->label, "model", q->model, "revision", q->revision);
	json_object_update_new(j, json_pack("{s:s, s:s, s:s, s:s, s:s}", "slot", q->slot, "port", q->port, "lot", q->lot,
			"person", q->person,
					    "profile", q->profile));
	return j;
}

static bool check_in(struct mes *m, const struct mes_question *question, int64_t deadline_ms, struct mes_answer *ret, struct err *e)
{
	AUTO(http_response) struct http_response r = {0};
	AUTO(json) json_t *message = question_json(m, question);
	if (!post(m, "/v1/checkin", message, deadline_ms, &r, e))
		return false;
	if (r.status != 200)
		return err_native(e, E_MES, r.status, "status %d", r.status);
	return mes_answer_parse(bytes_text(&r.body), r.body.len, question->id, ret, e);
}

extern const struct mes_adapter mes_http;
const struct mes_adapter mes_http = {
	.name = "http", .configured = configured, .open = open_http, .close = close_http, .deliver = deliver, .check_in = check_in,
};
