/* SPDX-License-Identifier: Apache-2.0 */
/* The door to tss2: what a station asks of a unit's TPM, one function per question (docs/tpm-bridge.md, section 4 has
 * the objects).
 *
 * It speaks SAPI, one TPM command per call and no shadow objects: no command is sent twice to learn what was known, and the
 * process that is locked in needs no cryptography of its own. A TPM has three transient slots and there is no resource manager
 * behind the bridge, so what an earlier host left is flushed at open, and nothing is left at close.
 *
 * Errors of every function: E_TPM (the TPM refused), E_TPM_GARBAGE (what came is no TPM 2.0), E_NOMEM, and whatever the
 * transport found. Structures are marshalled as TPM 2.0 Part 2 says. */
#ifndef DRIVERS_TPM_H
#define DRIVERS_TPM_H

#include "certs/evidence.h"
#include "certs/key.h"

#define TPM_EK_HANDLE 0x81010001u
#define TPM_EK_CERT_INDEX 0x01c00002u
#define TPM_LEAF_HANDLE 0x81000200u
#define TPM_STORAGE_HANDLE 0x81000001u
#define TPM_PUBLIC_MAX 1024u

struct TSS2_TCTI_OPAQUE_CONTEXT_BLOB;

struct tpm {
	void *sys;	/* SAPI's context */
	const struct err *cause;	/* where the transport says why it failed; lent */
	int64_t deadline_ms;
	uint32_t nv_chunk;	/* greatest NV_Read; 0 while unknown */
	uint32_t ak;	/* transient handle of the attestation key; 0 while not loaded */
	uint32_t identity;	/* of the key that DPS wrapped */
	bool lost;	/* a response was lost: the TPM may hold what nobody knows */
};

/* TPM2B_PUBLIC with its size prefix. */
struct tpm_public {
	size_t len;	/* 0: there is no such object */
	uint8_t data[TPM_PUBLIC_MAX];
};

/* Takes a started TPM behind a TCTI (lent; so is cause, which may be NULL) and flushes the transient objects and
 * sessions that it finds. */
WARN_UNUSED bool tpm_open(struct tpm *t, struct TSS2_TCTI_OPAQUE_CONTEXT_BLOB *tcti, const struct err *cause,
			  int64_t deadline_ms, struct err *e);
/* Flushes what is ours. */
void tpm_close(struct tpm *t);

/* How long the following calls may repeat a command that the TPM asks to repeat. */
void tpm_begin(struct tpm *t, int64_t deadline_ms);

WARN_UNUSED bool tpm_read_public(struct tpm *t, uint32_t handle, struct tpm_public *ret, struct err *e);

/* Appends the whole content of an NV index; nothing where the index is not defined or was never written. */
WARN_UNUSED bool tpm_read_nv(struct tpm *t, uint32_t index, struct bytes *ret, struct err *e);

/* Makes the TCG template's EK (L-1) at TPM_EK_HANDLE; another key there is replaced or E_EK_MISMATCH. Writes nothing
 * if it lies there. A cut between removing another key and storing ours leaves the place empty; calling again completes it. */
WARN_UNUSED bool tpm_make_ek(struct tpm *t, bool replace, struct err *e);

/* Makes the leaf key of this seed at the handle, or finds it there (*ret_made). Another key there is replaced or E_KEY_OTHER. */
WARN_UNUSED bool tpm_make_leaf(struct tpm *t, uint32_t handle, const uint8_t seed[static SHA256_SIZE], bool replace,
			       bool *ret_made, struct tpm_public *ret, struct err *e);

/* Loads the attestation key, or keeps the one that is loaded. */
WARN_UNUSED bool tpm_load_ak(struct tpm *t, struct tpm_public *ret, struct err *e);

/* ActivateCredential with the EK for the object at the handle (0: the attestation key). E_CHALLENGE when the TPM refuses the
 * credential. ret->secret is set. */
WARN_UNUSED bool tpm_activate(struct tpm *t, uint32_t handle, const struct challenge *challenge, struct bytes *ret,
			      struct err *e);

/* Certify(object at handle) by the attestation key, which must be loaded: TPMS_ATTEST and TPMT_SIGNATURE. */
WARN_UNUSED bool tpm_certify(struct tpm *t, uint32_t handle, const uint8_t nonce[static SHA256_SIZE],
			     struct bytes *ret_attest, struct bytes *ret_signature, struct err *e);

/* ECDSA of a SHA-256 digest by the P-256 key at the handle. */
WARN_UNUSED bool tpm_sign(struct tpm *t, uint32_t handle, const uint8_t digest[static SHA256_SIZE], struct key_signature *ret,
			  struct err *e);

/* ---- DPS's TPM attestation (drivers/tpm_dps.c) ---- */

/* Finds TCG's RSA-2048 storage root key at TPM_STORAGE_HANDLE, or makes it there (*ret_made). What lies there and is of
 * the template is used, whoever made it, as Microsoft's SDKs do; something else is replaced or E_KEY_OTHER. */
WARN_UNUSED bool tpm_make_storage(struct tpm *t, bool replace, bool *ret_made, struct tpm_public *ret, struct err *e);

/* Unwraps the key in the service's blob (docs/tpm-bridge.md, section 4) with EK and storage root key, and keeps it
 * loaded in place of the one before. E_CHALLENGE when the blob is no such thing, or not for this TPM. */
WARN_UNUSED bool tpm_import_identity(struct tpm *t, const void *blob, size_t len, struct err *e);

/* HMAC-SHA256 with that key. */
WARN_UNUSED bool tpm_hmac(struct tpm *t, const void *data, size_t len, uint8_t ret[static SHA256_SIZE], struct err *e);

#endif
