/* SPDX-License-Identifier: Apache-2.0 */
/* A certification request (PKCS#10, RFC 2986). Nothing of it but the public key ever reaches a certificate: subject and
 * extensions that it asks for are ignored. */
#ifndef CERTS_CSR_H
#define CERTS_CSR_H

#include "certs/key.h"

#define CSR_MAX 8192u
#define CSR_CHALLENGE_ROOM 65

struct csr {
	struct key_public key;
	char challenge[CSR_CHALLENGE_ROOM];	/* the challengePassword attribute (RFC 2985, 5.4.1); "" without */
	char common_name[65];	/* of its subject; "" without. For messages only */
};

/* Reads DER, all of it, and checks that the request is signed by its own key (SHA-256 or better). E_CSR, E_KEY_WEAK. */
WARN_UNUSED bool csr_parse(const void *der, size_t len, struct csr *ret, struct err *e);

/* The same, of many requests one after another. */
WARN_UNUSED bool csr_parse_with(struct key_checker *c, const void *der, size_t len, struct csr *ret, struct err *e);

/* PEM or DER, as people keep it: replaces ret_der by the DER, unread. E_CSR. */
WARN_UNUSED bool csr_from_file(const void *data, size_t len, struct bytes *ret_der, struct err *e);

#endif
