/* SPDX-License-Identifier: Apache-2.0 */
/* A conversation with a unit as readable text: what `record` writes and `replay` reads.
 *
 *   # station capture 1                  the first line; other lines that begin with '#' are for people
 *   > make_key                           the station asks
 *   * leaf_public 0018…                  evidence, in hex; "-" for what is a secret and was left out
 *   = made 1                             a field of the result
 *   . ok 12 ms                           or: . E-USB-005 the words of the error
 *
 * Only what the unit says is kept, never what it is told: so no key's seed, no token and no blob of the service is in it. A secret
 * that a challenge brought to light, and a message authentication code, are left out. */
#ifndef DRIVERS_CAPTURE_H
#define DRIVERS_CAPTURE_H

#include "drivers/wrap.h"

#define CAPTURE_FIRST_LINE "# station capture 1"
#define CAPTURE_MAX ((size_t)1 << 20)	/* bytes of a whole file */

/* "ek_public" and so on; NULL for no kind. */
const char *evidence_name(enum evidence_kind kind);
/* 0 if there is none of this name. */
enum evidence_kind evidence_find(const char *name);
bool evidence_is_secret(enum evidence_kind kind);

/* A field of a moment's result. */
enum capture_form { CAPTURE_TEXT, CAPTURE_BOOL, CAPTURE_HEX, CAPTURE_SECRET };
struct capture_field {
	enum moment moment;
	const char *name;
	enum capture_form form;
	size_t offset, size;
};

/* Ends with a row without a name. */
extern const struct capture_field capture_fields[];

#endif
