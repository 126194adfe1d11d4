/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small tools of the emulated service: text, encodings, time, files.
 *
 * The emulator is a test program that stands alone. It shares no code with the station, so that it
 * stays an independent reading of the service's specification. When memory runs out it says so and
 * ends: there is nobody to serve any more.
 */
#ifndef SIM_DPS_UTIL_H
#define SIM_DPS_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void text_drop(char **t);

/* A char * that is freed at the end of its block. */
#define AUTO_TEXT __attribute__((cleanup(text_drop))) char *

/* Ends the program when p is NULL; else returns p. For results that only fail without memory. */
void *must(void *p);

/* All texts below are the caller's to free. */
char *text_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *text_copy(const char *t, size_t n);
char *text_lower(const char *t);

/* Both may be NULL; ASCII letters compare without case, as the service compares ids and paths. */
bool text_same(const char *a, const char *b);
bool text_ends(const char *t, const char *end);
bool text_starts(const char *t, const char *start);

/* Puts '?' in place of every byte that is not part of UTF-8. True when there was none. */
bool text_clean(char *t);

/* Reads a whole decimal number, with sign, nothing around it. */
bool text_number(const char *t, int64_t *ret);

/* Decodes %XX. NULL when a triplet is malformed or stands for NUL, or the result is not UTF-8. */
char *percent_decode(const char *t, size_t n);

char *base64_of(const void *bytes, size_t n);

/* Strict but for white space. NULL when it is not base64. The caller frees. */
uint8_t *base64_bytes(const char *t, size_t *ret_n);

/* Upper-case hexadecimal, as the service writes thumbprints. */
char *hex_of(const void *bytes, size_t n);

void random_fill(void *bytes, size_t n);
char *random_base64(size_t n);

/* Random letters of base64's URL-safe alphabet, for bearer tokens. */
char *random_token(void);
char *uuid_new(void);

/* Unix time in milliseconds. */
int64_t clock_ms(void);

/* 2026-11-22T10:20:30.123Z, and Sun, 22 Nov 2026 10:20:30 GMT. */
char *time_text(int64_t ms);
char *time_rfc1123(int64_t ms);

/* Writes dir/name with this mode by way of a temporary file and rename. Says why on stderr. */
bool file_write(const char *dir, const char *name, unsigned mode, const void *bytes, size_t n);

/* The whole file with a NUL behind it, or NULL (absent, unreadable, longer than max). */
char *file_read(const char *path, size_t max, size_t *ret_n);

#endif
