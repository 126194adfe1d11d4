/* SPDX-License-Identifier: Apache-2.0 */
#include "station/dps/answer.h"

#include <stdio.h>
#include <string.h>

/* The service's words end in our logs and on a screen: no control characters, no half of a UTF-8 character where they are cut. */
void answer_words(const char *text, char *out, size_t room)
{
	size_t n = strnlen(text, room - 1);
	while (n && text[n] && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	memcpy(out, text, n);
	out[n] = '\0';
	for (char *c = out; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
}

static void complaint_read(const json_t *body, struct complaint *ret)
{
	const json_t *error = json_object_get(body, "error");
	if (json_is_object(error))
		body = error;
	int64_t code = json_int_or(body, "errorCode", json_int_or(body, "code", 0));
	if (code > 0)
		ret->code = code;
	answer_words(json_text_or(body, "code", ""), ret->code_text, sizeof(ret->code_text));
	answer_words(json_text_or(body, "message", json_text_or(body, "Message", "")), ret->message, sizeof(ret->message));
	answer_words(json_text_or(body, "trackingId", ""), ret->tracking, sizeof(ret->tracking));
}

void answer_complaint(const struct http_response *r, struct complaint *ret)
{
	struct err none = {0};
	AUTO(json) json_t *body = NULL;

	memset(ret, 0, sizeof(*ret));
	ret->code = r->status;
	if (json_parse(bytes_text(&r->body), r->body.len, &body, &none) && json_is_object(body))
		complaint_read(body, ret);
	int64_t header = strtoll(r->error_code, NULL, 10);
	if (ret->code == r->status && header > 0)
		ret->code = header;
	if (!*ret->tracking)
		answer_words(r->request_id, ret->tracking, sizeof(ret->tracking));
}

bool answer_is_not_found(const struct http_response *r)
{
	struct complaint c;
	answer_complaint(r, &c);
	return r->status == 404 && c.code / 1000 == 404;
}

enum err_code answer_code(int status)
{
	static const struct {
		int from, to;
		enum err_code code;
	} rows[] = {
		{200, 299, E_NONE},
		{100, 399, E_DPS_ANSWER},
		{401, 401, E_DPS_AUTH},
		{403, 403, E_DPS_AUTH},
		{407, 407, E_PROXY},
		{408, 408, E_DPS_BUSY},
		{409, 409, E_CONFLICT},
		{412, 412, E_CONFLICT},
		{429, 429, E_DPS_BUSY},
		{400, 499, E_DPS_REFUSED},
		{500, 599, E_DPS_BUSY},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (status >= rows[i].from && status <= rows[i].to)
			return rows[i].code;
	return E_DPS_ANSWER;
}

/* Tokens hold a time: of a refusal the clocks may be the cause. */
static void clock_words(const struct http_response *r, char out[static 80])
{
	int64_t s = r->ahead_ms / 1000;
	out[0] = '\0';
	if (r->status == 401 && (r->ahead_ms > ANSWER_CLOCK_MS || r->ahead_ms < -ANSWER_CLOCK_MS))
		snprintf(out, 80, "; this clock is %lld s %s the service's", (long long)(s < 0 ? -s : s), s < 0 ? "behind" : "ahead of");
}

bool answer_refuse(const struct http_response *r, enum err_code code, struct err *e)
{
	struct complaint c;
	char clock[80];
	answer_complaint(r, &c);
	clock_words(r, clock);
	return err_native(e, code, c.code, "HTTP %d, %lld%s%s%s%s%s%s%s", r->status, (long long)c.code,
			  *c.code_text ? " " : "", c.code_text, clock, *c.message ? ": " : "", c.message,
			  *c.tracking ? "; tracking id " : "", c.tracking);
}

bool answer_is_good(const struct http_response *r, struct err *e)
{
	enum err_code code = answer_code(r->status);
	if (code == E_NONE)
		return true;
	if (r->status / 100 == 3)
		return err_native(e, code, r->status, "HTTP %d: a redirect, which is not followed", r->status);
	return answer_refuse(r, code, e);
}

bool answer_object(const struct http_response *r, json_t **ret, struct err *e)
{
	struct err why = {0};
	AUTO(json) json_t *body = NULL;
	if (!json_parse(bytes_text(&r->body), r->body.len, &body, &why))
		return err_native(e, E_DPS_ANSWER, r->status, "HTTP %d with a body that is no JSON: %s", r->status,
				  why.what);
	if (!json_is_object(body))
		return err_native(e, E_DPS_ANSWER, r->status, "HTTP %d with a body that is no object", r->status);
	*ret = json_incref(body);
	return true;
}

bool answer_text(const json_t *object, const char *name, char *out, size_t room, struct err *e)
{
	const json_t *member = json_object_get(object, name);
	out[0] = '\0';
	if (!member || json_is_null(member))
		return true;
	if (!json_is_string(member))
		return err_set(e, E_DPS_ANSWER, "member \"%s\" is no text", name);
	size_t len = json_string_length(member);
	if (len >= room || strlen(json_string_value(member)) != len)
		return err_set(e, E_DPS_ANSWER, "member \"%s\" is longer than %zu", name, room - 1);
	answer_words(json_string_value(member), out, room);
	return true;
}
