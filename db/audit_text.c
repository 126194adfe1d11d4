/* SPDX-License-Identifier: Apache-2.0 */
#include "db/audit_text.h"
#include "station/base/text.h"

#include <inttypes.h>
#include <string.h>

/* What printf would do, ten times as slow: a tail is made for every entry that is verified. */
struct tail {
	char *at, *end;	/* there is always room for the 0 */
};

static bool put(struct tail *t, const char *text, size_t len)
{
	if ((size_t)(t->end - t->at) <= len)
		return false;
	memcpy(t->at, text, len);
	t->at += len;
	return true;
}

/* Only what stands for itself in JSON. */
static bool put_plain(struct tail *t, const char *text)
{
	size_t len = 0;
	for (; text[len]; len++)
		if (text[len] < 0x20 || text[len] > 0x7e || text[len] == '"' || text[len] == '\\')
			return false;
	return put(t, text, len);
}

static bool put_number(struct tail *t, int64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);
	uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;
	do
		digits[--at] = (char)('0' + left % 10);
	while (left /= 10);
	return (value >= 0 || put(t, "-", 1)) && put(t, digits + at, sizeof(digits) - at);
}

#define PUT(t, literal) put(t, literal, sizeof(literal) - 1)

static bool make_tail(struct tail *t, const char *type, const char *job, int64_t time_ms)
{
	return PUT(t, "\"job\":\"") && put_plain(t, job) && PUT(t, "\",\"time\":") && put_number(t, time_ms) &&
	       PUT(t, ",\"type\":\"") && put_plain(t, type) && PUT(t, "\",\"v\":1}");
}

bool audit_tail(const char *type, const char *job, int64_t time_ms, char out[static AUDIT_TAIL_MAX])
{
	struct tail t = {out, out + AUDIT_TAIL_MAX};
	bool ok = make_tail(&t, type, job, time_ms);
	*t.at = 0;
	return ok;
}

bool audit_entry_names(const void *entry, size_t len, const char *type, const char *job, int64_t time_ms)
{
	char tail[AUDIT_TAIL_MAX];
	struct tail t = {tail, tail + AUDIT_TAIL_MAX};
	if (!make_tail(&t, type, job, time_ms))
		return false;
	size_t n = (size_t)(t.at - tail);
	return len > n && !memcmp((const char *)entry + len - n, tail, n);
}

bool audit_note_names(const char *note, const char *origin, uint64_t size, const struct merkle_hash *root)
{
	AUTO(bytes) struct bytes head = {0};
	struct err ignored = {0};
	return bytes_printf(&head, &ignored, "%s\n%" PRIu64 "\n", origin, size) &&
	       base64_encode(root->h, MERKLE_HASH, &head, &ignored) && bytes_add_text(&head, "\n", &ignored) &&
	       !strncmp(note, bytes_text(&head), head.len);
}
