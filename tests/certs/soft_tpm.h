/* SPDX-License-Identifier: Apache-2.0 */
/* A device for the judge's tests: a software TPM (swtpm) on a manufactured state, driven by ESAPI as a device's own software
 * would, honest or not. Calls that a test does not expect to fail stop it. */
#ifndef TESTS_CERTS_SOFT_TPM_H
#define TESTS_CERTS_SOFT_TPM_H

#include "certs/evidence.h"
#include "certs/key.h"

#include <tss2/tss2_esys.h>

/* Makes a TPM vendor in a new directory, and its TPMs GOOD0001, GOOD0002, and ROGUE0001 of a vendor that nobody trusts. */
void soft_tpm_manufacture(const char *python, const char *manufacture);
void soft_tpm_scrap(void);	/* and removes the directory */

/* Where it all lies; and the same for a program that another one started. */
const char *soft_tpm_dir(void);
void soft_tpm_use(const char *dir);

/* The vendor's certificates as DER; the caller's to bytes_fini. */
void soft_tpm_vendor(struct bytes *root, struct bytes *issuing);

struct soft_tpm {
	int pid;
	TSS2_TCTI_CONTEXT *tcti;
	ESYS_CONTEXT *esys;
};

void soft_tpm_start(struct soft_tpm *t, const char *serial);
void soft_tpm_stop(struct soft_tpm *t);

/* A key, loaded, with its TPM2B_PUBLIC as bytes. */
struct soft_key {
	ESYS_TR handle;
	struct bytes public_area;
};

void soft_key_fini(struct soft_key *k);

/* What lies at 0x81010001, and the certificate in NV 01c00002. */
void soft_tpm_ek(struct soft_tpm *t, struct soft_key *ret);
void soft_tpm_ek_cert(struct soft_tpm *t, struct bytes *ret);

/* Templates, for a test to change before it makes the key. */
TPM2B_PUBLIC soft_template_ak(void);
TPM2B_PUBLIC soft_template_leaf(uint8_t seed);
TPM2B_PUBLIC soft_template_ek_rsa(uint16_t unique_len);
TPM2B_PUBLIC soft_template_ek_p256(void);
TPM2B_PUBLIC soft_template_srk(void);	/* RSA-2048, as TCG and Microsoft's SDKs make it */

void soft_tpm_primary(struct soft_tpm *t, ESYS_TR hierarchy, const TPM2B_PUBLIC *template, struct soft_key *ret);

/* A P-256 key made outside, brought in by TPM2_Import; its public area as the TPM shows it. */
void soft_tpm_import(struct soft_tpm *t, struct soft_key *ret);

/* TPM2_ActivateCredential. False if the TPM refuses. */
bool soft_tpm_activate(struct soft_tpm *t, const struct soft_key *object, const struct soft_key *ek, const struct challenge *c,
		       struct bytes *ret_secret);
void soft_tpm_certify(struct soft_tpm *t, const struct soft_key *object, const struct soft_key *signer,
		      const uint8_t nonce[static 32], struct bytes *ret_attest, struct bytes *ret_signature);
void soft_tpm_sign(struct soft_tpm *t, const struct soft_key *key, const uint8_t digest[static 32], struct key_signature *ret);

/* A public area as bytes. */
void soft_marshal(const TPM2B_PUBLIC *p, struct bytes *ret);

#endif
