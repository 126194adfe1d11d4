/* SPDX-License-Identifier: Apache-2.0 */
/* The little that the client needs to know of URLs (RFC 3986): encoding a piece of text, and taking an endpoint apart. Pure. */
#ifndef STATION_DPS_URL_H
#define STATION_DPS_URL_H

#include "station/base/bytes.h"

#define URL_HOST_MAX 256	/* room for a host name and a port */

/* Appends `text` with everything but unreserved characters (section 2.3) as %XX, upper-case digits. E_NOMEM, E_TEXT. */
WARN_UNUSED bool url_encode(const char *text, struct bytes *ret, struct err *e);

/* An endpoint is "https://HOST[:PORT]" and nothing more: no path, no user, no query; one '/' at the end is allowed. Gives host and
 * port as they stand, host in lower case. Anything else is E_CONFIG. */
WARN_UNUSED bool url_endpoint(const char *endpoint, char ret_host[static URL_HOST_MAX], struct err *e);

#endif
