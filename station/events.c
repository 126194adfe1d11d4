/* SPDX-License-Identifier: Apache-2.0 */
#include "station/events.h"
#include "station/base/clock.h"
#include "station/pipeline.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void events_init(struct events *ev, bool json)
{
	memset(ev, 0, sizeof(*ev));
	pthread_mutex_init(&ev->lock, NULL);
	ev->json = json;
}

/* Takes the object. A reader that has gone stops nothing. */
static void put_json(struct events *ev, json_t *object)
{
	AUTO(json) json_t *owned = object;
	AUTO(bytes) struct bytes line = {0};
	struct err ignored = {0};
	json_object_set_new(object, "time_ms", json_integer(clock_wall_ms()));
	if (!json_canonical(object, &line, &ignored))
		return;
	pthread_mutex_lock(&ev->lock);
	printf("%s\n", bytes_text(&line));
	fflush(stdout);
	pthread_mutex_unlock(&ev->lock);
}

static void put_line(struct events *ev, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void put_line(struct events *ev, const char *fmt, ...)
{
	char when[CLOCK_TEXT];
	va_list ap;
	clock_text(clock_wall_ms(), when);
	pthread_mutex_lock(&ev->lock);
	printf("%.8s  ", when + 11);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	pthread_mutex_unlock(&ev->lock);
}

/* A person wants to hear of stages, waits and verdicts, once each. */
static bool is_news(struct events *ev, const struct slot_view *v)
{
	bool news = true;
	pthread_mutex_lock(&ev->lock);
	for (int i = 0; i < CONFIG_SLOTS_MAX; i++) {
		if (ev->last[i].name[0] && strcmp(ev->last[i].name, v->name) != 0)
			continue;
		news = ev->last[i].stage != v->stage || ev->last[i].state != v->state || ev->last[i].verdict != v->verdict;
		memcpy(ev->last[i].name, v->name, sizeof(v->name));
		ev->last[i].stage = v->stage;
		ev->last[i].state = v->state;
		ev->last[i].verdict = v->verdict;
		break;
	}
	pthread_mutex_unlock(&ev->lock);
	return news;
}

void events_slot(struct events *ev, const struct slot_view *v)
{
	if (ev->json) {
		put_json(ev, json_pack("{s:s, s:o}", "event", "slot", "slot", slot_view_json(v)));
		return;
	}
	if (!is_news(ev, v))
		return;
	const struct err_row *row = err_row(v->error.code);
	if (v->state == JOB_DONE && v->verdict != VERDICT_NONE && v->error.code)
		put_line(ev, "slot %s  %-16s  %s  %s %s %s (%s)", v->name, v->serial, verdict_name(v->verdict), row->code, row->happened,
			 row->todo, v->error.what);
	else if (v->state == JOB_DONE && v->verdict != VERDICT_NONE)
		put_line(ev, "slot %s  %-16s  %s  %s in %s%s", v->name, v->serial, verdict_name(v->verdict), v->registration_id, v->hub,
			 v->recognised ? " (known, done before)" : "");
	else if (v->state == JOB_WAITING)
		put_line(ev, "slot %s  %-16s  waits: %s %s", v->name, v->serial, row->code, v->error.what);
	else if (v->working)
		put_line(ev, "slot %s  %-16s  %s", v->name, v->serial, pipeline[v->stage].name);
	else
		put_line(ev, "slot %s  empty", v->name);
}

void events_stray(struct events *ev, const struct stray_view *v)
{
	if (ev->json)
		put_json(ev, json_pack("{s:s, s:o}", "event", "device", "device", stray_view_json(v)));
	else
		put_line(ev, "%s is no slot: %s \"%s\" %s, left alone", v->usb.port, v->usb.product, v->usb.serial,
			 v->present ? "arrived" : "left");
}

void events_outbox(struct events *ev, const struct uplink_view *v)
{
	if (ev->json) {
		put_json(ev, json_pack("{s:s, s:o}", "event", "outbox", "outbox", uplink_view_json(v)));
		return;
	}
	pthread_mutex_lock(&ev->lock);
	bool news = ev->offline != v->offline;
	ev->offline = v->offline;
	pthread_mutex_unlock(&ev->lock);
	if (news && v->offline)
		put_line(ev, "uplink offline, %llu wait: %s %s (%s)", (unsigned long long)v->counts.waiting, err_row(v->why.code)->code,
			 err_row(v->why.code)->happened, v->why.what);
	else if (news)
		put_line(ev, "uplink online, %llu wait", (unsigned long long)v->counts.waiting);
}

void events_line(struct events *ev, const char *what, const char *sentence)
{
	if (ev->json)
		put_json(ev, json_pack("{s:s, s:{s:s, s:s}}", "event", "line", "line", "state", what, "sentence", sentence));
	else
		put_line(ev, "line %s  %s", what, sentence);
}

void events_preflight(struct events *ev, const char *name, bool ok, const char *text)
{
	if (ev->json)
		put_json(ev, json_pack("{s:s, s:s, s:b, s:s}", "event", "preflight", "name", name, "ok", ok, "text", text));
	else
		put_line(ev, "%-4s  %-12s  %s", ok ? "ok" : "NOT", name, text);
}
