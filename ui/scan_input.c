/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/scan_input.h"
#include "station/base/bytes.h"
#include "ui/glyph.h"
#include "ui/screen.h"

#include <stdio.h>
#include <string.h>

void scan_input_setup(struct scan_input *in, const char *prefix, const char *suffix, int gap_ms)
{
	snprintf(in->prefix, sizeof(in->prefix), "%s", prefix);
	snprintf(in->suffix, sizeof(in->suffix), "%s", *suffix ? suffix : "\r");
	for (char *p = in->suffix; *p; p++)
		*p = (char)(*p == '\n' ? KEYS_ENTER : *p);	/* a terminal's Enter, whichever it sends */
	in->gap_ms = gap_ms > 0 ? gap_ms : 35;
}

void scan_input_drop(struct scan_input *in)
{
	wipe(in->typed, sizeof(in->typed));
	in->typed_len = 0;
	in->typing = false;
}

static void forget_burst(struct scan_input *in)
{
	wipe(in->text, sizeof(in->text));
	in->len = 0;
	in->burst = in->overflow = in->remainder = false;
}

/* The burst is dropped, and what is torn off it will be. */
static void cut(struct scan_input *in, struct scan_event *ret)
{
	forget_burst(in);
	in->quiet_until_ms = in->last_ms + SCAN_QUIET_MS;
	ret->what = SCANNED_CUT;
}

static bool is_text(int key)
{
	return key > 0 && key < 0x110000;
}

/* Appends a character as UTF-8; false when there is no room. */
static bool append(char *text, size_t *len, int key)
{
	char utf8[5];
	size_t n = (size_t)glyph_utf8((uint32_t)key, utf8);
	if (*len + n >= SCAN_ROOM)
		return false;
	memcpy(text + *len, utf8, n);
	*len += n;
	text[*len] = '\0';
	return true;
}

static bool ends_with(const struct scan_input *in, const char *end)
{
	size_t n = strlen(end);
	return in->len >= n && !memcmp(in->text + in->len - n, end, n);
}

static bool begins_with_prefix(const struct scan_input *in)
{
	size_t n = strlen(in->prefix);
	return n > 0 && in->len >= n && !memcmp(in->text, in->prefix, n);
}

/* ---- what a person writes ---- */

static void send_typed(struct scan_input *in, struct scan_event *ret)
{
	ret->what = in->typed_len ? SCANNED_CODE : SCANNED_NOTHING;
	ret->typed = true;
	memcpy(ret->code, in->typed, in->typed_len + 1);
	scan_input_drop(in);
}

static void person_key(struct scan_input *in, int key, struct scan_event *ret)
{
	bool digit = key >= '0' && key <= '9';
	if (!in->typing && (key == '/' || (in->pin && digit))) {
		in->typing = true;
		in->typed_len = 0;
		in->typed[0] = '\0';
		if (digit && !append(in->typed, &in->typed_len, key))
			in->typed_len = 0;
		return;
	}
	if (!in->typing || !is_text(key)) {
		*ret = (struct scan_event){.what = SCANNED_KEY, .key = key};
		return;
	}
	if (key == KEYS_ENTER) {
		send_typed(in, ret);
	} else if (key == KEYS_ESCAPE) {
		scan_input_drop(in);
	} else if (key == 0x7f || key == '\b') {
		while (in->typed_len && (in->typed[--in->typed_len] & 0xc0) == 0x80)
			continue;
		in->typed[in->typed_len] = '\0';
	} else if (key >= 0x20 && !append(in->typed, &in->typed_len, key)) {
		scan_input_drop(in);
		ret->what = SCANNED_CUT;
	}
}

/* ---- bursts ---- */

/* The first character of what waits, which came alone. */
static int first_key(const struct scan_input *in)
{
	const char *p = in->text;
	return (int)glyph_next(&p);
}

static void end_burst(struct scan_input *in, struct scan_event *ret)
{
	size_t from = begins_with_prefix(in) ? strlen(in->prefix) : 0;
	size_t end = in->len - strlen(in->suffix);
	bool good = !in->overflow && (!in->remainder || from) && end >= from + (from ? 1 : SCAN_BURST_LEAST);
	for (size_t i = from; i < end; i++)
		good = good && (unsigned char)in->text[i] >= 0x20 && in->text[i] != 0x7f;
	scan_input_drop(in);
	if (!good) {
		cut(in, ret);
		return;
	}
	ret->what = SCANNED_CODE;
	memcpy(ret->code, in->text + from, end - from);
	ret->code[end - from] = '\0';
	forget_burst(in);
}

void scan_input_tick(struct scan_input *in, int64_t now_ms, struct scan_event *ret)
{
	*ret = (struct scan_event){0};
	if (in->len == 0 || now_ms - in->last_ms <= in->gap_ms)
		return;
	if (in->burst || begins_with_prefix(in)) {
		cut(in, ret);
		return;
	}
	int key = first_key(in);
	bool remainder = in->remainder;
	forget_burst(in);
	if (!remainder)
		person_key(in, key, ret);
}

void scan_input_feed(struct scan_input *in, int key, int64_t now_ms, struct scan_event *ret)
{
	*ret = (struct scan_event){0};
	if (!is_text(key)) {	/* no scanner sends arrows */
		if (in->len > 0)
			cut(in, ret);
		else if (now_ms >= in->quiet_until_ms)
			person_key(in, key, ret);
		return;
	}
	in->burst = in->len > 0;
	in->remainder = in->burst ? in->remainder : now_ms < in->quiet_until_ms;
	in->last_ms = now_ms;
	if (!append(in->text, &in->len, key)) {
		in->overflow = true;	/* its end is still looked for, in a text that begins anew */
		in->len = 0;
		in->burst = append(in->text, &in->len, key);
	}
	if (in->burst && ends_with(in, in->suffix))
		end_burst(in, ret);
}

int scan_input_due_ms(const struct scan_input *in, int64_t now_ms)
{
	if (in->len == 0)
		return -1;
	int64_t left = in->last_ms + in->gap_ms + 1 - now_ms;
	return left > 0 ? (int)left : 0;
}
