/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/der.h"
#include "certs/own_tpm_esys.h"

#include <string.h>

#define TRIES 3	/* of a signature, when some PCR was extended in the middle of it: a kernel with IMA does so whenever it likes */
#define MUST_BE (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_SIGN_ENCRYPT)
#define MUST_NOT_BE (TPMA_OBJECT_DECRYPT | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_STCLEAR)

struct tpm_key {
	struct own_tpm *tpm;	/* lent */
	ESYS_TR key, limit;	/* limit is ESYS_TR_NONE without */
	uint32_t pcrs;
	TPM2B_DIGEST pcr_digest;	/* as when it was opened, and so as when the key was made */
	bool rsa;
	bool by_policy;
};

/* ---- opening ---- */

static bool attributes_are_right(const TPMT_PUBLIC *p, bool by_policy, struct err *e)
{
	if ((p->objectAttributes & MUST_BE) != MUST_BE || p->objectAttributes & MUST_NOT_BE)
		return err_set(e, E_CA_FILE, "the key was not made in this TPM, can leave it, or is not for signing alone");
	if (!by_policy && !(p->objectAttributes & TPMA_OBJECT_NODA))
		return err_set(e, E_CA_FILE, "the key is under the TPM's lockout: power cuts would lock it");
	return !(p->objectAttributes & TPMA_OBJECT_USERWITHAUTH) == by_policy ||
	       err_set(e, E_CA_FILE, by_policy ? "the key can be used without its policy" : "the key can be used by policy only");
}

static bool scheme_is(uint16_t scheme, uint16_t hash, uint16_t ours)
{
	return scheme == TPM2_ALG_NULL || (scheme == ours && hash == TPM2_ALG_SHA256);
}

static bool take_p256(const TPMT_PUBLIC *p, struct key_public *ret)
{
	const TPMS_ECC_PARMS *parms = &p->parameters.eccDetail;
	const TPM2B_ECC_PARAMETER *x = &p->unique.ecc.x, *y = &p->unique.ecc.y;
	if (parms->curveID != TPM2_ECC_NIST_P256 || x->size > sizeof(ret->x) || y->size > sizeof(ret->y) ||
	    !scheme_is(parms->scheme.scheme, parms->scheme.details.ecdsa.hashAlg, TPM2_ALG_ECDSA))
		return false;
	ret->kind = KEY_P256;
	memcpy(ret->x + sizeof(ret->x) - x->size, x->buffer, x->size);
	memcpy(ret->y + sizeof(ret->y) - y->size, y->buffer, y->size);
	return true;
}

static bool take_rsa(const TPMT_PUBLIC *p, struct key_public *ret)
{
	const TPMS_RSA_PARMS *parms = &p->parameters.rsaDetail;
	const TPM2B_PUBLIC_KEY_RSA *n = &p->unique.rsa;
	if (n->size != parms->keyBits / 8 || n->size > sizeof(ret->rsa_modulus) ||
	    !scheme_is(parms->scheme.scheme, parms->scheme.details.rsassa.hashAlg, TPM2_ALG_RSASSA))
		return false;
	ret->kind = KEY_RSA;
	ret->rsa_bits = parms->keyBits;
	ret->rsa_exponent = parms->exponent ? parms->exponent : 65537;
	memcpy(ret->rsa_modulus, n->buffer, n->size);
	return true;
}

static bool take_public(const TPMT_PUBLIC *p, struct key_public *ret, struct err *e)
{
	struct err weak = {0};
	memset(ret, 0, sizeof(*ret));
	bool taken = (p->type == TPM2_ALG_ECC && take_p256(p, ret)) || (p->type == TPM2_ALG_RSA && take_rsa(p, ret));
	if (!taken)
		return err_set(e, E_CA_FILE, "the key is neither P-256 with ECDSA nor RSA with RSASSA, and SHA-256");
	return key_is_sound(ret, &weak) || err_set(e, E_CA_FILE, "the key: %s", weak.what);
}

/* Who has no owner's authorisation to give could raise the limit himself. */
static bool owner_is_closed(struct own_tpm *t, struct err *e)
{
	TPMS_CAPABILITY_DATA *found = NULL;
	TSS2_RC rc;
	OWN_TPM_REPEAT(t, rc, Esys_GetCapability(t->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES,
						 TPM2_PT_PERMANENT, 1, NULL, &found));
	if (rc != TSS2_RC_SUCCESS)
		return own_tpm_err(t, rc, E_CA_FILE, e, "its properties");
	const TPML_TAGGED_TPM_PROPERTY *p = &found->data.tpmProperties;
	bool closed = p->count == 1 && p->tpmProperty[0].property == TPM2_PT_PERMANENT &&
		      p->tpmProperty[0].value & TPMA_PERMANENT_OWNERAUTHSET;
	Esys_Free(found);
	return closed || err_set(e, E_CA_FILE, "the TPM's owner has no authorisation value: anybody could raise the key's limit");
}

static bool find_limit(struct tpm_key *k, uint32_t index, const TPM2B_AUTH *auth, struct err *e)
{
	TPM2B_NV_PUBLIC form;
	if (!own_tpm_limit_public(index, &form, e) || !own_tpm_find_nv(k->tpm, &form, E_CA_FILE, &k->limit, e) ||
	    !owner_is_closed(k->tpm, e))
		return false;
	TSS2_RC rc = Esys_TR_SetAuth(k->tpm->esys, k->limit, auth);
	return rc == TSS2_RC_SUCCESS || own_tpm_err(k->tpm, rc, E_CA_FILE, e, "the limit");
}

/* A policy that the PCRs do not meet any more cannot be told from another policy. */
static bool policy_is(const struct tpm_key *k, const TPMT_PUBLIC *p, struct err *e)
{
	TPM2B_DIGEST policy;
	if (!own_tpm_policy(k->tpm, k->pcrs, &k->pcr_digest, k->limit, &policy, e))
		return false;
	if (p->nameAlg == TPM2_ALG_SHA256 && p->authPolicy.size == policy.size &&
	    !memcmp(p->authPolicy.buffer, policy.buffer, policy.size))
		return true;
	return err_set(e, E_CA_FILE, k->pcrs ? "the PCRs are not what they were when the key was made, or it has another policy"
					     : "the key has another policy than its URI says");
}

static bool check(struct tpm_key *k, struct key_public *ret, struct err *e)
{
	TPM2B_PUBLIC *p = NULL;
	TSS2_RC rc;
	OWN_TPM_REPEAT(k->tpm, rc, Esys_ReadPublic(k->tpm->esys, k->key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &p, NULL, NULL));
	if (rc != TSS2_RC_SUCCESS)
		return own_tpm_err(k->tpm, rc, E_CA_FILE, e, "reading the key's public half");
	bool ok = attributes_are_right(&p->publicArea, k->by_policy, e) && policy_is(k, &p->publicArea, e) &&
		  take_public(&p->publicArea, ret, e);
	k->rsa = p->publicArea.type == TPM2_ALG_RSA;
	Esys_Free(p);
	return ok;
}

static bool open_key(struct tpm_key *k, const struct own_tpm_uri *u, const TPM2B_AUTH *auth, struct key_public *ret, struct err *e)
{
	if (!own_tpm_find(k->tpm, u->handle, &k->key, e))
		return false;
	if (k->key == ESYS_TR_NONE)
		return err_set(e, E_CA_FILE, "there is no key at 0x%08x", u->handle);
	if (u->limit && !find_limit(k, u->limit, auth, e))
		return false;
	if (u->pcrs && !own_tpm_pcr_digest(k->tpm, u->pcrs, &k->pcr_digest, e))
		return false;
	if (!check(k, ret, e))
		return false;
	TSS2_RC rc = k->by_policy ? TSS2_RC_SUCCESS : Esys_TR_SetAuth(k->tpm->esys, k->key, auth);
	return rc == TSS2_RC_SUCCESS || own_tpm_err(k->tpm, rc, E_CA_FILE, e, "the key");
}

/* ---- signing ---- */

/* Before anything is used up. */
static bool pcrs_are_the_same(struct tpm_key *k, struct err *e)
{
	TPM2B_DIGEST now;
	if (!k->pcrs)
		return true;
	if (!own_tpm_pcr_digest(k->tpm, k->pcrs, &now, e))
		return false;
	return !memcmp(now.buffer, k->pcr_digest.buffer, SHA256_SIZE) ||
	       err_set(e, E_CA_FILE, "the PCRs are not what they were when the key was made");
}

/* A refusal at the limit and one of a wrong value look alike; the index tells which it was. */
static bool refused(struct tpm_key *k, TSS2_RC rc, struct err *e)
{
	struct own_tpm_limit at;
	struct err why = {0};
	own_tpm_err(k->tpm, rc, E_SIGN, &why, "the key's limit");
	if (why.code != E_TOKEN_GONE && own_tpm_limit_read(k->tpm, k->limit, &at, e) && at.used >= at.limit)
		return err_native(e, E_KEY_SPENT, rc, "the station's TPM has signed %u times, which is its limit", at.used);
	return err_native(e, why.code, why.native, "%s", why.what);
}

/* TPM2_PolicySecret with the value of the PIN_PASS index: the TPM counts this use. */
static bool draw(struct tpm_key *k, ESYS_TR policy, struct err *e)
{
	ESYS_TR proof = ESYS_TR_NONE;
	TSS2_RC rc;
	if (!own_tpm_session(k->tpm, TPM2_SE_HMAC, &proof, e))
		return false;
	OWN_TPM_REPEAT(k->tpm, rc, Esys_PolicySecret(k->tpm->esys, k->limit, policy, proof, ESYS_TR_NONE, ESYS_TR_NONE, NULL, NULL,
						     NULL, 0, NULL, NULL));
	if (rc == TSS2_RC_SUCCESS)
		return true;
	own_tpm_flush(k->tpm, &proof);
	return refused(k, rc, e);
}

static bool fulfil(struct tpm_key *k, ESYS_TR policy, struct err *e)
{
	TPML_PCR_SELECTION selection;
	if (k->limit != ESYS_TR_NONE && !draw(k, policy, e))
		return false;
	if (!k->pcrs)
		return true;
	own_tpm_pcr_selection(k->pcrs, &selection);
	TSS2_RC rc = Esys_PolicyPCR(k->tpm->esys, policy, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &k->pcr_digest, &selection);
	return rc == TSS2_RC_SUCCESS || own_tpm_err(k->tpm, rc, E_CA_FILE, e, "the PCRs");
}

static bool authorise(struct tpm_key *k, ESYS_TR *session, struct err *e)
{
	if (!k->by_policy)
		return own_tpm_session(k->tpm, TPM2_SE_HMAC, session, e);
	if (!pcrs_are_the_same(k, e) || !own_tpm_session(k->tpm, TPM2_SE_POLICY, session, e))
		return false;
	return fulfil(k, *session, e);
}

static bool write_der(const TPMS_SIGNATURE_ECC *s, struct keystore_signature *ret, struct err *e)
{
	struct der d = DER_IN(ret->data);
	size_t whole = der_open(&d, DER_SEQUENCE);
	der_unsigned(&d, s->signatureR.buffer, s->signatureR.size);
	der_unsigned(&d, s->signatureS.buffer, s->signatureS.size);
	der_close(&d, whole);
	ret->len = d.len;
	return der_whole(&d) || err_set(e, E_SIGN, "a signature of the TPM does not fit");
}

static bool take_signature(const struct tpm_key *k, const TPMT_SIGNATURE *s, struct keystore_signature *ret, struct err *e)
{
	const TPM2B_PUBLIC_KEY_RSA *rsa = &s->signature.rsassa.sig;
	if (!k->rsa && s->sigAlg == TPM2_ALG_ECDSA)
		return write_der(&s->signature.ecdsa, ret, e);
	if (!k->rsa || s->sigAlg != TPM2_ALG_RSASSA || rsa->size > sizeof(ret->data))
		return err_set(e, E_SIGN, "the station's TPM signed in a way that was not asked for");
	memcpy(ret->data, rsa->buffer, rsa->size);
	ret->len = rsa->size;
	return true;
}

static TSS2_RC sign_with(struct tpm_key *k, ESYS_TR session, const uint8_t digest[static SHA256_SIZE], TPMT_SIGNATURE **ret)
{
	static const TPMT_TK_HASHCHECK no_ticket = {.tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL};
	const TPMT_SIG_SCHEME scheme = {.scheme = k->rsa ? TPM2_ALG_RSASSA : TPM2_ALG_ECDSA, .details.any.hashAlg = TPM2_ALG_SHA256};
	TPM2B_DIGEST d = {.size = SHA256_SIZE};
	TSS2_RC rc;
	memcpy(d.buffer, digest, SHA256_SIZE);
	OWN_TPM_REPEAT(k->tpm, rc, Esys_Sign(k->tpm->esys, k->key, session, ESYS_TR_NONE, ESYS_TR_NONE, &d, &scheme, &no_ticket, ret));
	return rc;
}

static bool sign_once(struct tpm_key *k, const uint8_t digest[static SHA256_SIZE], bool *again, struct keystore_signature *ret,
		      struct err *e)
{
	ESYS_TR session = ESYS_TR_NONE;
	TPMT_SIGNATURE *signature = NULL;
	*again = false;
	if (!authorise(k, &session, e)) {
		own_tpm_flush(k->tpm, &session);
		return false;
	}
	TSS2_RC rc = sign_with(k, session, digest, &signature);
	if (rc != TSS2_RC_SUCCESS) {
		own_tpm_flush(k->tpm, &session);
		*again = rc == TPM2_RC_PCR_CHANGED;
		return own_tpm_err(k->tpm, rc, E_SIGN, e, "signing");
	}
	bool ok = take_signature(k, signature, ret, e);
	Esys_Free(signature);
	return ok;
}

static bool tpm_sign(void *state, const uint8_t digest[static SHA256_SIZE], struct keystore_signature *ret, struct err *e)
{
	struct tpm_key *k = state;
	bool again = true, ok = false;
	own_tpm_begin(k->tpm, OWN_TPM_SIGN_MS);
	for (int i = 0; again && i < TRIES; i++) {
		err_clear(e);
		ok = sign_once(k, digest, &again, ret, e);
	}
	return ok;
}

/* A signature that counts is not made for this; a session proves what it needs of ESYS and libcrypto. */
static bool tpm_warm(void *state, struct err *e)
{
	static const uint8_t digest[SHA256_SIZE] = {'w', 'a', 'r', 'm'};
	struct tpm_key *k = state;
	struct own_tpm_limit at;
	struct keystore_signature thrown_away;
	own_tpm_begin(k->tpm, OWN_TPM_SIGN_MS);
	if (k->limit != ESYS_TR_NONE)
		return own_tpm_limit_read(k->tpm, k->limit, &at, e);
	return tpm_sign(k, digest, &thrown_away, e);
}

static void tpm_close(void *state)
{
	free(state);
}

static const struct keystore_ops tpm_ops = {
	.name = "tpm", .in_hardware = true, .sign = tpm_sign, .close = tpm_close, .warm = tpm_warm};

bool keystore_open_tpm(struct own_tpm *t, const char *uri, const char *auth, struct keystore *ret, struct err *e)
{
	struct own_tpm_uri u;
	TPM2B_AUTH value;
	struct keystore made = {.ops = &tpm_ops};
	if (!own_tpm_uri_read(uri, &u, e))
		return false;
	if (!u.handle)
		return err_set(e, E_CA_FILE, "a key's URI is tpm:handle=0x81…");
	if (!own_tpm_secret(auth, &value, e))
		return false;
	struct tpm_key *k = calloc(1, sizeof(*k));
	if (k) {
		*k = (struct tpm_key){.tpm = t, .limit = ESYS_TR_NONE, .pcrs = u.pcrs, .by_policy = u.pcrs || u.limit};
		own_tpm_begin(t, OWN_TPM_SIGN_MS);
	}
	made.state = k;
	bool ok = k ? open_key(k, &u, &value, &made.key, e) : err_set(e, E_NOMEM, "the station's TPM");
	wipe(&value, sizeof(value));
	if (ok)
		*ret = made;
	else
		free(k);
	return ok || err_in(e, "%s", uri);
}
