/* SPDX-License-Identifier: Apache-2.0 */
/* Making a product root and a line CA (for `station ca init` and `station ca prove`), and looking
 * at certificates. */
#ifndef CERTS_CA_H
#define CERTS_CA_H

#include "station/base/bytes.h"
#include "station/base/sha256.h"

struct ca_init {
	const char *dir;	/* made with mode 0700 if absent; files that exist are never overwritten: E_CA_FILE */
	const char *name;	/* of the product, in the subjects: "NAME Root CA", "NAME Line CA" */
	const char *log_origin;	/* name of the log key */
	const char *passphrase;	/* a secret's reference, for all keys */
	uint32_t line_days;	/* life of the line CA, and the root's is longer */
};

/* Makes DIR/root.{key,pem}, DIR/line.{key,pem}, DIR/chain.pem (line, root), DIR/log.{key,vkey}.
 * P-256, root pathlen 1 (the line CA beneath it), line CA pathlen 0; keys are encrypted PKCS#8,
 * mode 0600. E_CA_FILE, E_SECRET. */
WARN_UNUSED bool ca_init(const struct ca_init *init, struct err *e);

/* A fresh P-256 key in a new file, as above; and the log's, with its verifier key in another. Files that exist are never
 * overwritten: E_CA_FILE. E_SECRET. */
WARN_UNUSED bool ca_make_key(const char *path, const char *passphrase, struct err *e);
WARN_UNUSED bool ca_make_log_key(const char *path, const char *vkey_path, const char *origin, const char *passphrase,
				 struct err *e);

/* What one looks up in a certificate. */
struct cert_facts {
	uint8_t sha256[SHA256_SIZE];	/* of the DER */
	uint8_t sha1[20];
	char common_name[65];
	char subject[256];
	bool self_signed, is_ca;
	int64_t not_before_ms, not_after_ms;
};

/* Reads the facts of a DER certificate: exactly one, of exactly this length. E_CA_FILE. */
WARN_UNUSED bool cert_look(const void *der, size_t len, struct cert_facts *ret, struct err *e);

/* True if this CA is, by its name and key identifier, the issuer of the certificate. */
bool cert_is_of(const struct bytes *leaf, const struct bytes *ca);

/* True if the certificate is for this key and has this common name. */
struct key_public;
bool cert_is_for(const void *der, size_t len, const struct key_public *key, const char *common_name);

/* The common name in a certificate that people keep in PEM or DER, the first one of a file; "" where it has none. E_TEXT if it
 * is no certificate, E_ID_INVALID if the name is no text of that length. */
#define CERT_NAME_ROOM 257
WARN_UNUSED bool cert_common_name(const void *file, size_t len, char ret[static CERT_NAME_ROOM], struct err *e);

/* Reads every certificate of a PEM file as DER; at most `room`, E_CA_FILE. Each ret[i] is the
 * caller's to bytes_fini. */
WARN_UNUSED bool cert_read_pem_file(const char *path, struct bytes *ret, size_t room, size_t *ret_count, struct err *e);
WARN_UNUSED bool cert_to_pem(const void *der, size_t len, struct bytes *ret, struct err *e);

/* *ret says if this user can read a private key at this path: PEM or DER, encrypted or not. A file
 * that is absent or that this user may not read holds none. For preflight's claim that no root key
 * is readable here. E_CA_FILE if that cannot be found out. */
WARN_UNUSED bool cert_key_is_readable(const char *path, bool *ret, struct err *e);

/* A proof of possession for DPS: a certificate with CN = code signed by the key of the CA
 * (chain_path's first), PEM. E_CA_FILE, E_SECRET. */
WARN_UNUSED bool ca_prove(const char *ca_cert_path, const char *key_path, const char *passphrase, const char *code,
			  struct bytes *ret_pem, struct err *e);

/* Checks a leaf against the chain as a TLS server would (X509_verify_cert, purpose sslclient).
 * E_SIGN. */
WARN_UNUSED bool cert_chain_holds(const void *leaf, size_t leaf_len, const struct bytes *chain, size_t chain_count,
				  const void *root, size_t root_len, struct err *e);

#endif
