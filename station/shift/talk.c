/* SPDX-License-Identifier: Apache-2.0 */
#include "station/shift/talk.h"
#include "station/line.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void talk_say(struct shift_talk *t, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(t->sentence, sizeof(t->sentence), fmt, args);
	va_end(args);
}

/* An error is what the screen says. Returns false. */
bool talk_refuse(struct shift_talk *t, const struct err *e)
{
	const struct err_row *row = err_row(e->code);
	t->good = false;
	talk_say(t, "%s", row->happened);
	snprintf(t->code, sizeof(t->code), "%s", row->code);
	snprintf(t->todo, sizeof(t->todo), "%s", row->todo);
	return false;
}

bool talk_may(struct line *l, enum doing doing, struct shift_talk *t, char person[static PERSON_ID])
{
	struct err e = {0};
	return session_may(l->shift->session, doing, person, &e) || talk_refuse(t, &e);
}

/* ---- what waits ---- */

void pending_set(struct shift *s, const struct shift_pending *p)
{
	pthread_mutex_lock(&s->lock);
	s->pending = *p;
	pthread_mutex_unlock(&s->lock);
}

struct shift_pending pending_look(struct shift *s)
{
	pthread_mutex_lock(&s->lock);
	struct shift_pending p = s->pending;
	pthread_mutex_unlock(&s->lock);
	return p;
}

struct shift_pending pending_take(struct shift *s)
{
	pthread_mutex_lock(&s->lock);
	struct shift_pending p = s->pending;
	s->pending = (struct shift_pending){0};
	pthread_mutex_unlock(&s->lock);
	return p;
}

/* What is to be scanned next. */
const char *pending_wanted(struct shift *s)
{
	struct session_view v;
	struct shift_pending p = pending_look(s);
	session_look(s->session, &v);
	if (v.state == SESSION_WANTS_PIN)
		return "pin";
	if (!strcmp(p.command, "CLOSE-LOT"))
		return "confirm";
	return !p.command[0] ? "" : v.wants_second ? "second badge" : "slot";
}
