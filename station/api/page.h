/* SPDX-License-Identifier: Apache-2.0 */
/* The static answers: the lead's screen and the API's description. They lie in the program (embed.py writes them there at build
 * time, with their tags and with the hashes of the page's script and style). */
#ifndef STATION_API_PAGE_H
#define STATION_API_PAGE_H

#include "station/base/err.h"

struct page {
	const char *type;
	const char *etag;	/* with its quotes */
	const char *policy;	/* Content-Security-Policy; NULL where nothing is shown */
	const uint8_t *data;
	size_t len;
};

extern const struct page page_lead, page_openapi;

/* True if a list of If-None-Match (RFC 9110 section 13.1.2) names this page's tag. */
bool page_is_known(const struct page *p, const char *if_none_match);

#endif
