/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/tpm_sapi.h"
#include "station/base/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define REPEAT_PAUSE_MS 10
#define HANDLES_AT_ONCE TPM2_MAX_CAP_HANDLES
/* First handles by kind (TPM 2.0 Part 2, 7.2); tss2's own macros shift a signed number out of its range. */
#define FIRST_TRANSIENT 0x80000000u
#define FIRST_LOADED_SESSION 0x02000000u
#define FIRST_SAVED_SESSION 0x03000000u
#define RC_FORMAT_ONE_CODE 0x3fu

const TSS2L_SYS_AUTH_COMMAND tpm_empty_password = {1, {{.sessionHandle = TPM2_RS_PW}}};

/* ---- errors ---- */

/* SAPI would wait for the response of a command that the transport lost, so it starts anew. What the TPM did meanwhile
 * is unknown: an object or session may be left there. */
static void transport_lost(struct tpm *t)
{
	TSS2_ABI_VERSION abi = TSS2_ABI_VERSION_CURRENT;
	TSS2_TCTI_CONTEXT *tcti;
	if (Tss2_Sys_GetTctiContext(t->sys, &tcti) != TSS2_RC_SUCCESS)
		return;
	Tss2_Sys_Finalize(t->sys);
	(void)!Tss2_Sys_Initialize(t->sys, Tss2_Sys_GetContextSize(0), tcti, &abi);
	t->lost = true;
}

/* The translator of TSS2_RC: the TPM's own refusals, the transport's failures, and responses that cannot be parsed. */
bool tpm_err(struct tpm *t, struct err *e, TSS2_RC rc, const char *words)
{
	switch (rc & TSS2_RC_LAYER_MASK) {
	case TSS2_TPM_RC_LAYER:
		return err_native(e, E_TPM, rc, "%s: %s", words, Tss2_RC_Decode(rc));
	case TSS2_TCTI_RC_LAYER:
		transport_lost(t);
		if (t->cause && t->cause->code != E_NONE)
			return err_native(e, t->cause->code, t->cause->native, "%s: %s", words, t->cause->what);
		return err_native(e, E_USB, rc, "%s: %s", words, Tss2_RC_Decode(rc));
	default:
		return err_native(e, E_TPM_GARBAGE, rc, "%s: %s", words, Tss2_RC_Decode(rc));
	}
}

bool tpm_refused(struct tpm *t, struct err *e, TSS2_RC rc, const char *words)
{
	if (!(rc & ~(TSS2_RC)0xfff) && (rc & TPM2_RC_FMT1))
		return err_native(e, E_CHALLENGE, rc, "%s: %s", words, Tss2_RC_Decode(rc));
	return tpm_err(t, e, rc, words);
}

/* A format-one response code without the number of the handle, session or parameter that it blames. */
static bool rc_is(TSS2_RC rc, TSS2_RC code)
{
	return !(rc & ~(TSS2_RC)0xfff) && (rc & TPM2_RC_FMT1) && (rc & (TPM2_RC_FMT1 | RC_FORMAT_ONE_CODE)) == code;
}

/* What the TPM asks to send again, and time for it. */
bool tpm_asks_again(const struct tpm *t, TSS2_RC rc)
{
	if (rc != TPM2_RC_RETRY && rc != TPM2_RC_YIELDED && rc != TPM2_RC_TESTING && rc != TPM2_RC_NV_RATE)
		return false;
	if (clock_left_ms(t->deadline_ms) <= REPEAT_PAUSE_MS)
		return false;
	clock_sleep_ms(REPEAT_PAUSE_MS);
	return true;
}

/* ---- opening ---- */

bool tpm_flush(struct tpm *t, uint32_t handle, struct err *e)
{
	TSS2_RC rc;
	REPEAT(t, rc, Tss2_Sys_FlushContext(t->sys, handle));
	/* It may have gone by itself: a session ends with its last use. */
	return rc == TSS2_RC_SUCCESS || rc_is(rc, TPM2_RC_HANDLE) || tpm_err(t, e, rc, "FlushContext");
}

/* Flushes every handle of one kind; each is asked for once, so a TPM that invents handles comes to its end. */
static bool flush_found(struct tpm *t, TPM2_HANDLE first, struct err *e)
{
	TSS2_RC rc;
	TPMI_YES_NO more;
	TPMS_CAPABILITY_DATA found;
	REPEAT(t, rc, Tss2_Sys_GetCapability(t->sys, NULL, TPM2_CAP_HANDLES, first, HANDLES_AT_ONCE, &more, &found, NULL));
	if (rc != TSS2_RC_SUCCESS)
		return tpm_err(t, e, rc, "GetCapability of handles");
	for (uint32_t i = 0; i < found.data.handles.count; i++) {
		TPM2_HANDLE handle = found.data.handles.handle[i];
		if (handle >> 24 == first >> 24 && handle != t->ak && handle != t->identity && !tpm_flush(t, handle, e))
			return false;
	}
	return true;
}

bool tpm_flush_strangers(struct tpm *t, struct err *e)
{
	if (!flush_found(t, FIRST_TRANSIENT, e) || !flush_found(t, FIRST_LOADED_SESSION, e)
	    || !flush_found(t, FIRST_SAVED_SESSION, e))
		return false;
	t->lost = false;
	return true;
}

bool tpm_open(struct tpm *t, struct TSS2_TCTI_OPAQUE_CONTEXT_BLOB *tcti, const struct err *cause, int64_t deadline_ms,
	      struct err *e)
{
	TSS2_ABI_VERSION abi = TSS2_ABI_VERSION_CURRENT;
	memset(t, 0, sizeof(*t));
	t->cause = cause;
	t->deadline_ms = deadline_ms;
	size_t size = Tss2_Sys_GetContextSize(0);
	t->sys = calloc(1, size);
	if (!t->sys)
		return err_set(e, E_NOMEM, "SAPI's context");
	TSS2_RC rc = Tss2_Sys_Initialize(t->sys, size, tcti, &abi);
	bool ok = rc == TSS2_RC_SUCCESS || tpm_err(t, e, rc, "SAPI");
	if (ok && tpm_flush_strangers(t, e))
		return true;
	tpm_close(t);
	return false;
}

void tpm_close(struct tpm *t)
{
	struct err ignored = {0};
	if (!t->sys)
		return;
	/* A unit that has gone flushes by losing its power. */
	if (t->ak)
		(void)!tpm_flush(t, t->ak, &ignored);
	if (t->identity)
		(void)!tpm_flush(t, t->identity, &ignored);
	t->ak = t->identity = 0;
	if (t->lost)
		(void)!tpm_flush_strangers(t, &ignored);
	Tss2_Sys_Finalize(t->sys);
	free(t->sys);
	memset(t, 0, sizeof(*t));
}

void tpm_begin(struct tpm *t, int64_t deadline_ms)
{
	t->deadline_ms = deadline_ms;
}

/* ---- reading ---- */

bool tpm_public_marshal(const TPM2B_PUBLIC *public, struct tpm_public *ret, struct err *e)
{
	ret->len = 0;
	TSS2_RC rc = Tss2_MU_TPM2B_PUBLIC_Marshal(public, ret->data, sizeof(ret->data), &ret->len);
	return rc == TSS2_RC_SUCCESS || err_native(e, E_TPM_GARBAGE, rc, "a public area: %s", Tss2_RC_Decode(rc));
}

bool tpm_read_public(struct tpm *t, uint32_t handle, struct tpm_public *ret, struct err *e)
{
	TSS2_RC rc;
	TPM2B_PUBLIC public;
	ret->len = 0;
	do {
		public.size = 0;	/* SAPI takes another size for a mistake */
		rc = Tss2_Sys_ReadPublic(t->sys, handle, NULL, &public, NULL, NULL, NULL);
	} while (tpm_asks_again(t, rc));
	if (rc_is(rc, TPM2_RC_HANDLE))
		return true;
	if (rc != TSS2_RC_SUCCESS)
		return tpm_err(t, e, rc, "ReadPublic");
	return tpm_public_marshal(&public, ret, e);
}

/* The TPM's greatest NV_Read, asked for once. */
static bool nv_chunk(struct tpm *t, struct err *e)
{
	TSS2_RC rc;
	TPMI_YES_NO more;
	TPMS_CAPABILITY_DATA found;
	if (t->nv_chunk)
		return true;
	REPEAT(t, rc, Tss2_Sys_GetCapability(t->sys, NULL, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_NV_BUFFER_MAX, 1, &more, &found, NULL));
	if (rc != TSS2_RC_SUCCESS)
		return tpm_err(t, e, rc, "GetCapability of NV_BUFFER_MAX");
	const TPML_TAGGED_TPM_PROPERTY *p = &found.data.tpmProperties;
	if (p->count != 1 || p->tpmProperty[0].property != TPM2_PT_NV_BUFFER_MAX || !p->tpmProperty[0].value)
		return err_set(e, E_TPM_GARBAGE, "no NV_BUFFER_MAX");
	t->nv_chunk = p->tpmProperty[0].value < TPM2_MAX_NV_BUFFER_SIZE ? p->tpmProperty[0].value : TPM2_MAX_NV_BUFFER_SIZE;
	return true;
}

static bool nv_read_all(struct tpm *t, const TPMS_NV_PUBLIC *nv, struct bytes *ret, struct err *e)
{
	TSS2_RC rc;
	TPM2B_MAX_NV_BUFFER part;
	uint32_t auth = nv->attributes & TPMA_NV_AUTHREAD ? nv->nvIndex : TPM2_RH_OWNER;
	for (uint32_t at = 0; at < nv->dataSize; at += part.size) {
		uint32_t want = nv->dataSize - at < t->nv_chunk ? nv->dataSize - at : t->nv_chunk;
		part.size = 0;
		REPEAT(t, rc, Tss2_Sys_NV_Read(t->sys, auth, nv->nvIndex, &tpm_empty_password, (uint16_t)want, (uint16_t)at, &part, NULL));
		if (rc != TSS2_RC_SUCCESS)
			return tpm_err(t, e, rc, "NV_Read");
		if (part.size != want)
			return err_set(e, E_TPM_GARBAGE, "NV_Read of %u bytes gave %u", want, part.size);
		if (!bytes_add(ret, part.buffer, part.size, e))
			return false;
	}
	return true;
}

bool tpm_read_nv(struct tpm *t, uint32_t index, struct bytes *ret, struct err *e)
{
	TSS2_RC rc;
	TPM2B_NV_PUBLIC nv;
	do {
		nv.size = 0;
		rc = Tss2_Sys_NV_ReadPublic(t->sys, index, NULL, &nv, NULL, NULL);
	} while (tpm_asks_again(t, rc));
	if (rc_is(rc, TPM2_RC_HANDLE))
		return true;
	if (rc != TSS2_RC_SUCCESS)
		return tpm_err(t, e, rc, "NV_ReadPublic");
	if (!(nv.nvPublic.attributes & TPMA_NV_WRITTEN))
		return true;
	if (nv.nvPublic.nvIndex != index || nv.nvPublic.dataSize > EVIDENCE_MAX)
		return err_set(e, E_TPM_GARBAGE, "NV index %08x of %u bytes", nv.nvPublic.nvIndex, nv.nvPublic.dataSize);
	return nv_chunk(t, e) && nv_read_all(t, &nv.nvPublic, ret, e);
}

/* ---- keys ---- */

/* TCG EK Credential Profile, template L-1: PolicyA is PolicySecret(endorsement hierarchy). */
static const TPM2B_PUBLIC ek_template = {.publicArea = {
	.type = TPM2_ALG_RSA,
	.nameAlg = TPM2_ALG_SHA256,
	.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN
		| TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT,
	.authPolicy = {32, {0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
			    0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa}},
	.parameters.rsaDetail = {{TPM2_ALG_AES, {.aes = 128}, {.aes = TPM2_ALG_CFB}}, {TPM2_ALG_NULL, {{0}}}, 2048, 0},
	.unique.rsa = {256, {0}},	/* zeros, not empty: an empty one gives another key (the SDKs' own) */
}};

/* noDA: a TPM that loses power after an authorisation of an object under dictionary attack protection counts that as a
 * failed try, and a unit that is pulled often enough would lock itself out. */
static const TPM2B_PUBLIC ak_template = {.publicArea = {
	.type = TPM2_ALG_ECC,
	.nameAlg = TPM2_ALG_SHA256,
	.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN
		| TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT,
	.parameters.eccDetail = {{TPM2_ALG_NULL, {0}, {0}}, {TPM2_ALG_ECDSA, {.ecdsa = {TPM2_ALG_SHA256}}}, TPM2_ECC_NIST_P256,
				 {TPM2_ALG_NULL, {{0}}}},
}};

static const TPM2B_PUBLIC leaf_template = {.publicArea = {
	.type = TPM2_ALG_ECC,
	.nameAlg = TPM2_ALG_SHA256,
	.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN
		| TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_SIGN_ENCRYPT,
	.parameters.eccDetail = {{TPM2_ALG_NULL, {0}, {0}}, {TPM2_ALG_NULL, {{0}}}, TPM2_ECC_NIST_P256, {TPM2_ALG_NULL, {{0}}}},
}};

/* Creates a primary key as a transient object, the caller's to flush. */
bool tpm_create_primary(struct tpm *t, TPM2_HANDLE hierarchy, const TPM2B_PUBLIC *template, TPM2_HANDLE *ret_handle,
			   struct tpm_public *ret, struct err *e)
{
	TSS2_RC rc;
	TPM2B_PUBLIC public;
	TPM2B_CREATION_DATA data;
	TPM2B_DIGEST hash;
	TPMT_TK_CREATION ticket;
	TPM2B_NAME name;
	const TPM2B_SENSITIVE_CREATE sensitive = {0};
	const TPM2B_DATA outside = {0};
	const TPML_PCR_SELECTION pcrs = {0};
	if (t->lost && !tpm_flush_strangers(t, e))
		return false;
	do {
		public.size = data.size = hash.size = name.size = 0;
		ticket.digest.size = 0;
		rc = Tss2_Sys_CreatePrimary(t->sys, hierarchy, &tpm_empty_password, &sensitive, template, &outside, &pcrs, ret_handle,
					    &public, &data, &hash, &ticket, &name, NULL);
	} while (tpm_asks_again(t, rc));
	if (rc != TSS2_RC_SUCCESS)
		return tpm_err(t, e, rc, "CreatePrimary");
	if (tpm_public_marshal(&public, ret, e))
		return true;
	struct err second = {0};
	(void)!tpm_flush(t, *ret_handle, &second);
	return false;
}

bool tpm_evict(struct tpm *t, TPM2_HANDLE object, TPM2_HANDLE handle, struct err *e)
{
	TSS2_RC rc;
	REPEAT(t, rc, Tss2_Sys_EvictControl(t->sys, TPM2_RH_OWNER, object, &tpm_empty_password, handle, NULL));
	return rc == TSS2_RC_SUCCESS || tpm_err(t, e, rc, "EvictControl");
}

/* What a primary key is to be, and what to say when another one lies in its place. */
struct place {
	TPM2_HANDLE hierarchy, handle;
	const TPM2B_PUBLIC *template;
	bool replace;
	enum err_code refused;
};

static bool settle(struct tpm *t, const struct place *p, TPM2_HANDLE made, const struct tpm_public *wanted, bool *ret_made,
		   struct err *e)
{
	struct tpm_public there;
	*ret_made = false;
	if (!tpm_read_public(t, p->handle, &there, e))
		return false;
	if (there.len == wanted->len && memcmp(there.data, wanted->data, wanted->len) == 0)
		return true;
	if (there.len && !p->replace)
		return err_set(e, p->refused, "another key lies at %08x", p->handle);
	if (there.len && !tpm_evict(t, p->handle, p->handle, e))
		return false;
	*ret_made = true;
	return tpm_evict(t, made, p->handle, e);
}

/* Creates the key anew, which the same seed and template always make the same, and makes sure that it lies in its place. */
static bool make_primary(struct tpm *t, const struct place *p, bool *ret_made, struct tpm_public *ret, struct err *e)
{
	TPM2_HANDLE made;
	struct err second = {0};
	if (!tpm_create_primary(t, p->hierarchy, p->template, &made, ret, e))
		return false;
	bool ok = settle(t, p, made, ret, ret_made, e);
	return tpm_flush(t, made, ok ? e : &second) && ok;
}

bool tpm_make_ek(struct tpm *t, bool replace, struct err *e)
{
	bool made;
	struct tpm_public public;
	const struct place p = {TPM2_RH_ENDORSEMENT, TPM_EK_HANDLE, &ek_template, replace, E_EK_MISMATCH};
	return make_primary(t, &p, &made, &public, e);
}

bool tpm_make_leaf(struct tpm *t, uint32_t handle, const uint8_t seed[static SHA256_SIZE], bool replace, bool *ret_made,
		   struct tpm_public *ret, struct err *e)
{
	TPM2B_PUBLIC template = leaf_template;
	const struct place p = {TPM2_RH_OWNER, handle, &template, replace, E_KEY_OTHER};
	template.publicArea.unique.ecc.x.size = SHA256_SIZE;
	memcpy(template.publicArea.unique.ecc.x.buffer, seed, SHA256_SIZE);
	template.publicArea.unique.ecc.y.size = SHA256_SIZE;	/* zeros */
	return make_primary(t, &p, ret_made, ret, e);
}

bool tpm_load_ak(struct tpm *t, struct tpm_public *ret, struct err *e)
{
	TPM2_HANDLE handle;
	if (t->ak)
		return tpm_read_public(t, t->ak, ret, e);
	if (!tpm_create_primary(t, TPM2_RH_ENDORSEMENT, &ak_template, &handle, ret, e))
		return false;
	t->ak = handle;
	return true;
}

/* ---- proofs ---- */

/* A policy session that satisfies the EK's policy: PolicySecret(endorsement hierarchy). */
static bool session_start(struct tpm *t, TPM2_HANDLE *ret, struct err *e)
{
	TSS2_RC rc;
	TPM2B_NONCE ours = {.size = 16}, theirs;
	const TPM2B_ENCRYPTED_SECRET unsalted = {0};
	const TPMT_SYM_DEF plain = {.algorithm = TPM2_ALG_NULL};
	if (t->lost && !tpm_flush_strangers(t, e))
		return false;
	if (getrandom(ours.buffer, ours.size, 0) != ours.size)
		return err_errno(e, E_TPM, "a nonce");
	do {
		theirs.size = 0;
		rc = Tss2_Sys_StartAuthSession(t->sys, TPM2_RH_NULL, TPM2_RH_NULL, NULL, &ours, &unsalted, TPM2_SE_POLICY, &plain,
					       TPM2_ALG_SHA256, ret, &theirs, NULL);
	} while (tpm_asks_again(t, rc));
	return rc == TSS2_RC_SUCCESS || tpm_err(t, e, rc, "StartAuthSession");
}

static bool session_satisfy(struct tpm *t, TPM2_HANDLE session, struct err *e)
{
	TSS2_RC rc;
	TPM2B_TIMEOUT timeout;
	TPMT_TK_AUTH ticket;
	const TPM2B_NONCE any = {0};
	const TPM2B_DIGEST none = {0};
	do {
		timeout.size = ticket.digest.size = 0;
		rc = Tss2_Sys_PolicySecret(t->sys, TPM2_RH_ENDORSEMENT, session, &tpm_empty_password, &any, &none, &any, 0, &timeout,
					   &ticket, NULL);
	} while (tpm_asks_again(t, rc));
	return rc == TSS2_RC_SUCCESS || tpm_err(t, e, rc, "PolicySecret");
}

/* The TPM ends the session with this command if it succeeds. */
static bool activate_in(struct tpm *t, TPM2_HANDLE session, TPM2_HANDLE object, const struct challenge *challenge,
			struct bytes *ret, struct err *e)
{
	TSS2_RC rc;
	TPM2B_DIGEST secret;
	TPM2B_ID_OBJECT blob = {.size = (uint16_t)challenge->blob_len};
	TPM2B_ENCRYPTED_SECRET seed = {.size = (uint16_t)challenge->secret_len};
	const TSS2L_SYS_AUTH_COMMAND auths = {2, {{.sessionHandle = TPM2_RS_PW}, {.sessionHandle = session}}};
	if (challenge->blob_len > sizeof(challenge->blob) || challenge->blob_len > sizeof(blob.credential)
	    || challenge->secret_len > sizeof(challenge->secret) || challenge->secret_len > sizeof(seed.secret))
		return err_set(e, E_CHALLENGE, "a credential of %u and %u bytes", challenge->blob_len, challenge->secret_len);
	memcpy(blob.credential, challenge->blob, blob.size);
	memcpy(seed.secret, challenge->secret, seed.size);
	do {
		secret.size = 0;
		rc = Tss2_Sys_ActivateCredential(t->sys, object, TPM_EK_HANDLE, &auths, &blob, &seed, &secret, NULL);
	} while (tpm_asks_again(t, rc));
	if (rc != TSS2_RC_SUCCESS)
		return tpm_refused(t, e, rc, "ActivateCredential");
	ret->secret = true;
	bool ok = bytes_set(ret, secret.buffer, secret.size, e);
	wipe(&secret, sizeof(secret));
	return ok;
}

bool tpm_activate(struct tpm *t, uint32_t handle, const struct challenge *challenge, struct bytes *ret, struct err *e)
{
	TPM2_HANDLE session;
	struct err second = {0};
	if (!handle && !t->ak)
		return err_set(e, E_TPM, "the attestation key is not loaded");
	if (!session_start(t, &session, e))
		return false;
	if (session_satisfy(t, session, e) && activate_in(t, session, handle ? handle : t->ak, challenge, ret, e))
		return true;
	/* The first cause counts, also when the session stays behind: the next open flushes it. */
	(void)!tpm_flush(t, session, &second);
	return false;
}

static bool signature_marshal(const TPMT_SIGNATURE *signature, struct bytes *ret, struct err *e)
{
	uint8_t data[sizeof(TPMT_SIGNATURE)];
	size_t len = 0;
	TSS2_RC rc = Tss2_MU_TPMT_SIGNATURE_Marshal(signature, data, sizeof(data), &len);
	if (rc != TSS2_RC_SUCCESS)
		return err_native(e, E_TPM_GARBAGE, rc, "a signature: %s", Tss2_RC_Decode(rc));
	return bytes_set(ret, data, len, e);
}

bool tpm_certify(struct tpm *t, uint32_t handle, const uint8_t nonce[static SHA256_SIZE], struct bytes *ret_attest,
		 struct bytes *ret_signature, struct err *e)
{
	TSS2_RC rc;
	TPM2B_ATTEST attest;
	TPMT_SIGNATURE signature;
	TPM2B_DATA qualifying = {.size = SHA256_SIZE};
	const TPMT_SIG_SCHEME scheme = {.scheme = TPM2_ALG_NULL};	/* the key's own */
	const TSS2L_SYS_AUTH_COMMAND auths = {2, {{.sessionHandle = TPM2_RS_PW}, {.sessionHandle = TPM2_RS_PW}}};
	if (!t->ak)
		return err_set(e, E_TPM, "the attestation key is not loaded");
	memcpy(qualifying.buffer, nonce, SHA256_SIZE);
	do {
		attest.size = 0;
		rc = Tss2_Sys_Certify(t->sys, handle, t->ak, &auths, &qualifying, &scheme, &attest, &signature, NULL);
	} while (tpm_asks_again(t, rc));
	if (rc != TSS2_RC_SUCCESS)
		return tpm_err(t, e, rc, "Certify");
	return bytes_set(ret_attest, attest.attestationData, attest.size, e) && signature_marshal(&signature, ret_signature, e);
}

/* A number of at most 32 bytes, big-endian, as exactly 32. */
static bool number_take(const TPM2B_ECC_PARAMETER *n, uint8_t ret[static 32], struct err *e)
{
	if (n->size > 32)
		return err_set(e, E_TPM_GARBAGE, "a P-256 number of %u bytes", n->size);
	memset(ret, 0, 32);
	memcpy(ret + 32 - n->size, n->buffer, n->size);
	return true;
}

bool tpm_sign(struct tpm *t, uint32_t handle, const uint8_t digest[static SHA256_SIZE], struct key_signature *ret, struct err *e)
{
	TSS2_RC rc;
	TPMT_SIGNATURE signature;
	TPM2B_DIGEST what = {.size = SHA256_SIZE};
	const TPMT_SIG_SCHEME scheme = {TPM2_ALG_ECDSA, {.ecdsa = {TPM2_ALG_SHA256}}};
	const TPMT_TK_HASHCHECK unchecked = {TPM2_ST_HASHCHECK, TPM2_RH_NULL, {0}};
	memcpy(what.buffer, digest, SHA256_SIZE);
	REPEAT(t, rc, Tss2_Sys_Sign(t->sys, handle, &tpm_empty_password, &what, &scheme, &unchecked, &signature, NULL));
	if (rc != TSS2_RC_SUCCESS)
		return tpm_err(t, e, rc, "Sign");
	if (signature.sigAlg != TPM2_ALG_ECDSA || signature.signature.ecdsa.hash != TPM2_ALG_SHA256)
		return err_set(e, E_TPM_GARBAGE, "a signature of algorithm %04x", signature.sigAlg);
	return number_take(&signature.signature.ecdsa.signatureR, ret->r, e)
		&& number_take(&signature.signature.ecdsa.signatureS, ret->s, e);
}
