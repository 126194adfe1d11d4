/* SPDX-License-Identifier: Apache-2.0 */
#include "station/shift/command.h"
#include "station/line.h"
#include "station/shift/arrive.h"
#include "station/shift/scan.h"
#include "station/shift/talk.h"
#include "station/slots.h"

#include <stdio.h>
#include <string.h>

/* The command waits; whatever waited before does so no longer. */
static void await(struct line *l, const struct shift_pending *p)
{
	session_forget(l->shift->session);
	pending_set(l->shift, p);
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
		talk_refuse(t, &e);
		return;
	}
	session_look(l->shift->session, &v);
	talk_say(t, "PIN: %d digits.", v.pin_digits);
}

static void do_pin_ok(struct line *l, const char *argument, struct shift_talk *t)
{
	struct err e = {0};
	enum session_step step = STEP_IN;
	bool fits = session_pin_enter(l->shift->session, &step, &e);
	arrive_pin(l, fits, step, &e, t);
}

static void leave_or_lock(struct line *l, bool lock, struct shift_talk *t)
{
	struct err e = {0};
	pending_set(l->shift, &(struct shift_pending){0});
	if (!session_leave(l->shift->session, lock, &e))
		talk_refuse(t, &e);
	else
		talk_say(t, lock ? "The line is locked." : "Logged out.");
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
	struct failed_sums failed = {0};
	char person[PERSON_ID];
	if (!talk_may(l, DO_CLOSE_LOT, t, person))
		return;
	if (!lot_look(l, &lot, &e) || (!lot.id[0] && !err_set(&e, E_NO_LOT, "none to close")) ||
	    !failed_count(l, lot.id, &failed, &e)) {
		talk_refuse(t, &e);
		return;
	}
	struct shift_pending p = {.command = "CLOSE-LOT"};
	memcpy(p.lot, lot.id, sizeof(p.lot));
	await(l, &p);
	if (failed.units)
		talk_say(t, "Close lot %s with %llu of %u? %llu with an identity failed: SCRAP, KEEP, or NO.", lot.id,
			 (unsigned long long)lot.taken, lot.count, (unsigned long long)failed.units);
	else
		talk_say(t, "Close lot %s with %llu of %u? YES or NO.", lot.id, (unsigned long long)lot.taken, lot.count);
}

/* The lot that was asked about, and not one that was opened meanwhile. */
static bool close_asked(struct line *l, const struct shift_pending *asked, const char *person, enum failed_decision decision,
			struct err *e)
{
	struct lot_view lot;
	if (!lot_look(l, &lot, e))
		return false;
	if (strcmp(lot.id, asked->lot) != 0)
		return err_set(e, E_SCAN, "another lot is open than the one that was to be closed");
	return lot_close(l, person, decision, e);
}

static void close_with(struct line *l, enum failed_decision decision, struct shift_talk *t)
{
	struct err e = {0};
	char person[PERSON_ID];
	struct shift_pending asked = pending_take(l->shift);
	if (strcmp(asked.command, "CLOSE-LOT") != 0) {
		err_set(&e, E_SCAN, "nothing was asked");
		talk_refuse(t, &e);
	} else if (talk_may(l, DO_CLOSE_LOT, t, person)) {
		if (close_asked(l, &asked, person, decision, &e))
			talk_say(t, "Lot %s is closed; its hand-over is written.", asked.lot);
		else
			talk_refuse(t, &e);
	}
}

static void do_yes(struct line *l, const char *argument, struct shift_talk *t)
{
	close_with(l, FAILED_UNDECIDED, t);
}

static void do_scrap(struct line *l, const char *argument, struct shift_talk *t)
{
	close_with(l, FAILED_SCRAP, t);
}

static void do_keep(struct line *l, const char *argument, struct shift_talk *t)
{
	close_with(l, FAILED_KEEP, t);
}

/* Whoever stands here may stop a PIN; the rest is for who is in. */
static void do_no(struct line *l, const char *argument, struct shift_talk *t)
{
	struct err e = {0};
	char person[PERSON_ID];
	session_forget(l->shift->session);
	if (session_may(l->shift->session, DO_WORK, person, &e)) {
		pending_set(l->shift, &(struct shift_pending){0});
		labels_forget(l->shift->labels);
	}
	talk_say(t, "Forgotten.");
}

static void do_hold(struct line *l, const char *argument, struct shift_talk *t)
{
	await(l, &(struct shift_pending){.command = "HOLD"});
	talk_say(t, "HOLD: which slot?");
}

static void do_override(struct line *l, const char *argument, struct shift_talk *t)
{
	await(l, &(struct shift_pending){.command = "OVERRIDE"});
	talk_say(t, "Release: which slot?");
}

static bool hold_slot(struct line *l, size_t slot, struct shift_talk *t, struct err *e)
{
	const char *name = l->config->slot[slot].name;
	pending_set(l->shift, &(struct shift_pending){0});
	if (!slots_hold(l->slots, name, e))
		return false;
	talk_say(t, "Slot %s goes to HOLD.", name);
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
	pending_set(l->shift, &p);
	session_want_second(l->shift->session, DO_OVERRIDE);
	talk_say(t, "%s in slot %s: a lead's badge.", v.serial, v.name);
	return true;
}

static void do_slot(struct line *l, const char *argument, struct shift_talk *t)
{
	struct err e = {0};
	size_t slot = 0;
	struct shift_pending p = pending_look(l->shift);
	bool hold = !strcmp(p.command, "HOLD"), override = !strcmp(p.command, "OVERRIDE");
	bool ok = hold || override || err_set(&e, E_SCAN, "scan first what is to be done with a slot");
	ok = ok && (has_slot(l, argument, &slot) || err_set(&e, E_SLOT_NAME, "there is no slot %.32s", argument));
	if (!ok || !(hold ? hold_slot(l, slot, t, &e) : ask_release(l, slot, t, &e)))
		talk_refuse(t, &e);
}

static void do_screen(struct line *l, const char *argument, struct shift_talk *t)
{
	struct err e = {0};
	size_t i = 0;
	while (scan_screens[i] && strcmp(scan_screens[i], argument) != 0)
		i++;
	if (!scan_screens[i]) {
		err_set(&e, E_SCAN, "no such screen");
		talk_refuse(t, &e);
		return;
	}
	snprintf(t->screen, sizeof(t->screen), "%s", argument);
	for (char *p = t->screen; *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
	talk_say(t, "Screen %s.", t->screen);
}

static const struct {
	const char *name;
	bool always;	/* also while nobody is in, or the session is locked */
	void (*run)(struct line *l, const char *argument, struct shift_talk *t);
} commands[] = {
	{"PIN", true, do_pin}, {"PIN-OK", true, do_pin_ok}, {"LEAVE", false, do_leave}, {"LOCK", false, do_lock},
	{"CLOSE-LOT", false, do_close_lot}, {"HOLD", false, do_hold}, {"OVERRIDE", false, do_override}, {"SLOT", false, do_slot},
	{"YES", false, do_yes}, {"SCRAP", false, do_scrap}, {"KEEP", false, do_keep}, {"NO", true, do_no}, {"SCREEN", true, do_screen},
};

void command_take(struct line *l, const char *value, struct shift_talk *t)
{
	struct err e = {0};
	char person[PERSON_ID];
	size_t n = strcspn(value, ":");
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		if (strlen(commands[i].name) != n || strncmp(commands[i].name, value, n) != 0)
			continue;
		if (commands[i].always || talk_may(l, DO_WORK, t, person))
			commands[i].run(l, value[n] ? value + n + 1 : "", t);
		return;
	}
	err_set(&e, E_SCAN, "no such command");
	talk_refuse(t, &e);
}
