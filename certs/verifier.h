/* SPDX-License-Identifier: Apache-2.0 */
/* The judge. It takes the evidence of one device, makes the challenges, and says what is proved, in small typed results.
 *
 * Claims, in order: the endorsement key is of a known TCG template and matches its certificate; the certificate chains to an
 * accepted maker's root (TCG EK Credential Profile); the TPM behind this slot holds that endorsement key
 * (TPM2_ActivateCredential, TPM 2.0 Part 1, section 24); the leaf key lives in that TPM (TPM2_Certify by the attestation key so
 * bound, Part 2, 10.12.8); what was read back is what was installed, and the key beside it signs. Of a unit without a TPM: a
 * CSR made for our nonce is signed by its own key, and that key signs the nonce too.
 *
 * `struct verifier` is the pure judge, used in-process by tests. In the line it runs in a child of its own per job
 * (verifier_child), where it holds the nonce and the secret and has no USB, files, network or key; the line asks through
 * verifier_client_*, which mirror the functions one to one. */
#ifndef CERTS_VERIFIER_H
#define CERTS_VERIFIER_H

#include "certs/evidence.h"
#include "certs/key.h"

/* What the profile accepts. Lent for the verifier's life; DER of each root and intermediate, loaded before the lock-down. */
struct verifier_policy {
	const struct bytes *roots;	/* each one DER certificate */
	size_t root_count;
	const struct bytes *intermediates;
	size_t intermediate_count;
	bool need_ek_cert;	/* false: order and profile say in writing that a chain is not needed */
	bool storage_key;	/* DPS's TPM attestation: what stands in the leaf key's place is the storage root key, TCG's RSA-2048
				   template (docs/tpm-bridge.md, section 4), proved by CHALLENGE_LEAF */
};

/* Who the TPM is. Fixed size. */
struct ek_verdict {
	uint8_t ek_sha256[SHA256_SIZE];	/* of the marshalled TPM2B_PUBLIC with its size prefix: the registration id's input */
	uint8_t spki_sha256[SHA256_SIZE];	/* of the key as key: the clone guard compares this */
	uint8_t cert_sha256[SHA256_SIZE];	/* of the EK certificate's DER; zeros without one */
	char template_name[16];	/* "L-1" (RSA-2048) or "L-2" (P-256) */
	char manufacturer[16];	/* TCG vendor id of the certificate's SAN, such as "id:00001014"; "" where no chain was asked for */
	char model[64], version[32];
	struct key_public key;
};

/* What is proved of the leaf key. Fixed size. */
struct attest_verdict {
	struct key_public leaf;
	uint8_t spki_sha256[SHA256_SIZE];	/* of the leaf key */
	uint8_t evidence_sha256[SHA256_SIZE];	/* over attestation and signature, for the ledger */
	uint8_t nonce_sha256[SHA256_SIZE];
};

struct verifier;

/* E_CONFIG for a root or intermediate that is no certificate, E_NOMEM. The policy must outlive it. */
WARN_UNUSED bool verifier_new(const struct verifier_policy *policy, struct verifier **ret, struct err *e);
void verifier_free(struct verifier *v);

/* An evidence_sink; ctx is the verifier. E_VERIFIER for an unknown kind or size. Parses nothing yet. */
bool verifier_take(void *ctx, enum evidence_kind kind, const void *data, size_t len, struct err *e);

/* Judges EK_PUBLIC and EK_CERT. E_EK_TEMPLATE, E_EK_CERT_MISSING, E_EK_CERT_BAD, E_EK_MISMATCH, E_EK_CHAIN, E_KEY_WEAK. */
WARN_UNUSED bool verifier_judge_ek(struct verifier *v, struct ek_verdict *ret, struct err *e);

/* Makes a fresh challenge; the earlier one of any kind is void. CHALLENGE_AK needs EK and AK evidence, CHALLENGE_LEAF EK and
 * leaf evidence, CHALLENGE_EK what CHALLENGE_AK needs, after verifier_judge_ek; CHALLENGE_KEY needs a judged leaf key,
 * CHALLENGE_CSR nothing: E_VERIFIER out of this order, and for any but CHALLENGE_LEAF and CHALLENGE_EK under a policy of
 * storage_key. E_CERTIFY when the AK or leaf is not of its template
 * (AK: restricted, sign, fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth; leaf and storage root key:
 * docs/tpm-bridge.md section 4), E_KEY_WEAK when its point is not on the curve. */
WARN_UNUSED bool verifier_challenge(struct verifier *v, enum challenge_about about, struct challenge *ret, struct err *e);

/* Judges SECRET and, for CHALLENGE_AK, ATTEST with ATTEST_SIG against the outstanding challenge, which is used up whatever the
 * outcome. E_CHALLENGE, E_CERTIFY, E_KEY_WEAK. */
WARN_UNUSED bool verifier_judge_attestation(struct verifier *v, struct attest_verdict *ret, struct err *e);

/* Judges SECRET against the outstanding CHALLENGE_EK, which is used up whatever the outcome: the TPM holds the endorsement key.
 * Nothing is said of any leaf key. E_CHALLENGE. */
WARN_UNUSED bool verifier_judge_holder(struct verifier *v, struct err *e);

/* Judges CSR and SIGNATURE of a unit without a TPM against the outstanding CHALLENGE_CSR, which is used up whatever the
 * outcome; needs no EK. The CSR signs itself, its challengePassword is this nonce, its key is a sound P-256 key in any encoding
 * that certs/spki.h takes, and that key signed proof_digest(nonce). Nothing but the public key goes on. E_CSR, E_CSR_NONCE,
 * E_KEY_WEAK, E_KEY_SILENT; E_VERIFIER without that challenge. */
WARN_UNUSED bool verifier_judge_csr(struct verifier *v, struct attest_verdict *ret, struct err *e);

/* Judges BUNDLE (its SHA-256 must be the expected one: E_READ_BACK) and SIGNATURE against the outstanding CHALLENGE_KEY
 * (E_KEY_SILENT), after verifier_judge_attestation or verifier_judge_csr (E_VERIFIER). The bundle must be sent anew each time.
 * A TPM whose unit's factory mode is closed cannot sign any more: with `closed`, the signature is not asked for. Under a policy
 * of storage_key nothing ever signs, so this is asked with `closed` only; without it, it is E_KEY_SILENT. */
WARN_UNUSED bool verifier_judge_install(struct verifier *v, const uint8_t bundle_sha256[static SHA256_SIZE], bool closed,
					struct err *e);

/* ---- the child ---- */

/* Never returns: serves one job. `line` is the socket to the line, `driver` the socket to the driver child (evidence in, struct
 * challenge out). Locks itself in first; if it cannot start, every question gets the cause as its answer. Ends when the line's end
 * closes. A driver child that sends anything but evidence, or more than 256 pieces of it, spoils the job: E_VERIFIER from then
 * on. */
_Noreturn void verifier_child(int line, int driver, const struct verifier_policy *policy);

/* The same questions, asked of the child over `fd`, which is closed after E_CHILD_SILENT: the late answer would be taken for that
 * of another question. verifier_client_challenge has the challenge sent to the driver child, not to the line. */
WARN_UNUSED bool verifier_client_judge_ek(int fd, int64_t deadline_ms, struct ek_verdict *ret, struct err *e);
WARN_UNUSED bool verifier_client_challenge(int fd, int64_t deadline_ms, enum challenge_about about, struct err *e);
WARN_UNUSED bool verifier_client_judge_attestation(int fd, int64_t deadline_ms, struct attest_verdict *ret, struct err *e);
WARN_UNUSED bool verifier_client_judge_holder(int fd, int64_t deadline_ms, struct err *e);
WARN_UNUSED bool verifier_client_judge_csr(int fd, int64_t deadline_ms, struct attest_verdict *ret, struct err *e);
WARN_UNUSED bool verifier_client_judge_install(int fd, int64_t deadline_ms, const uint8_t bundle_sha256[static SHA256_SIZE],
					       bool closed, struct err *e);

/* Messages between driver child and verifier child on their own socket: type = this base + evidence_kind, payload the bytes; and
 * EVIDENCE_CHALLENGE with struct challenge in the other direction. */
#define EVIDENCE_WIRE_BASE 0x100u
#define EVIDENCE_CHALLENGE 0x200u

#endif
