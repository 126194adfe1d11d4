/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/tpm2.h"

#include <string.h>

#define GENERATED_VALUE 0xff544347u	/* TPM_GENERATED, 6.2 */
#define ST_ATTEST_CERTIFY 0x8017u	/* TPM_ST, 6.9 */
#define ECC_BYTES_MAX 66	/* a coordinate of the largest curve, P-521 */
#define EXPONENT_DEFAULT 65537u

const uint8_t tpm2_policy_a[SHA256_SIZE] = {
	0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
	0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
};

/* Takes from the front of bounded bytes. The first failure is kept in `why`; after it everything reads as zero, so that a
 * parser may read on and look once. */
struct reader {
	const uint8_t *at;
	size_t left;
	const char *why;
};

static bool refuse(struct reader *r, const char *why)
{
	if (!r->why)
		r->why = why;
	r->left = 0;
	return false;
}

static const uint8_t *take(struct reader *r, size_t len, const char *field)
{
	if (r->why || len > r->left) {
		refuse(r, field);
		return NULL;
	}
	const uint8_t *at = r->at;
	r->at += len;
	r->left -= len;
	return at;
}

static uint16_t take_u16(struct reader *r, const char *field)
{
	const uint8_t *p = take(r, 2, field);
	return p ? (uint16_t)(p[0] << 8 | p[1]) : 0;
}

static uint32_t take_u32(struct reader *r, const char *field)
{
	uint32_t high = take_u16(r, field);
	return high << 16 | take_u16(r, field);
}

/* A TPM2B of at most `max` bytes. */
static uint16_t take_sized(struct reader *r, uint8_t *ret, size_t max, const char *field)
{
	uint16_t len = take_u16(r, field);
	const uint8_t *p = len <= max ? take(r, len, field) : NULL;
	if (!p) {
		refuse(r, field);
		return 0;
	}
	memcpy(ret, p, len);
	return len;
}

/* A big-endian number of 1 to `size` bytes, as TPM2B; a TPM may leave leading zeros out. */
static void take_number(struct reader *r, uint8_t *ret, size_t size, const char *field)
{
	uint8_t room[ECC_BYTES_MAX];
	uint16_t len = take_sized(r, room, size, field);
	memset(ret, 0, size);
	if (!len) {
		refuse(r, field);
		return;
	}
	memcpy(ret + size - len, room, len);
}

static bool ended(struct reader *r, const char *what, enum err_code refusal, struct err *e)
{
	if (!r->why && r->left)
		return err_set(e, refusal, "%s: %zu bytes left over", what, r->left);
	if (r->why)
		return err_set(e, refusal, "%s: malformed %s", what, r->why);
	return true;
}

/* TPMT_SYM_DEF_OBJECT (11.1.7). */
static void take_symmetric(struct reader *r, struct tpm2_public *p)
{
	p->symmetric = take_u16(r, "symmetric algorithm");
	if (p->symmetric == ALG_NULL)
		return;
	p->symmetric_bits = take_u16(r, "symmetric key size");
	p->symmetric_mode = take_u16(r, "symmetric mode");
}

static bool scheme_has_hash(uint16_t scheme)
{
	switch (scheme) {
	case 0x0014: case 0x0016: case 0x0017:	/* RSASSA, RSAPSS, OAEP */
	case 0x0018: case 0x0019: case 0x001b: case 0x001c:	/* ECDSA, ECDH, SM2, ECSCHNORR */
		return true;
	default:
		return false;
	}
}

/* TPMT_RSA_SCHEME and TPMT_ECC_SCHEME (11.2.4.1, 11.2.5.6). RSAES and ECDAA are no scheme of a key that we take. */
static void take_scheme(struct reader *r, struct tpm2_public *p)
{
	p->scheme = take_u16(r, "scheme");
	if (p->scheme == ALG_NULL)
		return;
	if (scheme_has_hash(p->scheme))
		p->scheme_hash = take_u16(r, "hash of the scheme");
	else
		refuse(r, "scheme");
}

static void take_rsa(struct reader *r, struct tpm2_public *p)
{
	take_symmetric(r, p);
	take_scheme(r, p);
	uint16_t bits = take_u16(r, "key size");
	uint32_t exponent = take_u32(r, "exponent");
	uint16_t len = take_sized(r, p->key.rsa_modulus, sizeof(p->key.rsa_modulus), "modulus");
	if (!len || len * 8 != bits) {
		refuse(r, "modulus");
		return;
	}
	p->key.kind = KEY_RSA;
	p->key.rsa_bits = bits;
	p->key.rsa_exponent = exponent ? exponent : EXPONENT_DEFAULT;
}

static void take_ecc(struct reader *r, struct tpm2_public *p)
{
	uint8_t other[ECC_BYTES_MAX];
	take_symmetric(r, p);
	take_scheme(r, p);
	p->curve = take_u16(r, "curve");
	p->kdf = take_u16(r, "key derivation");
	if (p->kdf != ALG_NULL)
		take_u16(r, "hash of the key derivation");
	if (p->curve != CURVE_NIST_P256) {
		take_number(r, other, sizeof(other), "x");
		take_number(r, other, sizeof(other), "y");
		return;
	}
	take_number(r, p->key.x, sizeof(p->key.x), "x");
	take_number(r, p->key.y, sizeof(p->key.y), "y");
	p->key.kind = KEY_P256;
}

static void name_of(const uint8_t *area, size_t len, uint8_t ret[static TPM2_NAME_SIZE])
{
	ret[0] = ALG_SHA256 >> 8;
	ret[1] = ALG_SHA256 & 0xff;
	sha256_of(area, len, ret + 2);
}

bool tpm2_public_parse(const void *data, size_t len, enum err_code refusal, struct tpm2_public *ret, struct err *e)
{
	struct reader r = {data, len, NULL};
	struct tpm2_public p = {0};
	if (take_u16(&r, "size") != r.left)
		refuse(&r, "size");
	p.type = take_u16(&r, "type");
	p.name_alg = take_u16(&r, "name algorithm");
	p.attributes = take_u32(&r, "attributes");
	p.policy_len = take_sized(&r, p.policy, sizeof(p.policy), "policy");
	if (p.type == ALG_RSA)
		take_rsa(&r, &p);
	else if (p.type == ALG_ECC)
		take_ecc(&r, &p);
	else
		refuse(&r, "type");
	if (!ended(&r, "public area", refusal, e))
		return false;
	if (p.name_alg == ALG_SHA256)
		name_of((const uint8_t *)data + 2, len - 2, p.name);
	*ret = p;
	return true;
}

static void take_name(struct reader *r, struct tpm2_name *ret, const char *field)
{
	ret->len = take_sized(r, ret->data, sizeof(ret->data), field);
}

/* TPMS_CLOCK_INFO (10.11.1): clock, resetCount, restartCount, safe. */
static void skip_clock_info(struct reader *r)
{
	take(r, 8 + 4 + 4, "clock");
	const uint8_t *safe = take(r, 1, "clock");
	if (safe && *safe > 1)
		refuse(r, "clock");
}

bool tpm2_certify_parse(const void *data, size_t len, enum err_code refusal, struct tpm2_certify *ret, struct err *e)
{
	struct reader r = {data, len, NULL};
	struct tpm2_certify c = {0};
	if (take_u32(&r, "magic") != GENERATED_VALUE)
		refuse(&r, "magic: not made by a TPM");
	if (take_u16(&r, "type") != ST_ATTEST_CERTIFY)
		refuse(&r, "type: no certification");
	take_name(&r, &c.signer, "signer");
	c.extra_len = take_sized(&r, c.extra, sizeof(c.extra), "extra data");
	skip_clock_info(&r);
	take(&r, 8, "firmware version");
	take_name(&r, &c.name, "certified name");
	take_name(&r, &c.qualified_name, "qualified name");
	if (!ended(&r, "attestation", refusal, e))
		return false;
	*ret = c;
	return true;
}

bool tpm2_signature_parse(const void *data, size_t len, enum err_code refusal, struct key_signature *ret, struct err *e)
{
	struct reader r = {data, len, NULL};
	struct key_signature s = {0};
	if (take_u16(&r, "algorithm") != ALG_ECDSA)
		refuse(&r, "algorithm: not ECDSA");
	if (take_u16(&r, "hash") != ALG_SHA256)
		refuse(&r, "hash: not SHA-256");
	take_number(&r, s.r, sizeof(s.r), "r");
	take_number(&r, s.s, sizeof(s.s), "s");
	if (!ended(&r, "signature", refusal, e))
		return false;
	*ret = s;
	return true;
}

void tpm2_qualified_name(uint32_t hierarchy, const uint8_t name[static TPM2_NAME_SIZE], uint8_t ret[static TPM2_NAME_SIZE])
{
	const uint8_t handle[4] = {(uint8_t)(hierarchy >> 24), (uint8_t)(hierarchy >> 16), (uint8_t)(hierarchy >> 8),
				   (uint8_t)hierarchy};
	const struct span parts[] = {{handle, sizeof(handle)}, {name, TPM2_NAME_SIZE}};
	ret[0] = ALG_SHA256 >> 8;
	ret[1] = ALG_SHA256 & 0xff;
	sha256(parts, COUNT_OF(parts), ret + 2);
}
