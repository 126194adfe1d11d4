/* SPDX-License-Identifier: Apache-2.0 */
#include "lie.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool number_of(const char *text, unsigned long max, unsigned long *ret)
{
	char *end;
	*ret = strtoul(text, &end, 10);
	return isdigit((unsigned char)*text) && !*end && *ret <= max;
}

static bool bytes_of(const char *hex, struct lie *ret)
{
	for (ret->len = 0; *hex; ret->len++, hex += 2) {
		const char digits[3] = { hex[0], hex[1], 0 };
		if (ret->len == LIE_BYTES_MAX || !isxdigit((unsigned char)hex[0]) || !isxdigit((unsigned char)hex[1]))
			return false;
		ret->bytes[ret->len] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return ret->len > 0;
}

bool lie_of(const char *text, struct lie *ret, struct why *w)
{
	struct lie l = { 0 };
	char copy[256];
	unsigned long number = 0;

	if (strcmp(text, "0") == 0) {
		*ret = l;
		return true;
	}
	if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy)
		return why_set(w, "a lie of more than %zu characters", sizeof copy - 1);
	char *rest = copy;
	const char *what = strsep(&rest, ":"), *where = strsep(&rest, ":");
	if (!where || !rest || !*what || strlen(what) >= sizeof l.what)
		return why_set(w, "\"%s\" is not WHAT:OFFSET:HEX, WHAT:status:NUMBER or 0", text);
	strcpy(l.what, what);
	l.refuses = strcmp(where, "status") == 0;
	bool ok = l.refuses ? number_of(rest, 65535, &number) : number_of(where, 65535, &number) && bytes_of(rest, &l);
	if (!ok)
		return why_set(w, "\"%s\" is not WHAT:OFFSET:HEX, WHAT:status:NUMBER or 0", text);
	if (l.refuses)
		l.status = (unsigned)number;
	else
		l.at = number;
	*ret = l;
	return true;
}

static bool is_about(const struct lie *l, const char *what)
{
	return l->what[0] && what && strcmp(l->what, what) == 0;
}

bool lie_refuses(const struct lie *l, const char *what, unsigned *ret_status)
{
	if (!is_about(l, what) || !l->refuses)
		return false;
	*ret_status = l->status;
	return true;
}

void lie_tell(const struct lie *l, const char *what, uint8_t *answer, size_t room, size_t *len)
{
	if (!is_about(l, what) || l->refuses)
		return;
	for (size_t i = 0; i < l->len && l->at + i < room; i++) {
		while (*len <= l->at + i)
			answer[(*len)++] = 0;
		answer[l->at + i] = l->bytes[i];
	}
}
