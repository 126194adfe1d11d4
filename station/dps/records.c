/* SPDX-License-Identifier: Apache-2.0 */
/* What the service keeps about groups of devices and about devices that registered. */
#include "station/dps/dps.h"

#include "station/dps/answer.h"

#include <string.h>

bool dps_get_group(struct dps *d, const char *id, int64_t deadline_ms, bool *found, struct group *ret,
		   struct err *e)
{
	AUTO(http_response) struct http_response r = {0};
	if (!dps_get_one(d, "enrollmentGroups", id, deadline_ms, found, &r, e)
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
	    || !dps_path("enrollmentGroups", wanted->id, &path, e))
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
	const json_t *x509 = json_object_get(state, "x509");
	if (json_is_object(x509) && !ANSWER_TEXT(x509, "enrollmentGroupId", ret->group, e))
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
	if (!dps_get_one(d, "registrations", id, deadline_ms, found, &r, e)
	    || (*found && (!answer_object(&r, &state, e) || !registration_parse(state, ret, e))))
		return err_in(e, "reading registration %s", id);
	return true;
}

bool dps_delete_registration(struct dps *d, const char *id, int64_t deadline_ms, struct err *e)
{
	AUTO(http_response) struct http_response r = {0};
	AUTO(bytes) struct bytes path = {0};
	if (!dps_path("registrations", id, &path, e))
		return false;
	struct dps_call call = {.method = "DELETE", .path = bytes_text(&path), .deadline_ms = deadline_ms};
	if (!dps_send(d, &call, &r, e) || (!answer_is_not_found(&r) && !answer_is_good(&r, e)))
		return err_in(e, "deleting registration %s", id);
	return true;
}
