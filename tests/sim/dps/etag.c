/* SPDX-License-Identifier: Apache-2.0 */
#include "etag.h"

#include "util.h"

#include <stdlib.h>
#include <string.h>

char *etag_new(void)
{
	uint8_t b[6];
	random_fill(b, sizeof b);
	return text_of("\"%02x%02x%02x%02x-0000-0000-0000-%02x%02x%08x\"", b[0], b[1], b[2], b[3], b[4],
		b[5], (unsigned)(clock_ms() / 1000));
}

static char *unquoted(const char *t)
{
	size_t n = strlen(t);
	bool quoted = n >= 2 && t[0] == '"' && t[n - 1] == '"';
	return text_copy(t + quoted, n - 2 * quoted);
}

static bool form_is_fit(const struct service *svc, const char *tag, struct answer *a)
{
	size_t n = tag ? strlen(tag) : 0;
	if (!tag || !svc->options.strict_etags || strcmp(tag, "*") == 0 ||
		(n >= 2 && tag[0] == '"' && tag[n - 1] == '"'))
		return true;
	return answer_error(a, 400000, "The If-Match header is not a quoted etag.");
}

static bool matches(const char *tag, const json_t *old)
{
	const char *has = json_string_value(json_object_get(old, "etag"));
	AUTO_TEXT sent = unquoted(tag);
	AUTO_TEXT kept = unquoted(has ? has : "");
	return has && (strcmp(sent, "*") == 0 || strcmp(sent, kept) == 0);
}

bool etag_allows_put(const struct service *svc, const char *if_match, const json_t *old,
	struct answer *a)
{
	if (!form_is_fit(svc, if_match, a))
		return false;
	if (!if_match)
		return !old || answer_error(a, 409000, "The resource already exists.");
	return matches(if_match, old) || answer_error(a, 412000, "Precondition failed: etag mismatch.");
}

bool etag_allows_delete(const struct service *svc, const char *if_match, const json_t *old,
	struct answer *a)
{
	return form_is_fit(svc, if_match, a) && (!if_match || matches(if_match, old) ||
		answer_error(a, 412000, "Precondition failed: etag mismatch."));
}
