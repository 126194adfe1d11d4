/* SPDX-License-Identifier: Apache-2.0 */
#include "station/shift/revert.h"
#include "db/outbox.h"
#include "db/revocations.h"
#include "station/base/clock.h"
#include "station/base/text.h"
#include "station/delivery.h"
#include "station/entry.h"
#include "station/shift/note.h"

#include <stdlib.h>
#include <string.h>


struct revert {
	struct line *l;
	const char *lot, *first, *second;
};

static int64_t deadline(void)
{
	return clock_steady_ms() + ENTRY_REQUEST_MS;
}

/* ---- one unit ---- */

struct unit {
	struct job_row row;
	struct outbox_row entry;	/* of its own, that it has; else registration_id "" */
	bool blocks;			/* it has a certificate by which it could come as a member of a group */
	struct lot_block block;		/* of an order that was taken back before, and which it never got rid of; or empty */
};

static void unit_fini(struct unit *u)
{
	job_row_fini(&u->row);
	outbox_row_fini(&u->entry);
	bytes_fini(&u->block.leaf);
}
AUTO_DEFINE(unit, struct unit)

/* A group of this configuration holds the CA from which all leaves hang, also those of units with an entry of their own. */
static bool has_groups(const struct config *c)
{
	for (size_t i = 0; i < c->profile_count; i++)
		if (c->profile[i].attestation == ATTEST_X509_GROUP)
			return true;
	return false;
}

/* What two people have revoked for good is not touched again. */
static bool is_not_revoked(const struct revert *r, const char *job, bool *ret, struct err *e)
{
	AUTO(revocation) struct revocation row = {0};
	bool found = false;
	if (!revocations_of_job(r->l->ledger, job, &row, &found, e))
		return false;
	*ret = !found || row.kind != REVOCATION_REVOKED;
	return true;
}

/* *ret_due false: it has no place any more, because it is reverted; or it was revoked. */
static bool load_unit(const struct revert *r, const char *job, struct unit *ret, bool *ret_due, struct err *e)
{
	bool found = false, entry = false, block = false;
	if (!lots_has_place(r->l->ledger, r->lot, job, ret_due, e) || (*ret_due && !is_not_revoked(r, job, ret_due, e)))
		return false;
	if (!*ret_due)
		return true;
	if (!jobs_find(r->l->ledger, JOB_BY_ID, job, &ret->row, &found, e) || !outbox_find(r->l->ledger, job, &ret->entry,
											   &entry, e) ||
	    !lots_find_block(r->l->ledger, job, &ret->block, &block, e))
		return false;
	if (!found)
		return err_set(e, E_DB_CORRUPT, "lot %s has a place for job %s, which is not there", r->lot, job);
	if (entry && ret->entry.state == OUTBOX_WITHDRAWN)
		outbox_row_fini(&ret->entry);
	ret->blocks = ret->row.leaf.len > 0 && (!ret->entry.registration_id[0] || has_groups(r->l->config));
	return true;
}

static bool put_block(struct dps *dps, const char *id, const struct bytes *leaf, struct err *e)
{
	AUTO(bytes) struct bytes body = {.max = OUTBOX_BODY_MAX};
	return entry_block_body(id, leaf, &body, e) && entry_disable(dps, id, &body, e);
}

/* The block of an older certificate gives way to that of this one. */
static bool remove_old_block(struct dps *dps, const struct unit *u, struct err *e)
{
	AUTO(bytes) struct bytes body = {.max = OUTBOX_BODY_MAX};
	if (!u->blocks || !u->block.leaf.len)
		return true;
	return entry_block_body(u->block.registration_id, &u->block.leaf, &body, e) &&
	       entry_remove(dps, u->block.registration_id, &body, &u->row.leaf, e);
}

/* First the way in, then the record of who came by it. */
static bool tell_service(const struct revert *r, const struct unit *u, struct err *e)
{
	struct dps *dps = r->l->dps;
	const char *id = u->row.registration_id;
	const struct bytes *leaf = u->blocks ? &u->row.leaf : NULL;
	if (u->entry.registration_id[0] && !entry_remove(dps, u->entry.registration_id, &u->entry.body, leaf, e))
		return false;
	if (leaf && (!remove_old_block(dps, u, e) || !put_block(dps, id, leaf, e)))
		return false;
	return !id[0] || dps_delete_registration(dps, id, deadline(), e);
}

static json_t *entry_body(const struct revert *r, const struct unit *u)
{
	char leaf[2 * SHA256_SIZE + 1] = "";
	uint8_t hash[SHA256_SIZE];
	sha256_of(u->row.leaf.data, u->row.leaf.len, hash);
	if (u->row.leaf.len)
		hex_encode(hash, SHA256_SIZE, leaf);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:s, s:I}", "lot", r->lot, "first", r->first, "second",
			 r->second, "serial",
			 u->row.serial, "registration_id", u->row.registration_id, "removed",
			 u->entry.registration_id[0] != '\0', "blocked", u->blocks, "leaf_sha256", leaf, "intent",
			 (json_int_t)u->row.intent_index);
}

/* The certificate, or what was counted for one, holds no more: for revocation lists, and so that nothing is revoked twice. */
static bool write_revocation(const struct revert *r, const struct unit *u, int64_t now_ms, struct err *e)
{
	const struct job_row *row = &u->row;
	struct revocation said = {.kind = REVOCATION_REVERTED, .reason = REASON_CESSATION, .leaf = row->leaf,	/* lent */
				  .time_ms = now_ms, .entry_ms = now_ms, .service_ms = now_ms, .hub_ms = now_ms};
	memcpy(said.cert_serial, row->cert_serial, CERT_SERIAL);
	return row->intent_index < 0 ||
	       (TEXT_COPY(said.job, row->id, e) && TEXT_COPY(said.order, row->order, e) &&
		TEXT_COPY(said.registration_id, row->registration_id, e) && TEXT_COPY(said.hub, row->hub, e) &&
		TEXT_COPY(said.device_id, row->device_id, e) && TEXT_COPY(said.first, r->first, e) &&
		TEXT_COPY(said.second, r->second, e) && revocations_add(r->l->ledger, &said, e));
}

static bool write_all(const struct revert *r, struct unit *u, const json_t *body, struct err *e)
{
	struct ledger *l = r->l->ledger;
	struct job_row *row = &u->row;
	struct lot_block block = {.leaf = row->leaf};	/* lent */
	int64_t now = clock_wall_ms();
	uint64_t index;
	if (!audit_append(l, "unit.reverted", row->id, body, now, &index, e) || !write_revocation(r, u, now, e) ||
	    !outbox_withdraw(l, row->id, now, e) ||
	    !jobs_drop_trace(l, row->id, "registration", dps_endpoint(r->l->dps), row->registration_id, e) ||
	    !TEXT_COPY(block.registration_id, row->registration_id, e) ||
	    (u->blocks && (!lots_drop_block(l, row->id, e) || !lots_put_block(l, row->id, &block, now, e))))
		return false;
	job_row_forget_identity(row, now);
	return lots_give_up_place(l, r->lot, row->id, e) && jobs_put(l, row, e);
}

static bool write_unit(const struct revert *r, struct unit *u, struct err *e)
{
	AUTO(json) json_t *body = entry_body(r, u);
	if (!body)
		return err_set(e, E_NOMEM, "audit entry");
	if (!ledger_begin(r->l->ledger, e))
		return false;
	if (write_all(r, u, body, e))
		return ledger_commit(r->l->ledger, e);
	ledger_rollback(r->l->ledger);
	return err_in(e, "recording that job %s is taken back", u->row.id);
}

static bool tell_service_in_the_end(const struct revert *r, const struct unit *u, struct err *e)
{
	for (int tries = 0;; tries++) {
		struct err why = {0};
		if (tell_service(r, u, &why))
			return true;
		if (!entry_try_again(r->l->dps, tries, &why))
			return err_native(e, why.code, why.native, "unit %s: %s", u->row.serial, why.what);
	}
}

/* ---- the lot ---- */

struct list {
	char (*job)[JOB_ID];
	size_t count, room;
	bool ok;
};

static bool add_job(void *ctx, const struct job_row *row)
{
	struct list *list = ctx;
	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 64;
		void *grown = realloc(list->job, room * JOB_ID);
		list->ok = grown != NULL;
		if (!grown)
			return false;
		list->job = grown;
		list->room = room;
	}
	memcpy(list->job[list->count++], row->id, JOB_ID);
	return true;
}

static bool revert_units(const struct revert *r, const struct list *list, revert_said *said, void *ctx, struct revert_sums *sums,
			 struct err *e)
{
	for (size_t i = 0; i < list->count; i++) {
		AUTO(unit) struct unit u = {0};
		struct err why = {0};
		bool due = false;
		if (!load_unit(r, list->job[i], &u, &due, e))
			return false;
		if (!due)
			continue;
		bool ok = tell_service_in_the_end(r, &u, &why);
		said(ctx, &u.row, &why);
		if (!ok && why.code != E_CONFLICT)
			return err_native(e, why.code, why.native, "%s", why.what);
		if (ok && !write_unit(r, &u, e))
			return false;
		sums->done += ok;
		sums->left += !ok;
	}
	return true;
}

static bool enter(const struct revert *r, struct lot_row *row, enum lot_state state, uint64_t units, struct err *e)
{
	struct ledger *l = r->l->ledger;
	const char *type = state == LOT_REVERTED ? "lot.reverted" : "lot.reverting";
	if (!ledger_begin(l, e))
		return false;
	row->state = state;
	json_t *body = json_pack("{s:s, s:I}", "second", r->second, "units", (json_int_t)units);
	bool ok = shift_note_in(r->l, type, r->lot, r->first, body, e) && lots_put(l, row, e);
	if (ok)
		return ledger_commit(l, e);
	ledger_rollback(l);
	return err_in(e, "recording %s", type);
}

/* Asks to remove what cannot be there: without these rights nothing is begun. */
static bool has_rights(struct dps *dps, struct err *e)
{
	return (dps_delete_individual(dps, "station-revert", NULL, deadline(), e) &&
		dps_delete_registration(dps, "station-revert", deadline(), e)) ||
	       err_in(e, "EnrollmentWrite and RegistrationStatusWrite are needed");
}

static bool revert_all(const struct revert *r, struct lot_row *row, revert_said *said, void *ctx, struct revert_sums *ret,
		       struct err *e)
{
	struct list list = {.ok = true};
	bool ok = has_rights(r->l->dps, e) && lots_jobs(r->l->ledger, r->lot, add_job, &list, e) &&
		  (list.ok || err_set(e, E_NOMEM, "lot")) && lots_taken(r->l->ledger, r->lot, &ret->units, e) &&
		  (row->state == LOT_REVERTING || enter(r, row, LOT_REVERTING, ret->units, e)) &&
		  revert_units(r, &list, said, ctx, ret, e);
	if (ok && ret->left)
		ok = err_set(e, E_CONFLICT, "%llu units of lot %s", (unsigned long long)ret->left, r->lot);
	ok = ok && enter(r, row, LOT_REVERTED, list.count, e);
	free(list.job);
	return ok;
}

bool revert_lot(struct line *l, const char *lot, const char *first, const char *second, revert_said *said, void *ctx,
		struct revert_sums *ret, struct err *e)
{
	const struct revert r = {l, lot, first, second};
	AUTO(lot_row) struct lot_row row = {0};
	bool found = false;
	*ret = (struct revert_sums){0};
	if (!lots_find(l->ledger, lot, &row, &found, e))
		return false;
	if (!found)
		return err_set(e, E_ORDER, "no lot \"%s\" was opened here", lot);
	return row.state == LOT_REVERTED || revert_all(&r, &row, said, ctx, ret, e);
}

/* ---- beginning again ---- */

static bool write_unblocked(struct job *j, const char *registration_id, struct err *e)
{
	struct ledger *l = j->line->ledger;
	AUTO(json) json_t *body = json_pack("{s:s}", "registration_id", registration_id);
	uint64_t index;
	if (!body)
		return err_set(e, E_NOMEM, "audit entry");
	if (!ledger_begin(l, e))
		return false;
	if (lots_drop_block(l, j->row.id, e) && audit_append(l, "block.removed", j->row.id, body, clock_wall_ms(), &index, e))
		return ledger_commit(l, e);
	ledger_rollback(l);
	return false;
}

bool revert_unblock(struct job *j, struct err *e)
{
	struct lot_block block = {0};
	AUTO(bytes) struct bytes body = {.max = OUTBOX_BODY_MAX};
	bool found = false;
	if (!lots_find_block(j->line->ledger, j->row.id, &block, &found, e))
		return false;
	bool ok = !found || (entry_block_body(block.registration_id, &block.leaf, &body, e) &&
			     entry_remove(j->line->dps, block.registration_id, &body, NULL, e) &&
			     write_unblocked(j, block.registration_id, e));
	bytes_fini(&block.leaf);
	return ok;
}
