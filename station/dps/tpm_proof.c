/* SPDX-License-Identifier: Apache-2.0 */
#include "station/dps/tpm_proof.h"

#include "station/base/text.h"
#include "station/dps/sas.h"
#include "station/dps/url.h"

#define POLICY "registration"

bool tpm_proof_body(const char *registration_id, const struct runtime_tpm *tpm, struct bytes *ret, struct err *e)
{
	AUTO(bytes) struct bytes ek = {0}, srk = {0};
	if (!base64_encode(tpm->ek->data, tpm->ek->len, &ek, e) || !base64_encode(tpm->srk->data, tpm->srk->len, &srk, e))
		return false;
	AUTO(json) json_t *body = json_pack("{s:s, s:{s:s, s:s}}", "registrationId", registration_id, "tpm", "endorsementKey",
					    bytes_text(&ek), "storageRootKey", bytes_text(&srk));
	return json_canonical(body, ret, e);
}

bool tpm_proof_blob(const json_t *object, bool *found, struct bytes *ret, struct err *e)
{
	const json_t *text = json_object_get(object, "authenticationKey");
	struct err why = {0};

	*found = json_is_string(text);
	if (!*found)
		return true;
	bytes_clear(ret);
	ret->max = TPM_BLOB_MAX;
	if (!base64_decode(json_string_value(text), json_string_length(text), ret, &why) || !ret->len)
		return err_set(e, E_DPS_ANSWER, "the service's authenticationKey is no base64, or longer than %d bytes", TPM_BLOB_MAX);
	return true;
}

bool tpm_proof_token(const char *id_scope, const char *registration_id, const struct runtime_tpm *tpm, int64_t now_ms,
		     struct bytes *ret, struct err *e)
{
	AUTO(bytes) struct bytes resource = {0};
	bytes_clear(ret);
	return url_encode(id_scope, &resource, e) && bytes_add_text(&resource, "%2fregistrations%2f", e)
	       && url_encode(registration_id, &resource, e)
	       && sas_token_signed(bytes_text(&resource), POLICY, (now_ms + TPM_TOKEN_LIFE_MS) / 1000, tpm->sign, tpm->ctx, ret, e);
}
