/* SPDX-License-Identifier: Apache-2.0 */
#include "station/revocation.h"
#include "db/outbox.h"
#include "station/base/clock.h"
#include "station/base/text.h"
#include "station/delivery.h"
#include "station/dps/hub.h"
#include "station/entry.h"
#include "station/relay.h"

#include <stdio.h>
#include <string.h>

static int64_t deadline(void)
{
	return clock_steady_ms() + ENTRY_REQUEST_MS;
}

json_t *revocation_json(const struct revocation *r)
{
	char serial[2 * CERT_SERIAL + 1];
	hex_encode(r->cert_serial, CERT_SERIAL, serial);
	json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "certificate_serial", serial, "job", r->job, "kind",
			      revocation_kind_name(r->kind), "reason", revocation_reason_name(r->reason), "registration_id",
			      r->registration_id, "order", r->order, "hub", r->hub, "device_id", r->device_id);
	json_object_update_new(j, json_pack("{s:I, s:I, s:I, s:I, s:s, s:s, s:s, s:I}", "time_ms", (json_int_t)r->time_ms,
					    "entry_ms",
					    (json_int_t)r->entry_ms, "service_ms", (json_int_t)r->service_ms, "hub_ms",
						(json_int_t)r->hub_ms, "code", r->error, "what",
					    r->error_what, "next_order", r->next_order, "next_intent", (json_int_t)r->next_intent));
	return j;
}

/* ---- deciding ---- */

/* The way in is closed for good: what was, or would have been, told of the unit itself; and its certificate, by which a group could
 * take it. */
static bool take_identity(struct line *l, const struct job_row *row, struct revocation *r, struct err *e)
{
	AUTO(outbox_row) struct outbox_row entry = {0};
	bool found = false;
	if (!outbox_find(l->ledger, row->id, &entry, &found, e))
		return false;
	if (found && entry.state != OUTBOX_WITHDRAWN && !bytes_set(&r->entry, entry.body.data, entry.body.len, e))
		return false;
	memcpy(r->cert_serial, row->cert_serial, CERT_SERIAL);
	return TEXT_COPY(r->job, row->id, e) && TEXT_COPY(r->order, row->order, e) &&
	       TEXT_COPY(r->registration_id, row->registration_id, e) && TEXT_COPY(r->hub, row->hub, e) &&
	       TEXT_COPY(r->device_id, row->device_id, e) && bytes_set(&r->leaf, row->leaf.data, row->leaf.len, e);
}

static bool lot_is_at_rest(struct line *l, const struct job_row *row, struct err *e)
{
	enum lot_state state = LOT_OPEN;
	bool found = false;
	if (!row->order[0])
		return true;
	if (!lots_state(l->ledger, row->order, &state, &found, e))
		return false;
	return !found || state != LOT_REVERTING || err_set(e, E_REVOKE_WHAT, "lot %s is being taken back", row->order);
}

static bool may_be_wished(struct line *l, const struct job_row *row, const struct revocation_wish *wish, struct err *e)
{
	if (row->intent_index < 0)
		return err_set(e, E_REVOKE_WHAT, "unit \"%s\" has no identity", row->serial);
	/* The block of a replaced certificate goes when the unit is enrolled anew: who has the old key would be let in again. */
	if (wish->kind == REVOCATION_REPLACED && wish->reason == REASON_KEY_COMPROMISE)
		return err_set(e, E_REVOKE_WHAT, "a key that others may have is not replaced under the same registration id");
	return lot_is_at_rest(l, row, e);
}

static const char *entry_type(const struct revocation *r)
{
	return r->kind == REVOCATION_REPLACED ? "unit.replaced" : "unit.revoked";
}

static json_t *entry_of(const struct revocation *r, const struct job_row *row)
{
	char serial[2 * CERT_SERIAL + 1], leaf[2 * SHA256_SIZE + 1] = "";
	uint8_t hash[SHA256_SIZE];
	hex_encode(r->cert_serial, CERT_SERIAL, serial);
	sha256_of(r->leaf.data, r->leaf.len, hash);
	if (r->leaf.len)
		hex_encode(hash, SHA256_SIZE, leaf);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "lot", r->order, "first", r->first, "second", r->second,
			 "serial", row->serial, "registration_id", r->registration_id, "certificate_serial", serial, "reason",
			 revocation_reason_name(r->reason), "leaf_sha256", leaf, "intent", (json_int_t)row->intent_index);
}

static bool write_decision(struct line *l, struct revocation *r, struct job_row *row, struct err *e)
{
	AUTO(json) json_t *body = entry_of(r, row);
	uint64_t index;
	row->verdict = VERDICT_FAIL;
	row->updated_ms = r->time_ms;
	snprintf(row->error, sizeof(row->error), "%s", err_row(E_REVOKED)->code);
	snprintf(row->error_what, sizeof(row->error_what), "%s: %s", revocation_kind_name(r->kind),
		 revocation_reason_name(r->reason));
	return (body || err_set(e, E_NOMEM, "audit entry")) && audit_append(l->ledger, entry_type(r), r->job, body,
									    r->time_ms, &index, e) &&
	       relay_put(l, entry_type(r), row->serial, r->order, r->first, json_incref(body), e) &&
	       outbox_withdraw(l->ledger, r->job, r->time_ms, e) && revocations_add(l->ledger, r, e) && jobs_put(l->ledger, row, e);
}

/* Settles the row of a unit that was revoked before: it stays what it is, and waits again. */
static bool go_on_with(struct line *l, const struct revocation_wish *wish, struct revocation *r, struct err *e)
{
	if (r->kind != wish->kind)
		return err_set(e, E_REVOKE_WHAT, "it was %s before", revocation_kind_name(r->kind));
	if (!r->aside)
		return true;
	r->aside = false;
	return ledger_begin(l->ledger, e) && ledger_end(l->ledger, revocations_settle(l->ledger, r, e), e);
}

bool revocation_decide(struct line *l, const struct revocation_wish *wish, struct revocation *ret, struct err *e)
{
	AUTO(job_row) struct job_row row = {0};
	bool found = false;
	*ret = (struct revocation){.kind = wish->kind, .reason = wish->reason, .time_ms = clock_wall_ms()};
	if (!jobs_find(l->ledger, JOB_BY_ID, wish->job, &row, &found, e))
		return false;
	if (!found)
		return err_set(e, E_REVOKE_WHAT, "there is no such unit");
	if (row.intent_index >= 0 && (!revocations_find(l->ledger, row.cert_serial, ret, &found, e) || found))
		return found && go_on_with(l, wish, ret, e);
	*ret = (struct revocation){.kind = wish->kind, .reason = wish->reason, .time_ms = clock_wall_ms()};
	if (!may_be_wished(l, &row, wish, e) || !take_identity(l, &row, ret, e) || !TEXT_COPY(ret->first, wish->first, e) ||
	    !TEXT_COPY(ret->second, wish->second, e) || !ledger_begin(l->ledger, e))
		return false;
	return ledger_end(l->ledger, write_decision(l, ret, &row, e), e) || err_in(e, "revoking unit %s", row.serial);
}

/* ---- the provisioning service ---- */

/* A unit that is replaced is to be enrolled again under its id: what blocks it meanwhile is its certificate alone. */
static bool close_way_in(struct dps *dps, const struct revocation *r, struct err *e)
{
	AUTO(bytes) struct bytes body = {.max = OUTBOX_BODY_MAX};
	const char *id = r->registration_id;
	bool own = r->entry.len > 0;
	if (r->kind == REVOCATION_REPLACED && own && !r->leaf.len)
		return entry_remove(dps, id, &r->entry, NULL, e);
	if (own && r->kind == REVOCATION_REVOKED)
		return individual_disabled(&r->entry, &body, e) && entry_disable(dps, id, &body, e);
	return !r->leaf.len || (entry_block_body(id, &r->leaf, &body, e) && entry_disable(dps, id, &body, e));
}

/* What the registration record says of the hub is newer than what the ledger knows, and goes with it. */
static bool ask_where(struct dps *dps, struct revocation *r, struct err *e)
{
	struct registration state;
	bool found = false;
	if (!dps_get_registration(dps, r->registration_id, deadline(), &found, &state, e))
		return false;
	return !found || !state.hub[0] || (TEXT_COPY(r->hub, state.hub, e) && TEXT_COPY(r->device_id, state.device_id, e));
}

static bool ask_hub(const struct config *c, struct dps *dps, const struct revocation *r, struct err *e)
{
	const struct hub_setup setup = {c->hub_keys, c->hub_gateway, dps_http(dps)};
	char reason[64];
	bool found;
	snprintf(reason, sizeof(reason), "revoked: %s", revocation_reason_name(r->reason));
	return hub_disable_device(&setup, r->hub, r->device_id, reason, deadline(), &found, e);
}

bool revocation_ask(const struct config *c, struct dps *dps, struct revocation *r, struct err *e)
{
	switch (revocation_next(r)) {
	case REVOKE_ENTRY:
		return !r->registration_id[0] || (close_way_in(dps, r, e) && ask_where(dps, r, e));
	case REVOKE_REGISTRATION:
		return !r->registration_id[0] || dps_delete_registration(dps, r->registration_id, deadline(), e);
	case REVOKE_HUB:
		return ask_hub(c, dps, r, e);
	default:
		return true;
	}
}

/* ---- writing it down ---- */

/* The unit may begin again, and what blocks its old certificate is known to whoever enrolls it. */
static bool free_unit(struct line *l, const struct revocation *r, struct err *e)
{
	AUTO(job_row) struct job_row row = {0};
	struct lot_block block = {.leaf = r->leaf};	/* lent */
	bool found = false;
	if (!jobs_find(l->ledger, JOB_BY_ID, r->job, &row, &found, e))
		return false;
	if (!found)
		return err_set(e, E_DB_CORRUPT, "job %s was revoked, and is not there", r->job);
	if (!TEXT_COPY(block.registration_id, r->registration_id, e) || !lots_drop_block(l->ledger, r->job, e) ||
	    (r->leaf.len && !lots_put_block(l->ledger, r->job, &block, clock_wall_ms(), e)))
		return false;
	job_row_forget_identity(&row, clock_wall_ms());
	return jobs_put(l->ledger, &row, e);
}

static bool write_entry(struct line *l, struct revocation *r, struct err *e)
{
	(void)l, (void)e;
	r->entry_ms = clock_wall_ms();
	return true;
}

/* A device that never registered is at no hub; one that is replaced is left to its next registration. */
static bool write_registration(struct line *l, struct revocation *r, struct err *e)
{
	r->service_ms = clock_wall_ms();
	if (!r->hub[0] || r->kind == REVOCATION_REPLACED)
		r->hub_ms = r->service_ms;
	return jobs_drop_trace(l->ledger, r->job, "registration", dps_endpoint(l->dps), r->registration_id, e) &&
	       (r->kind != REVOCATION_REPLACED || free_unit(l, r, e));
}

static bool write_hub(struct line *l, struct revocation *r, struct err *e)
{
	(void)l, (void)e;
	r->hub_ms = clock_wall_ms();
	return true;
}

static const struct {
	const char *name, *entry_type;
	bool (*write)(struct line *l, struct revocation *r, struct err *e);
} steps[] = {
	[REVOKE_ENTRY] = {"entry", "revoked.entry", write_entry},
	[REVOKE_REGISTRATION] = {"registration", "revoked.service", write_registration},
	[REVOKE_HUB] = {"hub", "revoked.hub", write_hub},
	[REVOKE_DONE] = {"done", NULL, NULL},
};

const char *revocation_step_name(enum revocation_step step)
{
	return steps[step].name;
}

enum revocation_step revocation_next(const struct revocation *r)
{
	return !r->entry_ms ? REVOKE_ENTRY : !r->service_ms ? REVOKE_REGISTRATION : !r->hub_ms ? REVOKE_HUB : REVOKE_DONE;
}

static bool write_step(struct line *l, struct revocation *r, struct err *e)
{
	AUTO(json) json_t *body = json_pack("{s:s, s:s, s:s}", "registration_id", r->registration_id, "hub", r->hub, "device_id",
					    r->device_id);
	enum revocation_step step = revocation_next(r);
	uint64_t index;
	r->aside = false;
	r->error[0] = r->error_what[0] = '\0';
	return (body || err_set(e, E_NOMEM, "audit entry")) && steps[step].write(l, r, e) &&
	       audit_append(l->ledger, steps[step].entry_type, r->job, body, clock_wall_ms(), &index, e) &&
	       revocations_settle(l->ledger, r, e);
}

/* Inside a transaction: somebody else may have done this step since the row was read. *ret_due false: he has, and *r says so. */
static bool look_again(struct line *l, struct revocation *r, bool *ret_due, struct err *e)
{
	AUTO(revocation) struct revocation now = {0};
	bool found = false;
	if (!revocations_find(l->ledger, r->cert_serial, &now, &found, e))
		return false;
	if (!found)
		return err_set(e, E_DB_CORRUPT, "a revocation of %s is gone", r->registration_id);
	*ret_due = revocation_next(&now) == revocation_next(r);
	r->entry_ms = now.entry_ms;
	r->service_ms = now.service_ms;
	r->hub_ms = now.hub_ms;
	return true;
}

bool revocation_said(struct line *l, struct revocation *r, struct err *e)
{
	bool due = false;
	if (revocation_next(r) == REVOKE_DONE)
		return true;
	return ledger_begin(l->ledger, e) &&
	       ledger_end(l->ledger, look_again(l, r, &due, e) && (!due || write_step(l, r, e)), e);
}

static bool write_failure(struct line *l, struct revocation *r, const struct err *why, struct err *e)
{
	r->aside = revocation_next(r) != REVOKE_HUB && !delivery_may_be_chance(why->code);
	snprintf(r->error, sizeof(r->error), "%s", err_row(why->code)->code);
	snprintf(r->error_what, sizeof(r->error_what), "%s", why->what);
	return revocations_settle(l->ledger, r, e);
}

bool revocation_failed(struct line *l, struct revocation *r, const struct err *why, struct err *e)
{
	bool due = false;
	/* The same trouble again is no news; what is aside is not asked for. */
	if (!strcmp(r->error, err_row(why->code)->code) && delivery_may_be_chance(why->code))
		return true;
	return ledger_begin(l->ledger, e) &&
	       ledger_end(l->ledger, look_again(l, r, &due, e) && (!due || write_failure(l, r, why, e)), e);
}

/* ---- by whoever finds it ---- */

struct taken {
	struct revocation row;
	bool any, ok;
	struct err e;
};

static bool copy_of(const struct revocation *from, struct revocation *ret, struct err *e)
{
	*ret = *from;
	ret->leaf = (struct bytes){.max = from->leaf.max};
	ret->entry = (struct bytes){.max = from->entry.max};
	return bytes_set(&ret->leaf, from->leaf.data, from->leaf.len, e) && bytes_set(&ret->entry, from->entry.data,
										      from->entry.len, e);
}

static bool take_one(void *ctx, const struct revocation *r)
{
	struct taken *t = ctx;
	t->any = true;
	t->ok = copy_of(r, &t->row, &t->e);
	return false;
}

static bool tell(struct line *l, struct revocation *r, struct err *e)
{
	struct err why = {0};
	if (revocation_ask(NULL, l->dps, r, &why))
		return revocation_said(l, r, e);
	return revocation_failed(l, r, &why, e) && (!delivery_may_be_chance(why.code) || err_native(e, why.code, why.native,
												    "%s", why.what));
}

bool revocation_tell_next(struct line *l, bool *ret_any, struct err *e)
{
	struct taken t = {.ok = true};
	int64_t after = 0;
	*ret_any = false;
	bool ok = revocations_scan(l->ledger, REVOCATIONS_TO_TELL, &after, 1, take_one, &t, e) &&
		  (t.ok || err_native(e, t.e.code, t.e.native, "%s", t.e.what));
	*ret_any = ok && t.any;
	ok = ok && (!t.any || tell(l, &t.row, e));
	revocation_fini(&t.row);
	return ok;
}

/* ---- at the line ---- */

bool revocation_allows(struct ledger *l, const char *job, const char *serial, struct err *e)
{
	AUTO(revocation) struct revocation r = {0};
	bool found = false;
	if (!revocations_of_job(l, job, &r, &found, e))
		return false;
	if (!found || r.kind == REVOCATION_REVERTED || (r.kind == REVOCATION_REPLACED && r.service_ms))
		return true;
	return err_set(e, E_REVOKED,
		       r.kind == REVOCATION_REPLACED ? "\"%s\" is being replaced, and the service was not told yet: %s"
								   : "\"%s\": %s",
		       serial, revocation_reason_name(r.reason));
}

bool revocation_is_replaced(struct ledger *l, const char *job, struct revocation *ret, bool *ret_is, struct err *e)
{
	bool found = false;
	if (!revocations_of_job(l, job, ret, &found, e))
		return false;
	*ret_is = found && ret->kind == REVOCATION_REPLACED && ret->next_intent < 0;
	return true;
}
