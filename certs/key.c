/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/key.h"
#include "certs/der.h"
#include "certs/p256.h"

#include <assert.h>
#include <string.h>

#define SPKI_MAX 1024	/* RSA-4096 needs 550 */

static const uint8_t algorithm_p256[] = {	/* SEQUENCE { id-ecPublicKey, prime256v1 } (RFC 5480, 2.1.1) */
	0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
};
static const uint8_t algorithm_rsa[] = {	/* SEQUENCE { rsaEncryption, NULL } (RFC 3279, 2.3.1) */
	0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
};

static bool point_is_on_curve(const struct key_public *key, struct err *e)
{
	uint8_t point[P256_POINT];
	p256_point(key, point);
	return p256_holds(point, e);
}

static bool modulus_is_sound(const struct key_public *key, struct err *e)
{
	size_t len = key->rsa_bits / 8;
	if (key->rsa_bits < 2048 || key->rsa_bits > 4096 || key->rsa_bits % 8 || !(key->rsa_modulus[0] & 0x80))
		return err_set(e, E_KEY_WEAK, "an RSA modulus that does not fill 2048 to 4096 bits");
	if (!(key->rsa_modulus[len - 1] & 1))
		return err_set(e, E_KEY_WEAK, "an even RSA modulus");
	if (key->rsa_exponent < 65537 || !(key->rsa_exponent & 1))
		return err_set(e, E_KEY_WEAK, "RSA exponent %u", key->rsa_exponent);
	return true;
}

bool key_is_sound(const struct key_public *key, struct err *e)
{
	switch (key->kind) {
	case KEY_P256:
		return point_is_on_curve(key, e);
	case KEY_RSA:
		return modulus_is_sound(key, e);
	default:
		return err_set(e, E_KEY_WEAK, "a key of kind %u", key->kind);
	}
}

/* What stands inside the BIT STRING subjectPublicKey: an uncompressed point, or RSAPublicKey. */
static void put_subject_key(struct der *d, const struct key_public *key)
{
	uint8_t point[P256_POINT];
	const uint8_t exponent[4] = {(uint8_t)(key->rsa_exponent >> 24), (uint8_t)(key->rsa_exponent >> 16),
				     (uint8_t)(key->rsa_exponent >> 8), (uint8_t)key->rsa_exponent};
	if (key->kind == KEY_P256) {
		p256_point(key, point);
		der_raw(d, point, sizeof(point));
		return;
	}
	size_t numbers = der_open(d, DER_SEQUENCE);
	der_unsigned(d, key->rsa_modulus, key->rsa_bits / 8);
	der_unsigned(d, exponent, sizeof(exponent));
	der_close(d, numbers);
}

void key_put_spki(struct der *d, const struct key_public *key)
{
	size_t whole = der_open(d, DER_SEQUENCE);
	if (key->kind == KEY_P256)
		der_raw(d, algorithm_p256, sizeof(algorithm_p256));
	else
		der_raw(d, algorithm_rsa, sizeof(algorithm_rsa));
	size_t bits = der_open_bits(d);
	put_subject_key(d, key);
	der_close(d, bits);
	der_close(d, whole);
}

bool key_spki(const struct key_public *key, struct bytes *ret, struct err *e)
{
	uint8_t room[SPKI_MAX];
	struct der d = DER_IN(room);
	if (!key_is_sound(key, e))
		return false;
	key_put_spki(&d, key);
	assert(der_whole(&d));
	return bytes_add(ret, d.data, d.len, e);
}

void key_id(const struct key_public *key, uint8_t ret[static KEY_ID_SIZE])
{
	uint8_t room[SPKI_MAX], hash[SHA256_SIZE];
	struct der d = DER_IN(room);
	put_subject_key(&d, key);
	assert(der_whole(&d));
	sha256_of(d.data, d.len, hash);
	memcpy(ret, hash, KEY_ID_SIZE);
}

bool key_spki_sha256(const struct key_public *key, uint8_t ret[static SHA256_SIZE], struct err *e)
{
	AUTO(bytes) struct bytes spki = {0};
	if (!key_spki(key, &spki, e))
		return false;
	sha256_of(spki.data, spki.len, ret);
	return true;
}

bool key_checker_signed(struct key_checker *c, const struct key_public *key, const uint8_t digest[static SHA256_SIZE],
			const struct key_signature *sig)
{
	uint8_t room[80];
	struct der d = DER_IN(room);
	struct err ignored = {0};
	if (key->kind != KEY_P256)
		return false;
	size_t whole = der_open(&d, DER_SEQUENCE);
	der_unsigned(&d, sig->r, sizeof(sig->r));
	der_unsigned(&d, sig->s, sizeof(sig->s));
	der_close(&d, whole);
	return p256_signed(c, key, digest, &(struct span){d.data, d.len}, E_SIGN, &ignored);
}

bool key_signed(const struct key_public *key, const uint8_t digest[static SHA256_SIZE], const struct key_signature *sig)
{
	AUTO(key_checker) struct key_checker once = {0};
	return key_checker_signed(&once, key, digest, sig);
}
