/* SPDX-License-Identifier: Apache-2.0 */
#include "station/api/metrics.h"
#include "station/base/clock.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define STAGES 32
#define SLOTS 64
#define NAME 64

static const struct {
	int64_t ms;
	const char *le;	/* in seconds */
} bounds[] = {{10, "0.01"}, {50, "0.05"}, {100, "0.1"}, {250, "0.25"}, {500, "0.5"},  {1000, "1"},
	      {2500, "2.5"}, {5000, "5"}, {10000, "10"}, {30000, "30"}, {60000, "60"}};

struct stage {
	char name[NAME];
	uint64_t within[COUNT_OF(bounds)];	/* each bound's own, not those below it */
	uint64_t count;
	int64_t sum_ms;
};

struct slot {
	char name[NAME];
	bool ended;	/* its unit has been counted */
};

struct metrics {
	pthread_mutex_t lock;
	struct stage stage[STAGES];
	struct slot slot[SLOTS];
};

bool metrics_new(struct metrics **ret, struct err *e)
{
	*ret = calloc(1, sizeof(**ret));
	if (!*ret)
		return err_set(e, E_NOMEM, "metrics");
	pthread_mutex_init(&(*ret)->lock, NULL);
	return true;
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	pthread_mutex_destroy(&m->lock);
	free(m);
}

/* ---- how long stages took ---- */

static void count_stage(struct metrics *m, const char *name, int64_t took_ms)
{
	size_t i = 0, bound = 0;
	while (i < STAGES && m->stage[i].name[0] && strcmp(m->stage[i].name, name) != 0)
		i++;
	if (i == STAGES || strlen(name) >= NAME)
		return;
	struct stage *s = &m->stage[i];
	snprintf(s->name, sizeof(s->name), "%s", name);
	while (bound < COUNT_OF(bounds) && took_ms > bounds[bound].ms)
		bound++;
	if (bound < COUNT_OF(bounds))
		s->within[bound]++;
	s->count++;
	s->sum_ms += took_ms;
}

/* True once for each unit, when it has its verdict. */
static bool has_just_ended(struct metrics *m, const json_t *slot)
{
	const char *name = json_text_or(slot, "name", "");
	bool ended = *json_text_or(slot, "verdict", "") && !strcmp(json_text_or(slot, "state", ""), "done");
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *s = &m->slot[i];
		if (s->name[0] && strcmp(s->name, name) != 0)
			continue;
		bool now = ended && !s->ended;
		snprintf(s->name, sizeof(s->name), "%s", name);
		s->ended = ended;
		return now;
	}
	return false;
}

void metrics_hear(struct metrics *m, const json_t *event)
{
	const json_t *slot = json_object_get(event, "slot"), *took;
	const char *name;
	if (!slot)
		return;
	pthread_mutex_lock(&m->lock);
	if (has_just_ended(m, slot))
		json_object_foreach((json_t *)(uintptr_t)json_object_get(slot, "times"), name, took)
			if (json_integer_value(took) > 0)	/* 0: it was skipped */
				count_stage(m, name, json_integer_value(took));
	pthread_mutex_unlock(&m->lock);
}

/* ---- the text ---- */

struct page {
	struct bytes *out;
	struct err *e;
	bool ok;
};

static void put(struct page *p, const char *text)
{
	p->ok = p->ok && bytes_add_text(p->out, text, p->e);
}

static void head(struct page *p, const char *name, const char *type, const char *help)
{
	p->ok = p->ok && bytes_printf(p->out, p->e, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and line feed are escaped. */
static void label(struct page *p, const char *name, const char *value)
{
	p->ok = p->ok && bytes_printf(p->out, p->e, "%s=\"", name);
	for (; *value; value++)
		if (*value == '\n')
			put(p, "\\n");
		else
			p->ok = p->ok && (!strchr("\\\"", *value) || bytes_add(p->out, "\\", 1, p->e)) &&
				bytes_add(p->out, value, 1, p->e);
	put(p, "\"");
}

/* A line; `key` NULL for one without a label. */
static void value(struct page *p, const char *name, const char *key, const char *of, int64_t n)
{
	put(p, name);
	if (key) {
		put(p, "{");
		label(p, key, of);
		put(p, "}");
	}
	p->ok = p->ok && bytes_printf(p->out, p->e, " %" PRId64 "\n", n);
}

/* How old the oldest is that waits, in seconds. */
static int64_t age_s(const json_t *queue)
{
	int64_t oldest_ms = json_int_or(queue, "oldest_ms", 0), age_ms = clock_wall_ms() - oldest_ms;
	return oldest_ms && age_ms > 0 ? age_ms / 1000 : 0;
}

static void put_station(struct page *p, const json_t *station)
{
	head(p, "station_build_info", "gauge", "What runs; always 1.");
	put(p, "station_build_info{");
	label(p, "version", json_text_or(station, "build", ""));
	put(p, ",");
	label(p, "name", json_text_or(station, "name", ""));
	put(p, ",");
	label(p, "mode", json_text_or(station, "mode", ""));
	put(p, ",");
	label(p, "config", json_text_or(station, "config_sha256", ""));
	put(p, "} 1\n");
	head(p, "station_fit", "gauge", "1 while the line may begin units.");
	value(p, "station_fit", NULL, NULL, !strcmp(json_text_or(station, "state", ""), "running"));
	head(p, "station_start_time_seconds", "gauge", "When the line began, in seconds since 1970 UTC.");
	value(p, "station_start_time_seconds", NULL, NULL, json_int_or(station, "since_ms", 0) / 1000);
}

static void put_units(struct page *p, const json_t *counts)
{
	static const char *const verdicts[] = {"pass", "built", "hold", "fail", "open"};
	head(p, "station_units", "gauge", "Units in the ledger by verdict; open: without one.");
	for (size_t i = 0; i < COUNT_OF(verdicts); i++)
		value(p, "station_units", "verdict", verdicts[i], json_int_or(counts, verdicts[i], 0));
}

static void put_slots(struct page *p, const json_t *slots)
{
	static const char *const states[] = {"empty", "working", "waiting", "done"};
	int64_t n[COUNT_OF(states)] = {0};
	for (size_t i = 0; i < json_array_size(slots); i++)
		for (size_t k = 0; k < COUNT_OF(states); k++)
			n[k] += !strcmp(json_text_or(json_array_get(slots, i), "state", ""), states[k]);
	head(p, "station_slots", "gauge", "Slots by state.");
	for (size_t k = 0; k < COUNT_OF(states); k++)
		value(p, "station_slots", "state", states[k], n[k]);
}

static void put_outbox(struct page *p, const json_t *outbox)
{
	head(p, "station_outbox_units", "gauge", "Enrollments by their state in the outbox.");
	value(p, "station_outbox_units", "state", "waiting", json_int_or(outbox, "waiting", 0));
	value(p, "station_outbox_units", "state", "sent", json_int_or(outbox, "sent", 0));
	value(p, "station_outbox_units", "state", "aside", json_int_or(outbox, "aside", 0));
	head(p, "station_outbox_oldest_seconds", "gauge", "Age of the enrollment that waits longest; 0 where none waits.");
	value(p, "station_outbox_oldest_seconds", NULL, NULL, age_s(outbox));
	head(p, "station_outbox_offline", "gauge", "1 while the provisioning service is not reached.");
	value(p, "station_outbox_offline", NULL, NULL, json_is_true(json_object_get(outbox, "offline")));
}

static void put_mes(struct page *p, const json_t *adapters)
{
	static const char *const of[] = {"waiting", "aside"};
	char name[64];
	for (size_t k = 0; k < COUNT_OF(of); k++) {
		snprintf(name, sizeof(name), "station_mes_%s", of[k]);
		head(p, name, "gauge", k ? "Events that were put aside for the MES." : "Events that wait for the MES.");
		for (size_t i = 0; i < json_array_size(adapters); i++)
			value(p, name, "adapter", json_text_or(json_array_get(adapters, i), "name", ""),
			      json_int_or(json_array_get(adapters, i), of[k], 0));
	}
	head(p, "station_mes_oldest_seconds", "gauge", "Age of the event that waits longest; 0 where none waits.");
	for (size_t i = 0; i < json_array_size(adapters); i++)
		value(p, "station_mes_oldest_seconds", "adapter", json_text_or(json_array_get(adapters, i), "name", ""),
		      age_s(json_array_get(adapters, i)));
	head(p, "station_mes_offline", "gauge", "1 while the MES is not reached.");
	for (size_t i = 0; i < json_array_size(adapters); i++)
		value(p, "station_mes_offline", "adapter", json_text_or(json_array_get(adapters, i), "name", ""),
		      json_is_true(json_object_get(json_array_get(adapters, i), "offline")));
}

static void bucket(struct page *p, const struct stage *s, const char *le, uint64_t n)
{
	put(p, "station_stage_duration_seconds_bucket{");
	label(p, "stage", s->name);
	p->ok = p->ok && bytes_printf(p->out, p->e, ",le=\"%s\"} %" PRIu64 "\n", le, n);
}

static void put_stages(struct page *p, const struct metrics *m)
{
	head(p, "station_stage_duration_seconds", "histogram", "How long stages took of units that ended in this run.");
	for (size_t i = 0; i < STAGES && m->stage[i].name[0]; i++) {
		const struct stage *s = &m->stage[i];
		uint64_t n = 0;
		for (size_t k = 0; k < COUNT_OF(bounds); k++)
			bucket(p, s, bounds[k].le, n += s->within[k]);
		bucket(p, s, "+Inf", s->count);
		put(p, "station_stage_duration_seconds_sum{");
		label(p, "stage", s->name);
		p->ok = p->ok && bytes_printf(p->out, p->e, "} %" PRId64 ".%03d\n", s->sum_ms / 1000, (int)(s->sum_ms % 1000));
		value(p, "station_stage_duration_seconds_count", "stage", s->name, (int64_t)s->count);
	}
}

bool metrics_text(struct metrics *m, const json_t *status, size_t readers, struct bytes *ret, struct err *e)
{
	struct page p = {ret, e, true};
	put_station(&p, json_object_get(status, "station"));
	put_units(&p, json_object_get(status, "counts"));
	put_slots(&p, json_object_get(status, "slots"));
	put_outbox(&p, json_object_get(status, "outbox"));
	put_mes(&p, json_object_get(json_object_get(status, "mes"), "adapters"));
	head(&p, "station_audit_entries", "gauge", "Entries in the audit log.");
	value(&p, "station_audit_entries", NULL, NULL, json_int_or(json_object_get(status, "audit"), "size", 0));
	head(&p, "station_event_readers", "gauge", "Clients that read /v1/events.");
	value(&p, "station_event_readers", NULL, NULL, (int64_t)readers);
	pthread_mutex_lock(&m->lock);
	put_stages(&p, m);
	pthread_mutex_unlock(&m->lock);
	return p.ok;
}
