/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about attestation key, leaf key and certification. Only files of this room include this header. */
#ifndef CERTS_ATTEST_H
#define CERTS_ATTEST_H

#include "certs/tpm2.h"

/* Reads a TPM2B_PUBLIC that must be a key which may vouch for others: restricted, signing, made in and fixed to this TPM, P-256,
 * ECDSA with SHA-256. E_CERTIFY, E_KEY_WEAK. */
WARN_UNUSED bool attest_ak_parse(const void *data, size_t len, struct tpm2_public *ret, struct err *e);

/* Reads a TPM2B_PUBLIC that must be a leaf key of docs/tpm-bridge.md, section 4. E_CERTIFY, E_KEY_WEAK. */
WARN_UNUSED bool attest_leaf_parse(const void *data, size_t len, struct tpm2_public *ret, struct err *e);

/* Reads a TPM2B_PUBLIC that must be a storage root key of TCG's RSA-2048 template: restricted, decrypting, made in and fixed to
 * this TPM, AES-128-CFB, SHA-256 names, no policy. E_CERTIFY, E_KEY_WEAK. */
WARN_UNUSED bool attest_storage_parse(const void *data, size_t len, struct tpm2_public *ret, struct err *e);

/* True if the attestation key, a primary key of the endorsement hierarchy, says over this nonce that the leaf key is loaded in
 * its TPM, as a primary key of the owner hierarchy; `attest` is TPMS_ATTEST, `sig` TPMT_SIGNATURE. E_CERTIFY. */
WARN_UNUSED bool attest_proves_leaf(const struct tpm2_public *ak, const struct tpm2_public *leaf, const uint8_t nonce[static 32],
				    const struct span *attest, const struct span *sig, struct err *e);

#endif
