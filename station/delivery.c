/* SPDX-License-Identifier: Apache-2.0 */
#include "station/delivery.h"
#include "db/audit.h"
#include "station/base/clock.h"
#include "station/base/text.h"

#include <stdio.h>
#include <string.h>

#define REQUEST_MS 30000
#define FAILURES_MAX 2		/* in a row, before a delivery is given up */
#define BULK_TRIES_MAX 2	/* a row that failed so often travels alone */
#define DIFFERENCE_MAX 2048u	/* of what the audit log is told: an entry has its own maximum, and escapes make it longer */

void delivery_fini(struct delivery *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->count; i++) {
		outbox_row_fini(&d->parcel[i].row);
		bytes_fini(&d->parcel[i].difference);
	}
	*d = (struct delivery){0};
}

struct loading {
	struct delivery *d;
	delivery_skips *skips;
	void *ctx;
	struct err e;
};

static bool take_row(struct delivery *d, const struct outbox_row *row, struct err *e)
{
	struct parcel *p = &d->parcel[d->count++];
	p->row = *row;
	p->row.body = (struct bytes){.max = OUTBOX_BODY_MAX};
	memcpy(p->error_before, row->error, sizeof(p->error_before));
	return bytes_set(&p->row.body, row->body.data, row->body.len, e);
}

static bool take_or_skip(void *ctx, const struct outbox_row *row)
{
	struct loading *l = ctx;
	return l->skips(l->ctx, row) || take_row(l->d, row, &l->e);
}

/* A whole portion of rows that are skipped is no end. */
bool delivery_load(struct delivery *d, int64_t *after, delivery_skips *skips, void *ctx, struct err *e)
{
	struct loading l = {.d = d, .skips = skips, .ctx = ctx};
	for (int64_t before = -1; d->count == 0 && l.e.code == E_NONE && *after != before;) {
		before = *after;
		if (!outbox_scan(d->ledger, OUTBOX_WAITING, after, DPS_BULK_MAX, take_or_skip, &l, e))
			return false;
	}
	return l.e.code == E_NONE || err_native(e, l.e.code, l.e.native, "%s", l.e.what);
}

bool delivery_add(struct delivery *d, const char *job, struct err *e)
{
	bool found = false;
	AUTO(outbox_row) struct outbox_row row = {0};
	if (d->count == DPS_BULK_MAX)
		return true;
	if (!outbox_find(d->ledger, job, &row, &found, e))
		return false;
	return !found || row.state != OUTBOX_WAITING || take_row(d, &row, e);
}

/* ---- what becomes of a row ---- */

static int64_t deadline(void)
{
	return clock_steady_ms() + REQUEST_MS;
}

static void set_error(struct parcel *p, enum err_code code, const char *what)
{
	snprintf(p->row.error, sizeof(p->row.error), "%s", code == E_NONE ? "" : err_row(code)->code);
	snprintf(p->row.error_what, sizeof(p->row.error_what), "%s", code == E_NONE ? "" : what);
}

static void enter(struct parcel *p, enum outbox_state state)
{
	p->row.state = state;
	p->row.settled_ms = clock_wall_ms();
	p->tried = true;
}

static void is_sent(struct parcel *p, bool found)
{
	enter(p, OUTBOX_SENT);
	p->found = found;
	set_error(p, E_NONE, "");
}

static void goes_aside(struct parcel *p, enum err_code code, const char *what)
{
	enter(p, OUTBOX_ASIDE);
	p->row.tries++;
	set_error(p, code, what);
}

/* A service that is too busy to look at a request has done nothing with it. */
static bool was_not_looked_at(const struct err *why)
{
	return why->code == E_DPS_BUSY && (why->native == 0 || why->native == 429 || why->native / 1000 == 429);
}

static void still_waits(struct parcel *p, const struct err *why)
{
	if (was_not_looked_at(why))
		return;
	p->tried = true;
	p->row.tries++;
	set_error(p, why->code, why->what);
}

/* The service has read this row's request and will never take it. Other refusals, such as 404, say that this is not the service. */
static bool is_about_the_row(const struct err *why)
{
	int64_t status = why->native >= 1000 ? why->native / 1000 : why->native;
	return why->code == E_DPS_REFUSED && (status == 400 || status == 413 || status == 415 || status == 422);
}

bool delivery_may_be_chance(enum err_code code)
{
	return code == E_NET || code == E_DPS_BUSY || code == E_DPS_ANSWER;
}

static bool is_in_doubt(const struct parcel *p)
{
	return delivery_may_be_chance(err_find(p->row.error)) && !p->absent;
}

static bool waits(const struct parcel *p)
{
	return p->row.state == OUTBOX_WAITING;
}

/* ---- alone ---- */

/* What is there under its id: equal is success, different is a person's business. */
static bool compare(struct parcel *p, const json_t *theirs, struct err *e)
{
	AUTO(json) json_t *ours = NULL;
	struct err why = {0};
	if (!json_parse((const char *)p->row.body.data, p->row.body.len, &ours, &why)) {
		goes_aside(p, E_ENROLL_ROW, "what the outbox holds is no enrollment");
		return true;
	}
	if (individual_is_same(ours, theirs, &p->difference, &why))
		is_sent(p, true);
	else if (why.code == E_CONFLICT)
		goes_aside(p, E_CONFLICT, why.what);
	else
		return err_native(e, why.code, why.native, "%s", why.what);
	return true;
}

static bool read_theirs(struct delivery *d, struct parcel *p, struct err *e)
{
	AUTO(json) json_t *theirs = NULL;
	bool found = false;
	if (!dps_get_individual(d->dps, p->row.registration_id, deadline(), &found, &theirs, e))
		return false;
	p->absent = !found;
	return !found || compare(p, theirs, e);
}

/* The service says that there is something already: under this id, or, where nothing is, the same key under another one. */
static bool settle_conflict(struct delivery *d, struct parcel *p, const struct err *refusal, struct err *e)
{
	if (!read_theirs(d, p, e))
		return false;
	if (waits(p))
		goes_aside(p, E_CONFLICT, refusal->what);
	return true;
}

static bool create_alone(struct delivery *d, struct parcel *p, struct err *e)
{
	struct err why = {0};
	if (dps_create_individual(d->dps, p->row.registration_id, &p->row.body, deadline(), &why)) {
		is_sent(p, false);
		return true;
	}
	if (why.code == E_CONFLICT)
		return settle_conflict(d, p, &why, e);
	if (is_about_the_row(&why)) {
		goes_aside(p, E_ENROLL_ROW, why.what);
		return true;
	}
	return err_native(e, why.code, why.native, "%s", why.what);
}

/* One failure may be one row's; several in a row, or one that is no chance, end the delivery: false then. */
static bool goes_on(struct delivery *d, bool ok, const struct err *why)
{
	d->failures = ok ? 0 : d->failures + 1;
	if (ok)
		return true;
	d->why = *why;
	return d->failures < FAILURES_MAX && delivery_may_be_chance(why->code);
}

typedef bool parcel_step(struct delivery *d, struct parcel *p, struct err *e);

/* Does one thing with each row that still waits and that the claim holds for. */
static bool each_alone(struct delivery *d, bool (*claim)(const struct parcel *p), parcel_step *step)
{
	for (size_t i = 0; i < d->count; i++) {
		struct parcel *p = &d->parcel[i];
		struct err why = {0};
		if (!waits(p) || !claim(p))
			continue;
		bool ok = step(d, p, &why);
		if (!ok)
			still_waits(p, &why);
		if (!goes_on(d, ok, &why))
			return false;
	}
	return true;
}

/* ---- together ---- */

static bool travels_together(const struct parcel *p)
{
	return waits(p) && !is_in_doubt(p) && p->row.tries < BULK_TRIES_MAX;
}

static bool travels_alone(const struct parcel *p)
{
	return !is_in_doubt(p);
}

static bool judge_item(struct delivery *d, struct parcel *p, const struct err *item, struct err *e)
{
	if (item->code == E_CONFLICT)
		return settle_conflict(d, p, item, e);
	if (is_about_the_row(item))
		goes_aside(p, E_ENROLL_ROW, item->what);
	else
		still_waits(p, item);
	return true;
}

/* Each item by its own code; first those that need no further request. What has to be read and cannot be is in doubt. */
static bool judge_items(struct delivery *d, struct parcel *const *parcels, const struct dps_item *items, size_t count)
{
	bool go_on = true;
	for (size_t i = 0; i < count; i++)
		if (items[i].err.code == E_NONE)
			is_sent(parcels[i], false);
	for (size_t i = 0; i < count && go_on; i++) {
		struct err why = {0};
		if (!waits(parcels[i]))
			continue;
		bool ok = judge_item(d, parcels[i], &items[i].err, &why);
		if (!ok)
			still_waits(parcels[i], &why);
		go_on = goes_on(d, ok, &why);
	}
	return go_on;
}

/* A bulk that is refused as a whole leaves its rows to go alone: one of them is the cause. */
static bool send_together(struct delivery *d)
{
	struct parcel *parcels[DPS_BULK_MAX];
	struct dps_item items[DPS_BULK_MAX] = {0};
	struct err why = {0};
	size_t count = 0;
	for (size_t i = 0; i < d->count; i++) {
		struct parcel *p = &d->parcel[i];
		if (!travels_together(p))
			continue;
		items[count] = (struct dps_item){.id = p->row.registration_id, .body = &p->row.body};
		parcels[count++] = p;
	}
	if (count < 2)
		return true;
	bool ok = dps_create_bulk(d->dps, items, count, deadline(), &why);
	bool refused = !ok && (is_about_the_row(&why) || why.code == E_CONFLICT);
	goes_on(d, ok || refused, &why);
	if (ok)
		return judge_items(d, parcels, items, count);
	for (size_t i = 0; i < count && !refused; i++)
		still_waits(parcels[i], &why);
	return refused;
}

bool delivery_send(struct delivery *d, struct err *e)
{
	bool all = each_alone(d, is_in_doubt, read_theirs) && send_together(d) && each_alone(d, travels_alone, create_alone);
	return (all && d->failures == 0) || err_native(e, d->why.code, d->why.native, "%s", d->why.what);
}

/* ---- the record ---- */

static const char *entry_type(const struct parcel *p)
{
	static const char *const types[] = {
		[OUTBOX_WAITING] = "enroll.failed", [OUTBOX_SENT] = "enroll.done", [OUTBOX_ASIDE] = "enroll.aside"};
	return types[p->row.state];
}

/* Cut at a whole character. */
static json_t *difference_json(const struct bytes *difference)
{
	size_t len = difference->len;
	if (len > DIFFERENCE_MAX)
		for (len = DIFFERENCE_MAX; len && (difference->data[len] & 0xc0) == 0x80;)
			len--;
	return json_stringn((const char *)difference->data, len);
}

static json_t *entry_body(const struct parcel *p)
{
	uint8_t hash[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1];
	sha256_of(p->row.body.data, p->row.body.len, hash);
	hex_encode(hash, sizeof(hash), hex);
	json_t *body = json_pack("{s:s, s:s, s:I}", "registration_id", p->row.registration_id, "body_sha256", hex, "tries",
				 (json_int_t)p->row.tries);
	if (p->row.state == OUTBOX_SENT)
		json_object_set_new(body, "found", json_boolean(p->found));
	else
		json_object_update_new(body, json_pack("{s:s, s:s}", "code", p->row.error, "what", p->row.error_what));
	if (p->row.state == OUTBOX_ASIDE && p->difference.len)
		json_object_set_new(body, "difference", difference_json(&p->difference));
	return body;
}

static bool record_one(struct delivery *d, struct parcel *p, bool *ret_left, struct err *e)
{
	bool done = false;
	uint64_t index;
	if (!outbox_settle(d->ledger, &p->row, &done, e))
		return false;
	*ret_left |= !done || waits(p);
	if (!done || (waits(p) && !strcmp(p->row.error, p->error_before)))
		return true;
	AUTO(json) json_t *body = entry_body(p);
	return audit_append(d->ledger, entry_type(p), p->row.job, body, clock_wall_ms(), &index, e);
}

bool delivery_record(struct delivery *d, bool *ret_left, struct err *e)
{
	bool any = false;
	*ret_left = false;
	for (size_t i = 0; i < d->count; i++) {
		any |= d->parcel[i].tried;
		*ret_left |= !d->parcel[i].tried;
	}
	if (!any)
		return true;
	if (!ledger_begin(d->ledger, e))
		return false;
	for (size_t i = 0; i < d->count; i++) {
		if (!d->parcel[i].tried || record_one(d, &d->parcel[i], ret_left, e))
			continue;
		ledger_rollback(d->ledger);
		return err_in(e, "recording what the service answered");
	}
	return ledger_commit(d->ledger, e);
}
