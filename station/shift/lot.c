/* SPDX-License-Identifier: Apache-2.0 */
#include "station/shift/lot.h"
#include "station/base/clock.h"
#include "station/base/log.h"
#include "station/base/text.h"
#include "station/line.h"
#include "station/revocation.h"
#include "station/shift/handover.h"
#include "station/shift/note.h"
#include "station/shift/order.h"
#include "station/shift/signed_order.h"

#include <stdlib.h>
#include <string.h>

#define CURRENT "lot"	/* under this name the ledger remembers which lot is current */
#define NOTE "lot.order"	/* and its signed order */

struct current_lot {
	pthread_mutex_t lock;	/* what follows */
	struct order order;	/* lot.id "" while none is open */
	int profile;
};

/* ---- the current one ---- */

static int profile_index(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->profile_count; i++)
		if (!strcmp(c->profile[i].name, name))
			return (int)i;
	return -1;
}

static bool profile_is_here(const struct line *l, const struct order *o, int *ret, struct err *e)
{
	*ret = profile_index(l->config, o->lot.profile);
	return *ret >= 0 || err_set(e, E_ORDER, "this line has no profile \"%s\"", o->lot.profile);
}

/* Takes the order. */
static void make_current(struct line *l, struct order *take_order, int profile)
{
	pthread_mutex_lock(&l->lot->lock);
	order_fini(&l->lot->order);
	l->lot->order = *take_order;
	l->lot->profile = profile;
	pthread_mutex_unlock(&l->lot->lock);
	*take_order = (struct order){0};
}

/* One that does not hold any more is found out by the units that ask under it, with its code. */
static bool take_up_note(struct line *l, struct err *e)
{
	struct order_reply left;
	struct err why = {0};
	AUTO(bytes) struct bytes note = {.max = ORDER_NOTE_MAX};
	if (!orders_are_signed(l->config))
		return true;
	if (!ledger_recall(l->ledger, NOTE, &note, e))
		return false;
	if (!signing_order(&l->signing, note.data ? note.data : (const uint8_t *)"", note.len, &left, &why))
		log_err(LOG_LEVEL_WARN, &why, "the signer does not take the order of the open lot");
	return true;
}

/* The order as it was opened, out of the ledger: what the file says now does not matter. */
static bool take_up(struct line *l, const char *id, struct err *e)
{
	AUTO(lot_row) struct lot_row row = {0};
	AUTO(order) struct order order = {0};
	bool found = false;
	int profile = -1;
	if (!lots_find(l->ledger, id, &row, &found, e))
		return false;
	if (!found || row.state != LOT_OPEN)
		return true;
	if (!order_parse(bytes_text(&row.order), row.order.len, &order, e) || !profile_is_here(l, &order, &profile, e))
		return err_in(e, "the open lot \"%s\"", id);
	memcpy(order.lot.order_sha256, row.order_sha256, SHA256_SIZE);
	make_current(l, &order, profile);
	return take_up_note(l, e);
}

bool lot_start(struct line *l, struct err *e)
{
	AUTO(bytes) struct bytes id = {0};
	l->lot = calloc(1, sizeof(*l->lot));
	if (!l->lot)
		return err_set(e, E_NOMEM, "lot");
	pthread_mutex_init(&l->lot->lock, NULL);
	return ledger_recall(l->ledger, CURRENT, &id, e) && (!id.len || take_up(l, bytes_text(&id), e));
}

void lot_end(struct line *l)
{
	if (!l || !l->lot)
		return;
	order_fini(&l->lot->order);
	pthread_mutex_destroy(&l->lot->lock);
	free(l->lot);
	l->lot = NULL;
}

bool lot_look(struct line *l, struct lot_view *ret, struct err *e)
{
	*ret = (struct lot_view){0};
	if (!l->lot)
		return true;
	pthread_mutex_lock(&l->lot->lock);
	const struct lot_row *lot = &l->lot->order.lot;
	bool ok = TEXT_COPY(ret->id, lot->id, e) && TEXT_COPY(ret->product, lot->product, e);
	ret->profile = l->lot->profile;
	ret->count = lot->count;
	pthread_mutex_unlock(&l->lot->lock);
	return ok && (!ret->id[0] || (lots_taken(l->ledger, ret->id, &ret->taken, e) &&
				      lots_allowed(l->ledger, ret->id, &ret->allowed, e)));
}

bool lot_lists(struct line *l, const char *label)
{
	if (!l->lot)
		return false;
	pthread_mutex_lock(&l->lot->lock);
	bool listed = l->lot->order.serials && order_has(&l->lot->order, label);
	pthread_mutex_unlock(&l->lot->lock);
	return listed;
}

bool lot_tray(struct line *l, const char *tray, char (*label)[LABEL], size_t *ret_count)
{
	if (!l->lot)
		return false;
	pthread_mutex_lock(&l->lot->lock);
	bool found = order_tray(&l->lot->order, tray, label, ret_count);
	pthread_mutex_unlock(&l->lot->lock);
	return found;
}

/* ---- opening and closing ---- */

/* One transaction: the lot's row, which lot is current, the audit entry, the MES's event. Takes the body. */
static bool write_change(struct line *l, const struct lot_row *row, const char *current, const char *note, const char *type,
			 const char *person, json_t *body, struct err *e)
{
	if (!ledger_begin(l->ledger, e)) {
		json_decref(body);
		return false;
	}
	bool ok = shift_note_in(l, type, row->id, person, body, e) && lots_put(l->ledger, row, e) &&
		  ledger_remember(l->ledger, CURRENT, current, e) && ledger_remember(l->ledger, NOTE, note, e);
	if (!ok) {
		ledger_rollback(l->ledger);
		return err_in(e, "recording %s", type);
	}
	return ledger_commit(l->ledger, e);
}

static bool write_opening(struct line *l, struct lot_row *row, const char *note, const char *person, struct err *e)
{
	char hex[2 * SHA256_SIZE + 1];
	hex_encode(row->order_sha256, SHA256_SIZE, hex);
	row->state = LOT_OPEN;
	row->opened_ms = clock_wall_ms();
	json_t *body = json_pack("{s:s, s:s, s:I, s:s}", "product", row->product, "profile", row->profile, "count",
				 (json_int_t)row->count,
				 "order_sha256", hex);
	if (*note)
		json_object_set_new(body, "signed_order", json_string(note));
	return TEXT_COPY(row->opened_by, person, e) && write_change(l, row, row->id, note, "lot.opened", person, body, e);
}

/* A lot that is open already is gone on with: which one is current changes, and, where its order was amended, what that allows. */
static bool go_on(struct line *l, struct lot_row *old, uint32_t scrap, const char *note, const char *person, struct err *e)
{
	json_t *body = json_object();
	if (*note)
		json_object_set_new(body, "signed_order", json_string(note));
	old->scrap = scrap;
	return write_change(l, old, old->id, note, "lot.resumed", person, body, e);
}

/* Where orders are signed: the signer takes the order, or nothing is opened. */
static bool signer_takes_order(struct line *l, struct order *order, struct bytes *note, struct err *e)
{
	struct order_terms terms;
	struct order_reply left;
	if (!orders_are_signed(l->config))
		return true;
	if (!signed_order_read(l->config, order, note, &terms, e) || !signing_order(&l->signing, note->data, note->len, &left, e))
		return false;
	order->lot.scrap = terms.scrap;
	return true;
}

bool lot_open(struct line *l, const char *id, const char *person, struct err *e)
{
	AUTO(order) struct order order = {0};
	AUTO(lot_row) struct lot_row old = {0};
	AUTO(bytes) struct bytes note = {0};
	struct lot_view now;
	bool found = false;
	int profile = -1;
	if (!lot_look(l, &now, e) || !order_read(l->config->orders_dir, id, &order, e) || !profile_is_here(l, &order,
													   &profile, e) ||
	    !lots_find(l->ledger, order.lot.id, &old, &found, e))
		return false;
	if (found && old.state != LOT_OPEN)
		return err_set(e, old.state == LOT_CLOSED ? E_LOT_CLOSED : E_LOT_STATE, "lot \"%s\" is %s", old.id,
			       lot_state_name(old.state));
	if (found && memcmp(old.order_sha256, order.lot.order_sha256, SHA256_SIZE) != 0)
		return err_set(e, E_LOT_OTHER, "%s.json", old.id);
	bool same = !strcmp(now.id, order.lot.id);
	if (!same && line_works(l))
		return err_set(e, E_LOT_BUSY, "units of %s", now.id[0] ? now.id : "no lot");
	if (!signer_takes_order(l, &order, &note, e))
		return false;
	if (same && order.lot.scrap == old.scrap && !note.len)
		return true;
	const char *text = note.len ? bytes_text(&note) : "";
	if (!(found ? go_on(l, &old, order.lot.scrap, text, person, e) : write_opening(l, &order.lot, text, person, e)))
		return false;
	make_current(l, &order, profile);
	return true;
}

/* What the lot leaves, for its last entry. */
static json_t *closing_of(const struct handover *handover, const struct failed_sums *failed)
{
	json_t *body = handover_json(handover);
	json_object_update_new(body, json_pack("{s:I, s:I}", "failed", (json_int_t)failed->units, "scrapped",
					       (json_int_t)failed->scrapped));
	return body;
}

bool lot_close(struct line *l, const char *person, enum failed_decision decision, struct err *e)
{
	AUTO(lot_row) struct lot_row row = {0};
	struct order none = {0};
	struct lot_view now;
	struct handover handover = {0};
	struct failed_sums failed;
	bool found = false;
	if (!lot_look(l, &now, e))
		return false;
	if (!now.id[0])
		return err_set(e, E_NO_LOT, "there is none to close");
	if (line_works(l))
		return err_set(e, E_LOT_BUSY, "units of %s", now.id);
	if (!failed_decide(l, now.id, decision, person, &failed, e) || !lots_find(l->ledger, now.id, &row, &found, e) ||
	    !handover_write(l, &row, &handover, e))
		return false;
	row.state = LOT_CLOSED;
	row.closed_ms = clock_wall_ms();
	if (!TEXT_COPY(row.closed_by, person, e) || !write_change(l, &row, "", "", "lot.closed", person,
								  closing_of(&handover, &failed), e))
		return false;
	make_current(l, &none, -1);
	return true;
}

/* ---- admission ---- */

bool lot_admits(struct line *l, const char *lot, const char *label, const char *job, struct err *e)
{
	AUTO(revocation) struct revocation old = {0};
	bool has = false, listed;
	struct lot_view now;
	if (!lot[0] || !l->lot)
		return true;
	if (!lot_look(l, &now, e))
		return false;
	if (strcmp(now.id, lot) != 0)
		return err_set(e, E_NO_LOT, "lot %s is not the current one any more", lot);
	pthread_mutex_lock(&l->lot->lock);
	listed = order_has(&l->lot->order, label);
	pthread_mutex_unlock(&l->lot->lock);
	if (!listed)
		return err_set(e, E_NOT_LISTED, "\"%s\" is not on the list of %s", label, lot);
	if (now.taken < now.allowed)
		return true;
	if (*job && (!revocation_is_replaced(l->ledger, job, &old, &has, e) || has))
		return has;
	return (*job && lots_has_place(l->ledger, lot, job, &has, e) && has) ||
	       err_set(e, E_LOT_FULL, "lot \"%s\" allows %llu identities", lot, (unsigned long long)now.allowed);
}
