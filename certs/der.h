/* SPDX-License-Identifier: Apache-2.0 */
/* Writing DER (X.690) front to back: open a constructed value, write what is in it, close it, and
 * its length is put in.
 *
 * The buffer is the caller's. Room that runs out is remembered, and der_whole says so once at the
 * end, so that a certificate reads as the list of its fields. The reader, for strangers' DER, is
 * certs/der_read.h: nothing of the issuing side parses DER from a device. */
#ifndef CERTS_DER_H
#define CERTS_DER_H

#include "station/base/err.h"

enum {
	DER_INTEGER = 0x02, DER_BIT_STRING = 0x03, DER_OCTET_STRING = 0x04, DER_OID = 0x06,
	DER_UTF8 = 0x0c, DER_UTC_TIME = 0x17, DER_GENERALIZED_TIME = 0x18, DER_SEQUENCE = 0x30,
	DER_SET = 0x31, DER_CONTEXT = 0x80, DER_CONTEXT_OF = 0xa0,	/* plus the number of the tag */
};

struct der {
	uint8_t *data;
	size_t len, room;
	bool full;
};

/* A buffer that lives in an array of the caller. */
#define DER_IN(array) {.data = (array), .room = sizeof(array)}

/* Opens a value of this tag; the answer goes to der_close. */
size_t der_open(struct der *d, uint8_t tag);
void der_close(struct der *d, size_t mark);

/* A whole primitive value. */
void der_put(struct der *d, uint8_t tag, const void *content, size_t len);
/* Bytes as they are: a value encoded elsewhere. */
void der_raw(struct der *d, const void *bytes, size_t len);
/* A non-negative INTEGER from big-endian bytes, made minimal. */
void der_unsigned(struct der *d, const uint8_t *big_endian, size_t len);
/* Opens a BIT STRING without unused bits. */
size_t der_open_bits(struct der *d);
/* Time as RFC 5280, 4.1.2.5 wants it: UTCTime to 2049, GeneralizedTime after; whole seconds. */
void der_time(struct der *d, int64_t wall_ms);

/* False if the room ran out. */
bool der_whole(const struct der *d);

#endif
