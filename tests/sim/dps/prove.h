/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a device proves who it is. Its individual enrollment decides, when it has one, by the attestation
 * that stands there. Else a certificate leads to the group of the nearest certificate above it, in a chain
 * that must end in one stored as verified, and a token to the group whose key, derived for this id, signed
 * it. A TPM proves itself in two steps: it is sent a key that only it can unwrap, and signs with that.
 */
#ifndef SIM_DPS_PROVE_H
#define SIM_DPS_PROVE_H

#include "service.h"
#include "tpmkey.h"

/* Why a device is refused; what the service then says is a row of runtime.c. */
enum refusal {
	PROVED,
	NO_PROOF,          /* neither certificate nor token */
	NAME_DIFFERS,      /* the leaf's common name is not the registration id */
	NOT_IN_FORCE,      /* the leaf is too old or too young */
	WRONG_CERTIFICATE, /* not the one that is enrolled, or the enrollment wants none */
	NO_CHAIN,          /* to a verified certificate */
	WRONG_TOKEN,       /* form, resource, key or time */
	WRONG_EK,          /* none, or not the one that is enrolled */
	CHALLENGED,        /* a TPM that has yet to sign */
	DISABLED,
	NO_ENROLLMENT,
	NO_TPM_ENROLLMENT,
	NO_HUB,
	REFUSALS
};

enum attestation { BY_X509, BY_TPM, BY_KEY };

struct proof {
	enum attestation by;
	const char *registration_id;
	const json_t *entry;  /* the enrollment or group that decided */
	const char *group_id; /* NULL for an individual enrollment */
	X509 *leaf;           /* BY_X509, lent by the request */
	X509 *signer;         /* BY_X509: the group's certificate in the chain, or NULL */
	struct tpm_key ek, srk;    /* BY_TPM */
	char *primary, *secondary; /* what the hub is to know the device by: BY_KEY its own keys, BY_TPM new ones */
	const char *why;      /* more about NO_CHAIN, or NULL */
};

enum refusal prove(const struct service *svc, const struct request *r, struct proof *p);
void proof_fini(struct proof *p);

/*
 * Makes the key that this TPM has to sign with, keeps it for an hour in place of an earlier one, and
 * answers 401 with it. `p` is of a prove() that said CHALLENGED.
 */
void challenge(struct service *svc, const struct request *r, const struct proof *p, struct answer *a);

/* The service's clock for this request, which a rule may have moved. */
int64_t request_now_s(const struct request *r);

#endif
