/* SPDX-License-Identifier: Apache-2.0 */
#include "db/audit_text.h"
#include "station/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool is_plain(const char *text)
{
	return text_is_printable(text, strlen(text)) && !strpbrk(text, "\"\\");
}

bool audit_tail(const char *type, const char *job, int64_t time_ms, char out[static AUDIT_TAIL_MAX])
{
	int n = snprintf(out, AUDIT_TAIL_MAX, "\"job\":\"%s\",\"time\":%" PRId64 ",\"type\":\"%s\",\"v\":1}", job, time_ms, type);
	return n < AUDIT_TAIL_MAX && is_plain(type) && is_plain(job);
}

bool audit_entry_names(const void *entry, size_t len, const char *type, const char *job, int64_t time_ms)
{
	char tail[AUDIT_TAIL_MAX];
	if (!audit_tail(type, job, time_ms, tail))
		return false;
	size_t n = strlen(tail);
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
