/* SPDX-License-Identifier: Apache-2.0 */
#include "util.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void text_drop(char **t)
{
	free(*t);
	*t = NULL;
}

void *must(void *p)
{
	if (!p) {
		fputs("dps-emulator: out of memory\n", stderr);
		abort();
	}
	return p;
}

char *text_of(const char *fmt, ...)
{
	char *t = NULL;
	va_list ap;
	va_start(ap, fmt);
	int n = vasprintf(&t, fmt, ap);
	va_end(ap);
	return must(n < 0 ? NULL : t);
}

char *text_copy(const char *t, size_t n)
{
	return must(strndup(t, n));
}

char *text_lower(const char *t)
{
	char *low = must(strdup(t));
	for (char *c = low; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return low;
}

bool text_same(const char *a, const char *b)
{
	return a && b && strcasecmp(a, b) == 0;
}

bool text_ends(const char *t, const char *end)
{
	size_t n = strlen(t), m = strlen(end);
	return n >= m && strcasecmp(t + n - m, end) == 0;
}

bool text_starts(const char *t, const char *start)
{
	return strncasecmp(t, start, strlen(start)) == 0;
}

/* Bytes of the UTF-8 sequence at c (RFC 3629), 0 when it is none. */
static size_t utf8_len(const unsigned char *c)
{
	/* Rows: first byte from..to, length, and the range of the second byte. */
	static const struct {
		unsigned char from, to, len, low, high;
	} forms[] = {
		{0x00, 0x7f, 1, 0, 0}, {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
		{0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
		{0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
	};
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		if (c[0] < forms[i].from || c[0] > forms[i].to)
			continue;
		size_t n = forms[i].len, k = 1;
		if (n > 1 && (c[1] < forms[i].low || c[1] > forms[i].high))
			return 0;
		while (k < n && (k == 1 || (c[k] & 0xc0) == 0x80))
			k++;
		return k == n ? n : 0;
	}
	return 0;
}

bool text_clean(char *t)
{
	bool clean = true;
	while (*t) {
		size_t n = utf8_len((const unsigned char *)t);
		if (!n) {
			*t = '?';
			clean = false;
		}
		t += n ? n : 1;
	}
	return clean;
}

bool text_number(const char *t, int64_t *ret)
{
	if (!t || !(isdigit((unsigned char)*t) || (*t == '-' && isdigit((unsigned char)t[1]))))
		return false;
	char *end = NULL;
	errno = 0;
	long long v = strtoll(t, &end, 10);
	if (errno || *end)
		return false;
	*ret = v;
	return true;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes into out, which is as long as the input. False when a triplet is none or stands for NUL. */
static bool percent_decode_into(char *out, const char *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int c = (unsigned char)t[i];
		if (c == '%') {
			int high = n - i > 2 ? hex_value(t[i + 1]) : -1;
			int low = high >= 0 ? hex_value(t[i + 2]) : -1;
			c = low >= 0 ? high * 16 + low : 0;
			i += 2;
		}
		if (!c)
			return false;
		*out++ = (char)c;
	}
	*out = '\0';
	return true;
}

char *percent_decode(const char *t, size_t n)
{
	char *out = must(malloc(n + 1));
	if (percent_decode_into(out, t, n) && text_clean(out))
		return out;
	free(out);
	return NULL;
}

char *base64_of(const void *bytes, size_t n)
{
	char *t = must(malloc(4 * ((n + 2) / 3) + 1));
	EVP_EncodeBlock((unsigned char *)t, bytes, (int)n);
	return t;
}

/* Copies without white space; the number of characters, 0 when padding does not stand at the end. */
static size_t squeeze(char *out, const char *t, size_t *ret_pad)
{
	size_t n = 0, pad = 0;
	for (; *t; t++) {
		if (isspace((unsigned char)*t))
			continue;
		if (pad && *t != '=')
			return 0;
		pad += *t == '=';
		out[n++] = *t;
	}
	*ret_pad = pad;
	return pad <= 2 && n % 4 == 0 ? n : 0;
}

uint8_t *base64_bytes(const char *t, size_t *ret_n)
{
	size_t pad = 0;
	char *dense = must(malloc(strlen(t) + 1));
	size_t n = squeeze(dense, t, &pad);
	uint8_t *bytes = must(malloc(n / 4 * 3 + 1));
	int len = n ? EVP_DecodeBlock(bytes, (unsigned char *)dense, (int)n) : -1;
	free(dense);
	if (len < (int)pad) {
		free(bytes);
		return NULL;
	}
	*ret_n = (size_t)len - pad;
	bytes[*ret_n] = 0;
	return bytes;
}

char *hex_of(const void *bytes, size_t n)
{
	const uint8_t *b = bytes;
	char *t = must(malloc(2 * n + 1));
	for (size_t i = 0; i < n; i++)
		snprintf(t + 2 * i, 3, "%02X", b[i]);
	t[2 * n] = '\0';
	return t;
}

void random_fill(void *bytes, size_t n)
{
	if (RAND_bytes(bytes, (int)n) != 1) {
		fputs("dps-emulator: no random numbers\n", stderr);
		abort();
	}
}

char *random_base64(size_t n)
{
	uint8_t *bytes = must(malloc(n));
	random_fill(bytes, n);
	char *t = base64_of(bytes, n);
	free(bytes);
	return t;
}

char *random_token(void)
{
	char *t = random_base64(33);
	for (char *c = t; *c; c++)
		*c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
	return t;
}

char *uuid_new(void)
{
	uint8_t b[16];
	random_fill(b, sizeof b);
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	return text_of("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7],
		b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

int64_t clock_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

char *time_text(int64_t ms)
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;
	char day[32];
	gmtime_r(&s, &tm);
	strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
	return text_of("%s.%03dZ", day, (int)(ms % 1000));
}

char *time_rfc1123(int64_t ms)
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;
	char day[64];
	gmtime_r(&s, &tm);
	strftime(day, sizeof day, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	return text_copy(day, sizeof day);
}

static bool write_all(int fd, const uint8_t *bytes, size_t n)
{
	while (n) {
		ssize_t k = write(fd, bytes, n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return false;
		bytes += k;
		n -= (size_t)k;
	}
	return true;
}

bool file_write(const char *dir, const char *name, unsigned mode, const void *bytes, size_t n)
{
	AUTO_TEXT path = text_of("%s/%s", dir, name);
	AUTO_TEXT fresh = text_of("%s/.new-%s", dir, name);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	bool ok = fd >= 0 && write_all(fd, bytes, n);
	if (fd >= 0 && close(fd) != 0)
		ok = false;
	if (ok && rename(fresh, path) == 0)
		return true;
	fprintf(stderr, "dps-emulator: cannot write %s: %s\n", path, strerror(errno));
	return false;
}

char *file_read(const char *path, size_t max, size_t *ret_n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	AUTO_TEXT bytes = NULL;
	size_t n = 0;
	ssize_t k = 0;
	do {
		bytes = must(realloc(bytes, n + 65537));
		k = read(fd, bytes + n, 65536);
		n += k > 0 ? (size_t)k : 0;
	} while (k > 0 && n <= max);
	close(fd);
	if (k != 0)
		return NULL;
	bytes[n] = '\0';
	if (ret_n)
		*ret_n = n;
	char *ret = bytes;
	bytes = NULL;
	return ret;
}
