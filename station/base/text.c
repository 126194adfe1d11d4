/* SPDX-License-Identifier: Apache-2.0 */
#include "station/base/text.h"

#include <string.h>

static const char base64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void hex_encode(const void *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = data;
	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * len] = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool hex_decode(const char *text, void *out, size_t len, struct err *e)
{
	uint8_t *p = out;
	if (strlen(text) != 2 * len)
		return err_set(e, E_TEXT, "%zu hexadecimal digits expected", 2 * len);
	for (size_t i = 0; i < len; i++) {
		int hi = hex_value(text[2 * i]), lo = hex_value(text[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return err_set(e, E_TEXT, "not a hexadecimal digit at %zu", 2 * i);
		p[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

bool base64_encode(const void *data, size_t len, struct bytes *ret, struct err *e)
{
	const uint8_t *p = data;
	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t v = (uint32_t)p[i] << 16 | (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (n > 2 ? p[i + 2] : 0);
		char quad[4] = {base64_alphabet[v >> 18], base64_alphabet[v >> 12 & 63],
				n > 1 ? base64_alphabet[v >> 6 & 63] : '=', n > 2 ? base64_alphabet[v & 63] : '='};
		if (!bytes_add(ret, quad, 4, e))
			return false;
	}
	return true;
}

static int base64_value(char c)
{
	const char *p = c ? strchr(base64_alphabet, c) : NULL;
	return p ? (int)(p - base64_alphabet) : -1;
}

bool base64_decode(const char *text, size_t len, struct bytes *ret, struct err *e)
{
	if (len % 4)
		return err_set(e, E_TEXT, "base64 of a length that is no multiple of 4");
	for (size_t i = 0; i < len; i += 4) {
		bool last = i + 4 == len;
		int pad = last && text[i + 3] == '=' ? (text[i + 2] == '=' ? 2 : 1) : 0;
		uint32_t v = 0;
		for (int k = 0; k < 4; k++) {
			int d = k >= 4 - pad ? 0 : base64_value(text[i + (size_t)k]);
			if (d < 0)
				return err_set(e, E_TEXT, "not base64 at %zu", i + (size_t)k);
			v = v << 6 | (uint32_t)d;
		}
		if ((pad == 1 && v & 0xff) || (pad == 2 && v & 0xffff))
			return err_set(e, E_TEXT, "stray bits at the end of base64");
		uint8_t out[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
		if (!bytes_add(ret, out, (size_t)(3 - pad), e))
			return false;
	}
	return true;
}

void base32_encode(const void *data, size_t len, char *out)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
	const uint8_t *p = data;
	uint32_t bits = 0;
	int have = 0;
	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | p[i];
		have += 8;
		for (; have >= 5; have -= 5)
			*out++ = alphabet[bits >> (have - 5) & 31];
	}
	if (have)
		*out++ = alphabet[bits << (5 - have) & 31];
	*out = '\0';
}

bool text_copy(char *out, size_t room, const char *text, struct err *e)
{
	size_t n = strlen(text);
	if (n >= room)
		return err_set(e, E_TEXT, "longer than %zu characters: \"%.32s…\"", room - 1, text);
	memcpy(out, text, n + 1);
	return true;
}

bool text_is_printable(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	return true;
}
