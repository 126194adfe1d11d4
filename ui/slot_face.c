/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/screen.h"
#include "ui/glyph.h"

#include <string.h>

struct slot_face slot_face(const struct model_slot *s)
{
	static const struct slot_face by_state[] = {
		[SLOT_EMPTY] = {0x25cb, "empty", STYLE_DIM},		/* ○ */
		[SLOT_WORKING] = {0x25b6, "WORKING", STYLE_WORK},	/* ▶ */
		[SLOT_WAITING] = {0x25b7, "WAITING", STYLE_WAIT},	/* ▷ */
		[SLOT_DONE] = {0x25cb, "done", STYLE_NORMAL},
	};
	static const struct slot_face by_verdict[] = {
		[SLOT_PASS] = {0x2713, "PASS", STYLE_GOOD},	/* ✓ */
		[SLOT_BUILT] = {0x25c7, "BUILT", STYLE_WAIT},	/* ◇ */
		[SLOT_HOLD] = {0x25c6, "HOLD", STYLE_HOLD},	/* ◆ */
		[SLOT_FAIL] = {0x2717, "FAIL", STYLE_BAD},	/* ✗ */
	};
	if (s->state != SLOT_EMPTY && s->state != SLOT_WORKING && s->verdict != SLOT_NO_VERDICT)
		return by_verdict[s->verdict];
	return by_state[s->state];
}

void text_tail(const char *text, int count, char *out, size_t room)
{
	int skip = 0, total = 0;
	const char *p = text;
	while (glyph_next(&p))
		total++;
	p = text;
	out[0] = '\0';
	if (total > count) {
		for (skip = total - count + 1; skip > 0; skip--)
			glyph_next(&p);
		strncat(out, "…", room - 1);
	}
	strncat(out, p, room - 1 - strlen(out));
}
