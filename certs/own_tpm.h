/* SPDX-License-Identifier: Apache-2.0 */
/* The station's own TPM (not a unit's): a persistent signing key for the CA, and an NV counter for the signer's count. Through
 * ESYS (TPM 2.0 Library, part 3), over one connection that is opened before the lock-down: the kernel's resource manager, or a
 * swtpm.
 *
 * A key's URI is "tpm:handle=0x81010010", and may name its policy: ";pcrs=0,7" (TPM2_PolicyPCR over SHA-256, values as when
 * the key was made), ";limit=0x01800020" (TPM2_PolicySecret on an NV index of type PIN_PASS: the TPM itself counts the uses,
 * and stops at the index's limit), or both. An anchor's is "tpm:nv=0x01800010". A key without policy is used with its
 * authorisation value `auth`, one with a limit with that of the index; with PCRs alone it has none. Every value is proved by
 * an HMAC session, and given to the TPM enciphered: who listens on its bus does not learn it.
 *
 * All that is made here is outside of the TPM's lockout (noDA): a power cut while something under it is in use counts as a
 * wrong guess, and a line's power is cut often. So nothing but its length stops guesses at a value, and what makes things here
 * refuses a short one. */
#ifndef CERTS_OWN_TPM_H
#define CERTS_OWN_TPM_H

#include "certs/anchor.h"
#include "certs/keystore.h"

struct own_tpm;
/* `tcti` as tpm2-tools take it, of two kinds: "device:/dev/tpmrm0", "swtpm:path=/…". What a process before this one left
 * loaded in the TPM is flushed. E_TOKEN_GONE; E_CA_FILE for another tcti. */
WARN_UNUSED bool own_tpm_open(const char *tcti, struct own_tpm **ret, struct err *e);
void own_tpm_close(struct own_tpm *t);

/* True if the text is a whole URI of a key, of a key with a limit, of an anchor. */
bool own_tpm_is_key_uri(const char *uri);
bool own_tpm_is_limited_uri(const char *uri);
bool own_tpm_is_anchor_uri(const char *uri);

/* `auth` is a secret's reference, or "": the value of the key, or of the PIN_PASS index; 1 to 32 bytes. Used before
 * own_tpm_close. The key must be one that own_tpm_make_key could have made, for signing only, made in this TPM and unable to
 * leave it; with a limit the owner must have an authorisation value. E_CA_FILE (no such key, its policy is another or its PCRs
 * are, a kind that is not taken), E_SECRET, E_TOKEN_GONE.
 *
 * Its signatures fail with E_TOKEN_GONE (also when the TPM was reset), E_TOKEN_PIN (a wrong value), E_CA_FILE (PCRs changed
 * since, and nothing is used up) and E_KEY_SPENT. Each one with a limit uses one up, whether it arrives or not: one that is
 * asked for again, and one that the TPM has to begin again since a PCR was extended meanwhile, counts again. */
WARN_UNUSED bool keystore_open_tpm(struct own_tpm *t, const char *uri, const char *auth, struct keystore *ret, struct err *e);
/* The NV index must be a counter (TPM_NT_COUNTER) exactly as own_tpm_make_anchor makes it: it only grows, a step is lasting
 * (not orderly), and takes `auth`. E_ANCHOR, E_SECRET, E_TOKEN_PIN, E_TOKEN_GONE; of its operations, too. */
WARN_UNUSED bool anchor_open_tpm(struct own_tpm *t, const char *uri, const char *auth, struct anchor *ret, struct err *e);

/* ---- making them, for an engineer or at the ceremony ---- */

struct own_tpm_make {
	const char *uri;	/* of the key, with its policy, or of the anchor */
	const char *auth;	/* a secret's reference, 16 to 32 bytes; "" for a key with PCRs alone */
	const char *owner;	/* the owner hierarchy's authorisation: a secret's reference, or "" */
	uint32_t limit;		/* of a PIN_PASS index: how many signatures from now on; 0 without */
	bool rsa;		/* RSA-2048 instead of P-256 */
};
/* Makes the key (fixedTPM, fixedParent, sign only, noDA) and makes it persistent; with a limit its NV index first, whose limit
 * only the owner can set. Nothing is left of what fails. E_CA_FILE (the handle or index is taken, a limit without an owner's
 * value), E_TOKEN_GONE, E_TOKEN_PIN (the owner's value), E_SECRET. */
WARN_UNUSED bool own_tpm_make_key(struct own_tpm *t, const struct own_tpm_make *make, struct err *e);
/* Makes the counter, and steps it once: its number is above that of every counter that the TPM has ever had. Errors as before. */
WARN_UNUSED bool own_tpm_make_anchor(struct own_tpm *t, const struct own_tpm_make *make, struct err *e);
/* The owner allows `limit` signatures from now on; what was used stays counted, and what was left is gone. Not while the line
 * signs: a signature in the same moment may not be counted. Errors as before. */
WARN_UNUSED bool own_tpm_set_limit(struct own_tpm *t, const struct own_tpm_make *make, struct err *e);
/* How many signatures are left to the key of this URI. Takes no secret. */
WARN_UNUSED bool own_tpm_limit_left(struct own_tpm *t, const char *uri, uint32_t *ret_left, struct err *e);

#endif
