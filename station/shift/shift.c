/* SPDX-License-Identifier: Apache-2.0 */
#include "station/shift/shift.h"
#include "station/base/clock.h"
#include "station/base/log.h"
#include "station/base/text.h"
#include "station/line.h"
#include "station/shift/scan.h"
#include "station/slots.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool shift_open(struct line *l, struct err *e)
{
	struct shift *s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(e, E_NOMEM, "shift");
	pthread_mutex_init(&s->lock, NULL);
	s->talk.good = true;
	l->shift = s;
	return session_open(l, &s->session, e) && labels_new(l->config, &s->labels, e) && scan_patterns_new(l->config, &s->patterns, e) &&
	       lot_start(l, e);
}

void shift_close(struct line *l)
{
	struct shift *s = l->shift;
	if (!s)
		return;
	lot_end(l);
	session_close(s->session);
	labels_free(s->labels);
	scan_patterns_free(s->patterns);
	pthread_mutex_destroy(&s->lock);
	free(s);
	l->shift = NULL;
}

/* ---- the ticket ---- */

static bool take_override(struct shift *s, size_t slot)
{
	pthread_mutex_lock(&s->lock);
	bool override = s->override[slot];
	s->override[slot] = false;
	pthread_mutex_unlock(&s->lock);
	return override;
}

bool shift_ticket(struct line *l, const struct config_slot *slot, struct ticket *ret, struct err *e)
{
	size_t index = (size_t)(slot - l->config->slot);
	struct lot_view lot;
	*ret = (struct ticket){.profile = slot->profile};
	if (!l->shift)
		return true;
	if (!session_may(l->shift->session, DO_WORK, ret->person, e) || !lot_look(l, &lot, e))
		return false;
	if (!lot.id[0] && l->config->lot_required)
		return err_set(e, E_NO_LOT, "this line works by order");
	if (lot.id[0])
		ret->profile = lot.profile;
	if (!TEXT_COPY(ret->lot, lot.id, e) ||
	    !labels_take(l->shift->labels, index, l->config->profile[ret->profile].label, ret->label, e))
		return false;
	ret->override = take_override(l->shift, index);
	return true;
}

/* ---- what is said ---- */

PRINTF_LIKE(2, 3) static void say(struct shift_talk *t, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(t->sentence, sizeof(t->sentence), fmt, args);
	va_end(args);
}

static void want(struct shift_talk *t, const char *what)
{
	snprintf(t->wants, sizeof(t->wants), "%s", what);
}

/* An error is what the screen says. Returns false. */
static bool refuse(struct shift_talk *t, const struct err *e)
{
	const struct err_row *row = err_row(e->code);
	t->good = false;
	say(t, "%s", row->happened);
	snprintf(t->code, sizeof(t->code), "%s", row->code);
	snprintf(t->todo, sizeof(t->todo), "%s", row->todo);
	return false;
}

static bool may(struct line *l, enum doing doing, struct shift_talk *t, char person[static PERSON_ID])
{
	struct err e = {0};
	return session_may(l->shift->session, doing, person, &e) || refuse(t, &e);
}

/* ---- people ---- */

static void release_override(struct line *l, struct shift_talk *t)
{
	struct shift *s = l->shift;
	pthread_mutex_lock(&s->lock);
	bool pending = !strcmp(s->pending, "OVERRIDE");
	if (pending)
		s->override[s->pending_slot] = true;
	s->pending[0] = '\0';
	pthread_mutex_unlock(&s->lock);
	if (pending)
		say(t, "Slot %s: its next unit begins, whatever the MES says.", l->config->slot[s->pending_slot].name);
}

/* No name of a person: what is said here also passes through the API. */
static void say_step(struct line *l, enum session_step step, struct shift_talk *t)
{
	struct session_view v;
	session_look(l->shift->session, &v);
	switch (step) {
	case STEP_PIN_WANTED:
		say(t, "The %s's PIN?", role_name(v.person.role));
		want(t, "pin");
		break;
	case STEP_IN:
		say(t, "Logged in as %s.", role_name(v.person.role));
		break;
	case STEP_UNLOCKED:
		say(t, "Unlocked.");
		break;
	case STEP_SECOND:
		release_override(l, t);
		break;
	}
}

static void badge(struct line *l, const char *value, struct shift_talk *t)
{
	struct err e = {0};
	enum session_step step;
	if (session_badge(l->shift->session, value, &step, &e))
		say_step(l, step, t);
	else
		refuse(t, &e);
}

static void pin_came(struct line *l, bool fits, enum session_step step, const struct err *e, struct shift_talk *t)
{
	if (fits)
		say_step(l, step, t);
	else
		refuse(t, e);
}

/* ---- orders, trays, labels ---- */

static void order(struct line *l, const char *value, struct shift_talk *t)
{
	struct err e = {0};
	struct lot_view lot;
	char person[PERSON_ID];
	if (!may(l, DO_OPEN_LOT, t, person))
		return;
	if (!lot_open(l, value, person, &e) || !lot_look(l, &lot, &e))
		refuse(t, &e);
	else
		say(t, "Lot %s: %s, %llu of %u taken.", lot.id, lot.product, (unsigned long long)lot.taken, lot.count);
}

/* Whether the profile that the next unit begins with binds labels so. */
static bool binds_by(struct line *l, const struct lot_view *lot, enum label_source source)
{
	const struct config *c = l->config;
	if (lot->id[0])
		return c->profile[lot->profile].label == source;
	for (size_t i = 0; i < c->slot_count; i++)
		if (c->profile[c->slot[i].profile].label == source)
			return true;
	return false;
}

static bool scan_tray(struct line *l, const char *tray, struct err *e)
{
	char label[CONFIG_SLOTS_MAX][LABEL];
	size_t count = 0;
	struct lot_view lot;
	if (!lot_look(l, &lot, e))
		return false;
	if (!binds_by(l, &lot, LABEL_TRAY))
		return err_set(e, E_LABEL_UNUSED, "no profile here takes trays");
	if (!lot_tray(l, tray, label, &count) && !labels_read_tray(l->config->trays_dir, tray, label, &count, e))
		return false;
	return labels_tray(l->shift->labels, tray, label, count, e);
}

static void tray(struct line *l, const char *value, struct shift_talk *t)
{
	struct err e = {0};
	if (scan_tray(l, value, &e))
		say(t, "Tray %s: plug its units in.", value);
	else
		refuse(t, &e);
}

static bool scan_label(struct line *l, const char *label, struct err *e)
{
	struct lot_view lot;
	if (!lot_look(l, &lot, e))
		return false;
	if (!binds_by(l, &lot, LABEL_SCAN))
		return err_set(e, E_LABEL_UNUSED, "no profile here takes scanned labels");
	return lot_admits(l, lot.id, label, "", e) ? labels_scan(l->shift->labels, label, e) : false;
}

static void unit(struct line *l, const char *value, struct shift_talk *t)
{
	struct err e = {0};
	struct labels_view v;
	if (!scan_label(l, value, &e)) {
		refuse(t, &e);
		return;
	}
	labels_look(l->shift->labels, &v);
	if (v.waiting[0])
		say(t, "%s: plug it in.", value);
	else
		say(t, "%s is the unit that waited.", value);
}

/* ---- commands ---- */

static bool has_slot(const struct line *l, const char *name, size_t *ret)
{
	for (*ret = 0; *ret < l->config->slot_count; ++*ret)
		if (!strcmp(l->config->slot[*ret].name, name))
			return true;
	return false;
}

/* What waits for its slot, its confirmation or its second badge. */
static void set_pending(struct shift *s, const char *what, size_t slot)
{
	pthread_mutex_lock(&s->lock);
	snprintf(s->pending, sizeof(s->pending), "%s", what);
	s->pending_slot = slot;
	pthread_mutex_unlock(&s->lock);
}

static void do_pin(struct line *l, const char *argument, struct shift_talk *t)
{
	struct err e = {0};
	struct session_view v;
	if (strlen(argument) != 1)
		err_set(&e, E_SCAN, "one digit at a time");
	if (e.code || !session_pin_digit(l->shift->session, argument[0], &e)) {
		refuse(t, &e);
		return;
	}
	session_look(l->shift->session, &v);
	say(t, "PIN: %d digits.", v.pin_digits);
	want(t, "pin");
}

static void do_pin_ok(struct line *l, const char *argument, struct shift_talk *t)
{
	struct err e = {0};
	enum session_step step = STEP_IN;
	pin_came(l, session_pin_enter(l->shift->session, &step, &e), step, &e, t);
}

static void leave_or_lock(struct line *l, bool lock, struct shift_talk *t)
{
	struct err e = {0};
	set_pending(l->shift, "", 0);
	if (!session_leave(l->shift->session, lock, &e))
		refuse(t, &e);
	else
		say(t, lock ? "The line is locked." : "Logged out.");
}

static void do_leave(struct line *l, const char *argument, struct shift_talk *t)
{
	leave_or_lock(l, false, t);
}

static void do_lock(struct line *l, const char *argument, struct shift_talk *t)
{
	leave_or_lock(l, true, t);
}

static void do_close_lot(struct line *l, const char *argument, struct shift_talk *t)
{
	struct err e = {0};
	struct lot_view lot;
	char person[PERSON_ID];
	if (!may(l, DO_CLOSE_LOT, t, person))
		return;
	if (!lot_look(l, &lot, &e) || (!lot.id[0] && !err_set(&e, E_NO_LOT, "none to close"))) {
		refuse(t, &e);
		return;
	}
	set_pending(l->shift, "CLOSE-LOT", 0);
	say(t, "Close lot %s with %llu of %u? YES or NO.", lot.id, (unsigned long long)lot.taken, lot.count);
	want(t, "confirm");
}

static void do_yes(struct line *l, const char *argument, struct shift_talk *t)
{
	struct err e = {0};
	struct lot_view lot;
	char person[PERSON_ID];
	bool closes = !strcmp(l->shift->pending, "CLOSE-LOT");
	set_pending(l->shift, "", 0);
	if (!closes)
		err_set(&e, E_SCAN, "nothing was asked");
	if (closes && !may(l, DO_CLOSE_LOT, t, person))
		return;
	if (!closes || !lot_look(l, &lot, &e) || !lot_close(l, person, &e))
		refuse(t, &e);
	else
		say(t, "Lot %s is closed; its hand-over is written.", lot.id);
}

static void do_no(struct line *l, const char *argument, struct shift_talk *t)
{
	set_pending(l->shift, "", 0);
	session_forget(l->shift->session);
	labels_forget(l->shift->labels);
	say(t, "Forgotten.");
}

static void do_hold(struct line *l, const char *argument, struct shift_talk *t)
{
	set_pending(l->shift, "HOLD", 0);
	say(t, "HOLD: which slot?");
	want(t, "slot");
}

static void do_override(struct line *l, const char *argument, struct shift_talk *t)
{
	set_pending(l->shift, "OVERRIDE", 0);
	say(t, "Release: which slot?");
	want(t, "slot");
}

static void hold_slot(struct line *l, const char *name, struct shift_talk *t)
{
	struct err e = {0};
	set_pending(l->shift, "", 0);
	if (slots_hold(l->slots, name, &e))
		say(t, "Slot %s goes to HOLD.", name);
	else
		refuse(t, &e);
}

static void do_slot(struct line *l, const char *argument, struct shift_talk *t)
{
	struct err e = {0};
	size_t slot = 0;
	bool hold = !strcmp(l->shift->pending, "HOLD"), override = !strcmp(l->shift->pending, "OVERRIDE");
	if (!hold && !override)
		err_set(&e, E_SCAN, "scan first what is to be done with a slot");
	else if (!has_slot(l, argument, &slot))
		err_set(&e, E_SLOT_NAME, "there is no slot %.32s", argument);
	if (e.code) {
		refuse(t, &e);
	} else if (hold) {
		hold_slot(l, argument, t);
	} else {
		set_pending(l->shift, "OVERRIDE", slot);
		session_want_second(l->shift->session, DO_OVERRIDE);
		say(t, "Slot %s: a lead's badge.", argument);
		want(t, "second badge");
	}
}

static void do_screen(struct line *l, const char *argument, struct shift_talk *t)
{
	snprintf(t->screen, sizeof(t->screen), "%.15s", argument);
	for (char *p = t->screen; *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
	say(t, "Screen %s.", t->screen);
}

static const struct {
	const char *name;
	bool always;	/* also while nobody is in, or the session is locked */
	void (*run)(struct line *l, const char *argument, struct shift_talk *t);
} commands[] = {
	{"PIN", true, do_pin}, {"PIN-OK", true, do_pin_ok}, {"LEAVE", true, do_leave}, {"LOCK", false, do_lock},
	{"CLOSE-LOT", false, do_close_lot}, {"HOLD", false, do_hold}, {"OVERRIDE", false, do_override}, {"SLOT", false, do_slot},
	{"YES", false, do_yes}, {"NO", true, do_no}, {"SCREEN", true, do_screen},
};

static void command(struct line *l, const char *value, struct shift_talk *t)
{
	struct err e = {0};
	char person[PERSON_ID];
	size_t n = strcspn(value, ":");
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		if (strlen(commands[i].name) != n || strncmp(commands[i].name, value, n) != 0)
			continue;
		if (commands[i].always || may(l, DO_WORK, t, person))
			commands[i].run(l, value[n] ? value + n + 1 : "", t);
		return;
	}
	err_set(&e, E_SCAN, "no such command");
	refuse(t, &e);
}

/* ---- a code ---- */

static json_t *talk_json(const struct shift_talk *t)
{
	return json_pack("{s:s, s:s, s:b, s:s, s:s, s:s, s:s}", "kind", t->kind, "sentence", t->sentence, "good", t->good, "code", t->code,
			 "todo", t->todo, "wants", t->wants, "screen", t->screen);
}

/* Keeps what was said, for all consoles; each answer has a time of its own. */
static json_t *keep_talk(struct line *l, struct shift_talk *t)
{
	struct shift *s = l->shift;
	pthread_mutex_lock(&s->lock);
	t->at_ms = clock_wall_ms();
	t->at_ms = t->at_ms > s->talk.at_ms ? t->at_ms : s->talk.at_ms + 1;
	s->talk = *t;
	pthread_mutex_unlock(&s->lock);
	session_moved(s->session);
	if (l->slots)
		slots_wake(l->slots);
	return talk_json(t);
}

static const struct {
	enum scan_kind kind;
	bool always;
	void (*take)(struct line *l, const char *value, struct shift_talk *t);
} takers[] = {
	{SCAN_COMMAND, true, command}, {SCAN_BADGE, true, badge}, {SCAN_ORDER, false, order}, {SCAN_TRAY, false, tray}, {SCAN_UNIT, false, unit},
};

json_t *shift_scan(struct line *l, const char *code)
{
	struct shift_talk t = {.good = true};
	struct err e = {0};
	char person[PERSON_ID];
	const char *value;
	enum scan_kind kind = scan_route(l->shift->patterns, code, &value);
	snprintf(t.kind, sizeof(t.kind), "%s", scan_kind_name(kind));
	for (size_t i = 0; i < COUNT_OF(takers); i++) {
		if (takers[i].kind != kind)
			continue;
		if (takers[i].always || may(l, DO_WORK, &t, person))
			takers[i].take(l, value, &t);
	}
	if (kind == SCAN_UNKNOWN) {
		err_set(&e, E_SCAN, "it fits no pattern");
		refuse(&t, &e);
	}
	return keep_talk(l, &t);
}

json_t *shift_pin(struct line *l, const struct bytes *pin)
{
	struct shift_talk t = {.good = true, .kind = "pin"};
	struct err e = {0};
	enum session_step step = STEP_IN;
	pin_came(l, session_pin(l->shift->session, pin, &step, &e), step, &e, &t);
	return keep_talk(l, &t);
}

bool shift_tick(struct line *l, size_t units)
{
	return l->shift && session_tick(l->shift->session, units);
}

/* ---- for the screens ---- */

static json_t *lot_of(struct line *l)
{
	struct lot_view v;
	struct err e = {0};
	if (!lot_look(l, &v, &e)) {
		log_err(LOG_LEVEL_WARN, &e, "the lot");
		return json_null();
	}
	return v.id[0] ? json_pack("{s:s, s:s, s:I, s:I}", "id", v.id, "product", v.product, "count", (json_int_t)v.count, "taken",
				   (json_int_t)v.taken) :
	       json_null();
}

json_t *shift_json(struct line *l)
{
	struct shift *s = l->shift;
	struct session_view v;
	struct labels_view labels;
	session_look(s->session, &v);
	labels_look(s->labels, &labels);
	pthread_mutex_lock(&s->lock);
	struct shift_talk t = s->talk;
	pthread_mutex_unlock(&s->lock);
	bool somebody = v.state == SESSION_IN || v.state == SESSION_LOCKED || v.state == SESSION_WANTS_PIN;
	json_t *talk = talk_json(&t);
	json_object_set_new(talk, "at_ms", json_integer(t.at_ms));
	return json_pack("{s:{s:s, s:s, s:s}, s:o, s:s, s:s, s:o, s:s}", "person", "id", v.person.id, "role",
			 somebody ? role_name(v.person.role) : "", "state", session_state_name(v.state), "lot", lot_of(l), "label",
			 labels.waiting, "tray", labels.tray, "talk", talk, "mode", line_mode_name(l->mode));
}
