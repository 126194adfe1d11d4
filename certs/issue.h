/* SPDX-License-Identifier: Apache-2.0 */
/* Building and signing a device's leaf certificate (RFC 5280).
 *
 * The certificate is written field by field, from numbers and a name, by our own DER writer: no
 * request, template or extension of anybody else gets in. It is a v3 certificate with CN =
 * registration id, and what else its profile has (struct leaf_form); basicConstraints (critical, no CA), keyUsage
 * (critical, digitalSignature), extendedKeyUsage (clientAuth), subject and authority key
 * identifiers. Building and signing are two steps, so that the signer can put its memory on disk
 * between them. */
#ifndef CERTS_ISSUE_H
#define CERTS_ISSUE_H

#include "certs/intent.h"
#include "certs/keystore.h"

#define ISSUE_TBS_MAX 3072
#define ISSUE_CERT_MAX 4096
#define ISSUE_BACKDATE_MS (5 * 60 * 1000)	/* for a device whose clock is a little slow */

/* What a certificate takes from its CA. Made once. */
struct issuer {
	struct bytes subject;	/* DER Name */
	uint8_t key_id[64];
	size_t key_id_len;
	int64_t not_before_ms, not_after_ms;
	bool may_sign_lists;	/* keyUsage cRLSign (crl.h) */
	struct keystore *key;	/* lent */
};

/* Reads the CA's certificate (DER); its key must be that of the store. E_CA_FILE: no CA, may not
 * sign certificates, other key. */
WARN_UNUSED bool issuer_init(struct issuer *ca, const void *der, size_t len, struct keystore *key, struct err *e);
void issuer_fini(struct issuer *ca);
AUTO_DEFINE(issuer, struct issuer)

/* True if the text can be a registration id that stands in a certificate: 1 to 64 characters of a-z
 * 0-9 - . _ : that begin and end with a letter or digit. Upper case is refused, since DPS takes
 * both for one id. E_ID_INVALID. */
WARN_UNUSED bool issue_id_is_valid(const char *id, struct err *e);

/* What a profile may have in its leaves beside the id and the key: small and closed. Zero is a leaf with CN = id and
 * nothing else. */
#define LEAF_NAME_MAX 64	/* characters: ub-organization-name, ub-organizational-unit-name (RFC 5280, appendix A.1) */
struct leaf_form {
	bool server;	/* extendedKeyUsage serverAuth beside clientAuth: for a device that others call; needs dns_name (RFC 9525) */
	bool dns_name;	/* subjectAltName: the id as a DNS name */
	char organization[LEAF_NAME_MAX + 1], unit[LEAF_NAME_MAX + 1];	/* before the CN in the subject; "" without */
};

/* True if leaves of this form can be: names of printable characters, a server has its DNS name. And with `id`, not NULL,
 * whether that can be a DNS name where one is wanted (RFC 1123, 2.1). E_PROFILE; E_ID_INVALID. */
WARN_UNUSED bool leaf_form_is_valid(const struct leaf_form *form, const char *id, struct err *e);

struct leaf_order {
	const char *id;
	const struct key_public *key;
	const uint8_t *serial;	/* INTENT_SERIAL bytes */
	uint32_t validity_days;
	const struct leaf_form *form;	/* NULL: the plain one */
};

/* The part that is signed (TBSCertificate). */
struct tbs {
	size_t len;
	uint8_t data[ISSUE_TBS_MAX];
};

/* E_ID_INVALID, E_KEY_WEAK, E_CA_EXPIRED (the CA is not valid now, or ends before the leaf), E_SIGN
 * (serial number). */
WARN_UNUSED bool issue_build(const struct issuer *ca, const struct leaf_order *order, int64_t now_ms, struct tbs *ret,
			     struct err *e);

/* Writes the AlgorithmIdentifier of signatures by a key of this kind: ecdsa-with-SHA256 or sha256WithRSAEncryption. */
struct der;
void issue_put_algorithm(struct der *d, const struct key_public *key);
/* Writes the extension authorityKeyIdentifier (RFC 5280, 4.2.1.1) of what this CA signs. */
void issue_put_authority_key_id(struct der *d, const struct issuer *ca);

/* Signs what was built; ret takes the whole DER certificate. E_SIGN. */
WARN_UNUSED bool issue_sign(const struct issuer *ca, const struct tbs *tbs, uint8_t ret[static ISSUE_CERT_MAX],
			    size_t *ret_len, struct err *e);

#endif
