/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/own_tpm_esys.h"
#include "station/base/clock.h"
#include "station/base/file.h"

#include <string.h>

#define REPEAT_PAUSE_MS 20

/* ---- errors ---- */

TSS2_RC own_tpm_blame(TSS2_RC rc)
{
	if (!(rc & TSS2_RC_LAYER_MASK) && (rc & TPM2_RC_FMT1))
		return rc & (TPM2_RC_FMT1 | 0x3f);
	return rc;
}

static enum err_code meaning(const struct own_tpm *t, TSS2_RC rc, enum err_code otherwise)
{
	if (t->wire.lost)
		return E_TOKEN_GONE;
	switch (own_tpm_blame(rc)) {
	case TPM2_RC_INITIALIZE:	/* reset behind our back, and not started */
	case TPM2_RC_FAILURE:
	case TPM2_RC_NV_RATE:
	case TPM2_RC_NV_UNAVAILABLE:
	case TPM2_RC_RETRY:
	case TPM2_RC_TESTING:
	case TPM2_RC_LOCKOUT:
	case TPM2_RC_SESSION_MEMORY:
	case TPM2_RC_SESSION_HANDLES:
	case TPM2_RC_OBJECT_MEMORY:
		return E_TOKEN_GONE;
	case TPM2_RC_AUTH_FAIL:
	case TPM2_RC_BAD_AUTH:
		return E_TOKEN_PIN;
	default:
		return otherwise;
	}
}

bool own_tpm_err(const struct own_tpm *t, TSS2_RC rc, enum err_code otherwise, struct err *e, const char *words)
{
	return err_native(e, meaning(t, rc, otherwise), rc, "the station's TPM, %s: %s", words, Tss2_RC_Decode(rc));
}

bool own_tpm_asks_again(const struct own_tpm *t, TSS2_RC rc)
{
	if (rc != TPM2_RC_NV_RATE && rc != TPM2_RC_RETRY && rc != TPM2_RC_TESTING && rc != TPM2_RC_YIELDED)
		return false;
	if (clock_left_ms(t->wire.deadline_ms) <= REPEAT_PAUSE_MS)
		return false;
	clock_sleep_ms(REPEAT_PAUSE_MS);
	return true;
}

/* ---- opening ---- */

void own_tpm_begin(struct own_tpm *t, int64_t most_ms)
{
	t->wire.deadline_ms = clock_steady_ms() + most_ms;
}

/* What a process before us left, when it was killed. Behind the kernel's resource manager nothing of others is seen, and
 * nothing is left; a TPM without one belongs to the station alone. */
static bool flush_strangers(struct own_tpm *t, uint32_t first, struct err *e)
{
	TSS2_SYS_CONTEXT *sys;
	TPMS_CAPABILITY_DATA *found = NULL;
	TSS2_RC rc = Esys_GetSysContext(t->esys, &sys);
	if (rc == TSS2_RC_SUCCESS)
		OWN_TPM_REPEAT(t, rc, Esys_GetCapability(t->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES, first,
							 TPM2_MAX_CAP_HANDLES, NULL, &found));
	if (rc != TSS2_RC_SUCCESS)
		return own_tpm_err(t, rc, E_TOKEN_GONE, e, "what is loaded");
	for (uint32_t i = 0; rc == TSS2_RC_SUCCESS && i < found->data.handles.count; i++)
		rc = Tss2_Sys_FlushContext(sys, found->data.handles.handle[i]);
	Esys_Free(found);
	return rc == TSS2_RC_SUCCESS || own_tpm_err(t, rc, E_TOKEN_GONE, e, "flushing what was left");
}

static bool start(struct own_tpm *t, const char *tcti, struct err *e)
{
	if (!own_tpm_wire_open(&t->wire, tcti, e))
		return false;
	own_tpm_begin(t, OWN_TPM_SIGN_MS);
	TSS2_RC rc = Esys_Initialize(&t->esys, (TSS2_TCTI_CONTEXT *)&t->wire.common, NULL);
	if (rc != TSS2_RC_SUCCESS)
		return own_tpm_err(t, rc, E_TOKEN_GONE, e, "beginning");
	return flush_strangers(t, TPM2_LOADED_SESSION_FIRST, e) && flush_strangers(t, TPM2_TRANSIENT_FIRST, e);
}

bool own_tpm_open(const char *tcti, struct own_tpm **ret, struct err *e)
{
	struct own_tpm *t = calloc(1, sizeof(*t));
	if (!t)
		return err_set(e, E_NOMEM, "the station's TPM");
	setenv("TSS2_LOG", "all+none", 0);	/* what it would print there is in our own errors */
	if (!start(t, tcti, e)) {
		own_tpm_close(t);
		return false;
	}
	*ret = t;
	return true;
}

void own_tpm_close(struct own_tpm *t)
{
	if (!t)
		return;
	Esys_Finalize(&t->esys);
	own_tpm_wire_close(&t->wire);
	free(t);
}

/* ---- sessions, objects, secrets ---- */

bool own_tpm_session(struct own_tpm *t, TPM2_SE kind, ESYS_TR *ret, struct err *e)
{
	static const TPMT_SYM_DEF plain = {.algorithm = TPM2_ALG_NULL};
	TSS2_RC rc;
	OWN_TPM_REPEAT(t, rc, Esys_StartAuthSession(t->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
						    NULL, kind, &plain, TPM2_ALG_SHA256, ret));
	if (rc == TSS2_RC_SUCCESS)
		rc = Esys_TRSess_SetAttributes(t->esys, *ret, 0, TPMA_SESSION_CONTINUESESSION);
	return rc == TSS2_RC_SUCCESS || own_tpm_err(t, rc, E_TOKEN_GONE, e, "a session");
}

void own_tpm_flush(struct own_tpm *t, ESYS_TR *object)
{
	if (*object != ESYS_TR_NONE && !t->wire.lost)
		Esys_FlushContext(t->esys, *object);
	*object = ESYS_TR_NONE;
}

bool own_tpm_find(struct own_tpm *t, uint32_t handle, ESYS_TR *ret, struct err *e)
{
	TSS2_RC rc;
	*ret = ESYS_TR_NONE;
	OWN_TPM_REPEAT(t, rc, Esys_TR_FromTPMPublic(t->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ret));
	if (rc == TSS2_RC_SUCCESS)
		return true;
	*ret = ESYS_TR_NONE;
	if (own_tpm_blame(rc) == TPM2_RC_HANDLE)
		return true;
	return own_tpm_err(t, rc, E_TOKEN_GONE, e, "looking something up");
}

bool own_tpm_secret(const char *reference, TPM2B_AUTH *ret, struct err *e)
{
	AUTO(bytes) struct bytes secret = {0};
	memset(ret, 0, sizeof(*ret));
	if (!reference || !reference[0])
		return true;
	if (!secret_read(reference, &secret, e))
		return false;
	if (!secret.len || secret.len > SHA256_SIZE)
		return err_set(e, E_SECRET, "an authorisation value in the TPM has 1 to %d bytes", SHA256_SIZE);
	ret->size = (uint16_t)secret.len;
	memcpy(ret->buffer, secret.data, secret.len);
	return true;
}
