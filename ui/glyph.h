/* SPDX-License-Identifier: Apache-2.0 */
/* Characters: taken out of UTF-8 that may be broken, judged by width, and made plain for
 * terminals that know ASCII only. */
#ifndef UI_GLYPH_H
#define UI_GLYPH_H

#include <stddef.h>
#include <stdint.h>

#define GLYPH_REPLACEMENT 0xfffdu

/* The next character of *text, which it moves on; 0 at the end. A broken byte is one
 * GLYPH_REPLACEMENT. Never reads behind the NUL. */
uint32_t glyph_next(const char **text);

/* 1 or 2; 0 for what must not be drawn as it is. */
int glyph_width(uint32_t c);

/* Its likeness in ASCII; '?' if it has none. */
char glyph_plain(uint32_t c);

/* UTF-8 of a character; returns its length, 1 to 4. */
size_t glyph_utf8(uint32_t c, char out[static 4]);

#endif
