/* SPDX-License-Identifier: Apache-2.0 */
/* The registration id: derived from a key or a template, and held against the rules of DPS and X.509.
 *
 * DPS takes up to 128 characters of a-z A-Z 0-9 - . _ :, any case, and compares without case; its documents disagree
 * about a final '-'. X.509 bounds a common name to 64 (RFC 5280, ub-common-name). The station therefore writes lower
 * case, begins and ends alphanumeric, and stays within 64. */
#ifndef STATION_REGID_H
#define STATION_REGID_H

#include "station/base/bytes.h"
#include "station/base/sha256.h"

#define REGID_MAX 64
#define REGID_ROOM (REGID_MAX + 1)
#define REGID_HASH_LEN 52	/* characters of a SHA-256 in base32 */

/* Lower-case base32 without padding of a SHA-256: the form that Microsoft's SDKs derive from the endorsement key. */
void regid_from_hash(const uint8_t hash[static SHA256_SIZE], char out[static REGID_ROOM]);

/* What a template may name. Texts may be "". */
struct regid_facts {
	const char *serial, *model;
	const uint8_t *ek_sha256;	/* of the marshalled TPM2B_PUBLIC */
	const char *id;	/* the registration id: only a device id may name it */
};

#define DEVICE_ID_MAX 128	/* of a device in its hub */
#define DEVICE_ID_ROOM (DEVICE_ID_MAX + 1)

/* Fills "{serial}", "{model}", "{ek}" in, lowers the case, checks. E_ID_INVALID. */
WARN_UNUSED bool regid_from_template(const char *template, const struct regid_facts *facts, char out[static REGID_ROOM],
				     struct err *e);

/* Fills the same and "{id}" in, keeps the case, and holds the result against the rules of IoT Hub's identity registry: up to 128
 * letters, digits and - . + % _ # * ? ! ( ) , : = @ $ '. E_ID_INVALID. */
WARN_UNUSED bool regid_device_id(const char *template, const struct regid_facts *facts, char out[static DEVICE_ID_ROOM],
				 struct err *e);

/* True if the id may stand; otherwise E_ID_INVALID says which rule it breaks. */
WARN_UNUSED bool regid_is_valid(const char *id, struct err *e);

/* SHA-256 of a marshalled TPM2B_PUBLIC given as its bytes or their base64 (white space around it allowed). E_TEXT says
 * what is wrong with the form, such as a size prefix that does not fit. */
WARN_UNUSED bool regid_hash_ek_file(const void *data, size_t len, uint8_t ret[static SHA256_SIZE], struct err *e);

#endif
