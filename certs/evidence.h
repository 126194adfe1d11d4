/* SPDX-License-Identifier: Apache-2.0 */
/* What travels between the process that talks to a device and the process that judges the device: evidence (the device's own
 * bytes, on their way to the verifier and nowhere else) and challenges (on their way to the device).
 *
 * In the line the two processes have a socket of their own; the line never sees these bytes (docs/security.md). In a test that
 * runs a driver without processes, the sink feeds a verifier directly. TPM structures are marshalled as TPM 2.0 Part 2 says. */
#ifndef CERTS_EVIDENCE_H
#define CERTS_EVIDENCE_H

#include "station/base/err.h"
#include "station/base/sha256.h"

#define EVIDENCE_MAX 16384u	/* greatest piece */

enum evidence_kind {
	EVIDENCE_EK_PUBLIC = 1,	/* TPM2B_PUBLIC of the endorsement key, with its size prefix */
	EVIDENCE_EK_CERT,	/* DER, as read from NV; padding behind the certificate is allowed */
	EVIDENCE_AK_PUBLIC,	/* TPM2B_PUBLIC of the attestation key */
	EVIDENCE_LEAF_PUBLIC,	/* TPM2B_PUBLIC of the leaf key; for DPS's TPM attestation, of the storage root key */
	EVIDENCE_SECRET,	/* what ActivateCredential gave, without size prefix */
	EVIDENCE_ATTEST,	/* TPMS_ATTEST of TPM2_Certify(leaf), without size prefix */
	EVIDENCE_ATTEST_SIG,	/* TPMT_SIGNATURE over it by the attestation key */
	EVIDENCE_BUNDLE,	/* the installed bundle as read from the device (docs/tpm-bridge.md, section 3) */
	EVIDENCE_SIGNATURE,	/* struct key_signature by the leaf key over the challenge's nonce taken as SHA-256 digest; by a unit that
				   gave a CSR, over proof_digest() of the nonce */
	EVIDENCE_CSR,	/* PKCS#10 (RFC 2986), DER, whose challengePassword (RFC 2985, 5.4.1) is the nonce in 64 lower-case hex digits */
	EVIDENCE_KINDS
};

/* Takes one piece of evidence; a later piece of one kind replaces the earlier. */
typedef bool evidence_sink(void *ctx, enum evidence_kind kind, const void *data, size_t len, struct err *e);

/* What a credential challenge binds to the endorsement key. */
enum challenge_about {
	CHALLENGE_AK,	/* the attestation key, which then certifies the leaf key */
	CHALLENGE_LEAF,	/* the leaf key itself: recognises a unit whose factory mode is closed */
	CHALLENGE_KEY,	/* no credential: the leaf key signs the nonce */
	CHALLENGE_CSR,	/* no credential: the nonce is in the CSR, and the key behind the CSR signs it as well */
	CHALLENGE_EK,	/* the attestation key, which certifies nothing: that the TPM holds its endorsement key is all that is asked */
};

/* Fixed size: it crosses process borders. */
struct challenge {
	uint32_t about;		/* enum challenge_about */
	uint8_t nonce[32];	/* qualifyingData of TPM2_Certify; or the digest to sign; or what stands in the CSR */
	uint32_t blob_len;	/* TPM2B_ID_OBJECT content, without size prefix */
	uint8_t blob[160];
	uint32_t secret_len;	/* TPM2B_ENCRYPTED_SECRET content, without size prefix */
	uint8_t secret[512];
};

/* What a unit without a TPM signs for a nonce: SHA-256 of PROOF_LABEL, a zero byte and the nonce. A unit whose factory mode is
 * closed answers this too: the label keeps the answer from being of use anywhere else. */
#define PROOF_LABEL "enrollment station proof v1"
void proof_digest(const uint8_t nonce[static 32], uint8_t ret[static SHA256_SIZE]);

#endif
