/* SPDX-License-Identifier: Apache-2.0 */
/* The station's own TPM (not a unit's): a persistent signing key for the CA, and an NV counter for the signer's count. Through ESYS
 * (TPM 2.0 Library, part 3), over one connection that is opened before the lock-down.
 *
 * A key's URI is "tpm:handle=0x81010010", and may name its policy: ";pcrs=0,7" (TPM2_PolicyPCR over SHA-256, values as when the key
 * was made), ";limit=0x01500020" (TPM2_PolicySecret on an NV index of type PIN_PASS: the TPM itself stops at the index's limit). An
 * anchor's is "tpm:nv=0x01500010". A key without policy is used with the authorisation value `auth`. */
#ifndef CERTS_OWN_TPM_H
#define CERTS_OWN_TPM_H

#include "certs/anchor.h"
#include "certs/keystore.h"

struct own_tpm;
/* `tcti` as tpm2-tools take it: "device:/dev/tpmrm0", "swtpm:path=…". E_TOKEN_GONE. */
WARN_UNUSED bool own_tpm_open(const char *tcti, struct own_tpm **ret, struct err *e);
void own_tpm_close(struct own_tpm *t);

/* `auth` is a secret's reference, or "": the value of the key, or of the PIN_PASS index. Used before own_tpm_close. E_CA_FILE (no such
 * key, its policy is another, a kind that is not taken), E_SECRET, E_TOKEN_GONE. */
WARN_UNUSED bool keystore_open_tpm(struct own_tpm *t, const char *uri, const char *auth, struct keystore *ret, struct err *e);
/* The NV index must be a counter (TPM_NT_COUNTER) that nobody can write otherwise, and not orderly. E_ANCHOR. */
WARN_UNUSED bool anchor_open_tpm(struct own_tpm *t, const char *uri, const char *auth, struct anchor *ret, struct err *e);

/* ---- making them, for an engineer or at the ceremony ---- */

struct own_tpm_make {
	const char *uri;	/* of the key, with its policy, or of the anchor */
	const char *auth;	/* a secret's reference, or "" */
	const char *owner;	/* the owner hierarchy's authorisation: a secret's reference, or "" */
	uint32_t limit;		/* of a PIN_PASS index: how many signatures; 0 without */
	bool rsa;		/* RSA-2048 instead of P-256 */
};
/* Makes the key (fixedTPM, fixedParent, sign only, noDA unless it has an authorisation value) and makes it persistent; with a limit its
 * NV index first, whose limit only the owner can set. E_CA_FILE if the handle is taken, E_TOKEN_GONE, E_SECRET. */
WARN_UNUSED bool own_tpm_make_key(struct own_tpm *t, const struct own_tpm_make *make, struct err *e);
WARN_UNUSED bool own_tpm_make_anchor(struct own_tpm *t, const struct own_tpm_make *make, struct err *e);
/* The owner raises the limit of a PIN_PASS index, or starts it anew, for the next order. *ret_left: signatures left. */
WARN_UNUSED bool own_tpm_set_limit(struct own_tpm *t, const struct own_tpm_make *make, struct err *e);
WARN_UNUSED bool own_tpm_limit_left(struct own_tpm *t, const char *uri, uint32_t *ret_left, struct err *e);

#endif
