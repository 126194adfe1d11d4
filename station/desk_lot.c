/* SPDX-License-Identifier: Apache-2.0 */
/* What the desk says of lots and results. */
#include "station/desk.h"
#include "station/shift/lot.h"
#include "station/shift/lot_report.h"
#include "station/shift/shift.h"

#include <string.h>

#define RESULTS_MOST 1000
#define LOTS_MOST 500

/* A number of the request, within bounds. */
static uint32_t most_of(const json_t *request, int64_t otherwise, int64_t most)
{
	int64_t n = json_int_or(request, "most", otherwise);
	return (uint32_t)(n < 1 ? 1 : n > most ? most : n);
}

/* A lot's report, and of the one that is worked on what the signer has counted. */
static json_t *report_of(struct line *l, const char *id, struct err *e)
{
	struct lot_view now;
	struct order_reply left;
	json_t *report = lot_report(l->ledger, id, e);
	if (report && lot_look(l, &now, e) && !strcmp(now.id, id) && signing_order_left(&l->signing, &left))
		json_object_set_new(report, "signer", json_pack("{s:I, s:I, s:I, s:I}", "allowed", (json_int_t)left.allowed, "used",
								(json_int_t)left.used, "replace_allowed",
									(json_int_t)left.replace_allowed,
								"replaced", (json_int_t)left.replaced));
	return report;
}

json_t *desk_lot(struct desk *d, const json_t *request, struct err *e)
{
	const char *id = json_text_or(request, "id", "");
	struct lot_view now = {0};
	if (!*id && !lot_look(d->line, &now, e))
		return NULL;
	id = *id ? id : now.id;
	json_t *report = *id ? report_of(d->line, id, e) : json_null();
	return report ? json_pack("{s:o}", "lot", report) : NULL;
}

/* As a scanned code would: for who is logged in. */
static json_t *change(struct desk *d, const char *open, enum failed_decision decision, struct err *e)
{
	struct line *l = d->line;
	char person[PERSON_ID] = "";
	struct lot_view before = {0}, now = {0};
	if (l->shift && !session_may(l->shift->session, open ? DO_OPEN_LOT : DO_CLOSE_LOT, person, e))
		return NULL;
	if (!lot_look(l, &before, e) || !(open ? lot_open(l, open, person, e) : lot_close(l, person, decision, e)) ||
	    !lot_look(l, &now, e))
		return NULL;
	desk_tell_shift(d);
	json_t *report = report_of(l, open ? now.id : before.id, e);
	return report ? json_pack("{s:o}", "lot", report) : NULL;
}

json_t *desk_lot_open(struct desk *d, const json_t *request, struct err *e)
{
	const char *id = NULL;
	return json_get_text(request, "id", &id, e) ? change(d, id, FAILED_UNDECIDED, e) : NULL;
}

json_t *desk_lot_close(struct desk *d, const json_t *request, struct err *e)
{
	const char *failed = json_text_or(request, "failed", "");
	bool scrap = !strcmp(failed, "scrap"), keep = !strcmp(failed, "keep");
	if (*failed && !scrap && !keep)
		return (void)err_set(e, E_USAGE, "failed: scrap or keep"), NULL;
	return change(d, NULL, scrap ? FAILED_SCRAP : keep ? FAILED_KEEP : FAILED_UNDECIDED, e);
}

struct list {
	struct ledger *ledger;
	json_t *rows;
	struct err *e;
	bool ok;
	int64_t last;
};

static bool add_lot(void *ctx, const struct lot_row *row)
{
	struct list *list = ctx;
	json_t *lot = lot_json(list->ledger, row, list->e);
	list->ok = lot && json_array_append_new(list->rows, lot) == 0;
	return list->ok;
}

json_t *desk_lots(struct desk *d, const json_t *request, struct err *e)
{
	struct list list = {.ledger = d->line->ledger, .rows = json_array(), .e = e, .ok = true};
	if (lots_scan(d->line->ledger, most_of(request, 50, LOTS_MOST), add_lot, &list, e) && list.ok)
		return json_pack("{s:o}", "lots", list.rows);
	json_decref(list.rows);
	return NULL;
}

json_t *desk_visit_json(const struct visit_row *v)
{
	json_t *visit = json_pack("{s:I, s:I, s:I, s:s, s:s, s:s, s:s}", "number", (json_int_t)v->number, "begun_ms",
				  (json_int_t)v->begun_ms, "ended_ms", (json_int_t)v->ended_ms, "lot", v->lot, "job", v->job,
					"slot",
				  v->slot, "serial", v->serial);
	json_object_update_new(visit, json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "label", v->label, "registration_id",
						v->registration_id,
						"verdict", verdict_name(v->verdict), "code", v->code, "person", v->person, "first",
						v->first));
	return visit;
}

static bool add_visit(void *ctx, const struct visit_row *v)
{
	struct list *list = ctx;
	list->last = v->number;
	list->ok = json_array_append_new(list->rows, desk_visit_json(v)) == 0;
	return list->ok;
}

json_t *desk_results(struct desk *d, const json_t *request, struct err *e)
{
	const char *lot = json_text_or(request, "lot", "");
	struct list list = {.rows = json_array(), .ok = true, .last = json_int_or(request, "after", 0)};
	if (visits_scan(d->line->ledger, *lot ? lot : NULL, list.last, most_of(request, 500, RESULTS_MOST), add_visit, &list, e) &&
	    list.ok)
		return json_pack("{s:o, s:I}", "results", list.rows, "last", (json_int_t)list.last);
	json_decref(list.rows);
	return NULL;
}
