/* SPDX-License-Identifier: Apache-2.0 */
#include "station/bundle.h"

#include <stdio.h>
#include <string.h>

enum tag { TAG_LEAF = 1, TAG_CA, TAG_ID_SCOPE, TAG_ENDPOINT, TAG_REGISTRATION_ID, TAG_PARENT, TAG_HANDLE, TAG_AUTH, TAG_URI,
	   TAG_ATTESTATION };

#define ATTESTATION_TPM 1

static bool field(struct driver_bundle *b, enum tag tag, const void *value, size_t len, struct err *e)
{
	if (len > UINT16_MAX || len + 3 > sizeof(b->data) - b->len)
		return err_set(e, E_TEXT, "the bundle is longer than %u bytes", BUNDLE_MAX);
	uint8_t *p = b->data + b->len;
	*p++ = (uint8_t)tag;
	*p++ = (uint8_t)(len >> 8);
	*p++ = (uint8_t)len;
	if (len)
		memcpy(p, value, len);
	b->len += (uint32_t)len + 3;
	return true;
}

static bool text(struct driver_bundle *b, enum tag tag, const char *value, struct err *e)
{
	return field(b, tag, value, strlen(value), e);
}

static bool number(struct driver_bundle *b, enum tag tag, uint32_t value, struct err *e)
{
	const uint8_t be[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};
	return field(b, tag, be, sizeof(be), e);
}

static bool certificates(struct driver_bundle *b, const struct bundle_parts *parts, struct err *e)
{
	bool ok = field(b, TAG_LEAF, parts->leaf->data, parts->leaf->len, e);
	for (size_t i = 0; i < parts->chain_count && ok; i++)
		ok = field(b, TAG_CA, parts->chain[i].data, parts->chain[i].len, e);
	return ok;
}

static bool key_in_tpm(struct driver_bundle *b, uint32_t handle, struct err *e)
{
	char uri[32];
	snprintf(uri, sizeof(uri), "handle:0x%08x", handle);
	return number(b, TAG_PARENT, BUNDLE_KEY_PARENT, e) && number(b, TAG_HANDLE, handle, e) && field(b, TAG_AUTH, NULL, 0, e) &&
	       text(b, TAG_URI, uri, e);
}

bool bundle_build(const struct bundle_parts *parts, struct driver_bundle *ret, struct err *e)
{
	static const uint8_t by_tpm = ATTESTATION_TPM;
	memset(ret, 0, sizeof(*ret));
	if ((parts->leaf && !certificates(ret, parts, e)) || !text(ret, TAG_ID_SCOPE, parts->id_scope, e) ||
	    !text(ret, TAG_ENDPOINT, parts->global_endpoint, e) || !text(ret, TAG_REGISTRATION_ID, parts->registration_id, e))
		return false;
	if (!parts->leaf)
		return field(ret, TAG_ATTESTATION, &by_tpm, sizeof(by_tpm), e);
	return !parts->key_handle || key_in_tpm(ret, parts->key_handle, e);
}
