/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/der.h"

#include <string.h>
#include <time.h>

void der_raw(struct der *d, const void *bytes, size_t len)
{
	if (d->full || len > d->room - d->len) {
		d->full = true;
		return;
	}
	if (len)
		memcpy(d->data + d->len, bytes, len);
	d->len += len;
}

size_t der_open(struct der *d, uint8_t tag)
{
	der_raw(d, &tag, 1);
	return d->len;
}

size_t der_open_bits(struct der *d)
{
	size_t mark = der_open(d, DER_BIT_STRING);
	der_raw(d, "", 1);
	return mark;
}

static size_t length_encode(size_t len, uint8_t out[4])
{
	if (len < 0x80) {
		out[0] = (uint8_t)len;
		return 1;
	}
	size_t n = len > 0xffff ? 3 : len > 0xff ? 2 : 1;
	out[0] = (uint8_t)(0x80 | n);
	for (size_t i = 0; i < n; i++)
		out[1 + i] = (uint8_t)(len >> (8 * (n - 1 - i)));
	return 1 + n;
}

void der_close(struct der *d, size_t mark)
{
	uint8_t head[4];
	if (d->full)
		return;
	size_t content = d->len - mark, n = length_encode(content, head);
	if (n > d->room - d->len || content > 0xffffff) {
		d->full = true;
		return;
	}
	memmove(d->data + mark + n, d->data + mark, content);
	memcpy(d->data + mark, head, n);
	d->len += n;
}

void der_put(struct der *d, uint8_t tag, const void *content, size_t len)
{
	size_t mark = der_open(d, tag);
	der_raw(d, content, len);
	der_close(d, mark);
}

void der_unsigned(struct der *d, const uint8_t *big_endian, size_t len)
{
	while (len > 1 && !big_endian[0]) {
		big_endian++;
		len--;
	}
	size_t mark = der_open(d, DER_INTEGER);
	if (!len || big_endian[0] & 0x80)
		der_raw(d, "", 1);
	der_raw(d, big_endian, len);
	der_close(d, mark);
}

void der_time(struct der *d, int64_t wall_ms)
{
	time_t t = (time_t)((wall_ms - (wall_ms < 0 ? 999 : 0)) / 1000);	/* rounded down before 1970 too */
	struct tm tm;
	char text[24];
	if (!gmtime_r(&t, &tm) || tm.tm_year < 50 || tm.tm_year > 9999 - 1900) {
		d->full = true;
		return;
	}
	bool utc = tm.tm_year < 150;
	size_t n = strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &tm), century = utc ? 2 : 0;
	der_put(d, utc ? DER_UTC_TIME : DER_GENERALIZED_TIME, text + century, n - century);
}

bool der_whole(const struct der *d)
{
	return !d->full;
}
