/* SPDX-License-Identifier: Apache-2.0 */
/* Events as lines for a person: what `station watch` and a console without a screen print. */
#include "station/client.h"

#include "station/base/clock.h"

#include <string.h>

/* Adds text with every control character, and what could end one, as '?'. Bytes from 0x80 on
 * pass only as valid UTF-8 from U+00A0, which is what jansson made sure of, save the C1
 * controls. */
static bool add_clean(struct bytes *b, const char *text, struct err *e)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		bool c1 = *p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;
		if (*p < 0x20 || *p == 0x7f || c1) {
			if (!bytes_add(b, "?", 1, e))
				return false;
			p += c1;
		} else if (!bytes_add(b, p, 1, e)) {
			return false;
		}
	}
	return true;
}

/* "word text", with a space in front; nothing where the text is "". */
static bool add_word(struct bytes *b, const char *word, const char *text, struct err *e)
{
	if (!*text)
		return true;
	return bytes_add_text(b, " ", e) && bytes_add_text(b, word, e) && add_clean(b, text, e);
}

static bool add_time(struct bytes *b, int64_t wall_ms, struct err *e)
{
	char time[CLOCK_TEXT];
	clock_text(wall_ms, time);
	return bytes_add_text(b, time, e);
}

static bool add_slot(struct bytes *b, const json_t *slot, struct err *e)
{
	const char *state = json_text_or(slot, "state", "");
	const char *verdict = json_text_or(slot, "verdict", "");
	bool working = !strcmp(state, "working");
	bool ok = add_time(b, json_int_or(slot, "since_ms", 0), e) && add_word(b, "slot ", json_text_or(slot, "name", "?"), e) &&
		  add_word(b, "", *verdict ? verdict : state, e);
	if (working)
		ok = ok && add_word(b, "", json_text_or(slot, "stage", ""), e) &&
		     bytes_printf(b, e, " %lld/%lld", (long long)json_int_or(slot, "stage_index", 0),
				  (long long)json_int_or(slot, "stage_count", 0));
	ok = ok && add_word(b, "serial ", json_text_or(slot, "serial", ""), e) &&
	     add_word(b, "id ", json_text_or(slot, "registration_id", ""), e) &&
	     add_word(b, "hub ", json_text_or(slot, "hub", ""), e) && add_word(b, "", json_text_or(slot, "code", ""), e);
	if (strcmp(state, "empty") && !json_is_true(json_object_get(slot, "safe_to_remove")))
		ok = ok && bytes_add_text(b, " DO NOT PULL", e);
	const char *sentence = json_text_or(slot, "sentence", "");
	return ok && (!*sentence || (bytes_add_text(b, ": ", e) && add_clean(b, sentence, e))) && bytes_add_text(b, "\n", e);
}

static bool add_counts(struct bytes *b, const json_t *counts, struct err *e)
{
	return bytes_printf(b, e, "counts PASS %lld BUILT %lld HOLD %lld FAIL %lld open %lld\n",
			    (long long)json_int_or(counts, "pass", 0), (long long)json_int_or(counts, "built", 0),
			    (long long)json_int_or(counts, "hold", 0), (long long)json_int_or(counts, "fail", 0),
			    (long long)json_int_or(counts, "open", 0));
}

/* What waits for the service; a line without an outbox says nothing. */
static bool add_outbox(struct bytes *b, const json_t *outbox, struct err *e)
{
	long long waiting = (long long)json_int_or(outbox, "waiting", 0);
	bool offline = json_is_true(json_object_get(outbox, "offline"));
	if (!outbox)
		return true;
	return bytes_printf(b, e, "outbox waiting %lld sent %lld aside %lld", waiting, (long long)json_int_or(outbox, "sent", 0),
			    (long long)json_int_or(outbox, "aside", 0)) &&
	       (!waiting || (bytes_add_text(b, " oldest ", e) && add_time(b, json_int_or(outbox, "oldest_ms", 0), e))) &&
	       (!offline || (bytes_add_text(b, " offline since ", e) && add_time(b, json_int_or(outbox, "since_ms", 0), e) &&
			     add_word(b, "", json_text_or(outbox, "code", ""), e) &&
			     add_word(b, "", json_text_or(outbox, "sentence", ""), e))) &&
	       bytes_add_text(b, "\n", e);
}

static bool add_line(struct bytes *b, const json_t *line, struct err *e)
{
	return add_time(b, json_int_or(line, "since_ms", 0), e) && add_word(b, "line ", json_text_or(line, "name", "?"), e) &&
	       add_word(b, "", json_text_or(line, "state", "?"), e) && add_word(b, "", json_text_or(line, "sentence", ""), e) &&
	       add_word(b, "| ", json_text_or(line, "banner", ""), e) && bytes_add_text(b, "\n", e);
}

static bool add_device(struct bytes *b, const json_t *device, struct err *e)
{
	const char *slot = json_text_or(device, "slot", "");
	bool present = json_is_true(json_object_get(device, "present"));
	return bytes_add_text(b, "device", e) && add_word(b, "", json_text_or(device, "port", "?"), e) &&
	       bytes_printf(b, e, "%s", present ? "" : " gone") &&
	       add_word(b, "", json_text_or(device, "product", ""), e) &&
	       add_word(b, "serial ", json_text_or(device, "serial", ""), e) &&
	       (*slot ? add_word(b, "slot ", slot, e) : bytes_add_text(b, " in no slot", e)) && bytes_add_text(b, "\n", e);
}

static bool add_snapshot(struct bytes *b, const json_t *event, struct err *e)
{
	size_t i;
	json_t *slot;
	if (!add_line(b, json_object_get(event, "station"), e))
		return false;
	json_array_foreach(json_object_get(event, "slots"), i, slot)
		if (!add_slot(b, slot, e))
			return false;
	return add_counts(b, json_object_get(event, "counts"), e) && add_outbox(b, json_object_get(event, "outbox"), e);
}

bool client_event_text(const json_t *event, struct bytes *ret, struct err *e)
{
	const char *kind = json_text_or(event, "event", "");
	if (!strcmp(kind, "snapshot"))
		return add_snapshot(ret, event, e);
	if (!strcmp(kind, "slot"))
		return add_slot(ret, json_object_get(event, "slot"), e);
	if (!strcmp(kind, "counts"))
		return add_counts(ret, json_object_get(event, "counts"), e);
	if (!strcmp(kind, "outbox"))
		return add_outbox(ret, json_object_get(event, "outbox"), e);
	if (!strcmp(kind, "device"))
		return add_device(ret, json_object_get(event, "device"), e);
	if (!strcmp(kind, "line"))
		return add_line(ret, json_object_get(event, "line"), e);
	return true;
}
