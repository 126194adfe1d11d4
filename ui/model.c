/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/model.h"

#include <stdio.h>
#include <string.h>

#define COPY(field, object, member) copy((field), sizeof(field), json_text_or((object), (member), ""))

/* Cuts; a character cut in two is drawn as a replacement sign. */
static void copy(char *out, size_t room, const char *text)
{
	size_t n = strnlen(text, room - 1);
	memcpy(out, text, n);
	out[n] = '\0';
}

static int one_of(const char *text, const char *const *words)
{
	for (int i = 0; words[i]; i++)
		if (!strcmp(words[i], text))
			return i;
	return 0;
}

static int64_t bounded(int64_t x, int64_t most)
{
	return x < 0 ? 0 : x > most ? most : x;
}

static void add_time(struct model_slot *s, const char *stage, const json_t *ms)
{
	if (s->time_count == MODEL_STAGES_MAX || !json_is_integer(ms))
		return;
	copy(s->times[s->time_count].stage, sizeof(s->times[0].stage), stage);
	s->times[s->time_count++].ms = json_integer_value(ms);
}

/* Members of an object have no order: the line's list of stages gives it. A line without the
 * list is shown as it came. */
static void read_times(const struct model *m, struct model_slot *s, json_t *times)
{
	const char *stage;
	json_t *ms;
	s->time_count = 0;
	for (size_t i = 0; i < m->stage_count; i++)
		add_time(s, m->stage[i], json_object_get(times, m->stage[i]));
	if (m->stage_count == 0)
		json_object_foreach(times, stage, ms)
			add_time(s, stage, ms);
}

static void read_slot(const struct model *m, struct model_slot *s, const json_t *j)
{
	static const char *const states[] = {"empty", "working", "waiting", "done", NULL};
	static const char *const verdicts[] = {"", "PASS", "BUILT", "HOLD", "FAIL", NULL};
	COPY(s->name, j, "name");
	COPY(s->port, j, "port");
	COPY(s->profile, j, "profile");
	s->state = (enum slot_state)one_of(json_text_or(j, "state", ""), states);
	s->verdict = (enum slot_verdict)one_of(json_text_or(j, "verdict", ""), verdicts);
	COPY(s->stage, j, "stage");
	s->stage_index = (int)bounded(json_int_or(j, "stage_index", 0), 99);
	s->stage_count = (int)bounded(json_int_or(j, "stage_count", 0), 99);
	COPY(s->serial, j, "serial");
	COPY(s->registration_id, j, "registration_id");
	COPY(s->hub, j, "hub");
	COPY(s->device_id, j, "device_id");
	s->safe_to_remove = json_is_true(json_object_get(j, "safe_to_remove"));
	s->recognised = json_is_true(json_object_get(j, "recognised"));
	COPY(s->sentence, j, "sentence");
	COPY(s->code, j, "code");
	COPY(s->todo, j, "todo");
	COPY(s->whom, j, "whom");
	s->since_ms = json_int_or(j, "since_ms", 0);
	COPY(s->label, j, "label");
	COPY(s->lot, j, "lot");
	COPY(s->waits_for, j, "waits_for");
	s->row = (int)bounded(json_int_or(j, "row", 0), 999);
	s->column = (int)bounded(json_int_or(j, "column", 0), 999);
	s->try = (int)bounded(json_int_or(j, "try", 0), 999);
	s->tries = (int)bounded(json_int_or(j, "tries", 0), 999);
	s->next_try_ms = json_int_or(j, "next_try_ms", 0);
	read_times(m, s, json_object_get(j, "times"));
}

static bool apply_slot(struct model *m, const json_t *j)
{
	const char *name = json_text_or(j, "name", "");
	size_t i = 0;
	if (!*name)
		return false;
	while (i < m->slot_count && strncmp(m->slot[i].name, name, sizeof(m->slot[i].name) - 1) != 0)
		i++;
	if (i == MODEL_SLOTS_MAX)
		return false;
	if (i == m->slot_count)
		m->slot_count++;
	read_slot(m, &m->slot[i], j);
	return true;
}

/* Only devices that stand in no slot are kept: the others are the slots' own. */
static bool apply_device(struct model *m, const json_t *j)
{
	const char *port = json_text_or(j, "port", "");
	bool keep = json_is_true(json_object_get(j, "present")) && !*json_text_or(j, "slot", "");
	size_t i = 0;
	if (!*port)
		return false;
	while (i < m->device_count && strncmp(m->device[i].port, port, sizeof(m->device[i].port) - 1) != 0)
		i++;
	if (!keep) {
		if (i == m->device_count)
			return false;
		memmove(&m->device[i], &m->device[i + 1], (m->device_count - i - 1) * sizeof(m->device[0]));
		m->device_count--;
		return true;
	}
	if (i == MODEL_DEVICES_MAX)
		return false;
	if (i == m->device_count)
		m->device_count++;
	COPY(m->device[i].port, j, "port");
	COPY(m->device[i].serial, j, "serial");
	COPY(m->device[i].product, j, "product");
	return true;
}

static bool apply_counts(struct model *m, const json_t *j)
{
	m->pass = json_int_or(j, "pass", m->pass);
	m->built = json_int_or(j, "built", m->built);
	m->hold = json_int_or(j, "hold", m->hold);
	m->fail = json_int_or(j, "fail", m->fail);
	m->open = json_int_or(j, "open", m->open);
	return true;
}

static bool apply_outbox(struct model *m, const json_t *j)
{
	if (!json_is_object(j))
		return false;
	m->outbox.waiting = bounded(json_int_or(j, "waiting", 0), INT64_MAX);
	m->outbox.aside = bounded(json_int_or(j, "aside", 0), INT64_MAX);
	m->outbox.oldest_ms = json_int_or(j, "oldest_ms", 0);
	m->outbox.offline = json_is_true(json_object_get(j, "offline"));
	COPY(m->outbox.code, j, "code");
	return true;
}

static void read_stages(struct model *m, const json_t *names)
{
	size_t i;
	json_t *name;
	if (!json_is_array(names))
		return;
	m->stage_count = 0;
	json_array_foreach(names, i, name)
		if (m->stage_count < MODEL_STAGES_MAX && json_is_string(name))
			copy(m->stage[m->stage_count++], sizeof(m->stage[0]), json_string_value(name));
}

static void read_floor(struct model *m, const json_t *j)
{
	const json_t *jig = json_object_get(j, "jig"), *scanner = json_object_get(j, "scanner");
	COPY(m->mode, j, "mode");
	m->jig.rows = (int)bounded(json_int_or(jig, "rows", 0), 99);
	m->jig.columns = (int)bounded(json_int_or(jig, "columns", 0), 99);
	m->jig.rotation = (int)bounded(json_int_or(jig, "rotation", 0), 270);
	COPY(m->scanner.prefix, scanner, "prefix");
	COPY(m->scanner.suffix, scanner, "suffix");
	m->scanner.gap_ms = (int)bounded(json_int_or(scanner, "gap_ms", 35), 1000);
	m->scanner.sound = json_is_true(json_object_get(scanner, "sound"));
}

static bool apply_line(struct model *m, const json_t *j)
{
	if (!json_is_object(j))
		return false;
	COPY(m->name, j, "name");
	COPY(m->role, j, "role");
	COPY(m->state, j, "state");
	COPY(m->sentence, j, "sentence");
	COPY(m->code, j, "code");
	COPY(m->todo, j, "todo");
	COPY(m->whom, j, "whom");
	COPY(m->banner, j, "banner");
	COPY(m->build, j, "build");
	COPY(m->config_sha256, j, "config_sha256");
	m->since_ms = json_int_or(j, "since_ms", 0);
	read_stages(m, json_object_get(j, "stages"));
	read_floor(m, j);
	return true;
}

static void read_talk(struct model_talk *t, const json_t *j)
{
	COPY(t->kind, j, "kind");
	COPY(t->sentence, j, "sentence");
	COPY(t->code, j, "code");
	COPY(t->todo, j, "todo");
	COPY(t->wants, j, "wants");
	t->good = json_is_true(json_object_get(j, "good"));
	t->at_ms = json_int_or(j, "at_ms", 0);
}

static bool apply_shift(struct model *m, const json_t *j)
{
	const json_t *person = json_object_get(j, "person"), *lot = json_object_get(j, "lot");
	struct model_shift *s = &m->shift;
	if (!json_is_object(j))
		return false;
	COPY(s->person, person, "id");
	COPY(s->role, person, "role");
	COPY(s->state, person, "state");
	COPY(s->lot, lot, "id");
	COPY(s->product, lot, "product");
	s->count = json_int_or(lot, "count", 0);
	s->taken = json_int_or(lot, "taken", 0);
	COPY(s->label, j, "label");
	COPY(s->tray, j, "tray");
	read_talk(&s->talk, json_object_get(j, "talk"));
	return true;
}

static bool apply_mes(struct model *m, const json_t *j)
{
	size_t i;
	const json_t *adapter;
	memset(&m->mes, 0, sizeof(m->mes));
	json_array_foreach(json_object_get(j, "adapters"), i, adapter) {
		int64_t waiting = json_int_or(adapter, "waiting", 0), aside = json_int_or(adapter, "aside", 0);
		m->mes.waiting = waiting > m->mes.waiting ? waiting : m->mes.waiting;
		m->mes.aside = aside > m->mes.aside ? aside : m->mes.aside;
		m->mes.offline = m->mes.offline || json_is_true(json_object_get(adapter, "offline"));
	}
	return true;
}

static bool apply_snapshot(struct model *m, const json_t *j)
{
	size_t i;
	json_t *x;
	m->reachable = true;
	m->why[0] = '\0';
	m->slot_count = 0;
	m->device_count = 0;
	memset(m->slot, 0, sizeof(m->slot));
	apply_line(m, json_object_get(j, "station"));
	json_array_foreach(json_object_get(j, "slots"), i, x)
		apply_slot(m, x);
	json_array_foreach(json_object_get(j, "devices"), i, x)
		apply_device(m, x);
	apply_counts(m, json_object_get(j, "counts"));
	memset(&m->outbox, 0, sizeof(m->outbox));
	apply_outbox(m, json_object_get(j, "outbox"));
	memset(&m->shift, 0, sizeof(m->shift));
	apply_shift(m, json_object_get(j, "shift"));
	apply_mes(m, json_object_get(j, "mes"));
	m->audit_size = json_int_or(json_object_get(j, "audit"), "size", 0);
	COPY(m->audit_root, json_object_get(j, "audit"), "root");
	return true;
}

bool model_apply(struct model *m, const json_t *event)
{
	static const struct { const char *event, *member; bool (*apply)(struct model *, const json_t *); } rows[] = {
		{"slot", "slot", apply_slot}, {"counts", "counts", apply_counts},
		{"device", "device", apply_device}, {"line", "line", apply_line}, {"outbox", "outbox", apply_outbox},
		{"shift", "shift", apply_shift}, {"mes", "mes", apply_mes},
	};
	const char *kind = json_text_or(event, "event", "");
	if (!strcmp(kind, "snapshot"))
		return apply_snapshot(m, event);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (!strcmp(kind, rows[i].event))
			return rows[i].apply(m, json_object_get(event, rows[i].member));
	return false;
}

void model_lost(struct model *m, const char *why)
{
	m->reachable = false;
	copy(m->why, sizeof(m->why), why);
}

bool slot_must_stay(const struct model_slot *s)
{
	return s->state != SLOT_EMPTY && !s->safe_to_remove;
}

bool slot_tries_again(const struct model_slot *s)
{
	return s->state == SLOT_WAITING && !*s->waits_for && s->next_try_ms > 0;
}

static void add(char *out, size_t room, const char *text)
{
	size_t n = strlen(out);
	copy(out + n, room - n, text);
}

/* ---- the outbox ---- */

/* In the greatest unit of which there is at least one. */
static void add_age(int64_t ms, char *out, size_t room)
{
	static const struct { int64_t ms; const char *unit; } units[] = {
		{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}};
	char part[64];
	size_t i = 0;
	while (i < COUNT_OF(units) - 1 && ms < units[i].ms)
		i++;
	snprintf(part, sizeof(part), " (oldest %lld %s", (long long)(ms / units[i].ms), units[i].unit);
	add(out, room, part);
}

void model_outbox(const struct model *m, char *out, size_t room)
{
	char part[64];
	out[0] = '\0';
	if (m->outbox.waiting) {
		snprintf(part, sizeof(part), "%lld wait for the cloud", (long long)m->outbox.waiting);
		add(out, room, part);
		add_age(bounded(m->now_ms - m->outbox.oldest_ms, INT64_MAX), out, room);
		add(out, room, m->outbox.offline ? "; " : "");
		add(out, room, m->outbox.offline ? m->outbox.code : "");
		add(out, room, ")");
	}
	if (m->outbox.aside) {
		snprintf(part, sizeof(part), "%s%lld aside", *out ? ", " : "", (long long)m->outbox.aside);
		add(out, room, part);
	}
	if (m->mes.offline || m->mes.aside) {
		snprintf(part, sizeof(part), "%s%lld wait for the MES%s", *out ? ", " : "", (long long)m->mes.waiting,
			 m->mes.aside ? ", refused events are aside" : "");
		add(out, room, part);
	}
}

void model_floor(const struct model *m, char *out, size_t room)
{
	const struct model_shift *s = &m->shift;
	char lot[160] = "";
	bool somebody = !strcmp(s->state, "in"), locked = !strcmp(s->state, "locked");
	out[0] = '\0';
	if (somebody || locked)
		add(out, room, s->role);
	else if (!strcmp(s->state, "nobody") || !strcmp(s->state, "wants pin"))
		add(out, room, "nobody is logged in");
	add(out, room, locked ? " (locked)" : "");
	if (s->lot[0])
		snprintf(lot, sizeof(lot), "%slot %s %lld/%lld", *out ? ", " : "", s->lot, (long long)s->taken, (long long)s->count);
	add(out, room, lot);
}
