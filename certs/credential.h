/* SPDX-License-Identifier: Apache-2.0 */
/* TPM2_MakeCredential in software (TPM 2.0 Part 1, section 24, and C.6 for ECC): a secret that only the TPM which holds both the
 * endorsement key and an object of this name can read. Only files of this room include this header. */
#ifndef CERTS_CREDENTIAL_H
#define CERTS_CREDENTIAL_H

#include "certs/evidence.h"
#include "certs/tpm2.h"

#define CREDENTIAL_SECRET 32

/* Fills ret's blob and secret for the endorsement key (RSA, or P-256) and the object's name. E_VERIFIER if libcrypto fails. */
WARN_UNUSED bool credential_make(const struct key_public *ek, const uint8_t name[static TPM2_NAME_SIZE],
				 const uint8_t secret[static CREDENTIAL_SECRET], struct challenge *ret, struct err *e);

#endif
