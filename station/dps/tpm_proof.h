/* SPDX-License-Identifier: Apache-2.0 */
/* How a TPM proves itself to DPS (device API, TPM attestation), as texts: who it says it is, what it is challenged with,
 * and the token that answers the challenge. Pure but for the callback that signs.
 *
 * The service wraps a key for this TPM alone (for its endorsement key, bound to its storage root key) and sends it with
 * a 401. Who can sign with that key is this TPM. */
#ifndef STATION_DPS_TPM_PROOF_H
#define STATION_DPS_TPM_PROOF_H

#include "station/dps/runtime.h"

#define TPM_BLOB_MAX 8192
#define TPM_TOKEN_LIFE_MS (2400 * 1000LL)

/* Appends the body of the registration. */
WARN_UNUSED bool tpm_proof_body(const char *registration_id, const struct runtime_tpm *tpm, struct bytes *ret, struct err *e);

/* Takes the wrapped key out of an object that holds "authenticationKey": a challenge, or the state of a device that is
 * assigned. *found false if it holds none. E_DPS_ANSWER if it is no base64, or too long. */
WARN_UNUSED bool tpm_proof_blob(const json_t *object, bool *found, struct bytes *ret, struct err *e);

/* Replaces ret by the value of the Authorization header (secret), good for TPM_TOKEN_LIFE_MS from now_ms (wall clock). The signer's
 * errors. */
WARN_UNUSED bool tpm_proof_token(const char *id_scope, const char *registration_id, const struct runtime_tpm *tpm, int64_t now_ms,
				 struct bytes *ret, struct err *e);

#endif
