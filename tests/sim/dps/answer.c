/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include "util.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reset(struct answer *a, int status)
{
	json_decref(a->body);
	json_decref(a->info);
	free(a->message);
	for (size_t i = 0; i < a->headers; i++)
		free(a->header[i].value);
	*a = (struct answer){.status = status};
}

void answer_with(struct answer *a, int status, json_t *take)
{
	reset(a, status);
	a->body = take;
}

static void fail(struct answer *a, int64_t code, const char *name, char *take_message)
{
	reset(a, (int)(code / 1000));
	a->error = code;
	a->name = name;
	a->message = must(take_message);
}

bool answer_error(struct answer *a, int64_t code, const char *fmt, ...)
{
	char *message = NULL;
	va_list ap;
	va_start(ap, fmt);
	int n = vasprintf(&message, fmt, ap);
	va_end(ap);
	fail(a, code, NULL, n < 0 ? NULL : message);
	return false;
}

bool answer_named(struct answer *a, int64_t code, const char *name, const char *fmt, ...)
{
	char *message = NULL;
	va_list ap;
	va_start(ap, fmt);
	int n = vasprintf(&message, fmt, ap);
	va_end(ap);
	fail(a, code, name, n < 0 ? NULL : message);
	return false;
}

void answer_header(struct answer *a, const char *name, const char *fmt, ...)
{
	if (a->headers == ANSWER_HEADERS)
		abort();
	char *value = NULL;
	va_list ap;
	va_start(ap, fmt);
	int n = vasprintf(&value, fmt, ap);
	va_end(ap);
	a->header[a->headers].name = name;
	a->header[a->headers++].value = must(n < 0 ? NULL : value);
}

/* The words IoT Hub and ARM use for a status when the operation gave none. */
static const char *word_of(int status)
{
	static const struct {
		int status;
		const char *word;
	} words[] = {
		{400, "ArgumentInvalid"}, {401, "IotHubUnauthorizedAccess"}, {404, "NotFound"},
		{405, "MethodNotAllowed"}, {409, "Conflict"}, {412, "PreconditionFailed"},
		{413, "RequestEntityTooLarge"}, {415, "UnsupportedMediaType"}, {429, "ThrottlingException"},
	};
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (words[i].status == status)
			return words[i].word;
	return "ServerError";
}

/* ProvisioningServiceErrorDetails, of both data planes. */
static json_t *service_form(const struct answer *a, const char *tracking, const char *now)
{
	json_t *info = a->info ? json_incref(a->info) : json_object();
	return json_pack("{s:I, s:s, s:s, s:o, s:s}", "errorCode", (json_int_t)a->error,
		"trackingId", tracking, "message", a->message, "info", info, "timestampUtc", now);
}

static json_t *hub_form(const struct answer *a, const char *tracking, const char *now)
{
	AUTO_TEXT message = text_of("ErrorCode:%s;%s", a->name ? a->name : word_of(a->status), a->message);
	AUTO_TEXT detail = text_of("Tracking ID:%s-TimeStamp:%s", tracking, now);
	return json_pack("{s:s, s:s}", "Message", message, "ExceptionMessage", detail);
}

/* ARM's gate answers {error:{code,message}}; the resource provider behind it ErrorDetails. */
static json_t *arm_form(const struct answer *a, const char *tracking, const char *now)
{
	if (a->name)
		return json_pack("{s:{s:s, s:s}}", "error", "code", a->name, "message", a->message);
	AUTO_TEXT status = text_of("%d", a->status);
	AUTO_TEXT details = text_of("%s %s", tracking, now);
	return json_pack("{s:I, s:s, s:s, s:s}", "code", (json_int_t)a->error, "httpStatusCode", status,
		"message", a->message, "details", details);
}

void answer_finish(struct answer *a, enum plane plane)
{
	static json_t *(*const form[PLANES])(const struct answer *, const char *, const char *) = {
		[PLANE_NONE] = service_form, [PLANE_SERVICE] = service_form,
		[PLANE_DEVICE] = service_form, [PLANE_HUB] = hub_form, [PLANE_ARM] = arm_form,
		[PLANE_EMULATOR] = service_form,
	};
	AUTO_TEXT tracking = uuid_new();
	AUTO_TEXT now = time_text(clock_ms());
	if (a->error) {
		json_decref(a->body);
		a->body = must(form[plane](a, tracking, now));
		answer_header(a, "x-ms-error-code", "%lld", (long long)a->error);
	}
	answer_header(a, "x-ms-request-id", "%s", tracking);
	answer_header(a, "Strict-Transport-Security", "max-age=31536000; includeSubDomains");
	if (a->body) {
		answer_header(a, "Content-Type", "application/json; charset=utf-8");
		a->text = must(json_dumps(a->body, JSON_COMPACT));
	}
}

void answer_fini(struct answer *a)
{
	char *text = a->text;
	reset(a, 0);
	free(text);
}
