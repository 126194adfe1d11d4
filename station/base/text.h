/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as text and back: hexadecimal, base64 (RFC 4648 section 4), base32 (section 6), and small checks of text.
 * Decoders are strict: no white space, canonical padding, no stray bits; all of them bound by the room that is given. */
#ifndef STATION_BASE_TEXT_H
#define STATION_BASE_TEXT_H

#include "station/base/bytes.h"

/* out needs 2 * len + 1 bytes; lower case. */
void hex_encode(const void *data, size_t len, char *out);
/* Exactly `len` bytes from 2 * len hex digits, either case. E_TEXT. */
WARN_UNUSED bool hex_decode(const char *text, void *out, size_t len, struct err *e);

WARN_UNUSED bool base64_encode(const void *data, size_t len, struct bytes *ret, struct err *e);
WARN_UNUSED bool base64_decode(const char *text, size_t len, struct bytes *ret, struct err *e);

/* Lower case, no padding: the form of a registration id. out needs (len * 8 + 4) / 5 + 1 bytes. */
void base32_encode(const void *data, size_t len, char *out);

/* Copies text into a fixed array; E_TEXT if it does not fit (never cut silently). */
WARN_UNUSED bool text_copy(char *out, size_t room, const char *text, struct err *e);

/* True if every byte is printable ASCII (0x20 to 0x7e). */
bool text_is_printable(const char *text, size_t len);

#define TEXT_COPY(array, text, e) text_copy((array), sizeof(array), (text), (e))

#endif
