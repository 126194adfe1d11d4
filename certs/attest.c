/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/attest.h"
#include "certs/tpm_identity.h"

#include <string.h>

#define RESIDENT (ATTR_FIXED_TPM | ATTR_FIXED_PARENT | ATTR_SENSITIVE_DATA_ORIGIN)
#define LEAF_ATTRIBUTES (RESIDENT | ATTR_USER_WITH_AUTH | ATTR_NO_DA | ATTR_SIGN)
#define AK_MUST (RESIDENT | ATTR_USER_WITH_AUTH | ATTR_RESTRICTED | ATTR_SIGN)
#define AK_MAY (AK_MUST | ATTR_ADMIN_WITH_POLICY | ATTR_NO_DA)

/* What both keys have in common. */
static bool is_sound_p256(const struct tpm2_public *key, const char *which, struct err *e)
{
	uint8_t ignored[SHA256_SIZE];
	if (key->name_alg != ALG_SHA256 || key->key.kind != KEY_P256)
		return err_set(e, E_CERTIFY, "%s is not P-256 with SHA-256 names", which);
	if (key->symmetric != ALG_NULL || key->kdf != ALG_NULL)
		return err_set(e, E_CERTIFY, "%s has a symmetric algorithm or a key derivation", which);
	return key_spki_sha256(&key->key, ignored, e) || err_in(e, "%s", which);
}

bool attest_ak_parse(const void *data, size_t len, struct tpm2_public *ret, struct err *e)
{
	const struct tpm2_public *ak = ret;
	if (!tpm2_public_parse(data, len, E_CERTIFY, ret, e))
		return err_in(e, "attestation key");
	if ((ak->attributes & AK_MUST) != AK_MUST || ak->attributes & ~(uint32_t)AK_MAY)
		return err_set(e, E_CERTIFY, "attestation key: attributes %08x", ak->attributes);
	if (ak->scheme != ALG_ECDSA || ak->scheme_hash != ALG_SHA256)
		return err_set(e, E_CERTIFY, "attestation key: scheme %04x", ak->scheme);
	return is_sound_p256(ak, "attestation key", e);
}

bool attest_leaf_parse(const void *data, size_t len, struct tpm2_public *ret, struct err *e)
{
	const struct tpm2_public *leaf = ret;
	if (!tpm2_public_parse(data, len, E_CERTIFY, ret, e))
		return err_in(e, "leaf key");
	if (leaf->attributes != LEAF_ATTRIBUTES)
		return err_set(e, E_CERTIFY, "leaf key: attributes %08x", leaf->attributes);
	if (leaf->scheme != ALG_NULL || leaf->policy_len != 0)
		return err_set(e, E_CERTIFY, "leaf key: scheme %04x, policy of %u bytes", leaf->scheme, leaf->policy_len);
	return is_sound_p256(leaf, "leaf key", e);
}

bool attest_storage_parse(const void *data, size_t len, struct tpm2_public *ret, struct err *e)
{
	AUTO(bytes) struct bytes area = {0};
	struct err ignored = {0};
	if (!tpm2_public_parse(data, len, E_CERTIFY, ret, e))
		return err_in(e, "storage root key");
	/* What is proved here is, byte for byte, what the service is told of it. */
	if (!tpm_identity_srk(&ret->key, &area, &ignored) || area.len != len || memcmp(area.data, data, len) != 0)
		return err_set(e, E_CERTIFY, "storage root key: attributes %08x; not TCG's template for RSA-2048", ret->attributes);
	return key_is_sound(&ret->key, e) || err_in(e, "storage root key");
}

static bool is_name(const struct tpm2_name *name, const uint8_t want[static TPM2_NAME_SIZE])
{
	return name->len == TPM2_NAME_SIZE && !memcmp(name->data, want, TPM2_NAME_SIZE);
}

bool attest_proves_leaf(const struct tpm2_public *ak, const struct tpm2_public *leaf, const uint8_t nonce[static 32],
			const struct span *attest, const struct span *sig, struct err *e)
{
	struct tpm2_certify said;
	struct key_signature signature;
	uint8_t digest[SHA256_SIZE], place[TPM2_NAME_SIZE];
	if (!tpm2_certify_parse(attest->data, attest->len, E_CERTIFY, &said, e) ||
	    !tpm2_signature_parse(sig->data, sig->len, E_CERTIFY, &signature, e))
		return false;
	sha256_of(attest->data, attest->len, digest);
	if (!key_signed(&ak->key, digest, &signature))
		return err_set(e, E_CERTIFY, "the certification is not signed by the attestation key");
	if (said.extra_len != 32 || memcmp(said.extra, nonce, 32) != 0)
		return err_set(e, E_CERTIFY, "the certification is not over this nonce");
	if (!is_name(&said.name, leaf->name))
		return err_set(e, E_CERTIFY, "the certification is of another key");
	tpm2_qualified_name(HIERARCHY_OWNER, leaf->name, place);
	if (!is_name(&said.qualified_name, place))
		return err_set(e, E_CERTIFY, "the leaf key is not a primary key of the owner hierarchy");
	tpm2_qualified_name(HIERARCHY_ENDORSEMENT, ak->name, place);
	if (!is_name(&said.signer, place))
		return err_set(e, E_CERTIFY, "the attestation key is not a primary key of the endorsement hierarchy");
	return true;
}
