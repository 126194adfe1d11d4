/* SPDX-License-Identifier: Apache-2.0 */
#include "station/api/page.h"

#include <string.h>

bool page_is_known(const struct page *p, const char *if_none_match)
{
	const char *at = if_none_match;
	size_t len = strlen(p->etag);
	while (at && *at) {
		at += strspn(at, " \t,");
		if (*at == '*')
			return true;
		if (!strncmp(at, "W/", 2))	/* a weak comparison is what this header asks for */
			at += 2;
		if (!strncmp(at, p->etag, len) && strchr(" \t,", at[len]))
			return true;
		at += strcspn(at, ",");
	}
	return false;
}
