/* SPDX-License-Identifier: Apache-2.0 */
/* DPS's TPM attestation, the TPM's part: the storage root key, and the key that the service wraps for this TPM. */
#include "drivers/tpm_sapi.h"

#include <string.h>

#define INNER_KEY 16	/* AES-128 */
#define UNIQUE 256

/* TCG's storage root key, RSA-2048 (docs/tpm-bridge.md, section 4). */
static const TPM2B_PUBLIC storage_template = {.publicArea = {
	.type = TPM2_ALG_RSA,
	.nameAlg = TPM2_ALG_SHA256,
	.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN
		| TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT,
	.parameters.rsaDetail = {{TPM2_ALG_AES, {.aes = 128}, {.aes = TPM2_ALG_CFB}}, {TPM2_ALG_NULL, {{0}}}, 2048, 0},
	.unique.rsa = {UNIQUE, {0}},
}};

/* Of the template in all but the modulus, which comes last. */
static bool is_storage_key(const struct tpm_public *there, struct err *e)
{
	struct tpm_public template;
	return tpm_public_marshal(&storage_template, &template, e) && there->len == template.len &&
	       memcmp(there->data, template.data, template.len - UNIQUE) == 0;
}

static bool storage_key_make(struct tpm *t, struct tpm_public *ret, struct err *e)
{
	TPM2_HANDLE made;
	struct err second = {0};
	if (!tpm_create_primary(t, TPM2_RH_OWNER, &storage_template, &made, ret, e))
		return false;
	bool ok = tpm_evict(t, made, TPM_STORAGE_HANDLE, e);
	return tpm_flush(t, made, ok ? e : &second) && ok;
}

bool tpm_make_storage(struct tpm *t, bool replace, bool *ret_made, struct tpm_public *ret, struct err *e)
{
	*ret_made = false;
	if (!tpm_read_public(t, TPM_STORAGE_HANDLE, ret, e))
		return false;
	if (ret->len && is_storage_key(ret, e))
		return true;
	if (ret->len && !replace)
		return err_set(e, E_KEY_OTHER, "what lies at %08x is no storage root key", TPM_STORAGE_HANDLE);
	if (ret->len && !tpm_evict(t, TPM_STORAGE_HANDLE, TPM_STORAGE_HANDLE, e))
		return false;
	*ret_made = true;
	return storage_key_make(t, ret, e);
}

/* ---- the key that the service wraps ---- */

/* The blob's parts (docs/tpm-bridge.md, section 4). What follows them is of no meaning to a TPM. */
struct wrapped {
	struct challenge credential;
	TPM2B_PRIVATE duplicate;
	TPM2B_ENCRYPTED_SECRET seed;
	TPM2B_PUBLIC public;
};

static bool credential_take(const TPM2B_ID_OBJECT *blob, const TPM2B_ENCRYPTED_SECRET *secret, struct challenge *ret)
{
	if (blob->size > sizeof(ret->blob) || secret->size > sizeof(ret->secret))
		return false;
	ret->about = CHALLENGE_LEAF;
	ret->blob_len = blob->size;
	ret->secret_len = secret->size;
	memcpy(ret->blob, blob->credential, blob->size);
	memcpy(ret->secret, secret->secret, secret->size);
	return true;
}

static bool wrapped_parse(const void *data, size_t len, struct wrapped *ret, struct err *e)
{
	size_t at = 0;
	TPM2B_ID_OBJECT blob;
	TPM2B_ENCRYPTED_SECRET secret;
	const uint8_t *p = data;
	memset(ret, 0, sizeof(*ret));
	bool ok = Tss2_MU_TPM2B_ID_OBJECT_Unmarshal(p, len, &at, &blob) == TSS2_RC_SUCCESS &&
		  Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal(p, len, &at, &secret) == TSS2_RC_SUCCESS &&
		  Tss2_MU_TPM2B_PRIVATE_Unmarshal(p, len, &at, &ret->duplicate) == TSS2_RC_SUCCESS &&
		  Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal(p, len, &at, &ret->seed) == TSS2_RC_SUCCESS &&
		  Tss2_MU_TPM2B_PUBLIC_Unmarshal(p, len, &at, &ret->public) == TSS2_RC_SUCCESS &&
		  credential_take(&blob, &secret, &ret->credential);
	if (!ok)
		return err_set(e, E_CHALLENGE, "a wrapped key of %zu bytes, unreadable behind byte %zu", len, at);
	return ret->public.publicArea.type == TPM2_ALG_KEYEDHASH ||
	       err_set(e, E_CHALLENGE, "the wrapped key is of type %04x", ret->public.publicArea.type);
}

/* Under the storage root key, in the form in which this TPM loads it. */
static bool import(struct tpm *t, const struct wrapped *w, const TPM2B_DATA *inner, TPM2B_PRIVATE *ret, struct err *e)
{
	TSS2_RC rc;
	const TPMT_SYM_DEF_OBJECT aes = {TPM2_ALG_AES, {.aes = 128}, {.aes = TPM2_ALG_CFB}};
	do {
		ret->size = 0;
		rc = Tss2_Sys_Import(t->sys, TPM_STORAGE_HANDLE, &tpm_empty_password, inner, &w->public, &w->duplicate, &w->seed, &aes, ret,
				     NULL);
	} while (tpm_asks_again(t, rc));
	return rc == TSS2_RC_SUCCESS || tpm_refused(t, e, rc, "Import");
}

static bool load(struct tpm *t, const TPM2B_PRIVATE *private, const TPM2B_PUBLIC *public, struct err *e)
{
	TSS2_RC rc;
	TPM2_HANDLE handle;
	TPM2B_NAME name;
	do {
		name.size = 0;
		rc = Tss2_Sys_Load(t->sys, TPM_STORAGE_HANDLE, &tpm_empty_password, private, public, &handle, &name, NULL);
	} while (tpm_asks_again(t, rc));
	if (rc != TSS2_RC_SUCCESS)
		return tpm_refused(t, e, rc, "Load");
	t->identity = handle;
	return true;
}

static bool drop_identity(struct tpm *t, struct err *e)
{
	if (t->identity && !tpm_flush(t, t->identity, e))
		return false;
	t->identity = 0;
	return !t->lost || tpm_flush_strangers(t, e);
}

bool tpm_import_identity(struct tpm *t, const void *blob, size_t len, struct err *e)
{
	struct wrapped w;
	TPM2B_DATA inner = {.size = INNER_KEY};
	TPM2B_PRIVATE private;
	AUTO(bytes) struct bytes key = {.secret = true};
	if (!drop_identity(t, e) || !wrapped_parse(blob, len, &w, e) ||
	    !tpm_activate(t, TPM_STORAGE_HANDLE, &w.credential, &key, e))
		return false;
	if (key.len != INNER_KEY)
		return err_set(e, E_CHALLENGE, "an inner key of %zu bytes", key.len);
	memcpy(inner.buffer, key.data, INNER_KEY);
	bool ok = import(t, &w, &inner, &private, e);
	wipe(&inner, sizeof(inner));
	return ok && load(t, &private, &w.public, e);
}

bool tpm_hmac(struct tpm *t, const void *data, size_t len, uint8_t ret[static SHA256_SIZE], struct err *e)
{
	TSS2_RC rc;
	TPM2B_DIGEST mac;
	TPM2B_MAX_BUFFER what = {.size = (uint16_t)len};
	if (!t->identity)
		return err_set(e, E_TPM, "no wrapped key is loaded");
	if (len > sizeof(what.buffer))
		return err_set(e, E_TPM, "a text of %zu bytes", len);
	memcpy(what.buffer, data, len);
	do {
		mac.size = 0;
		rc = Tss2_Sys_HMAC(t->sys, t->identity, &tpm_empty_password, &what, TPM2_ALG_SHA256, &mac, NULL);
	} while (tpm_asks_again(t, rc));
	if (rc != TSS2_RC_SUCCESS)
		return tpm_refused(t, e, rc, "HMAC");
	if (mac.size != SHA256_SIZE)
		return err_set(e, E_TPM_GARBAGE, "an HMAC of %u bytes", mac.size);
	memcpy(ret, mac.buffer, SHA256_SIZE);
	return true;
}
