/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/spki.h"
#include "certs/der.h"
#include "certs/der_read.h"
#include "certs/p256.h"

#include <string.h>

#define FIELD 32

static const uint8_t id_ec_public_key[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};	/* RFC 5480, 2.1.1 */
static const uint8_t id_prime_field[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x01, 0x01};	/* RFC 3279, 2.3.5 */
static const uint8_t id_prime256v1[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static const uint8_t id_rsa_encryption[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};	/* RFC 8017, A.1 */

/* The curve P-256 (FIPS 186-4, D.1.2.3). */
static const uint8_t p256_p[FIELD] = {
	0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
};
static const uint8_t p256_a[FIELD] = {
	0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfc,
};
static const uint8_t p256_b[FIELD] = {
	0x5a, 0xc6, 0x35, 0xd8, 0xaa, 0x3a, 0x93, 0xe7, 0xb3, 0xeb, 0xbd, 0x55, 0x76, 0x98, 0x86, 0xbc,
	0x65, 0x1d, 0x06, 0xb0, 0xcc, 0x53, 0xb0, 0xf6, 0x3b, 0xce, 0x3c, 0x3e, 0x27, 0xd2, 0x60, 0x4b,
};
static const uint8_t p256_x[FIELD] = {
	0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
	0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
};
static const uint8_t p256_y[FIELD] = {
	0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16,
	0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
};
static const uint8_t p256_n[FIELD] = {
	0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
};
static const uint8_t p256_seed[20] = {
	0xc4, 0x9d, 0x36, 0x08, 0x86, 0xe7, 0x04, 0x93, 0x6a, 0x66, 0x78, 0xe1, 0x13, 0x9d, 0x26, 0xb7, 0x81, 0x9f, 0x7e, 0x90,
};

/* ---- P-256 ---- */

static bool point_parse(const struct span *in, struct key_public *ret, struct err *e)
{
	uint8_t plain[P256_POINT];
	if (!p256_plain(in, plain, e))
		return false;
	memset(ret, 0, sizeof(*ret));
	ret->kind = KEY_P256;
	memcpy(ret->x, plain + 1, FIELD);
	memcpy(ret->y, plain + 1 + FIELD, FIELD);
	return true;
}

static bool field_is_p256(struct span *params)
{
	struct span field, value;
	return der_read(params, DER_SEQUENCE, &field) && der_read(&field, DER_OID, &value) &&
	       der_is(&value, id_prime_field, sizeof(id_prime_field)) && der_read_unsigned(&field, &value) &&
	       der_is(&value, p256_p, FIELD) && !field.len;
}

/* The seed says how b was chosen; it is left out, or is P-256's. */
static bool curve_is_p256(struct span *params)
{
	struct span curve, value;
	if (!der_read(params, DER_SEQUENCE, &curve) || !der_read(&curve, DER_OCTET_STRING, &value) || !der_is(&value, p256_a, FIELD) ||
	    !der_read(&curve, DER_OCTET_STRING, &value) || !der_is(&value, p256_b, FIELD))
		return false;
	return !curve.len || (der_read_bits(&curve, &value) && der_is(&value, p256_seed, sizeof(p256_seed)) && !curve.len);
}

/* Whoever may choose the generator knows a private key for anybody's public point, so this is no formality. */
static bool generator_is_p256(struct span *params)
{
	struct span base;
	struct key_public g;
	struct err ignored = {0};
	return der_read(params, DER_OCTET_STRING, &base) && point_parse(&base, &g, &ignored) && !memcmp(g.x, p256_x, FIELD) &&
	       !memcmp(g.y, p256_y, FIELD);
}

static bool order_is_p256(struct span *params)
{
	struct span value;
	if (!der_read_unsigned(params, &value) || !der_is(&value, p256_n, FIELD))
		return false;
	return !params->len || (der_read_unsigned(params, &value) && der_is(&value, "\1", 1));	/* the cofactor may be left out */
}

/* SpecifiedECDomain (SEC 1, C.2) of version 1 or 2, of which the third has a hash. */
static bool domain_is_p256(struct span params)
{
	struct span version;
	return der_read_unsigned(&params, &version) && (der_is(&version, "\1", 1) || der_is(&version, "\2", 1)) &&
	       field_is_p256(&params) && curve_is_p256(&params) && generator_is_p256(&params) && order_is_p256(&params) && !params.len;
}

static bool ec_parse(struct span params, const struct span *subject_key, struct key_public *ret, struct err *e)
{
	struct span named, domain;
	bool known = false;
	if (der_read(&params, DER_OID, &named))
		known = der_is(&named, id_prime256v1, sizeof(id_prime256v1)) && !params.len;
	else if (der_read(&params, DER_SEQUENCE, &domain))
		known = domain_is_p256(domain) && !params.len;
	return known ? point_parse(subject_key, ret, e) : err_set(e, E_KEY_WEAK, "an elliptic curve that is not P-256");
}

/* ---- RSA ---- */

static bool rsa_parse(struct span params, const struct span *subject_key, struct key_public *ret, struct err *e)
{
	struct span in = *subject_key, numbers, modulus, exponent;
	uint32_t value = 0;
	if (params.len && !der_is(&params, "\5\0", 2))
		return err_set(e, E_KEY_WEAK, "an RSA key with parameters");
	if (!der_read(&in, DER_SEQUENCE, &numbers) || in.len || !der_read_unsigned(&numbers, &modulus) ||
	    !der_read_unsigned(&numbers, &exponent) || numbers.len)
		return err_set(e, E_KEY_WEAK, "an RSA key that is no RSAPublicKey");
	if (modulus.len > sizeof(ret->rsa_modulus) || exponent.len > sizeof(value))
		return err_set(e, E_KEY_WEAK, "an RSA modulus of %zu bytes, an exponent of %zu", modulus.len, exponent.len);
	for (size_t i = 0; i < exponent.len; i++)
		value = value << 8 | ((const uint8_t *)exponent.data)[i];
	memset(ret, 0, sizeof(*ret));
	ret->kind = KEY_RSA;
	ret->rsa_bits = (uint32_t)(8 * modulus.len);
	ret->rsa_exponent = value;
	memcpy(ret->rsa_modulus, modulus.data, modulus.len);
	return key_is_sound(ret, e);
}

bool spki_parse(const void *der, size_t len, enum err_code unreadable, struct key_public *ret, struct err *e)
{
	struct span in = {der, len}, whole, algorithm, id, subject_key;
	if (!der_read(&in, DER_SEQUENCE, &whole) || in.len || !der_read(&whole, DER_SEQUENCE, &algorithm) ||
	    !der_read(&algorithm, DER_OID, &id) || !der_read_bits(&whole, &subject_key) || whole.len)
		return err_set(e, unreadable, "no SubjectPublicKeyInfo in DER");
	if (der_is(&id, id_ec_public_key, sizeof(id_ec_public_key)))
		return ec_parse(algorithm, &subject_key, ret, e);
	if (der_is(&id, id_rsa_encryption, sizeof(id_rsa_encryption)))
		return rsa_parse(algorithm, &subject_key, ret, e);
	return err_set(e, E_KEY_WEAK, "a key neither RSA nor of an elliptic curve");
}
