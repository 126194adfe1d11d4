/* SPDX-License-Identifier: Apache-2.0 */
#include "station/dps/individual.h"

#include "station/base/text.h"
#include "station/dps/enrollment.h"
#include "station/dps/individual_view.h"

#include <assert.h>
#include <string.h>

/* ---- writing ---- */

static bool is_given(const char *text)
{
	return text && *text;
}

static json_t *attestation_of(const struct individual_wanted *w, struct err *e)
{
	AUTO(bytes) struct bytes text = {0};
	const struct bytes *proof = w->leaf ? w->leaf : w->ek;

	if (!base64_encode(proof->data, proof->len, &text, e))
		return NULL;
	if (w->ek)
		return json_pack("{s:s, s:{s:s}}", "type", "tpm", "tpm", "endorsementKey", bytes_text(&text));
	return json_pack("{s:s, s:{s:{s:{s:s}}}}", "type", "x509", "x509", "clientCertificates", "primary", "certificate",
			 bytes_text(&text));
}

static json_t *reprovision_of(enum individual_reprovision r)
{
	return json_pack("{s:b, s:b}", "updateHubAssignment", r != REPROVISION_NEVER, "migrateDeviceData",
			 r == REPROVISION_MIGRATE);
}

/* jansson refuses a NULL that ran out of memory, or a text that is no UTF-8, here and at the end. */
static bool members_set(json_t *body, const struct individual_wanted *w)
{
	bool bad = json_object_set_new(body, "registrationId", json_string(w->registration_id))
		   || json_object_set_new(body, "provisioningStatus", json_string(w->disabled ? "disabled" : "enabled"))
		   || json_object_set_new(body, "capabilities", json_pack("{s:b}", "iotEdge", w->edge))
		   || json_object_set_new(body, "reprovisionPolicy", reprovision_of(w->reprovision));
	if (is_given(w->device_id))
		bad = bad || json_object_set_new(body, "deviceId", json_string(w->device_id));
	if (is_given(w->hub))
		bad = bad || json_object_set_new(body, "iotHubs", json_pack("[s]", w->hub));
	if (is_given(w->allocation))
		bad = bad || json_object_set_new(body, "allocationPolicy", json_string(w->allocation));
	if (w->twin)
		bad = bad || json_object_set_new(body, "initialTwin", json_deep_copy(w->twin));
	return !bad;
}

bool individual_body(const struct individual_wanted *wanted, struct bytes *ret, struct err *e)
{
	AUTO(json) json_t *body = json_object();

	assert(!wanted->leaf != !wanted->ek);
	if (!enrollment_id_is_valid(wanted->registration_id))
		return err_set(e, E_CONFIG, "\"%s\" is no registration id", wanted->registration_id);
	json_t *attestation = attestation_of(wanted, e);
	if (json_object_set_new(body, "attestation", attestation) || !members_set(body, wanted))
		return err_set(e, E_JSON, "the enrollment of %s cannot be written as JSON", wanted->registration_id);
	return json_canonical(body, ret, e);
}

/* ---- comparing ---- */

/* The service's words go to a screen. */
static bool add_printable(struct bytes *out, const struct bytes *value, struct err *e)
{
	size_t from = out->len;
	if (!bytes_add(out, value->data, value->len, e))
		return false;
	for (size_t i = from; i < out->len; i++)
		if (out->data[i] < 0x20 || out->data[i] == 0x7f)
			out->data[i] = ' ';
	return true;
}

static bool difference_add(struct bytes *ret, const char *name, const struct bytes *here, const struct bytes *there, struct err *e)
{
	return (!ret->len || bytes_add_text(ret, "\n", e)) && bytes_printf(ret, e, "%s: ", name) && add_printable(ret, here, e)
	       && bytes_add_text(ret, " here, ", e) && add_printable(ret, there, e) && bytes_add_text(ret, " there", e);
}

static bool differences(const struct individual_view *ours, const struct individual_view *theirs, struct bytes *ret, struct err *e)
{
	for (size_t i = 0; i < INDIVIDUAL_MEMBERS; i++)
		if (!bytes_equal(&ours->value[i], &theirs->value[i])
		    && !difference_add(ret, individual_member_name(i), &ours->value[i], &theirs->value[i], e))
			return false;
	return true;
}

bool individual_is_same(const json_t *body, const json_t *theirs, struct bytes *ret_difference, struct err *e)
{
	AUTO(individual_view) struct individual_view a = {0}, b = {0};
	AUTO(bytes) struct bytes lines = {0};

	if (!individual_view(body, NULL, &a, e))
		return err_in(e, "our enrollment");
	if (!individual_view(theirs, body, &b, e) || !differences(&a, &b, &lines, e))
		return false;
	if (!lines.len)
		return true;
	if (ret_difference && !bytes_add(ret_difference, lines.data, lines.len, e))
		return false;
	const char *first = bytes_text(&lines);
	return err_set(e, E_CONFLICT, "%.*s", (int)strcspn(first, "\n"), first);
}

bool individual_is_same_proof(const json_t *body, const json_t *theirs, struct err *e)
{
	AUTO(individual_view) struct individual_view a = {0}, b = {0};
	AUTO(bytes) struct bytes line = {0};

	if (!individual_view(body, NULL, &a, e))
		return err_in(e, "our enrollment");
	if (!individual_view(theirs, body, &b, e))
		return false;
	const struct bytes *here = &a.value[INDIVIDUAL_ATTESTATION], *there = &b.value[INDIVIDUAL_ATTESTATION];
	if (bytes_equal(here, there))
		return true;
	return difference_add(&line, individual_member_name(INDIVIDUAL_ATTESTATION), here, there, e) &&
	       err_set(e, E_CONFLICT, "%s", bytes_text(&line));
}

bool individual_disabled(const struct bytes *body, struct bytes *ret, struct err *e)
{
	AUTO(json) json_t *entry = NULL;
	if (!json_parse((const char *)body->data, body->len, &entry, e))
		return false;
	if (json_object_set_new(entry, "provisioningStatus", json_string("disabled")))
		return err_set(e, E_JSON, "the enrollment is no object");
	return json_canonical(entry, ret, e);
}
