/* SPDX-License-Identifier: Apache-2.0 */
/* What the files behind drivers/tpm.h share: SAPI itself, its errors in the station's words, and the commands that more
 * than one of them needs. Nobody else includes it. */
#ifndef DRIVERS_TPM_SAPI_H
#define DRIVERS_TPM_SAPI_H

#include "drivers/tpm.h"

#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_sys.h>

extern const TSS2L_SYS_AUTH_COMMAND tpm_empty_password;

/* The translator of TSS2_RC: the TPM's own refusals, the transport's failures, and responses that cannot be parsed.
 * Returns false. */
bool tpm_err(struct tpm *t, struct err *e, TSS2_RC rc, const char *words);

/* The same, where a refusal of what was sent (a format-one code) says that it was not made for this TPM: E_CHALLENGE. */
bool tpm_refused(struct tpm *t, struct err *e, TSS2_RC rc, const char *words);

/* True after a pause if the TPM asks for the command again and there is time for it. */
bool tpm_asks_again(const struct tpm *t, TSS2_RC rc);

/* For commands that only give what they return in full; others set the sizes of their results to 0 before each try. */
#define REPEAT(t, rc, command) do { (rc) = (command); } while (tpm_asks_again((t), (rc)))

/* An object or session that has gone by itself counts as flushed. */
WARN_UNUSED bool tpm_flush(struct tpm *t, uint32_t handle, struct err *e);

/* Flushes what is not ours. */
WARN_UNUSED bool tpm_flush_strangers(struct tpm *t, struct err *e);

WARN_UNUSED bool tpm_public_marshal(const TPM2B_PUBLIC *public, struct tpm_public *ret, struct err *e);

/* Creates a primary key as a transient object, the caller's to flush. */
WARN_UNUSED bool tpm_create_primary(struct tpm *t, TPM2_HANDLE hierarchy, const TPM2B_PUBLIC *template, TPM2_HANDLE *ret_handle,
				    struct tpm_public *ret, struct err *e);

/* Makes a transient object persistent, or removes a persistent one (object == handle). */
WARN_UNUSED bool tpm_evict(struct tpm *t, TPM2_HANDLE object, TPM2_HANDLE handle, struct err *e);

#endif
