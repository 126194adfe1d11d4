/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/own_tpm_esys.h"

#include <string.h>

#define TYPE(nt) ((TPMA_NV)(nt) << TPMA_NV_TPM2_NT_SHIFT)
#define LIMIT_SIZE 8	/* TPMS_NV_PIN_COUNTER_PARAMETERS */
#define COUNTER_SIZE 8

/* ---- what the indices are ---- */

/* Grows by the value's holder, is read by him and the owner, and is under no lockout. */
void own_tpm_anchor_public(uint32_t index, TPM2B_NV_PUBLIC *ret)
{
	*ret = (TPM2B_NV_PUBLIC){.nvPublic = {
		.nvIndex = index, .nameAlg = TPM2_ALG_SHA256, .dataSize = COUNTER_SIZE,
		.attributes = TYPE(TPM2_NT_COUNTER) | TPMA_NV_AUTHWRITE | TPMA_NV_AUTHREAD | TPMA_NV_OWNERREAD | TPMA_NV_NO_DA}};
}

/* Written by the owner alone; its value's holder can only use it up. Anybody may read it, by a policy that allows TPM2_NV_Read
 * and nothing else: reading by its value would count as a use. */
bool own_tpm_limit_public(uint32_t index, TPM2B_NV_PUBLIC *ret, struct err *e)
{
	static const uint8_t zeros[SHA256_SIZE];
	uint8_t code[8];
	size_t len = 0;
	*ret = (TPM2B_NV_PUBLIC){.nvPublic = {
		.nvIndex = index, .nameAlg = TPM2_ALG_SHA256, .dataSize = LIMIT_SIZE, .authPolicy = {.size = SHA256_SIZE},
		.attributes = TYPE(TPM2_NT_PIN_PASS) | TPMA_NV_OWNERWRITE | TPMA_NV_OWNERREAD | TPMA_NV_POLICYREAD | TPMA_NV_NO_DA}};
	if (Tss2_MU_UINT32_Marshal(TPM2_CC_PolicyCommandCode, code, sizeof(code), &len) != TSS2_RC_SUCCESS ||
	    Tss2_MU_UINT32_Marshal(TPM2_CC_NV_Read, code, sizeof(code), &len) != TSS2_RC_SUCCESS)
		return err_set(e, E_CA_FILE, "the policy of a limit");
	sha256((const struct span[]){{zeros, sizeof(zeros)}, {code, len}}, 2, ret->nvPublic.authPolicy.buffer);
	return true;
}

static bool forms_equal(const TPMS_NV_PUBLIC *found, const TPMS_NV_PUBLIC *form)
{
	return found->nvIndex == form->nvIndex && found->nameAlg == form->nameAlg && found->dataSize == form->dataSize &&
	       found->attributes == (form->attributes | TPMA_NV_WRITTEN) && found->authPolicy.size == form->authPolicy.size &&
	       !memcmp(found->authPolicy.buffer, form->authPolicy.buffer, form->authPolicy.size);
}

bool own_tpm_find_nv(struct own_tpm *t, const TPM2B_NV_PUBLIC *form, enum err_code otherwise, ESYS_TR *ret, struct err *e)
{
	TPM2B_NV_PUBLIC *found = NULL;
	TSS2_RC rc;
	if (!own_tpm_find(t, form->nvPublic.nvIndex, ret, e))
		return false;
	if (*ret == ESYS_TR_NONE)
		return err_set(e, otherwise, "there is no NV index 0x%08x", form->nvPublic.nvIndex);
	OWN_TPM_REPEAT(t, rc, Esys_NV_ReadPublic(t->esys, *ret, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &found, NULL));
	if (rc != TSS2_RC_SUCCESS)
		return own_tpm_err(t, rc, otherwise, e, "what the NV index is");
	bool ok = forms_equal(&found->nvPublic, &form->nvPublic);
	if (!ok)
		err_set(e, otherwise, "NV index 0x%08x has attributes 0x%08x, size %u or a policy that is not wanted", form->nvPublic.nvIndex,
			found->nvPublic.attributes, found->nvPublic.dataSize);
	Esys_Free(found);
	return ok;
}

/* ---- a limit ---- */

static TSS2_RC read_by_policy(struct own_tpm *t, ESYS_TR index, ESYS_TR session, TPM2B_MAX_NV_BUFFER **ret)
{
	TSS2_RC rc = Esys_PolicyCommandCode(t->esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CC_NV_Read);
	if (rc == TSS2_RC_SUCCESS)
		OWN_TPM_REPEAT(t, rc, Esys_NV_Read(t->esys, index, index, session, ESYS_TR_NONE, ESYS_TR_NONE, LIMIT_SIZE, 0, ret));
	return rc;
}

bool own_tpm_limit_read(struct own_tpm *t, ESYS_TR index, struct own_tpm_limit *ret, struct err *e)
{
	ESYS_TR session = ESYS_TR_NONE;
	TPM2B_MAX_NV_BUFFER *data = NULL;
	size_t at = 0;
	if (!own_tpm_session(t, TPM2_SE_POLICY, &session, e))
		return false;
	TSS2_RC rc = read_by_policy(t, index, session, &data);
	if (rc != TSS2_RC_SUCCESS) {
		own_tpm_flush(t, &session);
		return own_tpm_err(t, rc, E_CA_FILE, e, "reading the limit");
	}
	bool ok = Tss2_MU_UINT32_Unmarshal(data->buffer, data->size, &at, &ret->used) == TSS2_RC_SUCCESS &&
		  Tss2_MU_UINT32_Unmarshal(data->buffer, data->size, &at, &ret->limit) == TSS2_RC_SUCCESS;
	Esys_Free(data);
	return ok || err_set(e, E_CA_FILE, "the limit is not two numbers");
}

bool own_tpm_limit_left(struct own_tpm *t, const char *uri, uint32_t *ret_left, struct err *e)
{
	struct own_tpm_uri u;
	struct own_tpm_limit at;
	TPM2B_NV_PUBLIC form;
	ESYS_TR index;
	own_tpm_begin(t, OWN_TPM_SIGN_MS);
	if (!own_tpm_uri_read(uri, &u, e))
		return false;
	if (!u.limit)
		return err_set(e, E_CA_FILE, "%s names no limit", uri);
	if (!own_tpm_limit_public(u.limit, &form, e) || !own_tpm_find_nv(t, &form, E_CA_FILE, &index, e) ||
	    !own_tpm_limit_read(t, index, &at, e))
		return false;
	*ret_left = at.used < at.limit ? at.limit - at.used : 0;
	return true;
}

/* ---- an anchor ---- */

struct tpm_anchor {
	struct own_tpm *tpm;	/* lent */
	ESYS_TR index;
};

static bool read_counter(struct tpm_anchor *a, uint64_t *ret, struct err *e)
{
	ESYS_TR session = ESYS_TR_NONE;
	TPM2B_MAX_NV_BUFFER *data = NULL;
	size_t at = 0;
	TSS2_RC rc;
	if (!own_tpm_session(a->tpm, TPM2_SE_HMAC, &session, e))
		return false;
	OWN_TPM_REPEAT(a->tpm, rc, Esys_NV_Read(a->tpm->esys, a->index, a->index, session, ESYS_TR_NONE, ESYS_TR_NONE, COUNTER_SIZE, 0,
						&data));
	if (rc != TSS2_RC_SUCCESS) {
		own_tpm_flush(a->tpm, &session);
		return own_tpm_err(a->tpm, rc, E_ANCHOR, e, "reading the anchor");
	}
	bool ok = Tss2_MU_UINT64_Unmarshal(data->buffer, data->size, &at, ret) == TSS2_RC_SUCCESS;
	Esys_Free(data);
	return ok || err_set(e, E_ANCHOR, "the anchor is no number");
}

static bool anchor_read(void *state, uint64_t *ret, struct err *e)
{
	struct tpm_anchor *a = state;
	own_tpm_begin(a->tpm, OWN_TPM_SIGN_MS);
	return read_counter(a, ret, e);
}

bool own_tpm_increment(struct own_tpm *t, ESYS_TR index, struct err *e)
{
	ESYS_TR session = ESYS_TR_NONE;
	TSS2_RC rc;
	if (!own_tpm_session(t, TPM2_SE_HMAC, &session, e))
		return false;
	OWN_TPM_REPEAT(t, rc, Esys_NV_Increment(t->esys, index, index, session, ESYS_TR_NONE, ESYS_TR_NONE));
	if (rc == TSS2_RC_SUCCESS)
		return true;
	own_tpm_flush(t, &session);
	return own_tpm_err(t, rc, E_ANCHOR, e, "stepping the anchor");
}

static bool anchor_advance(void *state, uint64_t *ret, struct err *e)
{
	struct tpm_anchor *a = state;
	own_tpm_begin(a->tpm, OWN_TPM_SIGN_MS);
	return own_tpm_increment(a->tpm, a->index, e) && read_counter(a, ret, e);
}

static void anchor_close(void *state)
{
	free(state);
}

static const struct anchor_ops tpm_ops = {.name = "tpm", .read = anchor_read, .advance = anchor_advance, .close = anchor_close};

static bool open_anchor(struct tpm_anchor *a, uint32_t index, const TPM2B_AUTH *auth, struct err *e)
{
	TPM2B_NV_PUBLIC form;
	uint64_t now;
	own_tpm_anchor_public(index, &form);
	own_tpm_begin(a->tpm, OWN_TPM_SIGN_MS);
	if (!own_tpm_find_nv(a->tpm, &form, E_ANCHOR, &a->index, e))
		return false;
	TSS2_RC rc = Esys_TR_SetAuth(a->tpm->esys, a->index, auth);
	return rc == TSS2_RC_SUCCESS ? read_counter(a, &now, e) : own_tpm_err(a->tpm, rc, E_ANCHOR, e, "the anchor");
}

bool anchor_open_tpm(struct own_tpm *t, const char *uri, const char *auth, struct anchor *ret, struct err *e)
{
	struct own_tpm_uri u;
	TPM2B_AUTH value;
	struct err wrong = {0};
	if (!own_tpm_uri_read(uri, &u, &wrong) || !u.nv)
		return err_set(e, E_ANCHOR, "an anchor's URI is tpm:nv=0x01…");
	if (!own_tpm_secret(auth, &value, e))
		return false;
	struct tpm_anchor *a = calloc(1, sizeof(*a));
	if (a)
		*a = (struct tpm_anchor){.tpm = t};
	bool ok = a ? open_anchor(a, u.nv, &value, e) : err_set(e, E_NOMEM, "the station's TPM");
	wipe(&value, sizeof(value));
	if (ok)
		*ret = (struct anchor){.ops = &tpm_ops, .state = a};
	else
		free(a);
	return ok || err_in(e, "%s", uri);
}
