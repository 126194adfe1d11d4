/* SPDX-License-Identifier: Apache-2.0 */
#include "station/slots.h"
#include "station/base/clock.h"
#include "station/base/log.h"
#include "station/pipeline.h"
#include "station/runner.h"
#include "station/shift/shift.h"
#include "station/uplink.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define ROOM_LOOK_MS 1000	/* between looks whether the outbox has room */

struct slots;

struct slot {
	struct slots *all;
	const struct config_slot *config;
	pthread_t thread;
	bool joined;
	pthread_mutex_t lock;	/* what follows */
	pthread_cond_t news;
	bool present;
	uint64_t arrivals;	/* counts plugs: the worker handles each once */
	uint64_t handled;	/* the plug that the worker is at, or was */
	bool held;		/* a person put this unit to HOLD */
	bool concluded;		/* its visit has its verdict */
	struct usb_facts usb;
	struct slot_view view;
};

struct slots {
	struct line *line;
	slots_changed *changed;
	void *ctx;
	size_t count, started;
	struct slot slot[CONFIG_SLOTS_MAX];
};

/* Publishes the slot's view as it stands. Called without the lock. */
static void publish(struct slot *s)
{
	struct slot_view copy;
	pthread_mutex_lock(&s->lock);
	s->view.since_ms = clock_wall_ms();
	s->view.present = s->present;
	copy = s->view;
	pthread_mutex_unlock(&s->lock);
	s->all->changed(s->all->ctx, &copy, NULL);
}

static void clear_view(struct slot_view *v, const struct config_slot *c, const struct config *config)
{
	memset(v, 0, sizeof(*v));
	snprintf(v->name, sizeof(v->name), "%s", c->name);
	snprintf(v->port, sizeof(v->port), "%s", c->port);
	snprintf(v->profile, sizeof(v->profile), "%s", config->profile[c->profile].name);
	v->row = c->row;
	v->column = c->column;
	v->safe_to_remove = true;
	v->since_ms = clock_wall_ms();
}

/* ---- the runner's hooks ---- */

static void job_changed(void *ctx, const struct job *j)
{
	struct slot *s = ctx;
	bool done = j->state == JOB_DONE;
	pthread_mutex_lock(&s->lock);
	struct slot_view *v = &s->view;
	v->working = !done;
	v->state = j->state;
	v->stage = j->stage;
	v->verdict = done ? j->verdict : VERDICT_NONE;
	v->safe_to_remove = done;
	v->recognised = j->recognised;
	v->error = j->state == JOB_WORKING ? (struct err){0} : j->error;
	v->waits_for[0] = '\0';
	v->try = j->try;
	v->tries = pipeline[j->stage].tries;
	v->next_try_ms = j->state == JOB_WAITING ? j->next_try_ms : 0;
	snprintf(v->label, sizeof(v->label), "%s", j->ticket.label);
	snprintf(v->lot, sizeof(v->lot), "%s", j->ticket.lot);
	s->concluded = done;
	snprintf(v->serial, sizeof(v->serial), "%s", j->identity.serial[0] ? j->identity.serial : j->usb.serial);
	snprintf(v->registration_id, sizeof(v->registration_id), "%s", j->row.registration_id);
	snprintf(v->hub, sizeof(v->hub), "%s", j->row.hub);
	snprintf(v->device_id, sizeof(v->device_id), "%s", j->row.device_id);
	snprintf(v->checkpoint, sizeof(v->checkpoint), "%s", j->checkpoint);
	memcpy(v->took_ms, j->took_ms, sizeof(v->took_ms));
	pthread_mutex_unlock(&s->lock);
	publish(s);
}

/* The unit that the worker is at is still there, and not another one in its place. With the lock held. */
static bool is_there(const struct slot *s)
{
	return s->present && s->arrivals == s->handled;
}

static bool device_present(void *ctx)
{
	struct slot *s = ctx;
	pthread_mutex_lock(&s->lock);
	bool present = is_there(s);
	pthread_mutex_unlock(&s->lock);
	return present;
}

static struct timespec until(int64_t ms)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

static void wait_ms(void *ctx, int64_t ms)
{
	struct slot *s = ctx;
	struct timespec end = until(ms);
	pthread_mutex_lock(&s->lock);
	while (is_there(s) && !s->held && !atomic_load(&s->all->line->stopping))
		if (pthread_cond_timedwait(&s->news, &s->lock, &end) != 0)
			break;
	pthread_mutex_unlock(&s->lock);
}

static bool unit_held(void *ctx)
{
	struct slot *s = ctx;
	pthread_mutex_lock(&s->lock);
	bool held = s->held;
	pthread_mutex_unlock(&s->lock);
	return held;
}

/* ---- the worker ---- */

/* Waits until the unit is gone, or another has taken its place. */
static void wait_until_gone(struct slot *s)
{
	pthread_mutex_lock(&s->lock);
	while (is_there(s) && !atomic_load(&s->all->line->stopping))
		pthread_cond_wait(&s->news, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

static bool wait_for_unit(struct slot *s, struct usb_facts *ret)
{
	pthread_mutex_lock(&s->lock);
	while (!(s->present && s->arrivals > s->handled) && !atomic_load(&s->all->line->stopping))
		pthread_cond_wait(&s->news, &s->lock);
	s->handled = s->arrivals;
	s->held = s->concluded = false;
	*ret = s->usb;
	line_unit_arrives(s->all->line, s->config);
	pthread_mutex_unlock(&s->lock);
	return !atomic_load(&s->all->line->stopping);
}

/* What a unit waits for before its work, in one word for the screens; NULL: it does not wait for that, it cannot begin. */
static const char *waits_for(enum err_code code)
{
	switch (code) {
	case E_OUTBOX_FULL:
		return "outbox";
	case E_NO_PERSON:
	case E_SESSION_LOCKED:
	case E_RIGHTS:
		return "badge";
	case E_NO_LOT:
		return "lot";
	case E_LABEL_WANTED:
	case E_LABEL_WHICH:
	case E_LABEL_TWICE:
		return "label";
	case E_TRAY_EMPTY:
		return "tray";
	default:
		return NULL;
	}
}

/* Says, if it is new, what the unit waits for. */
static void show_waiting(struct slot *s, const struct err *why)
{
	pthread_mutex_lock(&s->lock);
	struct slot_view *v = &s->view;
	bool new = v->error.code != why->code || v->state != JOB_WAITING;
	v->state = JOB_WAITING;
	v->error = *why;
	v->safe_to_remove = true;
	snprintf(v->serial, sizeof(v->serial), "%s", s->usb.serial);
	snprintf(v->waits_for, sizeof(v->waits_for), "%s", waits_for(why->code));
	pthread_mutex_unlock(&s->lock);
	if (new)
		publish(s);
}

/* A unit that was put to HOLD before its work: nothing was done with it. */
static void show_held(struct slot *s)
{
	pthread_mutex_lock(&s->lock);
	s->concluded = true;
	s->view.state = JOB_DONE;
	s->view.verdict = VERDICT_HOLD;
	s->view.error = (struct err){.code = E_HELD};
	s->view.waits_for[0] = '\0';
	pthread_mutex_unlock(&s->lock);
	publish(s);
}

/* The unit waits in its slot until it may begin: while too much waits for the service, while nobody is here, without a lot, or without
 * its label. False when it is not to begin at all. */
static bool may_begin(struct slot *s, struct ticket *ret)
{
	struct err e = {0};
	while (!uplink_may_begin(s->all->line, &e) || !shift_ticket(s->all->line, s->config, ret, &e)) {
		if (!waits_for(e.code) || !device_present(s))
			return false;
		show_waiting(s, &e);
		err_clear(&e);
		wait_ms(s, ROOM_LOOK_MS);
		if (!unit_held(s))
			continue;
		show_held(s);
		return false;
	}
	return true;
}

static void *work(void *arg)
{
	struct slot *s = arg;
	const struct runner_hooks hooks = {job_changed, device_present, wait_ms, unit_held, s};
	size_t index = (size_t)(s - s->all->slot);
	struct usb_facts usb;
	struct ticket ticket;
	while (wait_for_unit(s, &usb)) {
		struct job job;
		bool pulled = false;
		if (may_begin(s, &ticket)) {
			job_init(&job, s->all->line, s->config, &ticket, &usb);
			runner_run(&job, &hooks);
			pulled = job.error.code == E_USB_GONE;
			job_fini(&job);
		}
		wait_until_gone(s);
		line_release_unit(s->all->line, s->config);
		if (s->all->line->shift)
			labels_release(s->all->line->shift->labels, index, pulled);
		if (pulled)
			continue;	/* the call to plug it in again stays until a unit comes */
		pthread_mutex_lock(&s->lock);
		clear_view(&s->view, s->config, s->all->line->config);
		pthread_mutex_unlock(&s->lock);
		publish(s);
	}
	return NULL;
}

/* ---- from outside ---- */

static bool start_slot(struct slots *all, size_t i, struct err *e)
{
	struct slot *s = &all->slot[i];
	pthread_condattr_t attr;
	s->all = all;
	s->config = &all->line->config->slot[i];
	clear_view(&s->view, s->config, all->line->config);
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->news, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&s->thread, NULL, work, s) != 0)
		return err_set(e, E_NOMEM, "thread of slot %s", s->config->name);
	all->started++;
	return true;
}

bool slots_start(struct line *line, slots_changed *changed, void *ctx, struct slots **ret, struct err *e)
{
	struct slots *s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(e, E_NOMEM, "slots");
	s->line = line;
	s->changed = changed;
	s->ctx = ctx;
	s->count = line->config->slot_count;
	for (size_t i = 0; i < s->count; i++) {
		if (!start_slot(s, i, e)) {
			slots_free(s);
			return false;
		}
	}
	*ret = s;
	return true;
}

static struct slot *slot_of_port(struct slots *all, const char *port)
{
	for (size_t i = 0; i < all->count; i++)
		if (!strcmp(all->slot[i].config->port, port))
			return &all->slot[i];
	return NULL;
}

void slots_seen(void *ctx, enum usb_event event, const struct usb_facts *facts)
{
	struct slots *all = ctx;
	struct slot *s = slot_of_port(all, facts->port);
	if (!s) {
		const struct stray_view stray = {*facts, event == USB_ARRIVED};
		all->changed(all->ctx, NULL, &stray);
		return;
	}
	pthread_mutex_lock(&s->lock);
	/* A device that left late must not take away the one that came into its place. */
	bool stale = event == USB_LEFT && s->present && strcmp(s->usb.node, facts->node) != 0;
	if (!stale) {
		s->present = event == USB_ARRIVED;
		line_unit_leaves(all->line, s->config);	/* whoever was here: pulled, or another took its place */
		if (event == USB_ARRIVED) {
			s->usb = *facts;
			s->arrivals++;
		}
		pthread_cond_broadcast(&s->news);
	}
	pthread_mutex_unlock(&s->lock);
}

void slots_stop(struct slots *s)
{
	if (!s)
		return;
	atomic_store(&s->line->stopping, true);
	for (size_t i = 0; i < s->started; i++) {
		pthread_mutex_lock(&s->slot[i].lock);
		pthread_cond_broadcast(&s->slot[i].news);
		pthread_mutex_unlock(&s->slot[i].lock);
	}
	for (size_t i = 0; i < s->started; i++)
		if (!s->slot[i].joined)
			s->slot[i].joined = pthread_join(s->slot[i].thread, NULL) == 0;
}

void slots_free(struct slots *s)
{
	if (!s)
		return;
	slots_stop(s);
	for (size_t i = 0; i < s->started; i++) {
		pthread_cond_destroy(&s->slot[i].news);
		pthread_mutex_destroy(&s->slot[i].lock);
	}
	free(s);
}

void slots_wake(struct slots *s)
{
	for (size_t i = 0; i < s->count; i++) {
		pthread_mutex_lock(&s->slot[i].lock);
		pthread_cond_broadcast(&s->slot[i].news);
		pthread_mutex_unlock(&s->slot[i].lock);
	}
}

bool slots_hold(struct slots *s, const char *name, struct err *e)
{
	for (size_t i = 0; i < s->count; i++) {
		struct slot *slot = &s->slot[i];
		if (strcmp(slot->config->name, name) != 0)
			continue;
		pthread_mutex_lock(&slot->lock);
		bool there = slot->present && !slot->concluded;
		slot->held = slot->held || there;
		pthread_cond_broadcast(&slot->news);
		pthread_mutex_unlock(&slot->lock);
		return there || err_set(e, E_SLOT_NAME, "slot %s", name);
	}
	return err_set(e, E_SLOT_NAME, "there is no slot %.32s", name);
}

size_t slots_present(struct slots *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->count; i++) {
		pthread_mutex_lock(&s->slot[i].lock);
		n += s->slot[i].present;
		pthread_mutex_unlock(&s->slot[i].lock);
	}
	return n;
}

size_t slots_count(const struct slots *s)
{
	return s->count;
}

void slots_look(struct slots *s, size_t index, struct slot_view *ret)
{
	struct slot *slot = &s->slot[index];
	pthread_mutex_lock(&slot->lock);
	*ret = slot->view;
	ret->present = slot->present;
	pthread_mutex_unlock(&slot->lock);
}
