/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/der_read.h"
#include "certs/der.h"

#include <string.h>

#define LEVELS_MAX 16
#define LENGTH_BYTES_MAX 3

enum {
	DER_BOOLEAN = 0x01, DER_NULL = 0x05, DER_ENUMERATED = 0x0a, DER_UNIVERSAL = 0x1c, DER_BMP = 0x1e,
	TAG_CONSTRUCTED = 0x20, TAG_CLASS = 0xc0, TAG_NUMBER = 0x1f,
};

static void advance(struct span *in, size_t by)
{
	in->data = (const uint8_t *)in->data + by;
	in->len -= by;
}

/* The length behind a tag. `p` has `room` bytes; ret_head is how many of them it takes. */
static bool length_of(const uint8_t *p, size_t room, size_t *ret, size_t *ret_head)
{
	size_t count = p[0] & 0x7f;
	*ret_head = 1;
	*ret = p[0];
	if (p[0] < 0x80)
		return true;
	if (!count || count > LENGTH_BYTES_MAX || count + 1 > room || !p[1])
		return false;	/* without end, of no use here, or with a zero in front */
	*ret_head += count;
	*ret = 0;
	for (size_t i = 1; i <= count; i++)
		*ret = *ret << 8 | p[i];
	return *ret >= 0x80;
}

bool der_read_any(struct span *in, uint8_t *ret_tag, struct span *ret)
{
	const uint8_t *p = in->data;
	size_t len, head;
	if (in->len < 2 || (p[0] & TAG_NUMBER) == TAG_NUMBER || !p[0] || !length_of(p + 1, in->len - 1, &len, &head))
		return false;
	head++;
	if (len > in->len - head)
		return false;
	*ret_tag = p[0];
	*ret = (struct span){p + head, len};
	advance(in, head + len);
	return true;
}

bool der_read(struct span *in, uint8_t tag, struct span *ret)
{
	struct span rest = *in;
	uint8_t found;
	if (!der_read_any(&rest, &found, ret) || found != tag)
		return false;
	*in = rest;
	return true;
}

bool der_read_whole(struct span *in, uint8_t tag, struct span *ret)
{
	struct span content;
	const uint8_t *from = in->data;
	if (!der_read(in, tag, &content))
		return false;
	*ret = (struct span){from, (size_t)((const uint8_t *)in->data - from)};
	return true;
}

static bool integer_is_minimal(const uint8_t *p, size_t len)
{
	if (len < 2)
		return len == 1;
	return !(p[0] == 0x00 && !(p[1] & 0x80)) && !(p[0] == 0xff && p[1] & 0x80);
}

bool der_read_unsigned(struct span *in, struct span *ret)
{
	if (!der_read(in, DER_INTEGER, ret) || !integer_is_minimal(ret->data, ret->len))
		return false;
	uint8_t first = *(const uint8_t *)ret->data;
	if (!first)
		advance(ret, 1);
	return first < 0x80;
}

bool der_read_bits(struct span *in, struct span *ret)
{
	if (!der_read(in, DER_BIT_STRING, ret) || !ret->len || *(const uint8_t *)ret->data)
		return false;
	advance(ret, 1);
	return true;
}

bool der_is(const struct span *content, const void *bytes, size_t len)
{
	return content->len == len && !memcmp(content->data, bytes, len);
}

/* ---- all the way down ---- */

static bool bits_are_canonical(const uint8_t *p, size_t len)
{
	if (!len || p[0] > 7 || (len == 1 && p[0]))
		return false;
	return len == 1 || !(p[len - 1] & ((1u << p[0]) - 1));
}

/* Groups of seven bits, each number without leading zeros, the last one ended (8.19). */
static bool oid_is_canonical(const uint8_t *p, size_t len)
{
	bool begins = true;
	for (size_t i = 0; i < len; i++) {
		if (begins && p[i] == 0x80)
			return false;
		begins = p[i] < 0x80;
	}
	return len && begins;
}

static bool primitive_is_canonical(uint8_t tag, const uint8_t *p, size_t len)
{
	switch (tag) {
	case DER_BOOLEAN:
		return len == 1 && (p[0] == 0x00 || p[0] == 0xff);
	case DER_INTEGER:
	case DER_ENUMERATED:
		return integer_is_minimal(p, len);
	case DER_BIT_STRING:
		return bits_are_canonical(p, len);
	case DER_NULL:
		return len == 0;
	case DER_OID:
		return oid_is_canonical(p, len);
	case DER_UNIVERSAL:
		return len % 4 == 0;
	case DER_BMP:
		return len % 2 == 0;
	case DER_SEQUENCE & ~TAG_CONSTRUCTED:
	case DER_SET & ~TAG_CONSTRUCTED:
		return false;
	default:
		return true;
	}
}

/* Universal types in pieces are BER; only these two are made of others. */
static bool may_be_constructed(uint8_t tag)
{
	return tag & TAG_CLASS || tag == DER_SEQUENCE || tag == DER_SET;
}

static bool values_are_canonical(struct span in, unsigned levels)
{
	struct span content;
	uint8_t tag;
	while (in.len) {
		if (!der_read_any(&in, &tag, &content))
			return false;
		bool deeper = tag & TAG_CONSTRUCTED;
		if (deeper ? !levels || !may_be_constructed(tag) || !values_are_canonical(content, levels - 1)
			   : !primitive_is_canonical(tag, content.data, content.len))
			return false;
	}
	return true;
}

bool der_is_canonical(const void *der, size_t len, uint8_t tag)
{
	struct span in = {der, len}, content;
	return der_read(&in, tag, &content) && !in.len && values_are_canonical((struct span){der, len}, LEVELS_MAX);
}
