/* SPDX-License-Identifier: Apache-2.0 */
/* What the files behind certs/own_tpm.h share: ESYS (TCG ESAPI 1.0), the wire below it, and its errors in the station's words.
 * Nobody else includes it.
 *
 * The wire is a TCTI of our own over one descriptor, since those that tpm2-tss loads connect anew for every command (swtpm),
 * load themselves by dlopen, and wait without a deadline: none of that goes behind a lock-down. */
#ifndef CERTS_OWN_TPM_ESYS_H
#define CERTS_OWN_TPM_ESYS_H

#include "certs/own_tpm.h"
#include "station/base/bytes.h"

#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>

#define OWN_TPM_MAX 4096	/* a command or a response: TPM2_MAX_COMMAND_SIZE of every TPM so far */
#define OWN_TPM_PCRS 24
#define OWN_TPM_SIGN_MS 8000	/* a signature, and all that opens: below what the line waits for its signer */
#define OWN_TPM_MAKE_MS 180000	/* a chip may search for the primes of an RSA key for minutes */

struct own_tpm_wire {
	TSS2_TCTI_CONTEXT_COMMON_V2 common;	/* first: what tss2 holds is a pointer to this structure */
	int fd;
	bool is_socket;
	bool sent;
	bool lost;	/* what holds the key cannot be reached any more over this connection */
	int64_t deadline_ms;
	size_t held;	/* bytes of a response that waits */
	uint8_t response[OWN_TPM_MAX];
};

/* own_tpm_wire.c. E_TOKEN_GONE, E_CA_FILE (a TCTI that is not taken). */
WARN_UNUSED bool own_tpm_wire_open(struct own_tpm_wire *w, const char *tcti, struct err *e);
void own_tpm_wire_close(struct own_tpm_wire *w);

struct own_tpm {
	struct own_tpm_wire wire;
	ESYS_CONTEXT *esys;
};

/* Which things in the TPM a URI names; 0 for what is not there. own_tpm_uri.c. */
struct own_tpm_uri {
	uint32_t handle, limit, nv;
	uint32_t pcrs;		/* a bit each */
};
WARN_UNUSED bool own_tpm_uri_read(const char *uri, struct own_tpm_uri *ret, struct err *e);

/* ---- own_tpm.c ---- */

/* How long the commands from here on may take together. */
void own_tpm_begin(struct own_tpm *t, int64_t most_ms);

/* The translator of TSS2_RC. E_TOKEN_GONE where the TPM cannot be reached, is not started, or cannot now; E_TOKEN_PIN where it
 * refuses an authorisation value; else `otherwise`. Returns false. */
bool own_tpm_err(const struct own_tpm *t, TSS2_RC rc, enum err_code otherwise, struct err *e, const char *words);

/* A format-one code without the number of what it blames, or any other code as it is. */
TSS2_RC own_tpm_blame(TSS2_RC rc);

/* True after a pause if the TPM asks for the command again, and there is time for it. ESYS itself sends again what is only
 * "busy". */
bool own_tpm_asks_again(const struct own_tpm *t, TSS2_RC rc);
#define OWN_TPM_REPEAT(t, rc, command) do { (rc) = (command); } while (own_tpm_asks_again((t), (rc)))

/* An HMAC session that ends with the command it authorises: what is proved by it never crosses the wire. With POLICY a policy
 * session. */
WARN_UNUSED bool own_tpm_session(struct own_tpm *t, TPM2_SE kind, ESYS_TR *ret, struct err *e);
/* Ends what a failed command left. NULL-safe in the way of ESYS_TR_NONE. */
void own_tpm_flush(struct own_tpm *t, ESYS_TR *object);

/* The object of a handle; *ret is ESYS_TR_NONE, and that is no error, if there is none. */
WARN_UNUSED bool own_tpm_find(struct own_tpm *t, uint32_t handle, ESYS_TR *ret, struct err *e);

/* Reads a secret, at most SHA256_SIZE bytes (the most that an object of SHA-256 takes). "" gives an empty value. E_SECRET. */
WARN_UNUSED bool own_tpm_secret(const char *reference, TPM2B_AUTH *ret, struct err *e);

/* ---- own_tpm_policy.c ---- */

/* The policy of a key with these PCRs, and with the NV index behind `limit` (ESYS_TR_NONE without): TPM 2.0 Part 3,
 * TPM2_PolicySecret, then TPM2_PolicyPCR. Size 0 without either. */
WARN_UNUSED bool own_tpm_policy(struct own_tpm *t, uint32_t pcrs, const TPM2B_DIGEST *pcr_digest, ESYS_TR limit, TPM2B_DIGEST *ret,
				struct err *e);
void own_tpm_pcr_selection(uint32_t pcrs, TPML_PCR_SELECTION *ret);
/* The digest over the PCRs as they stand, as TPM2_PolicyPCR forms it. */
WARN_UNUSED bool own_tpm_pcr_digest(struct own_tpm *t, uint32_t pcrs, TPM2B_DIGEST *ret, struct err *e);

/* ---- own_tpm_nv.c ---- */

/* What an index must be, exactly: its public area without TPMA_NV_WRITTEN. */
void own_tpm_anchor_public(uint32_t index, TPM2B_NV_PUBLIC *ret);
WARN_UNUSED bool own_tpm_limit_public(uint32_t index, TPM2B_NV_PUBLIC *ret, struct err *e);

/* Finds an index of this form that was written. `otherwise` if it is not there or another. */
WARN_UNUSED bool own_tpm_find_nv(struct own_tpm *t, const TPM2B_NV_PUBLIC *form, enum err_code otherwise, ESYS_TR *ret,
				 struct err *e);

/* A PIN_PASS index. */
struct own_tpm_limit {
	uint32_t used, limit;
};
/* TPM2_NV_Increment with the index's own value. E_ANCHOR, E_TOKEN_PIN, E_TOKEN_GONE. */
WARN_UNUSED bool own_tpm_increment(struct own_tpm *t, ESYS_TR index, struct err *e);

/* Read by the index's own policy, which needs no secret and uses nothing up. */
WARN_UNUSED bool own_tpm_limit_read(struct own_tpm *t, ESYS_TR index, struct own_tpm_limit *ret, struct err *e);

#endif
