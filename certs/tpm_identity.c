/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/tpm_identity.h"
#include "certs/tpm2.h"

#define RSA_BITS 2048u
#define EXPONENT 65537u	/* what a TPM means by 0 */

/* TPM2B_PUBLIC (Part 2, 12.2.5) as it grows. */
struct area {
	struct bytes *to;
	struct err *e;
	bool ok;
};

static void put(struct area *a, const void *data, size_t len)
{
	a->ok = a->ok && bytes_add(a->to, data, len, a->e);
}

static void put_u16(struct area *a, uint32_t value)
{
	const uint8_t b[] = {(uint8_t)(value >> 8), (uint8_t)value};
	put(a, b, sizeof(b));
}

static void put_u32(struct area *a, uint32_t value)
{
	put_u16(a, value >> 16);
	put_u16(a, value & 0xffff);
}

static void put_sized(struct area *a, const void *data, size_t len)
{
	put_u16(a, (uint32_t)len);
	put(a, data, len);
}

/* A storage key: restricted, decrypting, AES-128-CFB, RSA-2048 with the usual exponent. */
static bool marshal(const struct key_public *key, uint32_t attributes, const struct span *policy, struct bytes *ret, struct err *e)
{
	const size_t modulus_len = RSA_BITS / 8;
	struct area a = {ret, e, true};
	if (key->kind != KEY_RSA || key->rsa_bits != RSA_BITS || key->rsa_exponent != EXPONENT)
		return err_set(e, E_EK_KIND, "not an RSA key of 2048 bits with exponent 65537");
	bytes_clear(ret);
	put_u16(&a, (uint32_t)(2 + 2 + 4 + 2 + policy->len + 6 + 2 + 2 + 4 + 2 + modulus_len));
	put_u16(&a, ALG_RSA);
	put_u16(&a, ALG_SHA256);
	put_u32(&a, attributes);
	put_sized(&a, policy->data, policy->len);
	put_u16(&a, ALG_AES);
	put_u16(&a, 128);
	put_u16(&a, ALG_CFB);
	put_u16(&a, ALG_NULL);
	put_u16(&a, RSA_BITS);
	put_u32(&a, 0);
	put_sized(&a, key->rsa_modulus, modulus_len);
	return a.ok;
}

bool tpm_identity_ek(const struct key_public *ek, struct bytes *ret, struct err *e)
{
	const struct span policy = {tpm2_policy_a, sizeof(tpm2_policy_a)};
	return marshal(ek, TPM2_EK_ATTRIBUTES, &policy, ret, e);
}

bool tpm_identity_srk(const struct key_public *srk, struct bytes *ret, struct err *e)
{
	const struct span none = {"", 0};
	return marshal(srk, TPM2_SRK_ATTRIBUTES, &none, ret, e);
}
