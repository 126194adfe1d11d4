/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service's side of TPM attestation: a key that only one TPM can read. It is wrapped twice, to the
 * endorsement key (TPM2_MakeCredential) and to the storage root key (the object format of TPM2_Import),
 * so whoever uses it holds both. Structures: TPM 2.0 Library, part 2; protection: part 1, sections 23
 * and 24.
 */
#ifndef SIM_DPS_TPMKEY_H
#define SIM_DPS_TPMKEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TPM_NAME 34
#define TPM_MODULUS 256

/* A restricted decryption key of RSA 2048 with AES-128-CFB: what an EK or an SRK of the default template is. */
struct tpm_key {
	uint8_t name[TPM_NAME]; /* 000B and SHA-256 of the public area */
	uint8_t modulus[TPM_MODULUS];
	uint32_t exponent;
};

/* Reads base64 of a TPM2B_PUBLIC, big-endian, its size in front. False when it is no such key; NULL is none. */
bool tpm_key_read(struct tpm_key *k, const char *text);

/*
 * The blob of an `authenticationKey`: TPM2B_ID_OBJECT, TPM2B_ENCRYPTED_SECRET (EK), TPM2B_PRIVATE,
 * TPM2B_ENCRYPTED_SECRET (SRK), TPM2B_PUBLIC of an HMAC key, and a part that clients skip; in base64.
 * `key` is 16..64 bytes. The caller frees.
 */
char *tpm_key_wrap(const struct tpm_key *ek, const struct tpm_key *srk, const uint8_t *key, size_t n);

#endif
