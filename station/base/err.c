/* SPDX-License-Identifier: Apache-2.0 */
#include "station/base/err.h"

#ifdef __clang_analyzer__
#undef err_set
#undef err_native
#undef err_errno
#undef err_in
#endif

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct err_row rows[E_COUNT] = {
	[E_NONE] = {"E_NONE", "E-NONE-000", ERR_STATION, ERR_STATION, "Nothing failed.", "", ""},
#define ERR(name, code, class, exhausted, happened, todo, whom) \
	[name] = {#name, code, class, exhausted, happened, todo, whom},
#include "station/base/err.def"
#undef ERR
};

/* An error text may end in the middle of a UTF-8 character when it was cut; drop the broken rest. */
static void trim_partial_character(char *s)
{
	size_t n = strlen(s), back = 0;
	while (back < 4 && back < n && ((unsigned char)s[n - 1 - back] & 0xc0) == 0x80)
		back++;
	if (back >= n)
		return;
	unsigned char lead = (unsigned char)s[n - 1 - back];
	size_t want = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
	if (back != want)
		s[n - 1 - back] = '\0';
}

static bool set(struct err *e, enum err_code code, int64_t native, const char *fmt, va_list ap)
{
	if (!e || e->code != E_NONE)
		return false;
	e->code = code;
	e->native = native;
	int n = vsnprintf(e->what, sizeof(e->what), fmt, ap);
	if (n >= (int)sizeof(e->what))
		trim_partial_character(e->what);
	return false;
}

bool err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	set(e, code, 0, fmt, ap);
	va_end(ap);
	return false;
}

bool err_native(struct err *e, enum err_code code, int64_t native, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	set(e, code, native, fmt, ap);
	va_end(ap);
	return false;
}

bool err_errno(struct err *e, enum err_code code, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;
	if (!e || e->code != E_NONE)
		return false;
	va_start(ap, fmt);
	set(e, code, saved, fmt, ap);
	va_end(ap);
	size_t n = strlen(e->what);
	snprintf(e->what + n, sizeof(e->what) - n, ": %s", strerror(saved));
	return false;
}

bool err_in(struct err *e, const char *fmt, ...)
{
	char before[sizeof(e->what)], whole[2 * sizeof(e->what) + 2];
	va_list ap;
	if (!e)
		return false;
	va_start(ap, fmt);
	vsnprintf(before, sizeof(before), fmt, ap);
	va_end(ap);
	snprintf(whole, sizeof(whole), "%s: %s", before, e->what);
	memcpy(e->what, whole, sizeof(e->what) - 1);
	e->what[sizeof(e->what) - 1] = '\0';
	if (strlen(whole) >= sizeof(e->what))
		trim_partial_character(e->what);
	return false;
}

void err_clear(struct err *e)
{
	memset(e, 0, sizeof(*e));
}

const struct err_row *err_row(enum err_code code)
{
	return &rows[code < E_COUNT ? code : E_NONE];
}

enum err_code err_find(const char *code)
{
	for (int i = 1; i < E_COUNT; i++)
		if (!strcmp(rows[i].code, code))
			return (enum err_code)i;
	return E_NONE;
}

const char *err_class_name(enum err_class class)
{
	static const char *const names[] = {"RETRY", "DEVICE", "OPERATOR", "STATION"};
	return names[class];
}
