/* SPDX-License-Identifier: Apache-2.0 */
/* One slot for the judge's tests: a judge, a unit with a software TPM before it, and the steps of the ceremony between them. */
#ifndef TESTS_CERTS_SLOT_H
#define TESTS_CERTS_SLOT_H

#include "certs/verifier.h"
#include "tests/certs/soft_tpm.h"

struct slot {
	struct verifier_policy policy;
	struct verifier *judge;
	struct soft_tpm tpm;	/* GOOD0001 */
	struct soft_key ek, ak, leaf;
	struct bytes cert;
	struct bytes secret, attest, sig;	/* what the unit answered last */
	struct challenge asked;
	struct ek_verdict ek_verdict;
	struct attest_verdict verdict;
	struct err e;
};

/* The plant that makes the TPMs: python and tests/pki/manufacture, as a test program got them. */
void slot_plant(int argc, char **argv);
int slot_plant_open(void **state);
int slot_plant_close(void **state);

/* A test's setup and teardown; *state is the slot, with all keys made and nothing said yet. */
int slot_open(void **state);
int slot_close(void **state);

/* A unit's endorsement key of this template in the place of the standard one. */
void slot_use_ek(struct slot *s, const TPM2B_PUBLIC *template, bool need_ek_cert);

/* What the unit sends. */
void slot_give(struct slot *s, enum evidence_kind kind, const struct bytes *b);
void slot_give_keys(struct slot *s);
void slot_give_secret(struct slot *s);	/* of the challenge that is outstanding */
void slot_give_attestation(struct slot *s);
void slot_certify(struct slot *s, const struct soft_key *object, const struct soft_key *signer);
void slot_give_signature(struct slot *s, const struct soft_key *key, const uint8_t digest[static 32]);
/* The first `len` bytes of the bundle, none for 0; ret is the hash of all of it. */
void slot_give_bundle(struct slot *s, size_t len, uint8_t ret_sha256[static SHA256_SIZE]);
#define SLOT_BUNDLE_LEN 22

/* What the line asks. */
bool slot_judge_ek(struct slot *s);
bool slot_ask(struct slot *s, enum challenge_about about);
bool slot_judge(struct slot *s);

/* Keys, endorsement key and challenge; and everything up to the verdict. */
void slot_begin(struct slot *s, enum challenge_about about);
void slot_prove_leaf(struct slot *s);

bool slot_verdict_is_empty(const struct slot *s);

#endif
