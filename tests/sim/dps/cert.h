/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X.509 as the service sees it: certificates that clients upload in three encodings, the `info`
 * that it answers with, and the chain that a device presents.
 */
#ifndef SIM_DPS_CERT_H
#define SIM_DPS_CERT_H

#include <jansson.h>
#include <openssl/x509.h>
#include <stdbool.h>

/* PEM text, base64 of DER, or base64 of PEM text. NULL when it is none of them; X509_free. */
X509 *cert_read(const char *text);

/* base64 of DER, which is how certificates are kept; the caller frees. */
char *cert_base64(const X509 *cert);

/* Upper-case hexadecimal thumbprints; the caller frees. */
char *cert_sha1(const X509 *cert);
char *cert_sha256(const X509 *cert);

/* The subject's common name as UTF-8, or NULL when there is not exactly one; the caller frees. */
char *cert_common_name(const X509 *cert);

/* The subject in one line, most specific part first; the caller frees. */
char *cert_subject(const X509 *cert);

/* Unix milliseconds of notAfter. */
int64_t cert_expiry_ms(const X509 *cert);

/* X509CertificateInfo of service.json. */
json_t *cert_info(const X509 *cert);

bool cert_is_in_force(const X509 *cert);

/* Was `cert` signed by the key of `ca`, and does it name `ca` as its issuer? */
bool cert_is_signed_by(X509 *cert, X509 *ca);

/*
 * The chain from the leaf up to one of `anchors`, an intermediate one sufficing, through the other
 * certificates of `sent` (leaf first), all in force and fit for a TLS client (RFC 5280, section 6).
 * NULL with the reason in *ret_why (static text) when there is none.
 * The caller frees with sk_X509_pop_free(..., X509_free).
 */
STACK_OF(X509) *cert_chain(STACK_OF(X509) *sent, STACK_OF(X509) *anchors, const char **ret_why);

#endif
