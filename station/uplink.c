/* SPDX-License-Identifier: Apache-2.0 */
#include "station/uplink.h"
#include "db/audit.h"
#include "station/base/clock.h"
#include "station/base/log.h"
#include "station/delivery.h"
#include "station/revocation.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define WORKERS_MAX 64
#define FAILURES_MAX 2		/* deliveries in a row, before chance is called an outage */
#define PATIENCE_MS 5000	/* a pace that asks for more, after a failure, is an outage too */
#define FIRST_WAIT_MS 1000	/* between tries in an outage; doubles */
#define LAST_WAIT_MS 60000
#define DRAIN_TRIES 4		/* of an outage, before `station upload` gives up */
#define DRAIN_PATIENCE 30	/* the same for a service that answers and asks for patience */

/* A unit in a slot waits for its row: it goes before those that nobody waits for, which may be many hours' work. */
struct wanted {
	char job[JOB_ID];	/* "": free */
	bool under_way;
};

/* Workers take portions of what waits, in passes over the outbox: a pass walks once through all rows, oldest first, and what it
 * left waiting is the next pass's. In an outage one worker tries at a time. */
struct uplink {
	struct ledger *ledger;
	struct dps *dps;
	struct line *line;	/* NULL: `station upload` */
	uplink_changed *changed;
	void *ctx;
	size_t count;
	pthread_t worker[WORKERS_MAX];
	pthread_mutex_t tell;	/* one change is told after another, with no other lock held */

	pthread_mutex_t lock;	/* what follows */
	pthread_cond_t news;
	bool stopping;
	bool revocations;	/* some may have to be told, and none of the workers is at it */
	bool work;		/* something may wait behind `after` */
	bool left;		/* something may wait before it */
	int64_t after;
	size_t busy;
	uint64_t round;		/* deliveries that were begun */
	uint64_t failed;	/* the last of them that failed in an outage */
	uint32_t failures;	/* deliveries in a row */
	uint32_t tries;		/* of this outage */
	int64_t retry_ms;	/* steady: no delivery before */
	struct wanted wanted[CONFIG_SLOTS_MAX];
	bool hurried;		/* somebody asked for a try since the last was begun */
	bool offline;
	struct err why;		/* if offline, or broken */
	bool broken;		/* the ledger takes no more */
	int64_t since_ms;
};

static void wait_until(struct uplink *u, int64_t steady_ms)
{
	struct timespec end = {.tv_sec = steady_ms / 1000, .tv_nsec = steady_ms % 1000 * 1000000};
	pthread_cond_timedwait(&u->news, &u->lock, &end);
}

/* ---- the view ---- */

static void look(struct uplink *u, struct uplink_view *ret)
{
	struct err ignored = {0};
	*ret = (struct uplink_view){.offline = u->offline || u->broken, .since_ms = u->since_ms};
	if (ret->offline)
		ret->why = u->why;
	if (!outbox_count(u->ledger, &ret->counts, &ignored) || !revocations_count(u->ledger, &ret->revocations, &ignored))
		log_err(LOG_LEVEL_WARN, &ignored, "counting what waits");
}

void uplink_look(struct uplink *u, struct uplink_view *ret)
{
	*ret = (struct uplink_view){0};
	if (!u)
		return;
	pthread_mutex_lock(&u->lock);
	look(u, ret);
	pthread_mutex_unlock(&u->lock);
}

static void tell(struct uplink *u)
{
	struct uplink_view view;
	if (!u->changed)
		return;
	pthread_mutex_lock(&u->tell);
	uplink_look(u, &view);
	u->changed(u->ctx, &view);
	pthread_mutex_unlock(&u->tell);
}

/* ---- online and offline; the lock is held ---- */

static void set_offline(struct uplink *u, bool offline, const struct err *why)
{
	if (offline != u->offline) {
		u->since_ms = clock_wall_ms();
		if (offline)
			log_err(LOG_LEVEL_WARN, why, "the uplink is offline");
		else
			log_info("the uplink is online again");
	}
	u->offline = offline;
	u->why = offline ? *why : (struct err){0};
}

/* A half to a whole of the wait, so that the stations of a factory do not come back at one moment. */
static int64_t wait_of(uint32_t tries)
{
	uint16_t dice = 0;
	int64_t ms = FIRST_WAIT_MS;
	for (uint32_t i = 1; i < tries && ms < LAST_WAIT_MS; i++)
		ms *= 2;
	if (ms > LAST_WAIT_MS)
		ms = LAST_WAIT_MS;
	if (getrandom(&dice, sizeof(dice), 0) != (ssize_t)sizeof(dice))
		dice = 0;
	return ms - ms / 2 * dice / UINT16_MAX;
}

static void note_outage(struct uplink *u, uint64_t round, const struct err *why)
{
	int64_t wait_ms = wait_of(++u->tries), pace_ms = dps_pace_left_ms(u->dps);
	if (why->code == E_DPS_BUSY)
		wait_ms = 0;	/* the service itself says how long, or the pace for it */
	u->failed = round > u->failed ? round : u->failed;
	u->retry_ms = u->hurried ? 0 : clock_steady_ms() + (pace_ms > wait_ms ? pace_ms : wait_ms);
	set_offline(u, true, why);
}

static void note_sent(struct uplink *u, uint64_t round, bool ok, const struct err *why)
{
	if (ok) {
		u->failures = u->tries = 0;
		set_offline(u, false, why);
		return;
	}
	u->left = true;
	u->failures++;
	if (u->offline || u->failures >= FAILURES_MAX || !delivery_may_be_chance(why->code) || dps_pace_left_ms(u->dps) > PATIENCE_MS)
		note_outage(u, round, why);
}

/* What the service answered is not lost: it is asked again when the ledger can be written. */
static void note_broken(struct uplink *u, const struct err *why)
{
	u->broken = true;
	u->why = *why;
	u->since_ms = clock_wall_ms();
	if (u->line)
		line_set_unfit(u->line, why);
}

/* In an outage, a service that asks for more patience than anybody has is not asked again, whoever wants it: the try has failed. */
static bool is_hopeless(struct uplink *u)
{
	struct err why = u->why;
	if (!u->offline || dps_pace_left_ms(u->dps) <= PATIENCE_MS)
		return false;
	u->hurried = false;
	note_outage(u, ++u->round, &why);
	pthread_cond_broadcast(&u->news);
	pthread_mutex_unlock(&u->lock);
	tell(u);
	pthread_mutex_lock(&u->lock);
	return true;
}

/* ---- the workers ---- */

/* Nothing waits any more, or what waits has to wait for better times: for `station upload` that is the end. */
static bool drain_is_over(const struct uplink *u)
{
	uint32_t most = u->why.code == E_DPS_BUSY ? DRAIN_PATIENCE : DRAIN_TRIES;
	bool hopeless = u->offline && (u->tries >= most || !delivery_may_be_chance(u->why.code));
	return !u->line && u->busy == 0 && (hopeless || (!u->work && !u->left && !u->revocations));
}

static struct wanted *find_wanted(struct uplink *u, const char *job)
{
	for (size_t i = 0; i < COUNT_OF(u->wanted); i++)
		if (!strcmp(u->wanted[i].job, job))
			return &u->wanted[i];
	return NULL;
}

static bool is_wanted(void *ctx, const struct outbox_row *row)
{
	return find_wanted(ctx, row->job) != NULL;
}

static bool load_wanted(struct uplink *u, struct delivery *d, struct err *e)
{
	for (size_t i = 0; i < COUNT_OF(u->wanted); i++) {
		struct wanted *w = &u->wanted[i];
		size_t before = d->count;
		if (w->job[0] && !w->under_way && !delivery_add(d, w->job, e))
			return false;
		w->under_way |= d->count > before;
	}
	return true;
}

static bool load(struct uplink *u, struct delivery *d, struct err *e)
{
	return load_wanted(u, d, e) && (d->count || delivery_load(d, &u->after, is_wanted, u, e));
}

static void release_wanted(struct uplink *u, const struct delivery *d)
{
	for (size_t i = 0; i < d->count; i++) {
		struct wanted *w = find_wanted(u, d->parcel[i].row.job);
		if (w)
			w->under_way = false;
	}
}

/* Begins the next pass when the last is over; false while there is nothing to do. */
static bool has_work(struct uplink *u)
{
	if (u->work || u->revocations)
		return true;
	if (!u->left || u->busy)
		return false;
	u->work = true;
	u->left = false;
	u->after = 0;
	return true;
}

/* Waits for a turn, with the lock held; false at the end. */
static bool wait_for_turn(struct uplink *u)
{
	for (;;) {
		int64_t now = clock_steady_ms(), pace_ms = u->offline ? 0 : dps_pace_left_ms(u->dps);
		bool probing = u->offline && u->busy;
		if (u->stopping || u->broken || drain_is_over(u))
			return false;
		if (!probing && now < u->retry_ms)
			wait_until(u, u->retry_ms);
		else if (probing || !has_work(u))
			pthread_cond_wait(&u->news, &u->lock);
		else if (pace_ms > 0)
			wait_until(u, now + pace_ms);
		else
			return true;
	}
}

/* Sends and records with the lock open. */
static void deliver(struct uplink *u, struct delivery *d)
{
	struct err why = {0}, broken = {0};
	bool left = false;
	uint64_t round = ++u->round;
	u->busy++;
	u->hurried = false;
	pthread_mutex_unlock(&u->lock);
	bool sent = delivery_send(d, &why);
	bool recorded = delivery_record(d, &left, &broken);
	pthread_mutex_lock(&u->lock);
	u->busy--;
	release_wanted(u, d);
	u->left |= left;
	note_sent(u, round, sent, &why);
	if (!recorded)
		note_broken(u, &broken);
	pthread_cond_broadcast(&u->news);
	pthread_mutex_unlock(&u->lock);
	tell(u);
	pthread_mutex_lock(&u->lock);
}

/* Who is to be kept out goes before who is let in: one after another, by one worker. */
static void carry_revocation(struct uplink *u)
{
	struct line alone = {.ledger = u->ledger, .dps = u->dps};
	struct err why = {0};
	bool any = false;
	uint64_t round = ++u->round;
	u->revocations = u->hurried = false;
	u->busy++;
	pthread_mutex_unlock(&u->lock);
	bool ok = revocation_tell_next(&alone, &any, &why);
	pthread_mutex_lock(&u->lock);
	u->busy--;
	u->revocations |= any;
	if (!ok && !delivery_may_be_chance(why.code))
		note_broken(u, &why);
	else if (any)
		note_sent(u, round, ok, &why);
	pthread_cond_broadcast(&u->news);
	pthread_mutex_unlock(&u->lock);
	if (any)
		tell(u);
	pthread_mutex_lock(&u->lock);
}

static void *work(void *arg)
{
	struct uplink *u = arg;
	pthread_mutex_lock(&u->lock);
	while (wait_for_turn(u)) {
		struct err e = {0};
		AUTO(delivery) struct delivery d = {.ledger = u->ledger, .dps = u->dps};
		if (is_hopeless(u))
			continue;
		if (u->revocations)
			carry_revocation(u);
		else if (!load(u, &d, &e))
			note_broken(u, &e);
		else if (d.count)
			deliver(u, &d);
		else
			u->work = false;
	}
	pthread_cond_broadcast(&u->news);
	pthread_mutex_unlock(&u->lock);
	return NULL;
}

/* ---- beginning and end ---- */

static void init(struct uplink *u)
{
	pthread_condattr_t attr;
	pthread_mutex_init(&u->lock, NULL);
	pthread_mutex_init(&u->tell, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&u->news, &attr);
	pthread_condattr_destroy(&attr);
	u->work = u->revocations = true;
	u->since_ms = clock_wall_ms();
}

static bool start(struct uplink *u, uint32_t workers, struct err *e)
{
	for (uint32_t i = 0; i < workers && i < WORKERS_MAX; i++, u->count++)
		if (pthread_create(&u->worker[i], NULL, work, u) != 0)
			return err_set(e, E_NOMEM, "thread of the uplink");
	return true;
}

static void join(struct uplink *u)
{
	for (size_t i = 0; i < u->count; i++)
		pthread_join(u->worker[i], NULL);
	u->count = 0;
}

static void end(struct uplink *u)
{
	pthread_mutex_lock(&u->lock);
	u->stopping = true;
	pthread_cond_broadcast(&u->news);
	pthread_mutex_unlock(&u->lock);
	join(u);
}

static void fini(struct uplink *u)
{
	pthread_cond_destroy(&u->news);
	pthread_mutex_destroy(&u->tell);
	pthread_mutex_destroy(&u->lock);
}

bool uplink_start(struct line *line, uplink_changed *changed, void *ctx, struct uplink **ret, struct err *e)
{
	struct uplink *u = calloc(1, sizeof(*u));
	if (!u)
		return err_set(e, E_NOMEM, "uplink");
	u->ledger = line->ledger;
	u->dps = line->dps;
	u->line = line;
	u->changed = changed;
	u->ctx = ctx;
	init(u);
	if (!start(u, line->config->dps_in_flight, e)) {
		uplink_free(u);
		return false;
	}
	*ret = u;
	return true;
}

void uplink_stop(struct uplink *u)
{
	if (u)
		end(u);
}

void uplink_free(struct uplink *u)
{
	if (!u)
		return;
	end(u);
	fini(u);
	free(u);
}

bool uplink_drain(struct ledger *ledger, struct dps *dps, uint32_t in_flight, uplink_said *said, void *ctx, struct err *e)
{
	struct uplink u = {.ledger = ledger, .dps = dps, .changed = said, .ctx = ctx};
	init(&u);
	bool ok = start(&u, in_flight, e);
	if (ok)
		join(&u);
	else
		end(&u);
	fini(&u);
	return ok && ((!u.offline && !u.broken) || err_native(e, u.why.code, u.why.native, "%s", u.why.what));
}

/* ---- from outside ---- */

/* With the lock held. What a lost answer made the pace wait for is over; what the service asked for is kept. */
static void wake(struct uplink *u)
{
	dps_hurry(u->dps);
	u->work = u->left = u->hurried = u->revocations = true;
	u->retry_ms = 0;
	pthread_cond_broadcast(&u->news);
}

void uplink_wake(struct uplink *u)
{
	if (!u)
		return;
	pthread_mutex_lock(&u->lock);
	wake(u);
	pthread_mutex_unlock(&u->lock);
}

/* With the lock held: true when the wait is over, with what came of it. */
static bool is_settled(struct uplink *u, const char *job, uint64_t begun, int64_t deadline_ms, bool *ret_sent, struct err *e)
{
	bool found = false;
	AUTO(outbox_row) struct outbox_row row = {0};
	*ret_sent = false;
	if (!outbox_find(u->ledger, job, &row, &found, e))
		return true;
	*ret_sent = found && row.state == OUTBOX_SENT;
	if (*ret_sent)
		return true;
	if (!found)
		err_set(e, E_DB, "job %s has nothing in the outbox", job);
	else if (row.state == OUTBOX_ASIDE)
		err_set(e, err_find(row.error), "%s", row.error_what);
	else if (u->broken || (u->offline && u->failed > begun))
		err_native(e, u->why.code, u->why.native, "%s", u->why.what);
	else if (u->stopping || (u->line && atomic_load(&u->line->stopping)))
		err_set(e, E_STOPPING, "the line is stopping");
	else if (clock_left_ms(deadline_ms) == 0)
		err_set(e, row.error[0] ? err_find(row.error) : E_NET, "%s", row.error[0] ? row.error_what : "not sent yet");
	return e->code != E_NONE;
}

bool uplink_wait(struct uplink *u, const char *job, int64_t deadline_ms, struct err *e)
{
	bool sent = false;
	pthread_mutex_lock(&u->lock);
	uint64_t begun = u->round;
	struct wanted *mine = find_wanted(u, "");
	if (mine)
		snprintf(mine->job, sizeof(mine->job), "%s", job);
	wake(u);
	while (!is_settled(u, job, begun, deadline_ms, &sent, e)) {
		/* Not the whole wait at once: whoever stops the line knows nothing of this one. */
		int64_t soon = clock_steady_ms() + 500;
		wait_until(u, soon < deadline_ms ? soon : deadline_ms);
	}
	if (mine)
		*mine = (struct wanted){0};
	u->left |= !sent;	/* from here on it goes in its turn */
	pthread_mutex_unlock(&u->lock);
	return sent;
}

static bool has_room(struct uplink *u, uint32_t units_max, uint32_t hours_max, struct err *e)
{
	struct uplink_view view;
	uplink_look(u, &view);
	int64_t age_ms = view.counts.waiting ? clock_wall_ms() - view.counts.oldest_ms : 0;
	if (view.counts.waiting > units_max)
		return err_set(e, E_OUTBOX_FULL, "%llu units wait; outbox_units = %u", (unsigned long long)view.counts.waiting, units_max);
	if (age_ms > (int64_t)hours_max * 3600000)
		return err_set(e, E_OUTBOX_FULL, "the oldest waits since %lld hours; outbox_hours = %u", (long long)(age_ms / 3600000),
			       hours_max);
	return true;
}

bool uplink_may_begin(struct line *line, struct err *e)
{
	const struct config *c = line->config;
	return line_may_go_on(line, e) && (!line->uplink || has_room(line->uplink, c->outbox_most, c->outbox_hours, e));
}

/* Inside a transaction. */
static bool wait_again(struct ledger *l, struct outbox_row *row, struct err *e)
{
	bool changed = false;
	uint64_t index;
	AUTO(json) json_t *body = json_pack("{s:s, s:s}", "registration_id", row->registration_id, "after", row->error);
	row->queued_ms = clock_wall_ms();
	return outbox_put(l, row, &changed, e) && audit_append(l, "enroll.queued", row->job, body, row->queued_ms, &index, e);
}

bool uplink_again(struct ledger *ledger, const char *registration_id, struct err *e)
{
	bool found = false;
	AUTO(job_row) struct job_row job = {0};
	AUTO(outbox_row) struct outbox_row row = {0};
	if (!jobs_find(ledger, JOB_BY_REGISTRATION, registration_id, &job, &found, e) ||
	    (found && !outbox_find(ledger, job.id, &row, &found, e)))
		return false;
	if (!found || row.state != OUTBOX_ASIDE)
		return err_set(e, E_USAGE, "no unit is aside under %s", registration_id);
	if (!ledger_begin(ledger, e))
		return false;
	if (wait_again(ledger, &row, e))
		return ledger_commit(ledger, e);
	ledger_rollback(ledger);
	return err_in(e, "putting %s back", registration_id);
}
