/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/capture.h"

#include <string.h>

static const struct {
	const char *name;
	bool secret;
} kinds[EVIDENCE_KINDS] = {
	[EVIDENCE_EK_PUBLIC] = {"ek_public", false},
	[EVIDENCE_EK_CERT] = {"ek_cert", false},
	[EVIDENCE_AK_PUBLIC] = {"ak_public", false},
	[EVIDENCE_LEAF_PUBLIC] = {"leaf_public", false},
	[EVIDENCE_SECRET] = {"secret", true},
	[EVIDENCE_ATTEST] = {"attest", false},
	[EVIDENCE_ATTEST_SIG] = {"attest_signature", false},
	[EVIDENCE_BUNDLE] = {"bundle", false},
	[EVIDENCE_SIGNATURE] = {"signature", false},
	[EVIDENCE_CSR] = {"csr", false},
};

const char *evidence_name(enum evidence_kind kind)
{
	return (size_t)kind < COUNT_OF(kinds) ? kinds[kind].name : NULL;
}

enum evidence_kind evidence_find(const char *name)
{
	for (size_t i = 1; i < COUNT_OF(kinds); i++)
		if (kinds[i].name && !strcmp(kinds[i].name, name))
			return (enum evidence_kind)i;
	return 0;
}

bool evidence_is_secret(enum evidence_kind kind)
{
	return (size_t)kind >= COUNT_OF(kinds) || kinds[kind].secret;
}

#define FIELD(type, field) offsetof(struct type, field), sizeof(((struct type *)0)->field)

const struct capture_field capture_fields[] = {
	{MOMENT_IDENTIFY, "serial", CAPTURE_TEXT, FIELD(driver_identity, serial)},
	{MOMENT_IDENTIFY, "model", CAPTURE_TEXT, FIELD(driver_identity, model)},
	{MOMENT_IDENTIFY, "revision", CAPTURE_TEXT, FIELD(driver_identity, revision)},
	{MOMENT_IDENTIFY, "factory_closed", CAPTURE_BOOL, FIELD(driver_identity, factory_closed)},
	{MOMENT_IDENTIFY, "bundle_present", CAPTURE_BOOL, FIELD(driver_identity, bundle_present)},
	{MOMENT_READ_EK, "present", CAPTURE_BOOL, FIELD(driver_ek_read, present)},
	{MOMENT_READ_EK, "has_certificate", CAPTURE_BOOL, FIELD(driver_ek_read, has_certificate)},
	{MOMENT_MAKE_KEY, "made", CAPTURE_BOOL, FIELD(driver_key_made, made)},
	{MOMENT_SIGN, "r", CAPTURE_HEX, FIELD(key_signature, r)},
	{MOMENT_SIGN, "s", CAPTURE_HEX, FIELD(key_signature, s)},
	{MOMENT_SIGN_IDENTITY, "mac", CAPTURE_SECRET, 0, SHA256_SIZE},
	{MOMENT_COUNT, NULL, CAPTURE_TEXT, 0, 0},
};
