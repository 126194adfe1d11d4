/* SPDX-License-Identifier: Apache-2.0 */
/* The control plane (Azure Resource Manager, api-version 2022-12-12): which CA certificates this DPS has, and proving
 * that we hold one.
 *
 * Bearer token only. A line needs a reader's at most; adding and proving a CA are an engineer's. Errors as in dps.h. */
#ifndef STATION_DPS_ARM_H
#define STATION_DPS_ARM_H

#include "station/dps/dps.h"

#define ARM_API_VERSION "2022-12-12"
#define ARM_CERTIFICATES_MAX 64	/* the service's own limit is 25 */
#define ARM_CODE_MAX 257

struct arm_certificate {
	char name[CA_NAME_MAX];
	char etag[ETAG_MAX];
	char subject[256];
	bool verified;
	bool has_sha1, has_sha256;
	uint8_t sha1[20];	/* the service's `thumbprint` */
	uint8_t sha256[SHA256_SIZE];	/* of the DER in `certificate`, where the service gives it */
};

/* Reads a CertificateResponse; members that are missing stay "". E_DPS_ANSWER. */
WARN_UNUSED bool arm_certificate_parse(const json_t *object, struct arm_certificate *ret, struct err *e);

/* E_DPS_ANSWER if there are more than `room`. */
WARN_UNUSED bool arm_list_certificates(struct dps *d, int64_t deadline_ms, struct arm_certificate *ret, size_t room,
				       size_t *ret_count, struct err *e);
WARN_UNUSED bool arm_get_certificate(struct dps *d, const char *name, int64_t deadline_ms, bool *found, struct arm_certificate *ret,
				     struct err *e);

/* Adds a certificate (etag NULL), not verified, or replaces it. */
WARN_UNUSED bool arm_put_certificate(struct dps *d, const char *name, const char *pem, const char *etag, int64_t deadline_ms,
				     struct arm_certificate *ret, struct err *e);

/* The text that must be the common name of a certificate signed by the CA's key. Needs the etag; ret->etag is the new one. */
WARN_UNUSED bool arm_generate_code(struct dps *d, const char *name, const char *etag, int64_t deadline_ms,
				   char ret_code[static ARM_CODE_MAX], struct arm_certificate *ret, struct err *e);

/* Hands in the proof (PEM); true and ret->verified if the service took it. The etag is that of arm_generate_code's answer. */
WARN_UNUSED bool arm_verify(struct dps *d, const char *name, const char *etag, const char *proof_pem, int64_t deadline_ms,
			    struct arm_certificate *ret, struct err *e);

struct arm_instance {
	char id_scope[64];
	char allocation[32];	/* Hashed, GeoLatency, Static */
	char state[32];
	int hub_count;
};
WARN_UNUSED bool arm_get_instance(struct dps *d, int64_t deadline_ms, struct arm_instance *ret, struct err *e);

/* True if this is the certificate with these facts: by SHA-256 where the service gave the certificate, else by SHA-1. */
struct cert_facts;
bool arm_certificate_is(const struct arm_certificate *c, const struct cert_facts *facts);

#endif
