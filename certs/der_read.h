/* SPDX-License-Identifier: Apache-2.0 */
/* Reading DER (X.690, section 10) as a stranger wrote it: definite lengths in their shortest form, tags of one byte, and
 * nothing else.
 *
 * A reader takes values from the front of a span; what it gives is lent from the same bytes. A refusal is plain false: the
 * caller knows which field it was. Only files of this room include this header. */
#ifndef CERTS_DER_READ_H
#define CERTS_DER_READ_H

#include "station/base/err.h"
#include "station/base/sha256.h"

/* Takes the next value, which must have this tag; ret is its content. */
WARN_UNUSED bool der_read(struct span *in, uint8_t tag, struct span *ret);

/* Takes the next value of any tag. */
WARN_UNUSED bool der_read_any(struct span *in, uint8_t *ret_tag, struct span *ret);

/* The same, with its tag and length: for what is hashed or read elsewhere as a whole. */
WARN_UNUSED bool der_read_whole(struct span *in, uint8_t tag, struct span *ret);

/* Takes an INTEGER that is not negative; ret is its big-endian magnitude without leading zeros (empty for 0). */
WARN_UNUSED bool der_read_unsigned(struct span *in, struct span *ret);

/* Takes a BIT STRING of whole bytes. */
WARN_UNUSED bool der_read_bits(struct span *in, struct span *ret);

/* True if the content is these bytes. */
bool der_is(const struct span *content, const void *bytes, size_t len);

/* True if the bytes are exactly one value of `tag`, and DER all the way down: lengths as above, strings in one piece and of whole
 * characters, INTEGER, ENUMERATED, BOOLEAN, NULL, OBJECT IDENTIFIER and BIT STRING in their one form, at most 16 levels. The order
 * within a SET is not asked for. */
bool der_is_canonical(const void *der, size_t len, uint8_t tag);

#endif
