/* SPDX-License-Identifier: Apache-2.0 */
/* Private keys in files: always encrypted PKCS#8 in PEM, under a passphrase given by reference; and what else people keep as
 * PEM or DER. Only files of this room include this header; chains of certificates in PEM are in certs/ca.h. */
#ifndef CERTS_PEM_H
#define CERTS_PEM_H

#include "certs/ossl.h"

/* Reads the private key of a file, the caller's to EVP_PKEY_free. A key that is not encrypted is
 * refused, whatever the passphrase. E_CA_FILE (file, form, wrong passphrase), E_SECRET. */
WARN_UNUSED bool pem_read_key(const char *path, const char *passphrase, EVP_PKEY **ret, struct err *e);

/* Writes a private key to a new file of mode 0600; one that exists is never overwritten. E_CA_FILE,
 * E_SECRET. */
WARN_UNUSED bool pem_write_key(const char *path, const char *passphrase, EVP_PKEY *key, struct err *e);

/* Replaces ret by the DER of the first block of PEM that has one of these labels (the list ends with NULL), or by the bytes
 * themselves where they begin with a SEQUENCE of DER. `code` if there is neither. */
WARN_UNUSED bool pem_first(const void *data, size_t len, const char *const *labels, enum err_code code, struct bytes *ret,
			   struct err *e);

/* Writes bytes to a new file of this mode, synced; one that exists is never overwritten. E_CA_FILE. */
WARN_UNUSED bool pem_write_new(const char *path, const void *data, size_t len, unsigned mode, struct err *e);

/* True if the bytes hold a private key in any of the usual forms: PEM or DER, encrypted or not. */
bool pem_has_private_key(const struct bytes *file);

#endif
