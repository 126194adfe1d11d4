/* SPDX-License-Identifier: Apache-2.0 */
/* What the service's answers mean: the one place where a status becomes an error. Three shapes of error bodies are known: DPS's
 * {errorCode, trackingId, message}, ARM's {code, message} and {error: {code, message}}. Pure. */
#ifndef STATION_DPS_ANSWER_H
#define STATION_DPS_ANSWER_H

#include "station/base/json.h"
#include "station/net/http.h"

#define ANSWER_CLOCK_MS 300000	/* greatest difference to the service's clock that is still right */

/* The service's own words about a refusal. */
struct complaint {
	int64_t code;		/* six digits of DPS, or the HTTP status where it says none */
	char code_text[64];	/* ARM's codes may be words */
	char message[160];
	char tracking[64];
};

/* Reads whatever the body tells; never fails. */
void answer_complaint(const struct http_response *r, struct complaint *ret);

/* True for 2xx. Else the error: 401, 403 E_DPS_AUTH; 408, 429, 5xx E_DPS_BUSY; 409, 412 E_CONFLICT; 3xx E_DPS_ANSWER;
 * the rest E_DPS_REFUSED. */
WARN_UNUSED bool answer_is_good(const struct http_response *r, struct err *e);

/* True if DPS says that there is no such thing: any web server says 404, only DPS says it with a code of its own, 404xxx. */
bool answer_is_not_found(const struct http_response *r);

/* The code that a status becomes; E_NONE for 2xx. */
enum err_code answer_code(int status);

/* Puts the refusal in words under the given code, of a 401 also how wrong the clock is; always false. */
bool answer_refuse(const struct http_response *r, enum err_code code, struct err *e);

/* The JSON object of a good answer. E_DPS_ANSWER. */
WARN_UNUSED bool answer_object(const struct http_response *r, json_t **ret, struct err *e);

/* Copies words of the service for people: cut at a whole character where they do not fit, control characters made blank. */
void answer_words(const char *text, char *out, size_t room);

/* Text of a member into a fixed array: "" where it is missing or null. E_DPS_ANSWER for another type or a text that does
 * not fit. */
WARN_UNUSED bool answer_text(const json_t *object, const char *name, char *out, size_t room, struct err *e);
#define ANSWER_TEXT(object, name, array, e) answer_text((object), (name), (array), sizeof(array), (e))

#endif
