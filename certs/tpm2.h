/* SPDX-License-Identifier: Apache-2.0 */
/* The few structures of TPM 2.0 (Part 2) that a device sends as evidence, read strictly: every length is checked before it is
 * used, every selector must be known, and not one byte may be left over. What comes out is plain numbers of fixed size.
 *
 * The bytes are a stranger's. A caller says by `refusal` what it means for its claim when they are malformed, so that the
 * error which a person reads names the claim, and the text names the field. Nothing here judges what a well-formed structure
 * says: that is done in ek.c and attest.c. */
#ifndef CERTS_TPM2_H
#define CERTS_TPM2_H

#include "certs/key.h"

enum tpm2_alg {		/* TPM_ALG_ID, Part 2, 6.3 */
	ALG_RSA = 0x0001,
	ALG_AES = 0x0006,
	ALG_SHA256 = 0x000b,
	ALG_NULL = 0x0010,
	ALG_ECDSA = 0x0018,
	ALG_ECC = 0x0023,
	ALG_CFB = 0x0043,
};

#define CURVE_NIST_P256 0x0003u	/* TPM_ECC_CURVE, 6.4 */

enum tpm2_attribute {	/* TPMA_OBJECT, 8.3 */
	ATTR_FIXED_TPM = 1 << 1,
	ATTR_FIXED_PARENT = 1 << 4,
	ATTR_SENSITIVE_DATA_ORIGIN = 1 << 5,
	ATTR_USER_WITH_AUTH = 1 << 6,
	ATTR_ADMIN_WITH_POLICY = 1 << 7,
	ATTR_NO_DA = 1 << 10,
	ATTR_RESTRICTED = 1 << 16,
	ATTR_DECRYPT = 1 << 17,
	ATTR_SIGN = 1 << 18,
};

/* Of TCG's templates: the endorsement keys of the low range (TCG EK Credential Profile, B.3), and the storage root key. */
#define TPM2_EK_ATTRIBUTES \
	(ATTR_FIXED_TPM | ATTR_FIXED_PARENT | ATTR_SENSITIVE_DATA_ORIGIN | ATTR_ADMIN_WITH_POLICY | ATTR_RESTRICTED | ATTR_DECRYPT)
#define TPM2_SRK_ATTRIBUTES \
	(ATTR_FIXED_TPM | ATTR_FIXED_PARENT | ATTR_SENSITIVE_DATA_ORIGIN | ATTR_USER_WITH_AUTH | ATTR_NO_DA | ATTR_RESTRICTED | \
	 ATTR_DECRYPT)

/* PolicyA of that profile: PolicySecret(TPM_RH_ENDORSEMENT) with SHA-256. */
extern const uint8_t tpm2_policy_a[SHA256_SIZE];

#define HIERARCHY_OWNER 0x40000001u		/* TPM_RH, 7.4 */
#define HIERARCHY_ENDORSEMENT 0x4000000bu

#define TPM2_NAME_SIZE 34	/* of an object with name algorithm SHA-256: the algorithm and the digest (Part 1, 16) */
#define TPM2_DIGEST_MAX 64
#define TPM2_NAME_MAX (2 + TPM2_DIGEST_MAX)

/* TPMT_PUBLIC (12.2.4) of an RSA or ECC key. Fields that a type lacks are zero. */
struct tpm2_public {
	uint16_t type, name_alg;
	uint32_t attributes;
	uint16_t policy_len;
	uint8_t policy[TPM2_DIGEST_MAX];
	uint16_t symmetric, symmetric_bits, symmetric_mode;	/* ALG_NULL, 0, 0 for none */
	uint16_t scheme, scheme_hash;	/* ALG_NULL, 0 for none */
	uint16_t kdf;	/* ECC */
	uint16_t curve;	/* ECC */
	struct key_public key;	/* kind KEY_NONE for other curves than P-256; not checked to be sound */
	uint8_t name[TPM2_NAME_SIZE];	/* computed; zero unless name_alg is SHA-256 */
};

/* TPM2B_PUBLIC (12.2.5): size prefix and TPMT_PUBLIC. An exponent of 0 becomes 65537. */
WARN_UNUSED bool tpm2_public_parse(const void *data, size_t len, enum err_code refusal, struct tpm2_public *ret, struct err *e);

struct tpm2_name {
	uint16_t len;
	uint8_t data[TPM2_NAME_MAX];
};

/* TPMS_ATTEST (10.12.12) of TPM2_Certify, without clock and firmware version, which are read and not kept. */
struct tpm2_certify {
	struct tpm2_name signer;	/* qualified name of the key that signed */
	uint16_t extra_len;
	uint8_t extra[TPM2_NAME_MAX];	/* extraData: qualifyingData of the command */
	struct tpm2_name name, qualified_name;	/* of the certified object (10.12.3) */
};

/* Refuses all but magic TPM_GENERATED and type ATTEST_CERTIFY. */
WARN_UNUSED bool tpm2_certify_parse(const void *data, size_t len, enum err_code refusal, struct tpm2_certify *ret, struct err *e);

/* TPMT_SIGNATURE (11.3.4), which must be ECDSA with SHA-256 and numbers of at most 32 bytes. */
WARN_UNUSED bool tpm2_signature_parse(const void *data, size_t len, enum err_code refusal, struct key_signature *ret,
				      struct err *e);

/* The qualified name of a primary key of this hierarchy (Part 1, 16): it says where in a TPM an object stands. */
void tpm2_qualified_name(uint32_t hierarchy, const uint8_t name[static TPM2_NAME_SIZE], uint8_t ret[static TPM2_NAME_SIZE]);

#endif
