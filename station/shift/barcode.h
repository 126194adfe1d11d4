/* SPDX-License-Identifier: Apache-2.0 */
/* A code as bars for the scanner, by libzint; nobody else in the project knows it. */
#ifndef STATION_SHIFT_BARCODE_H
#define STATION_SHIFT_BARCODE_H

#include "station/base/bytes.h"

#define BARCODE_MOST 80

/* Appends an SVG element: the code in Code 128 (ISO/IEC 15417), of modules 0.3 mm wide, with a quiet zone of 10 modules at
 * either end. E_TEXT if it is not of 1 to BARCODE_MOST printable ASCII characters; E_NOMEM. */
WARN_UNUSED bool barcode_svg(const char *code, struct bytes *ret, struct err *e);

#endif
