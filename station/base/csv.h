/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of CSV (RFC 4180): UTF-8, commas, CRLF. A cell that a spreadsheet would take for a formula (it begins with = + - @, a tab or
 * a carriage return) gets an apostrophe in front. */
#ifndef STATION_BASE_CSV_H
#define STATION_BASE_CSV_H

#include "station/base/bytes.h"

/* Appends one row. E_NOMEM, E_TEXT at the maximum of `ret`. */
WARN_UNUSED bool csv_row(struct bytes *ret, const char *const *cell, size_t count, struct err *e);

#endif
