/* SPDX-License-Identifier: Apache-2.0 */
/* The one sentence for the whole tray. What harms a unit comes first, then what a person must do, then what he may do. */
#include "ui/model.h"

#include <stdio.h>
#include <string.h>

static void add(char *out, size_t room, const char *text)
{
	size_t n = strlen(out);
	if (n < room)
		snprintf(out + n, room - n, "%s", text);
}

/* Names of the slots that the claim holds for, at most `most` of them, then how many more. */
static size_t add_names(const struct model *m, bool (*claim)(const struct model_slot *), size_t most, char *out, size_t room)
{
	size_t count = 0;
	char more[32];
	for (size_t i = 0; i < m->slot_count; i++) {
		if (!claim(&m->slot[i]) || ++count > most)
			continue;
		add(out, room, " ");
		add(out, room, m->slot[i].name);
	}
	snprintf(more, sizeof(more), " and %zu more", count > most ? count - most : 0);
	if (count > most)
		add(out, room, more);
	return count;
}

static size_t count_of(const struct model *m, bool (*claim)(const struct model_slot *))
{
	size_t n = 0;
	for (size_t i = 0; i < m->slot_count; i++)
		n += claim(&m->slot[i]);
	return n;
}

static bool is_busy(const struct model_slot *s)
{
	return s->state == SLOT_WORKING || s->state == SLOT_WAITING;
}

static bool waits_for(const struct model_slot *s, const char *what)
{
	return s->state == SLOT_WAITING && !strcmp(s->waits_for, what);
}

static bool waits_for_badge(const struct model_slot *s)
{
	return waits_for(s, "badge");
}

static bool waits_for_lot(const struct model_slot *s)
{
	return waits_for(s, "lot");
}

static bool waits_for_label(const struct model_slot *s)
{
	return waits_for(s, "label");
}

static bool waits_for_tray(const struct model_slot *s)
{
	return waits_for(s, "tray");
}

static bool is_pass(const struct model_slot *s)
{
	return s->state == SLOT_DONE && s->verdict == SLOT_PASS;
}

static bool is_built(const struct model_slot *s)
{
	return s->state == SLOT_DONE && s->verdict == SLOT_BUILT;
}

static bool is_hold(const struct model_slot *s)
{
	return s->state == SLOT_DONE && s->verdict == SLOT_HOLD;
}

static bool is_fail(const struct model_slot *s)
{
	return s->state == SLOT_DONE && s->verdict == SLOT_FAIL;
}

static bool is_done(const struct model_slot *s)
{
	return s->state == SLOT_DONE;
}

/* "PULL: 15 good, slot 07 red bin, slots 03 12 hold bin". */
static void add_pull(const struct model *m, char *out, size_t room)
{
	static const struct { bool (*claim)(const struct model_slot *); const char *where; } bins[] = {
		{is_fail, "red bin"}, {is_hold, "hold bin"}, {is_built, "keep apart"},
	};
	char part[64];
	snprintf(part, sizeof(part), "PULL: %zu good", count_of(m, is_pass));
	add(out, room, part);
	for (size_t i = 0; i < COUNT_OF(bins); i++) {
		size_t n = count_of(m, bins[i].claim);
		if (!n)
			continue;
		add(out, room, n > 1 ? ", slots" : ", slot");
		add_names(m, bins[i].claim, 8, out, room);
		add(out, room, " ");
		add(out, room, bins[i].where);
	}
}

/* What a unit in a slot waits for before its work; "" if none does. */
static void add_wanted(const struct model *m, char *out, size_t room)
{
	static const struct { bool (*claim)(const struct model_slot *); const char *what; } wants[] = {
		{waits_for_badge, "SCAN YOUR BADGE: slot"}, {waits_for_lot, "SCAN THE ORDER: slot"},
		{waits_for_label, "SCAN THE LABEL: slot"}, {waits_for_tray, "TAKE OUT: slot"},
	};
	for (size_t i = 0; i < COUNT_OF(wants); i++) {
		if (!count_of(m, wants[i].claim))
			continue;
		add(out, room, wants[i].what);
		add_names(m, wants[i].claim, 8, out, room);
		return;
	}
}

/* Nothing is in the tray. */
static void add_ready(const struct model *m, char *out, size_t room)
{
	const struct model_shift *s = &m->shift;
	if (!strcmp(m->state, "stopping"))
		add(out, room, "THE LINE IS STOPPING");
	else if (!strcmp(s->state, "nobody"))
		add(out, room, "Scan your badge");
	else if (!strcmp(s->state, "wants pin"))
		add(out, room, "PIN?");
	else if (!strcmp(s->state, "locked"))
		add(out, room, "LOCKED: scan your badge");
	else
		add(out, room, "READY: plug units in");
	if (s->label[0]) {
		out[0] = '\0';
		add(out, room, "PLUG IN: ");
		add(out, room, s->label);
	}
}

static enum headline_kind unfit(const struct model *m, char *out, size_t room)
{
	add(out, room, "THE LINE IS NOT FIT");
	if (m->code[0])
		snprintf(out + strlen(out), room - strlen(out), "  %s: call the %s", m->code, m->whom);
	return HEADLINE_UNFIT;
}

enum headline_kind model_headline(const struct model *m, char *out, size_t room)
{
	out[0] = '\0';
	if (!m->reachable) {
		add(out, room, "LINE NOT REACHABLE, RETRYING");
		return HEADLINE_LOST;
	}
	add(out, room, "DO NOT PULL: slot");
	if (add_names(m, slot_must_stay, 12, out, room))
		return HEADLINE_HANDS_OFF;
	out[0] = '\0';
	if (!strcmp(m->state, "unfit"))
		return unfit(m, out, room);
	add_wanted(m, out, room);
	if (*out)
		return HEADLINE_WANTED;
	if (count_of(m, is_busy)) {
		add(out, room, "WORKING: slot");
		add_names(m, is_busy, 12, out, room);
		return HEADLINE_BUSY;
	}
	if (count_of(m, is_done)) {
		add_pull(m, out, room);
		return HEADLINE_PULL;
	}
	add_ready(m, out, room);
	return HEADLINE_READY;
}

int headline_rings(enum headline_kind before, enum headline_kind now, const struct model *m)
{
	if (now != HEADLINE_PULL || before == HEADLINE_PULL || before == HEADLINE_LOST)
		return 0;
	return count_of(m, is_done) == count_of(m, is_pass) ? 1 : 3;
}
