/* SPDX-License-Identifier: Apache-2.0 */
#include "station/dps/url.h"

#include <ctype.h>
#include <string.h>

static bool is_unreserved(unsigned char c)
{
	return (c < 0x80 && isalnum(c)) || (c && strchr("-._~", c));
}

bool url_encode(const char *text, struct bytes *ret, struct err *e)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		bool ok = is_unreserved(*p) ? bytes_add(ret, p, 1, e) : bytes_printf(ret, e, "%%%02X", *p);
		if (!ok)
			return false;
	}
	return true;
}

static bool host_is_plain(const char *host, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)host[i];
		if (c >= 0x80 || (!isalnum(c) && !strchr("-.:[]", c)))
			return false;
	}
	return len > 0 && host[0] != ':';
}

bool url_endpoint(const char *endpoint, char ret_host[static URL_HOST_MAX], struct err *e)
{
	static const char scheme[] = "https://";
	if (strncmp(endpoint, scheme, sizeof(scheme) - 1))
		return err_set(e, E_CONFIG, "endpoint \"%s\" does not begin with https://", endpoint);
	const char *host = endpoint + sizeof(scheme) - 1;
	size_t len = strlen(host);
	if (len && host[len - 1] == '/')
		len--;
	if (!host_is_plain(host, len) || len >= URL_HOST_MAX)
		return err_set(e, E_CONFIG, "endpoint \"%s\" is not https://HOST or https://HOST:PORT", endpoint);
	for (size_t i = 0; i < len; i++)
		ret_host[i] = (char)tolower((unsigned char)host[i]);
	ret_host[len] = '\0';
	return true;
}
