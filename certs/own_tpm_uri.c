/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/own_tpm_esys.h"

#include <string.h>

/* TCG's registry of reserved handles: an owner's persistent objects; NV indices below those that TCG assigns. */
static bool is_handle(uint32_t n)
{
	return n >= 0x81000000u && n <= 0x817fffffu;
}

static bool is_index(uint32_t n)
{
	return n >= 0x01000000u && n <= 0x01bfffffu;
}

static bool read_hex(const char *text, size_t len, uint32_t *ret)
{
	static const char digits[] = "0123456789abcdef";
	if (len != 10 || text[0] != '0' || text[1] != 'x')
		return false;
	*ret = 0;
	for (size_t i = 2; i < len; i++) {
		const char *d = memchr(digits, text[i], 16);
		if (!d)
			return false;
		*ret = *ret << 4 | (uint32_t)(d - digits);
	}
	return true;
}

/* "0,7": numbers with commas between. */
static bool read_pcrs(const char *text, size_t len, uint32_t *ret)
{
	uint32_t n = 0;
	size_t width = 0;
	for (size_t i = 0; i <= len; i++) {
		bool end = i == len || text[i] == ',';
		if (end && (!width || n >= OWN_TPM_PCRS || *ret >> n & 1))
			return false;
		if (end) {
			*ret |= (uint32_t)1 << n;
			n = 0;
			width = 0;
			continue;
		}
		if (text[i] < '0' || text[i] > '9' || ++width > 2)
			return false;
		n = n * 10 + (uint32_t)(text[i] - '0');
	}
	return true;
}

static bool read_part(const char *part, size_t len, struct own_tpm_uri *u)
{
	if (len > 7 && !memcmp(part, "handle=", 7))
		return !u->handle && read_hex(part + 7, len - 7, &u->handle) && is_handle(u->handle);
	if (len > 6 && !memcmp(part, "limit=", 6))
		return !u->limit && read_hex(part + 6, len - 6, &u->limit) && is_index(u->limit);
	if (len > 5 && !memcmp(part, "pcrs=", 5))
		return !u->pcrs && read_pcrs(part + 5, len - 5, &u->pcrs);
	if (len > 3 && !memcmp(part, "nv=", 3))
		return !u->nv && read_hex(part + 3, len - 3, &u->nv) && is_index(u->nv);
	return false;
}

bool own_tpm_uri_read(const char *uri, struct own_tpm_uri *ret, struct err *e)
{
	memset(ret, 0, sizeof(*ret));
	bool ok = !strncmp(uri, "tpm:", 4);
	for (const char *p = uri + 4; ok; p++) {
		size_t len = strcspn(p, ";");
		ok = read_part(p, len, ret);
		p += len;
		if (!*p)
			break;
	}
	bool key = ret->handle && !ret->nv, anchor = ret->nv && !ret->handle && !ret->limit && !ret->pcrs;
	return (ok && (key || anchor)) ||
	       err_set(e, E_CA_FILE, "a URI of the TPM is tpm:handle=0x81…[;pcrs=0,7][;limit=0x01…] or tpm:nv=0x01…");
}

bool own_tpm_is_key_uri(const char *uri)
{
	struct own_tpm_uri u;
	struct err ignored = {0};
	return own_tpm_uri_read(uri, &u, &ignored) && u.handle;
}

bool own_tpm_is_limited_uri(const char *uri)
{
	struct own_tpm_uri u;
	struct err ignored = {0};
	return own_tpm_uri_read(uri, &u, &ignored) && u.limit;
}

bool own_tpm_is_anchor_uri(const char *uri)
{
	struct own_tpm_uri u;
	struct err ignored = {0};
	return own_tpm_uri_read(uri, &u, &ignored) && u.nv;
}
