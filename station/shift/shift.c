/* SPDX-License-Identifier: Apache-2.0 */
#include "station/shift/shift.h"
#include "station/base/clock.h"
#include "station/base/log.h"
#include "station/base/text.h"
#include "station/line.h"
#include "station/shift/arrive.h"
#include "station/shift/command.h"
#include "station/shift/scan.h"
#include "station/shift/talk.h"
#include "station/slots.h"

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

/* ---- orders, trays, labels ---- */

static void order(struct line *l, const char *value, struct shift_talk *t)
{
	struct err e = {0};
	struct lot_view lot;
	char person[PERSON_ID];
	if (!talk_may(l, DO_OPEN_LOT, t, person))
		return;
	if (!lot_open(l, value, person, &e) || !lot_look(l, &lot, &e))
		talk_refuse(t, &e);
	else
		talk_say(t, "Lot %s: %s, %llu of %u taken.", lot.id, lot.product, (unsigned long long)lot.taken, lot.count);
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
		talk_say(t, "Tray %s: plug its units in.", value);
	else
		talk_refuse(t, &e);
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
		talk_refuse(t, &e);
		return;
	}
	labels_look(l->shift->labels, &v);
	if (v.waiting[0])
		talk_say(t, "%s: plug it in.", value);
	else
		talk_say(t, "%s is the unit that waited.", value);
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
	snprintf(t->wants, sizeof(t->wants), "%s", pending_wanted(s));
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
	{SCAN_COMMAND, true, command_take}, {SCAN_BADGE, true, arrive_badge},
	{SCAN_ORDER, false, order}, {SCAN_TRAY, false, tray}, {SCAN_UNIT, false, unit},
};

/* A PIN that came as a code, by a scanner or another's console: it is no label, so that nothing keeps or shows it. */
static bool is_wanted_pin(const struct line *l, enum scan_kind kind, const char *code)
{
	bool digits = *code && code[strspn(code, "0123456789")] == '\0';
	return digits && kind != SCAN_COMMAND && kind != SCAN_BADGE && !strcmp(pending_wanted(l->shift), "pin");
}

json_t *shift_scan(struct line *l, const char *code)
{
	struct shift_talk t = {.good = true};
	struct err e = {0};
	char person[PERSON_ID];
	const char *value;
	enum scan_kind kind = scan_route(l->shift->patterns, code, &value);
	if (is_wanted_pin(l, kind, code)) {
		AUTO(bytes) struct bytes pin = {.secret = true};
		if (bytes_add_text(&pin, code, &e))
			return shift_pin(l, &pin);
	}
	snprintf(t.kind, sizeof(t.kind), "%s", scan_kind_name(kind));
	for (size_t i = 0; i < COUNT_OF(takers); i++) {
		if (takers[i].kind != kind)
			continue;
		if (takers[i].always || talk_may(l, DO_WORK, &t, person))
			takers[i].take(l, value, &t);
	}
	if (kind == SCAN_UNKNOWN) {
		err_set(&e, E_SCAN, "it fits no pattern");
		talk_refuse(&t, &e);
	}
	return keep_talk(l, &t);
}

json_t *shift_pin(struct line *l, const struct bytes *pin)
{
	struct shift_talk t = {.good = true, .kind = "pin"};
	struct err e = {0};
	enum session_step step = STEP_IN;
	bool fits = session_pin(l->shift->session, pin, &step, &e);
	arrive_pin(l, fits, step, &e, &t);
	return keep_talk(l, &t);
}

bool shift_tick(struct line *l, size_t units)
{
	if (!l->shift || !session_tick(l->shift->session, units))
		return false;
	pending_set(l->shift, &(struct shift_pending){0});
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
	snprintf(t.wants, sizeof(t.wants), "%s", pending_wanted(s));
	bool somebody = v.state == SESSION_IN || v.state == SESSION_LOCKED || v.state == SESSION_WANTS_PIN;
	json_t *talk = talk_json(&t);
	json_object_set_new(talk, "at_ms", json_integer(t.at_ms));
	return json_pack("{s:{s:s, s:s, s:s}, s:o, s:s, s:s, s:o, s:s}", "person", "id", v.person.id, "role",
			 somebody ? role_name(v.person.role) : "", "state", session_state_name(v.state), "lot", lot_of(l), "label",
			 labels.waiting, "tray", labels.tray, "talk", talk, "mode", line_mode_name(l->mode));
}
