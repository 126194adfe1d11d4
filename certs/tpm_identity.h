/* SPDX-License-Identifier: Apache-2.0 */
/* The two public areas that DPS's TPM attestation works with, made again from judged numbers: so no byte of a device goes to
 * the service. Both are RSA-2048 (TCG EK Credential Profile, template L-1; TCG's storage root key), marshalled as TPM2B_PUBLIC
 * with its size. */
#ifndef CERTS_TPM_IDENTITY_H
#define CERTS_TPM_IDENTITY_H

#include "certs/key.h"

/* Replaces ret by the 316 bytes of an L-1 endorsement key. E_EK_KIND for a key of another kind. */
WARN_UNUSED bool tpm_identity_ek(const struct key_public *ek, struct bytes *ret, struct err *e);

/* Replaces ret by the 284 bytes of a storage root key (attributes 00030472, empty policy). E_EK_KIND for a key of another kind. */
WARN_UNUSED bool tpm_identity_srk(const struct key_public *srk, struct bytes *ret, struct err *e);

#endif
