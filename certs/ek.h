/* SPDX-License-Identifier: Apache-2.0 */
/* The endorsement key, and the certificate in which a TPM's maker vouches for it (TCG EK Credential Profile 2.x).
 *
 * One TPM has as many endorsement keys as there are templates. The makers certify the keys of TCG's templates; some software
 * makes a key of its own (same template but for an empty `unique`, which the finished key does not show). So the template alone
 * proves little: the key must also be the very one that its certificate names. Only files of this room include this header. */
#ifndef CERTS_EK_H
#define CERTS_EK_H

#include "certs/chain.h"
#include "certs/tpm2.h"

struct ek {
	uint8_t sha256[SHA256_SIZE];	/* of the marshalled TPM2B_PUBLIC with its size prefix */
	uint8_t spki_sha256[SHA256_SIZE];
	const char *template_name;	/* "L-1" or "L-2" */
	struct key_public key;	/* sound */
};

/* Reads a TPM2B_PUBLIC that must be of a template of the profile's low range. E_EK_TEMPLATE, E_KEY_WEAK. */
WARN_UNUSED bool ek_parse(const void *data, size_t len, struct ek *ret, struct err *e);

/* What a certificate says of its TPM, in printable ASCII; "" where it says nothing. */
struct ek_cert {
	uint8_t sha256[SHA256_SIZE];	/* of the DER, without padding */
	char manufacturer[16], model[64], version[32];	/* TCG attributes 2.23.133.2.1, .2, .3 */
};

/* Judges an EK certificate as read from NV, where 00 or FF may stand behind it: it names this key (E_EK_MISMATCH), is an
 * endorsement certificate (extended key usage 2.23.133.8.1, no CA, key usage fits: E_EK_CERT_BAD), and comes from an accepted
 * maker (E_EK_CHAIN) whom it names (E_EK_CERT_BAD). With `makers` NULL nobody asks where it comes from, and then its texts, which
 * nothing vouches for, stay empty. */
WARN_UNUSED bool ek_cert_judge(const void *data, size_t len, const struct key_public *ek, const struct chain *makers,
			       struct ek_cert *ret, struct err *e);

#endif
