/* SPDX-License-Identifier: Apache-2.0 */
/* Individual enrollments: what the station tells the service about one device, or ten. */
#include "station/dps/dps.h"

#include "station/dps/answer.h"
#include "station/dps/bulk.h"

#include <assert.h>
#include <strings.h>

static bool is_about(const json_t *entry, const char *id, struct err *e)
{
	char theirs[GROUP_ID_MAX];
	if (!ANSWER_TEXT(entry, "registrationId", theirs, e))
		return false;
	return !strcasecmp(theirs, id) || err_set(e, E_DPS_ANSWER, "the answer is about \"%s\"", theirs);
}

static bool put(struct dps *d, const char *id, const struct bytes *body, const char *etag, int64_t deadline_ms, struct err *e)
{
	AUTO(http_response) struct http_response r = {0};
	AUTO(bytes) struct bytes path = {0};
	AUTO(json) json_t *made = NULL;

	if (!dps_path("enrollments", id, &path, e))
		return false;
	struct dps_call call = {.method = "PUT", .path = bytes_text(&path), .if_match = etag, .body = bytes_text(body),
				.body_len = body->len, .deadline_ms = deadline_ms};
	return dps_send(d, &call, &r, e) && answer_is_good(&r, e) && answer_object(&r, &made, e) && is_about(made, id, e);
}

bool dps_create_individual(struct dps *d, const char *id, const struct bytes *body, int64_t deadline_ms, struct err *e)
{
	return put(d, id, body, NULL, deadline_ms, e) || err_in(e, "enrolling %s", id);
}

bool dps_replace_individual(struct dps *d, const char *id, const struct bytes *body, const char *etag, int64_t deadline_ms,
			    struct err *e)
{
	if (!etag || !*etag)
		return err_set(e, E_DPS_ANSWER, "the service gave no etag to replace the enrollment of %s by", id);
	return put(d, id, body, etag, deadline_ms, e) || err_in(e, "replacing the enrollment of %s", id);
}

bool dps_get_individual(struct dps *d, const char *id, int64_t deadline_ms, bool *found, json_t **ret, struct err *e)
{
	AUTO(http_response) struct http_response r = {0};
	AUTO(json) json_t *entry = NULL;

	if (!dps_get_one(d, "enrollments", id, deadline_ms, found, &r, e)
	    || (*found && (!answer_object(&r, &entry, e) || !is_about(entry, id, e))))
		return err_in(e, "reading the enrollment of %s", id);
	*ret = json_incref(entry);
	return true;
}

static bool delete(struct dps *d, const char *id, const char *etag, int64_t deadline_ms, struct err *e)
{
	AUTO(http_response) struct http_response r = {0};
	AUTO(bytes) struct bytes path = {0};

	if (!dps_path("enrollments", id, &path, e))
		return false;
	struct dps_call call = {.method = "DELETE", .path = bytes_text(&path), .if_match = etag, .deadline_ms = deadline_ms};
	return dps_send(d, &call, &r, e) && (answer_is_not_found(&r) || answer_is_good(&r, e));
}

bool dps_delete_individual(struct dps *d, const char *id, const char *etag, int64_t deadline_ms, struct err *e)
{
	return delete(d, id, etag, deadline_ms, e) || err_in(e, "removing the enrollment of %s", id);
}

bool dps_create_bulk(struct dps *d, struct dps_item *items, size_t count, int64_t deadline_ms, struct err *e)
{
	AUTO(http_response) struct http_response r = {0};
	AUTO(bytes) struct bytes body = {0};
	AUTO(json) json_t *answer = NULL;

	assert(count >= 1 && count <= DPS_BULK_MAX);
	if (!bulk_body(items, count, &body, e))
		return err_in(e, "enrolling %zu devices", count);
	struct dps_call call = {.method = "POST", .path = "/enrollments?api-version=" DPS_API_VERSION,
				.body = bytes_text(&body), .body_len = body.len, .operations = (uint32_t)count,
				.deadline_ms = deadline_ms};
	if (!dps_send(d, &call, &r, e) || !answer_is_good(&r, e) || !answer_object(&r, &answer, e)
	    || !bulk_judge(answer, items, count, e))
		return err_in(e, "enrolling %zu devices", count);
	return true;
}
