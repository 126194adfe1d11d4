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

static bool waits_for_mes(const struct model_slot *s)
{
	return waits_for(s, "mes");
}

static bool waits_for_cloud(const struct model_slot *s)
{
	return waits_for(s, "outbox");
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
	size_t good = count_of(m, is_pass);
	const char *comma = good ? "," : "";
	snprintf(part, sizeof(part), "PULL: %zu good", good);
	add(out, room, good ? part : "PULL:");
	for (size_t i = 0; i < COUNT_OF(bins); i++) {
		size_t n = count_of(m, bins[i].claim);
		if (!n)
			continue;
		add(out, room, comma);
		comma = ",";
		add(out, room, n > 1 ? " slots" : " slot");
		add_names(m, bins[i].claim, 8, out, room);
		add(out, room, " ");
		add(out, room, bins[i].where);
	}
}

/* What a unit in a slot waits for before its work: by a person, else by itself. False if none does. */
static bool add_wanted(const struct model *m, bool by_person, char *out, size_t room)
{
	static const struct { bool (*claim)(const struct model_slot *); bool by_person; const char *what; } wants[] = {
		{waits_for_badge, true, "SCAN YOUR BADGE:"}, {waits_for_lot, true, "SCAN THE ORDER:"},
		{waits_for_label, true, "SCAN THE LABEL:"}, {waits_for_tray, true, "NOT ON THE TRAY'S LIST, TAKE OUT:"},
		{waits_for_mes, false, "WAITING FOR THE MES:"}, {waits_for_cloud, false, "WAITING FOR THE CLOUD:"},
	};
	for (size_t i = 0; i < COUNT_OF(wants); i++) {
		size_t n = count_of(m, wants[i].claim);
		if (!n || wants[i].by_person != by_person)
			continue;
		add(out, room, wants[i].what);
		add(out, room, n > 1 ? " slots" : " slot");
		add_names(m, wants[i].claim, 8, out, room);
		return true;
	}
	return false;
}

/* "DO NOT PULL: 3 left, slots 02 05 07", then what a person can do meanwhile. */
static void add_hands_off(const struct model *m, char *out, size_t room)
{
	char left[48], wanted[160] = "";
	size_t n = count_of(m, slot_must_stay), again = count_of(m, slot_tries_again);
	snprintf(left, sizeof(left), "DO NOT PULL: %zu left, slots", n);
	add(out, room, n > 1 ? left : "DO NOT PULL: slot");
	add_names(m, slot_must_stay, 8, out, room);
	if (add_wanted(m, true, wanted, sizeof(wanted))) {
		add(out, room, ". ");
		add(out, room, wanted);
	} else if (again) {
		add(out, room, again > 1 ? ". Slots" : ". Slot");
		add_names(m, slot_tries_again, 4, out, room);
		add(out, room, again > 1 ? " try again: scan HOLD to leave one" : " tries again: scan HOLD to leave it");
	}
}

/* Nothing is in the tray. */
static enum headline_kind ready(const struct model *m, char *out, size_t room)
{
	static const struct { const char *state, *text; } wanted[] = {
		{"nobody", "SCAN YOUR BADGE"}, {"wants pin", "YOUR PIN?"}, {"locked", "LOCKED: SCAN YOUR BADGE"},
	};
	const struct model_shift *s = &m->shift;
	if (!strcmp(m->state, "stopping")) {
		add(out, room, "THE LINE IS STOPPING");
		return HEADLINE_READY;
	}
	for (size_t i = 0; i < COUNT_OF(wanted); i++)
		if (!strcmp(s->state, wanted[i].state)) {
			add(out, room, wanted[i].text);
			return HEADLINE_WANTED;
		}
	if (s->label[0])
		snprintf(out, room, "PLUG IN %s", s->label);
	else if (s->tray[0])
		snprintf(out, room, "PLUG IN THE UNITS OF TRAY %s", s->tray);
	else
		add(out, room, "READY: plug units in");
	return HEADLINE_READY;
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
	if (count_of(m, slot_must_stay)) {
		add_hands_off(m, out, room);
		return HEADLINE_HANDS_OFF;
	}
	if (!strcmp(m->state, "unfit"))
		return unfit(m, out, room);
	if (add_wanted(m, true, out, room))
		return HEADLINE_WANTED;
	if (add_wanted(m, false, out, room))
		return HEADLINE_BUSY;
	if (count_of(m, is_busy)) {
		add(out, room, "WORKING: slot");
		add_names(m, is_busy, 12, out, room);
		return HEADLINE_BUSY;
	}
	if (count_of(m, is_done)) {
		add_pull(m, out, room);
		return HEADLINE_PULL;
	}
	return ready(m, out, room);
}

int headline_rings(enum headline_kind before, enum headline_kind now, const struct model *m)
{
	bool worked = before == HEADLINE_HANDS_OFF || before == HEADLINE_BUSY || before == HEADLINE_WANTED;
	if (now != HEADLINE_PULL || !worked)
		return 0;
	return count_of(m, is_done) == count_of(m, is_pass) ? 1 : 3;
}
