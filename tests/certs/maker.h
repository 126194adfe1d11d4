/* SPDX-License-Identifier: Apache-2.0 */
/* A maker of TPMs in memory: a root and an issuing CA, and endorsement certificates made to order, with flaws if wanted. */
#ifndef TESTS_CERTS_MAKER_H
#define TESTS_CERTS_MAKER_H

#include "station/base/bytes.h"

#include <openssl/x509.h>

struct maker {
	EVP_PKEY *root_key, *issuing_key;
	struct bytes root, issuing;	/* DER */
};

/* What is ordered; zero is an honest certificate of a TPM without a subject, valid from yesterday for ten years. */
struct order {
	bool no_ek_usage, unknown_critical, is_ca, maker_in_subject, no_maker, sha1, usage_twice;
	bool other_names;	/* a host among the alternative names, and another maker in the subject */
	bool from_root;		/* signed by the root, not by the issuing CA */
	const char *key_usage;	/* NULL: as the kind of key asks */
	const char *extended_usage;	/* NULL: the EK certificate's */
	const char *manufacturer, *model;	/* NULL: "id:53494D00", "sim" */
	int from_days, until_days;	/* from now; both zero: as said above */
};

void maker_open(struct maker *m);
void maker_close(struct maker *m);

/* An issuing CA that may not issue: no CA by its basic constraints. Replaces m->issuing. */
void maker_spoil_issuing(struct maker *m);

/* Replaces the content of ret by the certificate. */
void maker_certify(const struct maker *m, EVP_PKEY *ek, const struct order *o, struct bytes *ret);

#endif
