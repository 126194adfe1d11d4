/* SPDX-License-Identifier: Apache-2.0 */
#include "station/shift/shift.h"
#include "station/base/clock.h"
#include "station/base/log.h"
#include "station/base/text.h"
#include "station/line.h"
#include "station/shift/note.h"
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
	return TEXT_COPY(ret->lot, lot.id, e) &&
	       labels_take(l->shift->labels, index, l->config->profile[ret->profile].label, ret->label, e);
}

bool shift_overrides(struct line *l, const char *serial)
{
	struct shift *s = l->shift;
	bool stands = false;
	if (!s || !*serial)
		return false;
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < COUNT_OF(s->release); i++)
		stands |= !strcmp(s->release[i].serial, serial) && clock_steady_ms() < s->release[i].until_ms;
	pthread_mutex_unlock(&s->lock);
	return stands;
}

/* ---- what is said ---- */

PRINTF_LIKE(2, 3) static void say(struct shift_talk *t, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(t->sentence, sizeof(t->sentence), fmt, args);
	va_end(args);
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

/* ---- what waits for its slot, its confirmation or its second badge ---- */

static void set_pending(struct shift *s, const struct shift_pending *p)
{
	pthread_mutex_lock(&s->lock);
	s->pending = *p;
	pthread_mutex_unlock(&s->lock);
}

static struct shift_pending look_pending(struct shift *s)
{
	pthread_mutex_lock(&s->lock);
	struct shift_pending p = s->pending;
	pthread_mutex_unlock(&s->lock);
	return p;
}

static struct shift_pending take_pending(struct shift *s)
{
	pthread_mutex_lock(&s->lock);
	struct shift_pending p = s->pending;
	s->pending = (struct shift_pending){0};
	pthread_mutex_unlock(&s->lock);
	return p;
}

/* What is to be scanned next. */
static const char *wanted(struct shift *s)
{
	struct session_view v;
	struct shift_pending p = look_pending(s);
	session_look(s->session, &v);
	if (v.state == SESSION_WANTS_PIN)
		return "pin";
	if (!strcmp(p.command, "CLOSE-LOT"))
		return "confirm";
	return !p.command[0] ? "" : v.wants_second ? "second badge" : "slot";
}

/* ---- people ---- */

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
	struct shift_pending p = take_pending(s);
	if (strcmp(p.command, "OVERRIDE") != 0 || !p.serial[0])
		return;
	if (!shift_note(l, "person.override", "", lead,
			json_pack("{s:s, s:s, s:s}", "serial", p.serial, "slot", p.slot, "reason", p.code), &e)) {
		refuse(t, &e);
		return;
	}
	pthread_mutex_lock(&s->lock);
	struct shift_release *place = place_of(s, p.serial);
	memcpy(place->serial, p.serial, sizeof(place->serial));
	place->until_ms = clock_steady_ms() + OVERRIDE_MS;
	pthread_mutex_unlock(&s->lock);
	say(t, "%s is released: take it out of slot %s and plug it in again.", p.serial, p.slot);
}

/* No name of a person: what is said here also passes through the API. */
static void say_step(struct line *l, enum session_step step, struct shift_talk *t)
{
	struct session_view v;
	session_look(l->shift->session, &v);
	switch (step) {
	case STEP_PIN_WANTED:
		say(t, "The %s's PIN?", role_name(v.person.role));
		break;
	case STEP_IN:
		set_pending(l->shift, &(struct shift_pending){0});
		say(t, "Logged in as %s.", role_name(v.person.role));
		break;
	case STEP_UNLOCKED:
		say(t, "Unlocked.");
		break;
	case STEP_SECOND:
		release_unit(l, v.second, t);
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

/* The command waits; whatever waited before does so no longer. */
static void await(struct line *l, const struct shift_pending *p)
{
	session_forget(l->shift->session);
	set_pending(l->shift, p);
}

static bool has_slot(const struct line *l, const char *name, size_t *ret)
{
	for (*ret = 0; *ret < l->config->slot_count; ++*ret)
		if (!strcmp(l->config->slot[*ret].name, name))
			return true;
	return false;
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
	set_pending(l->shift, &(struct shift_pending){0});
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
	struct shift_pending p = {.command = "CLOSE-LOT"};
	memcpy(p.lot, lot.id, sizeof(p.lot));
	await(l, &p);
	say(t, "Close lot %s with %llu of %u? YES or NO.", lot.id, (unsigned long long)lot.taken, lot.count);
}

/* The lot that was asked about, and not one that was opened meanwhile. */
static bool close_asked(struct line *l, const struct shift_pending *asked, const char *person, struct err *e)
{
	struct lot_view lot;
	if (!lot_look(l, &lot, e))
		return false;
	if (strcmp(lot.id, asked->lot) != 0)
		return err_set(e, E_SCAN, "another lot is open than the one that was to be closed");
	return lot_close(l, person, e);
}

static void do_yes(struct line *l, const char *argument, struct shift_talk *t)
{
	struct err e = {0};
	char person[PERSON_ID];
	struct shift_pending asked = take_pending(l->shift);
	if (strcmp(asked.command, "CLOSE-LOT") != 0) {
		err_set(&e, E_SCAN, "nothing was asked");
		refuse(t, &e);
	} else if (may(l, DO_CLOSE_LOT, t, person)) {
		if (close_asked(l, &asked, person, &e))
			say(t, "Lot %s is closed; its hand-over is written.", asked.lot);
		else
			refuse(t, &e);
	}
}

/* Whoever stands here may stop a PIN; the rest is for who is in. */
static void do_no(struct line *l, const char *argument, struct shift_talk *t)
{
	struct err e = {0};
	char person[PERSON_ID];
	session_forget(l->shift->session);
	if (session_may(l->shift->session, DO_WORK, person, &e)) {
		set_pending(l->shift, &(struct shift_pending){0});
		labels_forget(l->shift->labels);
	}
	say(t, "Forgotten.");
}

static void do_hold(struct line *l, const char *argument, struct shift_talk *t)
{
	await(l, &(struct shift_pending){.command = "HOLD"});
	say(t, "HOLD: which slot?");
}

static void do_override(struct line *l, const char *argument, struct shift_talk *t)
{
	await(l, &(struct shift_pending){.command = "OVERRIDE"});
	say(t, "Release: which slot?");
}

static bool hold_slot(struct line *l, size_t slot, struct shift_talk *t, struct err *e)
{
	const char *name = l->config->slot[slot].name;
	set_pending(l->shift, &(struct shift_pending){0});
	if (!slots_hold(l->slots, name, e))
		return false;
	say(t, "Slot %s goes to HOLD.", name);
	return true;
}

/* The unit that the MES holds in this slot, and that is there to be seen, may be released by a second person. */
static bool ask_release(struct line *l, size_t slot, struct shift_talk *t, struct err *e)
{
	struct slot_view v;
	struct session_view session;
	struct shift_pending p = {.command = "OVERRIDE"};
	slots_look(l->slots, slot, &v);
	session_look(l->shift->session, &session);
	if (v.verdict != VERDICT_HOLD || !v.serial[0] || (v.error.code != E_MES_HOLD && v.error.code != E_MES_SILENT))
		return err_set(e, E_NOT_HELD, "slot %s", v.name);
	if (session.state == SESSION_OPEN_TO_ALL)
		return err_set(e, E_TWO_PEOPLE, "nobody is known here: there is no [people] file");
	memcpy(p.slot, v.name, sizeof(p.slot));
	memcpy(p.serial, v.serial, sizeof(p.serial));
	snprintf(p.code, sizeof(p.code), "%s", err_row(v.error.code)->code);
	set_pending(l->shift, &p);
	session_want_second(l->shift->session, DO_OVERRIDE);
	say(t, "%s in slot %s: a lead's badge.", v.serial, v.name);
	return true;
}

static void do_slot(struct line *l, const char *argument, struct shift_talk *t)
{
	struct err e = {0};
	size_t slot = 0;
	struct shift_pending p = look_pending(l->shift);
	bool hold = !strcmp(p.command, "HOLD"), override = !strcmp(p.command, "OVERRIDE");
	bool ok = hold || override || err_set(&e, E_SCAN, "scan first what is to be done with a slot");
	ok = ok && (has_slot(l, argument, &slot) || err_set(&e, E_SLOT_NAME, "there is no slot %.32s", argument));
	if (!ok || !(hold ? hold_slot(l, slot, t, &e) : ask_release(l, slot, t, &e)))
		refuse(t, &e);
}

static void do_screen(struct line *l, const char *argument, struct shift_talk *t)
{
	struct err e = {0};
	size_t i = 0;
	while (scan_screens[i] && strcmp(scan_screens[i], argument) != 0)
		i++;
	if (!scan_screens[i]) {
		err_set(&e, E_SCAN, "no such screen");
		refuse(t, &e);
		return;
	}
	snprintf(t->screen, sizeof(t->screen), "%s", argument);
	for (char *p = t->screen; *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
	say(t, "Screen %s.", t->screen);
}

static const struct {
	const char *name;
	bool always;	/* also while nobody is in, or the session is locked */
	void (*run)(struct line *l, const char *argument, struct shift_talk *t);
} commands[] = {
	{"PIN", true, do_pin}, {"PIN-OK", true, do_pin_ok}, {"LEAVE", false, do_leave}, {"LOCK", false, do_lock},
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
	snprintf(t->wants, sizeof(t->wants), "%s", wanted(s));
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
	if (!l->shift || !session_tick(l->shift->session, units))
		return false;
	set_pending(l->shift, &(struct shift_pending){0});
	return true;
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
	snprintf(t.wants, sizeof(t.wants), "%s", wanted(s));
	bool somebody = v.state == SESSION_IN || v.state == SESSION_LOCKED || v.state == SESSION_WANTS_PIN;
	json_t *talk = talk_json(&t);
	json_object_set_new(talk, "at_ms", json_integer(t.at_ms));
	return json_pack("{s:{s:s, s:s, s:s}, s:o, s:s, s:s, s:o, s:s}", "person", "id", v.person.id, "role",
			 somebody ? role_name(v.person.role) : "", "state", session_state_name(v.state), "lot", lot_of(l), "label",
			 labels.waiting, "tray", labels.tray, "talk", talk, "mode", line_mode_name(l->mode));
}
