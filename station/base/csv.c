/* SPDX-License-Identifier: Apache-2.0 */
#include "station/base/csv.h"

#include <string.h>

static bool add_cell(struct bytes *ret, const char *text, struct err *e)
{
	bool formula = *text && strchr("=+-@\t\r", *text);
	bool quotes = formula || strpbrk(text, ",\"\r\n");
	if (quotes && !bytes_add_text(ret, "\"", e))
		return false;
	if (formula && !bytes_add_text(ret, "'", e))
		return false;
	for (const char *p = text; *p; p++)
		if ((*p == '"' && !bytes_add_text(ret, "\"", e)) || !bytes_add(ret, p, 1, e))
			return false;
	return !quotes || bytes_add_text(ret, "\"", e);
}

bool csv_row(struct bytes *ret, const char *const *cell, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++)
		if ((i && !bytes_add_text(ret, ",", e)) || !add_cell(ret, cell[i], e))
			return false;
	return bytes_add_text(ret, "\r\n", e);
}
