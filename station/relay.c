/* SPDX-License-Identifier: Apache-2.0 */
#include "station/relay.h"
#include "station/base/clock.h"
#include "station/base/log.h"
#include "station/base/text.h"
#include "station/mes/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE 16		/* events of one portion */
#define FIRST_WAIT_MS 1000	/* after a failure; doubles */
#define MOST_WAIT_MS 60000
#define MOST_AFTER_MS 3600000	/* a Retry-After that says more says too much */
#define LOOK_MS 1000		/* between looks without news */

/* One adapter: its own thread, its own pace. */
struct post {
	struct relay *relay;
	const struct mes_adapter *adapter;
	struct mes *mes;	/* of the thread */
	pthread_t thread;
	bool runs;
	bool news, now;		/* under the relay's lock: there is something; somebody asks to try at once */
	int64_t wait_ms;	/* of the thread: after a failure, else 0 */
	bool takes;		/* of the thread: the receiver took an event, the last time that it was told a new one */
	struct err trouble;	/* of the thread: what it answered then; code E_NONE: it took it */
};

struct relay {
	struct line *line;
	relay_changed *changed;
	void *ctx;
	struct mes_setup setup;
	size_t count;
	struct post post[SPOOL_ADAPTERS_MAX];
	pthread_mutex_t lock;	/* what follows, and each post's news */
	pthread_cond_t woken;
	bool ending;
	struct relay_view view;
};

void relay_setup(const struct config *c, struct mes_setup *ret)
{
	*ret = (struct mes_setup){
		.station = c->mes_station, .folder_out = c->folder_out, .folder_in = c->folder_in, .folder_format = c->folder_format,
		.url = c->mes_url, .ca_file = c->mes_ca_file, .certificate = c->mes_certificate, .key = c->mes_key,
		.hmac_secret = c->mes_hmac_key, .timeout_ms = (int)c->mes_timeout_ms,
	};
}

/* ---- putting ---- */

static size_t adapters_of(const struct config *c, const char *ret[static SPOOL_ADAPTERS_MAX])
{
	struct mes_setup setup;
	size_t n = 0;
	relay_setup(c, &setup);
	for (const struct mes_adapter *const *a = mes_table; *a && n < SPOOL_ADAPTERS_MAX; a++)
		if ((*a)->configured(&setup))
			ret[n++] = (*a)->name;
	return n;
}

static bool put_event(struct line *l, const json_t *event, const char *type, const char *unit, int64_t now_ms,
		const char *const *names,
		      size_t count, struct err *e)
{
	AUTO(spool_event) struct spool_event ev = {.time_ms = now_ms, .body.max = SPOOL_BODY_MAX};
	return json_canonical(event, &ev.body, e) && TEXT_COPY(ev.id, json_text_or(event, "id", ""), e) &&
	       TEXT_COPY(ev.type, type, e) && TEXT_COPY(ev.unit, unit, e) && spool_put(l->ledger, &ev, names, count, e);
}

bool relay_put(struct line *l, const char *type, const char *unit, const char *lot, const char *person, json_t *body, struct err *e)
{
	const char *names[SPOOL_ADAPTERS_MAX];
	size_t count = adapters_of(l->config, names);
	int64_t now_ms = clock_wall_ms();
	if (!count) {
		json_decref(body);
		return true;
	}
	AUTO(json) json_t *event = event_new(type, l->config->mes_station, unit, lot, person, now_ms, body, e);
	return event && put_event(l, event, type, unit, now_ms, names, count, e);
}

/* ---- delivering ---- */

struct portion {
	struct spool_event event[AT_ONCE];
	uint32_t tries[AT_ONCE];
	size_t count, settled;	/* read; delivered or aside */
	struct err *e;
};

static bool keep(void *ctx, const struct spool_event *ev, uint32_t tries)
{
	struct portion *p = ctx;
	struct spool_event *to = &p->event[p->count];
	*to = *ev;
	to->body = (struct bytes){.max = SPOOL_BODY_MAX};
	if (!bytes_set(&to->body, ev->body.data, ev->body.len, p->e))
		return false;
	p->tries[p->count++] = tries;
	return p->count < AT_ONCE;
}

static void portion_fini(struct portion *p)
{
	for (size_t i = 0; i < p->count; i++)
		spool_event_fini(&p->event[i]);
}

static bool settle(struct post *p, const struct spool_event *ev, enum spool_end end, int64_t due_ms, const struct err *why,
		   struct err *e)
{
	struct ledger *l = p->relay->line->ledger;
	if (!ledger_begin(l, e))
		return false;
	if (spool_settle(l, p->adapter->name, ev->number, end, due_ms, why, e))
		return ledger_commit(l, e);
	ledger_rollback(l);
	return false;
}

static bool send_event(struct post *p, const struct spool_event *ev, int64_t *ret_again_ms, struct err *why)
{
	AUTO(json) json_t *event = NULL;
	if (!json_parse(bytes_text(&ev->body), ev->body.len, &event, why))
		return false;
	if (!p->mes && !p->adapter->open(&p->relay->setup, &p->mes, why))
		return false;
	return p->adapter->deliver(p->mes, event, clock_steady_ms() + p->relay->setup.timeout_ms, ret_again_ms, why);
}

/* Each time that the receiver does not take it, this event waits longer; or as long as the receiver says. */
static int64_t due_again(uint32_t tries, int64_t again_ms)
{
	int64_t own = tries < 6 ? (int64_t)FIRST_WAIT_MS << tries : MOST_WAIT_MS;
	int64_t ms = again_ms > own ? again_ms : own;
	return clock_wall_ms() + (ms < MOST_AFTER_MS ? ms : MOST_AFTER_MS);
}

/* What one answer tells of the receiver. An event that is not taken again tells only of itself. */
static void judge(struct post *p, const struct err *answer, uint32_t tries)
{
	bool later = answer->code == E_MES;
	if (later && tries > 0 && p->takes)
		return;
	p->takes = !later;
	p->trouble = later ? *answer : (struct err){0};
}

/* One event. False when the receiver, or the ledger, is away: the rest waits too. */
static bool deliver_one(struct post *p, struct portion *portion, size_t i, struct err *why)
{
	const struct spool_event *ev = &portion->event[i];
	uint32_t tries = portion->tries[i];
	struct err answer = {0};
	int64_t again_ms = -1;
	bool sent = send_event(p, ev, &again_ms, &answer);
	bool aside = !sent && (answer.code == E_MES_REFUSED || answer.code == E_JSON);
	if (!sent && !aside && (answer.code != E_MES || again_ms < 0)) {
		*why = answer;
		return false;
	}
	judge(p, &answer, tries);
	portion->settled += sent || aside;
	if (sent || aside)
		return settle(p, ev, sent ? SPOOL_DONE : SPOOL_ASIDE, 0, &answer, why);
	return settle(p, ev, SPOOL_LATER, due_again(tries, again_ms), &answer, why);
}

static bool ending(struct relay *r)
{
	pthread_mutex_lock(&r->lock);
	bool is = r->ending;
	pthread_mutex_unlock(&r->lock);
	return is;
}

/* The events that are due, as many as one portion holds. *ret_none: of a full portion not one was settled, so that it is hardly
 * the events' fault. */
static bool deliver_portion(struct post *p, size_t *ret_count, bool *ret_none, struct err *why)
{
	struct portion portion = {.e = why};
	bool ok = spool_scan(p->relay->line->ledger, p->adapter->name, clock_wall_ms(), AT_ONCE, keep, &portion, why) && !why->code;
	for (size_t i = 0; ok && i < portion.count && !ending(p->relay); i++)
		ok = deliver_one(p, &portion, i, why);
	*ret_count = portion.count;
	*ret_none = portion.count == AT_ONCE && !portion.settled;
	portion_fini(&portion);
	return ok;
}

/* What everybody sees of this adapter. */
static void show(struct post *p, const struct err *why)
{
	struct relay *r = p->relay;
	struct relay_adapter_view *v = &r->view.adapter[p - r->post];
	struct spool_counts counts;
	struct relay_view copy;
	struct err ignored = {0};
	bool counted = spool_count(r->line->ledger, p->adapter->name, &counts, &ignored);
	pthread_mutex_lock(&r->lock);
	bool offline = why->code != E_NONE;
	if (v->offline != offline)
		v->since_ms = clock_wall_ms();
	v->offline = offline;
	v->why = *why;
	if (counted)
		v->counts = counts;
	copy = r->view;
	pthread_mutex_unlock(&r->lock);
	if (r->changed)
		r->changed(r->ctx, &copy);
}

/* Until there is something to do. News does not hurry a receiver that is away. */
static void wait_for_news(struct post *p)
{
	struct relay *r = p->relay;
	struct timespec end;
	int64_t ms = p->wait_ms ? p->wait_ms : LOOK_MS;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += ms / 1000;
	end.tv_nsec += ms % 1000 * 1000000;
	if (end.tv_nsec >= 1000000000) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&r->lock);
	while (!r->ending && !p->now && (p->wait_ms || !p->news))
		if (pthread_cond_timedwait(&r->woken, &r->lock, &end) != 0)
			break;
	p->news = p->now = false;
	pthread_mutex_unlock(&r->lock);
}

static void *carry(void *arg)
{
	struct post *p = arg;
	while (!ending(p->relay)) {
		struct err why = {0};
		size_t count = 0;
		bool none = false, ok = deliver_portion(p, &count, &none, &why);
		if (count || !ok || p->wait_ms)
			show(p, ok ? &p->trouble : &why);
		int64_t longer = p->wait_ms ? 2 * p->wait_ms : FIRST_WAIT_MS;
		p->wait_ms = ok && !none ? 0 : longer < MOST_WAIT_MS ? longer : MOST_WAIT_MS;
		if (!ok)
			log_err(LOG_LEVEL_INFO, &why, p->adapter->name);
		if (!ok || none || count < AT_ONCE)
			wait_for_news(p);
	}
	return NULL;
}

/* ---- life ---- */

static bool start_posts(struct relay *r, struct err *e)
{
	const char *names[SPOOL_ADAPTERS_MAX];
	size_t count = adapters_of(r->line->config, names);
	for (const struct mes_adapter *const *a = mes_table; *a; a++)
		for (size_t i = 0; i < count; i++)
			if (!strcmp((*a)->name, names[i]))
				r->post[i] = (struct post){.relay = r, .adapter = *a};
	for (r->count = 0; r->count < count; r->count++) {
		struct post *p = &r->post[r->count];
		snprintf(r->view.adapter[r->count].name, sizeof(r->view.adapter[0].name), "%s", p->adapter->name);
		r->view.count = r->count + 1;
		if (!spool_count(r->line->ledger, p->adapter->name, &r->view.adapter[r->count].counts, e))
			return false;
	}
	for (size_t i = 0; i < count; i++) {
		r->post[i].runs = pthread_create(&r->post[i].thread, NULL, carry, &r->post[i]) == 0;
		if (!r->post[i].runs)
			return err_set(e, E_NOMEM, "relay");
	}
	return true;
}

bool relay_start(struct line *line, relay_changed *changed, void *ctx, struct relay **ret, struct err *e)
{
	struct relay *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;
	if (!r)
		return err_set(e, E_NOMEM, "relay");
	r->line = line;
	r->changed = changed;
	r->ctx = ctx;
	relay_setup(line->config, &r->setup);
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->woken, &attr);
	pthread_condattr_destroy(&attr);
	*ret = r;
	return start_posts(r, e);
}

void relay_stop(struct relay *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->ending = true;
	pthread_cond_broadcast(&r->woken);
	pthread_mutex_unlock(&r->lock);
	for (size_t i = 0; i < r->count; i++) {
		if (r->post[i].runs)
			pthread_join(r->post[i].thread, NULL);
		r->post[i].runs = false;
	}
}

void relay_free(struct relay *r)
{
	if (!r)
		return;
	relay_stop(r);
	for (size_t i = 0; i < r->count; i++)
		if (r->post[i].mes)
			r->post[i].adapter->close(r->post[i].mes);
	pthread_cond_destroy(&r->woken);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void relay_look(struct relay *r, struct relay_view *ret)
{
	*ret = (struct relay_view){0};
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	*ret = r->view;
	pthread_mutex_unlock(&r->lock);
}

static bool again_all(struct relay *r, struct err *e)
{
	struct ledger *l = r->line->ledger;
	bool ok = ledger_begin(l, e);
	if (!ok)
		return false;
	for (size_t i = 0; ok && i < r->count; i++)
		ok = spool_again(l, r->post[i].adapter->name, clock_wall_ms(), e);
	if (ok)
		return ledger_commit(l, e);
	ledger_rollback(l);
	return false;
}

bool relay_wake(struct relay *r, bool again, struct err *e)
{
	if (!r || (again && !again_all(r, e)))
		return !r;
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->count; i++) {
		r->post[i].news = true;
		r->post[i].now |= again;
	}
	pthread_cond_broadcast(&r->woken);
	pthread_mutex_unlock(&r->lock);
	return true;
}

bool relay_may_begin(struct line *line, struct err *e)
{
	struct relay_view v;
	relay_look(line->relay, &v);
	for (size_t i = 0; i < v.count; i++)
		if (v.adapter[i].counts.waiting > line->config->mes_events_most)
			return err_set(e, E_SPOOL_FULL, "%llu events wait for %s", (unsigned long long)v.adapter[i].counts.waiting,
				       v.adapter[i].name);
	return true;
}

json_t *relay_view_json(const struct relay_view *view)
{
	json_t *list = json_array();
	for (size_t i = 0; i < view->count; i++) {
		const struct relay_adapter_view *v = &view->adapter[i];
		const struct err_row *row = err_row(v->why.code);
		json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:I, s:b, s:s, s:s, s:s, s:I}", "name", v->name, "waiting",
						      (json_int_t)v->counts.waiting, "aside", (json_int_t)v->counts.aside, "oldest_ms",
						      (json_int_t)v->counts.oldest_ms, "offline", v->offline, "code",
						      v->offline ? row->code : "", "sentence", v->offline ? row->happened : "", "what",
						      v->why.what, "since_ms", (json_int_t)v->since_ms));
	}
	return json_pack("{s:o}", "adapters", list);
}
