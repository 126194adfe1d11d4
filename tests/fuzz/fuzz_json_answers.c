/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that reads what the cloud answers, as a fuzz target: refusals, groups, enrollments, bulks, registrations,
 * challenges and CA certificates. The first byte says which of them gets the rest.
 *
 * What holds whatever comes: a failure has its error and a success has none; texts are whole and printable; what was
 * read means the same when it is written again; an enrollment is the same as itself, whatever else the service adds to
 * it, and is not once it is disabled; and an item of a bulk counts as made only if the answer says so. */
#include "scratch.h"

#include "station/base/text.h"
#include "station/dps/answer.h"
#include "station/dps/arm.h"
#include "station/dps/bulk.h"
#include "station/dps/tpm_proof.h"

#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool is_clean(const char *text, size_t room)
{
	size_t n = strnlen(text, room);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return n < room;
}

#define CLEAN(array) is_clean((array), sizeof(array))

/* The JSON value of an input; NULL if it is none. */
static json_t *value_of(const uint8_t *data, size_t len)
{
	struct err e = {0};
	json_t *value = NULL;
	bool ok = json_parse((const char *)data, len, &value, &e);
	must(ok == (value != NULL) && ok == (e.code == E_NONE));
	return value;
}

/* ---- refusals ---- */

/* The first three bytes are the status, the rest is the body. */
static void read_refusal(const uint8_t *data, size_t len)
{
	struct http_response r = {.retry_after_ms = -1, .date_ms = -1};
	struct complaint c;
	struct err e = {0}, why = {0}, none = {0};
	AUTO(json) json_t *object = NULL;
	if (len < 3)
		return;
	r.status = (data[0] & 15) * 100 + (data[1] & 15) * 10 + (data[2] & 15);
	must(bytes_set(&r.body, data + 3, len - 3, &none));
	answer_complaint(&r, &c);
	must(CLEAN(c.code_text) && CLEAN(c.message) && CLEAN(c.tracking) && (c.code > 0 || c.code == r.status));
	bool good = answer_is_good(&r, &e);
	must(good == (r.status / 100 == 2) && good == (e.code == E_NONE) && e.code == answer_code(r.status));
	must(!answer_refuse(&r, E_REHEARSAL, &why) && why.code == E_REHEARSAL && CLEAN(why.what));
	must(!answer_is_not_found(&r) || r.status == 404);
	err_clear(&e);
	must(answer_object(&r, &object, &e) ? json_is_object(object) : e.code == E_DPS_ANSWER);
	http_response_fini(&r);
}

/* ---- groups ---- */

static void read_group(const uint8_t *data, size_t len)
{
	AUTO(group) struct group g = {0}, again = {0};
	AUTO(bytes) struct bytes body = {0};
	struct err e = {0};
	if (!group_parse(data, len, &g, &e)) {
		must(e.code == E_DPS_ANSWER || e.code == E_TEXT);
		return;
	}
	must(enrollment_id_is_valid(g.id) && CLEAN(g.etag) && CLEAN(g.allocation) && json_is_object(g.raw));
	struct group_wanted wanted = {.id = g.id, .primary_pem = "PEM"};
	must(group_body(&wanted, g.raw, &body, &e) && group_parse(body.data, body.len, &again, &e));
	must(!strcmp(g.id, again.id) && again.enabled && again.by_x509 && !*again.etag && again.hub_count == g.hub_count);
}

/* ---- enrollments ---- */

#define OURS_X509 "{\"registrationId\":\"sn-1\",\"attestation\":{\"type\":\"x509\",\"x509\":{\"clientCertificates\":{\"primary\":" \
	"{\"certificate\":\"MAMCAQU=\"}}}},\"capabilities\":{\"iotEdge\":false},\"provisioningStatus\":\"enabled\",\"iotHubs\":[\"a.b\"]," \
	"\"initialTwin\":{\"tags\":{\"a\":1}}}"
#define OURS_TPM "{\"registrationId\":\"sn-1\",\"attestation\":{\"type\":\"tpm\",\"tpm\":{\"endorsementKey\":\"AAMBAv8=\"}}}"

static enum err_code compare(const json_t *ours, const json_t *theirs)
{
	AUTO(bytes) struct bytes list = {.max = 8 << 20};
	struct err e = {0};
	bool same = individual_is_same(ours, theirs, &list, &e);
	must(same == (e.code == E_NONE) && (same || e.code == E_CONFLICT || e.code == E_DPS_ANSWER));
	must((list.len > 0) == (e.code == E_CONFLICT) && CLEAN(e.what));
	for (size_t i = 0; i < list.len; i++)
		must(list.data[i] == '\n' || (list.data[i] >= 0x20 && list.data[i] != 0x7f));
	/* The first line, as far as it fits. */
	must(strlen(e.what) < 200 || e.code != E_CONFLICT || !strncmp(e.what, bytes_text(&list), 200));
	return e.code;
}

static void service_adds_its_own(json_t *entry)
{
	json_object_set_new(entry, "etag", json_string("\"1\""));
	json_object_set_new(entry, "createdDateTimeUtc", json_string("2026-01-01T00:00:00Z"));
	json_object_set_new(entry, "registrationState", json_pack("{s:s}", "status", "assigned"));
}

static void compare_both(const char *ours_text, const json_t *theirs)
{
	AUTO(json) json_t *ours = value_of((const uint8_t *)ours_text, strlen(ours_text));
	AUTO(json) json_t *more = json_deep_copy(theirs);
	enum err_code code = compare(ours, theirs);
	if (!json_is_object(more)) {
		must(code == E_DPS_ANSWER);
		return;
	}
	service_adds_its_own(more);
	must(compare(ours, more) == code);
	if (code == E_DPS_ANSWER)
		return;
	must(compare(theirs, theirs) == E_NONE && compare(theirs, more) == E_NONE);
	json_object_set_new(more, "provisioningStatus", json_string("disabled"));
	must(compare(ours, more) == E_CONFLICT);
}

static void read_enrollment(const uint8_t *data, size_t len)
{
	AUTO(json) json_t *theirs = value_of(data, len);
	if (!theirs)
		return;
	compare_both(OURS_X509, theirs);
	compare_both(OURS_TPM, theirs);
}

/* ---- bulks ---- */

static bool code_is_good(int64_t code)
{
	return (code >= 200 && code <= 299) || (code >= 200000 && code <= 299999);
}

/* What the answer itself says of this one, read plainly: made, or not known to be made. */
static bool says_made(const json_t *answer, const char *id)
{
	const json_t *row, *errors = json_object_get(answer, "errors");
	bool named = false;
	size_t i;
	json_array_foreach(errors, i, row) {
		const char *name = json_string_value(json_object_get(row, "registrationId"));
		if (!name || strcasecmp(name, id))
			continue;
		named = true;
		if (!code_is_good(json_integer_value(json_object_get(row, "errorCode"))))
			return false;
	}
	return named || json_is_true(json_object_get(answer, "isSuccessful"));
}

static void read_bulk(const uint8_t *data, size_t len)
{
	AUTO(json) json_t *answer = value_of(data, len);
	struct dps_item items[] = {{.id = "a-1"}, {.id = "b-2"}, {.id = "c-3"}};
	struct err e = {0};
	if (!answer)
		return;
	bool ok = bulk_judge(answer, items, COUNT_OF(items), &e);
	must(ok == (e.code == E_NONE) && (ok || e.code == E_DPS_ANSWER));
	for (size_t i = 0; i < COUNT_OF(items); i++) {
		must(ok || items[i].err.code == E_DPS_ANSWER);
		must(!ok || (items[i].err.code == E_NONE) == says_made(answer, items[i].id));
		must(CLEAN(items[i].err.what));
	}
}

/* ---- registrations and challenges ---- */

static void read_registration(const uint8_t *data, size_t len)
{
	AUTO(json) json_t *state = value_of(data, len);
	struct registration r;
	struct err e = {0};
	if (!state)
		return;
	if (!registration_parse(state, &r, &e)) {
		must(e.code == E_DPS_ANSWER);
		return;
	}
	must(CLEAN(r.id) && CLEAN(r.status) && CLEAN(r.substatus) && CLEAN(r.hub) && CLEAN(r.device_id) && CLEAN(r.etag));
	must(CLEAN(r.error_message) && r.error_code >= 0);
}

static void read_challenge(const uint8_t *data, size_t len)
{
	AUTO(json) json_t *object = value_of(data, len);
	AUTO(bytes) struct bytes blob = {0}, text = {0};
	struct err e = {0}, none = {0};
	bool found = false;
	if (!object)
		return;
	bool ok = tpm_proof_blob(object, &found, &blob, &e);
	must(ok == (e.code == E_NONE) && (ok || (found && e.code == E_DPS_ANSWER)));
	if (!ok || !found)
		return;
	must(blob.len > 0 && blob.len <= TPM_BLOB_MAX && base64_encode(blob.data, blob.len, &text, &none));
	must(!strcmp(bytes_text(&text), json_text_or(object, "authenticationKey", "")));
}

static void read_ca(const uint8_t *data, size_t len)
{
	AUTO(json) json_t *object = value_of(data, len);
	struct arm_certificate c;
	struct err e = {0};
	if (!object)
		return;
	if (!arm_certificate_parse(object, &c, &e)) {
		must(e.code == E_DPS_ANSWER);
		return;
	}
	must(CLEAN(c.name) && CLEAN(c.etag) && CLEAN(c.subject));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const readers[])(const uint8_t *, size_t) = {read_refusal, read_group, read_enrollment, read_bulk,
								  read_registration, read_challenge, read_ca};
	/* A digit in the corpus, which people read. */
	if (len)
		readers[(uint8_t)(data[0] - '0') % COUNT_OF(readers)](data + 1, len - 1);
	return 0;
}
