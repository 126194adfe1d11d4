/* SPDX-License-Identifier: Apache-2.0 */
#include "station/base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void wipe(void *p, size_t len)
{
	if (p)
		explicit_bzero(p, len);
}

static bool reserve(struct bytes *b, size_t want, struct err *e)
{
	if (want < b->room)
		return true;
	size_t room = b->room ? b->room : 64;
	while (room <= want)
		room *= 2;
	/* Not realloc: a secret must not stay behind in the old place. */
	uint8_t *p = malloc(room);
	if (!p)
		return err_set(e, E_NOMEM, "%zu bytes", room);
	if (b->data) {
		memcpy(p, b->data, b->len);
		if (b->secret)
			wipe(b->data, b->room);
		free(b->data);
	}
	b->data = p;
	b->room = room;
	return true;
}

bool bytes_add(struct bytes *b, const void *data, size_t len, struct err *e)
{
	size_t max = b->max ? b->max : BYTES_MAX_DEFAULT;
	if (len > max || b->len > max - len)
		return err_set(e, E_TEXT, "more than %zu bytes", max);
	if (!reserve(b, b->len + len, e))
		return false;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = 0;
	return true;
}

bool bytes_add_text(struct bytes *b, const char *text, struct err *e)
{
	return bytes_add(b, text, strlen(text), e);
}

bool bytes_printf(struct bytes *b, struct err *e, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	size_t max = b->max ? b->max : BYTES_MAX_DEFAULT;
	bool ok = n >= 0 && (size_t)n <= max && b->len <= max - (size_t)n;
	if (!ok)
		err_set(e, E_TEXT, "more than %zu bytes", max);
	ok = ok && reserve(b, b->len + (size_t)n, e);
	if (ok) {
		vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
	return ok;
}

bool bytes_set(struct bytes *b, const void *data, size_t len, struct err *e)
{
	bytes_clear(b);
	return bytes_add(b, data, len, e);
}

void bytes_clear(struct bytes *b)
{
	if (b->secret)
		wipe(b->data, b->room);
	b->len = 0;
	if (b->data)
		b->data[0] = 0;
}

void bytes_fini(struct bytes *b)
{
	if (!b)
		return;
	if (b->secret)
		wipe(b->data, b->room);
	free(b->data);
	*b = (struct bytes){0};
}

const char *bytes_text(const struct bytes *b)
{
	return b->data ? (const char *)b->data : "";
}

bool bytes_equal(const struct bytes *a, const struct bytes *b)
{
	return a->len == b->len && (a->len == 0 || !memcmp(a->data, b->data, a->len));
}
