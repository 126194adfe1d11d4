/* SPDX-License-Identifier: Apache-2.0 */
/* The request (PKCS#10, RFC 2986) for a line CA's certificate, for the key wherever it lives: what is taken to the CA above it. */
#ifndef CERTS_CA_REQUEST_H
#define CERTS_CA_REQUEST_H

#include "certs/keystore.h"

/* Appends the request in PEM: this common name (1 to 64 printable characters), the store's key, and the extensions that
 * a line CA needs: basicConstraints critical with CA true and pathlen 0, keyUsage critical with keyCertSign and cRLSign.
 * E_CA_FILE (name), E_SIGN and the errors of signing. */
WARN_UNUSED bool ca_request(const struct keystore *key, const char *common_name, struct bytes *ret, struct err *e);

#endif
