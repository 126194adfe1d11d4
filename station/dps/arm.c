/* SPDX-License-Identifier: Apache-2.0 */
#include "station/dps/arm.h"

#include "certs/ca.h"
#include "station/base/text.h"
#include "station/dps/answer.h"
#include "station/dps/url.h"

#include <string.h>

/* What is asked of one certificate, or of the instance where name is NULL. */
struct question {
	const char *method;
	const char *name;
	const char *action;	/* "/verify" …; "" for the thing itself */
	const char *etag;
	const struct bytes *body;
	int64_t deadline_ms;
};

static bool path_of(struct dps *d, const struct question *q, struct bytes *ret, struct err *e)
{
	if (!*dps_arm_id(d))
		return err_set(e, E_CONFIG, "arm_id is not configured");
	if (!bytes_add_text(ret, dps_arm_id(d), e))
		return false;
	if (q->name && (!bytes_add_text(ret, "/certificates/", e) || !url_encode(q->name, ret, e)))
		return false;
	return bytes_printf(ret, e, "%s?api-version=" ARM_API_VERSION, q->action);
}

static bool ask(struct dps *d, const struct question *q, struct http_response *ret, struct err *e)
{
	AUTO(bytes) struct bytes path = {0};
	if (!path_of(d, q, &path, e))
		return false;
	struct dps_call call = {
		.plane = DPS_ARM,
		.method = q->method,
		.path = bytes_text(&path),
		.if_match = q->etag,
		.body = q->body ? bytes_text(q->body) : NULL,
		.body_len = q->body ? q->body->len : 0,
		.deadline_ms = q->deadline_ms,
	};
	return dps_send(d, &call, ret, e);
}

/* `certificate` is the base64 of a .cer, which is DER; anything else is simply not looked into. */
static void note_sha256(const json_t *properties, struct arm_certificate *ret)
{
	struct err none = {0};
	AUTO(bytes) struct bytes der = {0};
	const char *text = json_text_or(properties, "certificate", "");
	if (!*text || !base64_decode(text, strlen(text), &der, &none) || !der.len || der.data[0] != 0x30)
		return;
	sha256_of(der.data, der.len, ret->sha256);
	ret->has_sha256 = true;
}

bool arm_certificate_parse(const json_t *object, struct arm_certificate *ret, struct err *e)
{
	const json_t *properties = json_object_get(object, "properties");
	struct err none = {0};
	char thumbprint[128];

	memset(ret, 0, sizeof(*ret));
	if (!json_is_object(properties))
		return err_set(e, E_DPS_ANSWER, "a certificate without properties");
	if (!ANSWER_TEXT(object, "name", ret->name, e) || !ANSWER_TEXT(object, "etag", ret->etag, e)
	    || !ANSWER_TEXT(properties, "thumbprint", thumbprint, e))
		return false;
	answer_words(json_text_or(properties, "subject", ""), ret->subject, sizeof(ret->subject));
	ret->verified = json_is_true(json_object_get(properties, "isVerified"));
	ret->has_sha1 = strlen(thumbprint) == 40 && hex_decode(thumbprint, ret->sha1, 20, &none);
	note_sha256(properties, ret);
	return true;
}

static bool certificate_answer(const struct http_response *r, struct arm_certificate *ret, struct err *e)
{
	AUTO(json) json_t *body = NULL;
	return answer_is_good(r, e) && answer_object(r, &body, e) && arm_certificate_parse(body, ret, e);
}

static bool list_read(const json_t *value, struct arm_certificate *ret, size_t room, size_t *ret_count,
		      struct err *e)
{
	if (!json_is_array(value))
		return err_set(e, E_DPS_ANSWER, "the list of certificates has no value");
	if (json_array_size(value) > room)
		return err_set(e, E_DPS_ANSWER, "%zu certificates, and at most %zu were expected",
			       json_array_size(value), room);
	for (size_t i = 0; i < json_array_size(value); i++)
		if (!arm_certificate_parse(json_array_get(value, i), &ret[i], e))
			return false;
	*ret_count = json_array_size(value);
	return true;
}

bool arm_list_certificates(struct dps *d, int64_t deadline_ms, struct arm_certificate *ret, size_t room,
			   size_t *ret_count, struct err *e)
{
	AUTO(http_response) struct http_response r = {0};
	AUTO(json) json_t *body = NULL;
	struct question q = {.method = "GET", .action = "/certificates", .deadline_ms = deadline_ms};
	if (!ask(d, &q, &r, e) || !answer_is_good(&r, e) || !answer_object(&r, &body, e)
	    || !list_read(json_object_get(body, "value"), ret, room, ret_count, e))
		return err_in(e, "listing the CA certificates");
	return true;
}

bool arm_get_certificate(struct dps *d, const char *name, int64_t deadline_ms, bool *found,
			 struct arm_certificate *ret, struct err *e)
{
	AUTO(http_response) struct http_response r = {0};
	struct question q = {.method = "GET", .name = name, .action = "", .deadline_ms = deadline_ms};
	*found = false;
	if (!ask(d, &q, &r, e))
		return err_in(e, "reading CA certificate %s", name);
	if (r.status == 404)
		return true;
	*found = certificate_answer(&r, ret, e);
	return *found || err_in(e, "reading CA certificate %s", name);
}

bool arm_put_certificate(struct dps *d, const char *name, const char *pem, const char *etag,
			 int64_t deadline_ms, struct arm_certificate *ret, struct err *e)
{
	AUTO(http_response) struct http_response r = {0};
	AUTO(bytes) struct bytes text = {0}, body = {0};
	struct question q = {.method = "PUT", .name = name, .action = "", .etag = etag, .body = &body,
			     .deadline_ms = deadline_ms};
	if (!base64_encode(pem, strlen(pem), &text, e))
		return false;
	AUTO(json) json_t *j = json_pack("{s:{s:s, s:b}}", "properties", "certificate", bytes_text(&text),
					 "isVerified", 0);
	if (!json_canonical(j, &body, e) || !ask(d, &q, &r, e) || !certificate_answer(&r, ret, e))
		return err_in(e, "storing CA certificate %s", name);
	return true;
}

static bool code_read(const struct http_response *r, char ret_code[static ARM_CODE_MAX],
		      struct arm_certificate *ret, struct err *e)
{
	AUTO(json) json_t *body = NULL;
	if (!answer_is_good(r, e) || !answer_object(r, &body, e) || !arm_certificate_parse(body, ret, e)
	    || !answer_text(json_object_get(body, "properties"), "verificationCode", ret_code, ARM_CODE_MAX, e))
		return false;
	return *ret_code || err_set(e, E_DPS_ANSWER, "there is no verification code in the answer");
}

bool arm_generate_code(struct dps *d, const char *name, const char *etag, int64_t deadline_ms,
		       char ret_code[static ARM_CODE_MAX], struct arm_certificate *ret, struct err *e)
{
	AUTO(http_response) struct http_response r = {0};
	struct question q = {.method = "POST", .name = name, .action = "/generateVerificationCode",
			     .etag = etag, .deadline_ms = deadline_ms};
	if (!ask(d, &q, &r, e) || !code_read(&r, ret_code, ret, e))
		return err_in(e, "asking for a verification code for %s", name);
	return true;
}

bool arm_verify(struct dps *d, const char *name, const char *etag, const char *proof_pem,
		int64_t deadline_ms, struct arm_certificate *ret, struct err *e)
{
	AUTO(http_response) struct http_response r = {0};
	AUTO(bytes) struct bytes text = {0}, body = {0};
	struct question q = {.method = "POST", .name = name, .action = "/verify", .etag = etag,
			     .body = &body, .deadline_ms = deadline_ms};
	if (!base64_encode(proof_pem, strlen(proof_pem), &text, e))
		return false;
	AUTO(json) json_t *j = json_pack("{s:s}", "certificate", bytes_text(&text));
	if (!json_canonical(j, &body, e) || !ask(d, &q, &r, e) || !certificate_answer(&r, ret, e))
		return err_in(e, "proving CA certificate %s", name);
	if (!ret->verified)
		return err_set(e, E_CA_UNVERIFIED, "the service took the proof for %s, but does not call it verified",
			       name);
	return true;
}

bool arm_get_instance(struct dps *d, int64_t deadline_ms, struct arm_instance *ret, struct err *e)
{
	AUTO(http_response) struct http_response r = {0};
	AUTO(json) json_t *body = NULL;
	struct question q = {.method = "GET", .action = "", .deadline_ms = deadline_ms};
	memset(ret, 0, sizeof(*ret));
	if (!ask(d, &q, &r, e) || !answer_is_good(&r, e) || !answer_object(&r, &body, e))
		return err_in(e, "reading the provisioning service's own settings");
	const json_t *properties = json_object_get(body, "properties");
	ret->hub_count = (int)json_array_size(json_object_get(properties, "iotHubs"));
	if (!ANSWER_TEXT(properties, "idScope", ret->id_scope, e)
	    || !ANSWER_TEXT(properties, "allocationPolicy", ret->allocation, e)
	    || !ANSWER_TEXT(properties, "state", ret->state, e))
		return err_in(e, "reading the provisioning service's own settings");
	return true;
}

bool arm_certificate_is(const struct arm_certificate *c, const struct cert_facts *facts)
{
	if (c->has_sha256)
		return !memcmp(c->sha256, facts->sha256, sizeof(c->sha256));
	return c->has_sha1 && !memcmp(c->sha1, facts->sha1, sizeof(c->sha1));
}
