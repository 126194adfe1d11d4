/* SPDX-License-Identifier: Apache-2.0 */
#include "station/slots.h"
#include "station/base/clock.h"
#include "station/base/log.h"
#include "station/recheck.h"
#include "station/relay.h"
#include "station/runner.h"
#include "station/shift/shift.h"
#include "station/uplink.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOOK_MS 1000	/* between looks whether a unit that waits may begin */

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
	bool asks;		/* it waits before its work; then it asks again when */
	bool woken;		/* something was scanned */
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

/* ---- the runner's hooks ---- */

static void job_changed(void *ctx, const struct job *j)
{
	struct slot *s = ctx;
	pthread_mutex_lock(&s->lock);
	slot_view_fill(&s->view, j);
	s->concluded = j->state == JOB_DONE;
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
	while (is_there(s) && !s->held && !(s->asks && s->woken) && !atomic_load(&s->all->line->stopping))
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

/* What a unit waits for before its work, in one word for the screens; NULL: waiting will not help it. */
static const char *waits_for(enum err_code code, enum label_source source)
{
	const char *label = source == LABEL_TRAY ? "tray" : "label";
	const struct { enum err_code code; const char *word; } words[] = {
		{E_OUTBOX_FULL, "outbox"}, {E_SPOOL_FULL, "mes"}, {E_NO_PERSON, "badge"}, {E_SESSION_LOCKED, "badge"},
		{E_RIGHTS, "badge"}, {E_NO_LOT, "lot"}, {E_LABEL_WANTED, label}, {E_LABEL_WHICH, label}, {E_LABEL_TWICE, label},
		{E_TRAY_EMPTY, "tray"},
	};
	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (words[i].code == code)
			return words[i].word;
	return NULL;
}

/* Says, if it is new, what the unit waits for. */
static void show_waiting(struct slot *s, const char *what, const struct ticket *ticket, const struct err *why)
{
	pthread_mutex_lock(&s->lock);
	bool new = !s->asks || s->view.error.code != why->code || strcmp(s->view.waits_for, what) != 0;
	if (new)
		slot_view_clear(&s->view, s->all->line->config, s->config);
	slot_view_wait(&s->view, &s->all->line->config->profile[ticket->profile], &s->usb, what, why);
	s->asks = true;
	pthread_mutex_unlock(&s->lock);
	if (new)
		publish(s);
}

/* Whether the unit may begin, and with what. */
static bool has_ticket(struct slot *s, struct ticket *ret, struct err *e)
{
	struct line *l = s->all->line;
	*ret = (struct ticket){.profile = s->config->profile};
	pthread_mutex_lock(&s->lock);
	s->woken = false;
	pthread_mutex_unlock(&s->lock);
	return uplink_may_begin(l, e) && relay_may_begin(l, e) && shift_ticket(l, s->config, ret, e);
}

/* The unit waits in its slot until it may begin: while too much waits for the service, while nobody is here, without a lot, or
 * without its label. False without an error: it is not to begin at all, since it has gone or the line stops. False with one: it
 * ends with it. */
static bool may_begin(struct slot *s, struct ticket *ret, struct err *e)
{
	while (!has_ticket(s, ret, e)) {
		const char *what = waits_for(e->code, s->all->line->config->profile[ret->profile].label);
		struct err unfit = {0};
		if (!device_present(s) || (!what && !line_may_go_on(s->all->line, &unfit)))
			return err_clear(e), false;
		if (!what)
			return false;
		show_waiting(s, what, ret, e);
		err_clear(e);
		wait_ms(s, LOOK_MS);
		if (unit_held(s))
			return err_set(e, E_HELD, "while it waited for: %s", what);
	}
	return true;
}

/* A unit's time at work. Tells whether it is to come again, and what of. */
static bool serve(struct slot *s, const struct usb_facts *usb, enum err_code *ret_error)
{
	const struct runner_hooks hooks = {job_changed, device_present, wait_ms, unit_held, s};
	struct ticket ticket;
	struct job job;
	struct err e = {0};
	bool begins = may_begin(s, &ticket, &e);
	pthread_mutex_lock(&s->lock);
	s->asks = false;
	pthread_mutex_unlock(&s->lock);
	*ret_error = E_NONE;
	if (!begins && !e.code)
		return true;
	job_init(&job, s->all->line, s->config, &ticket, usb);
	if (begins)
		runner_run(&job, &hooks);
	else
		runner_refuse(&job, &e, &hooks);
	if (s->all->line->mode == MODE_RECHECK && !recheck_write(&job, &e))
		line_set_unfit(s->all->line, &e);
	bool again = job.verdict == VERDICT_HOLD;
	*ret_error = job.error.code;
	job_fini(&job);
	return again;
}

static void *work(void *arg)
{
	struct slot *s = arg;
	struct line *l = s->all->line;
	enum err_code error;
	struct usb_facts usb;
	while (wait_for_unit(s, &usb)) {
		bool again = serve(s, &usb, &error);
		wait_until_gone(s);
		line_release_unit(l, s->config);
		if (l->shift)
			labels_release(l->shift->labels, (size_t)(s - s->all->slot), again);
		if (error == E_USB_GONE)
			continue;	/* the call to plug it in again stays until a unit comes */
		pthread_mutex_lock(&s->lock);
		slot_view_clear(&s->view, l->config, s->config);
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
	slot_view_clear(&s->view, all->line->config, s->config);
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
		if (all->line->shift)
			labels_unit_left(all->line->shift->labels, (size_t)(s - all->slot));
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
		s->slot[i].woken = true;
		pthread_cond_broadcast(&s->slot[i].news);
		pthread_mutex_unlock(&s->slot[i].lock);
	}
}

static bool hold(struct slot *s)
{
	pthread_mutex_lock(&s->lock);
	bool there = is_there(s) && !s->concluded;
	s->held = s->held || there;
	pthread_cond_broadcast(&s->news);
	pthread_mutex_unlock(&s->lock);
	return there;
}

bool slots_hold(struct slots *s, const char *name, struct err *e)
{
	for (size_t i = 0; i < s->count; i++)
		if (!strcmp(s->slot[i].config->name, name))
			return hold(&s->slot[i]) || err_set(e, E_SLOT_NAME, "slot %s", name);
	return err_set(e, E_SLOT_NAME, "there is no slot \"%.32s\"", name);
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
