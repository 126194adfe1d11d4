/* SPDX-License-Identifier: Apache-2.0 */
#include "station/shift/arrive.h"
#include "station/base/clock.h"
#include "station/line.h"
#include "station/shift/note.h"
#include "station/shift/talk.h"

#include <string.h>

/* With the lock held: its own place if it has one, else the one that ends first. */
static struct shift_release *place_of(struct shift *s, const char *serial)
{
	struct shift_release *place = &s->release[0];
	for (size_t i = 0; i < COUNT_OF(s->release); i++) {
		if (!strcmp(s->release[i].serial, serial))
			return &s->release[i];
		if (s->release[i].until_ms < place->until_ms)
			place = &s->release[i];
	}
	return place;
}

/* The second badge came: the unit is released, on record first. */
static void release_unit(struct line *l, const char *lead, struct shift_talk *t)
{
	struct shift *s = l->shift;
	struct err e = {0};
	struct shift_pending p = pending_take(s);
	if (strcmp(p.command, "OVERRIDE") != 0 || !p.serial[0])
		return;
	if (!shift_note(l, "person.override", "", lead,
			json_pack("{s:s, s:s, s:s}", "serial", p.serial, "slot", p.slot, "reason", p.code), &e)) {
		talk_refuse(t, &e);
		return;
	}
	pthread_mutex_lock(&s->lock);
	struct shift_release *place = place_of(s, p.serial);
	memcpy(place->serial, p.serial, sizeof(place->serial));
	place->until_ms = clock_steady_ms() + OVERRIDE_MS;
	pthread_mutex_unlock(&s->lock);
	talk_say(t, "%s is released: take it out of slot %s and plug it in again.", p.serial, p.slot);
}

/* No name of a person: what is said here also passes through the API. */
static void say_step(struct line *l, enum session_step step, struct shift_talk *t)
{
	struct session_view v;
	session_look(l->shift->session, &v);
	switch (step) {
	case STEP_PIN_WANTED:
		talk_say(t, "The %s's PIN?", role_name(v.person.role));
		break;
	case STEP_IN:
		pending_set(l->shift, &(struct shift_pending){0});
		talk_say(t, "Logged in as %s.", role_name(v.person.role));
		break;
	case STEP_UNLOCKED:
		talk_say(t, "Unlocked.");
		break;
	case STEP_SECOND:
		release_unit(l, v.second, t);
		break;
	}
}

void arrive_badge(struct line *l, const char *value, struct shift_talk *t)
{
	struct err e = {0};
	enum session_step step;
	if (session_badge(l->shift->session, value, &step, &e))
		say_step(l, step, t);
	else
		talk_refuse(t, &e);
}

void arrive_pin(struct line *l, bool fits, enum session_step step, const struct err *e, struct shift_talk *t)
{
	if (fits)
		say_step(l, step, t);
	else
		talk_refuse(t, e);
}
