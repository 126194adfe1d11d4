/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/own_tpm_esys.h"

#include <string.h>

#define VALUE_MIN 16	/* nothing stops guessing at it but its length: what is here is under no lockout */
#define OF_THIS_TPM (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN)

static const TPM2B_DATA no_data;
static const TPML_PCR_SELECTION no_pcrs;

/* One making: what it needs, and what it must take away again. */
struct making {
	struct own_tpm *tpm;
	const struct own_tpm_make *make;
	struct own_tpm_uri uri;
	TPM2B_AUTH value;
	ESYS_TR parent, key, limit;
};

static void making_fini(struct making *m)
{
	own_tpm_flush(m->tpm, &m->key);
	own_tpm_flush(m->tpm, &m->parent);
	wipe(&m->value, sizeof(m->value));
}
AUTO_DEFINE(making, struct making)

/* ---- the owner ---- */

static bool owner_is_known(struct own_tpm *t, const struct own_tpm_make *make, struct err *e)
{
	TPM2B_AUTH owner;
	if (!own_tpm_secret(make->owner, &owner, e))
		return err_in(e, "the owner's value");
	TSS2_RC rc = Esys_TR_SetAuth(t->esys, ESYS_TR_RH_OWNER, &owner);
	wipe(&owner, sizeof(owner));
	return rc == TSS2_RC_SUCCESS || own_tpm_err(t, rc, E_CA_FILE, e, "the owner");
}

/* Ends a session whose command failed, and says why. The owner refuses a wrong value with his own words. */
static bool done(struct own_tpm *t, TSS2_RC rc, ESYS_TR *session, struct err *e, const char *words)
{
	if (rc == TSS2_RC_SUCCESS)
		return true;
	own_tpm_flush(t, session);
	return own_tpm_err(t, rc, E_CA_FILE, e, words);
}

/* A storage key for this moment: the parent of the key, which needs it no more once it is persistent, and what values are
 * enciphered to on their way to the TPM. */
static bool make_parent(struct making *m, struct err *e)
{
	static const TPM2B_SENSITIVE_CREATE no_secret;
	static const TPM2B_PUBLIC storage = {.publicArea = {
		.type = TPM2_ALG_ECC, .nameAlg = TPM2_ALG_SHA256,
		.objectAttributes = OF_THIS_TPM | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT,
		.parameters.eccDetail = {.symmetric = {TPM2_ALG_AES, {.aes = 128}, {.aes = TPM2_ALG_CFB}}, .scheme = {.scheme = TPM2_ALG_NULL},
					 .curveID = TPM2_ECC_NIST_P256, .kdf = {.scheme = TPM2_ALG_NULL}}}};
	ESYS_TR session = ESYS_TR_NONE;
	TSS2_RC rc;
	if (!own_tpm_session(m->tpm, TPM2_SE_HMAC, &session, e))
		return false;
	OWN_TPM_REPEAT(m->tpm, rc, Esys_CreatePrimary(m->tpm->esys, ESYS_TR_RH_OWNER, session, ESYS_TR_NONE, ESYS_TR_NONE, &no_secret,
						      &storage, &no_data, &no_pcrs, &m->parent, NULL, NULL, NULL, NULL));
	return done(m->tpm, rc, &session, e, "making the key's parent");
}

/* A session that also enciphers a command's first parameter: a value that is given to the TPM does not cross the wire as it
 * is. */
static bool closed_session(struct making *m, ESYS_TR *ret, struct err *e)
{
	static const TPMT_SYM_DEF aes = {TPM2_ALG_AES, {.aes = 128}, {.aes = TPM2_ALG_CFB}};
	TSS2_RC rc;
	OWN_TPM_REPEAT(m->tpm, rc, Esys_StartAuthSession(m->tpm->esys, m->parent, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
							 ESYS_TR_NONE, NULL, TPM2_SE_HMAC, &aes, TPM2_ALG_SHA256, ret));
	if (rc == TSS2_RC_SUCCESS)
		rc = Esys_TRSess_SetAttributes(m->tpm->esys, *ret, TPMA_SESSION_DECRYPT,
					       TPMA_SESSION_DECRYPT | TPMA_SESSION_CONTINUESESSION);
	return rc == TSS2_RC_SUCCESS || own_tpm_err(m->tpm, rc, E_TOKEN_GONE, e, "a session");
}

static bool begin(struct making *m, struct err *e)
{
	own_tpm_begin(m->tpm, OWN_TPM_MAKE_MS);
	return own_tpm_uri_read(m->make->uri, &m->uri, e) && own_tpm_secret(m->make->auth, &m->value, e) &&
	       owner_is_known(m->tpm, m->make, e);
}

/* A value that somebody could find by trying is refused here, where it can still be changed. */
static bool value_is_long(const struct making *m, struct err *e)
{
	return m->value.size >= VALUE_MIN ||
	       err_set(e, E_SECRET, "the authorisation value has %u bytes, and fewer than %d can be guessed", m->value.size, VALUE_MIN);
}

/* ---- NV indices ---- */

static bool define(struct making *m, const TPM2B_NV_PUBLIC *form, ESYS_TR *ret, struct err *e)
{
	ESYS_TR session = ESYS_TR_NONE;
	TSS2_RC rc;
	if (!closed_session(m, &session, e))
		return false;
	OWN_TPM_REPEAT(m->tpm, rc, Esys_NV_DefineSpace(m->tpm->esys, ESYS_TR_RH_OWNER, session, ESYS_TR_NONE, ESYS_TR_NONE, &m->value,
						       form, ret));
	if (rc == TPM2_RC_NV_DEFINED) {
		own_tpm_flush(m->tpm, &session);
		return err_set(e, E_CA_FILE, "there is an NV index 0x%08x already", form->nvPublic.nvIndex);
	}
	return done(m->tpm, rc, &session, e, "defining an NV index");
}

static void undefine(struct making *m, ESYS_TR index)
{
	ESYS_TR session = ESYS_TR_NONE;
	struct err ignored = {0};
	TSS2_RC rc;
	if (!own_tpm_session(m->tpm, TPM2_SE_HMAC, &session, &ignored))
		return;
	OWN_TPM_REPEAT(m->tpm, rc, Esys_NV_UndefineSpace(m->tpm->esys, ESYS_TR_RH_OWNER, index, session, ESYS_TR_NONE, ESYS_TR_NONE));
	done(m->tpm, rc, &session, &ignored, "undefining");
}

static bool limit_write(struct own_tpm *t, ESYS_TR index, const struct own_tpm_limit *to, struct err *e)
{
	TPM2B_MAX_NV_BUFFER data = {0};
	ESYS_TR session = ESYS_TR_NONE;
	size_t len = 0;
	TSS2_RC rc = Tss2_MU_UINT32_Marshal(to->used, data.buffer, sizeof(data.buffer), &len);
	if (rc == TSS2_RC_SUCCESS)
		rc = Tss2_MU_UINT32_Marshal(to->limit, data.buffer, sizeof(data.buffer), &len);
	data.size = (uint16_t)len;
	if (rc == TSS2_RC_SUCCESS && !own_tpm_session(t, TPM2_SE_HMAC, &session, e))
		return false;
	if (rc == TSS2_RC_SUCCESS)
		OWN_TPM_REPEAT(t, rc, Esys_NV_Write(t->esys, ESYS_TR_RH_OWNER, index, session, ESYS_TR_NONE, ESYS_TR_NONE, &data, 0));
	return done(t, rc, &session, e, "writing the limit");
}

static bool make_limit(struct making *m, struct err *e)
{
	const struct own_tpm_limit first = {0, m->make->limit};
	TPM2B_NV_PUBLIC form;
	ESYS_TR index;
	if (!own_tpm_limit_public(m->uri.limit, &form, e) || !define(m, &form, &index, e))
		return false;
	if (limit_write(m->tpm, index, &first, e)) {
		m->limit = index;
		return true;
	}
	undefine(m, index);
	return false;
}

bool own_tpm_make_anchor(struct own_tpm *t, const struct own_tpm_make *make, struct err *e)
{
	AUTO(making) struct making m = {t, make, .parent = ESYS_TR_NONE, .key = ESYS_TR_NONE, .limit = ESYS_TR_NONE};
	TPM2B_NV_PUBLIC form;
	ESYS_TR index;
	if (!begin(&m, e))
		return false;
	if (!m.uri.nv)
		return err_set(e, E_CA_FILE, "an anchor's URI is tpm:nv=0x01…");
	own_tpm_anchor_public(m.uri.nv, &form);
	if (!value_is_long(&m, e) || !make_parent(&m, e) || !define(&m, &form, &index, e))
		return false;
	/* Its first step gives it its number: above that of every counter that this TPM has ever had. */
	TSS2_RC rc = Esys_TR_SetAuth(t->esys, index, &m.value);
	if (rc == TSS2_RC_SUCCESS ? own_tpm_increment(t, index, e) : own_tpm_err(t, rc, E_CA_FILE, e, "the anchor"))
		return true;
	undefine(&m, index);
	return false;
}

/* ---- the key ---- */

static bool key_form(struct making *m, TPM2B_PUBLIC *ret, struct err *e)
{
	TPM2B_DIGEST pcr_digest = {0};
	TPMT_PUBLIC *p = &ret->publicArea;
	bool by_policy = m->uri.pcrs || m->uri.limit;
	*ret = (TPM2B_PUBLIC){.publicArea = {
		.type = m->make->rsa ? TPM2_ALG_RSA : TPM2_ALG_ECC, .nameAlg = TPM2_ALG_SHA256,
		.objectAttributes = OF_THIS_TPM | TPMA_OBJECT_NODA | TPMA_OBJECT_SIGN_ENCRYPT |
				    (by_policy ? TPMA_OBJECT_ADMINWITHPOLICY : TPMA_OBJECT_USERWITHAUTH)}};
	if (m->make->rsa)
		p->parameters.rsaDetail = (TPMS_RSA_PARMS){.symmetric.algorithm = TPM2_ALG_NULL, .keyBits = 2048,
							   .scheme = {TPM2_ALG_RSASSA, {.rsassa.hashAlg = TPM2_ALG_SHA256}}};
	else
		p->parameters.eccDetail = (TPMS_ECC_PARMS){.symmetric.algorithm = TPM2_ALG_NULL, .curveID = TPM2_ECC_NIST_P256,
							   .scheme = {TPM2_ALG_ECDSA, {.ecdsa.hashAlg = TPM2_ALG_SHA256}},
							   .kdf.scheme = TPM2_ALG_NULL};
	return (!m->uri.pcrs || own_tpm_pcr_digest(m->tpm, m->uri.pcrs, &pcr_digest, e)) &&
	       own_tpm_policy(m->tpm, m->uri.pcrs, &pcr_digest, m->limit, &p->authPolicy, e);
}

static TSS2_RC create_and_load(struct making *m, ESYS_TR *session, const TPM2B_SENSITIVE_CREATE *secret, const TPM2B_PUBLIC *form)
{
	TPM2B_PRIVATE *private = NULL;
	TPM2B_PUBLIC *public = NULL;
	TSS2_RC rc;
	OWN_TPM_REPEAT(m->tpm, rc, Esys_Create(m->tpm->esys, m->parent, *session, ESYS_TR_NONE, ESYS_TR_NONE, secret, form, &no_data,
					       &no_pcrs, &private, &public, NULL, NULL, NULL));
	if (rc != TSS2_RC_SUCCESS)
		return rc;
	*session = ESYS_TR_NONE;	/* used up */
	OWN_TPM_REPEAT(m->tpm, rc, Esys_Load(m->tpm->esys, m->parent, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, private, public,
					     &m->key));
	Esys_Free(private);
	Esys_Free(public);
	return rc;
}

static bool create(struct making *m, struct err *e)
{
	TPM2B_SENSITIVE_CREATE secret = {0};
	TPM2B_PUBLIC form;
	ESYS_TR session = ESYS_TR_NONE;
	if (!key_form(m, &form, e) || !closed_session(m, &session, e))
		return false;
	if (!m->uri.pcrs && !m->uri.limit)
		secret.sensitive.userAuth = m->value;
	TSS2_RC rc = create_and_load(m, &session, &secret, &form);
	wipe(&secret, sizeof(secret));
	return done(m->tpm, rc, &session, e, "making the key");
}

static bool make_persistent(struct making *m, struct err *e)
{
	ESYS_TR session = ESYS_TR_NONE, settled;
	TSS2_RC rc;
	if (!own_tpm_session(m->tpm, TPM2_SE_HMAC, &session, e))
		return false;
	OWN_TPM_REPEAT(m->tpm, rc, Esys_EvictControl(m->tpm->esys, ESYS_TR_RH_OWNER, m->key, session, ESYS_TR_NONE, ESYS_TR_NONE,
						     m->uri.handle, &settled));
	return done(m->tpm, rc, &session, e, "making the key persistent");
}

static bool key_request_is_whole(const struct making *m, struct err *e)
{
	if (!m->uri.handle)
		return err_set(e, E_CA_FILE, "a key's URI is tpm:handle=0x81…");
	if (!m->uri.limit != !m->make->limit)
		return err_set(e, E_CA_FILE, "a limit needs its index in the URI (limit=0x01…) and its number");
	if (m->uri.limit && !(m->make->owner && m->make->owner[0]))
		return err_set(e, E_CA_FILE, "a limit needs an owner with an authorisation value: else anybody could raise it");
	return (m->uri.pcrs && !m->uri.limit) || value_is_long(m, e);	/* PCRs alone: it has no value */
}

static bool handle_is_free(struct making *m, struct err *e)
{
	ESYS_TR there;
	return own_tpm_find(m->tpm, m->uri.handle, &there, e) &&
	       (there == ESYS_TR_NONE || err_set(e, E_CA_FILE, "there is a key at 0x%08x already", m->uri.handle));
}

bool own_tpm_make_key(struct own_tpm *t, const struct own_tpm_make *make, struct err *e)
{
	AUTO(making) struct making m = {t, make, .parent = ESYS_TR_NONE, .key = ESYS_TR_NONE, .limit = ESYS_TR_NONE};
	if (!begin(&m, e) || !key_request_is_whole(&m, e) || !handle_is_free(&m, e) || !make_parent(&m, e) ||
	    (m.uri.limit && !make_limit(&m, e)))
		return false;
	if (create(&m, e) && make_persistent(&m, e))
		return true;
	if (m.limit != ESYS_TR_NONE)
		undefine(&m, m.limit);
	return false;
}

/* ---- a limit that is raised ---- */

bool own_tpm_set_limit(struct own_tpm *t, const struct own_tpm_make *make, struct err *e)
{
	AUTO(making) struct making m = {t, make, .parent = ESYS_TR_NONE, .key = ESYS_TR_NONE, .limit = ESYS_TR_NONE};
	struct own_tpm_limit at;
	TPM2B_NV_PUBLIC form;
	if (!begin(&m, e))
		return false;
	if (!m.uri.limit)
		return err_set(e, E_CA_FILE, "%s names no limit", make->uri);
	if (!own_tpm_limit_public(m.uri.limit, &form, e) || !own_tpm_find_nv(t, &form, E_CA_FILE, &m.limit, e) ||
	    !own_tpm_limit_read(t, m.limit, &at, e))
		return false;
	if (make->limit > UINT32_MAX - at.used)
		return err_set(e, E_CA_FILE, "%u used and %u more are too many for the TPM's number", at.used, make->limit);
	at.limit = at.used + make->limit;
	return limit_write(t, m.limit, &at, e);
}
