/* SPDX-License-Identifier: Apache-2.0 */
/* What the desk says of one unit, of all, and of the audit log's entries. */
#include "station/desk.h"
#include "db/visits.h"
#include "station/base/text.h"

#include <string.h>

#define UNITS_MOST 500
#define VISITS_MOST 50
#define ENTRIES_MOST 200
#define ENTRIES_LOOKED_AT 20000	/* of one request: a search goes on where the last one ended */
#define ENTRY_TEXT 400

static json_t *job_json(const struct job_row *r)
{
	char ek[2 * SHA256_SIZE + 1], leaf[2 * SHA256_SIZE + 1] = "", serial[2 * CERT_SERIAL + 1] = "";
	uint8_t hash[SHA256_SIZE];
	hex_encode(r->ek_sha256, SHA256_SIZE, ek);
	sha256_of(r->leaf.data, r->leaf.len, hash);
	if (r->leaf.len) {
		hex_encode(hash, SHA256_SIZE, leaf);
		hex_encode(r->cert_serial, CERT_SERIAL, serial);
	}
	json_t *unit = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "job", r->id, "serial", r->serial, "model", r->model,
				 "revision", r->revision, "slot", r->slot, "driver", r->driver, "profile", r->profile, "order", r->order,
				 "stage", r->stage);
	json_object_update_new(unit, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "verdict", verdict_name(r->verdict),
					       "code", r->error, "what", r->error_what, "registration_id", r->registration_id, "hub", r->hub,
					       "device_id", r->device_id, "ek_sha256", ek, "leaf_sha256", leaf, "certificate_serial",
					       serial));
	json_object_update_new(unit, json_pack("{s:I, s:I, s:I, s:i, s:b}", "intent", (json_int_t)r->intent_index, "started_ms",
					       (json_int_t)r->started_ms, "updated_ms", (json_int_t)r->updated_ms, "visits",
					       (int)r->visits, "closed", r->closed));
	return unit;
}

/* ---- one unit ---- */

static bool find_unit(struct ledger *l, const char *id, struct job_row *ret, struct err *e)
{
	static const enum job_key keys[] = {JOB_BY_SERIAL, JOB_BY_REGISTRATION, JOB_BY_ID};
	bool found = false;
	for (size_t i = 0; i < COUNT_OF(keys) && !found; i++)
		if (!jobs_find(l, keys[i], id, ret, &found, e))
			return false;
	return found || err_set(e, E_USAGE, "no unit is known as \"%.64s\"", id);
}

static json_t *entry_json(uint64_t index, const char *type, const char *job, const json_t *entry)
{
	AUTO(bytes) struct bytes text = {0};
	struct err ignored = {0};
	const json_t *body = json_object_get(entry, "body");
	if (body && !json_canonical(body, &text, &ignored))
		bytes_clear(&text);
	size_t len = text.len;
	if (len > ENTRY_TEXT)	/* cut at a whole character */
		for (len = ENTRY_TEXT; len && (text.data[len] & 0xc0) == 0x80;)
			len--;
	return json_pack("{s:I, s:I, s:s, s:s, s:s%}", "index", (json_int_t)index, "time_ms", json_int_or(entry, "time", 0), "type", type,
			 "job", job, "text", bytes_text(&text), len);
}

static json_t *entry_of(uint64_t index, const char *type, const char *job, const void *entry, size_t len)
{
	AUTO(json) json_t *parsed = NULL;
	struct err ignored = {0};
	if (!len)
		parsed = json_pack("{s:{s:s}}", "body", "archived", "in the archive of its lot");
	else if (!json_parse(entry, len, &parsed, &ignored))
		parsed = json_object();
	return entry_json(index, type, job, parsed);
}

/* A unit's visits, and of each what the audit log says: others' entries lie between. */
struct life {
	struct ledger *l;
	json_t *visits, *entries;
	const struct visit_row *now;
	struct err *e;
	bool ok;
};

static bool add_entry(void *ctx, uint64_t index, const char *type, const char *job, const void *entry, size_t len)
{
	struct life *life = ctx;
	if (!strcmp(job, life->now->visit) || (*job && !strcmp(job, life->now->job)))
		json_array_append_new(life->entries, entry_of(index, type, job, entry, len));
	return true;
}

static bool add_visit(void *ctx, const struct visit_row *v)
{
	struct life *life = ctx;
	life->now = v;
	json_array_append_new(life->visits, desk_visit_json(v));
	while (json_array_size(life->visits) > VISITS_MOST)
		json_array_remove(life->visits, 0);
	json_array_clear(life->entries);	/* of the last visit */
	life->ok = audit_scan(life->l, (uint64_t)v->entry_from, (uint64_t)v->entry_to + 1, add_entry, life, life->e);
	return life->ok;
}

json_t *desk_unit(struct desk *d, const json_t *request, struct err *e)
{
	struct ledger *l = d->line->ledger;
	AUTO(job_row) struct job_row row = {0};
	if (!find_unit(l, json_text_or(request, "id", ""), &row, e))
		return NULL;
	struct life life = {.l = l, .visits = json_array(), .entries = json_array(), .e = e, .ok = true};
	json_t *unit = job_json(&row);
	json_object_set_new(unit, "visited", life.visits);
	json_object_set_new(unit, "entries", life.entries);
	if (visits_of_unit(l, row.serial, add_visit, &life, e) && life.ok)
		return json_pack("{s:o}", "unit", unit);
	json_decref(unit);
	return NULL;
}

static bool add_unit(void *ctx, const struct job_row *row)
{
	return json_array_append_new(ctx, job_json(row)) == 0;
}

json_t *desk_units(struct desk *d, const json_t *request, struct err *e)
{
	int64_t most = json_int_or(request, "most", 100);
	json_t *units = json_array();
	most = most < 1 ? 1 : most > UNITS_MOST ? UNITS_MOST : most;
	if (jobs_behind(d->line->ledger, json_text_or(request, "after", ""), (uint32_t)most, add_unit, units, e))
		return json_pack("{s:o}", "units", units);
	json_decref(units);
	return NULL;
}

/* ---- the journal ---- */

struct search {
	const char *text;
	json_t *entries;	/* newest first */
	size_t most;
};

static bool has_text(const struct search *s, const char *type, const char *job, const void *entry, size_t len)
{
	size_t n = strlen(s->text);
	return n == 0 || strstr(type, s->text) || strstr(job, s->text) || memmem(entry, len, s->text, n);
}

static bool look_at(void *ctx, uint64_t index, const char *type, const char *job, const void *entry, size_t len)
{
	struct search *s = ctx;
	if (has_text(s, type, job, entry, len))
		json_array_insert_new(s->entries, 0, entry_of(index, type, job, entry, len));
	return true;
}

/* Backwards in portions, so that the newest are found first and no request reads the whole log. */
json_t *desk_journal(struct desk *d, const json_t *request, struct err *e)
{
	struct ledger *l = d->line->ledger;
	struct merkle_hash root;
	uint64_t size = 0;
	int64_t most = json_int_or(request, "most", 50), before = json_int_or(request, "before", INT64_MAX);
	struct search s = {.text = json_text_or(request, "search", ""), .entries = json_array()};
	s.most = (size_t)(most < 1 ? 1 : most > ENTRIES_MOST ? ENTRIES_MOST : most);
	bool ok = audit_head(l, &size, &root, e);
	uint64_t to = before >= 0 && (uint64_t)before < size ? (uint64_t)before : size;
	uint64_t stop = to > ENTRIES_LOOKED_AT ? to - ENTRIES_LOOKED_AT : 0;
	while (ok && to > stop && json_array_size(s.entries) < s.most) {
		struct search part = {.text = s.text, .entries = json_array()};
		uint64_t from = to - stop > ENTRIES_MOST ? to - ENTRIES_MOST : stop;
		ok = audit_scan(l, from, to, look_at, &part, e);
		json_array_extend(s.entries, part.entries);
		json_decref(part.entries);
		to = from;
	}
	while (json_array_size(s.entries) > s.most)
		json_array_remove(s.entries, json_array_size(s.entries) - 1);
	const json_t *last = json_array_get(s.entries, json_array_size(s.entries) - 1);
	bool full = json_array_size(s.entries) == s.most;
	json_int_t first = full ? json_int_or(last, "index", 0) : (json_int_t)to;
	if (ok)
		return json_pack("{s:o, s:I}", "entries", s.entries, "first", first);
	json_decref(s.entries);
	return NULL;
}
