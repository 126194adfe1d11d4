/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/serial_line.h"
#include "station/base/clock.h"
#include "station/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A request is sent again after this silence, then after twice as long, up to the longest: an answer may have been lost, or take
 * long. */
#define AGAIN_MS 400
#define AGAIN_MOST_MS 3200
#define BUSY_MS 50
#define REQUEST_ROOM (SERIAL_LINE_MAX + 2)	/* with the empty line before, and NUL */
#define HEAD 6		/* "<0123 " */
#define TAIL 9		/* "*89abcdef" */

uint32_t serial_crc(const void *data, size_t len)
{
	const uint8_t *at = data;
	uint32_t crc = UINT32_MAX;
	for (; len; len--) {
		crc ^= *at++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
	}
	return ~crc;
}

void serial_line_init(struct serial_line *l, const struct serial_wire *wire, uint16_t first)
{
	memset(l, 0, sizeof(*l));
	l->wire = *wire;
	l->number = first;
	l->lines_left = SERIAL_LINES_MAX;
}

/* Exactly `digits` lower-case hex digits. */
static bool number_at(const char *at, unsigned digits, uint32_t *ret)
{
	*ret = 0;
	for (unsigned i = 0; i < digits; i++) {
		const char *all = "0123456789abcdef", *digit = at[i] ? strchr(all, at[i]) : NULL;
		if (!digit)
			return false;
		*ret = *ret << 4 | (uint32_t)(digit - all);
	}
	return true;
}

/* "<NNNN text*CCCCCCCC" with this request's number: takes the text. */
static bool answer_take(struct serial_line *l, const char *at, size_t len)
{
	uint32_t number, crc;
	if (len < HEAD + TAIL || !number_at(at + 1, 4, &number) || at[5] != ' ' || at[len - TAIL] != '*'
	    || !number_at(at + len - TAIL + 1, 8, &crc))
		return false;
	size_t text_len = len - HEAD - TAIL;
	if (number != l->number || text_len > SERIAL_TEXT_MAX || crc != serial_crc(at + 1, len - 1 - TAIL)
	    || !text_is_printable(at + HEAD, text_len))
		return false;
	memcpy(l->answer, at + HEAD, text_len);
	l->answer[text_len] = '\0';
	return true;
}

/* Noise may stand before the answer in its line, and may hold a marker. */
static bool line_answers(struct serial_line *l)
{
	size_t len = l->line_len;
	while (len && l->line[len - 1] == '\r')
		len--;
	for (size_t at = 0; at < len; at++)
		if (l->line[at] == '<' && answer_take(l, l->line + at, len - at))
			return true;
	return false;
}

/* Goes through what has come; true when it holds the answer. */
static bool lines_search(struct serial_line *l)
{
	while (l->in_at < l->in_len && l->lines_left) {
		char c = l->in[l->in_at++];
		if (c != '\n' && l->line_len < sizeof(l->line)) {
			l->line[l->line_len++] = c;
			continue;
		}
		if (c != '\n') {
			l->overlong = true;
			continue;
		}
		bool found = !l->overlong && line_answers(l);
		l->overlong = false;
		l->line_len = 0;
		l->lines_left--;
		if (found)
			return true;
	}
	return false;
}

static bool answer_receive(struct serial_line *l, int64_t deadline_ms, struct err *e)
{
	for (;;) {
		if (lines_search(l))
			return true;
		if (!l->lines_left)
			return err_set(e, E_SERIAL_LINE, "the budget of lines is spent");
		l->in_at = l->in_len = 0;
		/* Noise that never ends must not keep us from asking again. */
		if (!clock_left_ms(deadline_ms))
			return err_set(e, E_CHILD_SILENT, "the unit does not answer on its serial line");
		if (!l->wire.receive(l->wire.ctx, l->in, sizeof(l->in), &l->in_len, deadline_ms, e))
			return false;
	}
}

static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
	return a_ms < b_ms ? a_ms : b_ms;
}

/* Sends the request until it is answered. */
static bool exchange(struct serial_line *l, const char *request, size_t len, int64_t deadline_ms, struct err *e)
{
	for (int64_t wait_ms = AGAIN_MS;; wait_ms = sooner(2 * wait_ms, AGAIN_MOST_MS)) {
		struct err why = {0};
		int64_t until_ms = sooner(clock_steady_ms() + wait_ms, deadline_ms);
		if (!l->wire.send(l->wire.ctx, request, len, deadline_ms, e))
			return false;
		if (answer_receive(l, until_ms, &why))
			return true;
		if (why.code != E_CHILD_SILENT || !clock_left_ms(deadline_ms))
			return err_native(e, why.code, why.native, "%s", why.what);
	}
}

static bool refusal(const char *reason, struct err *e)
{
	static const struct { const char *word; enum err_code code; const char *text; } reasons[] = {
		{"hello", E_SERIAL_LINE, "the unit started again in the middle"},
		{"closed", E_UNIT_CLOSED, "factory mode is closed"},
		{"storage", E_UNIT_STORAGE, "the unit's storage failed"},
		{"other", E_KEY_OTHER, "the unit holds a key of another job"},
		{"none", E_READ_BACK, "no bundle is stored"},
		{"key", E_KEY_SILENT, "the unit has no key, or its key does not sign"},
	};
	for (size_t i = 0; i < COUNT_OF(reasons); i++)
		if (!strcmp(reason, reasons[i].word))
			return err_set(e, reasons[i].code, "%s", reasons[i].text);
	return err_set(e, E_SERIAL_LINE, "the unit refused: \"%.40s\"", reason);
}

static bool pause_busy(int64_t deadline_ms, struct err *e)
{
	if (clock_left_ms(deadline_ms) <= BUSY_MS)
		return err_set(e, E_UNIT_BUSY, "busy until the time was up");
	clock_sleep_ms(BUSY_MS);
	return true;
}

/* An empty line before the request ends whatever noise the device has half a line of. */
static bool request_build(uint16_t number, const char *text, char ret[static REQUEST_ROOM], size_t *ret_len, struct err *e)
{
	char body[SERIAL_TEXT_MAX + HEAD];
	int n = snprintf(body, sizeof(body), "%04x %s", number, text);
	if (n < 0 || (size_t)n >= sizeof(body))
		return err_set(e, E_SERIAL_LINE, "a request of %d characters", n);
	n = snprintf(ret, REQUEST_ROOM, "\n>%s*%08x\n", body, serial_crc(body, (size_t)n));
	*ret_len = (size_t)n;
	return true;
}

bool serial_ask(struct serial_line *l, const char **ret, int64_t deadline_ms, struct err *e, const char *fmt, ...)
{
	char text[SERIAL_TEXT_MAX + 1], request[REQUEST_ROOM];
	size_t len = 0;
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		return err_set(e, E_SERIAL_LINE, "a request of %d characters", n);
	for (;;) {
		if (!request_build(++l->number, text, request, &len, e) || !exchange(l, request, len, deadline_ms, e))
			return err_in(e, "%.*s", (int)strcspn(text, " "), text);
		if (!strncmp(l->answer, "ok", 2) && (l->answer[2] == ' ' || !l->answer[2])) {
			*ret = l->answer + 2 + (l->answer[2] == ' ');
			return true;
		}
		if (strncmp(l->answer, "no ", 3) != 0)
			return err_set(e, E_SERIAL_LINE, "%.*s: an answer that is neither yes nor no", (int)strcspn(text, " "), text);
		if (strcmp(l->answer + 3, "busy") != 0)
			return refusal(l->answer + 3, e) || err_in(e, "%.*s", (int)strcspn(text, " "), text);
		if (!pause_busy(deadline_ms, e))
			return false;
	}
}

bool serial_fetch(struct serial_line *l, const char *name, size_t len, const uint8_t sha256[static SHA256_SIZE], struct bytes *ret,
		  int64_t deadline_ms, struct err *e)
{
	uint8_t hash[SHA256_SIZE];
	bytes_clear(ret);
	while (ret->len < len) {
		AUTO(bytes) struct bytes piece = {.max = SERIAL_PIECE};
		const char *text;
		struct err bad = {0};
		size_t want = len - ret->len < SERIAL_PIECE ? len - ret->len : SERIAL_PIECE;
		if (!serial_ask(l, &text, deadline_ms, e, "part %s %zu", name, ret->len))
			return false;
		if (!base64_decode(text, strlen(text), &piece, &bad) || piece.len != want)
			return err_set(e, E_SERIAL_LINE, "a piece of %s at %zu is not %zu bytes", name, ret->len, want);
		if (!bytes_add(ret, piece.data, piece.len, e))
			return false;
	}
	sha256_of(ret->data, ret->len, hash);
	return !memcmp(hash, sha256, SHA256_SIZE) || err_set(e, E_SERIAL_LINE, "%s has another hash than was said", name);
}
