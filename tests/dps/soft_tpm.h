/* SPDX-License-Identifier: Apache-2.0 */
/* The device's side of TPM attestation in software: an endorsement key and a storage root key by OpenSSL, and what a TPM
 * does with the key that DPS wraps for it (TPM 2.0, part 1, 24 and 11.4; ActivateCredential, Import, HMAC). Written from
 * the specification alone, so that what wraps and what unwraps are two readings of it. Everything in a blob is checked
 * as a TPM checks it. */
#ifndef TESTS_DPS_SOFT_TPM_H
#define TESTS_DPS_SOFT_TPM_H

#include "station/dps/runtime.h"

struct soft_tpm {
	void *ek_key, *srk_key;
	struct bytes ek, srk;	/* TPM2B_PUBLIC with their sizes */
	struct bytes hmac_key;	/* of the last import */
	int imports, signatures;
	struct bytes first_key;
	struct runtime_tpm runtime;
};

void soft_tpm_make(struct soft_tpm *t);
void soft_tpm_fini(struct soft_tpm *t);

#endif
