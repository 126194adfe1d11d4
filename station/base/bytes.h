/* SPDX-License-Identifier: Apache-2.0 */
/* A growing string of bytes with a maximum given at birth.
 *
 * Secrets live here too: with .secret set the memory is wiped before it is freed or moved, and the log and JSON refuse it. */
#ifndef STATION_BASE_BYTES_H
#define STATION_BASE_BYTES_H

#include "station/base/err.h"

struct bytes {
	uint8_t *data;	/* NULL while empty; always one zero byte behind the end, so that text can be used as text */
	size_t len;
	size_t max;	/* greatest len; 0 counts as BYTES_MAX_DEFAULT */
	size_t room;
	bool secret;
};

#define BYTES_MAX_DEFAULT ((size_t)1 << 20)

/* Appends. E_NOMEM, or E_TEXT when the maximum would be passed; then b is unchanged. */
WARN_UNUSED bool bytes_add(struct bytes *b, const void *data, size_t len, struct err *e);
WARN_UNUSED bool bytes_add_text(struct bytes *b, const char *text, struct err *e);
WARN_UNUSED bool bytes_printf(struct bytes *b, struct err *e, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Replaces the content. */
WARN_UNUSED bool bytes_set(struct bytes *b, const void *data, size_t len, struct err *e);

/* Empties, wiping a secret; keeps max and secret. */
void bytes_clear(struct bytes *b);

/* Frees, wiping a secret; leaves zero behind. */
void bytes_fini(struct bytes *b);
AUTO_DEFINE(bytes, struct bytes)

/* The content as text: "" while empty. Holds as long as b is unchanged. */
const char *bytes_text(const struct bytes *b);

bool bytes_equal(const struct bytes *a, const struct bytes *b);

/* Overwrites memory in a way that the compiler keeps. */
void wipe(void *p, size_t len);

#endif
