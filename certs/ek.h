/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about an endorsement key and its certificate (TCG EK Credential Profile 2.x). Only files of this room include this header. */
#ifndef CERTS_EK_H
#define CERTS_EK_H

#include "certs/chain.h"
#include "certs/tpm2.h"

struct ek {
	uint8_t sha256[SHA256_SIZE];	/* of the marshalled TPM2B_PUBLIC with its size prefix */
	uint8_t spki_sha256[SHA256_SIZE];
	const char *template_name;	/* "L-1" or "L-2" */
	struct key_public key;
};

/* Reads a TPM2B_PUBLIC that must be of a template of the profile's low range. E_EK_TEMPLATE, E_KEY_WEAK. */
WARN_UNUSED bool ek_parse(const void *data, size_t len, struct ek *ret, struct err *e);

/* What a certificate says of its TPM; "" where it does not. */
struct ek_cert {
	uint8_t sha256[SHA256_SIZE];	/* of the DER, without padding */
	char manufacturer[16], model[64], version[32];
};

/* True if the certificate (DER, padding behind it allowed) is an EK certificate of this key, and, where makers are given, comes from one of them.
 * E_EK_CERT_BAD, E_EK_MISMATCH, E_EK_CHAIN. */
WARN_UNUSED bool ek_cert_judge(const void *data, size_t len, const struct key_public *ek, const struct chain *makers,
			       struct ek_cert *ret, struct err *e);

#endif
